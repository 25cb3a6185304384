//! Who reaches whom by which peering objects.

use crate::azure::{Document, PacketCase, Probe};

pub(super) const CASES: &[PacketCase] = &[
    PacketCase::new(
        "1.1",
        "two_objects_make_a_link",
        || Document::new().peered("hub", "one"),
        &[
            Probe::direct("hub1", "one1"),
            Probe::direct("one1", "hub1"),
            Probe::direct("hub1", "one2"),
            Probe::direct("one2", "nva"),
        ],
    ),
    PacketCase::new(
        "1.4.3",
        "an_initiated_peering_carries_nothing",
        || Document::new().side("hub", "one"),
        &[Probe::unrouted("hub1", "one1"), Probe::unrouted("one1", "hub1")],
    ),
    PacketCase::new(
        "1.4.4",
        "the_survivor_of_a_deletion_carries_nothing",
        || Document::hub_and_spokes().without("virtualNetworkPeerings", "one/to-hub"),
        &[
            Probe::unrouted("hub1", "one1"),
            Probe::unrouted("one2", "hub1"),
            Probe::direct("hub1", "two1"),
        ],
    ),
    PacketCase::new(
        "1.6",
        "peering_is_not_transitive",
        Document::hub_and_spokes,
        &[
            Probe::direct("one1", "hub1"),
            Probe::direct("hub1", "two1"),
            Probe::unrouted("one1", "two1"),
            Probe::unrouted("two2", "one2"),
        ],
    ),
    PacketCase::new(
        "1.6",
        "a_peering_of_their_own_connects_spokes",
        || Document::hub_and_spokes().peered("one", "two"),
        &[Probe::direct("one1", "two1"), Probe::direct("two2", "one2")],
    ),
    PacketCase::new(
        "1.6",
        "an_appliance_in_the_hub_connects_spokes",
        Document::service_chain,
        &[Probe::via("one1", "two1", &["nva"]), Probe::via("two1", "one1", &["nva"])],
    ),
    PacketCase::new(
        "1.4.9",
        "one_object_connects_a_classic_vnet",
        || {
            Document::new()
                .set("virtualNetworks", "one", "deploymentModel", "Classic")
                .side("hub", "one")
        },
        &[Probe::direct("hub1", "one1"), Probe::direct("one2", "hub1")],
    ),
    PacketCase::new(
        "10.6",
        "classic_vnets_are_not_connected_with_each_other",
        || {
            ["one", "two"]
                .iter()
                .fold(Document::new().side("hub", "one").side("hub", "two"), |it, vnet| {
                    it.set("virtualNetworks", vnet, "deploymentModel", "Classic")
                })
        },
        &[Probe::direct("hub1", "two1"), Probe::unrouted("one1", "two1")],
    ),
];
