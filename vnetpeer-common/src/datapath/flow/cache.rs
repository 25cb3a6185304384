//! The flow cache: what the whole path decided about a flow's last packet, for those that follow.
//!
//! An entry is good for a second, and void as soon as its NIC's epoch is raised. Then the path decides
//! again. Tags tell most unknown flows from known ones without a look at the entries, which are too many for
//! the CPU's own caches. Only plain packets are served: TCP without SYN, FIN and RST, and UDP; neither fragments nor
//! options nor extension headers.
//!
//! Entries are keyed by NIC and addresses and made after all checks, so a hit implies that the source
//! address is the NIC's to use.

use core::hint::black_box;

use super::super::{
    Address, Delivery, Headers, Packet, Tables, Verdict,
    account::meter,
    deliver::to_guest,
    encap::{Overlay, encap},
    forward::way_to,
    parse,
    watch::is_every_packet_watched,
};
use crate::{
    abi::{Action, CACHE_WAYS, Config, Nic, action_flags, nic_protocol},
    types::{LinkId, NicId, VnetId, VtepId},
    wire::{Ethernet, protocol, tcp_flags},
};

/// Which of a NIC's packets.
#[derive(Clone, Copy)]
pub(in crate::datapath) enum Direction {
    /// Those that it sends.
    Outbound,
    /// Those from another host that this NIC sends.
    From(NicId),
}

/// Whether packets like this one are served from the cache.
#[inline(always)]
fn is_plain<A: Address>(headers: &Headers<A>) -> bool {
    let transport = match headers.protocol {
        protocol::TCP => headers.kind & tcp_flags::SYN_FIN_RST == 0,
        protocol::UDP => true,
        _ => false,
    };
    transport && headers.fragment == 0 && headers.transport == A::TRANSPORT
}

/// Serves a packet that the local NIC `id` sends. `None`: the path has to decide.
#[inline(always)]
pub(in crate::datapath) fn outbound<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
) -> Option<Verdict> {
    let headers = A::plain(p)?;
    let key = outbound_key(&headers, id);
    let action = find::<T, A>(tables, key, NicId::NONE, nic.epoch)?;
    let size = parse::wire_size(p, &headers).ok()?;
    if size.largest > u32::from(action.mtu) {
        return None;
    }
    if action.flags & action_flags::LOWER_HOP_LIMIT != 0 {
        A::lower_hop_limit(p)?;
    }
    let verdict = if action.flags & action_flags::REMOTE != 0 {
        let vtep = way_to::<T, A>(tables, VtepId(action.via))?;
        let overlay = Overlay { source: id, target: action.target, vnet: VnetId(action.detail) };
        // If there is no room for the outer headers, nothing has changed yet.
        encap(p, &headers, overlay, vtep).ok()?
    } else {
        deliver::<P, A>(p, &action)?
    };
    meter(tables, action.link, action.reverse, &size);
    Some(verdict)
}

/// Serves a packet from another host, sent by `source`, for the local NIC `id`. `None`: the path has to
/// decide.
#[inline(always)]
pub(in crate::datapath) fn inbound<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    source: NicId,
) -> Option<Verdict> {
    let headers = A::plain(p)?;
    let key = inbound_key(&headers, id);
    let action = find::<T, A>(tables, key, source, nic.epoch)?;
    let size = parse::wire_size(p, &headers).ok()?;
    let verdict = deliver::<P, A>(p, &action)?;
    meter(tables, LinkId::NONE, action.link, &size);
    Some(verdict)
}

/// Remembers what was decided about a packet of the local NIC `id`, if packets like it are served. The
/// way that is taken is the flow's own, else the one that was computed earlier.
#[inline(always)]
pub(in crate::datapath) fn remember<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    id: NicId,
    direction: Direction,
    action: impl FnOnce() -> Action,
) {
    if !is_plain(headers) || is_every_packet_watched(tables) {
        return;
    }
    // The parts of the key are not kept from where they were last needed: there is no room on the stack.
    let id = black_box(id);
    let (key, source) = match direction {
        Direction::Outbound => (outbound_key(headers, id), NicId::NONE),
        Direction::From(source) => (inbound_key(headers, id), source),
    };
    let Some(config) = tables.config() else { return };
    let hash = hash::<A>(&key, source);
    let set = set::<T, A>(tables, config, hash);
    let (Some(first), Some(second)) = (A::cached(tables, set, 0), A::cached(tables, set, 1)) else {
        return;
    };
    let Some(tags) = A::tags(tables, set) else { return };
    let (of_first, of_second) = (first.action(), second.action());
    let is_second = second.key() == key && of_second.source == source;
    let is_first = first.key() == key && of_first.source == source;
    if is_second || (!is_first && of_second.computed < of_first.computed) {
        second.set(key, Action { source, ..action() });
        tags.set(hash, 1);
    } else {
        first.set(key, Action { source, ..action() });
        tags.set(hash, 0);
    }
}

#[inline(always)]
fn outbound_key<A: Address>(headers: &Headers<A>, id: NicId) -> A::Key {
    let ports = u32::from(headers.src_port) << 16 | u32::from(headers.dst_port);
    A::key(headers.src, headers.dst, ports, nic_protocol(id, headers.protocol))
}

#[inline(always)]
fn inbound_key<A: Address>(headers: &Headers<A>, id: NicId) -> A::Key {
    let ports = u32::from(headers.dst_port) << 16 | u32::from(headers.src_port);
    A::key(headers.dst, headers.src, ports, nic_protocol(id, headers.protocol))
}

#[inline(always)]
fn find<T: Tables, A: Address>(
    tables: &T,
    key: A::Key,
    source: NicId,
    epoch: u32,
) -> Option<Action> {
    let config = tables.config()?;
    let hash = hash::<A>(&key, source);
    let set = set::<T, A>(tables, config, hash);
    if !A::tags(tables, set)?.may_have(hash) {
        return None;
    }
    // Both ways, whatever their tags say: so the CPU need not wait for the tags before it asks for an entry.
    for way in 0..CACHE_WAYS {
        let entry = A::cached(tables, set, way)?;
        if entry.key() == key {
            let action = entry.action();
            if action.source == source
                && action.epoch == epoch
                && tables.jiffies().wrapping_sub(action.computed) <= u64::from(config.tick_rate)
            {
                return Some(action);
            }
        }
    }
    None
}

#[inline(always)]
fn hash<A: Address>(key: &A::Key, source: NicId) -> u32 {
    A::key_hash(key) ^ source.0
}

/// The set of this CPU's flow cache that a hash selects.
#[inline(always)]
fn set<T: Tables, A: Address>(tables: &T, config: &Config, hash: u32) -> u32 {
    let [v4, v6] = config.cache_mask;
    tables.cache_set(hash, if A::IS_V6 { v6 } else { v4 })
}

#[inline(always)]
fn deliver<P: Packet, A: Address>(p: &mut P, action: &Action) -> Option<Verdict> {
    let ethernet = p.get_mut::<Ethernet>(0)?;
    *ethernet = to_guest::<A>(action.mac);
    Some(Verdict::Deliver(Delivery {
        nic: action.target,
        ifindex: action.via,
        flags: action.detail,
    }))
}
