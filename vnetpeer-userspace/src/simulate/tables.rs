//! The core's lookups over the maps of one host.

use std::cell::{Cell, RefCell};

use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, Classifier, Config, Event, Filter, Flow, FlowKey4, FlowKey6,
        FlowsEnded, FlowsOpened, FragmentKey, Fragmented, FrontendKey, Link, NextHop, Nic, Node4,
        Node6, RelationKey, Roots, Row, RuleEntry, Vnet, Vtep, Watch,
    },
    datapath::{
        Case, Describe, FlowQuery, LiveCached, LiveFlow, LiveTags, Nodes, Opened, Tables, classify,
    },
    reason::DropReason,
    types::{
        Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, RuleId, TableId, V4, V6, VnetId,
        VtepId,
    },
};

use super::{flows::Flows, image::Image};

/// Any time will do, since none passes.
const NOW: u64 = 1 << 32;

/// The maps of one host, and what the core notes while it handles one packet.
pub(super) struct HostTables<'a> {
    image: &'a Image,
    flows: &'a Flows,
    /// Whether policies are asked; otherwise they allow everything.
    judges: bool,
    /// The link that the packet left a VNet over.
    pub(super) egress: Cell<LinkId>,
    /// The link that it entered a VNet over.
    pub(super) ingress: Cell<LinkId>,
    /// The rules that decided about it.
    pub(super) rules: RefCell<Vec<RuleId>>,
    /// What dropped it.
    pub(super) dropped: Cell<Option<Event>>,
}

impl<'a> HostTables<'a> {
    pub(super) fn new(image: &'a Image, flows: &'a Flows, judges: bool) -> Self {
        Self {
            image,
            flows,
            judges,
            egress: Cell::new(LinkId::NONE),
            ingress: Cell::new(LinkId::NONE),
            rules: RefCell::new(Vec::new()),
            dropped: Cell::new(None),
        }
    }
}

impl Nodes for HostTables<'_> {
    fn node4(&self, index: u32) -> Option<&Node4> {
        Some(self.image.trie_v4.get(index))
    }

    fn node6(&self, index: u32) -> Option<&Node6> {
        Some(self.image.trie_v6.get(index))
    }
}

impl Tables for HostTables<'_> {
    fn config(&self) -> Option<&Config> {
        Some(&self.image.config)
    }

    /// Nobody watches what is simulated.
    fn watch(&self) -> Option<&Watch> {
        None
    }

    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId> {
        self.image.interfaces.get(&ifindex).copied().filter(|id| id.is_some())
    }

    fn nic(&self, id: NicId) -> Option<&Nic> {
        Some(self.image.nics.get(id.0))
    }

    fn vnet(&self, id: VnetId) -> Option<&Vnet> {
        Some(self.image.vnets.get(id.0))
    }

    fn routes(&self, id: TableId) -> Option<&Roots> {
        Some(self.image.routes.get(id.0))
    }

    fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        Some(self.image.next_hops.get(id.0))
    }

    fn link(&self, id: LinkId) -> Option<&Link> {
        Some(self.image.links.get(id.0))
    }

    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId> {
        self.image.relations.get(&RelationKey { vnet, remote }).copied()
    }

    fn frontend(&self, key: FrontendKey) -> Option<BalancerId> {
        self.image.frontends.get(&key).copied()
    }

    fn balancer(&self, id: BalancerId) -> Option<&Balancer> {
        Some(self.image.balancers.get(id.0))
    }

    /// Nobody can tell whose turn it will be.
    fn take_turn(&self, _id: BalancerId) -> u64 {
        0
    }

    fn vtep(&self, id: VtepId) -> Option<&Vtep> {
        Some(self.image.vteps.get(id.0))
    }

    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId> {
        self.image.vtep_addresses.get(&addr).copied()
    }

    fn owns_address(&self, nic: NicId, addr: Addr) -> bool {
        self.image.addresses.contains(&AddressKey::new(nic, addr))
    }

    fn filter(&self, slot: u32) -> Option<&Filter> {
        Some(self.image.filters.get(slot))
    }

    fn policy(&self, id: PolicyId) -> Option<u32> {
        Some(*self.image.policies.get(id.0))
    }

    fn classifier(&self, index: u32) -> Option<&Classifier> {
        Some(self.image.classifiers.get(index))
    }

    fn row(&self, index: u32) -> Option<&Row> {
        Some(self.image.rows.get(index))
    }

    fn count_rule(&self, rule: RuleId) {
        self.rules.borrow_mut().push(rule);
    }

    fn flow4(&self, key: FlowKey4) -> Option<&LiveFlow> {
        self.flows.get4(key)
    }

    fn flow6(&self, key: FlowKey6) -> Option<&LiveFlow> {
        self.flows.get6(key)
    }

    fn open_flow4(&self, key: FlowKey4, flow: Flow) -> Opened {
        self.flows.open4(key, &flow)
    }

    fn open_flow6(&self, key: FlowKey6, flow: Flow) -> Opened {
        self.flows.open6(key, &flow)
    }

    fn flows_opened(&self, _slot: u32) -> Option<FlowsOpened> {
        Some(FlowsOpened::default())
    }

    fn flows_ended(&self, _slot: u32) -> Option<FlowsEnded> {
        Some(FlowsEnded::default())
    }

    fn count_opened(&self, _slot: u32) {}

    fn count_replied(&self, _slot: u32) {}

    fn fragmented(&self, _key: FragmentKey) -> Option<Fragmented> {
        None
    }

    fn keep_fragmented(&self, _key: FragmentKey, _packet: &Fragmented) {}

    /// There is no cache, which decides nothing.
    fn cache_set(&self, _hash: u32, _mask: u32) -> u32 {
        0
    }

    fn cached4(&self, _set: u32, _way: u32) -> Option<&LiveCached<FlowKey4>> {
        None
    }

    fn cached6(&self, _set: u32, _way: u32) -> Option<&LiveCached<FlowKey6>> {
        None
    }

    fn tags4(&self, _set: u32) -> Option<&LiveTags> {
        None
    }

    fn tags6(&self, _set: u32) -> Option<&LiveTags> {
        None
    }

    fn classify4(&self, index: u32, query: &FlowQuery<V4>, case: Case) -> RuleEntry {
        if self.judges {
            classify(self, index, query, case)
        } else {
            RuleEntry::allow(RuleId::NONE)
        }
    }

    fn classify6(&self, index: u32, query: &FlowQuery<V6>, case: Case) -> RuleEntry {
        if self.judges {
            classify(self, index, query, case)
        } else {
            RuleEntry::allow(RuleId::NONE)
        }
    }

    fn meter_egress(&self, link: LinkId, _packets: u64, _bytes: u64) {
        self.egress.set(link);
    }

    fn meter_ingress(&self, link: LinkId, _packets: u64, _bytes: u64) {
        self.ingress.set(link);
    }

    /// Every drop is the first, so that each is reported.
    fn count_drop(&self, _slot: u32, _reason: DropReason, _bytes: u32) -> u64 {
        0
    }

    fn report(&self, drop: impl Describe, _flags: u16) {
        let mut event = Event::default();
        drop.describe(&mut event);
        self.dropped.set(Some(event));
    }

    fn jiffies(&self) -> u64 {
        NOW
    }
}
