//! A typed image of the maps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytemuck::Zeroable;
use vnetpeer_common::{
    abi::{self, capacity},
    types::{Addr, BalancerId, LinkId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use super::{
    Op,
    policies::Built,
    tables::{KnownTables, Tables},
};
use crate::topology::trie::Pool;

/// Sizes of the arrays that hold interned items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolCapacities {
    /// Of the IPv4 trie nodes.
    pub trie_v4: u32,
    /// Of the IPv6 trie nodes.
    pub trie_v6: u32,
    /// Of the next hops.
    pub next_hops: u32,
    /// Of the compiled rules.
    pub classifiers: u32,
    /// Of the rows of rules.
    pub rows: u32,
}

impl Default for PoolCapacities {
    fn default() -> Self {
        Self {
            trie_v4: capacity::TRIE_V4,
            trie_v6: capacity::TRIE_V6,
            next_hops: capacity::NEXT_HOPS,
            classifiers: capacity::CLASSIFIERS,
            rows: capacity::ROWS,
        }
    }
}

/// What the maps hold. Entries of arrays that are all zero are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Plans that changed something, counted.
    pub generation: u64,
    /// Interface index → the NIC behind it.
    pub ifaces: BTreeMap<u32, NicId>,
    /// NICs.
    pub nics: BTreeMap<NicId, abi::Nic>,
    /// Virtual networks.
    pub vnets: BTreeMap<VnetId, abi::Vnet>,
    /// Roots of effective routes.
    pub routes: BTreeMap<TableId, abi::Roots>,
    /// Links. One that is not desired any more stays with its flags cleared, so that its number is
    /// known to have been used.
    pub links: BTreeMap<LinkId, abi::Link>,
    /// Pairs of virtual networks.
    pub relations: BTreeMap<abi::RelationKey, LinkId>,
    /// Load balancing rules.
    pub balancers: BTreeMap<BalancerId, abi::Balancer>,
    /// Which packets they take.
    pub frontends: BTreeMap<abi::FrontendKey, BalancerId>,
    /// Remote hosts.
    pub vteps: BTreeMap<VtepId, abi::Vtep>,
    /// Outer source addresses.
    pub vtep_addrs: BTreeMap<Addr, VtepId>,
    /// Addresses of NICs beyond the first of each family.
    pub nic_addrs: BTreeSet<abi::AddressKey>,
    /// What judges local NICs, by slot.
    pub filters: BTreeMap<u32, abi::Filter>,
    /// Indices of the compiled rules in force.
    pub policies: BTreeMap<PolicyId, u32>,
    /// The host's settings.
    pub config: abi::Config,
    /// IPv4 trie nodes.
    pub trie_v4: Arc<Pool<abi::Node4>>,
    /// IPv6 trie nodes.
    pub trie_v6: Arc<Pool<abi::Node6>>,
    /// Next hops.
    pub next_hops: Arc<Pool<abi::NextHop>>,
    /// Compiled rules.
    pub classifiers: Arc<Pool<abi::Classifier>>,
    /// Rows of rules.
    pub rows: Arc<Pool<abi::Row>>,
    /// Policies that apply to running flows too, as the last plan had them; `None` where they are not
    /// known because the maps were filled by another agent.
    pub(super) flushing: Option<BTreeSet<PolicyId>>,
    /// Policies as the last plan compiled them.
    pub(super) built: BTreeMap<PolicyId, Arc<Built>>,
    /// Tables as the last plan built them.
    pub(super) known: KnownTables,
}

impl Default for Observed {
    fn default() -> Self {
        Self::empty(PoolCapacities::default())
    }
}

impl Observed {
    /// Maps that were just created.
    pub fn empty(capacities: PoolCapacities) -> Self {
        Self {
            generation: 0,
            ifaces: BTreeMap::new(),
            nics: BTreeMap::new(),
            vnets: BTreeMap::new(),
            routes: BTreeMap::new(),
            links: BTreeMap::new(),
            relations: BTreeMap::new(),
            balancers: BTreeMap::new(),
            frontends: BTreeMap::new(),
            vteps: BTreeMap::new(),
            vtep_addrs: BTreeMap::new(),
            nic_addrs: BTreeSet::new(),
            filters: BTreeMap::new(),
            policies: BTreeMap::new(),
            config: abi::Config::default(),
            trie_v4: Arc::new(Pool::new(capacities.trie_v4)),
            trie_v6: Arc::new(Pool::new(capacities.trie_v6)),
            next_hops: Arc::new(Pool::new(capacities.next_hops)),
            classifiers: Arc::new(Pool::new(capacities.classifiers)),
            rows: Arc::new(Pool::new(capacities.rows)),
            flushing: Some(BTreeSet::new()),
            built: BTreeMap::new(),
            known: KnownTables::default(),
        }
    }

    /// Takes over what another image knows beyond the maps, as far as these maps hold the same. Without
    /// it the next plan compiles every policy again.
    #[must_use]
    pub fn remember(mut self, other: &Self) -> Self {
        let same = |id: &PolicyId, built: &Built| {
            self.policies.get(id) == Some(&built.classifier) && built.is_same_in(&self, other)
        };
        let known = other.built.iter().filter(|(id, built)| same(id, built));
        self.built = known.map(|(id, built)| (*id, Arc::clone(built))).collect();
        self.flushing.clone_from(&other.flushing);
        self
    }

