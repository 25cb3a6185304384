//! Flows: the authoritative table, and the cache of composed actions in front of it.
//!
//! A flow is seen from one local NIC: *local* is the NIC's side and *remote* the other, so that both
//! directions have one key. Two NICs of one host that talk to each other have a flow each.

use bytemuck::{Pod, Zeroable};

use super::STAGES;
use crate::types::{Addr, BalancerId, LinkId, Mac, NicId, RuleId};

/// Seconds without a packet after which a flow without a reply ends.
pub const HALF_OPEN_SECONDS: u32 = 30;
/// Seconds without a packet after which a TCP connection ends that both sides closed or one reset.
pub const CLOSING_SECONDS: u32 = 60;
/// Seconds without a packet after which an exchange of ICMP messages ends.
pub const ICMP_SECONDS: u32 = 30;

/// Key of an IPv4 flow. Protocols without ports have zeros there; ICMP has the identifier in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct FlowKey4 {
    /// Address on the NIC's side, in wire order.
    pub local: u32,
    /// The other address, in wire order.
    pub remote: u32,
    /// Port on the NIC's side in the upper half, the other in the lower.
    pub ports: u32,
    /// NIC in the upper 24 bits, IP protocol in the lower 8.
    pub nic_protocol: u32,
}

/// Key of an IPv6 flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FlowKey6 {
    /// Address on the NIC's side.
    pub local: Addr,
    /// The other address.
    pub remote: Addr,
    /// As in [`FlowKey4::ports`].
    pub ports: u32,
    /// As in [`FlowKey4::nic_protocol`].
    pub nic_protocol: u32,
}

/// The last three fields of both keys.
#[inline(always)]
pub const fn nic_protocol(nic: NicId, protocol: u8) -> u32 {
    (nic.0 << 8) | protocol as u32
}

/// The state of a flow. Only flows that were allowed are kept.
///
/// Fields that packets change are whole bytes or words which are only ever set by plain stores, so two
/// CPUs cannot lose each other's. Programs build it on their stack, where merged stores must stay
/// aligned: hence the order of the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Flow {
    /// Jiffies of the last packet, exact to a second.
    pub last_seen: u64,
    /// Jiffies of the first packet.
    pub opened: u64,
    /// The rules that allowed it, in the order of evaluation; none where no policy was asked.
    pub rules: [RuleId; STAGES],
    /// [`super::Filter::generation`] when it was last judged.
    pub generation: u32,
    /// 1 if the NIC received the first packet, 0 if it sent it.
    pub inbound: u8,
    /// IP protocol.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// 1 once a packet in the reply direction was seen.
    pub replied: u8,
    /// 1 once the side that opened the connection has closed it (TCP FIN).
    pub closed_by_opener: u8,
    /// 1 once the other side has closed it.
    pub closed_by_other: u8,
    /// 1 once either side has reset it (TCP RST).
    pub reset: u8,
    /// The backend that takes what the NIC sends to a frontend; none if the packets go to no frontend.
    pub backend: NicId,
    /// The load balancing rule by which the NIC, a backend, got the last packet of the other side; none if
    /// the packet was for the NIC itself.
    pub balancer: BalancerId,
}

/// What a flow is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowPhase {
    /// No reply was seen.
    HalfOpen,
    /// Both directions were seen.
    Established,
    /// A TCP connection that both sides closed or one reset.
    Closing,
}

impl FlowPhase {
    /// The phase that the marks of a [`Flow`] stand for.
    #[inline(always)]
    pub const fn of(replied: u8, closed_by_opener: u8, closed_by_other: u8, reset: u8) -> Self {
        if reset != 0 || (closed_by_opener != 0 && closed_by_other != 0) {
            Self::Closing
        } else if replied == 0 {
            Self::HalfOpen
        } else {
            Self::Established
        }
    }

    /// Seconds without a packet after which a flow ends; `idle` is [`super::Filter::idle_timeout`].
    #[inline(always)]
    pub const fn timeout(self, protocol: u8, idle: u32) -> u32 {
        const ICMP: u8 = 1;
        const ICMPV6: u8 = 58;
        match self {
            Self::HalfOpen => HALF_OPEN_SECONDS,
            Self::Closing => CLOSING_SECONDS,
            Self::Established if protocol == ICMP || protocol == ICMPV6 => ICMP_SECONDS,
            Self::Established => idle,
        }
    }
}

/// Whether a flow has ended at `now` that was last seen at `seen` (jiffies); `tick_rate` is jiffies per
/// second. Packets are noted a second late at most, so a flow ends up to a second after its time and
/// never before.
#[inline(always)]
pub const fn has_ended(seen: u64, now: u64, timeout: u32, tick_rate: u32) -> bool {
    now > seen && now - seen > (timeout as u64 + 1) * tick_rate as u64
}

