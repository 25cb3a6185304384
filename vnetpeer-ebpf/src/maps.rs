//! All maps. The loader may raise capacities before they are created, never the layouts.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, HashMap, PerCpuArray, ProgramArray, RingBuf},
};
use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, CACHE_TAGGED_SETS, CACHE_WAYS, CacheTags, Cached4, Cached6,
        Classifier, Config, DROP_REASONS_MAX, DropCounter, Event, Filter, Flow, FlowKey4, FlowKey6,
        FlowsEnded, FlowsOpened, FragmentKey, Fragmented, FrontendKey, Link, Meter, NextHop, Nic,
        Node4, Node6, RelationKey, Roots, Row, SNAP_MAX, StreamEnds, Vnet, Vtep, Watch, capacity,
    },
    datapath::FlowQuery,
    types::{Addr, BalancerId, LinkId, NicId, V4, V6, VtepId},
};

#[map]
pub(crate) static IFACES: Array<NicId> = Array::with_max_entries(capacity::IFACES, 0);
#[map]
pub(crate) static NICS: Array<Nic> = Array::with_max_entries(capacity::NICS, 0);
#[map]
pub(crate) static VNETS: Array<Vnet> = Array::with_max_entries(capacity::VNETS, 0);
#[map]
pub(crate) static ROUTES: Array<Roots> = Array::with_max_entries(capacity::ROUTES, 0);
#[map]
pub(crate) static TRIE_V4: Array<Node4> = Array::with_max_entries(capacity::TRIE_V4, 0);
#[map]
pub(crate) static TRIE_V6: Array<Node6> = Array::with_max_entries(capacity::TRIE_V6, 0);
#[map]
pub(crate) static NEXT_HOPS: Array<NextHop> = Array::with_max_entries(capacity::NEXT_HOPS, 0);
#[map]
pub(crate) static LINKS: Array<Link> = Array::with_max_entries(capacity::LINKS, 0);
#[map]
pub(crate) static RELATIONS: HashMap<RelationKey, LinkId> =
    HashMap::with_max_entries(capacity::RELATIONS, 0);
#[map]
pub(crate) static FRONTENDS: HashMap<FrontendKey, BalancerId> =
    HashMap::with_max_entries(capacity::BALANCERS, 0);
#[map]
pub(crate) static BALANCERS: Array<Balancer> = Array::with_max_entries(capacity::BALANCERS, 0);
#[map]
pub(crate) static TURNS: Array<u64> = Array::with_max_entries(capacity::BALANCERS, 0);
#[map]
pub(crate) static VTEPS: Array<Vtep> = Array::with_max_entries(capacity::VTEPS, 0);
#[map]
pub(crate) static VTEP_ADDRS: HashMap<Addr, VtepId> = HashMap::with_max_entries(capacity::VTEPS, 0);
#[map]
pub(crate) static NIC_ADDRS: HashMap<AddressKey, u32> =
    HashMap::with_max_entries(capacity::NIC_ADDRS, 0);
#[map]
pub(crate) static CONFIG: Array<Config> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static METERS: PerCpuArray<Meter> = PerCpuArray::with_max_entries(capacity::LINKS, 0);
#[map]
pub(crate) static DROPS: PerCpuArray<DropCounter> =
    PerCpuArray::with_max_entries(capacity::DROP_SLOTS * DROP_REASONS_MAX, 0);
#[map]
pub(crate) static FILTERS: Array<Filter> = Array::with_max_entries(capacity::DROP_SLOTS, 0);
#[map]
pub(crate) static POLICIES: Array<u32> = Array::with_max_entries(capacity::POLICIES, 0);
#[map]
pub(crate) static CLASSIFIERS: Array<Classifier> =
    Array::with_max_entries(capacity::CLASSIFIERS, 0);
#[map]
pub(crate) static ROWS: Array<Row> = Array::with_max_entries(capacity::ROWS, 0);
#[map]
pub(crate) static RULE_HITS: PerCpuArray<u64> = PerCpuArray::with_max_entries(capacity::RULES, 0);
#[map]
pub(crate) static FLOWS_V4: HashMap<FlowKey4, Flow> =
    HashMap::with_max_entries(capacity::FLOWS_V4, 0);
#[map]
pub(crate) static FLOWS_V6: HashMap<FlowKey6, Flow> =
    HashMap::with_max_entries(capacity::FLOWS_V6, 0);
#[map]
pub(crate) static FLOWS_OPENED: Array<FlowsOpened> =
    Array::with_max_entries(capacity::DROP_SLOTS, 0);
#[map]
pub(crate) static FLOWS_ENDED: Array<FlowsEnded> = Array::with_max_entries(capacity::DROP_SLOTS, 0);
// One shard: the loader makes one for each CPU.
#[map]
pub(crate) static CACHE_V4: Array<Cached4> =
    Array::with_max_entries(capacity::CACHE_SETS_V4 * CACHE_WAYS, 0);
#[map]
pub(crate) static CACHE_V6: Array<Cached6> =
    Array::with_max_entries(capacity::CACHE_SETS_V6 * CACHE_WAYS, 0);
#[map]
pub(crate) static CACHE_TAGS_V4: Array<CacheTags> =
    Array::with_max_entries(capacity::CACHE_SETS_V4 / CACHE_TAGGED_SETS, 0);
#[map]
pub(crate) static CACHE_TAGS_V6: Array<CacheTags> =
    Array::with_max_entries(capacity::CACHE_SETS_V6 / CACHE_TAGGED_SETS, 0);
#[map]
pub(crate) static FRAGMENTS: HashMap<FragmentKey, Fragmented> =
    HashMap::with_max_entries(capacity::FRAGMENTS, BPF_F_NO_PREALLOC);
/// Keys and values of hash maps on their way to the kernel, and questions on their way to functions,
/// all of which are taken by pointer: the stack has no room for them.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Scratch {
    pub(crate) key4: FlowKey4,
    pub(crate) key6: FlowKey6,
    pub(crate) flow: Flow,
    pub(crate) query4: FlowQuery<V4>,
    pub(crate) query6: FlowQuery<V6>,
}

#[map]
pub(crate) static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static NEXT_TC: ProgramArray = ProgramArray::with_max_entries(2, 0);
#[map]
pub(crate) static NEXT_XDP: ProgramArray = ProgramArray::with_max_entries(2, 0);
#[map]
pub(crate) static CLOCK: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(capacity::EVENTS, 0);
// One CPU's: the loader makes one for each.
#[map]
pub(crate) static STREAM: Array<Event> = Array::with_max_entries(capacity::STREAM, BPF_F_MMAPABLE);
#[map]
pub(crate) static STREAM_ENDS: Array<StreamEnds> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(crate) static EVENTS_LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(2, 0);
#[map]
pub(crate) static WATCH: Array<Watch> = Array::with_max_entries(1, 0);

/// Room for what a mask of the length allows.
const CAPTURED_LEN: usize = 2 * SNAP_MAX as usize;

/// An event with bytes of its frame on its way to the ring.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Capture {
    pub(crate) event: Event,
    pub(crate) bytes: [u8; CAPTURED_LEN],
}

#[map]
pub(crate) static CAPTURED: PerCpuArray<Capture> = PerCpuArray::with_max_entries(1, 0);
