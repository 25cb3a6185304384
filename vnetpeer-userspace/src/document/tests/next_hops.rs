//! Next hops of user-defined routes: each case named by the number of Azure's rule in AZ.

use super::{
    Code,
    gateways::{changed, expect, loaded, transit},
    mistakes,
};
use crate::topology::model::RouteNextHop;

const ROUTE: &str =
    "{addressPrefix: 10.9.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.1.1.4}";

#[test]
fn az_3_3_gateways_as_next_hops() {
    let to_gateway = "{addressPrefix: 10.9.0.0/16, nextHopType: VirtualNetworkGateway}";
    expect("own gateway", &[(ROUTE, to_gateway)], &[]);
    let address = "{addressPrefix: 10.9.0.0/16, nextHopType: VirtualNetworkGateway, nextHopIpAddress: 10.0.3.4}";
    expect("no address", &[(ROUTE, address)], &[(Code::InvalidNextHopIpAddress, "10.0.3.4")]);
    let express = [
        (ROUTE, to_gateway),
        ("gatewayType: Vpn", "gatewayType: ExpressRoute"),
        ("{name: VpnGw1, tier: VpnGw1}", "{name: ErGw1AZ}"),
        ("connectionType: IPsec", "connectionType: ExpressRoute"),
        ("localNetworkGateway2: {id: office}", "peer: {id: c}"),
    ];
    expect("ExpressRoute", &express, &[(Code::InvalidNextHopType, "VirtualNetworkGateway")]);
    let everything = "{addressPrefix: 0.0.0.0/0, nextHopType: VirtualNetworkGateway}";
    let policies = [
        (ROUTE, everything),
        ("vpnType: RouteBased", "vpnType: PolicyBased"),
        ("{name: VpnGw1, tier: VpnGw1}", "{name: Basic}"),
        ("useRemoteGateways: true", "useRemoteGateways: false"),
    ];
    expect("0/0 to policies", &policies, &[(Code::InvalidNextHopType, "VirtualNetworkGateway")]);
    let (app, routed) =
        ("{addressPrefix: 10.1.1.0/24}", "{addressPrefix: 10.1.1.0/24, routeTable: {id: to-nva}}");
    let web = ("\"fd00:10:0:1::/64\"], routeTable: {id: to-nva}}", "\"fd00:10:0:1::/64\"]}");
    expect("remote gateway", &[(ROUTE, to_gateway), (app, routed), web], &[]);
    let unused = ("useRemoteGateways: true", "useRemoteGateways: false");
    expect(
        "no gateway",
        &[(ROUTE, to_gateway), (app, routed), web, unused],
        &[(Code::NextHopNotReachable, "VirtualNetworkGateway")],
    );
    let subnet = ("\"fd00:10:0:3::/64\"]}", "\"fd00:10:0:3::/64\"], routeTable: {id: to-nva}}");
    expect(
        "back to the gateway",
        &[(ROUTE, to_gateway), subnet, web],
        &[(Code::RouteLoop, "VirtualNetworkGateway")],
    );
}

#[test]
fn az_3_3_several_appliances() {
    let hops = |addresses: &str| {
        format!(
            "{{addressPrefix: 10.9.0.0/16, nextHopType: VirtualApplianceEcmp, nextHop: {{nextHopIpAddresses: [{addresses}]}}}}"
        )
    };
    let second = (
        "{subnet: {id: app}, privateIPAddress: 10.1.1.4}",
        "{subnet: {id: app}, privateIPAddress: 10.1.1.4}\n        - name: second\n          properties: {subnet: {id: app}, privateIPAddress: 10.1.1.5}",
    );
    let topology = loaded(&[(ROUTE, &hops("10.1.1.4, 10.1.1.5")), second]).topology;
    let addresses = ["10.1.1.4", "10.1.1.5"].map(|it| it.parse().unwrap()).to_vec();
    assert_eq!(
        topology.route_tables[0].routes[0].next_hop,
        RouteNextHop::VirtualApplianceEcmp(addresses)
    );
    for (case, addresses, expected) in [
        ("two at least", "10.1.1.4", &[(Code::LimitExceeded, "[10.1.1.4]")][..]),
        ("once each", "10.1.1.4, 10.1.1.4", &[(Code::InvalidNextHopIpAddress, "10.1.1.4")]),
        (
            "of the family",
            "10.1.1.4, \"fd00:10:0:1::4\"",
            &[
                (Code::InvalidNextHopIpAddress, "\"fd00:10:0:1::4\""),
                (Code::NextHopDoesNotForward, "\"fd00:10:0:1::4\""),
            ],
        ),
        ("in reach", "10.1.1.4, 10.1.1.77", &[(Code::NextHopNotReachable, "10.1.1.77")]),
    ] {
        expect(case, &[(ROUTE, &hops(addresses)), second], expected);
    }
    let many = (0..65).map(|it| format!("10.1.1.{it}")).collect::<Vec<_>>().join(", ");
    let seen = mistakes(&changed(&transit(), &[(ROUTE, &hops(&many))]));
    assert!(seen.iter().any(|(code, _)| *code == Code::LimitExceeded), "{seen:?}");
    let none = "{addressPrefix: 10.9.0.0/16, nextHopType: VirtualApplianceEcmp}";
    expect(
        "no addresses",
        &[(ROUTE, none)],
        &[(Code::InvalidNextHopIpAddress, "VirtualApplianceEcmp")],
    );
    let superfluous = "{addressPrefix: 10.9.0.0/16, nextHopType: None, nextHop: {nextHopIpAddresses: [10.1.1.4, 10.1.1.5]}}";
    expect("superfluous", &[(ROUTE, superfluous)], &[(Code::InvalidNextHopIpAddress, "10.1.1.4")]);
}

#[test]
fn az_3_3_a_table_without_peering_routes_needs_an_appliance_in_the_same_vnet() {
    let table = (
        "  - name: to-nva\n    properties:\n",
        "  - name: to-nva\n    properties:\n      disablePeeringRoute: All\n",
    );
    expect("in the hub", &[table], &[(Code::NextHopNotReachable, "10.1.1.4")]);
}

#[test]
fn az_3_3_routes_that_lead_back_are_warned_of() {
    let app = "{addressPrefix: 10.1.1.0/24}";
    let own = "{addressPrefix: 10.1.1.0/24, routeTable: {id: to-nva}}";
    expect("to itself", &[(app, own)], &[(Code::RouteLoop, "VirtualAppliance")]);
    // Two appliances that send the same packets to each other.
    let back = "{addressPrefix: 10.1.1.0/24, routeTable: {id: back}}";
    let tables = "routeTables:\n  - {name: back, properties: {routes: [{name: back, properties: {addressPrefix: 10.0.0.0/8, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.1.4}}]}}";
    let forwards = (
        "  - name: web1\n    properties:\n",
        "  - name: web1\n    properties:\n      enableIPForwarding: true\n",
    );
    let changes = [(app, back), ("routeTables:", tables), forwards];
    // What the route of `back` leads away, for other destinations, does not come back.
    expect("to each other", &changes, &[(Code::RouteLoop, "VirtualAppliance")]);
    let longer =
        ("addressPrefix: 10.9.0.0/16, nextHopType", "addressPrefix: 10.0.0.0/16, nextHopType");
    expect("a system route ends it", &[changes[0], changes[1], changes[2], longer], &[]);
}
