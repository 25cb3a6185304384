//! System routes, user-defined routes and those of peerings.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{RouteCase, Rows, case};

const ONE: (&str, &str) = ("one", "default");
const HUB_SPACE: [&str; 2] = ["10.0.0.0/16", "fd00::/48"];
const NVA: [&str; 2] = ["10.0.2.4", "fd00:0:0:2::4"];

pub(super) const SYSTEM: &[RouteCase] = &[
    case(
        "3.1 VnetLocal",
        "a_route_for_each_range_of_the_vnet_and_none_for_its_subnets",
        || {
            Document::new()
                .space("one", &["10.1.0.0/16", "10.5.0.0/20", "fd00:1::/48", "fd00:5::/56"])
        },
        "one1",
        Rows::All(&[
            "Default Active 10.1.0.0/16 VnetLocal",
            "Default Active 10.5.0.0/20 VnetLocal",
            "Default Active fd00:1::/48 VnetLocal",
            "Default Active fd00:5::/56 VnetLocal",
            "Default Active 0.0.0.0/0 Internet",
            "Default Active ::/0 Internet",
            "Default Active 10.0.0.0/8 None",
            "Default Active 172.16.0.0/12 None",
            "Default Active 192.168.0.0/16 None",
            "Default Active 100.64.0.0/10 None",
        ]),
    ),
    case(
        "3.1 None",
        "a_range_inside_leaves_the_none_route",
        Document::new,
        "one1",
        Rows::Some(&["Default Active 10.0.0.0/8 None"], &[]),
    ),
    case(
        "3.1 None",
        "an_equal_range_replaces_the_none_route",
        || Document::new().space("hub", &["10.0.0.0/8", "fd00::/48"]),
        "hub1",
        Rows::Some(&["Default Active 10.0.0.0/8 VnetLocal"], &["10.0.0.0/8 None"]),
    ),
    case(
        "3.1 None",
        "a_larger_range_replaces_the_none_route",
        || Document::new().space("hub", &["10.0.0.0/7", "fd00::/48"]),
        "hub1",
        Rows::Some(
            &["Default Active 10.0.0.0/7 VnetLocal", "Default Active 172.16.0.0/12 None"],
            &["10.0.0.0/8 None"],
        ),
    ),
    case(
        "3.1 None",
        "a_peers_range_replaces_the_none_route_too",
        || Document::new().vnet("wide", &["172.16.0.0/12", "fd77::/48"]).peered("one", "wide"),
        "one1",
        Rows::Some(&["Default Active 172.16.0.0/12 VNetPeering"], &["172.16.0.0/12 None"]),
    ),
    case(
        "3.1 Internet",
        "the_internet_is_a_route_of_both_families",
        Document::new,
        "two1",
        Rows::Some(&["Default Active 0.0.0.0/0 Internet", "Default Active ::/0 Internet"], &[]),
    ),
    case(
        "3.1 VNetPeering",
        "a_route_for_each_range_of_each_peer",
        || Document::hub_and_spokes().space("two", &["10.2.0.0/16", "10.22.0.0/16", "fd00:2::/48"]),
        "hub1",
        Rows::Some(
            &[
                "Default Active 10.1.0.0/16 VNetPeering",
                "Default Active fd00:1::/48 VNetPeering",
                "Default Active 10.2.0.0/16 VNetPeering",
                "Default Active 10.22.0.0/16 VNetPeering",
                "Default Active fd00:2::/48 VNetPeering",
            ],
            &[],
        ),
    ),
    case(
        "3.1 VNetPeering",
        "a_peer_in_another_region_has_another_type",
        || Document::hub_and_spokes().located("two", "northeurope"),
        "hub1",
        Rows::Some(
            &[
                "Default Active 10.1.0.0/16 VNetPeering",
                "Default Active 10.2.0.0/16 VNetGlobalPeering",
                "Default Active fd00:2::/48 VNetGlobalPeering",
            ],
            &[],
        ),
    ),
];

