//! Routes of virtual network gateways (AZ §5): what a VNet reaches through its own gateway, or through
//! that of the peer whose gateway it uses, and what a gateway tells the other side of its connections.
//!
//! A route of a gateway gives way to the routes of the VNet, its peers and its connected groups, however much more specific
//! it is, and takes the place of an `Internet` or `None` route of the same prefix (AZ §3.2).

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

use ipnet::IpNet;
use vnetpeer_common::types::LinkId;

use super::{Appliance, ApplianceProblem, GroupRoutes, Route, RouteHop, RouteSource, RouteState};
use crate::topology::{
    model::{ConnectionRemote, Gateway, GatewayIndex, GatewayType},
    network::{Network, NumberedGateway, NumberedPeering, NumberedVnet},
};

/// The gateway that a VNet uses, and how it gets there.
#[derive(Clone, Copy, Debug)]
pub(in crate::topology) struct UsedGateway<'a> {
    gateway: NumberedGateway<'a>,
    /// The peering to the gateway's VNet; none for the own gateway.
    peering: Option<NumberedPeering<'a>>,
}

impl<'a> UsedGateway<'a> {
    /// The VNet's own gateway, else the one that a peering lets it use.
    pub(in crate::topology) fn of(network: &Network<'a>, vnet: &NumberedVnet<'a>) -> Option<Self> {
        if let Some(gateway) = vnet.gateway {
            return Some(Self { gateway, peering: None });
        }
        let used = vnet.peerings.iter().filter(|it| uses_remote_gateway(network, it));
        let mut used = used.filter_map(|peering| {
            let gateway = network.vnet(peering.peering.remote)?.gateway?;
            Some(Self { gateway, peering: Some(*peering) })
        });
        used.next()
    }

    /// Whether a peering without `allowVirtualNetworkAccess` lies between.
    pub(in crate::topology) fn has_access(&self) -> bool {
        self.peering.is_none_or(|it| it.peering.allow_virtual_network_access)
    }

    /// The prefixes that the VNet reaches through it.
    pub(in crate::topology) fn prefixes(&self, network: &Network<'_>) -> BTreeSet<IpNet> {
        let only_ipv6 = self.peering.is_some_and(|it| it.peering.enable_only_ipv6);
        let mut found = connected_prefixes(network, self.gateway.index);
        found.retain(|prefix| {
            let is_v4 = prefix.addr().is_ipv4();
            self.address(is_v4).is_some() && !(is_v4 && only_ipv6)
        });
        found
    }

    /// The next hop of user-defined routes, which only a VPN gateway can be.
    pub(super) fn user_hop(&self, is_v4: bool) -> RouteHop {
        match self.gateway.gateway.gateway_type {
            GatewayType::Vpn => self.hop(is_v4),
            GatewayType::ExpressRoute => nowhere(),
        }
    }

    fn hop(&self, is_v4: bool) -> RouteHop {
        let address = self.address(is_v4);
        let link = self.peering.map_or(LinkId::NONE, |it| it.link);
        let reverse = self.peering.map_or(LinkId::NONE, |it| it.reverse);
        let appliance = Appliance { nic: self.gateway.nic.id, link, reverse };
        RouteHop::Gateway {
            address,
            resolved: address.map(|_| appliance).ok_or(ApplianceProblem::NoNic),
        }
    }

    /// Its address of a family; without one it does not serve that family.
    fn address(&self, is_v4: bool) -> Option<IpAddr> {
        let addresses = self.gateway.nic.nic.addresses.iter();
        addresses.copied().find(|address| address.is_ipv4() == is_v4)
    }
}

/// The next hop where there is no gateway to use.
pub(super) fn nowhere() -> RouteHop {
    RouteHop::Gateway { address: None, resolved: Err(ApplianceProblem::NotInReach) }
}

/// Adds the routes of a gateway to system routes, and settles which of both are in force.
pub(super) fn add(
    network: &Network<'_>,
    used: &UsedGateway<'_>,
    routes: &mut Vec<Route>,
    group: Option<&GroupRoutes>,
) {
    let preferred = Preferred::new(routes, group);
    let found: Vec<Route> = used
        .prefixes(network)
        .into_iter()
        .map(|prefix| Route {
            name: None,
            source: RouteSource::VirtualNetworkGateway,
            state: if preferred.cover(&prefix) { RouteState::Invalid } else { RouteState::Active },
            hop: used.hop(prefix.addr().is_ipv4()),
            prefix,
        })
        .collect();
    let active = found.iter().filter(|route| route.state == RouteState::Active);
    let replaced: HashSet<IpNet> = active.map(|route| route.prefix).collect();
    for route in routes.iter_mut().filter(|route| replaced.contains(&route.prefix)) {
        route.state = RouteState::Invalid;
    }
    routes.extend(found);
}

/// Prefixes of the VNet, of its peers and of its connected groups, which no gateway takes away.
struct Preferred<'a> {
    group: Option<&'a GroupRoutes>,
    prefixes: HashSet<IpNet>,
    lengths: BTreeSet<u8>,
}

