//! From a frame to the few values that decisions need.
//!
//! IPv4 with options (RFC 791), IPv6 with a bounded walk over extension headers (RFC 8200 §4), ports
//! of TCP and UDP. Ports are never read from a later fragment.

use super::{OFFSET_MAX, Packet};
use crate::{
    reason::DropReason,
    types::{V4, V6},
    wire::{ETHERNET_LEN, Ethernet, Ipv4, Ipv6, Ipv6Extension, Ports, Tcp, Udp, len_of, protocol},
};

/// Extension headers that are walked; RFC 8200 §4.1 recommends at most one of each of six kinds.
const IPV6_EXTENSIONS_MAX: usize = 6;

/// "More fragments" and the offset in IPv4's field.
const FRAGMENT: u16 = 0x3fff;
/// The offset alone.
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// What the parser found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// IP protocol of the transport header, see [`protocol`].
    pub protocol: u8,
    /// Which part of a packet this is, as in IPv4's field without "don't fragment": 0 for a whole one.
    /// A number and not a choice, which the verifier would follow twice from here on.
    pub fragment: u16,
    /// Ports of TCP and UDP in host order, else 0.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// Where the transport header starts, in bytes from the start of the frame.
    pub transport: usize,
    /// Bytes of the IP packet; of a super-frame, all of it.
    pub len: u32,
}

impl<A> Headers<A> {
    /// Whether this is a fragment with an offset, which carries no transport header.
    #[inline(always)]
    pub(super) const fn is_later_fragment(&self) -> bool {
        self.fragment & FRAGMENT_OFFSET != 0
    }
}

/// Parses an IPv4 packet behind an Ethernet header.
#[inline(always)]
pub(super) fn ipv4<P: Packet>(p: &mut P) -> Result<Headers<V4>, DropReason> {
    p.pull(ETHERNET_LEN + Ipv4::LEN).ok_or(DropReason::Malformed)?;
    let ip = p.get::<Ipv4>(ETHERNET_LEN).ok_or(DropReason::Malformed)?;
    let header_len = ip.header_len();
    if ip.version_ihl >> 4 != 4 || header_len < Ipv4::LEN {
        return Err(DropReason::Ipv4Invalid);
    }
    let len = frame_len(p, u32::from(ip.total_len.get()));
    if (len as usize) < header_len || !p.covers(ETHERNET_LEN + len as usize) {
        return Err(DropReason::Ipv4Invalid);
    }
    let transport = ETHERNET_LEN + header_len;
    let mut headers = Headers {
        src: ip.src,
        dst: ip.dst,
        protocol: ip.protocol,
        fragment: ip.fragment.get() & FRAGMENT,
        src_port: 0,
        dst_port: 0,
        transport,
        len,
    };
    read_ports(p, &mut headers, ETHERNET_LEN + Ipv4::LEN)?;
    Ok(headers)
}

/// Parses an IPv6 packet behind an Ethernet header.
#[inline(always)]
pub(super) fn ipv6<P: Packet>(p: &mut P) -> Result<Headers<V6>, DropReason> {
    p.pull(ETHERNET_LEN + Ipv6::LEN).ok_or(DropReason::Malformed)?;
    let ip = p.get::<Ipv6>(ETHERNET_LEN).ok_or(DropReason::Malformed)?;
    if ip.version_class_flow.get() >> 28 != 6 {
        return Err(DropReason::Ipv6Invalid);
    }
    let len = frame_len(p, u32::from(ip.payload_len.get()) + len_of::<Ipv6>());
    if !p.covers(ETHERNET_LEN + len as usize) {
        return Err(DropReason::Ipv6Invalid);
    }
    let mut headers = Headers {
        src: ip.src,
        dst: ip.dst,
        protocol: ip.next_header,
        fragment: 0,
        src_port: 0,
        dst_port: 0,
        transport: ETHERNET_LEN + Ipv6::LEN,
        len,
    };
    if is_extension(headers.protocol) {
        walk_extensions(p, &mut headers)?;
    }
    read_ports(p, &mut headers, ETHERNET_LEN + Ipv6::LEN)?;
    Ok(headers)
}

/// Bytes of the IP packet: what its header says, but of a super-frame what the frame has, since the
/// header of a very large one says 0.
#[inline(always)]
fn frame_len<P: Packet>(p: &P, announced: u32) -> u32 {
    if p.gso_size() == 0 { announced } else { p.gso_len().saturating_sub(len_of::<Ethernet>()) }
}

