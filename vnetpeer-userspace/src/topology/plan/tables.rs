//! Tables of prefixes as tries: the desired ones, and what the old and the desired ones agree on.

mod bases;
mod known;
mod slots;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use vnetpeer_common::{
    abi::{self, Classifier, Entry, NextHop, Node4, Node6, Roots, Row, maps, next_hop_kind},
    types::{BalancerId, LinkId, NicId, PolicyId, TableId, VnetId},
};

pub(super) use self::known::KnownTables;
use self::{
    bases::{Bases, Lists},
    known::Recall,
    slots::{SLOTS, deal, weight},
};
use super::{Observed, PlanError, policies::Built};
use crate::topology::{
    desired::{Balancer, Desired, Hop, Peer, PrefixTable, SharedTable},
    trie::{
        Exhausted, Finished, Interner, NodeFormat, Prefix, build, build_over, flatten, keep_all,
        meet,
    },
};

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
    /// Load balancing rules as desired.
    pub(super) balancers: BTreeMap<BalancerId, abi::Balancer>,
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
    /// The tables that this was built of.
    pub(super) known: KnownTables,
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
            bases: Bases::default(),
            agreed: HashMap::new(),
        };
        let mut recall = Recall::new(&observed.known);
        let mut routes = BTreeMap::new();
        for (id, table) in &desired.routes {
            routes.insert(*id, recall.routes(&mut builder, *id, table)?);
        }
        let mut vnets = BTreeMap::new();
        for (id, tables) in &desired.vnets {
            vnets.insert(*id, recall.vnet(&mut builder, *id, tables)?);
        }
        let mut balancers = BTreeMap::new();
        for (id, balancer) in &desired.balancers {
            balancers.insert(*id, builder.balancer(balancer)?);
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
            balancers,
            trie_v4: builder.trie_v4.finish(),
            trie_v6: builder.trie_v6.finish(),
            next_hops: builder.next_hops.finish(),
            classifiers: builder.classifiers.finish(),
            rows: builder.rows.finish(),
            built,
            known: recall.finish(),
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
    bases: Bases,
    /// What two roots agree on, by these and by what stands where they do not.
    agreed: HashMap<(Roots, Roots, Entry), Roots>,
}

