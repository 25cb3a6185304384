//! IPv6 neighbour discovery (RFC 4861): the virtual router answers solicitations for itself and for
//! every address of the NIC's VNet.

use super::{Address, Headers, Packet, Tables, Verdict, deliver::owns};
use crate::{
    abi::Nic,
    checksum,
    reason::DropReason,
    types::{Mac, NicId, V6},
    wire::{
        ETHERNET_LEN, Ethernet, Icmp, Ipv6, LinkLayerOption, NeighborMessage, ROUTER_LINK_LOCAL,
        U16, U32, icmpv6_type, ndp_option, protocol,
    },
};

/// Hop limit that proves that the packet comes from the link (RFC 4861 §7.1.1).
const ON_LINK_HOP_LIMIT: u8 = 255;
/// Where the ICMPv6 message starts; a solicitation behind extension headers is refused.
const ICMP: usize = ETHERNET_LEN + Ipv6::LEN;
/// Where the first option starts.
const OPTION: usize = ICMP + size_of::<NeighborMessage>();

/// Answers or refuses neighbour discovery; `None` if the packet is something else.
#[inline(always)]
pub(super) fn handle<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<V6>,
) -> Option<Result<Verdict, DropReason>> {
    if headers.protocol != protocol::ICMPV6 || headers.is_later_fragment() {
        return None;
    }
    let at = headers.transport;
    p.pull(at + size_of::<Icmp>())?;
    let icmp = p.get_at::<Icmp>(at)?;
    match icmp.kind {
        icmpv6_type::NEIGHBOR_SOLICITATION if headers.transport == ICMP => {
            Some(answer(p, tables, id, nic, headers.len))
        }
        icmpv6_type::ROUTER_ADVERTISEMENT | icmpv6_type::REDIRECT => {
            Some(Err(DropReason::RouterAdvertisement))
        }
        icmpv6_type::NEIGHBOR_SOLICITATION | icmpv6_type::NEIGHBOR_ADVERTISEMENT => {
            Some(Err(DropReason::NeighborInvalid))
        }
        _ => None,
    }
}

/// Turns a solicitation into its advertisement, in place. `len` is that of the IP packet, which must
/// hold the whole message: what follows in the frame is none of it.
#[inline(always)]
fn answer<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    len: u32,
) -> Result<Verdict, DropReason> {
    if (len as usize) < OPTION - ETHERNET_LEN {
        return Err(DropReason::NeighborInvalid);
    }
    p.pull(OPTION).ok_or(DropReason::NeighborInvalid)?;
    let ip = p.get::<Ipv6>(ETHERNET_LEN).ok_or(DropReason::NeighborInvalid)?;
    let solicitation = p.get::<NeighborMessage>(ICMP).ok_or(DropReason::NeighborInvalid)?;
    if ip.hop_limit != ON_LINK_HOP_LIMIT || solicitation.icmp.code != 0 {
        return Err(DropReason::NeighborInvalid);
    }
    let target = solicitation.target;
    if ip.src.is_unspecified() || owns(tables, id, nic, target) {
        return Err(DropReason::NeighborOwnAddress);
    }
    if !ip.src.is_link_local() && !owns(tables, id, nic, ip.src) {
        return Err(DropReason::SourceAddressSpoofed);
    }
    let is_router = target == ROUTER_LINK_LOCAL;
    if !is_router {
        let vnet = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
        target.lookup(tables, &vnet.endpoints).ok_or(DropReason::NeighborInvalid)?;
    }
    let mut sum = SumChange::default();
    if len as usize >= OPTION - ETHERNET_LEN + size_of::<LinkLayerOption>() {
        rewrite_option(p, &mut sum);
    }
    rewrite_message(p, is_router, &mut sum)?;
    rewrite_addresses(p, target, &mut sum)?;
    let icmp = p.get_mut::<Icmp>(ICMP).ok_or(DropReason::Malformed)?;
    icmp.checksum = U16::new(checksum::update(icmp.checksum.get(), sum.old, sum.new));
    let ethernet = p.get_mut::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    ethernet.dst = nic.mac.into();
    ethernet.src = Mac::ROUTER.into();
    Ok(Verdict::Reply)
}

/// Words that left the checksummed bytes and words that came.
#[derive(Clone, Copy, Default)]
struct SumChange {
    old: u32,
    new: u32,
}

/// The first option, if it is the sender's link-layer address, becomes the target's. A solicitation
/// without it is unicast, and its answer may do without as well (RFC 4861 §7.2.4).
#[inline(always)]
fn rewrite_option<P: Packet>(p: &mut P, sum: &mut SumChange) {
    if p.pull(OPTION + size_of::<LinkLayerOption>()).is_none() {
        return;
    }
    let Some(option) = p.get_mut::<LinkLayerOption>(OPTION) else { return };
    if option.kind != ndp_option::SOURCE_LINK_LAYER || option.len != 1 {
        return;
    }
    sum.old += u32::from(u16::from_be_bytes([option.kind, option.len]));
    sum.old = checksum::add_bytes(sum.old, &Mac::from(option.mac).0);
    *option =
        LinkLayerOption { kind: ndp_option::TARGET_LINK_LAYER, len: 1, mac: Mac::ROUTER.into() };
    sum.new += u32::from(u16::from_be_bytes([option.kind, option.len]));
    sum.new = checksum::add_bytes(sum.new, &Mac::ROUTER.0);
}

/// Turns the message into an advertisement. The checksum is updated by the caller and not recomputed,
/// so options of any number may follow.
#[inline(always)]
fn rewrite_message<P: Packet>(
    p: &mut P,
    is_router: bool,
    sum: &mut SumChange,
) -> Result<(), DropReason> {
    let router = if is_router { NeighborMessage::ROUTER } else { 0 };
    let flags = NeighborMessage::SOLICITED_OVERRIDE | router;
    let icmp = p.get_mut::<Icmp>(ICMP).ok_or(DropReason::Malformed)?;
    let rest = icmp.rest.get();
    sum.old += (u32::from(icmp.kind) << 8) + (rest >> 16) + (rest & 0xffff);
    sum.new += (u32::from(icmpv6_type::NEIGHBOR_ADVERTISEMENT) << 8) + (flags >> 16);
    icmp.kind = icmpv6_type::NEIGHBOR_ADVERTISEMENT;
    icmp.rest = U32::new(flags);
    Ok(())
}

/// Sends the message from the target to the asker. The asker's address stays in the sum of the
/// pseudo-header; the old destination gives way to the target.
#[inline(always)]
fn rewrite_addresses<P: Packet>(
    p: &mut P,
    target: V6,
    sum: &mut SumChange,
) -> Result<(), DropReason> {
    let ip = p.get_mut::<Ipv6>(ETHERNET_LEN).ok_or(DropReason::Malformed)?;
    sum.old += ip.dst.sum();
    sum.new += target.sum();
    ip.dst = ip.src;
    ip.src = target;
    Ok(())
}
