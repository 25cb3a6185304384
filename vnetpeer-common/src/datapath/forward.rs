//! The last steps outbound: the sender's policies, then a NIC of this host or the tunnel to another.

use super::{
    Address, FlowQuery, Headers, Packet, Tables, Verdict,
    account::{Trail, meter},
    deliver::{Source, ask, deliver, relate},
    encap::{Overlay, encap},
    flow::{
        cache::{self, Direction},
        fragment,
        quote::query_of,
    },
    outbound::{Hop, Refusal, Sender},
    parse::{self, WireSize},
};
use crate::{
    abi::{Action, Nic, Vtep, nic_flags, vtep_flags},
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
    hop: &Hop,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let target = tables
        .nic(hop.target)
        .filter(|target| target.flags & nic_flags::PRESENT != 0)
        .ok_or(DropReason::NoEndpoint)?;
    let mut query = query_of(p, headers)?;
    let steady = ask(tables, &mut query, (sender.id, sender.nic), hop.access, trail)?;
    fragment::remember_first(tables, headers, &query);
    if target.vtep.is_some() {
        transmit(p, tables, sender, headers, hop, target, steady, trail)
    } else {
        hand_over(p, tables, sender, headers, &mut query, hop, target, steady, trail)
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
    hop: &Hop,
    target: &Nic,
    steady: bool,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let vtep = way_to::<T, A>(tables, target.vtep).ok_or(DropReason::Unconfigured)?;
    let size = parse::wire_size(p, headers)?;
    let mtu = check_mtu(&size, hop.link, vtep.mtu)?;
    if steady {
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.link,
            computed: tables.jiffies(),
            target: hop.target,
            via: target.vtep.0,
            detail: target.vnet.0,
            is_remote: 1,
            mtu,
            ..Action::default()
        });
    }
    let overlay = Overlay { source: sender.id, target: hop.target, vnet: target.vnet };
    trail.ethertype = 0;
    let verdict = encap(p, headers, overlay, vtep)?;
    meter(tables, hop.link, LinkId::NONE, &size);
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
    hop: &Hop,
    target: &Nic,
    steady: bool,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let size = parse::wire_size(p, headers)?;
    let mtu = check_mtu(&size, hop.link, target.mtu)?;
    // What the target's side refuses is counted there.
    (trail.slot, trail.nic) = (target.slot, hop.target);
    let source = Source { vnet: sender.nic.vnet, link: hop.reverse };
    let relation = relate(tables, headers, &source, hop.target, target, trail)?;
    query.turn();
    let steady = ask(tables, query, (hop.target, target), relation.access, trail)? && steady;
    if steady {
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.link,
            computed: tables.jiffies(),
            reverse: relation.link,
            target: hop.target,
            via: target.ifindex,
            detail: target.flags,
            mac: target.mac,
            mtu,
            ..Action::default()
        });
    }
    let verdict = deliver::<P, A>(p, hop.target, target)?;
    meter(tables, hop.link, relation.link, &size);
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
