//! "Packet too big" towards the guest that sent it: ICMP "fragmentation needed" (RFC 792, RFC 1191)
//! and ICMPv6 "packet too big" (RFC 4443 §3.2), from the virtual router.
//!
//! The error quotes a fixed number of bytes: a packet that exceeds a path's MTU has them all. An IPv4
//! packet without "don't fragment" is answered too, since the virtual router does not fragment.

use bytemuck::{Pod, Zeroable};

use super::{Packet, deliver::to_guest};
use crate::{
    abi::Nic,
    checksum,
    types::{V4, V6},
    wire::{
        ETHERNET_LEN, Ethernet, Icmp, Ipv4, Ipv6, ROUTER_LINK_LOCAL, U16, U32, Wire, ethertype,
        icmp_type, icmpv6_type, protocol,
    },
};

/// Quoted bytes over IPv4: the largest header and 8 bytes of what follows.
const QUOTE_V4: usize = 68;
/// Quoted bytes over IPv6: the header, room for extension headers and the transport's first bytes.
const QUOTE_V6: usize = 128;
/// Length of the error's IPv4 packet.
const TOTAL_V4: u16 = 96;
/// Length of the error's ICMPv6 message.
const MESSAGE_V6: u16 = 136;
/// TTL and hop limit of the error.
const HOPS: u8 = 64;

/// The error's headers over IPv4, with the quote.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
struct ErrorV4 {
    ethernet: Ethernet,
    ip: Ipv4,
    icmp: Icmp,
}

/// The error's headers over IPv6.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, packed)]
struct ErrorV6 {
    ethernet: Ethernet,
    ip: Ipv6,
    icmp: Icmp,
}

const _: () = assert!(TOTAL_V4 as usize == Ipv4::LEN + size_of::<Icmp>() + QUOTE_V4);
const _: () = assert!(MESSAGE_V6 as usize == size_of::<Icmp>() + QUOTE_V6);

impl Wire for ErrorV4 {}
impl Wire for ErrorV6 {}

/// Turns the frame into the error that tells its sender `mtu`. `None` if it cannot be built; the
/// frame is then not fit to be sent.
#[inline(always)]
pub(super) fn too_big<P: Packet>(p: &mut P, nic: &Nic, mtu: u32) -> Option<()> {
    let ethernet = p.get::<Ethernet>(0)?;
    if ethernet.ethertype.get() == ethertype::IPV4 {
        too_big_v4(p, nic, p.get::<Ipv4>(ETHERNET_LEN)?.src, mtu)
    } else {
        too_big_v6(p, nic, p.get::<Ipv6>(ETHERNET_LEN)?.src, mtu)
    }
}

#[inline(always)]
fn too_big_v4<P: Packet>(p: &mut P, nic: &Nic, sender: V4, mtu: u32) -> Option<()> {
    let grow = Ipv4::LEN + size_of::<Icmp>();
    p.reshape(grow, ETHERNET_LEN + grow + QUOTE_V4)?;
    let quote = sum_words(p, ETHERNET_LEN + grow, QUOTE_V4 / size_of::<U32>())?;
    let mut icmp = Icmp {
        kind: icmp_type::DESTINATION_UNREACHABLE,
        code: icmp_type::CODE_FRAGMENTATION_NEEDED,
        checksum: U16::new(0),
        rest: U32::new(mtu & 0xffff),
    };
    icmp.checksum = U16::new(checksum::finish(icmp_sum(&icmp) + quote));
    let mut ip = Ipv4 {
        version_ihl: 0x45,
        tos: 0,
        total_len: U16::new(TOTAL_V4),
        id: U16::new(0),
        fragment: U16::new(Ipv4::DONT_FRAGMENT),
        ttl: HOPS,
        protocol: protocol::ICMP,
        checksum: U16::new(0),
        src: V4::new(nic.gateway_ipv4),
        dst: sender,
    };
    ip.checksum = U16::new(ip.header_checksum());
    *p.get_mut::<ErrorV4>(0)? = ErrorV4 { ethernet: to_guest::<V4>(nic.mac), ip, icmp };
    Some(())
}

#[inline(always)]
fn too_big_v6<P: Packet>(p: &mut P, nic: &Nic, sender: V6, mtu: u32) -> Option<()> {
    let grow = Ipv6::LEN + size_of::<Icmp>();
    p.reshape(grow, ETHERNET_LEN + grow + QUOTE_V6)?;
    let quote = sum_words(p, ETHERNET_LEN + grow, QUOTE_V6 / size_of::<U32>())?;
    let mut icmp = Icmp {
        kind: icmpv6_type::PACKET_TOO_BIG,
        code: 0,
        checksum: U16::new(0),
        rest: U32::new(mtu),
    };
    let pseudo_header = ROUTER_LINK_LOCAL.sum()
        + sender.sum()
        + u32::from(MESSAGE_V6)
        + u32::from(protocol::ICMPV6);
    let sum = icmp_sum(&icmp) + quote + pseudo_header;
    icmp.checksum = U16::new(checksum::finish(sum));
    let ip = Ipv6 {
        version_class_flow: U32::new(0x6000_0000),
        payload_len: U16::new(MESSAGE_V6),
        next_header: protocol::ICMPV6,
        hop_limit: HOPS,
        src: ROUTER_LINK_LOCAL,
        dst: sender,
    };
    *p.get_mut::<ErrorV6>(0)? = ErrorV6 { ethernet: to_guest::<V6>(nic.mac), ip, icmp };
    Some(())
}

/// Adds up `words` 32-bit words of the frame from `offset` on, as 16-bit words. The frame is read word
/// by word: a copy of the quote would not fit on the stack of a BPF program.
#[inline(always)]
fn sum_words<P: Packet>(p: &P, offset: usize, words: usize) -> Option<u32> {
    let mut sum = 0;
    for index in 0..words {
        let word = p.get_at::<U32>(offset + index * size_of::<U32>())?.get();
        sum += (word >> 16) + (word & 0xffff);
    }
    Some(sum)
}

#[inline(always)]
fn icmp_sum(icmp: &Icmp) -> u32 {
    let rest = icmp.rest.get();
    u32::from(u16::from_be_bytes([icmp.kind, icmp.code])) + (rest >> 16) + (rest & 0xffff)
}
