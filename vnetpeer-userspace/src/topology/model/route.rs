//! Route tables and user-defined routes.

use std::{net::IpAddr, slice};

use ipnet::IpNet;

use super::ResourceId;

/// A route table.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Its ARM id.
    pub id: ResourceId,
    /// User-defined routes; prefixes are unique.
    pub routes: Vec<Route>,
    /// `disableBgpRoutePropagation`.
    pub disable_bgp_route_propagation: bool,
    /// `disablePeeringRoute` is `All`: the table's subnets get no system routes to peers.
    pub disable_peering_routes: bool,
}

/// A user-defined route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the table.
    pub name: String,
    /// Destination.
    pub prefix: IpNet,
    /// Where it leads.
    pub next_hop: RouteNextHop,
}

/// `nextHopType` of a user-defined route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteNextHop {
    /// `VnetLocal`.
    VnetLocal,
    /// `Internet`.
    Internet,
    /// `None`: drop.
    None,
    /// `VirtualAppliance` with its `nextHopIpAddress`.
    VirtualAppliance(IpAddr),
    /// `VirtualApplianceEcmp` with its 2 to 64 `nextHopIpAddresses`.
    VirtualApplianceEcmp(Vec<IpAddr>),
    /// `VirtualNetworkGateway`: the VNet's own VPN gateway, or the one that it uses remotely.
    VirtualNetworkGateway,
}

impl RouteNextHop {
    /// The appliances that it names; none of any other kind.
    pub fn appliances(&self) -> &[IpAddr] {
        match self {
            Self::VirtualAppliance(address) => slice::from_ref(address),
            Self::VirtualApplianceEcmp(addresses) => addresses,
            Self::VnetLocal | Self::Internet | Self::None | Self::VirtualNetworkGateway => &[],
        }
    }
}