pub(super) const USER: &[RouteCase] = &[
    case(
        "3.2.2",
        "the_loser_is_listed_as_invalid",
        || Document::hub_and_spokes().route(ONE, HUB_SPACE, "VirtualAppliance", NVA),
        "one1",
        Rows::Some(
            &[
                "User Active 10.0.0.0/16 VirtualAppliance 10.0.2.4",
                "User Active fd00::/48 VirtualAppliance fd00:0:0:2::4",
                "Default Invalid 10.0.0.0/16 VNetPeering",
                "Default Invalid fd00::/48 VNetPeering",
            ],
            &[],
        ),
    ),
    case(
        "3.2.4",
        "a_broader_route_leaves_the_peering_active",
        || {
            Document::hub_and_spokes().route(
                ONE,
                ["10.0.0.0/8", "fd00::/16"],
                "VirtualAppliance",
                NVA,
            )
        },
        "one1",
        Rows::Some(
            &[
                "User Active 10.0.0.0/8 VirtualAppliance 10.0.2.4",
                "Default Invalid 10.0.0.0/8 None",
                "Default Active 10.0.0.0/16 VNetPeering",
                "User Active fd00::/16 VirtualAppliance fd00:0:0:2::4",
                "Default Active fd00::/48 VNetPeering",
            ],
            &[],
        ),
    ),
    case(
        "3.2.5",
        "the_vnets_own_prefix_may_be_diverted",
        || {
            Document::hub_and_spokes().route(
                ONE,
                ["10.1.0.0/16", "fd00:1::/48"],
                "VirtualAppliance",
                NVA,
            )
        },
        "one1",
        Rows::Some(
            &[
                "User Active 10.1.0.0/16 VirtualAppliance 10.0.2.4",
                "Default Invalid 10.1.0.0/16 VnetLocal",
                "Default Invalid fd00:1::/48 VnetLocal",
            ],
            &[],
        ),
    ),
    case(
        "3.3.1",
        "a_table_may_serve_several_subnets_and_others_are_untouched",
        || {
            Document::hub_and_spokes()
                .route(ONE, HUB_SPACE, "None", ["", ""])
                .attach("udr", "two", "default")
        },
        "two1",
        Rows::Some(
            &["User Active 10.0.0.0/16 None", "Default Invalid 10.0.0.0/16 VNetPeering"],
            &[],
        ),
    ),
    case(
        "3.3.7",
        "a_default_route_replaces_the_internet",
        || Document::hub_and_spokes().route(ONE, ["0.0.0.0/0", "::/0"], "VirtualAppliance", NVA),
        "one1",
        Rows::Some(
            &[
                "User Active 0.0.0.0/0 VirtualAppliance 10.0.2.4",
                "Default Invalid 0.0.0.0/0 Internet",
                "User Active ::/0 VirtualAppliance fd00:0:0:2::4",
                "Default Invalid ::/0 Internet",
            ],
            &[],
        ),
    ),
    case(
        "3.3.9",
        "disable_peering_route_takes_the_routes_of_both_families",
        || {
            Document::hub_and_spokes()
                .route(ONE, ["10.0.0.0/8", "fd00::/16"], "None", ["", ""])
                .set("routeTables", "udr", "disablePeeringRoute", "All")
        },
        "one1",
        Rows::Some(&["User Active 10.0.0.0/8 None"], &["10.0.0.0/16", "fd00::/48"]),
    ),
    case(
        "3.3",
        "several_appliances_are_listed_with_all_addresses",
        || {
            let hops = json!({ "nextHopIpAddresses": ["10.0.2.4", "10.0.2.5"] });
            let route = json!({ "name": "spread", "properties": {
                "addressPrefix": "10.9.0.0/16", "nextHopType": "VirtualApplianceEcmp",
                "nextHop": hops,
            }});
            Document::hub_and_spokes().table("udr", json!([route])).attach("udr", "one", "default")
        },
        "one1",
        Rows::Some(&["User Active 10.9.0.0/16 VirtualApplianceEcmp 10.0.2.4,10.0.2.5"], &[]),
    ),
];

pub(super) const PEERING: &[RouteCase] = &[
    case(
        "1.4.3",
        "an_initiated_peering_has_no_route",
        || Document::new().side("hub", "one"),
        "hub1",
        Rows::Some(&[], &["10.1.0.0/16", "fd00:1::/48"]),
    ),
    case(
        "1.6",
        "the_peers_of_a_peer_have_no_route",
        Document::hub_and_spokes,
        "one1",
        Rows::Some(&["Default Active 10.0.0.0/16 VNetPeering"], &["10.2.0.0/16", "fd00:2::/48"]),
    ),
    case(
        "3.3.10",
        "a_classic_vnet_has_the_route_back",
        || {
            let classic =
                Document::new().set("virtualNetworks", "one", "deploymentModel", "Classic");
            classic.side("hub", "one")
        },
        "one1",
        Rows::Some(
            &["Default Active 10.0.0.0/16 VNetPeering", "Default Active fd00::/48 VNetPeering"],
            &[],
        ),
    ),
    case(
        "1.8.5",
        "every_subnet_has_routes_to_the_remote_named_subnets",
        || Document::hub_and_spokes().by_subnets(("hub", &["default"]), ("one", &["default"])),
        "one2",
        Rows::Some(
            &[
                "Default Active 10.0.1.0/24 VNetPeering",
                "Default Active fd00:0:0:1::/64 VNetPeering",
            ],
            &["10.0.0.0/16", "10.0.2.0/24", "fd00::/48"],
        ),
    ),
    case(
        "1.8.6",
        "routes_show_subnets_instead_of_the_vnet",
        || {
            Document::hub_and_spokes()
                .by_subnets(("hub", &["default", "nva"]), ("one", &["default"]))
        },
        "one1",
        Rows::Some(
            &[
                "Default Active 10.0.1.0/24 VNetPeering",
                "Default Active 10.0.2.0/24 VNetPeering",
                "Default Active fd00:0:0:2::/64 VNetPeering",
            ],
            &["10.0.0.0/16", "fd00::/48"],
        ),
    ),
    case(
        "1.8.7",
        "only_ipv6_prefixes_have_routes",
        || {
            Document::hub_and_spokes()
                .by_subnets(("hub", &["default"]), ("one", &["default"]))
                .both("hub", "one", "enableOnlyIPv6Peering", true)
        },
        "one1",
        Rows::Some(&["Default Active fd00:0:0:1::/64 VNetPeering"], &["10.0.1.0/24"]),
    ),
    case(
        "1.3 enableOnlyIPv6Peering",
        "only_ipv6_ranges_have_routes",
        || Document::hub_and_spokes().both("hub", "one", "enableOnlyIPv6Peering", true),
        "one1",
        Rows::Some(&["Default Active fd00::/48 VNetPeering"], &["10.0.0.0/16"]),
    ),
    case(
        "4.6",
        "without_access_the_route_stays",
        || Document::hub_and_spokes().peering("one/to-hub", "allowVirtualNetworkAccess", false),
        "one1",
        Rows::Some(&["Default Active 10.0.0.0/16 VNetPeering"], &[]),
    ),
];