impl Flow {
    /// Its phase.
    #[inline(always)]
    pub const fn phase(&self) -> FlowPhase {
        FlowPhase::of(self.replied, self.closed_by_opener, self.closed_by_other, self.reset)
    }

    /// Seconds without a packet after which it ends; `idle` is [`super::Filter::idle_timeout`].
    #[inline(always)]
    pub const fn timeout(&self, idle: u32) -> u32 {
        self.phase().timeout(self.protocol, idle)
    }

    /// Whether it has ended, see [`has_ended`].
    #[inline(always)]
    pub const fn has_ended(&self, now: u64, idle: u32, tick_rate: u32) -> bool {
        has_ended(self.last_seen, now, self.timeout(idle), tick_rate)
    }
}

/// Flows of one local NIC as the programs count them; only ever raised. The index is
/// [`super::Nic::slot`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FlowsOpened {
    /// Flows inserted.
    pub opened: u64,
    /// Flows of which the first reply was seen.
    pub replied: u64,
}

/// Flows of one local NIC that user space has removed; only user space writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FlowsEnded {
    /// Flows removed.
    pub ended: u64,
    /// Of these, flows that never saw a reply.
    pub half_open: u64,
}

/// Buckets of fragmented packets per NIC and direction.
pub const FRAGMENT_BUCKETS: u32 = 256;

/// Key of the fragment table. Buckets belong to one NIC and direction, so that nobody can displace
/// another NIC's fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct FragmentKey(pub u32);

impl FragmentKey {
    /// The bucket of a packet.
    #[inline(always)]
    pub const fn new(slot: u32, inbound: bool, hash: u32) -> Self {
        Self(((slot << 1 | inbound as u32) * FRAGMENT_BUCKETS) | (hash & (FRAGMENT_BUCKETS - 1)))
    }
}

/// A fragmented packet whose first fragment was allowed: what the others need to be judged as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Fragmented {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Jiffies of the first fragment.
    pub seen: u64,
    /// Identification.
    pub id: u32,
    /// Source port in the upper half, destination port in the lower.
    pub ports: u32,
    /// IP protocol.
    pub protocol: u32,
    /// Zero.
    pub reserved: u32,
}

/// Ways of a set of the flow cache.
pub const CACHE_WAYS: u32 = 2;

/// Bits of [`Action::flags`].
pub mod action_flags {
    /// The target is on another host.
    pub const REMOTE: u32 = 1;
    /// The hop limit is lowered: the packet goes from one appliance to another.
    pub const LOWER_HOP_LIMIT: u32 = 1 << 1;
}

/// What to do with every packet of a flow in one direction, computed once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Action {
    /// [`super::Nic::epoch`] of the local NIC whose key it is, when the action was computed.
    pub epoch: u32,
    /// The link that the packet leaves over, or enters over if it comes from another host.
    pub link: LinkId,
    /// Jiffies when it was computed. After a second the flow table must be asked again.
    pub computed: u64,
    /// The link that the packet enters over if both NICs are here.
    pub reverse: LinkId,
    /// The target NIC.
    pub target: NicId,
    /// The interface of a local target, or the [`crate::types::VtepId`] of a remote one.
    pub via: u32,
    /// [`super::nic_flags`] of a local target, the [`crate::types::VnetId`] of a remote one.
    pub detail: u32,
    /// The guest's MAC address of a local target.
    pub mac: Mac,
    /// Largest IP packet on the way, in bytes.
    pub mtu: u16,
    /// Bits of [`action_flags`].
    pub flags: u32,
    /// The NIC that a packet from another host comes from; none for what the NIC itself sends.
    pub source: NicId,
}

/// Sets of the flow cache whose tags are in one [`CacheTags`].
pub const CACHE_TAGGED_SETS: u32 = 4;

/// Tags of neighbouring sets of a flow cache. A set is looked at only if one of its tags is that of the packet's
/// hash, so most packets of flows that are not cached touch no entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C, align(8))]
pub struct CacheTags {
    /// For each set and way the upper 8 bits of the hash of its entry, the lowest of them set; 0 if there is
    /// no entry.
    pub sets: [[u8; CACHE_WAYS as usize]; CACHE_TAGGED_SETS as usize],
}

/// An entry of the IPv4 flow cache; all zeros if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Cached4 {
    /// The packet's flow from the NIC whose packet it is.
    pub key: FlowKey4,
    /// What to do with it.
    pub action: Action,
}

/// An entry of the IPv6 flow cache; all zeros if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Cached6 {
    /// The packet's flow from the NIC whose packet it is.
    pub key: FlowKey6,
    /// What to do with it.
    pub action: Action,
    /// Zero.
    pub reserved: [u64; 5],
}

const _: () = assert!(size_of::<FlowKey4>() == 16 && size_of::<FlowKey6>() == 40);
const _: () = assert!(size_of::<Cached4>() == 64, "an entry is one cache line");
const _: () = assert!(size_of::<Cached6>() == 128, "an entry is two cache lines");
