//! Which flow a packet belongs to.
//!
//! An ICMP error belongs to the flow of the packet that it quotes (RFC 5508 §4). The quote must be
//! plausible: the error must be for the quoted packet's sender, and the quoted header whole. What else
//! an error says is not believed: it opens no flow and refreshes none.

use super::{FlowQuery, query_flags};
use crate::{
    datapath::{Address, Headers, Packet},
    reason::DropReason,
    types::{NicId, TableId, VnetId},
    wire::{Icmp, Wire, protocol},
};

/// What an ICMP error quotes.
pub struct Quote<A> {
    /// Source address.
    pub src: A,
    /// Destination address.
    pub dst: A,
    /// IP protocol.
    pub protocol: u8,
    /// Where the quoted transport header is.
    pub transport: usize,
}

/// The question about a packet, from the side of the NIC that sends it. An ICMP error is asked about by
/// [`query_quoted`].
#[inline(always)]
pub(in crate::datapath) fn query_of<A: Address>(headers: &Headers<A>) -> FlowQuery<A> {
    FlowQuery {
        local: headers.src,
        remote: headers.dst,
        ports: u32::from(headers.src_port) << 16 | u32::from(headers.dst_port),
        nic_protocol: u32::from(headers.protocol),
        slot: 0,
        table: TableId::NONE,
        vnet: VnetId::NONE,
        target: NicId::NONE,
        flags: headers.fragment_flags(),
        kind: headers.kind,
    }
}

/// Asks about the packet that an ICMP error quotes, which went the other way. Nothing changes for other
/// packets.
#[inline(always)]
pub(in crate::datapath) fn query_quoted<P: Packet, A: Address>(
    p: &mut P,
    headers: &Headers<A>,
    query: &mut FlowQuery<A>,
) -> Result<(), DropReason> {
    if headers.protocol == A::ICMP && !headers.is_later_fragment() && A::is_error(headers.kind) {
        let (quote, ports) = quoted(p, headers).ok_or(DropReason::IcmpWithoutFlow)?;
        query.local = quote.dst;
        query.remote = quote.src;
        query.ports = ports.rotate_left(16);
        query.nic_protocol = u32::from(quote.protocol);
        query.flags = query_flags::RELATED;
    }
    Ok(())
}

/// The packet that an ICMP error quotes, with its ports as in a query.
#[inline(always)]
fn quoted<P: Packet, A: Address>(p: &mut P, headers: &Headers<A>) -> Option<(Quote<A>, u32)> {
    let quote = A::quote(p, headers.transport + size_of::<Icmp>())?;
    if quote.src != headers.dst || headers.fragment != 0 {
        return None;
    }
    // RFC 792 has the first 8 bytes of the transport header quoted: of TCP and UDP, ports first.
    let first = pulled::<Icmp, P>(p, quote.transport)?;
    let ports = if matches!(quote.protocol, protocol::TCP | protocol::UDP) {
        u32::from_be_bytes([first.kind, first.code, 0, 0]) | u32::from(first.checksum.get())
    } else if quote.protocol != A::ICMP {
        0
    } else if A::is_error(u32::from(first.kind)) {
        return None;
    } else {
        let id = first.rest.get() >> 16;
        id << 16 | id
    };
    Some((quote, ports))
}

/// A header at an offset that depends on the packet.
#[inline(always)]
pub(in crate::datapath) fn pulled<H: Wire, P: Packet>(p: &mut P, at: usize) -> Option<&H> {
    p.pull(at + size_of::<H>())?;
    p.get_at::<H>(at)
}
