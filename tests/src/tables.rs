//! The tables of one host in host memory, with counters that a test can compare.

mod array;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use vnetpeer_common::{
    abi::{
        Action, AddressKey, Balancer, CACHE_WAYS, Classifier, Config, DropCounter, Event, Filter,
        Flow, FlowKey4, FlowKey6, FlowsEnded, FlowsOpened, FragmentKey, Fragmented, FrontendKey,
        Link, Meter, NextHop, Nic, Node4, Node6, RelationKey, Roots, Row, Vnet, Vtep, Watch,
    },
    datapath::{Describe, LiveCached, LiveFlow, LiveTags, Nodes, Opened, Tables},
    reason::DropReason,
    types::{
        Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, RuleId, TableId, VnetId, VtepId,
    },
};

use self::array::{Array, cache_index};
use crate::{capacity, counters::Counters, world::Image};

/// Entries of the flow cache of one family.
const CACHE_ENTRIES: u32 = capacity::CACHE_SETS * CACHE_WAYS;

/// The flow table of one family. Flows stay where they are, so that they can be referred to.
struct FlowTable<K> {
    places: RefCell<BTreeMap<K, usize>>,
    flows: Vec<LiveFlow>,
}

impl<K> Default for FlowTable<K> {
    fn default() -> Self {
        let flows = (0..capacity::FLOWS).map(|_| LiveFlow::default()).collect();
        Self { places: RefCell::default(), flows }
    }
}

impl<K: Copy + Ord> FlowTable<K> {
    fn get(&self, key: &K) -> Option<&LiveFlow> {
        self.flows.get(*self.places.borrow().get(key)?)
    }

    fn open(&self, key: &K, flow: &Flow) -> Opened {
        let mut places = self.places.borrow_mut();
        let place = places.len();
        if places.contains_key(key) {
            return Opened::Exists;
        }
        let Some(live) = self.flows.get(place) else { return Opened::Full };
        places.insert(*key, place);
        live.set(flow);
        Opened::Kept
    }
}

/// Flows and what is counted about them.
#[derive(Default)]
struct Flows {
    v4: FlowTable<FlowKey4>,
    v6: FlowTable<FlowKey6>,
    opened: RefCell<BTreeMap<u32, FlowsOpened>>,
    turns: RefCell<BTreeMap<BalancerId, u64>>,
    hits: RefCell<BTreeMap<RuleId, u64>>,
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
    balancers: Array<Balancer>,
    frontends: BTreeMap<FrontendKey, BalancerId>,
    vteps: Array<Vtep>,
    relations: BTreeMap<RelationKey, LinkId>,
    vtep_addresses: BTreeMap<Addr, VtepId>,
    addresses: BTreeMap<AddressKey, u32>,
    filters: Array<Filter>,
    policies: Array<u32>,
    classifiers: Array<Classifier>,
    rows: Array<Row>,
    flows: Flows,
    cache4: Vec<LiveCached<FlowKey4>>,
    cache6: Vec<LiveCached<FlowKey6>>,
    tags: [Vec<LiveTags>; 2],
    fragments: RefCell<BTreeMap<FragmentKey, Fragmented>>,
    jiffies: Cell<u64>,
    counters: RefCell<Counters>,
    events: RefCell<Vec<Event>>,
    watch: Option<Watch>,
    lookups: Cell<u64>,
}

