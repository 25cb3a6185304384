//! Internal load balancers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{NicIndex, ResourceId, SubnetIndex, VnetIndex};

/// SKU of a load balancer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum LoadBalancerSku {
    /// Its frontends cannot be reached over global peerings (AZ §10).
    Basic,
    /// The default.
    #[default]
    Standard,
}

/// An internal load balancer. Its frontends and backends are in one VNet.
#[derive(Clone, Debug)]
pub struct LoadBalancer {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its SKU.
    pub sku: LoadBalancerSku,
    /// The VNet of its frontends and of its backends.
    pub vnet: VnetIndex,
    /// `frontendIPConfigurations`.
    pub frontends: Vec<Frontend>,
    /// `backendAddressPools`.
    pub pools: Vec<BackendPool>,
    /// `probes`.
    pub probes: Vec<Probe>,
    /// `loadBalancingRules`; each combination of frontend, protocol and port is there at most once.
    pub rules: Vec<LoadBalancingRule>,
}

/// `frontendIPConfiguration`: one address, which is numbered like a NIC.
#[derive(Clone, Debug)]
pub struct Frontend {
    /// Its ARM id.
    pub id: ResourceId,
    /// The subnet that its address is in.
    pub subnet: SubnetIndex,
    /// `privateIPAddress`.
    pub address: IpAddr,
}

/// `backendAddressPool`.
#[derive(Clone, Debug)]
pub struct BackendPool {
    /// Its ARM id.
    pub id: ResourceId,
    /// The addresses in it, in the order of the topology.
    pub members: Vec<BackendMember>,
}

/// An address of a NIC that is in a backend pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackendMember {
    /// The NIC.
    pub nic: NicIndex,
    /// Its primary address of one family.
    pub address: IpAddr,
}

/// A health probe: asks every member of the pools whose rules name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its ARM id.
    pub id: ResourceId,
    /// What it asks.
    pub protocol: ProbeProtocol,
    /// The port on the member.
    pub port: u16,
    /// `intervalInSeconds`, from 5.
    pub interval_seconds: u32,
    /// `probeThreshold`: as many answers in a row change what counts.
    pub threshold: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeProtocol {
    /// A connection.
    Tcp,
    /// `GET` of this path, answered with 200.
    Http(String),
}

/// `loadBalancingRule`.
#[derive(Clone, Debug)]
pub struct LoadBalancingRule {
    /// Its ARM id.
    pub id: ResourceId,
    /// Index into [`LoadBalancer::frontends`].
    pub frontend: usize,
    /// Index into [`LoadBalancer::pools`].
    pub pool: usize,
    /// Index into [`LoadBalancer::probes`]; without one every member counts as healthy.
    pub probe: Option<usize>,
    /// Which packets it takes.
    pub protocol: BalancedProtocol,
    /// `frontendPort`; 0 with [`BalancedProtocol::All`].
    pub frontend_port: u16,
    /// `backendPort`; 0 with [`BalancedProtocol::All`].
    pub backend_port: u16,
    /// `loadDistribution`.
    pub distribution: LoadDistribution,
    /// `enableFloatingIP`: packets reach the member with the frontend's address and port.
    pub floating_ip: bool,
}

/// `protocol` of a load balancing rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancedProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// HA ports: TCP and UDP on every port.
    All,
}

/// `loadDistribution`: what of a packet chooses the member.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum LoadDistribution {
    /// Both addresses and ports and the protocol.
    #[default]
    Default,
    /// Both addresses.
    SourceIP,
    /// Both addresses and the protocol.
    SourceIPProtocol,
}
