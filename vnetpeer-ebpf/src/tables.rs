//! [`Tables`] on the maps.
//!
//! References into array maps stay valid while the program runs. Values of hash maps may be reused
//! after a delete, so they are copied out at once. Per-CPU values have one writer: this program, which
//! no other program interrupts on the same CPU.
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key or value that is passed by value is copied to the stack, which has no room for it"
)]

use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, CACHE_TAGGED_SETS, CACHE_WAYS, Classifier, Config, DROP_REASONS_MAX,
        Entry, Filter, Flow, FlowKey4, FlowKey6, FlowsEnded, FlowsOpened, FragmentKey, Fragmented,
        FrontendKey, Link, NextHop, Nic, Node4, Node6, RelationKey, Roots, Row, RuleEntry, Vnet,
        Vtep, Watch,
    },
    datapath::{
        Admission, Case, Describe, FlowQuery, Found, LiveCached, LiveFlow, LiveTags, Nodes, Opened,
        Resolved, Tables, query_flags,
    },
    reason::DropReason,
    types::{
        Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, RuleId, TableId, V4, V6, VnetId,
        VtepId,
    },
};

use crate::{capture, functions, helpers, maps, stream};

/// `BPF_NOEXIST`: insert only what is not there.
const NO_EXIST: u64 = 1;
/// `-EEXIST`.
const EXISTS: i64 = -17;

#[inline(always)]
fn opened(inserted: Result<(), i32>) -> Opened {
    match inserted {
        Ok(()) => Opened::Kept,
        Err(error) if i64::from(error) == EXISTS => Opened::Exists,
        Err(_) => Opened::Full,
    }
}

/// The maps of this host.
pub(crate) struct Maps;

impl Nodes for Maps {
    #[inline(always)]
    fn node4(&self, index: u32) -> Option<&Node4> {
        maps::TRIE_V4.get(index)
    }

    #[inline(always)]
    fn node6(&self, index: u32) -> Option<&Node6> {
        maps::TRIE_V6.get(index)
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn config(&self) -> Option<&Config> {
        maps::CONFIG.get(0)
    }

    #[inline(always)]
    fn watch(&self) -> Option<&Watch> {
        maps::WATCH.get(0)
    }

    #[inline(always)]
    fn has_opened(&self, is_v6: bool) -> bool {
        let Some(scratch) = maps::SCRATCH.get_ptr(0) else { return false };
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        let flags =
            unsafe { if is_v6 { (*scratch).query6.flags } else { (*scratch).query4.flags } };
        flags & query_flags::OPENED != 0
    }

    #[inline(always)]
    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId> {
        maps::IFACES.get(ifindex).copied().filter(|id| id.is_some())
    }

    #[inline(always)]
    fn nic(&self, id: NicId) -> Option<&Nic> {
        maps::NICS.get(id.0)
    }

    #[inline(always)]
    fn vnet(&self, id: VnetId) -> Option<&Vnet> {
        maps::VNETS.get(id.0)
    }

    #[inline(always)]
    fn routes(&self, id: TableId) -> Option<&Roots> {
        maps::ROUTES.get(id.0)
    }

    #[inline(always)]
    fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        maps::NEXT_HOPS.get(id.0)
    }

    #[inline(always)]
    fn link(&self, id: LinkId) -> Option<&Link> {
        maps::LINKS.get(id.0)
    }

    #[inline(always)]
    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId> {
        let key = RelationKey { vnet, remote };
        // SAFETY: copied at once; a deleted entry read in that moment names a link whose flags are off.
        unsafe { maps::RELATIONS.get(key) }.copied()
    }

    #[inline(always)]
    fn frontend(&self, key: FrontendKey) -> Option<BalancerId> {
        // SAFETY: copied at once; a deleted entry read in that moment names a rule that is not present, or
        // for a moment still the old one.
        unsafe { maps::FRONTENDS.get(key) }.copied()
    }

    #[inline(always)]
    fn balancer(&self, id: BalancerId) -> Option<&Balancer> {
        maps::BALANCERS.get(id.0)
    }