impl<'a> Preferred<'a> {
    fn new(routes: &[Route], group: Option<&'a GroupRoutes>) -> Self {
        let is_preferred =
            |it: &&Route| matches!(it.hop, RouteHop::VnetLocal | RouteHop::Peering { .. });
        let prefixes: HashSet<IpNet> =
            routes.iter().filter(is_preferred).map(|it| it.prefix).collect();
        let lengths = prefixes.iter().map(IpNet::prefix_len).collect();
        Self { group, prefixes, lengths }
    }

    /// Whether one of them is the prefix or contains it.
    fn cover(&self, prefix: &IpNet) -> bool {
        let lengths = self.lengths.range(..=prefix.prefix_len());
        let mut around = lengths.filter_map(|len| IpNet::new(prefix.addr(), *len).ok());
        around.any(|it| self.prefixes.contains(&it.trunc()))
            || self.group.is_some_and(|group| group.around(prefix).is_some())
    }
}

/// What a gateway tells the other side of its connections: the space of its VNet, and, as last synced,
/// the spaces of those that use it remotely.
pub fn advertised(network: &Network<'_>, gateway: GatewayIndex) -> BTreeSet<IpNet> {
    let Some(vnet) = network.topology.gateway(gateway).and_then(|it| network.vnet(it.vnet)) else {
        return BTreeSet::new();
    };
    let own = vnet.vnet.address_space.iter();
    let users = vnet.peerings.iter().filter(|it| is_used_by_remote(network, it));
    own.chain(users.flat_map(NumberedPeering::space)).map(IpNet::trunc).collect()
}

/// The other gateways that a gateway's connections lead to: those of `Vnet2Vnet` connections that both
/// have, and, as VNets that share a circuit exchange their prefixes through it, those of its circuits.
pub fn connected_gateways(network: &Network<'_>, index: GatewayIndex) -> BTreeSet<GatewayIndex> {
    let Some(gateway) = network.topology.gateway(index) else { return BTreeSet::new() };
    let all = network.topology.gateways.iter().enumerate();
    let others = all.map(|(other, it)| (GatewayIndex(other), it)).filter(|it| it.0 != index);
    others
        .filter(|(other, it)| {
            let there = ConnectionRemote::Gateway(*other);
            let back = ConnectionRemote::Gateway(index);
            has_connection(gateway, &there) && has_connection(it, &back)
                || share_circuit(gateway, it)
        })
        .map(|(other, _)| other)
        .collect()
}

/// Everything behind a gateway's connections, and what it learned.
pub fn connected_prefixes(network: &Network<'_>, index: GatewayIndex) -> BTreeSet<IpNet> {
    let Some(gateway) = network.topology.gateway(index) else { return BTreeSet::new() };
    let sites = gateway.connections.iter().filter_map(|connection| match &connection.remote {
        ConnectionRemote::LocalNetwork(prefixes) => Some(prefixes.iter().map(IpNet::trunc)),
        ConnectionRemote::Gateway(_) | ConnectionRemote::Circuit(_) => None,
    });
    let others = connected_gateways(network, index).into_iter();
    let mut found: BTreeSet<IpNet> = sites.flatten().collect();
    found.extend(others.flat_map(|other| advertised(network, other)));
    if gateway.bgp {
        found.extend(learned(network, gateway));
    }
    found
}

fn learned<'a>(network: &'a Network<'_>, gateway: &Gateway) -> impl Iterator<Item = IpNet> + 'a {
    network.facts.learned.get(&gateway.id).into_iter().flatten().map(IpNet::trunc)
}

fn has_connection(gateway: &Gateway, remote: &ConnectionRemote) -> bool {
    gateway.connections.iter().any(|it| it.remote == *remote)
}

fn share_circuit(gateway: &Gateway, other: &Gateway) -> bool {
    let circuits = gateway.connections.iter().map(|it| &it.remote);
    let mut circuits = circuits.filter(|it| matches!(it, ConnectionRemote::Circuit(_)));
    gateway.allow_remote_vnet_traffic
        && other.allow_remote_vnet_traffic
        && circuits.any(|circuit| has_connection(other, circuit))
}

/// Whether a peering lets its own VNet use the gateway of the other.
fn uses_remote_gateway(network: &Network<'_>, it: &NumberedPeering<'_>) -> bool {
    let reverse = it.peering.reverse.and_then(|index| network.topology.peering(index));
    it.connected
        && it.peering.use_remote_gateways
        && reverse.is_some_and(|it| it.allow_gateway_transit)
}

/// Whether a peering lets the other VNet use the gateway of its own.
fn is_used_by_remote(network: &Network<'_>, it: &NumberedPeering<'_>) -> bool {
    let reverse = it.peering.reverse.and_then(|index| network.topology.peering(index));
    it.connected
        && it.peering.allow_gateway_transit
        && reverse.is_some_and(|it| it.use_remote_gateways)
}
