//! Network interfaces.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;

use super::{
    super::{
        decode::{List, Spanned},
        names::KnownTarget,
        object::object,
        scalar::{Allocation, IpVersion},
    },
    Child, Reference,
};

object! {
    /// Properties of a network interface.
    #[schemars(rename = "NetworkInterface")]
    struct NicProperties {
        /// The guest's MAC address. Default: 02:0d:3a and the last three bytes of the NIC's number.
        mac_address as "macAddress": Spanned<Mac>,
        /// Whether the guest may send packets from addresses that are not its own. Default:
        /// `false`.
        enable_ip_forwarding as "enableIPForwarding": Spanned<bool>,
        /// The network security group for what the network interface sends and receives.
        network_security_group as "networkSecurityGroup": Reference,
        /// Whether a TCP flow may begin with any segment, not only with a SYN. Default: `false`.
        disable_tcp_state_tracking as "disableTcpStateTracking": Spanned<bool>,
        /// Its addresses, all in one subnet.
        ip_configurations as "ipConfigurations" (required):
            List<Child<IpConfigurationProperties>>,
    }
    not_supported: [
        "auxiliaryMode", "auxiliarySku", "dnsSettings", "enableAcceleratedNetworking",
        "migrationPhase", "nicType", "privateLinkService", "workloadType",
    ]
    read_only: [
        "defaultOutboundConnectivityEnabled", "dscpConfiguration", "hostedWorkloads", "primary",
        "privateEndpoint", "provisioningState", "resourceGuid", "tapConfigurations",
        "virtualMachine", "vnetEncryptionSupported",
    ]
}

object! {
    /// Properties of an ipConfiguration.
    #[schemars(rename = "IpConfiguration")]
    struct IpConfigurationProperties {
        /// The subnet, as `vnet/subnet` for instance.
        subnet as "subnet" (required): Reference,
        /// The address. Default: the next free one of the subnet, in the order of the document.
        private_ip_address as "privateIPAddress": Spanned<IpAddr>,
        /// Default: that of the address; `IPv4` without an address.
        private_ip_address_version as "privateIPAddressVersion": Spanned<IpVersion>,
        /// `Static` needs `privateIPAddress`.
        private_ip_allocation_method as "privateIPAllocationMethod": Spanned<Allocation>,
        /// Exactly one is. Default: the first.
        primary as "primary": Spanned<bool>,
        /// The application security groups of which the whole network interface is a member.
        application_security_groups as "applicationSecurityGroups": List<Reference>,
        /// The backend pools of load balancers that the address is in, as `balancer/pool`.
        load_balancer_backend_address_pools as "loadBalancerBackendAddressPools": List<Reference>,
    }
    kept: known_subnet: KnownTarget,
    not_supported: [
        "applicationGatewayBackendAddressPools", "gatewayLoadBalancer",
        "loadBalancerInboundNatRules",
        "privateIPAddressPrefixLength", "publicIPAddress", "virtualNetworkTaps",
    ]
    read_only: ["privateLinkConnectionProperties", "provisioningState"]
}
