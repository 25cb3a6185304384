//! Connections of gateways and their ends.

use super::{
    Code,
    gateways::{Case, expect, loaded},
};
use crate::topology::model::{ConnectionRemote, GatewayIndex, GatewayType};

#[test]
fn connections_fit_their_ends() {
    let site = "localNetworkGateway2: {id: office}";
    let kind = "connectionType: IPsec";
    let cases: [Case; 5] = [
        ("no end", (site, "enableBgp: false"), &[(Code::InvalidConnection, "to-office")]),
        (
            "another end",
            (site, "localNetworkGateway2: {id: office}\n      peer: {id: circuit}"),
            &[(Code::InvalidConnection, "circuit")],
        ),
        (
            "unknown site",
            (site, "localNetworkGateway2: {id: ofice}"),
            &[(Code::InvalidResourceReference, "ofice")],
        ),
        (
            "gateway without BGP",
            (site, "localNetworkGateway2: {id: office}\n      enableBgp: true"),
            &[(Code::InvalidConnection, "true")],
        ),
        ("P2S", (kind, "connectionType: VPNClient"), &[(Code::NotSupportedYet, "VPNClient")]),
    ];
    for (case, change, expected) in cases {
        expect(case, &[change], expected);
    }
    let with_itself =
        [(kind, "connectionType: Vnet2Vnet"), (site, "virtualNetworkGateway2: {id: gw}")];
    expect("itself", &with_itself, &[(Code::InvalidConnection, "gw")]);
    let circuit = [(kind, "connectionType: ExpressRoute"), (site, "peer: {id: circuit}")];
    expect("a VPN gateway has no circuit", &circuit, &[(Code::InvalidConnection, "ExpressRoute")]);
    let same_asn = [
        ("      vpnType: RouteBased", "      enableBgp: true\n      bgpSettings: {asn: 65010}"),
        (site, "localNetworkGateway2: {id: office}\n      enableBgp: true"),
        ("gatewayIpAddress: 203.0.113.1", "bgpSettings: {asn: 65010}"),
    ];
    expect("same asn", &same_asn, &[(Code::InvalidConnection, "to-office")]);
    let other_asn =
        [same_asn[0], same_asn[1], ("gatewayIpAddress: 203.0.113.1", "bgpSettings: {asn: 65011}")];
    let topology = loaded(&other_asn).topology;
    assert!(topology.gateways[0].bgp);
    let twice = (
        "connections:",
        "connections:\n  - name: again\n    properties:\n      connectionType: IPsec\n      virtualNetworkGateway1: {id: gw}\n      localNetworkGateway2: {id: office}",
    );
    expect("twice", &[twice], &[(Code::InvalidConnection, "to-office")]);
}

#[test]
fn vnets_are_connected_by_two_connections_and_share_circuits() {
    let second = "virtualNetworkGateways:\n  - name: gw2\n    properties:\n      gatewayType: Vpn\n      \
                  sku: {name: VpnGw2}\n      ipConfigurations:\n        - name: a\n          properties: \
                  {subnet: {id: other/GatewaySubnet}}";
    let subnet = (
        "addressSpace: {addressPrefixes: [10.2.0.0/16]}",
        "addressSpace: {addressPrefixes: [10.2.0.0/16]}\n      subnets: [{name: GatewaySubnet, properties: {addressPrefix: 10.2.0.0/27}}]",
    );
    let place = ("gateways: [{name: gw}]", "gateways: [{name: gw}, {name: gw2}]");
    let there = "connections:\n  - name: there\n    properties: {connectionType: Vnet2Vnet, virtualNetworkGateway1: {id: gw}, virtualNetworkGateway2: {id: gw2}}";
    let gateways = ("virtualNetworkGateways:", second);
    expect(
        "one side",
        &[subnet, place, gateways, ("connections:", there)],
        &[(Code::ConnectionNotConnected, "there")],
    );
    let both = format!(
        "{there}\n  - name: back\n    properties: {{connectionType: Vnet2Vnet, virtualNetworkGateway1: {{id: gw2}}, virtualNetworkGateway2: {{id: gw}}}}"
    );
    let topology = loaded(&[subnet, place, gateways, ("connections:", &both)]).topology;
    let remotes: Vec<_> = topology
        .gateways
        .iter()
        .flat_map(|it| it.connections.iter().map(|it| &it.remote))
        .collect();
    assert!(remotes.contains(&&ConnectionRemote::Gateway(GatewayIndex(0))));
    let express = [
        subnet,
        place,
        gateways,
        (
            "gatewayType: Vpn\n      sku: {name: VpnGw2}",
            "gatewayType: ExpressRoute\n      sku: {name: ErGw1AZ}",
        ),
        (
            "connections:",
            "connections:\n  - {name: c, properties: {connectionType: ExpressRoute, virtualNetworkGateway1: {id: gw2}, peer: {id: circuit}}}",
        ),
    ];
    let topology = loaded(&express).topology;
    let gateway =
        topology.gateways.iter().find(|it| it.gateway_type == GatewayType::ExpressRoute).unwrap();
    let ConnectionRemote::Circuit(id) = &gateway.connections[0].remote else { panic!() };
    assert!(gateway.bgp && id.as_str().ends_with("/expressRouteCircuits/circuit"), "{id}");
}
