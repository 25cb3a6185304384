//! Layout of every BPF map: one Rust definition for the kernel programs and for user space.
//!
//! All types are `#[repr(C)]` and derive [`bytemuck::Pod`], so padding, `bool` and enums do not
//! compile. Integers are in host order unless a field says otherwise; addresses are in wire order.
//! A change of any layout raises [`ABI_VERSION`], which is part of the pin path.

mod balancer;
mod counters;
mod event;
mod flow;
mod host;
mod network;
mod policy;
mod trie;

pub use balancer::{Balancer, FrontendKey, balancer_flags, distribution};
pub use counters::{DropCounter, Meter};
pub use event::{Event, SNAP_MAX, StreamEnds, Watch, event_flags, stage};
pub use flow::{
    Action, CACHE_TAGGED_SETS, CACHE_WAYS, CLOSING_SECONDS, CacheTags, Cached4, Cached6,
    FRAGMENT_BUCKETS, Flow, FlowKey4, FlowKey6, FlowPhase, FlowsEnded, FlowsOpened, FragmentKey,
    Fragmented, HALF_OPEN_SECONDS, ICMP_SECONDS, action_flags, has_ended, nic_protocol,
};
pub use host::{AddressKey, Config, Vtep, vtep_flags};
pub use network::{
    Link, NextHop, Nic, RelationKey, Roots, Vnet, group_member, link_flags, member_of_group,
    next_hop_kind, nic_flags, vnet_flags,
};
pub use policy::{
    Classifier, Filter, KINDS, ROW_WORDS, RULES_MAX, Row, RuleEntry, STAGES, address_class,
    filter_flags, kind_index, protocol_class,
};
pub use trie::{Entry, Node4, Node6, TRIE_FANOUT};

/// Version of everything in this module.
pub const ABI_VERSION: u32 = 4;

/// Drop reasons that fit in one slot of [`maps::DROPS`].
pub const DROP_REASONS_MAX: u32 = 64;

/// UDP port of VXLAN (RFC 7348 §8).
pub const VXLAN_PORT: u16 = 4789;

/// Names of the maps, at most 15 bytes each (the kernel keeps no more).
pub mod maps {
    /// Array, interface index → [`crate::types::NicId`] of the workload behind it.
    pub const IFACES: &str = "IFACES";
    /// Array, [`crate::types::NicId`] → [`super::Nic`], local and remote NICs.
    pub const NICS: &str = "NICS";
    /// Array, [`crate::types::VnetId`] → [`super::Vnet`].
    pub const VNETS: &str = "VNETS";
    /// Array, [`crate::types::TableId`] → [`super::Roots`] of effective routes.
    pub const ROUTES: &str = "ROUTES";
    /// Array, node index → [`super::Node4`]; node 0 is never used.
    pub const TRIE_V4: &str = "TRIE_V4";
    /// Array, node index → [`super::Node6`]; node 0 is never used.
    pub const TRIE_V6: &str = "TRIE_V6";
    /// Array, [`crate::types::NextHopId`] → [`super::NextHop`].
    pub const NEXT_HOPS: &str = "NEXT_HOPS";
    /// Array, [`crate::types::LinkId`] → [`super::Link`].
    pub const LINKS: &str = "LINKS";
    /// Hash, [`super::RelationKey`] → [`crate::types::LinkId`] of the receiving side.
    pub const RELATIONS: &str = "RELATIONS";
    /// Array, [`crate::types::VtepId`] → [`super::Vtep`].
    pub const VTEPS: &str = "VTEPS";
    /// Hash, [`crate::types::Addr`] → [`crate::types::VtepId`].
    pub const VTEP_ADDRS: &str = "VTEP_ADDRS";
    /// Hash, [`super::FrontendKey`] → [`crate::types::BalancerId`].
    pub const FRONTENDS: &str = "FRONTENDS";
    /// Array, [`crate::types::BalancerId`] → [`super::Balancer`].
    pub const BALANCERS: &str = "BALANCERS";
    /// Array, [`crate::types::BalancerId`] → `u64`: connections that this host's NICs opened by the rule.
    pub const TURNS: &str = "TURNS";
    /// Hash, [`super::AddressKey`] → 1: addresses of a NIC beyond the first of each family.
    pub const NIC_ADDRS: &str = "NIC_ADDRS";
    /// Array of one [`super::Config`].
    pub const CONFIG: &str = "CONFIG";
    /// Per-CPU array, [`crate::types::LinkId`] → [`super::Meter`].
    pub const METERS: &str = "METERS";
    /// Per-CPU array, `slot * DROP_REASONS_MAX + reason` → [`super::DropCounter`].
    pub const DROPS: &str = "DROPS";
    /// Ring buffer of [`super::Event`], each with the bytes of its frame that were wanted: of packets that somebody
    /// watches at other stages than drops, or with their bytes.
    pub const EVENTS: &str = "EVENTS";
    /// Array that user space maps, `CPU * capacity::STREAM + number % capacity::STREAM` → [`super::Event`]: drops
    /// without their bytes.
    pub const STREAM: &str = "STREAM";
    /// Array that user space maps, CPU → [`super::StreamEnds`] of its part of [`STREAM`].
    pub const STREAM_ENDS: &str = "STREAM_ENDS";
    /// Array, [`super::Nic::slot`] → [`super::Filter`].
    pub const FILTERS: &str = "FILTERS";
    /// Array, [`crate::types::PolicyId`] → index of its [`super::Classifier`] in force; 0: none, and
    /// everything is denied.
    pub const POLICIES: &str = "POLICIES";
    /// Array, index → [`super::Classifier`]; index 0 is never used.
    pub const CLASSIFIERS: &str = "CLASSIFIERS";
    /// Array, index → [`super::Row`]; index 0 is never used and matches nothing.
    pub const ROWS: &str = "ROWS";
    /// Per-CPU array, [`crate::types::RuleId`] → `u64`: flows that the rule decided.
    pub const RULE_HITS: &str = "RULE_HITS";
    /// Hash, [`super::FlowKey4`] → [`super::Flow`].
    pub const FLOWS_V4: &str = "FLOWS_V4";
    /// Hash, [`super::FlowKey6`] → [`super::Flow`].
    pub const FLOWS_V6: &str = "FLOWS_V6";
    /// Array, [`super::Nic::slot`] → [`super::FlowsOpened`].
    pub const FLOWS_OPENED: &str = "FLOWS_OPENED";
    /// Array, [`super::Nic::slot`] → [`super::FlowsEnded`].
    pub const FLOWS_ENDED: &str = "FLOWS_ENDED";
    /// Array, `(CPU * sets + set) * ` [`super::CACHE_WAYS`]` + way` → [`super::Cached4`].
    pub const CACHE_V4: &str = "CACHE_V4";
    /// Array, likewise → [`super::Cached6`].
    pub const CACHE_V6: &str = "CACHE_V6";
    /// Array, `(CPU * sets + set) / ` [`super::CACHE_TAGGED_SETS`] → [`super::CacheTags`] of [`CACHE_V4`].
    pub const CACHE_TAGS_V4: &str = "CACHE_TAGS_V4";
    /// Array, likewise, of [`CACHE_V6`].
    pub const CACHE_TAGS_V6: &str = "CACHE_TAGS_V6";
    /// Hash, [`super::FragmentKey`] → [`super::Fragmented`].
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// Program array of the TC programs behind the one on a workload's interface, by
    /// [`super::next_program`].
    pub const NEXT_TC: &str = "NEXT_TC";
    /// Likewise of the XDP programs.
    pub const NEXT_XDP: &str = "NEXT_XDP";
    /// Per-CPU array of one: keys, values and questions on their way to the kernel and to functions. It
    /// holds nothing.
    pub const SCRATCH: &str = "SCRATCH";
    /// Array of one `u64`: jiffies when program `vnp_clock` last ran.
    pub const CLOCK: &str = "CLOCK";
    /// Per-CPU array of two `u64`: events that found no room, sampled ones and ones that somebody watches.
    pub const EVENTS_LOST: &str = "EVENTS_LOST";
    /// Array of one [`super::Watch`].
    pub const WATCH: &str = "WATCH";
    /// Per-CPU array of one: an event with bytes of its frame on its way to the ring. It holds nothing.
    pub const CAPTURED: &str = "CAPTURED";
}

