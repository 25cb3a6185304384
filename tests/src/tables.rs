//! The tables of one host in host memory, with counters that a test can compare.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use vnetpeer_common::{
    abi::{
        AddressKey, Config, DropCounter, DropEvent, Link, Meter, NextHop, Nic, Node4, Node6,
        RelationKey, Roots, Vnet, Vtep,
    },
    datapath::Tables,
    reason::DropReason,
    types::{Addr, LinkId, NextHopId, NicId, TableId, VnetId, VtepId},
};

use crate::{capacity, counters::Counters, world::Image};

/// An array map: every index below the capacity has a value, zeros unless it was written.
struct Array<V> {
    values: BTreeMap<u32, V>,
    zero: V,
    capacity: u32,
}

impl<V: bytemuck::Zeroable> Array<V> {
    fn new(values: BTreeMap<u32, V>, capacity: u32) -> Self {
        Self { values, zero: V::zeroed(), capacity }
    }

    fn get(&self, index: u32) -> Option<&V> {
        (index < self.capacity).then(|| self.values.get(&index).unwrap_or(&self.zero))
    }
}

/// [`Tables`] over an [`Image`].
pub struct HostTables {
    config: Array<Config>,
    interfaces: Array<NicId>,
    nics: Array<Nic>,
    vnets: Array<Vnet>,
    routes: Array<Roots>,
    trie_v4: Array<Node4>,
    trie_v6: Array<Node6>,
    next_hops: Array<NextHop>,
    links: Array<Link>,
    vteps: Array<Vtep>,
    relations: BTreeMap<RelationKey, LinkId>,
    vtep_addresses: BTreeMap<Addr, VtepId>,
    addresses: BTreeMap<AddressKey, u32>,
    counters: RefCell<Counters>,
    events: RefCell<Vec<DropEvent>>,
    lookups: Cell<u64>,
}

impl HostTables {
    /// Tables with these contents, and counters at zero.
    pub fn new(image: Image) -> Self {
        Self {
            config: Array::new(image.config, 1),
            interfaces: Array::new(image.interfaces, capacity::INTERFACES),
            nics: Array::new(image.nics, capacity::NICS),
            vnets: Array::new(image.vnets, capacity::VNETS),
            routes: Array::new(image.routes, capacity::ROUTES),
            trie_v4: Array::new(image.trie_v4, capacity::TRIE_V4),
            trie_v6: Array::new(image.trie_v6, capacity::TRIE_V6),
            next_hops: Array::new(image.next_hops, capacity::NEXT_HOPS),
            links: Array::new(image.links, capacity::LINKS),
            vteps: Array::new(image.vteps, capacity::VTEPS),
            relations: image.relations,
            vtep_addresses: image.vtep_addresses,
            addresses: image.addresses,
            counters: RefCell::default(),
            events: RefCell::default(),
            lookups: Cell::default(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters.borrow().clone()
    }

    /// Takes the events that were reported since the last call.
    pub fn take_events(&self) -> Vec<DropEvent> {
        self.events.take()
    }

    /// Lookups in hash-shaped tables so far.
    pub fn hash_lookups(&self) -> u64 {
        self.lookups.get()
    }

    fn count_lookup(&self) {
        self.lookups.set(self.lookups.get() + 1);
    }

    fn meter(&self, link: LinkId, change: impl FnOnce(&mut Meter)) {
        if link.0 < capacity::LINKS {
            change(self.counters.borrow_mut().meters.entry(link).or_default());
        }
    }
}

impl Tables for HostTables {
    fn config(&self) -> Option<&Config> {
        self.config.get(0)
    }

    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId> {
        self.interfaces.get(ifindex).copied().filter(|id| id.is_some())
    }

    fn nic(&self, id: NicId) -> Option<&Nic> {
        self.nics.get(id.0)
    }

    fn vnet(&self, id: VnetId) -> Option<&Vnet> {
        self.vnets.get(id.0)
    }

    fn routes(&self, id: TableId) -> Option<&Roots> {
        self.routes.get(id.0)
    }

    fn node4(&self, index: u32) -> Option<&Node4> {
        self.trie_v4.get(index)
    }

    fn node6(&self, index: u32) -> Option<&Node6> {
        self.trie_v6.get(index)
    }

    fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        self.next_hops.get(id.0)
    }

    fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.0)
    }

    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId> {
        self.count_lookup();
        self.relations.get(&RelationKey { vnet, remote }).copied()
    }

    fn vtep(&self, id: VtepId) -> Option<&Vtep> {
        self.vteps.get(id.0)
    }

    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId> {
        self.count_lookup();
        self.vtep_addresses.get(&addr).copied()
    }

    fn owns_address(&self, nic: NicId, addr: Addr) -> bool {
        self.count_lookup();
        self.addresses.contains_key(&AddressKey::new(nic, addr))
    }

    fn meter_egress(&self, link: LinkId, packets: u64, bytes: u64) {
        self.meter(link, |meter| {
            meter.egress_packets += packets;
            meter.egress_bytes += bytes;
        });
    }

    fn meter_ingress(&self, link: LinkId, packets: u64, bytes: u64) {
        self.meter(link, |meter| {
            meter.ingress_packets += packets;
            meter.ingress_bytes += bytes;
        });
    }

    fn count_drop(&self, slot: u32, reason: DropReason, bytes: u32) -> u64 {
        let mut counters = self.counters.borrow_mut();
        let counter: &mut DropCounter = counters.drops.entry((slot, reason)).or_default();
        let before = counter.packets;
        counter.packets += 1;
        counter.bytes += u64::from(bytes);
        before
    }

    fn report(&self, event: &DropEvent) {
        self.events.borrow_mut().push(*event);
    }

    fn jiffies(&self) -> u64 {
        0
    }
}
