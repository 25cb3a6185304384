//! The maps of one host as ordinary collections, filled by the operations of a plan.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytemuck::Zeroable;
use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, Classifier, Config, Filter, FrontendKey, Link, NextHop, Nic, Node4,
        Node6, RelationKey, Roots, Row, Vnet, Vtep,
    },
    types::{Addr, BalancerId, LinkId, NicId, VtepId},
};

use crate::topology::plan::{Op, RawMaps};

/// An array map: what was never written is zero.
#[derive(Debug)]
pub(super) struct Array<V> {
    values: Vec<Option<V>>,
    zero: V,
}

impl<V> Array<V> {
    fn new(zero: V) -> Self {
        Self { values: Vec::new(), zero }
    }

    pub(super) fn get(&self, index: u32) -> &V {
        let value = usize::try_from(index).ok().and_then(|index| self.values.get(index));
        value.and_then(Option::as_ref).unwrap_or(&self.zero)
    }

    fn set(&mut self, index: u32, value: V) {
        let Ok(index) = usize::try_from(index) else { return };
        if index >= self.values.len() {
            self.values.resize_with(index + 1, || None);
        }
        if let Some(place) = self.values.get_mut(index) {
            *place = Some(value);
        }
    }
}

impl<V: Zeroable> Default for Array<V> {
    fn default() -> Self {
        Self::new(V::zeroed())
    }
}

/// Items that plans share are shared here too.
type Shared<V> = Array<Arc<V>>;

fn shared<V: Zeroable>() -> Shared<V> {
    Array::new(Arc::new(V::zeroed()))
}

fn filled<V: Zeroable>(entries: impl Iterator<Item = (u32, V)>) -> Array<V> {
    let mut array = Array::default();
    entries.for_each(|(index, value)| array.set(index, value));
    array
}

fn filled_shared<V: Zeroable + Copy>(entries: &[(u32, V)]) -> Shared<V> {
    let mut array = shared();
    for (index, value) in entries {
        array.set(*index, Arc::new(*value));
    }
    array
}

/// What the maps of one host hold.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) config: Config,
    pub(super) interfaces: HashMap<u32, NicId>,
    pub(super) nics: Array<Nic>,
    pub(super) vnets: Array<Vnet>,
    pub(super) routes: Array<Roots>,
    pub(super) trie_v4: Shared<Node4>,
    pub(super) trie_v6: Shared<Node6>,
    pub(super) next_hops: Array<NextHop>,
    pub(super) links: Array<Link>,
    pub(super) relations: HashMap<RelationKey, LinkId>,
    pub(super) balancers: Array<Balancer>,
    pub(super) frontends: HashMap<FrontendKey, BalancerId>,
    pub(super) vteps: Array<Vtep>,
    pub(super) vtep_addresses: HashMap<Addr, VtepId>,
    pub(super) addresses: BTreeSet<AddressKey>,
    pub(super) filters: Array<Filter>,
    pub(super) policies: Array<u32>,
    pub(super) classifiers: Shared<Classifier>,
    pub(super) rows: Shared<Row>,
}

impl Image {
    /// The maps after these operations.
    pub(super) fn new(ops: &[Op]) -> Self {
        let mut image = Self::empty();
        for op in ops {
            image.execute(op);
        }
        image
    }

    /// The maps as they were read from a kernel.
    pub(super) fn of(raw: &RawMaps) -> Self {
        Self {
            config: raw.config,
            interfaces: raw.ifaces.iter().copied().collect(),
            nics: filled(raw.nics.iter().map(|(id, it)| (id.0, *it))),
            vnets: filled(raw.vnets.iter().map(|(id, it)| (id.0, *it))),
            routes: filled(raw.routes.iter().map(|(id, it)| (id.0, *it))),
            trie_v4: filled_shared(&raw.trie_v4),
            trie_v6: filled_shared(&raw.trie_v6),
            next_hops: filled(raw.next_hops.iter().copied()),
            links: filled(raw.links.iter().map(|(id, it)| (id.0, *it))),
            relations: raw.relations.iter().copied().collect(),
            balancers: filled(raw.balancers.iter().map(|(id, it)| (id.0, *it))),
            frontends: raw.frontends.iter().copied().collect(),
            vteps: filled(raw.vteps.iter().map(|(id, it)| (id.0, *it))),
            vtep_addresses: raw.vtep_addrs.iter().copied().collect(),
            addresses: raw.nic_addrs.iter().copied().collect(),
            filters: filled(raw.filters.iter().copied()),
            policies: filled(raw.policies.iter().map(|(id, it)| (id.0, *it))),
            classifiers: filled_shared(&raw.classifiers),
            rows: filled_shared(&raw.rows),
        }
    }

    fn empty() -> Self {
        Self {
            config: Config::default(),
            interfaces: HashMap::new(),
            nics: Array::default(),
            vnets: Array::default(),
            routes: Array::default(),
            trie_v4: shared(),
            trie_v6: shared(),
            next_hops: Array::default(),
            links: Array::default(),
            relations: HashMap::new(),
            balancers: Array::default(),
            frontends: HashMap::new(),
            vteps: Array::default(),
            vtep_addresses: HashMap::new(),
            addresses: BTreeSet::new(),
            filters: Array::default(),
            policies: Array::default(),
            classifiers: shared(),
            rows: shared(),
        }
    }

    fn execute(&mut self, op: &Op) {
        match op {
            Op::SetNode4 { index, node } => self.trie_v4.set(*index, Arc::clone(node)),
            Op::SetNode6 { index, node } => self.trie_v6.set(*index, Arc::clone(node)),
            Op::SetNextHop { id, next_hop } => self.next_hops.set(id.0, *next_hop),
            Op::SetRow { index, row } => self.rows.set(*index, Arc::clone(row)),
            Op::SetClassifier { index, classifier } => {
                self.classifiers.set(*index, Arc::clone(classifier));
            }
            Op::SetPolicy { id, classifier } => self.policies.set(id.0, *classifier),
            Op::SetFilter { slot, filter } => self.filters.set(*slot, *filter),
            Op::SetIface { ifindex, nic } => _ = self.interfaces.insert(*ifindex, *nic),
            Op::SetNic { id, nic } => self.nics.set(id.0, *nic),
            Op::SetVnet { id, vnet } => self.vnets.set(id.0, *vnet),
            Op::SetRoutes { id, roots } => self.routes.set(id.0, *roots),
            Op::SetLink { id, link } => self.links.set(id.0, *link),
            Op::SetRelation { key, link } => _ = self.relations.insert(*key, *link),
            Op::DeleteRelation { key } => _ = self.relations.remove(key),
            Op::SetBalancer { id, balancer } => self.balancers.set(id.0, *balancer),
            Op::SetFrontend { key, id } => _ = self.frontends.insert(*key, *id),
            Op::DeleteFrontend { key } => _ = self.frontends.remove(key),
            Op::SetVtep { id, vtep } => self.vteps.set(id.0, *vtep),
            Op::SetVtepAddr { addr, id } => _ = self.vtep_addresses.insert(*addr, *id),
            Op::DeleteVtepAddr { addr } => _ = self.vtep_addresses.remove(addr),
            Op::SetNicAddr { key } => _ = self.addresses.insert(*key),
            Op::DeleteNicAddr { key } => _ = self.addresses.remove(key),
            Op::SetConfig { config } => self.config = *config,
            // Nothing is counted.
            Op::ZeroMeter { .. } | Op::ZeroDrops { .. } => {}
        }
    }
}
