//! Subnet peering.

use crate::azure::{Document, Families, PacketCase, Probe};

/// To the receiver, what is not from a named subnet is what somebody forwarded.
const NOT_NAMED: &str = "ForwardedTrafficDenied";

/// The default subnets of hub and first spoke are peered.
fn defaults() -> Document {
    Document::hub_and_spokes().by_subnets(("hub", &["default"]), ("one", &["default"]))
}

pub(super) const CASES: &[PacketCase] = &[
    PacketCase::new(
        "1.8.1",
        "named_subnets_reach_each_other",
        defaults,
        &[Probe::direct("hub1", "one1"), Probe::direct("one1", "hub2")],
    ),
    PacketCase::new(
        "1.8.5",
        "a_subnet_that_is_not_named_has_the_route_and_its_packets_are_dropped",
        defaults,
        &[
            Probe::dropped("one2", "hub1", "hub1", NOT_NAMED),
            Probe::dropped("nva", "one1", "one1", NOT_NAMED),
        ],
    ),
    PacketCase::new(
        "1.8.5",
        "no_route_leads_to_a_subnet_that_is_not_named",
        defaults,
        &[Probe::unrouted("hub1", "one2"), Probe::unrouted("one1", "nva")],
    ),
    PacketCase::new(
        "1.8.3",
        "other_peerings_of_the_vnet_are_whole",
        defaults,
        &[Probe::direct("two2", "nva"), Probe::direct("nva", "two1")],
    ),
    PacketCase::new(
        "1.8.7",
        "ipv6_of_named_subnets_alone",
        || defaults().both("hub", "one", "enableOnlyIPv6Peering", true),
        &[
            Probe::direct("hub1", "one1").only(Families::V6),
            Probe::unrouted("hub1", "one1").only(Families::V4),
        ],
    ),
];