    #[inline(always)]
    fn take_turn(&self, id: BalancerId) -> u64 {
        // SAFETY: the pointer is into the map's value.
        maps::TURNS
            .get_ptr_mut(id.0)
            .map_or(0, |turn| unsafe { helpers::atomic_fetch_increment(turn) })
    }

    #[inline(always)]
    fn vtep(&self, id: VtepId) -> Option<&Vtep> {
        maps::VTEPS.get(id.0)
    }

    #[inline(always)]
    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId> {
        // SAFETY: copied at once, and used only to choose between two drop reasons.
        unsafe { maps::VTEP_ADDRS.get(addr) }.copied()
    }

    #[inline(always)]
    fn owns_address(&self, nic: NicId, addr: Addr) -> bool {
        // SAFETY: only the presence of the entry counts.
        unsafe { maps::NIC_ADDRS.get(AddressKey::new(nic, addr)) }.is_some()
    }

    #[inline(always)]
    fn filter(&self, slot: u32) -> Option<&Filter> {
        maps::FILTERS.get(slot)
    }

    #[inline(always)]
    fn policy(&self, id: PolicyId) -> Option<u32> {
        maps::POLICIES.get(id.0).copied()
    }

    #[inline(always)]
    fn classifier(&self, index: u32) -> Option<&Classifier> {
        maps::CLASSIFIERS.get(index)
    }

    #[inline(always)]
    fn row(&self, index: u32) -> Option<&Row> {
        maps::ROWS.get(index)
    }

    #[inline(always)]
    fn count_rule(&self, rule: RuleId) {
        if let Some(hits) = maps::RULE_HITS.get_ptr_mut(rule.0) {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe { *hits += 1 };
        }
    }

    #[inline(always)]
    fn flow4(&self, key: FlowKey4) -> Option<&LiveFlow> {
        let scratch = maps::SCRATCH.get_ptr_mut(0)?;
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        let flow = unsafe {
            (*scratch).key4 = key;
            maps::FLOWS_V4.get_ptr(&(*scratch).key4)
        };
        // SAFETY: `LiveFlow` has the layout of `Flow`, and all access goes through its cells. An entry
        // that is removed meanwhile stays mapped; at worst a packet of an ended flow passes, or a new
        // flow's clock is moved.
        flow.map(|flow| unsafe { &*flow.cast() })
    }

    #[inline(always)]
    fn flow6(&self, key: FlowKey6) -> Option<&LiveFlow> {
        let scratch = maps::SCRATCH.get_ptr_mut(0)?;
        // SAFETY: see `flow4`.
        let flow = unsafe {
            (*scratch).key6 = key;
            maps::FLOWS_V6.get_ptr(&(*scratch).key6)
        };
        // SAFETY: see `flow4`.
        flow.map(|flow| unsafe { &*flow.cast() })
    }

