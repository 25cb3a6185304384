//! The lookups and counters that the core needs, and nothing else.

use super::{
    Admission, Case, FlowQuery, Found, LiveCached, LiveFlow, LiveTags, Opened, Resolved, admit,
    arrive, choose, classify, floats, keep_fragment, lookup6, resolve, turn,
};
use crate::{
    abi::{
        Balancer, Classifier, Config, Entry, Event, Filter, Flow, FlowKey4, FlowKey6, FlowsEnded,
        FlowsOpened, FragmentKey, Fragmented, FrontendKey, Link, NextHop, Nic, Node4, Node6, Roots,
        Row, RuleEntry, Vnet, Vtep, Watch,
    },
    reason::DropReason,
    types::{
        Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, RuleId, TableId, V4, V6, VnetId,
        VtepId,
    },
};

/// Something that can be told as an event. Not a closure, which could not be inlined by force.
pub trait Describe {
    /// Fills in all of an event but its time and what of the frame comes with it. To clear the rest before would cost
    /// the programs more than to write it.
    fn describe(self, event: &mut Event);
}

/// The nodes of tries: all that a longest prefix match needs.
pub trait Nodes {
    /// A node of an IPv4 trie.
    fn node4(&self, index: u32) -> Option<&Node4>;
    /// A node of an IPv6 trie.
    fn node6(&self, index: u32) -> Option<&Node6>;
}

