//! Gateways and their transit.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{ErrorCase, Problem::Error};

const ONE: &str = "one/to-hub";

fn vpn() -> Document {
    Document::hub_and_spokes().gateway("hub", "Vpn", "VpnGw1")
}

fn express_route() -> Document {
    Document::hub_and_spokes().gateway("hub", "ExpressRoute", "ErGw1AZ")
}

fn guarded(property: &str, routes: serde_json::Value) -> Document {
    vpn()
        .table("udr", routes)
        .set("routeTables", "udr", "disableBgpRoutePropagation", property == "alone")
        .attach("udr", "hub", "GatewaySubnet")
}

fn user_route(document: Document) -> Document {
    document.route(
        ("one", "default"),
        ["10.2.0.0/16", "fd00:2::/48"],
        "VirtualNetworkGateway",
        ["", ""],
    )
}

pub(super) const CASES: &[ErrorCase] = &[
    ErrorCase::new("5.1", "transit_needs_both_flags", || vpn().transit("one"), &[]),
    ErrorCase::new("5.1", "of_an_expressroute_gateway", || express_route().transit("one"), &[]),
    ErrorCase::new(
        "1.7 RemoteVnetHasNoGateways",
        "no_gateway_in_the_remote_vnet",
        || Document::hub_and_spokes().transit("one"),
        &[Error("RemoteVnetHasNoGateways", "does not have any gateways")],
    ),
    ErrorCase::new(
        "1.3 doNotVerifyRemoteGateways",
        "it_does_not_waive_the_gateway",
        || {
            Document::hub_and_spokes().transit("one").peering(
                ONE,
                "doNotVerifyRemoteGateways",
                true,
            )
        },
        &[Error("RemoteVnetHasNoGateways", "does not have any gateways")],
    ),
    ErrorCase::new(
        "1.3 useRemoteGateways",
        "at_most_one_peering_of_a_vnet",
        || {
            vpn()
                .peered("one", "two")
                .gateway("two", "Vpn", "VpnGw1")
                .transit("one")
                .peering("two/to-one", "allowGatewayTransit", true)
                .peering("one/to-two", "useRemoteGateways", true)
        },
        &[Error(
            "AnotherPeeringAlreadyUsesRemoteGateways",
            "already has UseRemoteGateways flag set to true",
        )],
    ),
    ErrorCase::new(
        "1.3 allowGatewayTransit",
        "not_with_use_remote_gateways",
        || vpn().transit("one").peering(ONE, "allowGatewayTransit", true),
        &[Error("GatewayTransitFlagsConflict", "AllowGatewayTransit")],
    ),
    ErrorCase::new(
        "1.3 allowGatewayTransit",
        "the_counterpart_needs_it",
        || vpn().peering(ONE, "useRemoteGateways", true),
        &[Error("RemotePeeringDoesNotAllowGatewayTransit", "AllowGatewayTransit")],
    ),
    ErrorCase::new(
        "1.3 allowGatewayTransit",
        "it_may_be_set_before_there_is_a_gateway",
        || Document::hub_and_spokes().peering("hub/to-one", "allowGatewayTransit", true),
        &[],
    ),
    ErrorCase::new(
        "5.2",
        "a_vnet_with_a_gateway_uses_no_other",
        || vpn().gateway("one", "Vpn", "VpnGw1").transit("one"),
        &[Error("VnetWithGatewayCannotUseRemoteGateways", "has a gateway")],
    ),
    ErrorCase::new(
        "5.3",
        "over_a_global_peering",
        || vpn().located("one", "northeurope").transit("one"),
        &[],
    ),
    ErrorCase::new(
        "5.4",
        "not_of_a_basic_vpn_gateway",
        || Document::hub_and_spokes().gateway("hub", "Vpn", "Basic").transit("one"),
        &[Error("GatewaySkuNotSupported", "Basic")],
    ),
    ErrorCase::new("3.3.5", "a_route_to_a_vpn_gateway", || user_route(vpn().transit("one")), &[]),
    ErrorCase::new(
        "3.3.5",
        "no_route_to_an_expressroute_gateway",
        || user_route(express_route().transit("one")),
        &[Error("InvalidNextHopType", ""), Error("InvalidNextHopType", "")],
    ),
    ErrorCase::new(
        "3.3.7",
        "no_default_route_on_gateway_subnet",
        || {
            let route = json!({ "addressPrefix": "0.0.0.0/0", "nextHopType": "Internet" });
            guarded("", json!([{ "name": "all", "properties": route }]))
        },
        &[Error("RouteTableNotAllowedOnGatewaySubnet", "")],
    ),
    ErrorCase::new(
        "3.3.8",
        "gateway_subnet_needs_gateway_routes",
        || guarded("alone", json!([])),
        &[Error("RouteTableNotAllowedOnGatewaySubnet", "")],
    ),
    ErrorCase::new(
        "5.6",
        "an_expressroute_gateway_is_no_next_hop",
        || user_route(express_route().transit("one").transit("two")),
        &[Error("InvalidNextHopType", ""), Error("InvalidNextHopType", "")],
    ),
    ErrorCase::new(
        "5.3",
        "a_classic_vnet_has_no_gateway",
        || {
            Document::new()
                .set("virtualNetworks", "hub", "deploymentModel", "Classic")
                .gateway("hub", "Vpn", "VpnGw1")
        },
        &[Error("InvalidResourceReference", "`hub` is classic")],
    ),
];
