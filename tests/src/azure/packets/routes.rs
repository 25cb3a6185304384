//! System routes, user-defined routes, appliances.

use serde_json::{Value, json};

use crate::azure::{Document, Families, PacketCase, Probe};

const ONE: (&str, &str) = ("one", "default");
const HUB_SPACE: [&str; 2] = ["10.0.0.0/16", "fd00::/48"];
const ONE_SPACE: [&str; 2] = ["10.1.0.0/16", "fd00:1::/48"];
const NVA: [&str; 2] = ["10.0.2.4", "fd00:0:0:2::4"];
const NOWHERE: [&str; 2] = ["", ""];

fn spread() -> Document {
    let hop = |last: u8| [format!("10.0.2.{last}"), format!("fd00:0:0:2::{last}")];
    let (first, second) = (hop(4), hop(5));
    let route = |name: &str, prefix: &str, family: usize| -> Value {
        let addresses = [&first[family], &second[family]];
        json!({ "name": name, "properties": {
            "addressPrefix": prefix, "nextHopType": "VirtualApplianceEcmp",
            "nextHop": { "nextHopIpAddresses": addresses },
        }})
    };
    [("one", 2), ("two", 1)].into_iter().fold(Document::hub_and_spokes(), |it, (own, other)| {
        let name = format!("from-{own}");
        it.peering(&format!("{own}/to-hub"), "allowForwardedTraffic", true)
            .table(
                &name,
                json!([
                    route("v4", &format!("10.{other}.0.0/16"), 0),
                    route("v6", &format!("fd00:{other}::/48"), 1),
                ]),
            )
            .attach(&name, own, "default")
    })
}

