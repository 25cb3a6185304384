//! IPv4 (RFC 791) and IPv6 (RFC 8200).

use bytemuck::{Pod, Zeroable};

use super::{U16, U32};
use crate::{
    checksum,
    types::{V4, V6},
};

/// IP protocol numbers.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// IPv6 in IP (RFC 4213).
    pub const IPV6: u8 = 41;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating security payload.
    pub const ESP: u8 = 50;
    /// Authentication header.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NO_NEXT_HEADER: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// The virtual router's link-local address, the one that Azure announces: `fe80::1234:5678:9abc`.
pub const ROUTER_LINK_LOCAL: V6 =
    V6::new([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]);

/// An IPv4 header without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ipv4 {
    /// Version (4) and header length in 32-bit words.
    pub version_ihl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Header and payload, in bytes.
    pub total_len: U16,
    /// Identification.
    pub id: U16,
    /// Flags and fragment offset in units of 8 bytes.
    pub fragment: U16,
    /// Time to live.
    pub ttl: u8,
    /// One of [`protocol`].
    pub protocol: u8,
    /// Header checksum (RFC 1071).
    pub checksum: U16,
    /// Source.
    pub src: V4,
    /// Destination.
    pub dst: V4,
}

impl Ipv4 {
    /// Bytes of the header without options.
    pub const LEN: usize = 20;
    /// Flag "don't fragment" in [`Ipv4::fragment`].
    pub const DONT_FRAGMENT: u16 = 0x4000;

    /// Header length in bytes as announced, options included.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        ((self.version_ihl & 0x0f) as usize) * 4
    }

    /// The checksum of the header, options not included, its checksum field counted as zero.
    #[inline(always)]
    pub const fn header_checksum(&self) -> u16 {
        let first = u16::from_be_bytes([self.version_ihl, self.tos]) as u32;
        let ttl = u16::from_be_bytes([self.ttl, self.protocol]) as u32;
        let lengths =
            self.total_len.get() as u32 + self.id.get() as u32 + self.fragment.get() as u32;
        checksum::finish(first + ttl + lengths + self.src.sum() + self.dst.sum())
    }

    /// Lowers the time to live by one, the checksum with it (RFC 1624), unless that would make it zero.
    #[inline(always)]
    pub const fn lower_ttl(&mut self) -> Option<()> {
        if self.ttl <= 1 {
            return None;
        }
        let old = (self.ttl as u32) << 8;
        self.ttl -= 1;
        self.checksum = U16::new(checksum::update(self.checksum.get(), old, old - 0x100));
        Some(())
    }

    /// Whether this is a fragment with an offset, which carries no transport header.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        self.fragment.get() & 0x1fff != 0
    }
}

/// An IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ipv6 {
    /// Version (6), traffic class and flow label.
    pub version_class_flow: U32,
    /// Bytes after this header.
    pub payload_len: U16,
    /// Protocol of what follows.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: V6,
    /// Destination.
    pub dst: V6,
}

impl Ipv6 {
    /// Bytes of the header.
    pub const LEN: usize = 40;

    /// Lowers the hop limit by one, unless that would make it zero.
    #[inline(always)]
    pub const fn lower_hop_limit(&mut self) -> Option<()> {
        if self.hop_limit <= 1 {
            return None;
        }
        self.hop_limit -= 1;
        Some(())
    }
}

/// The first 4 bytes that hop-by-hop, routing, destination-option, fragment and authentication
/// headers have in common. For a fragment header `data` holds offset and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ipv6Extension {
    /// Protocol of what follows.
    pub next_header: u8,
    /// Length: in 8-byte units beyond the first 8 bytes, but in 4-byte units minus 2 for AH
    /// (RFC 4302 §2.2) and reserved for a fragment header, which always has 8 bytes.
    pub len: u8,
    /// Depends on the header.
    pub data: U16,
}

/// An IPv6 fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ipv6Fragment {
    /// Protocol of what follows.
    pub next_header: u8,
    /// Zero.
    pub reserved: u8,
    /// Offset in units of 8 bytes in the upper 13 bits, "more fragments" in the lowest.
    pub offset: U16,
    /// Identification.
    pub id: U32,
}

const _: () = assert!(size_of::<Ipv4>() == Ipv4::LEN);
const _: () = assert!(size_of::<Ipv6>() == Ipv6::LEN);