/// Indices of [`maps::NEXT_TC`] and [`maps::NEXT_XDP`].
pub mod next_program {
    /// Everything but IPv6.
    pub const OTHER: u32 = 0;
    /// IPv6.
    pub const IPV6: u32 = 1;
}

/// Default capacities; the loader may raise them before the maps are created.
pub mod capacity {
    /// Highest interface index plus one.
    pub const IFACES: u32 = 65_536;
    /// Highest NIC id plus one: 10,000 VNets of ten NICs, or two regions of a subscription that are full.
    pub const NICS: u32 = 131_072;
    /// Highest VNet id plus one.
    pub const VNETS: u32 = 16_384;
    /// Highest route table id plus one: 10,000 VNets with a table each besides their own.
    pub const ROUTES: u32 = 32_768;
    /// IPv4 trie nodes, 1 KiB each.
    pub const TRIE_V4: u32 = 32_768;
    /// IPv6 trie nodes, 1,072 bytes each.
    pub const TRIE_V6: u32 = 8_192;
    /// Distinct next hops.
    pub const NEXT_HOPS: u32 = 65_536;
    /// Highest link id plus one.
    pub const LINKS: u32 = 65_536;
    /// Pairs of peered VNets, counted once per direction.
    pub const RELATIONS: u32 = 65_536;
    /// Highest VTEP id plus one.
    pub const VTEPS: u32 = 4_096;
    /// NIC addresses beyond the first of each family.
    pub const NIC_ADDRS: u32 = 65_536;
    /// Highest load balancing rule's id plus one, and ports of frontends.
    pub const BALANCERS: u32 = 16_384;
    /// NICs of this host that have drop counters of their own; slot 0 is the host itself.
    pub const DROP_SLOTS: u32 = 1_024;
    /// Highest policy id plus one: twice the security groups that local NICs use.
    pub const POLICIES: u32 = 4_096;
    /// Compiled policies in force and being replaced.
    pub const CLASSIFIERS: u32 = 2_048;
    /// Distinct bit vectors.
    pub const ROWS: u32 = 65_536;
    /// Highest rule id plus one.
    pub const RULES: u32 = 131_072;
    /// IPv4 flows of all NICs.
    pub const FLOWS_V4: u32 = 262_144;
    /// IPv6 flows of all NICs.
    pub const FLOWS_V6: u32 = 131_072;
    /// Sets of the IPv4 flow cache per CPU, a power of two.
    pub const CACHE_SETS_V4: u32 = 65_536;
    /// Sets of the IPv6 flow cache per CPU, a power of two.
    pub const CACHE_SETS_V6: u32 = 32_768;
    /// Fragmented packets on their way.
    pub const FRAGMENTS: u32 = 65_536;
    /// Events of one CPU in the stream, a power of two.
    pub const STREAM: u32 = 16_384;
    /// Bytes of the event ring, a power of two and a multiple of the page size.
    pub const EVENTS: u32 = 4 * 1024 * 1024;
}
