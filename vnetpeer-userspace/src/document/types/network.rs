//! Virtual networks, subnets and peerings.

use ipnet::IpNet;

use super::{
    super::{
        decode::{Anything, List, Spanned},
        object::object,
        scalar::{DeploymentModel, FlowTimeout, SubscriptionId},
    },
    Child, Reference,
};

object! {
    /// Properties of a virtual network.
    #[schemars(rename = "VirtualNetwork")]
    struct VnetProperties {
        /// The address space.
        address_space as "addressSpace" (required): AddressSpace,
        /// The subnets, each inside the address space.
        subnets as "subnets": List<Child<SubnetProperties>>,
        /// Minutes after which an idle flow is forgotten, 4 to 30. Default: 4.
        flow_timeout_in_minutes as "flowTimeoutInMinutes": Spanned<FlowTimeout>,
        /// `Classic` for a VNet of the classic deployment model, which has no peering objects of its
        /// own. Not a property of Azure's. Default: `ResourceManager`.
        deployment_model as "deploymentModel": Spanned<DeploymentModel>,
        /// Must be empty: as in Azure, peerings are objects of their own.
        virtual_network_peerings as "virtualNetworkPeerings": List<Anything>,
    }
    not_supported: [
        "bgpCommunities", "ddosProtectionPlan", "dhcpOptions", "enableDdosProtection",
        "enableVmProtection", "encryption", "ipAllocations", "privateEndpointVNetPolicies",
    ]
    read_only: ["defaultPublicNatGateway", "flowLogs", "provisioningState", "resourceGuid"]
}

object! {
    /// Address prefixes of a virtual network.
    struct AddressSpace {
        /// IPv4 and IPv6 prefixes that do not overlap.
        address_prefixes as "addressPrefixes" (required): List<Spanned<IpNet>>,
    }
    not_supported: ["ipamPoolPrefixAllocations"]
}

object! {
    /// Properties of a subnet.
    #[schemars(rename = "Subnet")]
    struct SubnetProperties {
        /// The only prefix.
        address_prefix as "addressPrefix": Spanned<IpNet>,
        /// One IPv4 prefix, one IPv6 prefix, or one of each.
        address_prefixes as "addressPrefixes": List<Spanned<IpNet>>,
        /// The route table for what the subnet's network interfaces send.
        route_table as "routeTable": Reference,
        /// The network security group for what the subnet's network interfaces send and receive.
        network_security_group as "networkSecurityGroup": Reference,
    }
    not_supported: [
        "applicationGatewayIPConfigurations", "defaultOutboundAccess", "delegations",
        "ipAllocations", "ipamPoolPrefixAllocations", "natGateway",
        "privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies",
        "serviceEndpointPolicies", "serviceEndpoints", "serviceGateway", "sharingScope",
    ]
    read_only: [
        "ipConfigurationProfiles", "ipConfigurations", "privateEndpoints", "provisioningState",
        "purpose", "resourceNavigationLinks", "serviceAssociationLinks",
    ]
    one_of: ["addressPrefixes", "addressPrefix"]
}

object! {
    /// One direction of a peering: an object of the VNet before the `/` of its name.
    #[schemars(rename = "VirtualNetworkPeering")]
    struct Peering {
        /// The whole ARM id, instead of `name`, `subscription` and `resourceGroup`.
        id as "id": Spanned<String>,
        /// `vnet/peering`.
        name as "name": Spanned<String>,
        /// Subscription of the VNet, if several VNets have its name.
        subscription as "subscription": Spanned<SubscriptionId>,
        /// Resource group of the VNet, if several VNets have its name.
        resource_group as "resourceGroup": Spanned<String>,
        /// What it peers with, and what may pass.
        properties as "properties" (required): PeeringProperties,
    }
    read_only: ["etag", "type"]
    one_of: ["name", "id"]
}

object! {
    /// Properties of a virtual network peering.
    #[schemars(rename = "VirtualNetworkPeeringProperties")]
    struct PeeringProperties {
        /// The other VNet.
        remote_virtual_network as "remoteVirtualNetwork" (required): Reference,
        /// Whether the two VNets may talk. Default: `true`.
        allow_virtual_network_access as "allowVirtualNetworkAccess": Spanned<bool>,
        /// Whether this VNet takes packets from the other that do not come from the other's own
        /// address space. Default: `false`.
        allow_forwarded_traffic as "allowForwardedTraffic": Spanned<bool>,
        /// Whether the other VNet may use this VNet's gateway. Default: `false`.
        allow_gateway_transit as "allowGatewayTransit": Spanned<bool>,
        /// Whether this VNet uses the gateway of the other. Default: `false`.
        use_remote_gateways as "useRemoteGateways": Spanned<bool>,
        /// Whether the other VNet's gateway need not be ready. Default: `false`.
        do_not_verify_remote_gateways as "doNotVerifyRemoteGateways": Spanned<bool>,
        /// Whether the whole VNets are peered, and not only the subnets that are named. Default: `true`.
        peer_complete_vnets as "peerCompleteVnets": Spanned<bool>,
        /// Whether only IPv6 prefixes are peered. Default: `false`.
        enable_only_ipv6_peering as "enableOnlyIPv6Peering": Spanned<bool>,
        /// With `peerCompleteVnets: false`: the subnets of this VNet that are peered, at most 200.
        local_subnet_names as "localSubnetNames": List<Spanned<String>>,
        /// With `peerCompleteVnets: false`: the subnets of the other VNet that are peered, at most 200.
        remote_subnet_names as "remoteSubnetNames": List<Spanned<String>>,
    }
    read_only: [
        "localAddressSpace", "localVirtualNetworkAddressSpace", "peeringState",
        "peeringSyncLevel", "provisioningState", "remoteAddressSpace", "remoteBgpCommunities",
        "remoteGateways", "remoteVirtualNetworkAddressSpace", "remoteVirtualNetworkEncryption",
        "resourceGuid", "routeServiceVips",
    ]
}
