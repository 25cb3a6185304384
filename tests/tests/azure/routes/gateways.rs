//! Routes of gateways.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{RouteCase, Rows, case};

const SITE: [&str; 2] = ["198.18.0.0/24", "2001:db8:100::/48"];

fn with_site() -> Document {
    Document::hub_and_spokes().gateway("hub", "Vpn", "VpnGw1").site("hub", &SITE)
}

/// An `ExpressRoute` gateway, which learns what its daemon learned.
fn with_express_route() -> Document {
    Document::hub_and_spokes().gateway("hub", "ExpressRoute", "ErGw1AZ")
}

pub(super) const CASES: &[RouteCase] = &[
    case(
        "3.1 VirtualNetworkGateway",
        "the_site_of_the_own_gateway",
        with_site,
        "hub1",
        Rows::Some(
            &[
                "VirtualNetworkGateway Active 198.18.0.0/24 VirtualNetworkGateway 10.0.255.4",
                "VirtualNetworkGateway Active 2001:db8:100::/48 VirtualNetworkGateway \
                 fd00:0:0:ff::4",
            ],
            &[],
        ),
    ),
    RouteCase {
        learned: &[("gw-hub", "198.51.100.0/24"), ("gw-hub", "2001:db8:7::/48")],
        ..case(
            "5.5",
            "what_a_gateway_learned_is_in_spokes_that_use_it",
            || with_express_route().transit("one"),
            "one1",
            Rows::Some(
                &[
                    "VirtualNetworkGateway Active 198.51.100.0/24 VirtualNetworkGateway \
                     10.0.255.4",
                    "VirtualNetworkGateway Active 2001:db8:7::/48 VirtualNetworkGateway \
                     fd00:0:0:ff::4",
                ],
                &[],
            ),
        )
    },
    RouteCase {
        learned: &[("gw-hub", "198.51.100.0/24")],
        ..case(
            "5.1",
            "a_spoke_that_does_not_use_the_gateway_has_no_route",
            || with_express_route().transit("one"),
            "two1",
            Rows::Some(&[], &["198.51.100.0/24"]),
        )
    },
    RouteCase {
        learned: &[("gw-hub", "198.51.100.0/24")],
        ..case(
            "3.3.8",
            "disable_bgp_route_propagation_takes_gateway_routes_only",
            || {
                with_express_route()
                    .transit("one")
                    .table("alone", json!([]))
                    .set("routeTables", "alone", "disableBgpRoutePropagation", true)
                    .attach("alone", "one", "default")
            },
            "one1",
            Rows::Some(
                &["Default Active 10.0.0.0/16 VNetPeering", "Default Active 10.1.0.0/16 VnetLocal"],
                &["198.51.100.0/24"],
            ),
        )
    },
    RouteCase {
        learned: &[
            ("gw-hub", "10.1.7.0/24"),
            ("gw-hub", "10.0.0.0/16"),
            ("gw-hub", "fd00:1:0:9::/64"),
        ],
        ..case(
            "3.2.3",
            "routes_of_vnet_and_peers_beat_learned_ones_inside_them",
            with_express_route,
            "hub1",
            Rows::Some(
                &[
                    "Default Active 10.1.0.0/16 VNetPeering",
                    "VirtualNetworkGateway Invalid 10.1.7.0/24 VirtualNetworkGateway 10.0.255.4",
                    "Default Active 10.0.0.0/16 VnetLocal",
                    "VirtualNetworkGateway Invalid 10.0.0.0/16 VirtualNetworkGateway 10.0.255.4",
                    "VirtualNetworkGateway Invalid fd00:1:0:9::/64 VirtualNetworkGateway \
                     fd00:0:0:ff::4",
                ],
                &[],
            ),
        )
    },
    RouteCase {
        learned: &[("gw-hub", "10.1.0.0/16")],
        ..case(
            "3.2.8",
            "a_peering_beats_the_gateway_for_the_same_vnet",
            with_express_route,
            "hub1",
            Rows::Some(
                &[
                    "Default Active 10.1.0.0/16 VNetPeering",
                    "VirtualNetworkGateway Invalid 10.1.0.0/16 VirtualNetworkGateway 10.0.255.4",
                ],
                &[],
            ),
        )
    },
    RouteCase {
        learned: &[
            ("gw-hub", "0.0.0.0/0"),
            ("gw-hub", "172.16.0.0/12"),
            ("gw-hub", "203.0.113.0/24"),
        ],
        ..case(
            "3.2.2",
            "user_before_gateway_before_system",
            || {
                with_express_route().route(
                    ("hub", "default"),
                    ["203.0.113.0/24", "2001:db8:7::/48"],
                    "None",
                    ["", ""],
                )
            },
            "hub1",
            Rows::Some(
                &[
                    "VirtualNetworkGateway Active 0.0.0.0/0 VirtualNetworkGateway 10.0.255.4",
                    "Default Invalid 0.0.0.0/0 Internet",
                    "VirtualNetworkGateway Active 172.16.0.0/12 VirtualNetworkGateway 10.0.255.4",
                    "Default Invalid 172.16.0.0/12 None",
                    "User Active 203.0.113.0/24 None",
                    "VirtualNetworkGateway Invalid 203.0.113.0/24 VirtualNetworkGateway 10.0.255.4",
                ],
                &[],
            ),
        )
    },
    case(
        "5.5",
        "the_spaces_of_the_vnet_and_of_those_that_use_it_are_advertised",
        || with_express_route().transit("one"),
        "hub1",
        Rows::Advertised(&["10.0.0.0/16", "10.1.0.0/16", "fd00::/48", "fd00:1::/48"]),
    ),
    case(
        "3.3.5",
        "a_user_defined_route_to_the_remote_vpn_gateway",
        || {
            with_site().transit("one").route(
                ("one", "default"),
                ["10.2.0.0/16", "fd00:2::/48"],
                "VirtualNetworkGateway",
                ["", ""],
            )
        },
        "one1",
        Rows::Some(
            &[
                "User Active 10.2.0.0/16 VirtualNetworkGateway 10.0.255.4",
                "User Active fd00:2::/48 VirtualNetworkGateway fd00:0:0:ff::4",
            ],
            &[],
        ),
    ),
];
