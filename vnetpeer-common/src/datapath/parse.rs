//! From a frame to the few values that decisions need.
//!
//! IPv4 with options (RFC 791), IPv6 with a bounded walk over extension headers (RFC 8200 §4), ports
//! of TCP and UDP, type and identifier of ICMP. Nothing of these is ever read from a later fragment.
//!
//! ESP and AH end the walk: rules know them as protocols, and what is behind them belongs to them.

use super::{Address, OFFSET_MAX, Packet, query_flags};
use crate::{
    reason::DropReason,
    types::{V4, V6},
    wire::{
        ETHERNET_LEN, Ethernet, Icmp, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, Tcp, Udp, len_of,
        protocol, tcp_flags,
    },
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
    /// Identification of the packet that a fragment belongs to; 0 for a whole one.
    pub fragment_id: u32,
    /// Flags of TCP, type of ICMP; else 0.
    pub kind: u32,
    /// Ports of TCP and UDP in host order, the identifier of an ICMP request or reply; else 0.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// Where the transport header starts, in bytes from the start of the frame.
    pub transport: usize,
    /// Bytes of the IP packet; of a super-frame, all of it.
    pub len: u32,
}

impl<A: Address> Headers<A> {
    /// The same, see [`super::Replace::ends`].
    #[inline(always)]
    pub(super) fn read_again<P: Packet>(&self, p: &P) -> Result<Self, DropReason> {
        let (src, dst) = A::ends(p, (self.src, self.dst)).ok_or(DropReason::Malformed)?;
        Ok(Self { src, dst, ..*self })
    }
}

impl<A> Headers<A> {
    /// Whether this is a fragment with an offset, which carries no transport header.
    #[inline(always)]
    pub(super) const fn is_later_fragment(&self) -> bool {
        self.fragment & FRAGMENT_OFFSET != 0
    }

    /// [`query_flags::FRAGMENT`] and [`query_flags::LATER_FRAGMENT`] as they apply, calculated.
    #[inline(always)]
    pub(super) const fn fragment_flags(&self) -> u32 {
        let any = (self.fragment as u32 + FRAGMENT as u32) / (FRAGMENT as u32 + 1);
        let offset = (self.fragment & FRAGMENT_OFFSET) as u32;
        let later = (offset + FRAGMENT_OFFSET as u32) / (FRAGMENT_OFFSET as u32 + 1);
        (any * query_flags::FRAGMENT) | (later * query_flags::LATER_FRAGMENT)
    }

    /// Where a fragment belongs in its packet, in bytes.
    #[inline(always)]
    pub(super) const fn fragment_offset(&self) -> u16 {
        (self.fragment & FRAGMENT_OFFSET).wrapping_mul(8)
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
    let fragment = ip.fragment.get() & FRAGMENT;
    let mut headers = Headers {
        src: ip.src,
        dst: ip.dst,
        protocol: ip.protocol,
        fragment,
        fragment_id: if fragment == 0 { 0 } else { u32::from(ip.id.get()) },
        kind: 0,
        src_port: 0,
        dst_port: 0,
        transport,
        len,
    };
    read_transport(p, &mut headers)?;
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
        fragment_id: 0,
        kind: 0,
        src_port: 0,
        dst_port: 0,
        transport: ETHERNET_LEN + Ipv6::LEN,
        len,
    };
    if is_extension(headers.protocol) {
        walk_extensions(p, &mut headers)?;
    }
    read_transport(p, &mut headers)?;
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
    )
}

