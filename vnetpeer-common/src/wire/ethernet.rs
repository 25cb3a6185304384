//! Ethernet II (IEEE 802.3).

use bytemuck::{Pod, Zeroable};

use super::U16;
use crate::types::WireMac;

/// Bytes of an Ethernet header without VLAN tag.
pub const ETHERNET_LEN: usize = 14;

/// Values of [`Ethernet::ethertype`].
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP (RFC 826).
    pub const ARP: u16 = 0x0806;
    /// IEEE 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad tag.
    pub const QINQ: u16 = 0x88a8;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ethernet {
    /// Destination.
    pub dst: WireMac,
    /// Source.
    pub src: WireMac,
    /// One of [`ethertype`].
    pub ethertype: U16,
}

const _: () = assert!(size_of::<Ethernet>() == ETHERNET_LEN);
