//! Connected groups in routing (AZ §6.2): whose address is whose among the VNets that a VNet is joined
//! with, and what of that is otherwise for one VNet.
//!
//! All VNets in the same connected groups share one table, in which the prefixes of all of them are. What
//! two of them both have is withdrawn: nobody reaches it over the group but its owners, in their own space.
//! So is what a member has in common with a VNet outside that some member is peered with.
//!
//! Of a pair of members that is peered, the peering alone decides, and what it does not carry is dropped.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use ipnet::IpNet;

use super::{Route, RouteHop, routed_peerings, system};
use crate::topology::{
    model::{RouteTableIndex, VnetIndex},
    network::{Network, NumberedPeering, NumberedVnet},
    prefixes::PrefixTable,
};

/// A prefix, and who is reached there; nobody where it is withdrawn.
pub(in crate::topology) type Owned = (IpNet, Option<VnetIndex>);

/// What the VNets in the same connected groups share.
#[derive(Debug)]
pub struct Joined {
    members: BTreeSet<VnetIndex>,
    owners: PrefixTable<Option<VnetIndex>>,
}

impl Joined {
    pub(in crate::topology) fn new(
        members: BTreeSet<VnetIndex>,
        vnets: &[NumberedVnet<'_>],
    ) -> Self {
        let mut it = Self { members, owners: PrefixTable::default() };
        let all: Vec<&NumberedVnet<'_>> =
            it.members.iter().filter_map(|index| vnets.get(index.0)).collect();
        let mut owned: Vec<(IpNet, VnetIndex)> = all
            .iter()
            .flat_map(|vnet| vnet.vnet.address_space.iter().map(|it| (it.trunc(), vnet.index)))
            .collect();
        owned.sort_unstable();
        let mut around: Vec<IpNet> = Vec::new();
        for (prefix, owner) in owned {
            while around.last().is_some_and(|outer| !outer.contains(&prefix)) {
                around.pop();
            }
            it.owners.insert(prefix, around.is_empty().then_some(owner));
            around.push(prefix);
        }
        let outside = all.iter().flat_map(|vnet| &vnet.peerings);
        let outside = outside.filter(|peering| !it.members.contains(&peering.peering.remote));
        let outside: HashSet<IpNet> =
            outside.flat_map(NumberedPeering::space).map(IpNet::trunc).collect();
        for prefix in outside {
            it.withdraw(prefix);
        }
        it
    }

    /// The VNets that are joined, in the order of the topology.
    pub fn members(&self) -> &BTreeSet<VnetIndex> {
        &self.members
    }

    /// Their prefixes, and who is reached there; nobody where a prefix is withdrawn.
    pub fn owners(&self) -> &PrefixTable<Option<VnetIndex>> {
        &self.owners
    }

    fn withdraw(&mut self, prefix: IpNet) {
        let inside: Vec<IpNet> = self.owners.inside(&prefix).map(|(net, _)| net).collect();
        if self.owners.around(&prefix).is_some() {
            self.owners.insert(prefix, None);
        }
        for net in inside {
            self.owners.insert(net, None);
        }
    }
}

/// What becomes of a prefix of [`Joined::owners`] for one VNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::topology) enum Change {
    /// The VNet does not have it: what is around it holds there.
    Absent,
    /// It is dropped.
    Dropped,
}

/// What a VNet, or those of its subnets that share a route table, reach over connected groups.
#[derive(Clone, Debug)]
pub struct GroupRoutes {
    joined: Arc<Joined>,
    changes: PrefixTable<Change>,
}

impl PartialEq for GroupRoutes {
    fn eq(&self, other: &Self) -> bool {
        self.joined.owners == other.joined.owners && self.changes == other.changes
    }
}

impl Eq for GroupRoutes {}

