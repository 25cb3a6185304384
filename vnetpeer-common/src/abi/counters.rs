//! Meters, drop counters and drop events.

use bytemuck::{Pod, Zeroable};

use crate::types::{Addr, LinkId, NicId, RuleId};

/// Traffic of one link. Bytes are inner layer-3 bytes as on the wire after segmentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Meter {
    /// Packets that left the VNet over the link.
    pub egress_packets: u64,
    /// Bytes that left the VNet over the link.
    pub egress_bytes: u64,
    /// Packets that entered the VNet over the link.
    pub ingress_packets: u64,
    /// Bytes that entered the VNet over the link.
    pub ingress_bytes: u64,
}

/// Packets dropped for one reason at one NIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct DropCounter {
    /// Frames (a super-frame counts once).
    pub packets: u64,
    /// Bytes of their IP packets; a frame that was dropped before its IP header was read counts 0.
    pub bytes: u64,
}

/// A sampled drop. Programs build it on their stack, where merged stores must stay aligned: hence the
/// order of the two NICs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct DropEvent {
    /// Kernel jiffies at the drop.
    pub jiffies: u64,
    /// The NIC at whose side of the path the drop happened; none if unknown.
    pub nic: NicId,
    /// The NIC that sent the packet; none if unknown.
    pub source_nic: NicId,
    /// Number of the [`crate::reason::DropReason`].
    pub reason: u32,
    /// The link that decided; none if no link was involved.
    pub link: LinkId,
    /// Bytes of the IP packet, 0 if not parsed.
    pub len: u32,
    /// IP protocol number, 0 if not parsed.
    pub protocol: u8,
    /// Zero.
    pub reserved: u8,
    /// Source port of TCP or UDP, else 0.
    pub src_port: u16,
    /// Destination port of TCP or UDP, else 0.
    pub dst_port: u16,
    /// Zero.
    pub reserved2: u16,
    /// The security rule that denied; none if no rule did.
    pub rule: RuleId,
    /// Source address, zeros if not parsed.
    pub src: Addr,
    /// Destination address, zeros if not parsed.
    pub dst: Addr,
}
