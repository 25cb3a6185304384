//! The last steps outbound: the sender's policies, then a NIC of this host or the tunnel to another.

use super::{
    Address, Admission, Family, FlowQuery, Headers, Packet, Tables, Verdict,
    account::{Trail, meter},
    deliver::{Source, ask, ask_again, billed, deliver, of_nic, relate},
    encap::{Overlay, encap},
    flow::{
        balance::{balanced, nic_of},
        cache::{self, Direction},
        fragment,
    },
    outbound::{Hop, Refusal, Sender},
    parse::{self, WireSize},
    translate::{from_backend, to_backend},
    watch::pass_by,
};
use crate::{
    abi::{Action, Nic, Vtep, action_flags, nic_flags, stage, vtep_flags},
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
    hop: &mut Hop,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let admission = ask(tables, query, (sender.id, sender.nic), hop.asked(), trail)?;
    pass_by(p, tables, stage::ROUTED | stage::OPENED, trail, (A::ETHERTYPE, 0));
    fragment::remember_first(tables, headers, query);
    hop.settle(tables, sender.nic, query.flags);
    if hop.action_flags() != 0 {
        A::lower_hop_limit(p).ok_or(DropReason::HopLimitExceeded)?;
    }
    let target = tables
        .nic(nic_of(admission.target()))
        .filter(|target| target.flags & nic_flags::PRESENT != 0)
        .ok_or(DropReason::NoEndpoint)?;
    if target.vtep.is_some() {
        transmit(p, tables, sender, headers, hop, target, admission, trail)
    } else {
        hand_over(p, tables, sender, headers, query, hop, target, admission, trail)
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
    admission: Admission,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let vtep = way_to::<T, A>(tables, target.vtep).ok_or(DropReason::Unconfigured)?;
    let size = parse::wire_size(p, headers)?;
    let mtu = check_mtu(&size, hop.link, vtep.mtu)?;
    if admission.is_steady() {
        let headers = &headers.read_again(p)?;
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.billed(),
            computed: tables.jiffies(),
            target: admission.target(),
            via: target.vtep.0,
            detail: target.vnet.0,
            flags: action_flags::REMOTE | hop.action_flags(),
            mtu,
            ..Action::default()
        });
    }
    if admission.translated_by().is_some() {
        from_backend(p, tables, headers, admission.translated_by())?;
    }
    let headers = &headers.read_again(p)?;
    let overlay = Overlay { source: sender.id, target: admission.target(), vnet: target.vnet };
    trail.ethertype = 0;
    let verdict = encap(p, headers, overlay, vtep)?;
    meter(tables, hop.billed(), LinkId::NONE, &size);
    let outer = Family::of(vtep).outer_len();
    pass_by(p, tables, stage::ENCAPSULATED, trail, (A::ETHERTYPE, outer));
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
    admission: Admission,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let mtu = check_mtu(&parse::wire_size(p, headers)?, hop.link, target.mtu)?;
    let id = nic_of(admission.target());
    // What the target's side refuses is counted there.
    (trail.slot, trail.nic) = (target.slot, id);
    let (vnet, flags) = (sender.nic.vnet, sender.nic.flags);
    let source = Source { vnet, flags, link: hop.reverse };
    let Headers { src, dst, .. } = headers.read_again(p)?;
    let relation = relate(tables, src, &source, target, trail)?;
    let by = admission.translated_by();
    if by.is_some() {
        from_backend(p, tables, headers, by)?;
    }
    let of_nic = of_nic(tables, id, target, dst);
    let flags = of_nic | relation.no_access | balanced(admission.target());
    let taken = ask_again(tables, query, id, flags, by, trail)?;
    if taken.translated_by().is_some() {
        to_backend(p, tables, headers, target, taken.translated_by())?;
    }
    let billed = billed(tables, target, relation.link, of_nic);
    if admission.is_steady() && taken.is_steady() {
        let headers = &headers.read_again(p)?;
        cache::remember(tables, headers, sender.id, Direction::Outbound, || Action {
            epoch: sender.epoch,
            link: hop.billed(),
            computed: tables.jiffies(),
            reverse: billed,
            target: id,
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
    let verdict = deliver::<P, A>(p, id, target)?;
    meter(tables, hop.billed(), billed, &size);
    pass_by(p, tables, stage::DELIVERED | stage::OPENED, trail, (A::ETHERTYPE, 0));
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
