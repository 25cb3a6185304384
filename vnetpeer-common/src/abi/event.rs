//! What programs tell of single packets, and which of them somebody wants to hear of.

use bytemuck::{Pod, Zeroable};

use crate::types::{Addr, LinkId, NicId, RuleId};

/// Bits of [`Event::stages`] and [`Watch::stages`]: where a packet is on its way.
pub mod stage {
    /// The packet was dropped.
    pub const DROPPED: u32 = 1;
    /// It opened a flow.
    pub const OPENED: u32 = 1 << 1;
    /// It came from its NIC.
    pub const SENT: u32 = 1 << 2;
    /// Routes and the sender's policies let it pass.
    pub const ROUTED: u32 = 1 << 3;
    /// It leaves over the underlay, encapsulated.
    pub const ENCAPSULATED: u32 = 1 << 4;
    /// It is handed to its NIC.
    pub const DELIVERED: u32 = 1 << 5;
    /// Those at which every packet of a flow is looked at. While one of them is watched, nothing is put into
    /// the flow cache.
    pub const OF_EVERY_PACKET: u32 = SENT | ROUTED | ENCAPSULATED | DELIVERED;
}

/// Bits of [`Event::flags`].
pub mod event_flags {
    /// One of every so many drops.
    pub const SAMPLED: u16 = 1;
    /// Somebody watches.
    pub const WATCHED: u16 = 1 << 1;
}

/// A packet at one stage. The first bytes of its frame may follow. Programs build it where merged stores must
/// stay aligned: hence the order of the two NICs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds of the kernel's monotonic clock; of a sampled or streamed event those of the last tick.
    pub time: u64,
    /// The NIC at whose side of the path the packet is; none if unknown.
    pub nic: NicId,
    /// The NIC that sent the packet; none if unknown.
    pub source_nic: NicId,
    /// Number of the [`crate::reason::DropReason`]; 0 if the packet was not dropped.
    pub reason: u32,
    /// The link that decided; none if no link was involved.
    pub link: LinkId,
    /// Bytes of the IP packet, 0 if not parsed.
    pub len: u32,
    /// IP protocol number, 0 if not parsed.
    pub protocol: u8,
    /// Bits of [`stage`].
    pub stages: u8,
    /// Source port of TCP or UDP, else 0.
    pub src_port: u16,
    /// Destination port of TCP or UDP, else 0.
    pub dst_port: u16,
    /// Bits of [`event_flags`].
    pub flags: u16,
    /// The security rule that denied; none if no rule did.
    pub rule: RuleId,
    /// Source address, zeros if not parsed.
    pub src: Addr,
    /// Destination address, zeros if not parsed.
    pub dst: Addr,
    /// Bytes of the frame.
    pub frame_len: u32,
    /// How many of them follow.
    pub captured: u32,
}

/// How far one CPU's part of the stream of events is written and read. Each end has a cache line of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct StreamEnds {
    /// Events that were written since the map was made; the next one is this number modulo the room.
    pub written: u64,
    /// Zero.
    pub reserved1: [u64; 7],
    /// Events that were read, of those.
    pub read: u64,
    /// Zero.
    pub reserved2: [u64; 7],
}

/// Bytes of a frame that an event can carry.
pub const SNAP_MAX: u32 = 2_048;

/// Which packets somebody wants to hear of: those that all conditions fit. Zeros everywhere: of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Watch {
    /// Bits of [`stage`].
    pub stages: u32,
    /// 1 if addresses, ports or the protocol count.
    pub by_packet: u32,
    /// One bit for each [`crate::reason::DropReason`], by its number; bit 0 is for packets that are not dropped.
    pub reasons: u64,
    /// The NIC at whose side the packet is, or that sent it; none: any.
    pub nic: NicId,
    /// The virtual network of one of them; none: any.
    pub vnet: crate::types::VnetId,
    /// The link that decided, or the other side's; none: any.
    pub link: LinkId,
    /// The other side's.
    pub reverse: LinkId,
    /// The protocol in the lower 8 bits, and which of them count in the next 8.
    pub protocol: u32,
    /// Source or destination port; 0: any.
    pub port: u32,
    /// Source or destination address, as far as the mask reaches, in wire order.
    pub address: Addr,
    /// Which bits of the address count.
    pub mask: Addr,
    /// Bytes of the frame that are wanted, up to [`SNAP_MAX`].
    pub snap: u32,
    /// Zero.
    pub reserved: u32,
}