pub(super) const CASES: &[PacketCase] = &[
    PacketCase::new(
        "3.1 VnetLocal",
        "subnets_of_a_vnet_reach_each_other",
        Document::new,
        &[Probe::direct("one1", "one2"), Probe::direct("nva2", "hub2")],
    ),
    PacketCase::new(
        "3.1 None",
        "the_four_ranges_are_dropped",
        Document::new,
        &[
            Probe::lost("one1", ["10.9.9.9", "::"], "RouteNone").only(Families::V4),
            Probe::lost("one1", ["172.16.1.1", "::"], "RouteNone").only(Families::V4),
            Probe::lost("one1", ["192.168.1.1", "::"], "RouteNone").only(Families::V4),
            Probe::lost("one1", ["100.64.0.1", "::"], "RouteNone").only(Families::V4),
        ],
    ),
    PacketCase::new(
        "3.1 Internet",
        "everything_else_leads_to_the_internet",
        Document::new,
        &[Probe::lost("one1", ["203.0.113.9", "2001:db8:9::9"], "InternetUnavailable")],
    ),
    PacketCase::new(
        "3.2.1",
        "the_longest_prefix_wins",
        || {
            Document::hub_and_spokes().route(
                ONE,
                ["10.0.2.0/24", "fd00:0:0:2::/64"],
                "None",
                NOWHERE,
            )
        },
        &[
            Probe::direct("one1", "hub1"),
            Probe::lost("one1", NVA, "RouteNone"),
            Probe::direct("one2", "nva"),
        ],
    ),
    PacketCase::new(
        "3.2.2",
        "a_user_defined_route_beats_a_system_route_of_its_prefix",
        || Document::hub_and_spokes().route(ONE, HUB_SPACE, "None", NOWHERE),
        &[
            Probe::lost("one1", ["10.0.1.4", "fd00:0:0:1::4"], "RouteNone"),
            Probe::direct("one2", "hub1"),
        ],
    ),
    PacketCase::new(
        "3.2.4",
        "a_broader_user_defined_route_does_not_beat_a_peering",
        || Document::hub_and_spokes().route(ONE, ["10.0.0.0/8", "fd00::/16"], "None", NOWHERE),
        &[
            Probe::direct("one1", "hub1"),
            Probe::lost("one1", ["10.2.1.4", "fd00:2:0:1::4"], "RouteNone"),
        ],
    ),
    PacketCase::new(
        "3.2.5",
        "a_user_defined_route_diverts_the_vnets_own_prefix",
        || {
            Document::hub_and_spokes().peering("one/to-hub", "allowForwardedTraffic", true).route(
                ONE,
                ONE_SPACE,
                "VirtualAppliance",
                NVA,
            )
        },
        &[Probe::via("one1", "one2", &["nva"]), Probe::direct("one1", "hub1")],
    ),
    PacketCase::new(
        "3.3.1",
        "a_table_is_for_what_its_subnet_sends",
        || Document::hub_and_spokes().route(ONE, HUB_SPACE, "None", NOWHERE),
        &[
            Probe::direct("one2", "hub1"),
            Probe::answer_dropped("hub1", "one1", "one1", "RouteNone"),
        ],
    ),
    PacketCase::new(
        "3.3.2",
        "an_appliance_in_the_own_vnet",
        || Document::hub_and_spokes().route(("hub", "default"), ONE_SPACE, "VirtualAppliance", NVA),
        &[Probe::via("hub1", "one1", &["nva"]), Probe::via("hub2", "one2", &["nva"])],
    ),
    PacketCase::new(
        "3.3.2",
        "an_appliance_that_is_not_directly_peered_is_not_reached",
        || {
            let far = ["10.2.1.4", "fd00:2:0:1::4"];
            Document::hub_and_spokes().route(
                ONE,
                ["10.9.0.0/16", "fd00:9::/48"],
                "VirtualAppliance",
                far,
            )
        },
        &[Probe::lost("one1", ["10.9.1.1", "fd00:9::1"], "NextHopUnreachable")],
    ),
    PacketCase::new(
        "3.3.2",
        "an_appliance_is_not_found_by_another_user_defined_route",
        || {
            let routes = json!([
                {"name": "a", "properties": {"addressPrefix": "10.2.0.0/16",
                    "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.0.2.4"}},
                {"name": "b", "properties": {"addressPrefix": "fd00:2::/48",
                    "nextHopType": "VirtualAppliance", "nextHopIpAddress": "fd00:0:0:2::4"}},
                {"name": "c", "properties": {"addressPrefix": "10.9.0.0/16",
                    "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.2.1.4"}},
                {"name": "d", "properties": {"addressPrefix": "fd00:9::/48",
                    "nextHopType": "VirtualAppliance", "nextHopIpAddress": "fd00:2:0:1::4"}},
            ]);
            Document::hub_and_spokes().table("two-steps", routes).attach(
                "two-steps",
                "one",
                "default",
            )
        },
        &[Probe::lost("one1", ["10.9.1.1", "fd00:9::1"], "NextHopUnreachable")],
    ),
    PacketCase::new(
        "3.3.3",
        "an_appliance_needs_ip_forwarding",
        || Document::service_chain().nic("nva", "enableIPForwarding", false),
        &[
            Probe::dropped("one1", "two1", "nva", "ForwardingDisabled"),
            Probe::direct("one1", "nva"),
        ],
    ),
    PacketCase::new(
        "3.3.4",
        "a_route_back_to_the_appliance_loops",
        || {
            Document::service_chain().route(
                ("hub", "nva"),
                ["10.2.0.0/16", "fd00:2::/48"],
                "VirtualAppliance",
                NVA,
            )
        },
        &[
            Probe::dropped("one1", "two1", "nva", "RouteLoop"),
            Probe::answer_dropped("two1", "one1", "nva", "RouteLoop"),
        ],
    ),
    PacketCase::new(
        "3.3.6",
        "none_drops",
        || Document::new().route(ONE, ["10.1.2.0/24", "fd00:1:0:2::/64"], "None", NOWHERE),
        &[Probe::dropped("one1", "one2", "one1", "RouteNone")],
    ),
    PacketCase::new(
        "3.3.6",
        "internet_leaves_the_vnet",
        || Document::new().route(ONE, ["10.1.2.0/24", "fd00:1:0:2::/64"], "Internet", NOWHERE),
        &[Probe::dropped("one1", "one2", "one1", "InternetUnavailable")],
    ),
    PacketCase::new(
        "3.3.6",
        "vnet_local_goes_straight",
        || {
            let routes = json!([
                {"name": "a", "properties": {"addressPrefix": "10.1.0.0/16", "nextHopType": "None"}},
                {"name": "b", "properties": {"addressPrefix": "fd00:1::/48", "nextHopType": "None"}},
                {"name": "c", "properties": {"addressPrefix": "10.1.2.0/24",
                    "nextHopType": "VnetLocal"}},
                {"name": "d", "properties": {"addressPrefix": "fd00:1:0:2::/64",
                    "nextHopType": "VnetLocal"}},
            ]);
            Document::new().table("mixed", routes).attach("mixed", "one", "default")
        },
        &[Probe::direct("one1", "one2")],
    ),
    PacketCase::new(
        "3.3.9",
        "without_peering_routes_peers_are_not_reached",
        || {
            Document::hub_and_spokes()
                .table("alone", json!([]))
                .set("routeTables", "alone", "disablePeeringRoute", "All")
                .attach("alone", "one", "default")
        },
        &[
            Probe::unrouted("one1", "hub1"),
            Probe::direct("one2", "hub1"),
            Probe::direct("one1", "one2"),
        ],
    ),
    PacketCase::new(
        "3.3",
        "a_flow_takes_one_appliance_both_ways",
        spread,
        &[
            Probe::spread("one1", "two1", &["nva", "nva2"]),
            Probe::spread("two1", "one1", &["nva", "nva2"]),
        ],
    ),
];
