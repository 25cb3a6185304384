//! The outbound path: a frame that a workload sent.
//!
//! Parse, answer ARP and neighbour discovery, refuse what is spoofed, find the target NIC by the
//! subnet's effective routes, then hand the packet to a local NIC or encapsulate it for its host.

use core::hint::black_box;

use super::{
    Address, FlowQuery, Headers, Packet, Tables, Verdict, arp,
    deliver::{Source, ask, deliver, may_use, owns, relate},
    encap::{Overlay, encap},
    flow::{
        cache::{self, Direction},
        fragment::{self, Owner},
        quote::query_of,
    },
    icmp_error, ndp,
    parse::{self, WireSize},
};
use crate::{
    abi::{Action, DropEvent, Nic, Vtep, next_hop_kind, nic_flags, vtep_flags},
    reason::DropReason,
    types::{LinkId, Mac, NextHopId, NicId, RuleId, V4, V6, VnetId, VtepId, WireMac},
    wire::{ETHERNET_LEN, Ethernet, Ipv4, Ipv6, Ports, ethertype, len_of, protocol},
};

/// UDP source port that the platform keeps for itself.
const PLATFORM_PORT: u16 = 65_330;
/// Largest IP packet over a peering: Azure promises 1,500 bytes there and no more.
const PEERING_MTU: u16 = 1_500;

/// What is known about a packet when it is dropped.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) slot: u32,
    pub(super) nic: NicId,
    pub(super) source_nic: NicId,
    pub(super) link: LinkId,
    /// The security rule that denied; none if no rule did.
    pub(super) rule: RuleId,
    /// Type of the packet behind the first 14 bytes of the frame; 0 while it does not lie there. After
    /// decapsulation those bytes do not tell it.
    pub(super) ethertype: u16,
}

/// Decides what happens to a frame that came in on the workload interface `ifindex`.
///
/// The programs take the three parts one by one, since together they are more than the verifier
/// follows: [`outbound_cached`], then [`outbound_v6`] or [`outbound_other`].
#[inline(always)]
pub fn outbound<P: Packet, T: Tables>(p: &mut P, tables: &T, ifindex: u32) -> Verdict {
    if let Some(verdict) = outbound_cached(p, tables, ifindex) {
        return verdict;
    }
    if is_v6(p) { outbound_v6(p, tables, ifindex) } else { outbound_other(p, tables, ifindex) }
}

/// Whether the frame says that it carries IPv6.
#[inline(always)]
pub fn is_v6<P: Packet>(p: &P) -> bool {
    p.get::<Ethernet>(0).is_some_and(|it| it.ethertype.get() == ethertype::IPV6)
}

/// The part of [`outbound`] that only repeats what was decided before. `None`: decide.
#[inline(always)]
pub fn outbound_cached<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    ifindex: u32,
) -> Option<Verdict> {
    let id = tables.nic_of_interface(ifindex)?;
    let nic = tables.nic(id)?;
    let ethernet = p.get::<Ethernet>(0)?;
    let from_guest = ethernet.src == WireMac::from(nic.mac);
    if !from_guest || ethernet.dst != WireMac::from(Mac::ROUTER) || p.has_vlan_tag() {
        return None;
    }
    match ethernet.ethertype.get() {
        ethertype::IPV4 => cache::outbound::<P, T, V4>(p, tables, id, nic),
        ethertype::IPV6 => cache::outbound::<P, T, V6>(p, tables, id, nic),
        _ => None,
    }
}

/// The part of [`outbound`] for IPv6.
#[inline(always)]
pub fn outbound_v6<P: Packet, T: Tables>(p: &mut P, tables: &T, ifindex: u32) -> Verdict {
    decide(p, tables, ifindex, send_v6)
}

/// The part of [`outbound`] for everything but IPv6.
#[inline(always)]
pub fn outbound_other<P: Packet, T: Tables>(p: &mut P, tables: &T, ifindex: u32) -> Verdict {
    decide(p, tables, ifindex, send_other)
}

