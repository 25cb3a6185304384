//! Gateways and transit: each case named by the number of Azure's rule in AZ.

use super::{BASE, Code, Loaded, load, mistakes};
use crate::topology::model::{ConnectionRemote, GatewayType};

/// What the base document gets: a gateway in the hub with a site behind it, which the spoke uses.
const GATEWAYS: &str = r"
virtualNetworkGateways:
  - name: gw
    properties:
      gatewayType: Vpn
      vpnType: RouteBased
      sku: {name: VpnGw1, tier: VpnGw1}
      ipConfigurations:
        - name: default
          properties: {subnet: {id: hub/GatewaySubnet}}
localNetworkGateways:
  - name: office
    properties:
      localNetworkAddressSpace: {addressPrefixes: [192.168.0.0/16]}
      gatewayIpAddress: 203.0.113.1
connections:
  - name: to-office
    properties:
      connectionType: IPsec
      virtualNetworkGateway1: {id: gw}
      localNetworkGateway2: {id: office}
";

/// The document that the cases change.
pub(super) fn transit() -> String {
    let base = [
        (
            "        - name: db",
            "        - name: GatewaySubnet\n          properties: {addressPrefixes: [10.0.3.0/27, \
             \"fd00:10:0:3::/64\"]}\n        - name: db",
        ),
        (
            "{remoteVirtualNetwork: {id: spoke}}",
            "{remoteVirtualNetwork: {id: spoke}, allowGatewayTransit: true}",
        ),
        (
            "{remoteVirtualNetwork: {id: hub}}",
            "{remoteVirtualNetwork: {id: hub}, useRemoteGateways: true}",
        ),
        (
            "    networkInterfaces: [{name: web1}]",
            "    networkInterfaces: [{name: web1}]\n    gateways: [{name: gw}]",
        ),
    ];
    changed(&format!("{BASE}{GATEWAYS}"), &base)
}

#[track_caller]
pub(super) fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the document has no {from:?}");
        text.replacen(from, to, 1)
    })
}

#[track_caller]
pub(super) fn expect(case: &str, changes: &[(&str, &str)], expected: &[(Code, &str)]) {
    let seen = mistakes(&changed(&transit(), changes));
    let seen: Vec<(Code, &str)> = seen.iter().map(|(code, text)| (*code, text.as_str())).collect();
    assert_eq!(seen, expected, "{case}: after {changes:?}");
}

#[track_caller]
pub(super) fn loaded(changes: &[(&str, &str)]) -> Loaded {
    match load("test.yaml", &changed(&transit(), changes)) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("after {changes:?}:\n{problems}"),
    }
}

