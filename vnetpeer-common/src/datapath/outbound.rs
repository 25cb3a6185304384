//! The outbound path: a frame that a workload sent.
//!
//! Parse, answer ARP and neighbour discovery, refuse what is spoofed, find the target NIC by the
//! subnet's effective routes, then hand the packet to a local NIC or encapsulate it for its host.

use super::{
    Address, Headers, Packet, Tables, Verdict, arp,
    deliver::{Source, admit, deliver, may_use, owns},
    encap::{Overlay, encap},
    icmp_error, ndp,
    parse::{self, WireSize},
};
use crate::{
    abi::{DropEvent, Nic, Vtep, next_hop_kind, nic_flags, vtep_flags},
    reason::DropReason,
    types::{LinkId, Mac, NextHopId, NicId, VnetId, VtepId, WireMac},
    wire::{ETHERNET_LEN, Ethernet, Ipv4, Ipv6, Ports, ethertype, len_of, protocol},
};

/// Largest IP packet over a peering: Azure promises 1,500 bytes there and no more.
const PEERING_MTU: u32 = 1_500;
/// What is known about a packet when it is dropped.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) slot: u32,
    pub(super) nic: NicId,
    pub(super) source_nic: NicId,
    pub(super) link: LinkId,
    /// Type of the packet behind the first 14 bytes of the frame; 0 while it does not lie there. After
    /// decapsulation those bytes do not tell it.
    pub(super) ethertype: u16,
}

/// Decides what happens to a frame that came in on the workload interface `ifindex`.
#[inline(always)]
pub fn outbound<P: Packet, T: Tables>(p: &mut P, tables: &T, ifindex: u32) -> Verdict {
    let mut trail = Trail::default();
    let nic = tables.nic_of_interface(ifindex).and_then(|id| Some((id, tables.nic(id)?)));
    let Some((id, nic)) = nic.filter(|(_, nic)| nic.flags & nic_flags::PRESENT != 0) else {
        return drop_frame(p, tables, DropReason::InterfaceUnknown, &trail);
    };
    trail.slot = nic.slot;
    trail.nic = id;
    trail.source_nic = id;
    match send(p, tables, id, nic, &mut trail) {
        Ok(verdict) => verdict,
        Err(Refusal::Drop(reason)) => drop_frame(p, tables, reason, &trail),
        Err(Refusal::TooBig { mtu }) => {
            let counted = drop_frame(p, tables, DropReason::MtuExceeded, &trail);
            icmp_error::too_big(p, nic, mtu).map_or(counted, |()| Verdict::Reply)
        }
    }
}

/// Why a packet does not go on.
enum Refusal {
    Drop(DropReason),
    TooBig { mtu: u32 },
}

impl From<DropReason> for Refusal {
    #[inline(always)]
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

#[inline(always)]
fn send<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let ethernet = p.get::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    trail.ethertype = ethernet.ethertype.get();
    if p.has_vlan_tag() {
        return Err(DropReason::VlanTagged.into());
    }
    if ethernet.src != WireMac::from(nic.mac) {
        return Err(DropReason::SourceMacSpoofed.into());
    }
    let to_router = addressed_to_router(ethernet);
    match trail.ethertype {
        ethertype::IPV4 => {
            let headers = parse::ipv4(p)?;
            send_ip(p, tables, id, nic, &headers, to_router, trail)
        }
        ethertype::IPV6 => {
            let headers = parse::ipv6(p)?;
            match ndp::handle(p, tables, id, nic, &headers) {
                Some(handled) => Ok(handled?),
                None => send_ip(p, tables, id, nic, &headers, to_router, trail),
            }
        }
        ethertype::ARP => Ok(arp::answer(p, tables, id, nic)?),
        ethertype::VLAN | ethertype::QINQ => Err(DropReason::VlanTagged.into()),
        _ => Err(DropReason::EtherTypeUnknown.into()),
    }
}