impl GroupRoutes {
    /// Those of `vnet`, whose routes to peers are as `peerings` says; `None` if it is in no connected
    /// group. `vnets` are those of the network.
    pub(in crate::topology) fn new(
        vnets: &[NumberedVnet<'_>],
        vnet: &NumberedVnet<'_>,
        peerings: &[NumberedPeering<'_>],
    ) -> Option<Self> {
        let joined = Arc::clone(vnet.joined.as_ref()?);
        let mut changes = PrefixTable::default();
        let pairs = vnet.peerings.iter().filter(|it| it.connected);
        for pair in pairs.filter(|it| joined.members.contains(&it.peering.remote)) {
            let remote = pair.peering.remote;
            let is_routed = peerings.iter().any(|it| it.index == pair.index);
            let change = if is_routed { Change::Dropped } else { Change::Absent };
            let space = vnets.get(remote.0).map_or(&[][..], |it| &it.vnet.address_space);
            for prefix in space {
                if joined.owners.get(prefix) == Some(&Some(remote)) {
                    changes.insert(*prefix, change);
                }
            }
        }
        let spaces = peerings.iter().flat_map(NumberedPeering::space);
        for (prefix, _) in spaces.flat_map(|it| joined.owners.inside(it)) {
            changes.insert(prefix, Change::Absent);
        }
        for (prefix, owner) in
            vnet.vnet.address_space.iter().flat_map(|it| joined.owners.inside(it))
        {
            if *owner != Some(vnet.index) {
                changes.insert(prefix, Change::Absent);
            }
        }
        Some(Self { joined, changes })
    }

    /// Those of the subnets of `vnet` with the route table at `table`.
    pub(in crate::topology) fn of(
        network: &Network<'_>,
        vnet: &NumberedVnet<'_>,
        table: Option<RouteTableIndex>,
    ) -> Option<Self> {
        let table = table.and_then(|index| network.topology.route_table(index));
        Self::new(network.vnets(), vnet, routed_peerings(vnet, table))
    }

    /// The prefixes that are in tag `VirtualNetwork` for their sake: also what is withdrawn.
    pub(in crate::topology) fn spaces(&self) -> impl Iterator<Item = IpNet> {
        let all = self.joined.owners.iter().map(|(net, _)| net);
        all.filter(|net| self.changes.get(net).is_none())
    }

    /// What is shared.
    pub fn joined(&self) -> &Arc<Joined> {
        &self.joined
    }

    /// What is otherwise.
    pub(in crate::topology) fn changes(&self) -> &PrefixTable<Change> {
        &self.changes
    }

    /// The longest prefix that is `prefix` or contains it, and who is reached there; `None` where it is
    /// dropped.
    pub(in crate::topology) fn around(&self, prefix: &IpNet) -> Option<Owned> {
        self.first(self.joined.owners.all_around(prefix).map(|(net, owner)| (net, *owner)))
    }

    /// The same, if what is around the prefix in [`Joined::owners`] is known, the longest first.
    pub(in crate::topology) fn first(&self, mut all: impl Iterator<Item = Owned>) -> Option<Owned> {
        all.find_map(|(net, owner)| match self.changes.get(&net) {
            Some(Change::Absent) => None,
            Some(Change::Dropped) => Some((net, None)),
            None => Some((net, owner)),
        })
    }

    /// The prefixes at which a VNet is reached, the own one excepted, and those that are dropped.
    pub(super) fn prefixes(&self, own: VnetIndex) -> (Vec<IpNet>, Vec<IpNet>) {
        let (mut reached, mut dropped) = (Vec::new(), Vec::new());
        for (prefix, owner) in self.joined.owners.iter() {
            match (self.changes.get(&prefix), owner) {
                (Some(Change::Absent), _) => {}
                (Some(Change::Dropped), _) | (None, None) => dropped.push(prefix),
                (None, Some(owner)) if *owner == own => {}
                (None, Some(_)) => reached.push(prefix),
            }
        }
        (reached, dropped)
    }

    /// Whether the addresses of a prefix are a member's, reached or withdrawn.
    pub(in crate::topology) fn holds(&self, prefix: &IpNet) -> bool {
        self.holds_any(self.joined.owners.all_around(prefix).map(|it| it.0))
    }

    /// The same, if what is around the prefix in [`Joined::owners`] is known.
    pub(in crate::topology) fn holds_any(&self, mut all: impl Iterator<Item = IpNet>) -> bool {
        all.any(|net| self.changes.get(&net).is_none())
    }

    /// The route that addresses of a prefix take, unless it is one of the VNet itself.
    pub fn route(&self, prefix: &IpNet) -> Option<Route> {
        let (found, owner) = self.around(prefix)?;
        let hop = owner.map_or(RouteHop::None, |vnet| RouteHop::ConnectedGroup { vnet });
        Some(system(found, hop))
    }
}

#[cfg(test)]
mod tests;
