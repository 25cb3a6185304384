//! What network managers connect.

use serde_json::json;

use super::gateways::SITE;
use crate::azure::{Document, PacketCase, Probe};

fn mesh() -> Document {
    Document::new().managed().mesh("everything", json!({}))
}

fn star() -> Document {
    Document::new().managed().star(json!({}), json!({}))
}

/// One and two have the same further range, in which a NIC of each is.
fn overlapping() -> Document {
    mesh()
        .space("one", &["10.1.0.0/16", "10.77.0.0/16", "fd00:1::/48", "fd00:77::/48"])
        .space("two", &["10.2.0.0/16", "10.77.0.0/16", "fd00:2::/48", "fd00:77::/48"])
}

pub(super) const CASES: &[PacketCase] = &[
    PacketCase::new(
        "6.2.1",
        "a_configuration_that_no_commit_lists_connects_nothing",
        || mesh().committed(&["westeurope", "northeurope"], &[]),
        &[Probe::unrouted("one1", "two1"), Probe::unrouted("hub1", "one1")],
    ),
    PacketCase::new(
        "6.2.1",
        "a_commit_is_for_its_regions",
        || mesh().located("two", "northeurope").committed(&["westeurope"], &["mesh"]),
        &[Probe::direct("one1", "hub1"), Probe::unrouted("one1", "two1")],
    ),
    PacketCase::new(
        "6.2.2",
        "hub_and_spokes_are_peered_and_spokes_are_not",
        star,
        &[
            Probe::direct("one1", "hub1"),
            Probe::direct("hub2", "two2"),
            Probe::unrouted("one1", "two1"),
        ],
    ),
    PacketCase::new(
        "6.2.2",
        "peerings_that_do_not_match_are_deleted",
        || {
            Document::new()
                .peered("one", "two")
                .managed()
                .star(json!({}), json!({ "deleteExistingPeering": "True" }))
        },
        &[Probe::direct("one1", "hub1"), Probe::unrouted("one1", "two1")],
    ),
    PacketCase::new(
        "6.2.3",
        "spokes_use_the_gateway_of_the_hub",
        || {
            Document::new()
                .gateway("hub", "Vpn", "VpnGw1")
                .site("hub", &["198.18.0.0/24", "2001:db8:100::/48"])
                .managed()
                .star(json!({ "useHubGateway": "True" }), json!({}))
        },
        &[Probe::direct("one1", "hub1"), Probe::handed("one1", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "6.2.4",
        "members_of_a_mesh_reach_each_other",
        mesh,
        &[
            Probe::direct("one1", "two1"),
            Probe::direct("two2", "one2"),
            Probe::direct("hub1", "one1"),
            Probe::direct("two1", "hub2"),
            Probe::direct("one1", "one2"),
        ],
    ),
    PacketCase::new(
        "6.2.4",
        "directly_connected_spokes_reach_each_other",
        || {
            Document::new()
                .managed()
                .star(json!({ "groupConnectivity": "DirectlyConnected" }), json!({}))
        },
        &[
            Probe::direct("one1", "two1"),
            Probe::direct("two2", "one2"),
            Probe::direct("one1", "hub1"),
        ],
    ),
    PacketCase::new(
        "6.2.4",
        "a_mesh_is_of_its_members_only",
        || Document::new().managed().mesh("spokes", json!({})),
        &[Probe::direct("one1", "two1"), Probe::unrouted("hub1", "one1")],
    ),
    PacketCase::new(
        "6.2.5",
        "a_mesh_is_regional",
        || mesh().located("two", "northeurope"),
        &[Probe::direct("one1", "hub1"), Probe::unrouted("one1", "two1")],
    ),
    PacketCase::new(
        "6.2.5",
        "a_global_mesh_joins_regions",
        || {
            let global = json!({ "isGlobal": "True" });
            Document::new().managed().mesh("everything", global).located("two", "northeurope")
        },
        &[Probe::direct("one1", "two1"), Probe::direct("two2", "hub1")],
    ),
    PacketCase::new(
        "6.2.5",
        "spokes_are_of_the_region_of_the_hub_unless_global",
        || star().located("two", "northeurope"),
        &[Probe::direct("one1", "hub1"), Probe::unrouted("two1", "hub1")],
    ),
    PacketCase::new(
        "6.2.5",
        "a_global_group_has_spokes_of_all_regions",
        || {
            let group = json!({ "isGlobal": "True", "groupConnectivity": "DirectlyConnected" });
            Document::new().managed().star(group, json!({})).located("two", "northeurope")
        },
        &[
            Probe::direct("one1", "hub1"),
            Probe::direct("two1", "hub1"),
            Probe::direct("one1", "two1"),
        ],
    ),
    PacketCase::new(
        "6.2.6",
        "the_range_that_two_members_have_is_withdrawn_and_no_other",
        overlapping,
        &[
            Probe::lost("hub1", ["10.77.0.4", "fd00:77::4"], "RouteNone"),
            Probe::direct("hub1", "one1"),
            Probe::direct("one1", "two1"),
        ],
    ),
    PacketCase::new(
        "6.2.7",
        "a_member_reaches_its_own_peer_where_that_overlaps_another_member",
        || {
            Document::new()
                .space("hub", &["10.0.0.0/16", "10.2.2.0/24", "fd00::/48", "fd00:2:0:2::/64"])
                .managed()
                .mesh("spokes", json!({}))
                .peered("hub", "one")
        },
        &[
            Probe::direct("one1", "hub1"),
            Probe::direct("one1", "two1"),
            // In the hub nobody has the address of two2.
            Probe::dropped("one1", "two2", "one1", "NoEndpoint"),
            Probe::direct("two1", "two2"),
        ],
    ),
    PacketCase::new(
        "6.2.8",
        "a_subnet_peering_decides_between_its_vnets",
        || mesh().peered("one", "two").by_subnets(("one", &["default"]), ("two", &["default"])),
        &[
            Probe::direct("one1", "two1"),
            Probe::direct("hub1", "one2"),
            Probe::dropped("one2", "two1", "two1", "ForwardedTrafficDenied"),
            Probe::dropped("one2", "two2", "one2", "RouteNone"),
        ],
    ),
    PacketCase::new(
        "6.3",
        "a_rule_for_the_members_of_a_group",
        || {
            let group = json!([{ "addressPrefixType": "NetworkGroup", "addressPrefix": "spokes" }]);
            let any = json!([{ "addressPrefixType": "IPPrefix", "addressPrefix": "*" }]);
            let rule = json!({
                "priority": 1, "direction": "Inbound", "access": "Deny", "protocol": "Any",
                "sources": group, "destinations": any,
                "sourcePortRanges": ["*"], "destinationPortRanges": ["*"],
            });
            mesh().admin_rules(json!([{ "name": "no-spokes", "properties": rule }]))
        },
        &[
            Probe::direct("hub1", "one1"),
            Probe::dropped("one1", "hub1", "hub1", "AdminRuleDenied"),
            Probe::dropped("one1", "two1", "two1", "AdminRuleDenied"),
        ],
    ),
];