/// The tables of one host. Lookups on the path of every packet are array-shaped; the four that are
/// hashes ([`Tables::relation`], [`Tables::frontend`], [`Tables::vtep_by_address`],
/// [`Tables::owns_address`]) serve unusual packets only.
pub trait Tables: Nodes + Sized {
    /// This host's settings.
    fn config(&self) -> Option<&Config>;
    /// Which packets somebody watches.
    fn watch(&self) -> Option<&Watch>;
    /// Whether the packet opened a flow when the flow table of its family was last asked.
    fn has_opened(&self, _is_v6: bool) -> bool {
        false
    }
    /// The NIC behind an interface.
    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId>;
    /// A NIC.
    fn nic(&self, id: NicId) -> Option<&Nic>;
    /// A virtual network.
    fn vnet(&self, id: VnetId) -> Option<&Vnet>;
    /// Roots of a table of effective routes.
    fn routes(&self, id: TableId) -> Option<&Roots>;
    /// A next hop.
    fn next_hop(&self, id: NextHopId) -> Option<&NextHop>;
    /// A link.
    fn link(&self, id: LinkId) -> Option<&Link>;
    /// The link by which `vnet` is peered with `remote`.
    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId>;
    /// The load balancing rule that takes certain packets to a frontend.
    fn frontend(&self, key: FrontendKey) -> Option<BalancerId>;
    /// A load balancing rule.
    fn balancer(&self, id: BalancerId) -> Option<&Balancer>;
    /// Counts a connection that a load balancing rule is asked for, and returns how many there were before.
    fn take_turn(&self, id: BalancerId) -> u64;
    /// A remote host.
    fn vtep(&self, id: VtepId) -> Option<&Vtep>;
    /// The remote host with this underlay address.
    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId>;
    /// Whether `addr` is one of the NIC's addresses beyond the first of each family.
    fn owns_address(&self, nic: NicId, addr: Addr) -> bool;
    /// What judges the local NIC of a slot.
    fn filter(&self, slot: u32) -> Option<&Filter>;
    /// Index of the classifier of a policy that is in force.
    fn policy(&self, id: PolicyId) -> Option<u32>;
    /// A classifier.
    fn classifier(&self, index: u32) -> Option<&Classifier>;
    /// A bit vector.
    fn row(&self, index: u32) -> Option<&Row>;
    /// Counts a flow that a rule decided.
    fn count_rule(&self, rule: RuleId);
    /// A flow.
    fn flow4(&self, key: FlowKey4) -> Option<&LiveFlow>;
    /// A flow.
    fn flow6(&self, key: FlowKey6) -> Option<&LiveFlow>;
    /// Keeps a flow that is not there yet.
    fn open_flow4(&self, key: FlowKey4, flow: Flow) -> Opened;
    /// Keeps a flow that is not there yet.
    fn open_flow6(&self, key: FlowKey6, flow: Flow) -> Opened;
    /// Flows of a NIC so far, as the programs count them.
    fn flows_opened(&self, slot: u32) -> Option<FlowsOpened>;
    /// Flows of a NIC that user space has removed.
    fn flows_ended(&self, slot: u32) -> Option<FlowsEnded>;
    /// Counts a flow of a NIC.
    fn count_opened(&self, slot: u32);
    /// Counts a flow of a NIC that saw its first reply.
    fn count_replied(&self, slot: u32);
    /// A fragmented packet on its way.
    fn fragmented(&self, key: FragmentKey) -> Option<Fragmented>;
    /// Keeps a fragmented packet in place of what its bucket held.
    fn keep_fragmented(&self, key: FragmentKey, packet: &Fragmented);
    /// The set of this CPU's flow cache that a hash selects; `mask` is [`Config::cache_mask`] of the family.
    fn cache_set(&self, hash: u32, mask: u32) -> u32;
    /// An entry of the flow cache: way 0 or 1 of a set.
    fn cached4(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey4>>;
    /// An entry of the flow cache: way 0 or 1 of a set.
    fn cached6(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey6>>;
    /// Tags of a set of [`Tables::cached4`], and of its neighbours.
    fn tags4(&self, set: u32) -> Option<&LiveTags>;
    /// Likewise of [`Tables::cached6`].
    fn tags6(&self, set: u32) -> Option<&LiveTags>;
    /// [`super::admit`] for IPv4. This and what follows the programs replace by calls of functions that the
    /// verifier checks once.
    fn admit4(&self, query: &FlowQuery<V4>) -> Admission {
        admit(self, &mut { *query })
    }
    /// [`super::admit`] for IPv6.
    fn admit6(&self, query: &FlowQuery<V6>) -> Admission {
        admit(self, &mut { *query })
    }
    /// [`super::choose`] for IPv4.
    fn choose4(&self, query: &FlowQuery<V4>, kept: NicId) -> Found {
        choose(self, query, kept)
    }
    /// [`super::arrive`] for IPv4.
    fn arrive4(&self, query: &mut FlowQuery<V4>) -> Found {
        arrive(self, query)
    }
    /// [`super::admit`] for IPv4, about the packet that was last asked about, after [`super::turn`].
    fn readmit4(
        &self,
        query: &mut FlowQuery<V4>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        match turn(self, query, id, flags, translated_by) {
            Some(()) => admit(self, query),
            None => Admission::refuse(DropReason::Unconfigured, RuleId::NONE),
        }
    }
    /// [`super::choose`] for IPv6.
    fn choose6(&self, query: &FlowQuery<V6>, kept: NicId) -> Found {
        choose(self, query, kept)
    }
    /// [`super::arrive`] for IPv6.
    fn arrive6(&self, query: &mut FlowQuery<V6>) -> Found {
        arrive(self, query)
    }
    /// [`super::admit`] for IPv6, about the packet that was last asked about, after [`super::turn`].
    fn readmit6(
        &self,
        query: &mut FlowQuery<V6>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        match turn(self, query, id, flags, translated_by) {
            Some(()) => admit(self, query),
            None => Admission::refuse(DropReason::Unconfigured, RuleId::NONE),
        }
    }
    /// [`super::floats`] for IPv4.
    fn floats4(&self, query: &FlowQuery<V4>) -> u32 {
        floats(self, query)
    }
    /// [`super::floats`] for IPv6.
    fn floats6(&self, query: &FlowQuery<V6>) -> u32 {
        floats(self, query)
    }
    /// [`super::keep_fragment`] for IPv4. The query is the one that was last asked by [`Tables::admit4`].
    fn keep_fragment4(&self, query: &FlowQuery<V4>, id: u32) {
        keep_fragment(self, query, id);
    }
    /// [`super::keep_fragment`] for IPv6, likewise.
    fn keep_fragment6(&self, query: &FlowQuery<V6>, id: u32) {
        keep_fragment(self, query, id);
    }
    /// [`super::lookup6`].
    fn lookup6(&self, root: Entry, address: V6) -> Option<u32> {
        lookup6(self, root, address)
    }
    /// [`super::resolve()`] for IPv6.
    fn resolve6(&self, table: TableId, sender: NicId, destination: V6, flow: u32) -> Resolved {
        resolve(self, table, sender, destination, flow)
    }
    /// [`super::classify`] for IPv4.
    fn classify4(&self, index: u32, query: &FlowQuery<V4>, case: Case) -> RuleEntry {
        classify(self, index, query, case)
    }
    /// [`super::classify`] for IPv6.
    fn classify6(&self, index: u32, query: &FlowQuery<V6>, case: Case) -> RuleEntry {
        classify(self, index, query, case)
    }
    /// Counts traffic that leaves a VNet over `link`.
    fn meter_egress(&self, link: LinkId, packets: u64, bytes: u64);
    /// Counts traffic that enters a VNet over `link`.
    fn meter_ingress(&self, link: LinkId, packets: u64, bytes: u64);
    /// Counts a dropped frame and returns how many were dropped for this reason before.
    fn count_drop(&self, slot: u32, reason: DropReason, bytes: u32) -> u64;
    /// Hands a drop to user space, with its [`crate::abi::event_flags`].
    fn report(&self, drop: impl Describe, flags: u16);
    /// Kernel jiffies.
    fn jiffies(&self) -> u64;
}
