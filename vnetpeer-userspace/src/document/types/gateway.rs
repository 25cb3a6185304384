//! Virtual network gateways, local network gateways and connections.

use std::net::IpAddr;

use super::{
    super::{
        decode::{List, Spanned},
        object::object,
        scalar::{Allocation, Asn, ConnectionType, VpnType},
    },
    Child, Reference,
    network::AddressSpace,
};
use crate::topology::model::GatewayType;

object! {
    /// Properties of a virtual network gateway: a network interface in the VNet's `GatewaySubnet` that
    /// leads to what its connections connect. Encryption is the operator's.
    #[schemars(rename = "VirtualNetworkGateway")]
    struct GatewayProperties {
        /// Its type.
        gateway_type as "gatewayType" (required): Spanned<GatewayType>,
        /// How a VPN gateway chooses tunnels. Default: `RouteBased`.
        vpn_type as "vpnType": Spanned<VpnType>,
        /// Its SKU, which decides what it can do.
        sku as "sku" (required): GatewaySku,
        /// Its addresses, one for each family of `GatewaySubnet`.
        ip_configurations as "ipConfigurations" (required):
            List<Child<GatewayIpConfigurationProperties>>,
        /// Whether its connections may exchange routes by BGP. Default: `false`; an `ExpressRoute`
        /// gateway always does.
        enable_bgp as "enableBgp": Spanned<bool>,
        /// Who it is in BGP.
        bgp_settings as "bgpSettings": BgpSettings,
        /// Must be `false`: several instances are not supported yet.
        active as "activeActive": Spanned<bool>,
        /// Whether an `ExpressRoute` gateway exchanges traffic with other VNets on its circuits.
        /// Default: `true`.
        allow_remote_vnet_traffic as "allowRemoteVnetTraffic": Spanned<bool>,
    }
    not_supported: [
        "adminState", "allowVirtualWanTraffic", "autoScaleConfiguration", "customRoutes",
        "disableIPSecReplayProtection", "enableBgpRouteTranslationForNat", "enableDnsForwarding",
        "enableHighBandwidthVpnGateway", "enablePrivateIpAddress", "gatewayDefaultSite",
        "natRules", "resiliencyModel", "vNetExtendedLocationResourceId",
        "virtualNetworkGatewayPolicyGroups", "vpnClientConfiguration", "vpnGatewayGeneration",
    ]
    read_only: [
        "inboundDnsForwardingEndpoint", "provisioningState", "resourceGuid",
        "virtualNetworkGatewayMigrationStatus",
    ]
}

object! {
    /// A gateway's SKU.
    #[schemars(rename = "VirtualNetworkGatewaySku")]
    struct GatewaySku {
        /// Such as `VpnGw1` or `ErGw1AZ`.
        name as "name" (required): Spanned<String>,
        /// The same again.
        tier as "tier": Spanned<String>,
    }
    read_only: ["capacity"]
}

object! {
    /// Properties of a gateway's ipConfiguration.
    #[schemars(rename = "VirtualNetworkGatewayIpConfiguration")]
    struct GatewayIpConfigurationProperties {
        /// The `GatewaySubnet` of its VNet.
        subnet as "subnet" (required): Reference,
        /// The address. Default: the next free one.
        private_ip_address as "privateIPAddress": Spanned<IpAddr>,
        /// `Static` needs `privateIPAddress`.
        private_ip_allocation_method as "privateIPAllocationMethod": Spanned<Allocation>,
    }
    not_supported: ["publicIPAddress"]
    read_only: ["provisioningState"]
}

object! {
    /// Who a gateway is in BGP.
    struct BgpSettings {
        /// Its autonomous system. Default: 65515.
        asn as "asn": Spanned<Asn>,
    }
    not_supported: ["bgpPeeringAddress", "bgpPeeringAddresses", "peerWeight"]
}

object! {
    /// Properties of a local network gateway: a site, as its connections see it.
    #[schemars(rename = "LocalNetworkGateway")]
    struct LocalNetworkGatewayProperties {
        /// The site's prefixes.
        local_network_address_space as "localNetworkAddressSpace": AddressSpace,
        /// The site's public address, for whoever builds the tunnel; the network does without.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        gateway_ip_address as "gatewayIpAddress": Spanned<IpAddr>,
        /// Who the site is in BGP.
        bgp_settings as "bgpSettings": BgpSettings,
    }
    not_supported: ["fqdn"]
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// Properties of a connection of a virtual network gateway.
    #[schemars(rename = "VirtualNetworkGatewayConnection")]
    struct ConnectionProperties {
        /// What it connects with, and how.
        connection_type as "connectionType" (required): Spanned<ConnectionType>,
        /// The gateway whose connection it is.
        virtual_network_gateway1 as "virtualNetworkGateway1" (required): Reference,
        /// With `Vnet2Vnet`: the other VNet's gateway, which needs a connection back.
        virtual_network_gateway2 as "virtualNetworkGateway2": Reference,
        /// With `IPsec`: the site.
        local_network_gateway2 as "localNetworkGateway2": Reference,
        /// With `ExpressRoute`: the circuit, by its name or ARM id.
        peer as "peer": Reference,
        /// Whether routes are exchanged by BGP; the gateway needs `enableBgp`. Default: `false`.
        enable_bgp as "enableBgp": Spanned<bool>,
    }
    not_supported: [
        "authenticationType", "authorizationKey", "certificateAuthentication", "connectionMode",
        "connectionProtocol", "dpdTimeoutSeconds", "egressNatRules", "enablePrivateLinkFastPath",
        "expressRouteGatewayBypass", "gatewayCustomBgpIpAddresses", "ingressNatRules",
        "ipsecPolicies", "routingWeight", "sharedKey", "trafficSelectorPolicies",
        "tunnelProperties", "useLocalAzureIpAddress", "usePolicyBasedTrafficSelectors",
    ]
    read_only: [
        "connectionStatus", "egressBytesTransferred", "ingressBytesTransferred",
        "provisioningState", "resourceGuid", "tunnelConnectionStatus",
    ]
}