impl HostTables {
    /// Somebody watches.
    pub fn set_watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

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
            balancers: Array::new(image.balancers, capacity::BALANCERS),
            frontends: image.frontends,
            vteps: Array::new(image.vteps, capacity::VTEPS),
            relations: image.relations,
            vtep_addresses: image.vtep_addresses,
            addresses: image.addresses,
            filters: Array::new(image.filters, capacity::DROP_SLOTS),
            policies: Array::new(image.policies, capacity::POLICIES),
            classifiers: Array::new(image.classifiers, capacity::CLASSIFIERS),
            rows: Array::new(image.rows, capacity::ROWS),
            flows: Flows::default(),
            cache4: (0..CACHE_ENTRIES).map(|_| LiveCached::default()).collect(),
            cache6: (0..CACHE_ENTRIES).map(|_| LiveCached::default()).collect(),
            tags: [(); 2].map(|()| (0..CACHE_ENTRIES).map(|_| LiveTags::default()).collect()),
            fragments: RefCell::default(),
            jiffies: Cell::new(1 << 32),
            counters: RefCell::default(),
            events: RefCell::default(),
            watch: None,
            lookups: Cell::default(),
        }
    }

    /// Other contents of the maps; flows stay.
    pub fn change(&mut self, image: Image) {
        let flows = std::mem::take(&mut self.flows);
        *self = Self { flows, ..Self::new(image) };
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters.borrow().clone()
    }

    /// Flows that NICs opened, by slot.
    pub fn flows_by_slot(&self) -> BTreeMap<u32, FlowsOpened> {
        self.flows.opened.borrow().clone()
    }

    /// How often each rule decided about a flow.
    pub fn rule_hits(&self) -> BTreeMap<RuleId, u64> {
        self.flows.hits.borrow().clone()
    }

    /// Lets time pass.
    pub fn wait(&self, jiffies: u64) {
        self.jiffies.set(self.jiffies.get() + jiffies);
    }

    /// Empties the flow cache.
    pub fn forget_actions(&self) {
        for entry in &self.cache4 {
            entry.set(FlowKey4::default(), Action::default());
        }
        for entry in &self.cache6 {
            entry.set(FlowKey6::default(), Action::default());
        }
    }

    /// Actions that the flow cache holds.
    pub fn actions(&self) -> usize {
        let full4 = self.cache4.iter().filter(|it| it.key() != FlowKey4::default()).count();
        full4 + self.cache6.iter().filter(|it| it.key() != FlowKey6::default()).count()
    }

    /// Takes the events that were reported since the last call.
    pub fn take_events(&self) -> Vec<Event> {
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

impl Nodes for HostTables {
    fn node4(&self, index: u32) -> Option<&Node4> {
        self.trie_v4.get(index)
    }

    fn node6(&self, index: u32) -> Option<&Node6> {
        self.trie_v6.get(index)
    }
}

impl Tables for HostTables {
    fn config(&self) -> Option<&Config> {
        self.config.get(0)
    }

    fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
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

    fn frontend(&self, key: FrontendKey) -> Option<BalancerId> {
        self.count_lookup();
        self.frontends.get(&key).copied()
    }

    fn balancer(&self, id: BalancerId) -> Option<&Balancer> {
        self.balancers.get(id.0)
    }

    fn take_turn(&self, id: BalancerId) -> u64 {
        let mut turns = self.flows.turns.borrow_mut();
        let turn = turns.entry(id).or_default();
        *turn += 1;
        *turn - 1
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

    fn filter(&self, slot: u32) -> Option<&Filter> {
        self.filters.get(slot)
    }

    fn policy(&self, id: PolicyId) -> Option<u32> {
        self.policies.get(id.0).copied()
    }

    fn classifier(&self, index: u32) -> Option<&Classifier> {
        self.classifiers.get(index)
    }

    fn row(&self, index: u32) -> Option<&Row> {
        self.rows.get(index)
    }

    fn count_rule(&self, rule: RuleId) {
        *self.flows.hits.borrow_mut().entry(rule).or_default() += 1;
    }

    fn flow4(&self, key: FlowKey4) -> Option<&LiveFlow> {
        self.flows.v4.get(&key)
    }

    fn flow6(&self, key: FlowKey6) -> Option<&LiveFlow> {
        self.flows.v6.get(&key)
    }

    fn open_flow4(&self, key: FlowKey4, flow: Flow) -> Opened {
        self.flows.v4.open(&key, &flow)
    }

    fn open_flow6(&self, key: FlowKey6, flow: Flow) -> Opened {
        self.flows.v6.open(&key, &flow)
    }

    fn flows_opened(&self, slot: u32) -> Option<FlowsOpened> {
        let opened = self.flows.opened.borrow().get(&slot).copied();
        (slot < capacity::DROP_SLOTS).then(|| opened.unwrap_or_default())
    }

    fn flows_ended(&self, slot: u32) -> Option<FlowsEnded> {
        (slot < capacity::DROP_SLOTS).then(FlowsEnded::default)
    }

    fn count_opened(&self, slot: u32) {
        self.flows.opened.borrow_mut().entry(slot).or_default().opened += 1;
    }

    fn count_replied(&self, slot: u32) {
        self.flows.opened.borrow_mut().entry(slot).or_default().replied += 1;
    }

    fn fragmented(&self, key: FragmentKey) -> Option<Fragmented> {
        self.fragments.borrow().get(&key).copied()
    }

    fn keep_fragmented(&self, key: FragmentKey, packet: &Fragmented) {
        self.fragments.borrow_mut().insert(key, *packet);
    }

    fn cache_set(&self, hash: u32, mask: u32) -> u32 {
        hash & mask
    }

    fn cached4(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey4>> {
        self.cache4.get(cache_index(set, way))
    }

    fn cached6(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey6>> {
        self.cache6.get(cache_index(set, way))
    }

    fn tags4(&self, set: u32) -> Option<&LiveTags> {
        self.tags[0].get(cache_index(set, 0))
    }

    fn tags6(&self, set: u32) -> Option<&LiveTags> {
        self.tags[1].get(cache_index(set, 0))
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

    fn report(&self, drop: impl Describe, _flags: u16) {
        let mut event = Event::default();
        drop.describe(&mut event);
        self.events.borrow_mut().push(event);
    }

    fn jiffies(&self) -> u64 {
        self.jiffies.get()
    }
}
