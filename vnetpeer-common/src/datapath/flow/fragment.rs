//! Fragments (RFC 791 §3.2, RFC 8200 §4.5): only the first has ports, so it tells them for the others.
//!
//! The first fragment must hold the whole transport header, and no later one may overwrite it
//! (RFC 1858, RFC 3128, RFC 7112). A later fragment that comes before the first is dropped.

use super::{FlowQuery, query_flags};
use crate::{
    abi::{FragmentKey, Fragmented},
    datapath::{Address, Headers, Tables},
    reason::DropReason,
    types::Addr,
    wire::protocol,
};

/// Seconds that fragments may take: RFC 1122 §3.3.2 recommends 60 to 120 for reassembly, Linux takes
/// 30.
const SECONDS: u64 = 30;

/// Bytes of a TCP header without options.
const TCP_LEN: u16 = 20;

/// Whose fragments.
#[derive(Clone, Copy)]
pub(in crate::datapath) struct Owner {
    /// The NIC's slot.
    pub(in crate::datapath) slot: u32,
    /// Whether the NIC receives them.
    pub(in crate::datapath) inbound: bool,
}

/// Gives a later fragment the ports and the protocol of its first.
#[inline(always)]
pub(in crate::datapath) fn recall<T: Tables, A: Address>(
    tables: &T,
    headers: &mut Headers<A>,
    owner: Owner,
) -> Result<(), DropReason> {
    let config = tables.config().ok_or(DropReason::Unconfigured)?;
    let packet = tables
        .fragmented(key(headers.src, headers.dst, headers.fragment_id, owner))
        .filter(|packet| {
            let src: Addr = headers.src.into();
            let dst: Addr = headers.dst.into();
            packet.src.to_v6() == src.to_v6()
                && packet.dst.to_v6() == dst.to_v6()
                && packet.id == headers.fragment_id
                && (A::IS_V6 || packet.protocol == u32::from(headers.protocol))
                && tables.jiffies().wrapping_sub(packet.seen)
                    <= SECONDS * u64::from(config.tick_rate)
        });
    let packet = packet.ok_or(DropReason::FragmentWithoutFirst)?;
    headers.protocol = (packet.protocol & 0xff) as u8;
    headers.src_port = (packet.ports >> 16) as u16;
    headers.dst_port = (packet.ports & 0xffff) as u16;
    let overwrites = headers.protocol == protocol::TCP && headers.fragment_offset() < TCP_LEN;
    if overwrites { Err(DropReason::FragmentInvalid) } else { Ok(()) }
}

/// Keeps what a first fragment that may pass tells about the others; any other packet tells nothing.
#[inline(always)]
pub(in crate::datapath) fn remember_first<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    query: &FlowQuery<A>,
) {
    if headers.fragment != 0 && !headers.is_later_fragment() {
        A::keep_fragment(tables, query, headers.fragment_id);
    }
}

/// Keeps what the first fragment of packet `id` tells about the others.
#[inline(always)]
pub fn keep_fragment<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>, id: u32) {
    let inbound = query.has(query_flags::INBOUND);
    let (src, dst, ports) = if inbound {
        (query.remote, query.local, query.ports.rotate_left(16))
    } else {
        (query.local, query.remote, query.ports)
    };
    let packet = Fragmented {
        src: src.into(),
        dst: dst.into(),
        seen: tables.jiffies(),
        id,
        ports,
        protocol: u32::from(query.protocol()),
        reserved: 0,
    };
    let key = key(src, dst, id, Owner { slot: query.slot, inbound });
    tables.keep_fragmented(key, &packet);
}

#[inline(always)]
fn key<A: Address>(src: A, dst: A, id: u32, owner: Owner) -> FragmentKey {
    let mixed = (src.hash() ^ dst.hash().rotate_left(13) ^ id).wrapping_mul(0x9e37_79b1);
    FragmentKey::new(owner.slot, owner.inbound, mixed >> 24)
}
