//! Gateways and their transit over a peering.

use serde_json::json;

use crate::azure::{Document, PacketCase, Probe, document::udr};

/// Where the site answers in a lab.
pub(super) const SITE: [&str; 2] = ["198.18.0.1", "2001:db8:100::1"];

/// A VPN gateway in the hub with a site behind it.
fn with_site() -> Document {
    Document::hub_and_spokes()
        .gateway("hub", "Vpn", "VpnGw1")
        .site("hub", &["198.18.0.0/24", "2001:db8:100::/48"])
}

/// Routes of both spokes to each other's VNet with the gateway as their next hop.
fn spoke_to_spoke() -> Document {
    let both = with_site().transit("one").transit("two");
    [("one", 2), ("two", 1)].into_iter().fold(both, |it, (own, other)| {
        let name = format!("from-{own}");
        let prefixes = [format!("10.{other}.0.0/16"), format!("fd00:{other}::/48")];
        let routes = prefixes.iter().map(|prefix| udr(prefix, "VirtualNetworkGateway", ""));
        it.table(&name, routes.collect()).attach(&name, own, "default")
    })
}

pub(super) const CASES: &[PacketCase] = &[
    PacketCase::new(
        "3.1 VirtualNetworkGateway",
        "the_site_is_behind_the_vnets_own_gateway",
        with_site,
        &[Probe::handed("hub1", SITE, "gw-hub"), Probe::handed("hub2", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "5.1",
        "a_spoke_uses_the_gateway_of_the_hub",
        || with_site().transit("one"),
        &[Probe::handed("one1", SITE, "gw-hub"), Probe::handed("one2", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "5.1",
        "without_both_flags_the_gateway_is_not_used",
        || with_site().transit("one"),
        &[Probe::lost("two1", SITE, "InternetUnavailable")],
    ),
    PacketCase::new(
        "5.3",
        "over_a_global_peering",
        || with_site().transit("one").located("one", "northeurope"),
        &[Probe::handed("one1", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "5.3",
        "a_classic_vnet_uses_the_gateway_of_the_other",
        || {
            Document::new()
                .set("virtualNetworks", "one", "deploymentModel", "Classic")
                .side("hub", "one")
                .peering("hub/to-one", "allowGatewayTransit", true)
                .gateway("hub", "Vpn", "VpnGw1")
                .site("hub", &["198.18.0.0/24", "2001:db8:100::/48"])
        },
        &[Probe::handed("one1", SITE, "gw-hub"), Probe::direct("one1", "hub1")],
    ),
    PacketCase::new(
        "5.6",
        "spoke_to_spoke_by_routes_to_a_vpn_gateway",
        spoke_to_spoke,
        &[Probe::via("one1", "two1", &["gw-hub"]), Probe::via("two1", "one1", &["gw-hub"])],
    ),
    PacketCase::new(
        "5.6",
        "without_routes_the_gateway_does_not_connect_spokes",
        || with_site().transit("one").transit("two"),
        &[Probe::unrouted("one1", "two1")],
    ),
    PacketCase::new(
        "4.5",
        "what_is_behind_the_used_gateway_is_in_the_tag",
        || {
            let no_internet = json!([{ "name": "no-internet", "properties": {
                "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*",
                "sourceAddressPrefix": "*", "destinationAddressPrefix": "Internet",
                "sourcePortRange": "*", "destinationPortRange": "*",
            }}]);
            with_site().transit("one").group("one1", no_internet)
        },
        &[Probe::handed("one1", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "4.7.4",
        "what_a_gateway_forwards_needs_no_flag",
        spoke_to_spoke,
        &[Probe::via("one1", "two1", &["gw-hub"]), Probe::handed("one2", SITE, "gw-hub")],
    ),
    PacketCase::new(
        "3.3.8",
        "without_gateway_routes_the_site_is_not_reached",
        || {
            with_site()
                .transit("one")
                .table("alone", json!([]))
                .set("routeTables", "alone", "disableBgpRoutePropagation", true)
                .attach("alone", "one", "default")
        },
        &[
            Probe::lost("one1", SITE, "InternetUnavailable"),
            Probe::handed("one2", SITE, "gw-hub"),
            Probe::direct("one1", "hub1"),
        ],
    ),
];
