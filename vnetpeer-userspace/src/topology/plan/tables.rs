//! Tables of prefixes as tries: the desired ones, and what the old and the desired ones agree on.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::{Ipv4Net, Ipv6Net};
use vnetpeer_common::{
    abi::{
        self, Classifier, Entry, NextHop, Node4, Node6, Roots, Row, maps, next_hop_kind, vnet_flags,
    },
    types::{LinkId, NicId, PolicyId, TableId, VnetId},
};

use super::{Observed, PlanError, policies::Built};
use crate::topology::{
    desired::{Desired, Hop, PrefixTable, VnetTables},
    trie::{Exhausted, Finished, Interner, NodeFormat, Prefix, build, flatten, meet},
};

/// Slots of a spread next hop: the children of a node.
const SLOTS: usize = 256;

/// Everything that a plan needs to know about tries.
#[derive(Debug)]
pub(super) struct Tables {
    /// The generation that these tables belong to.
    pub(super) generation: u64,
    /// Virtual networks as desired.
    pub(super) vnets: BTreeMap<VnetId, abi::Vnet>,
    /// Virtual networks that exist: what old and desired contents agree on; zero if not desired.
    pub(super) agreed: BTreeMap<VnetId, abi::Vnet>,
    /// Effective routes as desired.
    pub(super) routes: BTreeMap<TableId, Roots>,
    /// IPv4 trie nodes.
    pub(super) trie_v4: Finished<Node4>,
    /// IPv6 trie nodes.
    pub(super) trie_v6: Finished<Node6>,
    /// Next hops.
    pub(super) next_hops: Finished<NextHop>,
    /// Compiled rules.
    pub(super) classifiers: Finished<Classifier>,
    /// Rows of rules.
    pub(super) rows: Finished<Row>,
    /// Policies as desired.
    pub(super) built: BTreeMap<PolicyId, Arc<Built>>,
}

impl Tables {
    /// Builds the tables of `desired` out of what the kernel has.
    pub(super) fn build(desired: &Desired, observed: &Observed) -> Result<Self, PlanError> {
        let generation = observed.generation.saturating_add(1);
        let mut builder = Builder {
            trie_v4: Interner::new(Arc::clone(&observed.trie_v4), generation),
            trie_v6: Interner::new(Arc::clone(&observed.trie_v6), generation),
            next_hops: Interner::new(Arc::clone(&observed.next_hops), generation),
            classifiers: Interner::new(Arc::clone(&observed.classifiers), generation),
            rows: Interner::new(Arc::clone(&observed.rows), generation),
        };
        let mut routes = BTreeMap::new();
        for (id, table) in &desired.routes {
            routes.insert(*id, builder.routes(table)?);
        }
        let mut vnets = BTreeMap::new();
        for (id, tables) in &desired.vnets {
            vnets.insert(*id, builder.vnet(tables)?);
        }
        let mut built = BTreeMap::new();
        for (id, policy) in &desired.policies {
            built.insert(*id, builder.policy(*id, policy, observed.built.get(id))?);
        }
        builder.stop_keeping();
        let mut agreed = BTreeMap::new();
        for (id, old) in &observed.vnets {
            let vnet = match vnets.get(id) {
                Some(new) => builder.agree(old, new)?,
                None => abi::Vnet::default(),
            };
            agreed.insert(*id, vnet);
        }
        Ok(Self {
            generation,
            vnets,
            agreed,
            routes,
            trie_v4: builder.trie_v4.finish(),
            trie_v6: builder.trie_v6.finish(),
            next_hops: builder.next_hops.finish(),
            classifiers: builder.classifiers.finish(),
            rows: builder.rows.finish(),
            built,
        })
    }
}

/// Builds the next generation of all pools.
pub(super) struct Builder {
    pub(super) trie_v4: Interner<Node4>,
    pub(super) trie_v6: Interner<Node6>,
    next_hops: Interner<NextHop>,
    pub(super) classifiers: Interner<Classifier>,
    pub(super) rows: Interner<Row>,
}

impl Builder {
    fn routes(&mut self, table: &PrefixTable<Hop>) -> Result<Roots, PlanError> {
        let mut leaf = |hop: &Hop| match hop {
            Hop::One(hop) => self.next_hop(*hop),
            Hop::Spread { class, members } => self.spread(*class, members),
        };
        let v4 = table.v4.iter().map(|(net, hop)| Ok(prefix4(*net, leaf(hop)?)));
        let v4 = v4.collect::<Result<Vec<_>, PlanError>>()?;
        let v6 = table.v6.iter().map(|(net, hop)| Ok(prefix6(net, leaf(hop)?)));
        let v6 = v6.collect::<Result<Vec<_>, PlanError>>()?;
        self.roots(&v4, &v6)
    }

    fn next_hop(&mut self, hop: NextHop) -> Result<Entry, PlanError> {
        let number = self.next_hops.intern(hop).map_err(|it| exhausted(maps::NEXT_HOPS, it))?;
        Ok(Entry::leaf(number))
    }