/// Everything after parsing, for one address family.
#[inline(always)]
fn send_ip<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
    to_router: Result<(), DropReason>,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    to_router?;
    check_guest(tables, id, nic, headers)?;
    let hop = resolve(tables, nic, headers.dst, trail)?;
    forward(p, tables, id, nic, headers, &hop, trail)
}

/// IP packets go to the virtual router and nowhere else.
#[inline(always)]
fn addressed_to_router(ethernet: &Ethernet) -> Result<(), DropReason> {
    if ethernet.dst == WireMac::from(Mac::ROUTER) {
        Ok(())
    } else if Mac::from(ethernet.dst).is_group() {
        Err(DropReason::GroupDestination)
    } else {
        Err(DropReason::DestinationMacUnknown)
    }
}

/// What a guest may not send.
#[inline(always)]
fn check_guest<T: Tables, A: Address>(
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
) -> Result<(), DropReason> {
    if headers.dst.is_group() {
        return Err(DropReason::GroupDestination);
    }
    if headers.dst.is_link_local() {
        return Err(DropReason::NoRoute);
    }
    if nic.flags & nic_flags::FORWARDING == 0 && !owns(tables, id, nic, headers.src) {
        return Err(DropReason::SourceAddressSpoofed);
    }
    if headers.protocol == protocol::UDP && headers.src_port == A::DHCP_SERVER {
        return Err(DropReason::DhcpServer);
    }
    Ok(())
}

/// The NIC that a packet is handed to next, and the links that lead there.
struct Hop {
    target: NicId,
    link: LinkId,
    reverse: LinkId,
}

/// Follows the effective routes of the NIC's subnet to a NIC.
#[inline(always)]
fn resolve<T: Tables, A: Address>(
    tables: &T,
    nic: &Nic,
    dst: A,
    trail: &mut Trail,
) -> Result<Hop, DropReason> {
    let roots = tables.routes(nic.table).ok_or(DropReason::Unconfigured)?;
    let id = dst.lookup(tables, roots).ok_or(DropReason::NoRoute)?;
    let next = tables.next_hop(NextHopId(id)).ok_or(DropReason::Unconfigured)?;
    let target = match next.kind {
        next_hop_kind::VNET => {
            let vnet = tables.vnet(VnetId(next.target)).ok_or(DropReason::Unconfigured)?;
            let nic = dst.lookup(tables, &vnet.endpoints).unwrap_or(0);
            if nic == 0 {
                return Err(DropReason::NoEndpoint);
            }
            NicId(nic)
        }
        next_hop_kind::NIC => NicId(next.target),
        next_hop_kind::NONE => return Err(DropReason::RouteNone),
        next_hop_kind::NO_UPLINK => return Err(DropReason::InternetUnavailable),
        _ => return Err(DropReason::NextHopUnreachable),
    };
    trail.link = next.link;
    if next.link.is_some() {
        let link = tables.link(next.link).ok_or(DropReason::Unconfigured)?;
        may_use(link.flags)?;
    }
    Ok(Hop { target, link: next.link, reverse: next.reverse })
}

/// Hands the packet to the target, here or on another host, and meters it.
#[inline(always)]
fn forward<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
    hop: &Hop,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let target = tables
        .nic(hop.target)
        .filter(|target| target.flags & nic_flags::PRESENT != 0)
        .ok_or(DropReason::NoEndpoint)?;
    let size = parse::wire_size(p, headers)?;
    if target.vtep.is_some() {
        let vtep = way_to::<T, A>(tables, target.vtep).ok_or(DropReason::Unconfigured)?;
        check_mtu(&size, hop.link, u32::from(vtep.mtu))?;
        let overlay = Overlay { source: id, target: hop.target, vnet: target.vnet };
        trail.ethertype = 0;
        let verdict = encap(p, headers, overlay, vtep)?;
        meter(tables, hop.link, LinkId::NONE, &size);
        return Ok(verdict);
    }
    let source = Source { vnet: nic.vnet, link: hop.reverse };
    let reverse = admit(tables, headers, &source, hop.target, target, trail)?;
    check_mtu(&size, hop.link, u32::from(target.mtu))?;
    let verdict = deliver::<P, A>(p, hop.target, target)?;
    meter(tables, hop.link, reverse, &size);
    Ok(verdict)
}

