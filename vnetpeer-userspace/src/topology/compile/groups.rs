//! Tables of VNets in connected groups: what all members share, and what each has besides.
//!
//! The shared tables say what a VNet reaches that has nothing but its connected groups; its own prefixes are
//! in them as those of any member. What is otherwise for one VNet is as long as what makes it so.

use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;
use vnetpeer_common::abi::{self, address_class, next_hop_kind};

use super::classes::{TagPrefixes, fixed_edges, plain_class};
use crate::topology::{
    desired::{Hop, Peer, PrefixTable, SharedTable},
    model::VnetIndex,
    network::{Network, NumberedPeering, NumberedVnet},
    routes::{GroupRoutes, Joined, Owned, RouteHop, group_system_routes},
};

/// What the members of the same connected groups share.
#[derive(Debug)]
struct Shared {
    /// Routes with the classes of their addresses.
    routes: Arc<PrefixTable<Hop>>,
    /// Prefixes that every member looks up: those of the routes that are in no member's space, and those at
    /// which addresses become public.
    fixed: HashMap<IpNet, Fixed>,
    peers: Arc<PrefixTable<Peer>>,
}

/// What is around a prefix in what the members share.
#[derive(Debug)]
struct Fixed {
    /// Their own prefixes, the longest first.
    members: Vec<Owned>,
    route: Option<(IpNet, Hop)>,
}

impl Fixed {
    fn new(net: &IpNet, joined: &Joined, routes: &PrefixTable<Hop>) -> Self {
        let members = joined.owners().all_around(net).map(|(net, owner)| (net, *owner));
        let route = routes.around(net).map(|(net, hop)| (net, hop.clone()));
        Self { members: members.collect(), route }
    }
}

/// Makes tables of members; what they share is made once.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<*const Joined, Arc<Shared>>);

impl Groups {
    /// Routes of subnets of a member, out of its own active routes and its own tags.
    pub(super) fn routes(
        &mut self,
        network: &Network<'_>,
        group: &GroupRoutes,
        own: &PrefixTable<Hop>,
        tags: &PrefixTable<()>,
    ) -> SharedTable<Hop> {
        let shared = self.shared(network, group.joined());
        let own = Overlay { network, group, own, tags, shared: &shared }.table();
        SharedTable { shared: Some(Arc::clone(&shared.routes)), own }
    }

    /// Whose the addresses around a member are.
    pub(super) fn peers(
        &mut self,
        network: &Network<'_>,
        vnet: &NumberedVnet<'_>,
        links: PrefixTable<Peer>,
    ) -> SharedTable<Peer> {
        let group = GroupRoutes::new(network.vnets(), vnet, &vnet.peerings);
        let Some(group) = group else { return SharedTable::from(links) };
        let shared = self.shared(network, group.joined());
        let is_own = |net: &IpNet| vnet.vnet.address_space.iter().any(|space| space.contains(net));
        let mut own = links;
        // What is withdrawn inside the own space is not the sender's either.
        let changed = group.changes().iter().filter(|(net, _)| !is_own(net));
        for (net, _) in changed.collect::<Vec<_>>() {
            let longer = |found: &(IpNet, Peer), other: &(IpNet, Peer)| {
                found.0.prefix_len() >= other.0.prefix_len()
            };
            let link = own.around(&net).map(|(at, peer)| (at, *peer));
            let member = group.around(&net).map(|(at, owner)| (at, member(network, owner)));
            let peer = match (link, member) {
                (Some(link), Some(member)) if !longer(&link, &member) => member.1,
                (Some(link), _) => link.1,
                (None, Some(member)) => member.1,
                (None, None) => Peer::Nobody,
            };
            own.insert(net, peer);
        }
        SharedTable { shared: Some(Arc::clone(&shared.peers)), own }
    }

    fn shared(&mut self, network: &Network<'_>, joined: &Arc<Joined>) -> Arc<Shared> {
        let shared = self.0.entry(Arc::as_ptr(joined));
        Arc::clone(shared.or_insert_with(|| Arc::new(Shared::new(network, joined))))
    }
}

