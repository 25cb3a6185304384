//! What the properties of a peering let pass.

use serde_json::{Value, json};

use crate::azure::{Document, Families, PacketCase, Probe};

const NO_ACCESS: &str = "VirtualNetworkAccessDenied";
const FORWARDED: &str = "ForwardedTrafficDenied";

fn closed() -> Document {
    Document::hub_and_spokes().peering("one/to-hub", "allowVirtualNetworkAccess", false)
}

/// Allows what a prefix of the hub sends.
fn allow_hub(direction: &str) -> Value {
    let rule = |name: &str, priority: u32, hub: &str| {
        let any = json!("*");
        let (source, destination) =
            if direction == "Inbound" { (json!(hub), any) } else { (any, json!(hub)) };
        json!({ "name": name, "properties": {
            "priority": priority, "direction": direction, "access": "Allow", "protocol": "*",
            "sourceAddressPrefix": source, "destinationAddressPrefix": destination,
            "sourcePortRange": "*", "destinationPortRange": "*",
        }})
    };
    json!([rule("v4", 100, "10.0.0.0/16"), rule("v6", 101, "fd00::/48")])
}

pub(super) const CASES: &[PacketCase] =
    &[
        PacketCase::new(
            "1.3 allowVirtualNetworkAccess",
            "true_is_the_default",
            || Document::new().peered("hub", "one"),
            &[Probe::direct("hub1", "one1")],
        ),
        PacketCase::new(
            "4.6",
            "without_access_and_without_a_group_nothing_passes",
            closed,
            &[
                Probe::dropped("one1", "hub1", "one1", NO_ACCESS),
                Probe::dropped("hub1", "one1", "one1", NO_ACCESS),
                Probe::direct("hub1", "two1"),
            ],
        ),
        PacketCase::new(
            "4.6",
            "without_access_the_default_rules_deny",
            || closed().group("one1", json!([])),
            &[
                Probe::dropped("hub1", "one1", "one1", "InboundRuleDenied"),
                Probe::dropped("one1", "hub1", "one1", "OutboundRuleDenied"),
            ],
        ),
        PacketCase::new(
            "4.6",
            "without_access_a_rule_of_a_group_lets_pass",
            || closed().group("one1", allow_hub("Inbound")),
            &[
                Probe::direct("hub1", "one1"),
                Probe::dropped("one1", "hub1", "one1", "OutboundRuleDenied"),
            ],
        ),
        PacketCase::new(
            "4.5",
            "peers_are_in_the_tag_and_the_unpeered_are_not",
            || Document::hub_and_spokes().group("hub1", json!([])).group("one1", json!([])),
            &[
                Probe::direct("hub1", "one1"),
                Probe::direct("one1", "hub1"),
                Probe::direct("two1", "hub1"),
            ],
        ),
        PacketCase::new(
            "4.5",
            "transitively_reached_spokes_are_not_in_the_tag",
            || Document::service_chain().group("two1", json!([])).without_routes("from-two"),
            &[Probe::dropped("one1", "two1", "two1", "InboundRuleDenied")],
        ),
        PacketCase::new(
            "4.5",
            "prefixes_of_user_defined_routes_are_in_the_tag",
            || Document::service_chain().group("two1", json!([])),
            &[Probe::via("one1", "two1", &["nva"])],
        ),
        PacketCase::new(
            "4.7.1",
            "forwarded_traffic_passes_where_the_receiving_side_allows_it",
            Document::service_chain,
            &[Probe::via("one1", "two1", &["nva"])],
        ),
        PacketCase::new(
            "4.7.2",
            "forwarded_traffic_is_dropped_where_the_receiving_side_does_not_allow_it",
            || Document::service_chain().peering("two/to-hub", "allowForwardedTraffic", false),
            &[
                Probe::dropped("one1", "two1", "two1", FORWARDED),
                Probe::direct("nva", "two1"),
                Probe::direct("hub1", "two1"),
            ],
        ),
        PacketCase::new(
            "4.7.1",
            "the_flag_of_the_other_side_does_not_matter",
            || {
                Document::service_chain()
                    .peering("two/to-hub", "allowForwardedTraffic", false)
                    .peering("hub/to-two", "allowForwardedTraffic", true)
            },
            &[Probe::dropped("one1", "two1", "two1", FORWARDED)],
        ),
        PacketCase::new(
            "4.7.5",
            "the_flag_makes_no_route",
            || Document::hub_and_spokes().both("hub", "one", "allowForwardedTraffic", true),
            &[Probe::unrouted("one1", "two1"), Probe::direct("one1", "hub1")],
        ),
        PacketCase::new(
            "1.3 allowForwardedTraffic",
            "false_is_the_default",
            || {
                let routes = [("one", 2), ("two", 1)];
                let chain = Document::hub_and_spokes();
                routes.into_iter().fold(chain, |it, (own, other)| it.through_nva(own, other))
            },
            &[Probe::dropped("one1", "two1", "two1", FORWARDED)],
        ),
        PacketCase::new(
            "1.3 enableOnlyIPv6Peering",
            "only_ipv6_passes",
            || Document::hub_and_spokes().both("hub", "one", "enableOnlyIPv6Peering", true),
            &[
                Probe::direct("hub1", "one1").only(Families::V6),
                Probe::direct("one2", "hub1").only(Families::V6),
                Probe::unrouted("hub1", "one1").only(Families::V4),
                Probe::unrouted("one1", "hub1").only(Families::V4),
                Probe::direct("hub1", "two1"),
            ],
        ),
    ];
