//! Which service tags hold the addresses of each route: the tags `VirtualNetwork` and `Internet` are
//! decided by what the route lookup of an address returns, so every prefix at which a tag begins or
//! ends is in the table, with the next hop of the route around it.
//!
//! `Internet` is every public address that is not in `VirtualNetwork`. An address that no route covers
//! stays without a route.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vnetpeer_common::abi::address_class;

use crate::topology::{
    desired::{Hop, PrefixTable},
    service_tags::{NOT_PUBLIC_V4, PLATFORM, PUBLIC_V6},
};

/// The prefixes of tag `VirtualNetwork`, seen from the subnets that share a table.
#[derive(Debug, Default)]
pub(super) struct TagPrefixes {
    v4: BTreeSet<Ipv4Net>,
    v6: BTreeSet<Ipv6Net>,
}

impl TagPrefixes {
    /// The prefixes given.
    pub(super) fn new(prefixes: impl IntoIterator<Item = IpNet>) -> Self {
        let mut found = Self::default();
        for prefix in prefixes {
            found.insert(prefix);
        }
        found
    }

    /// What is in the tag of every subnet.
    pub(super) fn platform() -> Self {
        Self::new([IpNet::V4(PLATFORM)])
    }

    /// Adds a prefix.
    pub(super) fn insert(&mut self, prefix: IpNet) {
        match prefix {
            IpNet::V4(net) => self.v4.insert(net),
            IpNet::V6(net) => self.v6.insert(net),
        };
    }

    /// The same routes with the classes of their addresses.
    pub(super) fn classify(&self, routes: &PrefixTable<Hop>) -> PrefixTable<Hop> {
        let public = |net: &Ipv4Net| !NOT_PUBLIC_V4.iter().any(|it| it.contains(net));
        let inside = |outer: &Ipv4Net, net: &Ipv4Net| outer.contains(net);
        let v4 = classify(&routes.v4, &self.v4, &NOT_PUBLIC_V4, (inside, public));
        let public = |net: &Ipv6Net| PUBLIC_V6.contains(net);
        let inside = |outer: &Ipv6Net, net: &Ipv6Net| outer.contains(net);
        let v6 = classify(&routes.v6, &self.v6, &[PUBLIC_V6], (inside, public));
        PrefixTable { v4, v6 }
    }
}

/// The prefixes at which addresses become public or cease to be.
pub(super) fn fixed_edges() -> impl Iterator<Item = IpNet> {
    NOT_PUBLIC_V4.into_iter().map(IpNet::V4).chain([IpNet::V6(PUBLIC_V6)])
}

/// The class of addresses outside of tag `VirtualNetwork` that are in `net` and in none of the smaller
/// [`fixed_edges`].
pub(super) fn plain_class(net: &IpNet) -> u16 {
    let is_public = match net {
        IpNet::V4(net) => !NOT_PUBLIC_V4.iter().any(|it| it.contains(net)),
        IpNet::V6(net) => PUBLIC_V6.contains(net),
    };
    if is_public { address_class::INTERNET } else { address_class::NEITHER }
}

/// A prefix that holds those that come after it.
struct Around<N> {
    net: N,
    in_tag: bool,
    /// The next hop of the longest route.
    hop: Option<Hop>,
    /// What a lookup returns.
    found: Option<Hop>,
}

/// Prefixes in the order of their addresses, the shorter first, come after those around them. The
/// functions say whether the first prefix contains the second, and whether a prefix is public; `edges`
/// are the prefixes at which that changes.
fn classify<N: Copy + Ord>(
    routes: &BTreeMap<N, Hop>,
    tag: &BTreeSet<N>,
    edges: &[N],
    (contains, is_public): (impl Fn(&N, &N) -> bool, impl Fn(&N) -> bool),
) -> BTreeMap<N, Hop> {
    let all: BTreeSet<N> = routes.keys().chain(tag).chain(edges).copied().collect();
    let mut classified = BTreeMap::new();
    let mut open: Vec<Around<N>> = Vec::new();
    for net in all {
        while open.last().is_some_and(|around| !contains(&around.net, &net)) {
            open.pop();
        }
        let around = open.last();
        let in_tag = tag.contains(&net) || around.is_some_and(|it| it.in_tag);
        let hop = routes.get(&net).or(around.and_then(|it| it.hop.as_ref())).cloned();
        let class = if in_tag {
            address_class::VIRTUAL_NETWORK
        } else if is_public(&net) {
            address_class::INTERNET
        } else {
            address_class::NEITHER
        };
        let found = hop.as_ref().map(|hop| hop.with_class(class));
        // A prefix of no route that says what the one around it says is not needed.
        let is_new = found.as_ref() != around.and_then(|it| it.found.as_ref());
        if let Some(found) = found.as_ref().filter(|_| is_new || routes.contains_key(&net)) {
            classified.insert(net, found.clone());
        }
        open.push(Around { net, in_tag, hop, found });
    }
    classified
}