/// Sends by `send` and accounts for what that refuses.
#[inline(always)]
fn decide<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    ifindex: u32,
    send: impl FnOnce(&mut P, &T, NicId, &Nic, &mut Trail) -> Result<Verdict, Refusal>,
) -> Verdict {
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

/// Checks the Ethernet header and says whether the frame is for the virtual router.
#[inline(always)]
fn check_ethernet<P: Packet>(
    p: &P,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Result<(), DropReason>, DropReason> {
    let ethernet = p.get::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    trail.ethertype = ethernet.ethertype.get();
    if p.has_vlan_tag() {
        return Err(DropReason::VlanTagged);
    }
    if ethernet.src != WireMac::from(nic.mac) {
        return Err(DropReason::SourceMacSpoofed);
    }
    Ok(addressed_to_router(ethernet))
}

#[inline(always)]
fn send_v6<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let to_router = check_ethernet(p, nic, trail)?;
    let mut headers = parse::ipv6(p)?;
    match ndp::handle(p, tables, id, nic, &headers) {
        Some(handled) => Ok(handled?),
        None => send_ip(p, tables, id, nic, &mut headers, to_router, trail),
    }
}

#[inline(always)]
fn send_other<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    let to_router = check_ethernet(p, nic, trail)?;
    match trail.ethertype {
        ethertype::IPV4 => {
            let mut headers = parse::ipv4(p)?;
            send_ip(p, tables, id, nic, &mut headers, to_router, trail)
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
    headers: &mut Headers<A>,
    to_router: Result<(), DropReason>,
    trail: &mut Trail,
) -> Result<Verdict, Refusal> {
    to_router?;
    // Read before anything that it guards.
    let epoch = black_box(nic.epoch);
    check_guest(tables, id, nic, headers)?;
    if headers.is_later_fragment() {
        fragment::recall(tables, headers, Owner { slot: nic.slot, inbound: false })?;
    }
    let hop = resolve(tables, nic, headers.dst, trail)?;
    let sender = Sender { id, nic, epoch };
    forward(p, tables, &sender, headers, &hop, trail)
}

/// The NIC that sends.
struct Sender<'a> {
    id: NicId,
    nic: &'a Nic,
    /// Its epoch before anything was looked up.
    epoch: u32,
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
    match headers.protocol {
        protocol::UDP if headers.src_port == A::DHCP_SERVER => Err(DropReason::DhcpServer),
        protocol::UDP if headers.src_port == PLATFORM_PORT => Err(DropReason::PortReserved),
        protocol::GRE | protocol::IPV4 | protocol::IPV6 => Err(DropReason::ProtocolBlocked),
        _ => Ok(()),
    }
}

/// The NIC that a packet is handed to next, and the links that lead there.
struct Hop {
    target: NicId,
    link: LinkId,
    reverse: LinkId,
    /// Whether the link lets the VNets talk (`allowVirtualNetworkAccess`).
    access: bool,
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
    let mut access = true;
    if next.link.is_some() {
        let link = tables.link(next.link).ok_or(DropReason::Unconfigured)?;
        access = may_use(link.flags)?;
    }
    Ok(Hop { target, link: next.link, reverse: next.reverse, access })
}

/// Asks the sender's policies, then hands the packet to the target, here or on another host.
#[inline(always)]
fn forward<P: Packet, T: Tables, A: Address>(
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

/// Egress of the link that the packet leaves over, ingress of the one that it enters over.
#[inline(always)]
pub(super) fn meter<T: Tables>(tables: &T, out: LinkId, into: LinkId, size: &WireSize) {
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
    let before = tables.count_drop(trail.slot, reason, packet_len(p, trail.ethertype));
    let sampled = tables.config().is_some_and(|config| before & u64::from(config.event_mask) == 0);
    if sampled {
        tables.report(|event| {
            event.jiffies = tables.jiffies();
            event.nic = trail.nic;
            event.source_nic = trail.source_nic;
            event.reason = reason.number();
            event.link = trail.link;
            event.rule = trail.rule;
            event.len = packet_len(p, trail.ethertype);
            describe(p, trail.ethertype, event);
        });
    }
    Verdict::Drop(reason)
}

/// Bytes of the IP packet as its header says, 0 if there is none.
#[inline(always)]
fn packet_len<P: Packet>(p: &P, ethertype: u16) -> u32 {
    let len = match ethertype {
        ethertype::IPV4 => p.get::<Ipv4>(ETHERNET_LEN).map(|ip| u32::from(ip.total_len.get())),
        ethertype::IPV6 => {
            p.get::<Ipv6>(ETHERNET_LEN).map(|ip| u32::from(ip.payload_len.get()) + len_of::<Ipv6>())
        }
        _ => None,
    };
    len.unwrap_or(0)
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
            let has_ports = ip.version_ihl == 0x45 && !ip.is_later_fragment();
            has_ports.then_some(ETHERNET_LEN + Ipv4::LEN)
        }
        ethertype::IPV6 => {
            let Some(ip) = p.get::<Ipv6>(ETHERNET_LEN) else { return };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.next_header;
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
