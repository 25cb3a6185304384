//! Load balancers.

use std::net::IpAddr;

use super::{
    super::{
        decode::{List, Spanned, Tags},
        object::object,
        scalar::{
            Allocation, BackendPort, BalancerTier, FlowTimeout, FrontendPort, IpVersion, Location,
            ProbeInterval, ProbePort, ProbeThreshold, ProbeWord, SubscriptionId,
        },
    },
    Child, Reference,
};
use crate::topology::model::{BalancedProtocol, LoadBalancerSku, LoadDistribution};

object! {
    /// An internal load balancer. Network interfaces name the backend pools that they are in.
    struct LoadBalancer {
        /// The whole ARM id, instead of `name`, `subscription` and `resourceGroup`.
        id as "id": Spanned<String>,
        /// The load balancer's name.
        name as "name": Spanned<String>,
        /// Its subscription, if it is not the deployment's.
        subscription as "subscription": Spanned<SubscriptionId>,
        /// Its resource group, if it is not the deployment's.
        resource_group as "resourceGroup": Spanned<String>,
        /// Its region, if it is not the deployment's.
        location as "location": Spanned<Location>,
        /// Annotations; they mean nothing to the network.
        #[expect(dead_code, reason = "decoding checks them, and nothing else has a use for them")]
        tags as "tags": Tags,
        /// What it can do. Default: `Standard`.
        sku as "sku": LoadBalancerSkuProperties,
        /// Its frontends, backend pools, probes and rules.
        properties as "properties" (required): LoadBalancerProperties,
    }
    not_supported: ["extendedLocation"]
    read_only: ["etag", "type"]
    one_of: ["name", "id"]
}

object! {
    /// A load balancer's SKU.
    #[schemars(rename = "LoadBalancerSku")]
    struct LoadBalancerSkuProperties {
        /// The SKU.
        name as "name" (required): Spanned<LoadBalancerSku>,
        /// Must be `Regional`, which is the default.
        #[expect(dead_code, reason = "decoding takes one word only")]
        tier as "tier": Spanned<BalancerTier>,
    }
}

object! {
    /// Properties of a load balancer.
    #[schemars(rename = "LoadBalancerProperties")]
    struct LoadBalancerProperties {
        /// The addresses that it answers for.
        frontend_ip_configurations as "frontendIPConfigurations" (required):
            List<Child<FrontendProperties>>,
        /// The pools that network interfaces name.
        backend_address_pools as "backendAddressPools": List<BackendPool>,
        /// What decides which members are healthy.
        probes as "probes": List<Child<ProbeProperties>>,
        /// Which packets go where.
        load_balancing_rules as "loadBalancingRules": List<Child<LoadBalancingRuleProperties>>,
    }
    not_supported: ["inboundNatPools", "inboundNatRules", "outboundRules", "scope"]
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// Properties of a frontend.
    #[schemars(rename = "FrontendIPConfiguration")]
    struct FrontendProperties {
        /// The subnet that its address is in.
        subnet as "subnet": Reference,
        /// The address. Default: the next free one of the subnet, after those of network interfaces.
        private_ip_address as "privateIPAddress": Spanned<IpAddr>,
        /// `Static` needs `privateIPAddress`.
        private_ip_allocation_method as "privateIPAllocationMethod": Spanned<Allocation>,
        /// Default: that of the address; `IPv4` without an address.
        private_ip_address_version as "privateIPAddressVersion": Spanned<IpVersion>,
        /// Not supported yet: it makes the load balancer a public one.
        public_ip_address as "publicIPAddress": Reference,
    }
    not_supported: ["gatewayLoadBalancer", "publicIPPrefix"]
    read_only: [
        "inboundNatPools", "inboundNatRules", "loadBalancingRules", "outboundRules",
        "provisioningState",
    ]
}

object! {
    /// A backend pool. Network interfaces are its members, by `loadBalancerBackendAddressPools`.
    #[schemars(rename = "BackendAddressPool")]
    struct BackendPool {
        /// Its name, unique in the load balancer.
        name as "name" (required): Spanned<String>,
        /// Nothing but what Azure computes.
        #[expect(dead_code, reason = "decoding refuses what is in it")]
        properties as "properties": BackendPoolProperties,
    }
    read_only: ["etag", "id", "type"]
}

object! {
    /// Properties of a backend pool.
    #[schemars(rename = "BackendAddressPoolProperties")]
    struct BackendPoolProperties {
    }
    not_supported: [
        "drainPeriodInSeconds", "loadBalancerBackendAddresses", "location", "syncMode",
        "tunnelInterfaces", "virtualNetwork",
    ]
    read_only: [
        "backendIPConfigurations", "inboundNatRules", "loadBalancingRules", "outboundRule",
        "outboundRules", "provisioningState",
    ]
}

object! {
    /// Properties of a health probe.
    #[schemars(rename = "LoadBalancerProbe")]
    struct ProbeProperties {
        /// What it asks.
        protocol as "protocol" (required): Spanned<ProbeWord>,
        /// The port on the member.
        port as "port" (required): Spanned<ProbePort>,
        /// With `Http`, and only then: the path that must be answered with 200.
        request_path as "requestPath": Spanned<String>,
        /// Seconds between two questions, from 5. Default: 15.
        interval_in_seconds as "intervalInSeconds": Spanned<ProbeInterval>,
        /// How many answers in a row change what counts. Default: `numberOfProbes`.
        probe_threshold as "probeThreshold": Spanned<ProbeThreshold>,
        /// The older name of `probeThreshold`. Default: 2.
        number_of_probes as "numberOfProbes": Spanned<ProbeThreshold>,
    }
    not_supported: ["noHealthyBackendsBehavior"]
    read_only: ["loadBalancingRules", "provisioningState"]
}

object! {
    /// Properties of a load balancing rule.
    #[schemars(rename = "LoadBalancingRule")]
    struct LoadBalancingRuleProperties {
        /// The frontend, by its name.
        frontend_ip_configuration as "frontendIPConfiguration" (required): Reference,
        /// The backend pool, by its name.
        backend_address_pool as "backendAddressPool" (required): Reference,
        /// The health probe, by its name. Without one every member counts as healthy.
        probe as "probe": Reference,
        /// The packets' protocol; `All` with both ports 0 is every TCP and UDP port.
        protocol as "protocol" (required): Spanned<BalancedProtocol>,
        /// The port at the frontend; 0 with `All`.
        frontend_port as "frontendPort" (required): Spanned<FrontendPort>,
        /// The port at the member. Default: that of the frontend.
        backend_port as "backendPort": Spanned<BackendPort>,
        /// What of a packet chooses the member. Default: `Default`.
        load_distribution as "loadDistribution": Spanned<LoadDistribution>,
        /// Whether packets reach the member with the frontend's address. Default: `false`.
        enable_floating_ip as "enableFloatingIP": Spanned<bool>,
        /// Must be the VNet's `flowTimeoutInMinutes`, which it is by default.
        idle_timeout_in_minutes as "idleTimeoutInMinutes": Spanned<FlowTimeout>,
        /// An internal load balancer never translates what its members send on their own.
        #[expect(dead_code, reason = "both values mean the same to an internal load balancer")]
        disable_outbound_snat as "disableOutboundSnat": Spanned<bool>,
    }
    not_supported: ["backendAddressPools", "enableConnectionTracking", "enableTcpReset"]
    read_only: ["provisioningState"]
}
