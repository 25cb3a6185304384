//! The inbound path: a frame on the underlay interface.
//!
//! What is not VXLAN for one of this host's tunnel endpoints is the host's own and passes. From there
//! on everything fails closed: the outer source must be a host of the deployment, the overlay source
//! a NIC that lives there, the overlay target a NIC of this host in the network that the VNI names,
//! and the two networks the same or peered.

use core::hint::black_box;

use super::{
    Address, Family, Headers, OUTER_V4_LEN, OUTER_V6_LEN, Packet, Tables, Verdict,
    account::{Trail, drop_frame, meter},
    deliver::{Source, ask, billed, deliver, relate},
    encap::{OuterV4, OuterV6},
    flow::{
        balance::{balanced, nic_of},
        cache::{self, Direction},
        fragment::{self, Owner},
        quote::{query_of, query_quoted},
    },
    parse,
    translate::to_backend,
    watch::pass_by,
};
use crate::{
    abi::{Action, Nic, VXLAN_PORT, Vtep, nic_flags, stage, vnet_flags},
    reason::DropReason,
    types::{Addr, LinkId, Mac, NicId, V4, V6, VnetId, VtepId},
    wire::{Ethernet, Ipv4, Vxlan, ethertype, protocol},
};

/// An accepted tunnel header.
struct Tunnel {
    family: Family,
    source: Addr,
    vxlan: Vxlan,
}

/// Decides what happens to a frame from the underlay.
#[inline(always)]
pub fn inbound<P: Packet, T: Tables>(p: &mut P, tables: &T) -> Verdict {
    let Some(tunnel) = tunnel(p, tables) else { return Verdict::Pass };
    let mut trail = Trail::default();
    match accept(p, tables, &tunnel, &mut trail) {
        Ok(verdict) => verdict,
        Err(reason) => drop_frame(p, tables, reason, &trail),
    }
}

/// The tunnel header, if the frame is VXLAN for this host.
#[inline(always)]
fn tunnel<P: Packet, T: Tables>(p: &mut P, tables: &T) -> Option<Tunnel> {
    let ethernet = p.get::<Ethernet>(0)?;
    match ethernet.ethertype.get() {
        ethertype::IPV4 => tunnel_v4(p, tables),
        ethertype::IPV6 => tunnel_v6(p, tables),
        _ => None,
    }
}

#[inline(always)]
fn tunnel_v4<P: Packet, T: Tables>(p: &mut P, tables: &T) -> Option<Tunnel> {
    p.pull(OUTER_V4_LEN)?;
    let outer = p.get::<OuterV4>(0)?;
    let fragment = outer.ip.fragment.get() & !Ipv4::DONT_FRAGMENT != 0;
    let ours = outer.ip.version_ihl == 0x45
        && outer.ip.protocol == protocol::UDP
        && !fragment
        && outer.udp.ports.dst.get() == VXLAN_PORT
        && V4::new(tables.config()?.vtep[0].low_octets()) == outer.ip.dst;
    ours.then_some(Tunnel { family: Family::V4, source: outer.ip.src.into(), vxlan: outer.vxlan })
}

#[inline(always)]
fn tunnel_v6<P: Packet, T: Tables>(p: &mut P, tables: &T) -> Option<Tunnel> {
    p.pull(OUTER_V6_LEN)?;
    let outer = p.get::<OuterV6>(0)?;
    let ours = outer.ip.next_header == protocol::UDP
        && outer.udp.ports.dst.get() == VXLAN_PORT
        && tables.config()?.vtep[1].to_v6() == outer.ip.dst;
    ours.then_some(Tunnel { family: Family::V6, source: outer.ip.src.into(), vxlan: outer.vxlan })
}

/// The two ends of the overlay path, after all checks.
struct Ends {
    source: NicId,
    source_vnet: VnetId,
    source_flags: u32,
    target: NicId,
    /// [`super::query_flags::BALANCED`], or 0.
    balanced: u32,
    inner: Family,
}

#[inline(always)]
fn accept<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    tunnel: &Tunnel,
    trail: &mut Trail,
) -> Result<Verdict, DropReason> {
    let ends = check_ends(p, tables, tunnel, trail)?;
    p.pull_outer(tunnel.family, ends.inner).ok_or(DropReason::DecapFailed)?;
    let nic = tables.nic(ends.target).ok_or(DropReason::NicNotHosted)?;
    match ends.inner {
        Family::V4 => {
            if let Some(served) =
                cache::inbound::<P, T, V4>(p, tables, ends.target, nic, ends.source)
            {
                return Ok(served);
            }
            let mut headers = parse::ipv4(p)?;
            enter(p, tables, &mut headers, nic, &ends, trail)
        }
        Family::V6 => {
            if let Some(served) =
                cache::inbound::<P, T, V6>(p, tables, ends.target, nic, ends.source)
            {
                return Ok(served);
            }
            let mut headers = parse::ipv6(p)?;
            enter(p, tables, &mut headers, nic, &ends, trail)
        }
    }
}

