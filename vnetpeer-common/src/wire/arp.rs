//! ARP for Ethernet and IPv4 (RFC 826).

use bytemuck::{Pod, Zeroable};

use super::U16;
use crate::types::{V4, WireMac};

/// Operation: request.
pub const ARP_REQUEST: u16 = 1;
/// Operation: reply.
pub const ARP_REPLY: u16 = 2;

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Arp {
    /// 1 for Ethernet.
    pub hardware: U16,
    /// 0x0800 for IPv4.
    pub protocol: U16,
    /// 6.
    pub hardware_len: u8,
    /// 4.
    pub protocol_len: u8,
    /// [`ARP_REQUEST`] or [`ARP_REPLY`].
    pub operation: U16,
    /// Sender's MAC.
    pub sender_mac: WireMac,
    /// Sender's address; zeros in a probe (RFC 5227).
    pub sender: V4,
    /// Target's MAC, ignored in a request.
    pub target_mac: WireMac,
    /// Target's address.
    pub target: V4,
}

const _: () = assert!(size_of::<Arp>() == 28);
