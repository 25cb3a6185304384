//! VXLAN encapsulation (RFC 7348) over IPv4 or IPv6.
//!
//! The VNI is the target NIC's VNet. The inner MAC addresses name the two NICs
//! ([`Mac::overlay`]). The UDP source port is a hash of the inner flow, so that ECMP and RSS spread
//! it. The UDP checksum is zero, over IPv6 too (RFC 6935). The outer traffic class
//! is zero (the compatibility mode of RFC 6040), since decapsulation does not look at it.

use bytemuck::{Pod, Zeroable};

use super::{Address, Headers, Packet, Transmission, Verdict};
use crate::{
    abi::{VXLAN_PORT, Vtep, vtep_flags},
    reason::DropReason,
    types::{Mac, NicId, V4, VnetId},
    wire::{
        ETHERNET_LEN, Ethernet, Ipv4, Ipv6, Ports, U16, U32, Udp, Vxlan, Wire, ethertype, len_of,
        protocol,
    },
};

/// Bytes of the outer headers over IPv4, outer Ethernet included.
pub const OUTER_V4_LEN: usize = ETHERNET_LEN + Ipv4::LEN + size_of::<Udp>() + size_of::<Vxlan>();
/// Bytes of the outer headers over IPv6, outer Ethernet included.
pub const OUTER_V6_LEN: usize = ETHERNET_LEN + Ipv6::LEN + size_of::<Udp>() + size_of::<Vxlan>();

/// TTL of outer packets.
const OUTER_TTL: u8 = 64;
/// First of the source ports that RFC 7348 §5 recommends (49152 to 65535).
const SOURCE_PORT_BASE: u16 = 0xc000;

/// Address family of the underlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Of the underlay that leads to a host.
    #[inline(always)]
    pub(super) const fn of(vtep: &Vtep) -> Self {
        if vtep.flags & vtep_flags::IPV6 == 0 { Self::V4 } else { Self::V6 }
    }

    /// Bytes of the outer headers.
    #[inline(always)]
    pub const fn outer_len(self) -> usize {
        match self {
            Self::V4 => OUTER_V4_LEN,
            Self::V6 => OUTER_V6_LEN,
        }
    }
}

/// Outer headers over IPv4.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
pub(super) struct OuterV4 {
    pub(super) ethernet: Ethernet,
    pub(super) ip: Ipv4,
    pub(super) udp: Udp,
    pub(super) vxlan: Vxlan,
}

/// Outer headers over IPv6.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
pub(super) struct OuterV6 {
    pub(super) ethernet: Ethernet,
    pub(super) ip: Ipv6,
    pub(super) udp: Udp,
    pub(super) vxlan: Vxlan,
}

/// Outer headers over IPv4 and the Ethernet header behind them, compared with the frame's end once.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
struct FrontV4 {
    outer: OuterV4,
    inner: Ethernet,
}

/// The same over IPv6.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
struct FrontV6 {
    outer: OuterV6,
    inner: Ethernet,
}

impl Wire for OuterV4 {}
impl Wire for OuterV6 {}
impl Wire for FrontV4 {}
impl Wire for FrontV6 {}

const _: () = assert!(size_of::<OuterV4>() == OUTER_V4_LEN && size_of::<OuterV6>() == OUTER_V6_LEN);

/// From which NIC to which, in which network.
#[derive(Clone, Copy)]
pub(super) struct Overlay {
    pub(super) source: NicId,
    pub(super) target: NicId,
    pub(super) vnet: VnetId,
}

/// Puts the outer headers before the frame.
#[inline(always)]
pub(super) fn encap<P: Packet, A: Address>(
    p: &mut P,
    headers: &Headers<A>,
    overlay: Overlay,
    vtep: &Vtep,
) -> Result<Verdict, DropReason> {
    if vtep.flags & vtep_flags::IPV6 == 0 {
        push_v4(p, headers, overlay, vtep)?;
    } else {
        push_v6(p, headers, overlay, vtep)?;
    }
    Ok(Verdict::Transmit(Transmission { ifindex: vtep.ifindex, flags: vtep.flags }))
}