/// The way to a host: over an underlay of the packet's own family where there is one. The kernel cuts a
/// super-frame in software when the families differ, and cannot cut one that was decapsulated before.
#[inline(always)]
fn way_to<T: Tables, A: Address>(tables: &T, host: VtepId) -> Option<&Vtep> {
    let vtep = tables.vtep(host)?;
    let is_v6 = vtep.flags & vtep_flags::IPV6 != 0;
    if is_v6 == (A::ETHERTYPE == ethertype::IPV6) || !vtep.other.is_some() {
        return Some(vtep);
    }
    tables.vtep(vtep.other)
}

#[inline(always)]
fn check_mtu(size: &WireSize, link: LinkId, path_mtu: u32) -> Result<(), Refusal> {
    let mtu = if link.is_some() { path_mtu.min(PEERING_MTU) } else { path_mtu };
    if size.largest > mtu { Err(Refusal::TooBig { mtu }) } else { Ok(()) }
}

/// Egress of the link that the packet leaves over, ingress of the one that it enters over.
#[inline(always)]
fn meter<T: Tables>(tables: &T, out: LinkId, into: LinkId, size: &WireSize) {
    if out.is_some() {
        tables.meter_egress(out, size.packets, size.bytes);
    }
    if into.is_some() {
        tables.meter_ingress(into, size.packets, size.bytes);
    }
}

/// Counts a drop, and reports one of every so many. Nothing here looks at the reason: the verifier
/// would follow the rest once for each.
#[inline(always)]
pub(super) fn drop_frame<P: Packet, T: Tables>(
    p: &P,
    tables: &T,
    reason: DropReason,
    trail: &Trail,
) -> Verdict {
    let mut event = DropEvent { reason: reason.number(), ..DropEvent::default() };
    describe(p, trail.ethertype, &mut event);
    let before = tables.count_drop(trail.slot, reason, event.len);
    let sampled = tables.config().is_some_and(|config| before & u64::from(config.event_mask) == 0);
    if sampled {
        event.jiffies = tables.jiffies();
        event.nic = trail.nic;
        event.source_nic = trail.source_nic;
        event.link = trail.link;
        tables.report(&event);
    }
    Verdict::Drop(reason)
}

/// Reads from the frame what an event tells about it. The parser's findings are not kept for this:
/// they would take the stack that a program does not have.
#[inline(always)]
fn describe<P: Packet>(p: &P, ethertype: u16, event: &mut DropEvent) {
    let ports_at = match ethertype {
        ethertype::IPV4 => {
            let Some(ip) = p.get::<Ipv4>(ETHERNET_LEN) else { return };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.protocol;
            event.len = u32::from(ip.total_len.get());
            let has_ports = ip.version_ihl == 0x45 && !ip.is_later_fragment();
            has_ports.then_some(ETHERNET_LEN + Ipv4::LEN)
        }
        ethertype::IPV6 => {
            let Some(ip) = p.get::<Ipv6>(ETHERNET_LEN) else { return };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.next_header;
            event.len = u32::from(ip.payload_len.get()) + len_of::<Ipv6>();
            Some(ETHERNET_LEN + Ipv6::LEN)
        }
        _ => None,
    };
    if let Some(at) = ports_at
        && matches!(event.protocol, protocol::TCP | protocol::UDP)
        && let Some(ports) = p.get::<Ports>(at)
    {
        event.src_port = ports.src.get();
        event.dst_port = ports.dst.get();
    }
}