impl Shared {
    fn new(network: &Network<'_>, joined: &Joined) -> Self {
        let mut routes = PrefixTable::default();
        for route in group_system_routes(joined) {
            let kind = match route.hop {
                RouteHop::Internet => next_hop_kind::NO_UPLINK,
                _ => next_hop_kind::NONE,
            };
            routes.insert(route.prefix, Hop::One(abi::NextHop { kind, ..Default::default() }));
        }
        let (mut peers, mut tags) = (PrefixTable::default(), TagPrefixes::platform());
        for (prefix, owner) in joined.owners().iter() {
            routes.insert(prefix, hop(network, *owner));
            peers.insert(prefix, member(network, *owner));
            tags.insert(prefix);
        }
        let routes = tags.classify(&routes);
        let outside = routes.iter().map(|it| it.0);
        let outside = outside.filter(|net| joined.owners().get(net).is_none());
        let fixed =
            outside.chain(fixed_edges()).map(|net| (net, Fixed::new(&net, joined, &routes)));
        let fixed = fixed.collect();
        Self { routes: Arc::new(routes), fixed, peers: Arc::new(peers) }
    }
}

fn member(network: &Network<'_>, owner: Option<VnetIndex>) -> Peer {
    let owner = owner.and_then(|index| network.vnet(index));
    owner.map_or(Peer::Nobody, |vnet| Peer::Member(vnet.id))
}

/// A member, or nobody.
fn hop(network: &Network<'_>, owner: Option<VnetIndex>) -> Hop {
    Hop::One(
        owner.and_then(|index| network.vnet(index)).map_or_else(abi::NextHop::default, own_hop),
    )
}

/// The members' shared tables lead to a VNet so, its own subnets too.
pub(super) fn own_hop(vnet: &NumberedVnet<'_>) -> abi::NextHop {
    let kind = next_hop_kind::CONNECTED_GROUP;
    abi::NextHop { kind, target: vnet.id.0, ..abi::NextHop::default() }
}

/// The difference between a member's routes and the shared ones.
struct Overlay<'a> {
    network: &'a Network<'a>,
    group: &'a GroupRoutes,
    own: &'a PrefixTable<Hop>,
    tags: &'a PrefixTable<()>,
    shared: &'a Shared,
}

impl Overlay<'_> {
    /// Goes through every prefix at which something may differ, those around others first, and keeps what
    /// would be otherwise without it.
    fn table(&self) -> PrefixTable<Hop> {
        let mut found = PrefixTable::default();
        for net in self.candidates() {
            let Some(hop) = self.hop(&net) else { continue };
            let hop = hop.with_class(self.class(&net));
            let shared = match self.shared.fixed.get(&net) {
                Some(fixed) => fixed.route.as_ref().map(|(net, hop)| (*net, hop)),
                None => self.shared.routes.around(&net),
            };
            let here = found.around(&net);
            let without = match (shared, here) {
                (Some(shared), Some(here)) if here.0.prefix_len() < shared.0.prefix_len() => {
                    Some(shared.1)
                }
                (_, Some(here)) => Some(here.1),
                (shared, None) => shared.map(|it| it.1),
            };
            if without != Some(&hop) {
                found.insert(net, hop);
            }
        }
        found
    }

    fn candidates(&self) -> Vec<IpNet> {
        let own = self.own.iter().map(|it| it.0);
        let tags = self.tags.iter().map(|it| it.0);
        let changes = self.group.changes().iter().map(|it| it.0);
        let fixed = self.shared.fixed.keys().copied();
        let mut all: Vec<IpNet> = own.chain(tags).chain(changes).chain(fixed).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where the addresses lead that are in `net` and in nothing smaller.
    fn hop(&self, net: &IpNet) -> Option<Hop> {
        let own = self.own.around(net);
        let group = match self.shared.fixed.get(net) {
            Some(fixed) => self.group.first(fixed.members.iter().copied()),
            None => self.group.around(net),
        };
        match (own, group) {
            (Some(own), Some(group)) if own.0.prefix_len() < group.0.prefix_len() => {
                Some(hop(self.network, group.1))
            }
            (Some(own), _) => Some(own.1.clone()),
            (None, group) => group.map(|it| hop(self.network, it.1)),
        }
    }

    fn class(&self, net: &IpNet) -> u16 {
        let in_group = || match self.shared.fixed.get(net) {
            Some(fixed) => self.group.holds_any(fixed.members.iter().map(|it| it.0)),
            None => self.group.holds(net),
        };
        if self.tags.around(net).is_some() || in_group() {
            return address_class::VIRTUAL_NETWORK;
        }
        plain_class(net)
    }
}

/// Peers of a VNet by its links.
pub(super) fn links(peerings: &[NumberedPeering<'_>]) -> PrefixTable<Peer> {
    let mut peers = PrefixTable::default();
    for peering in peerings {
        for prefix in peering.space() {
            peers.insert(*prefix, Peer::Link(peering.link));
        }
    }
    peers
}