#[inline(always)]
fn push_v4<P: Packet, A: Address>(
    p: &mut P,
    headers: &Headers<A>,
    overlay: Overlay,
    vtep: &Vtep,
) -> Result<(), DropReason> {
    let hash = flow_hash(headers);
    p.push_outer(Family::V4).ok_or(DropReason::EncapFailed)?;
    let udp_len = udp_len(headers);
    let mut ip = Ipv4 {
        version_ihl: 0x45,
        tos: 0,
        total_len: U16::new(saturate(udp_len + len_of::<Ipv4>())),
        id: U16::new(0),
        fragment: U16::new(Ipv4::DONT_FRAGMENT),
        ttl: OUTER_TTL,
        protocol: protocol::UDP,
        checksum: U16::new(0),
        src: V4::new(vtep.local.low_octets()),
        dst: V4::new(vtep.remote.low_octets()),
    };
    ip.checksum = U16::new(ip.header_checksum());
    let front = p.get_mut::<FrontV4>(0).ok_or(DropReason::EncapFailed)?;
    front.inner = inner_ethernet::<A>(overlay);
    front.outer = OuterV4 {
        ethernet: outer_ethernet(vtep, ethertype::IPV4),
        ip,
        udp: udp(hash, udp_len),
        vxlan: Vxlan::new(overlay.vnet.0),
    };
    Ok(())
}

#[inline(always)]
fn push_v6<P: Packet, A: Address>(
    p: &mut P,
    headers: &Headers<A>,
    overlay: Overlay,
    vtep: &Vtep,
) -> Result<(), DropReason> {
    let hash = flow_hash(headers);
    p.push_outer(Family::V6).ok_or(DropReason::EncapFailed)?;
    let udp_len = udp_len(headers);
    let front = p.get_mut::<FrontV6>(0).ok_or(DropReason::EncapFailed)?;
    front.inner = inner_ethernet::<A>(overlay);
    front.outer = OuterV6 {
        ethernet: outer_ethernet(vtep, ethertype::IPV6),
        ip: Ipv6 {
            version_class_flow: U32::new(0x6000_0000 | (hash & 0x000f_ffff)),
            payload_len: U16::new(saturate(udp_len)),
            next_header: protocol::UDP,
            hop_limit: OUTER_TTL,
            src: vtep.local.to_v6(),
            dst: vtep.remote.to_v6(),
        },
        udp: udp(hash, udp_len),
        vxlan: Vxlan::new(overlay.vnet.0),
    };
    Ok(())
}

#[inline(always)]
fn inner_ethernet<A: Address>(overlay: Overlay) -> Ethernet {
    Ethernet {
        dst: Mac::overlay(overlay.target).into(),
        src: Mac::overlay(overlay.source).into(),
        ethertype: U16::new(A::ETHERTYPE),
    }
}

#[inline(always)]
fn outer_ethernet(vtep: &Vtep, ethertype: u16) -> Ethernet {
    Ethernet { dst: vtep.dst_mac.into(), src: vtep.src_mac.into(), ethertype: U16::new(ethertype) }
}

/// Bytes of the UDP datagram that carries the packet.
#[inline(always)]
const fn udp_len<A>(headers: &Headers<A>) -> u32 {
    headers.len + len_of::<Udp>() + len_of::<Vxlan>() + len_of::<Ethernet>()
}

/// A length field. Only a super-frame can be too long for it, and the kernel rewrites the field of
/// each segment.
#[inline(always)]
fn saturate(len: u32) -> u16 {
    len.min(0xffff) as u16
}

#[inline(always)]
fn udp(hash: u32, len: u32) -> Udp {
    Udp {
        ports: Ports {
            src: U16::new(SOURCE_PORT_BASE | ((hash >> 16) & 0x3fff) as u16),
            dst: U16::new(VXLAN_PORT),
        },
        len: U16::new(saturate(len)),
        checksum: U16::new(0),
    }
}

/// A hash of addresses, ports and protocol. Fragments of one packet must take one path, so only what
/// all of them carry counts there.
#[inline(always)]
fn flow_hash<A: Address>(headers: &Headers<A>) -> u32 {
    let addresses = headers.src.hash() ^ headers.dst.hash().rotate_left(13);
    let ports = if headers.fragment == 0 {
        (u32::from(headers.src_port) << 16) | u32::from(headers.dst_port)
    } else {
        0
    };
    let mixed = (addresses ^ ports ^ u32::from(headers.protocol)).wrapping_mul(0x9e37_79b1);
    mixed ^ (mixed >> 15)
}
