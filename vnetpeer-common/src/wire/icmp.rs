//! ICMP (RFC 792), ICMPv6 (RFC 4443) and neighbour discovery (RFC 4861).

use bytemuck::{Pod, Zeroable};

use super::{U16, U32};
use crate::types::{V6, WireMac};

/// Types of ICMP.
pub mod icmp_type {
    /// Echo request.
    pub const ECHO: u8 = 8;
    /// Source quench.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp request.
    pub const TIMESTAMP: u8 = 13;
    /// Information request.
    pub const INFORMATION: u8 = 15;
    /// Address mask request.
    pub const ADDRESS_MASK: u8 = 17;
    /// Destination unreachable.
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Code of it: fragmentation needed (RFC 1191).
    pub const CODE_FRAGMENTATION_NEEDED: u8 = 4;
}

/// Types of ICMPv6.
pub mod icmpv6_type {
    /// Destination unreachable, the first of the errors.
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// Parameter problem, the last of the errors that are defined.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO: u8 = 128;
    /// Packet too big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
}

/// Types of neighbour discovery options.
pub mod ndp_option {
    /// Source link-layer address.
    pub const SOURCE_LINK_LAYER: u8 = 1;
    /// Target link-layer address.
    pub const TARGET_LINK_LAYER: u8 = 2;
}

/// The 8 bytes that every ICMP and ICMPv6 message starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Icmp {
    /// One of [`icmp_type`] or [`icmpv6_type`].
    pub kind: u8,
    /// Meaning depends on the type.
    pub code: u8,
    /// Checksum; for ICMPv6 with the pseudo-header.
    pub checksum: U16,
    /// Meaning depends on the type: MTU, identifier and sequence, flags.
    pub rest: U32,
}

/// A neighbour solicitation or advertisement without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct NeighborMessage {
    /// Type, code, checksum; `rest` holds the flags of an advertisement in its highest bits.
    pub icmp: Icmp,
    /// The address that is asked for.
    pub target: V6,
}

impl NeighborMessage {
    /// Flags of an advertisement: solicited and override.
    pub const SOLICITED_OVERRIDE: u32 = 0x6000_0000;
    /// Flag of an advertisement: the sender is a router.
    pub const ROUTER: u32 = 0x8000_0000;
}

/// A source or target link-layer address option for Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct LinkLayerOption {
    /// One of [`ndp_option`].
    pub kind: u8,
    /// In units of 8 bytes: 1.
    pub len: u8,
    /// The MAC address.
    pub mac: WireMac,
}

const _: () = assert!(size_of::<NeighborMessage>() == 24);
