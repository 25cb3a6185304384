//! Virtual network gateways and what they are connected with (AZ §5).

use ipnet::IpNet;

use super::{NicIndex, ResourceId, Topology, VnetIndex};

/// Index into [`super::Topology::gateways`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayIndex(pub usize);

/// `gatewayType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GatewayType {
    /// A VPN gateway; user-defined routes may name it.
    Vpn,
    /// An `ExpressRoute` gateway.
    ExpressRoute,
}

/// A virtual network gateway: an appliance in the VNet's `GatewaySubnet`. What encrypts, and the routing
/// daemon beside it, are the operator's.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its type.
    pub gateway_type: GatewayType,
    /// The name of its SKU, e.g. `VpnGw1`.
    pub sku: String,
    /// Its VNet. A VNet has at most one gateway.
    pub vnet: VnetIndex,
    /// The NIC that stands for it, with the gateway's own id: in `GatewaySubnet`, forwarding, without
    /// policies of its own.
    pub nic: NicIndex,
    /// What it is connected with.
    pub connections: Vec<Connection>,
    /// Whether it learns prefixes by BGP: one of its connections has `enableBgp`, or it is an
    /// `ExpressRoute` gateway. What its routing daemon learned counts only then.
    pub bgp: bool,
    /// `bgpSettings.asn`: its own autonomous system.
    pub asn: u32,
    /// `allowRemoteVnetTraffic`: whether it exchanges prefixes with the other gateways on its circuits.
    pub allow_remote_vnet_traffic: bool,
    /// Path of the network namespace on the NIC's host in which its routing daemon runs; `None` where
    /// no routes are exchanged with one. A lab uses the namespace of the NIC.
    pub network_namespace: Option<String>,
}

/// A connection of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its ARM id.
    pub id: ResourceId,
    /// The other end.
    pub remote: ConnectionRemote,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionRemote {
    /// A local network gateway with the prefixes behind it.
    LocalNetwork(Vec<IpNet>),
    /// The gateway of another VNet.
    Gateway(GatewayIndex),
    /// An `ExpressRoute` circuit, which several gateways may share.
    Circuit(ResourceId),
}

impl Topology {
    /// Whether a NIC stands for a virtual network gateway. No policy judges such a one (AZ §6.3).
    pub fn is_gateway(&self, nic: &ResourceId) -> bool {
        self.gateways.iter().any(|gateway| gateway.id == *nic)
    }
}
