//! A typed image of the maps.

use std::collections::{BTreeMap, BTreeSet};

use bytemuck::Zeroable;
use vnetpeer_common::{
    abi::{self, capacity},
    types::{Addr, LinkId, NicId, TableId, VnetId, VtepId},
};

use super::{Op, tables::Tables};
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
}

impl Default for PoolCapacities {
    fn default() -> Self {
        Self {
            trie_v4: capacity::TRIE_V4,
            trie_v6: capacity::TRIE_V6,
            next_hops: capacity::NEXT_HOPS,
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
    /// Remote hosts.
    pub vteps: BTreeMap<VtepId, abi::Vtep>,
    /// Outer source addresses.
    pub vtep_addrs: BTreeMap<Addr, VtepId>,
    /// Addresses of NICs beyond the first of each family.
    pub nic_addrs: BTreeSet<abi::AddressKey>,
    /// The host's settings.
    pub config: abi::Config,
    /// IPv4 trie nodes.
    pub trie_v4: Pool<abi::Node4>,
    /// IPv6 trie nodes.
    pub trie_v6: Pool<abi::Node6>,
    /// Next hops.
    pub next_hops: Pool<abi::NextHop>,
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
            vteps: BTreeMap::new(),
            vtep_addrs: BTreeMap::new(),
            nic_addrs: BTreeSet::new(),
            config: abi::Config::default(),
            trie_v4: Pool::new(capacities.trie_v4),
            trie_v6: Pool::new(capacities.trie_v6),
            next_hops: Pool::new(capacities.next_hops),
        }
    }

    pub(super) fn adopt_pools(&mut self, tables: Tables) {
        self.generation = tables.generation;
        self.trie_v4 = tables.trie_v4.0;
        self.trie_v6 = tables.trie_v6.0;
        self.next_hops = tables.next_hops.0;
    }

    /// Follows an operation, pools excepted, and says whether it changes anything.
    pub(super) fn apply(&mut self, op: &Op) -> bool {
        match *op {
            Op::SetIface { ifindex, nic } => set(&mut self.ifaces, ifindex, nic),
            Op::SetNic { id, nic } => set(&mut self.nics, id, nic),
            Op::SetVnet { id, vnet } => set(&mut self.vnets, id, vnet),
            Op::SetRoutes { id, roots } => set(&mut self.routes, id, roots),
            Op::SetLink { id, link } => set(&mut self.links, id, link),
            Op::SetRelation { key, link } => set(&mut self.relations, key, link),
            Op::DeleteRelation { ref key } => self.relations.remove(key).is_some(),
            Op::SetVtep { id, vtep } => set(&mut self.vteps, id, vtep),
            Op::SetVtepAddr { addr, id } => set(&mut self.vtep_addrs, addr, id),
            Op::DeleteVtepAddr { ref addr } => self.vtep_addrs.remove(addr).is_some(),
            Op::SetNicAddr { key } => self.nic_addrs.insert(key),
            Op::DeleteNicAddr { ref key } => self.nic_addrs.remove(key),
            Op::SetConfig { config } => std::mem::replace(&mut self.config, config) != config,
            Op::SetNode4 { .. }
            | Op::SetNode6 { .. }
            | Op::SetNextHop { .. }
            | Op::ZeroMeter { .. }
            | Op::ZeroDrops { .. } => true,
        }
    }
}

/// Sets an entry; a zero value is the same as none.
fn set<K: Ord, V: Zeroable + PartialEq>(map: &mut BTreeMap<K, V>, key: K, value: V) -> bool {
    if value == V::zeroed() {
        return map.remove(&key).is_some();
    }
    match map.entry(key) {
        std::collections::btree_map::Entry::Occupied(mut old) => {
            let changes = *old.get() != value;
            old.insert(value);
            changes
        }
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(value);
            true
        }
    }
}