    #[inline(always)]
    fn open_flow4(&self, key: FlowKey4, flow: Flow) -> Opened {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return Opened::Full };
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        opened(unsafe {
            (*scratch).key4 = key;
            (*scratch).flow = flow;
            maps::FLOWS_V4.insert(&(*scratch).key4, &(*scratch).flow, NO_EXIST)
        })
    }

    #[inline(always)]
    fn open_flow6(&self, key: FlowKey6, flow: Flow) -> Opened {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return Opened::Full };
        // SAFETY: see `open_flow4`.
        opened(unsafe {
            (*scratch).key6 = key;
            (*scratch).flow = flow;
            maps::FLOWS_V6.insert(&(*scratch).key6, &(*scratch).flow, NO_EXIST)
        })
    }

    #[inline(always)]
    fn flows_opened(&self, slot: u32) -> Option<FlowsOpened> {
        maps::FLOWS_OPENED.get(slot).copied()
    }

    #[inline(always)]
    fn flows_ended(&self, slot: u32) -> Option<FlowsEnded> {
        maps::FLOWS_ENDED.get(slot).copied()
    }

    #[inline(always)]
    fn count_opened(&self, slot: u32) {
        if let Some(flows) = maps::FLOWS_OPENED.get_ptr_mut(slot) {
            // SAFETY: the pointer is into the map's value.
            unsafe { helpers::atomic_increment(&raw mut (*flows).opened) };
        }
    }

    #[inline(always)]
    fn count_replied(&self, slot: u32) {
        if let Some(flows) = maps::FLOWS_OPENED.get_ptr_mut(slot) {
            // SAFETY: the pointer is into the map's value.
            unsafe { helpers::atomic_increment(&raw mut (*flows).replied) };
        }
    }

    #[inline(always)]
    fn fragmented(&self, key: FragmentKey) -> Option<Fragmented> {
        // SAFETY: copied at once. An update puts another value in place and leaves this one to its
        // readers until they are done.
        unsafe { maps::FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn keep_fragmented(&self, key: FragmentKey, packet: &Fragmented) {
        // If it cannot be kept, the later fragments are dropped and counted.
        let _kept = maps::FRAGMENTS.insert(key, packet, 0);
    }

    #[inline(always)]
    fn cache_set(&self, hash: u32, mask: u32) -> u32 {
        helpers::cpu() * (mask + 1) + (hash & mask)
    }

    #[inline(always)]
    fn cached4(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey4>> {
        let entry = maps::CACHE_V4.get_ptr(set * CACHE_WAYS + way)?;
        // SAFETY: `LiveCached` has the layout of the entry. Only this CPU uses this shard, and all access
        // goes through cells.
        Some(unsafe { &*entry.cast() })
    }

    #[inline(always)]
    fn cached6(&self, set: u32, way: u32) -> Option<&LiveCached<FlowKey6>> {
        let entry = maps::CACHE_V6.get_ptr(set * CACHE_WAYS + way)?;
        // SAFETY: see `cached4`; the entry is larger.
        Some(unsafe { &*entry.cast() })
    }

    #[inline(always)]
    fn tags4(&self, set: u32) -> Option<&LiveTags> {
        let tags = maps::CACHE_TAGS_V4.get_ptr(set / CACHE_TAGGED_SETS)?;
        // SAFETY: `LiveTags` has the layout of the entry, and all access goes through cells.
        Some(unsafe { &*tags.cast() })
    }

    #[inline(always)]
    fn tags6(&self, set: u32) -> Option<&LiveTags> {
        let tags = maps::CACHE_TAGS_V6.get_ptr(set / CACHE_TAGGED_SETS)?;
        // SAFETY: see `tags4`.
        Some(unsafe { &*tags.cast() })
    }

    #[inline(always)]
    fn admit4(&self, query: &FlowQuery<V4>) -> Admission {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        };
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        Admission(functions::vnp_admit_v4(unsafe {
            (*scratch).query4 = *query;
            &raw mut (*scratch).query4
        }))
    }

    #[inline(always)]
    fn admit6(&self, query: &FlowQuery<V6>) -> Admission {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        };
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        Admission(functions::vnp_admit_v6(unsafe {
            (*scratch).query6 = *query;
            &raw mut (*scratch).query6
        }))
    }

    #[inline(always)]
    fn choose4(&self, query: &FlowQuery<V4>, kept: NicId) -> Found {
        Found(functions::vnp_choose_v4(query, kept.0))
    }

    #[inline(always)]
    fn arrive4(&self, query: &mut FlowQuery<V4>) -> Found {
        Found(functions::vnp_arrive_v4(query))
    }

    #[inline(always)]
    fn readmit4(
        &self,
        _asked: &mut FlowQuery<V4>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        };
        // SAFETY: the scratch is this CPU's, and this program's until it returns; the query is still there.
        let query = unsafe { &raw mut (*scratch).query4 };
        if functions::vnp_turn_v4(query, id.0, flags, translated_by.0) == 0 {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        }
        Admission(functions::vnp_admit_v4(query))
    }

    #[inline(always)]
    fn choose6(&self, query: &FlowQuery<V6>, kept: NicId) -> Found {
        Found(functions::vnp_choose_v6(query, kept.0))
    }

    #[inline(always)]
    fn arrive6(&self, query: &mut FlowQuery<V6>) -> Found {
        Found(functions::vnp_arrive_v6(query))
    }

    #[inline(always)]
    fn readmit6(
        &self,
        _asked: &mut FlowQuery<V6>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        };
        // SAFETY: the scratch is this CPU's, and this program's until it returns; the query is still there.
        let query = unsafe { &raw mut (*scratch).query6 };
        if functions::vnp_turn_v6(query, id.0, flags, translated_by.0) == 0 {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        }
        Admission(functions::vnp_admit_v6(query))
    }

    #[inline(always)]
    fn floats4(&self, query: &FlowQuery<V4>) -> u32 {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return 0 };
        // SAFETY: the scratch is this CPU's, and this program's until it returns.
        functions::vnp_floats_v4(unsafe {
            (*scratch).query4 = *query;
            &raw const (*scratch).query4
        })
    }

    #[inline(always)]
    fn floats6(&self, query: &FlowQuery<V6>) -> u32 {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return 0 };
        // SAFETY: see `floats4`.
        functions::vnp_floats_v6(unsafe {
            (*scratch).query6 = *query;
            &raw const (*scratch).query6
        })
    }

    #[inline(always)]
    fn keep_fragment4(&self, _asked: &FlowQuery<V4>, id: u32) {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return };
        // SAFETY: the scratch is this CPU's, and this program's until it returns; the query is still there.
        functions::vnp_keep_fragment_v4(unsafe { &raw const (*scratch).query4 }, id);
    }

    #[inline(always)]
    fn keep_fragment6(&self, _asked: &FlowQuery<V6>, id: u32) {
        let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else { return };
        // SAFETY: see `keep_fragment4`.
        functions::vnp_keep_fragment_v6(unsafe { &raw const (*scratch).query6 }, id);
    }

    #[inline(always)]
    fn lookup6(&self, root: Entry, address: V6) -> Option<u32> {
        let [high, low] = address.halves();
        u32::try_from(functions::vnp_lookup_v6(root.bits(), high, low)).ok()
    }

    #[inline(always)]
    fn resolve6(&self, table: TableId, sender: NicId, destination: V6, flow: u32) -> Resolved {
        let [high, low] = destination.halves();
        Resolved(functions::vnp_resolve_v6(table.0, sender.0, high, low, flow))
    }

    #[inline(always)]
    fn classify4(&self, index: u32, query: &FlowQuery<V4>, case: Case) -> RuleEntry {
        RuleEntry::from_bits(functions::vnp_classify_v4(
            index,
            query,
            u32::from(case.inbound),
            case.kind,
        ))
    }

    #[inline(always)]
    fn classify6(&self, index: u32, query: &FlowQuery<V6>, case: Case) -> RuleEntry {
        RuleEntry::from_bits(functions::vnp_classify_v6(
            index,
            query,
            u32::from(case.inbound),
            case.kind,
        ))
    }

    #[inline(always)]
    fn meter_egress(&self, link: LinkId, packets: u64, bytes: u64) {
        if let Some(meter) = maps::METERS.get_ptr_mut(link.0) {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe {
                (*meter).egress_packets += packets;
                (*meter).egress_bytes += bytes;
            }
        }
    }

    #[inline(always)]
    fn meter_ingress(&self, link: LinkId, packets: u64, bytes: u64) {
        if let Some(meter) = maps::METERS.get_ptr_mut(link.0) {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe {
                (*meter).ingress_packets += packets;
                (*meter).ingress_bytes += bytes;
            }
        }
    }

    #[inline(always)]
    fn count_drop(&self, slot: u32, reason: DropReason, bytes: u32) -> u64 {
        let index = slot * DROP_REASONS_MAX + reason.number();
        let Some(counter) = maps::DROPS.get_ptr_mut(index) else { return 0 };
        // SAFETY: the pointer is into this CPU's value, which has one writer.
        unsafe {
            let before = (*counter).packets;
            (*counter).packets = before + 1;
            (*counter).bytes += u64::from(bytes);
            before
        }
    }

    #[inline(always)]
    fn report(&self, drop: impl Describe, flags: u16) {
        match stream::reserve() {
            Some(place) => {
                place.write(|event| {
                    event.time = helpers::coarse_time();
                    (event.frame_len, event.captured) = (0, 0);
                    drop.describe(event);
                });
            }
            None => capture::count_lost(flags),
        }
    }

    #[inline(always)]
    fn jiffies(&self) -> u64 {
        helpers::jiffies()
    }
}
