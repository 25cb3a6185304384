//! The last steps outbound: the sender's policies, then a NIC of this host or the tunnel to another.

use super::{
    Address, FlowQuery, Headers, Packet, Tables, Verdict,
    account::{Trail, meter},
    deliver::{Source, ask, billed, deliver, relate},
    encap::{Overlay, encap},
    flow::{
        cache::{self, Direction},
        fragment,
    },
    outbound::{Hop, Refusal, Sender},
    parse::{self, WireSize},
};
use crate::{
    abi::{Action, Nic, Vtep, action_flags, nic_flags, vtep_flags},
    reason::DropReason,
    types::{LinkId, VtepId},
    wire::ethertype,
};

/// Largest IP packet over a peering: Azure promises 1,500 bytes there and no more.
const PEERING_MTU: u16 = 1_500;

/// Asks the sender's policies, then hands the packet to the target, here or on another host.
#[inline(always)]
pub(super) fn forward<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    sender: &Sender<'_>,
    headers: &Headers<A>,
    query: &mut FlowQuery<A>,
    hop: &mut Hop<'_>,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let steady = ask(tables, query, (sender.id, sender.nic), hop.no_access(), trail)?;
    fragment::remember_first(tables, headers, query);
    hop.settle(tables, sender.nic, query.flags);
    if hop.action_flags() != 0 {
        A::lower_hop_limit(p).ok_or(DropReason::HopLimitExceeded)?;
    }
    let target = tables
        .nic(hop.target)
        .filter(|target| target.flags & nic_flags::PRESENT != 0)
        .ok_or(DropReason::NoEndpoint)?;
    if target.vtep.is_some() {
        transmit(p, tables, sender, headers, hop, target, steady, trail)
    } else {
        hand_over(p, tables, sender, headers, query, hop, target, steady, trail)
    }
}

/// Encapsulates the packet for the target's host and meters it.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a struct of them would live on a program's stack")]
fn transmit<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    sender: &Sender<'_>,
    headers: &Headers<A>,
    hop: &Hop<'_>,
    target: &Nic,
    steady: bool,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let vtep = way_to::<T, A>(tables, target.vtep).ok_or(DropReason::Unconfigured)?;
    let size = parse::wire_size(p, headers)?;
    let mtu = check_mtu(&size, hop.link(), vtep.mtu)?;
    if steady {
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.billed(),
            computed: tables.jiffies(),
            target: hop.target,
            via: target.vtep.0,
            detail: target.vnet.0,
            flags: action_flags::REMOTE | hop.action_flags(),
            mtu,
            ..Action::default()
        });
    }
    let overlay = Overlay { source: sender.id, target: hop.target, vnet: target.vnet };
    trail.ethertype = 0;
    let verdict = encap(p, headers, overlay, vtep)?;
    meter(tables, hop.billed(), LinkId::NONE, &size);
    Ok(verdict)
}

/// Lets the packet into a NIC of this host, if the NIC takes it, and meters it on both sides.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a struct of them would live on a program's stack")]
fn hand_over<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    sender: &Sender<'_>,
    headers: &Headers<A>,
    query: &mut FlowQuery<A>,
    hop: &Hop<'_>,
    target: &Nic,
    steady: bool,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let mtu = check_mtu(&parse::wire_size(p, headers)?, hop.link(), target.mtu)?;
    // What the target's side refuses is counted there.
    (trail.slot, trail.nic) = (target.slot, hop.target);
    let (vnet, flags) = (sender.nic.vnet, sender.nic.flags);
    let source = Source { vnet, flags, link: hop.reverse() };
    let relation = relate(tables, headers, &source, hop.target, target, trail)?;
    query.turn();
    let steady = ask(tables, query, (hop.target, target), relation.no_access, trail)? && steady;
    let billed = billed(tables, target, relation.link, query.flags);
    if steady {
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.billed(),
            computed: tables.jiffies(),
            reverse: billed,
            target: hop.target,
            via: target.ifindex,
            detail: target.flags,
            mac: target.mac,
            mtu,
            flags: hop.action_flags(),
            ..Action::default()
        });
    }
    // Asked again, since there is no room to keep it while policies are asked.
    let size = parse::wire_size(p, headers)?;
    let verdict = deliver::<P, A>(p, hop.target, target)?;
    meter(tables, hop.billed(), billed, &size);
    Ok(verdict)
}

/// The way to a host: over an underlay of the packet's own family where there is one. The kernel cuts a
/// super-frame in software when the families differ, and cannot cut one that was decapsulated before.
#[inline(always)]
pub(super) fn way_to<T: Tables, A: Address>(tables: &T, host: VtepId) -> Option<&Vtep> {
    let vtep = tables.vtep(host)?;
    let is_v6 = vtep.flags & vtep_flags::IPV6 != 0;
    if is_v6 == (A::ETHERTYPE == ethertype::IPV6) || !vtep.other.is_some() {
        return Some(vtep);
    }
    tables.vtep(vtep.other)
}

/// The largest IP packet on the way, if this one is none larger.
#[inline(always)]
fn check_mtu(size: &WireSize, link: LinkId, path_mtu: u16) -> Result<u16, Refusal> {
    let mtu = if link.is_some() { path_mtu.min(PEERING_MTU) } else { path_mtu };
    if size.largest > u32::from(mtu) {
        Err(Refusal::TooBig { mtu: u32::from(mtu) })
    } else {
        Ok(mtu)
    }
}
