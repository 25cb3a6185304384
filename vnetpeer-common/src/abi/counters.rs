//! Meters and drop counters.

use bytemuck::{Pod, Zeroable};

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