#[inline(always)]
const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::FRAGMENT
            | protocol::DESTINATION_OPTIONS
            | protocol::AH
    )
}

/// Walks to the transport header. AH counts its length in other units than the rest (RFC 4302), and
/// it stays the protocol of interest only in that what follows it is what filters look at.
#[inline(always)]
fn walk_extensions<P: Packet>(p: &mut P, headers: &mut Headers<V6>) -> Result<(), DropReason> {
    for _ in 0..IPV6_EXTENSIONS_MAX {
        if !is_extension(headers.protocol) || headers.is_later_fragment() {
            return Ok(());
        }
        let at = headers.transport;
        p.pull(at + size_of::<Ipv6Extension>()).ok_or(DropReason::Malformed)?;
        let extension = p.get_at::<Ipv6Extension>(at).ok_or(DropReason::Malformed)?;
        let len = match headers.protocol {
            protocol::FRAGMENT => {
                let field = extension.data.get();
                headers.fragment = (field >> 3) | ((field & 1) << 13);
                8
            }
            protocol::AH => (extension.len as usize + 2) * 4,
            _ => (extension.len as usize + 1) * 8,
        };
        headers.protocol = extension.next_header;
        headers.transport = at + len;
        if headers.transport > OFFSET_MAX || headers.transport > ETHERNET_LEN + headers.len as usize
        {
            return Err(DropReason::Ipv6Invalid);
        }
    }
    if is_extension(headers.protocol) && !headers.is_later_fragment() {
        return Err(DropReason::Ipv6ExtensionsTooMany);
    }
    Ok(())
}

/// Reads the ports of TCP and UDP. A packet too short for them is malformed. `usual` is where they are
/// in a packet without options and extension headers.
#[inline(always)]
fn read_ports<P: Packet, A>(
    p: &mut P,
    headers: &mut Headers<A>,
    usual: usize,
) -> Result<(), DropReason> {
    let has_ports = matches!(headers.protocol, protocol::TCP | protocol::UDP);
    if !has_ports || headers.is_later_fragment() {
        return Ok(());
    }
    let end = headers.transport + size_of::<Ports>();
    if end > ETHERNET_LEN + headers.len as usize {
        return Err(DropReason::Malformed);
    }
    p.pull(end).ok_or(DropReason::Malformed)?;
    // Nearly every packet has its ports at the usual place.
    let ports = if headers.transport == usual {
        p.get::<Ports>(usual)
    } else {
        p.get_at::<Ports>(headers.transport)
    };
    let ports = ports.ok_or(DropReason::Malformed)?;
    headers.src_port = ports.src.get();
    headers.dst_port = ports.dst.get();
    Ok(())
}

/// What a frame is on the wire, after a super-frame is cut into its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WireSize {
    /// IP packets.
    pub(super) packets: u64,
    /// Their bytes from the IP header on, headers of every segment included.
    pub(super) bytes: u64,
    /// Bytes of the largest of them.
    pub(super) largest: u32,
}

/// Counts the segments of a frame. Each segment of a super-frame repeats the IP and transport headers.
#[inline(always)]
pub(super) fn wire_size<P: Packet, A>(
    p: &mut P,
    headers: &Headers<A>,
) -> Result<WireSize, DropReason> {
    let gso_size = p.gso_size();
    if gso_size == 0 {
        return Ok(WireSize { packets: 1, bytes: u64::from(headers.len), largest: headers.len });
    }
    let at = headers.transport;
    let transport_len = if headers.protocol == protocol::TCP {
        p.pull(at + size_of::<Tcp>()).ok_or(DropReason::Malformed)?;
        p.get_at::<Tcp>(at).ok_or(DropReason::Malformed)?.header_len()
    } else {
        size_of::<Udp>()
    };
    let header_len =
        u32::try_from(at - ETHERNET_LEN + transport_len).map_err(|_| DropReason::Malformed)?;
    let payload = headers.len.saturating_sub(header_len);
    let segments = payload.div_ceil(gso_size).max(1);
    let repeated = u64::from(segments - 1) * u64::from(header_len);
    Ok(WireSize {
        packets: u64::from(segments),
        bytes: u64::from(headers.len) + repeated,
        largest: header_len + gso_size.min(payload),
    })
}