/// Admits the decapsulated packet to the target NIC and meters it.
#[inline(always)]
fn enter<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    headers: &mut Headers<A>,
    nic: &Nic,
    ends: &Ends,
    trail: &mut Trail,
) -> Result<Verdict, DropReason> {
    trail.ethertype = A::ETHERTYPE;
    // Read before anything that it guards.
    let epoch = black_box(nic.epoch);
    if headers.is_later_fragment() {
        fragment::recall(tables, headers, Owner { slot: nic.slot, inbound: true })?;
    }
    let (vnet, flags) = (ends.source_vnet, ends.source_flags);
    let source = Source { vnet, flags, link: LinkId::NONE };
    let relation = relate(tables, headers.src, &source, nic, trail)?;
    let mut query = query_of(headers);
    query_quoted(p, headers, &mut query)?;
    query.turn();
    let asked = relation.no_access | ends.balanced;
    let taken = ask(tables, &mut query, (ends.target, nic), asked, trail)?;
    let billed = billed(tables, nic, relation.link, query.flags);
    fragment::remember_first(tables, headers, &query);
    let size = parse::wire_size(p, headers)?;
    if taken.translated_by().is_some() {
        to_backend(p, tables, headers, nic, taken.translated_by())?;
    }
    let verdict = deliver::<P, A>(p, ends.target, nic)?;
    pass_by(p, tables, stage::DELIVERED | stage::OPENED, trail, (A::ETHERTYPE, 0));
    meter(tables, LinkId::NONE, billed, &size);
    if taken.is_steady() {
        let headers = &headers.read_again(p)?;
        let direction = Direction::From(ends.source);
        cache::remember(tables, headers, ends.target, direction, || Action {
            epoch,
            link: billed,
            computed: tables.jiffies(),
            target: ends.target,
            via: nic.ifindex,
            detail: nic.flags,
            mac: nic.mac,
            mtu: nic.mtu,
            ..Action::default()
        });
    }
    Ok(verdict)
}

/// Checks everything that the outer and overlay headers claim.
#[inline(always)]
fn check_ends<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    tunnel: &Tunnel,
    trail: &mut Trail,
) -> Result<Ends, DropReason> {
    let at = tunnel.family.outer_len();
    p.pull(at + size_of::<Ethernet>()).ok_or(DropReason::VxlanInvalid)?;
    let overlay = p.get::<Ethernet>(at).ok_or(DropReason::VxlanInvalid)?;
    let source = Mac::from(overlay.src).nic().unwrap_or(NicId::NONE);
    let sender = check_source(tables, tunnel, source)?;
    let (source_vnet, source_flags) = (sender.vnet, sender.flags);
    trail.source_nic = source;
    let vni = VnetId(tunnel.vxlan.vni().ok_or(DropReason::VxlanInvalid)?);
    let hosted = tables.vnet(vni).is_some_and(|vnet| vnet.flags & vnet_flags::HOSTED != 0);
    if !hosted {
        return Err(DropReason::VniNotHosted);
    }
    let number = Mac::from(overlay.dst).nic().ok_or(DropReason::NicNotHosted)?;
    let (target, balanced) = (nic_of(number), balanced(number));
    let nic = tables.nic(target).ok_or(DropReason::NicNotHosted)?;
    if nic.flags & nic_flags::PRESENT == 0 || nic.vtep.is_some() {
        return Err(DropReason::NicNotHosted);
    }
    trail.nic = target;
    trail.slot = nic.slot;
    if nic.vnet != vni {
        return Err(DropReason::VniMismatch);
    }
    let inner = match overlay.ethertype.get() {
        ethertype::IPV4 => Family::V4,
        ethertype::IPV6 => Family::V6,
        _ => return Err(DropReason::VxlanInvalid),
    };
    Ok(Ends { source, source_vnet, source_flags, target, balanced, inner })
}

/// The source NIC must live on the host that the packet comes from. The entry of a host without an
/// address has zeros, which are nobody's. Only a packet that fails pays
/// for the hash lookup that tells an unknown host from a known one.
#[inline(always)]
fn check_source<'a, T: Tables>(
    tables: &'a T,
    tunnel: &Tunnel,
    source: NicId,
) -> Result<&'a Nic, DropReason> {
    let nic = tables.nic(source).filter(|nic| nic.flags & nic_flags::PRESENT != 0);
    let lives_there = nic.is_some_and(|nic| {
        nic.vtep.is_some()
            && tunnel.source.to_v6() != V6::UNSPECIFIED
            && has_address(tables, nic.vtep, tunnel.source)
    });
    match nic {
        Some(nic) if lives_there => Ok(nic),
        _ if tables.vtep_by_address(tunnel.source).is_none() => Err(DropReason::VtepUnknown),
        Some(_) => Err(DropReason::SourceNicElsewhere),
        None => Err(DropReason::SourceNicUnknown),
    }
}

/// Whether `address` is an underlay address of the host.
#[inline(always)]
fn has_address<T: Tables>(tables: &T, host: VtepId, address: Addr) -> bool {
    let is = |vtep: &Vtep| vtep.remote.to_v6() == address.to_v6();
    let Some(vtep) = tables.vtep(host) else { return false };
    is(vtep) || (vtep.other.is_some() && tables.vtep(vtep.other).is_some_and(is))
}