impl Builder {
    fn routes(&mut self, table: &SharedTable<Hop>) -> Result<Roots, PlanError> {
        let roots = self.shared(table, |builder, hop| match hop {
            Hop::One(hop) => builder.next_hop(*hop),
            Hop::Spread { class, members } => builder.spread(*class, members),
        })?;
        if table.shared.is_some() {
            self.keep_routes(roots);
        }
        Ok(roots)
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

    /// A load balancing rule whose slots are dealt out among its members.
    fn balancer(&mut self, balancer: &Balancer) -> Result<abi::Balancer, PlanError> {
        let node = Node4 { children: deal(&balancer.members) };
        let slots = if balancer.members.is_empty() {
            0
        } else {
            self.trie_v4.intern(node).map_err(|it| exhausted(maps::TRIE_V4, it))?
        };
        Ok(abi::Balancer { slots, ..balancer.rule })
    }

    fn endpoints(&mut self, table: &PrefixTable<NicId>) -> Result<Roots, PlanError> {
        self.table(table, |_, nic| Ok(Entry::leaf(nic.0)))
    }

    fn peers(&mut self, table: &SharedTable<Peer>) -> Result<Roots, PlanError> {
        let peer = |_: &mut Self, peer: &Peer| {
            Ok(Entry::leaf(match *peer {
                Peer::Nobody => LinkId::NONE.0,
                Peer::Link(link) => link.0,
                Peer::Member(vnet) => abi::group_member(vnet),
            }))
        };
        let roots = self.shared(table, peer)?;
        self.keep_tries(roots, |_| ());
        Ok(roots)
    }

    /// Asks for everything that the roots of a table lead to in the tries. Hands the leaves to `found`.
    fn keep_tries(&mut self, roots: Roots, mut found: impl FnMut(u32)) {
        keep_all(&mut self.trie_v4, roots.v4, &mut found);
        keep_all(&mut self.trie_v6, roots.v6, &mut found);
    }

    /// Asks for everything that the roots of effective routes lead to.
    fn keep_routes(&mut self, roots: Roots) {
        let mut hops = Vec::new();
        self.keep_tries(roots, |hop| hops.push(hop));
        while let Some(hop) = hops.pop() {
            self.next_hops.keep(hop);
            let spread = self.next_hops.get(hop).filter(|it| it.kind == next_hop_kind::SPREAD);
            if let Some(spread) = spread.copied() {
                keep_all(&mut self.trie_v4, Entry::node(spread.target), |member| hops.push(member));
            }
        }
    }

    fn table<T>(
        &mut self,
        table: &PrefixTable<T>,
        leaf: impl FnMut(&mut Self, &T) -> Result<Entry, PlanError>,
    ) -> Result<Roots, PlanError> {
        let lists = Lists::of(self, table, leaf)?;
        self.roots(&lists.v4, &lists.v6)
    }

    /// A table of which a part is built once for all that share it. What of that part it leads to is not
    /// asked for yet.
    fn shared<T>(
        &mut self,
        table: &SharedTable<T>,
        mut leaf: impl FnMut(&mut Self, &T) -> Result<Entry, PlanError>,
    ) -> Result<Roots, PlanError> {
        let Some(shared) = &table.shared else { return self.table(&table.own, leaf) };
        let own = Lists::of(self, &table.own, &mut leaf)?;
        self.stop_keeping();
        let base = if let Some(base) = self.bases.get(shared) {
            base
        } else {
            let lists = Lists::of(self, shared, leaf)?;
            let roots = self.roots(&lists.v4, &lists.v6)?;
            self.bases.add(shared, lists, roots)
        };
        let v4 = build_over(&mut self.trie_v4, (&base.lists.v4, base.roots.v4), &own.v4);
        let v6 = build_over(&mut self.trie_v6, (&base.lists.v6, base.roots.v6), &own.v6);
        self.keep_again();
        Ok(Roots {
            v4: v4.map_err(|it| exhausted(maps::TRIE_V4, it))?,
            v6: v6.map_err(|it| exhausted(maps::TRIE_V6, it))?,
        })
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

    fn keep_again(&mut self) {
        self.trie_v4.keep_again();
        self.trie_v6.keep_again();
        self.next_hops.keep_again();
    }

    /// A virtual network of which only that is true which is true of both. One that changes its region has
    /// no connected group meanwhile, so that none of its links meters for another.
    fn agree(&mut self, old: &abi::Vnet, new: &abi::Vnet) -> Result<abi::Vnet, PlanError> {
        // An address that changes hands stays one of the VNet's, and nobody has it.
        let nobody = Entry::leaf(NicId::NONE.0);
        Ok(abi::Vnet {
            flags: old.flags & new.flags,
            region: old.region,
            group_links: if (old.region, old.group_links) == (new.region, new.group_links) {
                old.group_links
            } else {
                [LinkId::NONE; 2]
            },
            endpoints: self.agree_roots(old.endpoints, new.endpoints, nobody)?,
            peers: self.agree_roots(old.peers, new.peers, Entry::EMPTY)?,
        })
    }

    fn agree_roots(&mut self, old: Roots, new: Roots, conflict: Entry) -> Result<Roots, PlanError> {
        if old == new {
            return Ok(old);
        }
        let key = (old, new, conflict);
        if let Some(known) = self.agreed.get(&key) {
            return Ok(*known);
        }
        let v4 = agree(&mut self.trie_v4, old.v4, new.v4, conflict);
        let v6 = agree(&mut self.trie_v6, old.v6, new.v6, conflict);
        let both = Roots {
            v4: v4.map_err(|it| exhausted(maps::TRIE_V4, it))?,
            v6: v6.map_err(|it| exhausted(maps::TRIE_V6, it))?,
        };
        self.agreed.insert(key, both);
        Ok(both)
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

/// A pool that is full, by the name of its map.
pub(super) fn exhausted(map: &'static str, error: Exhausted) -> PlanError {
    PlanError::Exhausted { map, capacity: error.capacity }
}
