//! Gateways that exchange routes with a site by BGP, and what hosts tell each other.

mod bgp;
mod ecmp;
mod exchange;
mod namespace;

/// Prefixes of the site behind it.
pub(crate) const SITE: [&str; 2] = ["192.168.0.0/16", "fd00:c0::/48"];

/// A hub with a gateway on the second host, and a spoke on the first.
pub(crate) const DOCUMENT: &str = r#"
deployment: {name: bgp}
virtualNetworks:
  - name: hub
    properties:
      addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00:10::/48"]}
      subnets:
        - {name: GatewaySubnet, properties: {addressPrefixes: [10.0.255.0/27, "fd00:10:0:ff::/64"]}}
        - {name: hub, properties: {addressPrefixes: [10.0.1.0/24, "fd00:10:0:1::/64"]}}
  - name: spoke
    properties:
      addressSpace: {addressPrefixes: [10.1.0.0/16, "fd00:11::/48"]}
      subnets:
        - {name: spoke, properties: {addressPrefixes: [10.1.1.0/24, "fd00:11:0:1::/64"]}}
        - name: isolated
          properties:
            addressPrefixes: [10.1.2.0/24, "fd00:11:0:2::/64"]
            routeTable: {id: without-gateway}
routeTables:
  - {name: without-gateway, properties: {disableBgpRoutePropagation: true}}
virtualNetworkPeerings:
  - {name: hub/to-spoke, properties: {remoteVirtualNetwork: {id: spoke}, allowGatewayTransit: true}}
  - {name: spoke/to-hub, properties: {remoteVirtualNetwork: {id: hub}, useRemoteGateways: true}}
virtualNetworkGateways:
  - name: gateway
    properties:
      gatewayType: Vpn
      sku: {name: VpnGw1, tier: VpnGw1}
      enableBgp: true
      ipConfigurations: [{name: default, properties: {subnet: {id: hub/GatewaySubnet}}}]
localNetworkGateways:
  - name: office
    properties: {gatewayIpAddress: 203.0.113.10, bgpSettings: {asn: 65010}}
connections:
  - name: to-office
    properties:
      connectionType: IPsec
      virtualNetworkGateway1: {id: gateway}
      localNetworkGateway2: {id: office}
      enableBgp: true
networkInterfaces:
  - name: hub-vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: hub/hub}, privateIPAddress: 10.0.1.4}}
        - {name: v6, properties: {subnet: {id: hub/hub}, privateIPAddress: "fd00:10:0:1::4"}}
  - name: spoke-vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/spoke}, privateIPAddress: 10.1.1.4}}
        - {name: v6, properties: {subnet: {id: spoke/spoke}, privateIPAddress: "fd00:11:0:1::4"}}
  - name: isolated-vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/isolated}, privateIPAddress: 10.1.2.4}}
        - {name: v6, properties: {subnet: {id: spoke/isolated}, privateIPAddress: "fd00:11:0:2::4"}}
hosts:
  - name: host-a
    underlay: {interface: eth0, addresses: [192.0.2.1, "2001:db8::1"]}
    networkInterfaces: [{name: spoke-vm}, {name: isolated-vm}]
  - name: host-b
    underlay: {interface: eth0, addresses: [192.0.2.2, "2001:db8::2"]}
    networkInterfaces: [{name: hub-vm}]
    gateways: [{name: gateway}]
"#;