    /// Whether a plan was begun and not finished.
    pub fn is_unfinished(&self) -> bool {
        !self.config.epoch.is_multiple_of(2)
    }

    pub(super) fn adopt_pools(&mut self, tables: Tables) {
        self.generation = tables.generation;
        self.trie_v4 = tables.trie_v4.0;
        self.trie_v6 = tables.trie_v6.0;
        self.next_hops = tables.next_hops.0;
        self.classifiers = tables.classifiers.0;
        self.rows = tables.rows.0;
    }

    /// Whether an operation, pools excepted, would change nothing.
    pub(super) fn holds(&self, op: &Op) -> bool {
        match *op {
            Op::SetIface { ifindex, nic } => is(&self.ifaces, &ifindex, &nic),
            Op::SetNic { id, nic } => is(&self.nics, &id, &nic),
            Op::SetVnet { id, vnet } => is(&self.vnets, &id, &vnet),
            Op::SetRoutes { id, roots } => is(&self.routes, &id, &roots),
            Op::SetLink { id, link } => is(&self.links, &id, &link),
            Op::SetRelation { key, link } => is(&self.relations, &key, &link),
            Op::DeleteRelation { ref key } => !self.relations.contains_key(key),
            Op::SetBalancer { id, balancer } => is(&self.balancers, &id, &balancer),
            Op::SetFrontend { key, id } => is(&self.frontends, &key, &id),
            Op::DeleteFrontend { ref key } => !self.frontends.contains_key(key),
            Op::SetVtep { id, vtep } => is(&self.vteps, &id, &vtep),
            Op::SetVtepAddr { addr, id } => is(&self.vtep_addrs, &addr, &id),
            Op::DeleteVtepAddr { ref addr } => !self.vtep_addrs.contains_key(addr),
            Op::SetNicAddr { ref key } => self.nic_addrs.contains(key),
            Op::DeleteNicAddr { ref key } => !self.nic_addrs.contains(key),
            Op::SetPolicy { id, classifier } => is(&self.policies, &id, &classifier),
            Op::SetFilter { slot, filter } => is(&self.filters, &slot, &filter),
            Op::SetConfig { config } => self.config == config,
            Op::SetNode4 { .. }
            | Op::SetNode6 { .. }
            | Op::SetNextHop { .. }
            | Op::SetRow { .. }
            | Op::SetClassifier { .. }
            | Op::ZeroMeter { .. }
            | Op::ZeroDrops { .. } => false,
        }
    }

    /// Follows an operation, pools excepted.
    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::SetIface { ifindex, nic } => set(&mut self.ifaces, ifindex, nic),
            Op::SetNic { id, nic } => set(&mut self.nics, id, nic),
            Op::SetVnet { id, vnet } => set(&mut self.vnets, id, vnet),
            Op::SetRoutes { id, roots } => set(&mut self.routes, id, roots),
            Op::SetLink { id, link } => set(&mut self.links, id, link),
            Op::SetRelation { key, link } => set(&mut self.relations, key, link),
            Op::DeleteRelation { ref key } => drop(self.relations.remove(key)),
            Op::SetBalancer { id, balancer } => set(&mut self.balancers, id, balancer),
            Op::SetFrontend { key, id } => set(&mut self.frontends, key, id),
            Op::DeleteFrontend { ref key } => drop(self.frontends.remove(key)),
            Op::SetVtep { id, vtep } => set(&mut self.vteps, id, vtep),
            Op::SetVtepAddr { addr, id } => set(&mut self.vtep_addrs, addr, id),
            Op::DeleteVtepAddr { ref addr } => drop(self.vtep_addrs.remove(addr)),
            Op::SetNicAddr { key } => drop(self.nic_addrs.insert(key)),
            Op::DeleteNicAddr { ref key } => drop(self.nic_addrs.remove(key)),
            Op::SetPolicy { id, classifier } => set(&mut self.policies, id, classifier),
            Op::SetFilter { slot, filter } => set(&mut self.filters, slot, filter),
            Op::SetConfig { config } => self.config = config,
            Op::SetNode4 { .. }
            | Op::SetNode6 { .. }
            | Op::SetNextHop { .. }
            | Op::SetRow { .. }
            | Op::SetClassifier { .. }
            | Op::ZeroMeter { .. }
            | Op::ZeroDrops { .. } => {}
        }
    }
}

/// Whether an entry has a value; a zero value is the same as none.
fn is<K: Ord, V: Zeroable + PartialEq>(map: &BTreeMap<K, V>, key: &K, value: &V) -> bool {
    map.get(key).map_or_else(|| *value == V::zeroed(), |found| found == value)
}

/// Sets an entry.
fn set<K: Ord, V: Zeroable + PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    if value == V::zeroed() {
        map.remove(&key);
    } else {
        map.insert(key, value);
    }
}