    /// A next hop that spreads flows over `members`, by a node of which each slot is one of them.
    fn spread(&mut self, class: u16, members: &[NextHop]) -> Result<Entry, PlanError> {
        let mut node = Node4 { children: [Entry::EMPTY; SLOTS] };
        for (slot, child) in (0..).zip(&mut node.children) {
            let chosen = members.iter().max_by_key(|member| weight(member.target, slot));
            if let Some(member) = chosen {
                *child = self.next_hop(NextHop { class, ..*member })?;
            }
        }
        let node = self.trie_v4.intern(node).map_err(|it| exhausted(maps::TRIE_V4, it))?;
        let kind = next_hop_kind::SPREAD;
        self.next_hop(NextHop { kind, class, target: node, ..NextHop::default() })
    }

    fn vnet(&mut self, tables: &VnetTables) -> Result<abi::Vnet, PlanError> {
        let endpoint = |nic: &NicId| Entry::leaf(nic.0);
        let peer = |link: &LinkId| Entry::leaf(link.0);
        Ok(abi::Vnet {
            flags: if tables.hosted { vnet_flags::HOSTED } else { 0 },
            endpoints: self.table(&tables.endpoints, endpoint)?,
            peers: self.table(&tables.peers, peer)?,
            ..abi::Vnet::default()
        })
    }

    fn table<T>(
        &mut self,
        table: &PrefixTable<T>,
        leaf: impl Fn(&T) -> Entry,
    ) -> Result<Roots, PlanError> {
        let v4: Vec<_> = table.v4.iter().map(|(net, it)| prefix4(*net, leaf(it))).collect();
        let v6: Vec<_> = table.v6.iter().map(|(net, it)| prefix6(net, leaf(it))).collect();
        self.roots(&v4, &v6)
    }

    pub(super) fn roots(&mut self, v4: &[Prefix], v6: &[Prefix]) -> Result<Roots, PlanError> {
        let v4 = build(&mut self.trie_v4, v4).map_err(|it| exhausted(maps::TRIE_V4, it))?;
        let v6 = build(&mut self.trie_v6, v6).map_err(|it| exhausted(maps::TRIE_V6, it))?;
        Ok(Roots { v4, v6 })
    }

    fn stop_keeping(&mut self) {
        self.trie_v4.stop_keeping();
        self.trie_v6.stop_keeping();
        self.next_hops.stop_keeping();
    }

    /// A virtual network of which only that is true which is true of both.
    fn agree(&mut self, old: &abi::Vnet, new: &abi::Vnet) -> Result<abi::Vnet, PlanError> {
        // An address that changes hands stays one of the VNet's, and nobody has it.
        let nobody = Entry::leaf(NicId::NONE.0);
        Ok(abi::Vnet {
            flags: old.flags & new.flags,
            region: new.region,
            group_links: new.group_links,
            endpoints: self.agree_roots(old.endpoints, new.endpoints, nobody)?,
            peers: self.agree_roots(old.peers, new.peers, Entry::EMPTY)?,
        })
    }

    fn agree_roots(&mut self, old: Roots, new: Roots, conflict: Entry) -> Result<Roots, PlanError> {
        let v4 = agree(&mut self.trie_v4, old.v4, new.v4, conflict);
        let v6 = agree(&mut self.trie_v6, old.v6, new.v6, conflict);
        Ok(Roots {
            v4: v4.map_err(|it| exhausted(maps::TRIE_V4, it))?,
            v6: v6.map_err(|it| exhausted(maps::TRIE_V6, it))?,
        })
    }
}

fn agree<T: NodeFormat>(
    nodes: &mut Interner<T>,
    old: Entry,
    new: Entry,
    conflict: Entry,
) -> Result<Entry, Exhausted> {
    if old == new {
        return Ok(old);
    }
    let (flat_old, flat_new) = (flatten(nodes, old), flatten(nodes, new));
    let both = meet(&flat_old, &flat_new, conflict);
    if both == flat_old {
        return Ok(old);
    }
    if both == flat_new {
        return Ok(new);
    }
    build(nodes, &both)
}

/// How much slot `slot` of a spread next hop likes a NIC: rendezvous hashing, so that a member that goes
/// leaves its own slots to the others and moves no other, whatever order or VNet it is named in.
/// (The mixer is that of `splitmix64`.)
fn weight(nic: u32, slot: u32) -> u64 {
    let mut x = (u64::from(nic) << 32 | u64::from(slot)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A pool that is full, by the name of its map.
pub(super) fn exhausted(map: &'static str, error: Exhausted) -> PlanError {
    PlanError::Exhausted { map, capacity: error.capacity }
}

fn prefix4(net: Ipv4Net, leaf: Entry) -> Prefix {
    let address = u128::from(u32::from(net.network())) << 96;
    Prefix { address, len: u32::from(net.prefix_len()), leaf }
}

fn prefix6(net: &Ipv6Net, leaf: Entry) -> Prefix {
    Prefix { address: u128::from(net.network()), len: u32::from(net.prefix_len()), leaf }
}
