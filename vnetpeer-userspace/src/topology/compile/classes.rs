//! Which service tags hold the addresses of each route: the tags `VirtualNetwork` and `Internet` are
//! decided by what the route lookup of an address returns, so every prefix at which a tag begins or
//! ends is in the table, with the next hop of the route around it.
//!
//! `VirtualNetwork` is the VNet's own space, the synced spaces of connected peers that it gives access,
//! the prefixes of the table's user-defined routes, and the platform's virtual address (AZ §4.5).
//! `Internet` is every other public address. An address that no route covers stays without a route.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vnetpeer_common::abi::{NextHop, address_class};

use crate::topology::{
    desired::PrefixTable,
    model::{RouteTableIndex, Topology},
    network::{NumberedPeering, NumberedVnet},
};

/// IPv4 addresses that are not public.
const NOT_PUBLIC: [Ipv4Net; 8] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// IPv6 addresses that are public.
const PUBLIC: [Ipv6Net; 1] = [Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)];

/// The platform's virtual address.
const VIRTUAL_ADDRESS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32);

/// The prefixes of tag `VirtualNetwork`, seen from the subnets that share a table.
#[derive(Debug, Default)]
pub(super) struct TagPrefixes {
    v4: BTreeSet<Ipv4Net>,
    v6: BTreeSet<Ipv6Net>,
}

impl TagPrefixes {
    /// Collects them for the subnets of `vnet` with the route table at `table`.
    pub(super) fn new(
        topology: &Topology,
        vnet: &NumberedVnet<'_>,
        table: Option<RouteTableIndex>,
    ) -> Self {
        let own = vnet.vnet.address_space.iter();
        let peers = vnet.peerings.iter().filter(|it| it.peering.allow_virtual_network_access);
        let peers = peers.flat_map(NumberedPeering::space);
        let table = table.and_then(|index| topology.route_table(index));
        let routes = table.into_iter().flat_map(|table| &table.routes).map(|route| &route.prefix);
        let mut found = Self { v4: BTreeSet::from([VIRTUAL_ADDRESS]), v6: BTreeSet::new() };
        for prefix in own.chain(peers).chain(routes) {
            match prefix {
                IpNet::V4(net) => found.v4.insert(net.trunc()),
                IpNet::V6(net) => found.v6.insert(net.trunc()),
            };
        }
        found
    }

    /// The same routes with the classes of their addresses.
    pub(super) fn classify(&self, routes: &PrefixTable<NextHop>) -> PrefixTable<NextHop> {
        let public = |net: &Ipv4Net| !NOT_PUBLIC.iter().any(|it| it.contains(net));
        let inside = |outer: &Ipv4Net, net: &Ipv4Net| outer.contains(net);
        let v4 = classify(&routes.v4, &self.v4, &NOT_PUBLIC, (inside, public));
        let public = |net: &Ipv6Net| PUBLIC.iter().any(|it| it.contains(net));
        let inside = |outer: &Ipv6Net, net: &Ipv6Net| outer.contains(net);
        let v6 = classify(&routes.v6, &self.v6, &PUBLIC, (inside, public));
        PrefixTable { v4, v6 }
    }
}

/// A prefix that holds those that come after it.
struct Around<N> {
    net: N,
    in_tag: bool,
    /// The next hop of the longest route.
    hop: Option<NextHop>,
    /// What a lookup returns.
    found: Option<NextHop>,
}

/// Prefixes in the order of their addresses, the shorter first, come after those around them. The
/// functions say whether the first prefix contains the second, and whether a prefix is public; `edges`
/// are the prefixes at which that changes.
fn classify<N: Copy + Ord>(
    routes: &BTreeMap<N, NextHop>,
    tag: &BTreeSet<N>,
    edges: &[N],
    (contains, is_public): (impl Fn(&N, &N) -> bool, impl Fn(&N) -> bool),
) -> BTreeMap<N, NextHop> {
    let all: BTreeSet<N> = routes.keys().chain(tag).chain(edges).copied().collect();
    let mut classified = BTreeMap::new();
    let mut open: Vec<Around<N>> = Vec::new();
    for net in all {
        while open.last().is_some_and(|around| !contains(&around.net, &net)) {
            open.pop();
        }
        let around = open.last();
        let in_tag = tag.contains(&net) || around.is_some_and(|it| it.in_tag);
        let hop = routes.get(&net).copied().or(around.and_then(|it| it.hop));
        let class = if in_tag {
            address_class::VIRTUAL_NETWORK
        } else if is_public(&net) {
            address_class::INTERNET
        } else {
            address_class::NEITHER
        };
        let found = hop.map(|hop| NextHop { class, ..hop });
        // A prefix of no route that says what the one around it says is not needed.
        let is_new = found != around.and_then(|it| it.found);
        if let Some(found) = found.filter(|_| is_new || routes.contains_key(&net)) {
            classified.insert(net, found);
        }
        open.push(Around { net, in_tag, hop, found });
    }
    classified
}
