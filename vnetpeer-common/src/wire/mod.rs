//! Header layouts as they are on the wire.
//!
//! Every type has alignment 1, no padding, and is valid for any bytes ([`Wire`]), so reading one from
//! a packet is a copy and never judges the content. Judging is the parser's work
//! ([`crate::datapath`]). Multi-byte fields are [`U16`] and [`U32`], which convert from network order.

mod arp;
mod ethernet;
mod icmp;
mod ip;
mod transport;

use bytemuck::{Pod, Zeroable};

pub use arp::{ARP_REPLY, ARP_REQUEST, Arp};
pub use ethernet::{ETHERNET_LEN, Ethernet, ethertype};
pub use icmp::{Icmp, LinkLayerOption, NeighborMessage, icmp_type, icmpv6_type, ndp_option};
pub use ip::{Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, ROUTER_LINK_LOCAL, protocol};
pub use transport::{Ports, Tcp, Udp, Vxlan, tcp_flags};

/// A 16-bit integer in network byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct U16(u16);

impl U16 {
    /// From host order.
    #[inline(always)]
    pub const fn new(value: u16) -> Self {
        Self(value.to_be())
    }

    /// To host order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }
}

/// A 32-bit integer in network byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct U32(u32);

impl U32 {
    /// From host order.
    #[inline(always)]
    pub const fn new(value: u32) -> Self {
        Self(value.to_be())
    }

    /// To host order.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        u32::from_be(self.0)
    }
}

/// Bytes of a header, in the type that lengths of packets have.
#[inline(always)]
pub const fn len_of<T: Wire>() -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "no header comes near 4 GiB")]
    const fn narrow(len: usize) -> u32 {
        len as u32
    }
    narrow(size_of::<T>())
}

/// A type that may be laid over packet bytes at any offset.
pub trait Wire: Pod {
    /// Fails to compile for a type that needs alignment.
    const ALIGN_1: () = assert!(align_of::<Self>() == 1, "wire types have alignment 1");
}

impl Wire for u8 {}
impl Wire for U16 {}
impl Wire for U32 {}
impl<const N: usize> Wire for [u8; N] where [u8; N]: Pod {}
impl Wire for Arp {}
impl Wire for Ethernet {}
impl Wire for Icmp {}
impl Wire for LinkLayerOption {}
impl Wire for NeighborMessage {}
impl Wire for Ipv4 {}
impl Wire for Ipv6 {}
impl Wire for Ipv6Extension {}
impl Wire for Ipv6Fragment {}
impl Wire for Ports {}
impl Wire for Tcp {}
impl Wire for Udp {}
impl Wire for Vxlan {}