#[test]
fn a_gateway_is_a_nic_behind_the_others_with_an_address_of_each_family() {
    let topology = loaded(&[]).topology;
    let gateway = &topology.gateways[0];
    assert_eq!((gateway.gateway_type, gateway.sku.as_str()), (GatewayType::Vpn, "VpnGw1"));
    assert_eq!((gateway.vnet.0, gateway.nic.0, gateway.bgp, gateway.asn), (0, 2, false, 65_515));
    let nic = &topology.nics[2];
    assert_eq!(nic.id, gateway.id);
    assert!(nic.id.as_str().ends_with("/virtualNetworkGateways/gw"));
    assert_eq!(
        nic.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.3.4", "fd00:10:0:3::4"]
    );
    assert!(nic.enable_ip_forwarding && nic.security_group.is_none());
    assert_eq!((nic.host.0, nic.interface.as_str()), (0, "gw"));
    let ConnectionRemote::LocalNetwork(prefixes) = &gateway.connections[0].remote else {
        panic!("{:?}", gateway.connections)
    };
    assert_eq!(prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.168.0.0/16"]);
    assert_eq!(gateway.network_namespace, None);
    let placed = "{name: gw, interface: eth7, networkNamespace: vpn}";
    let topology = loaded(&[("gateways: [{name: gw}]", &format!("gateways: [{placed}]"))]).topology;
    assert_eq!(topology.nics[2].interface, "eth7");
    assert_eq!(topology.gateways[0].network_namespace.as_deref(), Some("/run/netns/vpn"));
}

#[test]
fn addresses_of_gateways_are_chosen_and_taken_as_those_of_nics() {
    let one = "properties: {subnet: {id: hub/GatewaySubnet}}";
    let given = "properties: {subnet: {id: hub/GatewaySubnet}, privateIPAddress: 10.0.3.9}\n        \
                 - name: v6\n          properties: {subnet: {id: hub/GatewaySubnet}, \
                 privateIPAddress: \"fd00:10:0:3::9\", privateIPAllocationMethod: Static}";
    let topology = loaded(&[(one, given)]).topology;
    let addresses = topology.nics[2].addresses.iter().map(ToString::to_string);
    assert_eq!(addresses.collect::<Vec<_>>(), ["10.0.3.9", "fd00:10:0:3::9"]);
    let outside = "properties: {subnet: {id: hub/GatewaySubnet}, privateIPAddress: 10.0.1.9}";
    expect("outside", &[(one, outside)], &[(Code::PrivateIPAddressNotInSubnet, "10.0.1.9")]);
    let reserved = "properties: {subnet: {id: hub/GatewaySubnet}, privateIPAddress: 10.0.3.3}";
    expect("reserved", &[(one, reserved)], &[(Code::PrivateIPAddressInReservedRange, "10.0.3.3")]);
    let twice =
        format!("{one}\n        - name: a\n          {one}\n        - name: b\n          {one}");
    expect("active-active", &[(one, &twice)], &[(Code::NotSupportedYet, "b")]);
}

/// (AZ number and rule, change, problem).
pub(super) type Case =
    (&'static str, (&'static str, &'static str), &'static [(Code, &'static str)]);

#[test]
fn rules_of_transit() {
    let hub_side = "id: spoke}, allowGatewayTransit: true}";
    let spoke_side = "{remoteVirtualNetwork: {id: hub}, useRemoteGateways: true}";
    let cases: [Case; 7] = [
        ("5.1 it is legal", ("deployment:", "deployment:"), &[]),
        (
            "5.1 the other side must allow it",
            (hub_side, "id: spoke}}"),
            &[(Code::RemotePeeringDoesNotAllowGatewayTransit, "true")],
        ),
        (
            "5.1 both flags on one object",
            (
                spoke_side,
                "{remoteVirtualNetwork: {id: hub}, useRemoteGateways: true, allowGatewayTransit: true}",
            ),
            &[(Code::GatewayTransitFlagsConflict, "true")],
        ),
        (
            "1.7 the other VNet has no gateway",
            (
                "{remoteVirtualNetwork: {id: other}}",
                "{remoteVirtualNetwork: {id: other}}\n  - name: other/other-to-hub\n    properties: \
                 {remoteVirtualNetwork: {id: hub}}\n  - name: other/other-to-spoke\n    properties: \
                 {remoteVirtualNetwork: {id: spoke}, useRemoteGateways: true, \
                 doNotVerifyRemoteGateways: true}",
            ),
            &[(Code::RemoteVnetHasNoGateways, "true")],
        ),
        (
            "5.2 a VNet with a gateway of its own",
            (
                "{remoteVirtualNetwork: {id: other}}",
                "{remoteVirtualNetwork: {id: other}, useRemoteGateways: true}",
            ),
            &[(Code::VnetWithGatewayCannotUseRemoteGateways, "true")],
        ),
        (
            "5.4 a Basic gateway",
            ("{name: VpnGw1, tier: VpnGw1}", "{name: Basic}"),
            &[(Code::GatewaySkuNotSupported, "true")],
        ),
        (
            "5.1 no gateway is needed to allow it",
            (
                "{remoteVirtualNetwork: {id: other}}",
                "{remoteVirtualNetwork: {id: other}, allowGatewayTransit: true}",
            ),
            &[],
        ),
    ];
    for (case, change, expected) in cases {
        expect(case, &[change], expected);
    }
}

#[test]
fn az_5_2_one_peering_of_a_vnet_uses_remote_gateways() {
    let text = "{remoteVirtualNetwork: {id: other}}\n  - name: other/other-to-hub\n    properties: \
                {remoteVirtualNetwork: {id: hub}}\n  - name: other/other-to-spoke\n    properties: \
                {remoteVirtualNetwork: {id: spoke}, allowGatewayTransit: true}\n  - name: \
                spoke/spoke-to-other\n    properties: {remoteVirtualNetwork: {id: other}, \
                useRemoteGateways: true}";
    expect(
        "5.2 a second one",
        &[("{remoteVirtualNetwork: {id: other}}", text)],
        &[(Code::AnotherPeeringAlreadyUsesRemoteGateways, "true")],
    );
}

#[test]
fn rules_of_gateways_and_their_subnet() {
    let subnet = "{addressPrefixes: [10.0.3.0/27, \"fd00:10:0:3::/64\"]}";
    let with = |more: &str| format!("{}, {more}}}", subnet.strip_suffix('}').unwrap());
    let guarded = with("networkSecurityGroup: {id: g}");
    expect(
        "5 no NSG",
        &[
            (subnet, &guarded),
            ("connections:", "networkSecurityGroups: [{name: g, properties: {}}]\nconnections:"),
        ],
        &[(Code::NetworkSecurityGroupCannotBeAttachedToGatewaySubnet, "GatewaySubnet")],
    );
    let routed = with("routeTable: {id: rt}");
    for (case, properties, problem) in [
        ("3.3 propagation", "{disableBgpRoutePropagation: true}", true),
        (
            "3.3 default route",
            "{routes: [{name: a, properties: {addressPrefix: 0.0.0.0/0, nextHopType: None}}]}",
            true,
        ),
        (
            "3.3 IPv6 default route",
            "{routes: [{name: a, properties: {addressPrefix: \"::/0\", nextHopType: None}}]}",
            true,
        ),
        (
            "3.3 another route",
            "{routes: [{name: a, properties: {addressPrefix: 10.1.0.0/16, nextHopType: None}}]}",
            false,
        ),
    ] {
        let table = format!("routeTables:\n  - {{name: rt, properties: {properties}}}");
        let changes = [(subnet, routed.as_str()), ("routeTables:", table.as_str())];
        let expected: &[_] = if problem {
            &[(Code::RouteTableNotAllowedOnGatewaySubnet, "GatewaySubnet")]
        } else {
            &[]
        };
        expect(case, &changes, expected);
    }
    expect(
        "5 nothing else is there",
        &[
            (
                "{subnet: {id: hub/web}, privateIPAddress: 10.0.1.4}",
                "{subnet: {id: hub/GatewaySubnet}, privateIPAddress: 10.0.3.9}",
            ),
            (
                "{subnet: {id: hub/web}, privateIPAddress: \"fd00:10:0:1::4\"}",
                "{subnet: {id: hub/GatewaySubnet}, privateIPAddress: \"fd00:10:0:3::9\"}",
            ),
        ],
        &[(Code::NetworkInterfaceInGatewaySubnet, "web1")],
    );
    expect(
        "5 GatewaySubnet by name",
        &[("{subnet: {id: hub/GatewaySubnet}}", "{subnet: {id: hub/db}}")],
        &[(Code::GatewaySubnetRequired, "hub/db")],
    );
    expect(
        "2 placed on a host",
        &[("    gateways: [{name: gw}]", "    gateways: []")],
        &[(Code::NetworkInterfaceNotPlaced, "gw")],
    );
}

#[test]
fn az_2_a_vnet_has_one_gateway() {
    let second = |kind: &str, sku: &str| {
        format!(
            "virtualNetworkGateways:\n  - name: gw2\n    properties:\n      gatewayType: {kind}\n      \
             sku: {{name: {sku}}}\n      ipConfigurations:\n        - name: a\n          properties: \
             {{subnet: {{id: hub/GatewaySubnet}}}}"
        )
    };
    let place = ("gateways: [{name: gw}]", "gateways: [{name: gw}, {name: gw2}]");
    let (vpn, express) = (second("Vpn", "VpnGw2"), second("ExpressRoute", "ErGw1AZ"));
    expect(
        "of each type",
        &[place, ("virtualNetworkGateways:", &vpn)],
        &[(Code::LimitExceeded, "gw")],
    );
    expect(
        "of two types",
        &[place, ("virtualNetworkGateways:", &express)],
        &[(Code::NotSupportedYet, "gw")],
    );
}

#[test]
fn properties_of_gateways() {
    let sku = "{name: VpnGw1, tier: VpnGw1}";
    let cases: [Case; 9] = [
        ("SKU of the type", (sku, "{name: ErGw1AZ}"), &[(Code::InvalidPropertyValue, "ErGw1AZ")]),
        ("tier", (sku, "{name: VpnGw1, tier: VpnGw2}"), &[(Code::ConflictingProperties, "VpnGw2")]),
        (
            "policies",
            ("vpnType: RouteBased", "vpnType: PolicyBased"),
            &[(Code::GatewaySkuNotSupported, "PolicyBased")],
        ),
        (
            "instances",
            ("      vpnType: RouteBased", "      activeActive: true"),
            &[(Code::NotSupportedYet, "true")],
        ),
        (
            "asn of Azure",
            ("      vpnType: RouteBased", "      bgpSettings: {asn: 12076}"),
            &[(Code::InvalidPropertyValue, "12076")],
        ),
        (
            "asn of IANA",
            ("      vpnType: RouteBased", "      bgpSettings: {asn: 64500}"),
            &[(Code::InvalidPropertyValue, "64500")],
        ),
        ("own asn", ("      vpnType: RouteBased", "      bgpSettings: {asn: 65010}"), &[]),
        (
            "public address",
            (
                "subnet: {id: hub/GatewaySubnet}",
                "subnet: {id: hub/GatewaySubnet}, publicIPAddress: {id: x}",
            ),
            &[(Code::NotSupportedYet, "publicIPAddress")],
        ),
        (
            "generation",
            ("      vpnType: RouteBased", "      vpnGatewayGeneration: Generation2"),
            &[(Code::NotSupportedYet, "vpnGatewayGeneration")],
        ),
    ];
    for (case, change, expected) in cases {
        expect(case, &[change], expected);
    }
    let bgp = ("      vpnType: RouteBased", "      enableBgp: true");
    expect(
        "Basic has no BGP",
        &[bgp, (sku, "{name: Basic}"), ("useRemoteGateways: true", "useRemoteGateways: false")],
        &[(Code::GatewaySkuNotSupported, "true")],
    );
}