/// Walks to the transport header.
#[inline(always)]
fn walk_extensions<P: Packet>(p: &mut P, headers: &mut Headers<V6>) -> Result<(), DropReason> {
    for _ in 0..IPV6_EXTENSIONS_MAX {
        if !is_extension(headers.protocol) || headers.is_later_fragment() {
            return Ok(());
        }
        let at = headers.transport;
        p.pull(at + size_of::<Ipv6Extension>()).ok_or(DropReason::Malformed)?;
        let extension = p.get_at::<Ipv6Extension>(at).ok_or(DropReason::Malformed)?;
        let (next_header, units) = (extension.next_header, extension.len);
        let len = match headers.protocol {
            protocol::FRAGMENT => {
                p.pull(at + size_of::<Ipv6Fragment>()).ok_or(DropReason::Malformed)?;
                let fragment = p.get_at::<Ipv6Fragment>(at).ok_or(DropReason::Malformed)?;
                let field = fragment.offset.get();
                headers.fragment = (field >> 3) | ((field & 1) << 13);
                headers.fragment_id = fragment.id.get();
                8
            }
            _ => (units as usize + 1) * 8,
        };
        headers.protocol = next_header;
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

/// Reads ports and flags of TCP, ports of UDP, type and identifier of ICMP. The header must be whole:
/// a packet too short for it is malformed, and a first fragment too short for it hides something.
#[inline(always)]
fn read_transport<P: Packet, A: Address>(
    p: &mut P,
    headers: &mut Headers<A>,
) -> Result<(), DropReason> {
    let len = match headers.protocol {
        protocol::TCP => size_of::<Tcp>(),
        protocol::UDP => size_of::<Udp>(),
        other if other == A::ICMP => size_of::<Icmp>(),
        _ => return Ok(()),
    };
    if headers.is_later_fragment() {
        return Ok(());
    }
    let end = headers.transport + len;
    if end > ETHERNET_LEN + headers.len as usize {
        let whole = headers.fragment == 0;
        return Err(if whole { DropReason::Malformed } else { DropReason::FragmentInvalid });
    }
    p.pull(end).ok_or(DropReason::Malformed)?;
    let at = headers.transport;
    if headers.protocol == protocol::TCP {
        let tcp = p.get_at::<Tcp>(at).ok_or(DropReason::Malformed)?;
        headers.src_port = tcp.ports.src.get();
        headers.dst_port = tcp.ports.dst.get();
        headers.kind = u32::from(tcp.flags);
    } else if headers.protocol == protocol::UDP {
        let udp = p.get_at::<Udp>(at).ok_or(DropReason::Malformed)?;
        headers.src_port = udp.ports.src.get();
        headers.dst_port = udp.ports.dst.get();
    } else {
        let icmp = p.get_at::<Icmp>(at).ok_or(DropReason::Malformed)?;
        headers.kind = u32::from(icmp.kind);
        if !A::is_error(headers.kind) {
            headers.src_port = (icmp.rest.get() >> 16) as u16;
            headers.dst_port = headers.src_port;
        }
    }
    Ok(())
}

/// A whole IPv4 packet without options that carries TCP or UDP. Nothing else is told apart: `None`.
#[inline(always)]
pub(super) fn plain_v4<P: Packet>(p: &P) -> Option<Headers<V4>> {
    let ip = p.get::<Ipv4>(ETHERNET_LEN)?;
    if ip.version_ihl != 0x45 || ip.fragment.get() & FRAGMENT != 0 {
        return None;
    }
    let len = frame_len(p, u32::from(ip.total_len.get()));
    plain(p, ip.src, ip.dst, ip.protocol, len)
}

/// A whole IPv6 packet without extension headers that carries TCP or UDP. Nothing else is told apart.
#[inline(always)]
pub(super) fn plain_v6<P: Packet>(p: &P) -> Option<Headers<V6>> {
    let ip = p.get::<Ipv6>(ETHERNET_LEN)?;
    if ip.version_class_flow.get() >> 28 != 6 {
        return None;
    }
    let len = frame_len(p, u32::from(ip.payload_len.get()) + len_of::<Ipv6>());
    plain(p, ip.src, ip.dst, ip.next_header, len)
}

#[inline(always)]
fn plain<P: Packet, A: Address>(
    p: &P,
    src: A,
    dst: A,
    protocol: u8,
    len: u32,
) -> Option<Headers<A>> {
    let (ports, kind, transport_len) = match protocol {
        protocol::TCP => {
            let tcp = p.get::<Tcp>(A::TRANSPORT)?;
            (&tcp.ports, u32::from(tcp.flags), size_of::<Tcp>())
        }
        protocol::UDP => (&p.get::<Udp>(A::TRANSPORT)?.ports, 0, size_of::<Udp>()),
        _ => return None,
    };
    let fits = A::TRANSPORT + transport_len <= ETHERNET_LEN + len as usize;
    if kind & tcp_flags::SYN_FIN_RST != 0 || !fits || !p.covers(ETHERNET_LEN + len as usize) {
        return None;
    }
    Some(Headers {
        src,
        dst,
        protocol,
        fragment: 0,
        fragment_id: 0,
        kind,
        src_port: ports.src.get(),
        dst_port: ports.dst.get(),
        transport: A::TRANSPORT,
        len,
    })
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
