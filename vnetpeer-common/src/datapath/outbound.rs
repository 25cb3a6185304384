//! The outbound path: a frame that a workload sent.
//!
//! Parse, answer ARP and neighbour discovery, refuse what is spoofed, find the target NIC by the
//! subnet's effective routes, then hand the packet to a local NIC or encapsulate it for its host.

use core::hint::black_box;

use super::{
    Address, Headers, Packet, Tables, Verdict,
    account::{Trail, drop_frame},
    arp,
    deliver::{by_gateway, may_use, owns, unless},
    flow::{
        cache,
        fragment::{self, Owner},
        quote::query_of,
    },
    forward::forward,
    icmp_error, ndp, parse, query_flags,
    resolve::flow_hash,
};
use crate::{
    abi::{NextHop, Nic, action_flags, next_hop_kind, nic_flags},
    reason::DropReason,
    types::{LinkId, Mac, NicId, V4, V6, WireMac},
    wire::{Ethernet, ethertype, protocol},
};

/// UDP source port that the platform keeps for itself.
const PLATFORM_PORT: u16 = 65_330;

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
pub(super) enum Refusal {
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
    let mut query = query_of(p, headers)?;
    let mut hop = next_nic(tables, id, nic, headers, trail)?;
    let sender = Sender { id, nic, epoch };
    forward(p, tables, &sender, headers, &mut query, &mut hop, trail)
}

/// The NIC that sends.
pub(super) struct Sender<'a> {
    pub(super) id: NicId,
    pub(super) nic: &'a Nic,
    /// Its epoch before anything was looked up.
    pub(super) epoch: u32,
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

/// The NIC that a packet is handed to next, and how it gets there. What is decided on the way is kept as
/// bits that are calculated and never branched on: the verifier follows all that comes after a branch once
/// for each side.
pub(super) struct Hop<'a> {
    pub(super) target: NicId,
    /// [`query_flags::NO_ACCESS`], [`LOWERS_HOP_LIMIT`] and [`FREE`].
    flags: u32,
    next: &'a NextHop,
}

/// The packet goes from one appliance to another. Nothing makes a guest lower the hop limit of what it
/// forwards, so a loop of such guests ends only by this.
const LOWERS_HOP_LIMIT: u32 = action_flags::LOWER_HOP_LIMIT;
/// The other side pays for the packet.
const FREE: u32 = 1;

const _: () = assert!(LOWERS_HOP_LIMIT | FREE | query_flags::NO_ACCESS == 11, "three bits");

impl Hop<'_> {
    /// The link that the packet leaves over; none inside the VNet.
    #[inline(always)]
    pub(super) const fn link(&self) -> LinkId {
        self.next.link
    }

    /// The other side's link.
    #[inline(always)]
    pub(super) const fn reverse(&self) -> LinkId {
        self.next.reverse
    }

    /// The link to meter.
    #[inline(always)]
    pub(super) const fn billed(&self) -> LinkId {
        unless(self.flags & FREE, self.next.link)
    }

    /// Notes what depends on whether the NIC forwards the packet, or sends it from an address of its own
    /// ([`query_flags::OWN`]).
    #[inline(always)]
    pub(super) fn settle<T: Tables>(&mut self, tables: &T, nic: &Nic, query_flags: u32) {
        let forwards = (!query_flags / query_flags::OWN) & (nic.flags / nic_flags::FORWARDING) & 1;
        // Of the two kinds that get here only NIC has this bit.
        let to_nic = u32::from(self.next.kind) / u32::from(next_hop_kind::NIC);
        self.flags |= (to_nic & forwards) * LOWERS_HOP_LIMIT;
        self.flags |= (by_gateway(tables, nic, self.next.reverse) & forwards) * FREE;
    }

    /// [`query_flags::NO_ACCESS`], or 0.
    #[inline(always)]
    pub(super) const fn no_access(&self) -> u32 {
        self.flags & query_flags::NO_ACCESS
    }

    /// What a cached action says about the hop besides.
    #[inline(always)]
    pub(super) const fn action_flags(&self) -> u32 {
        self.flags & LOWERS_HOP_LIMIT
    }
}

/// Follows the effective routes of the NIC's subnet to a NIC.
#[inline(always)]
fn next_nic<'a, T: Tables, A: Address>(
    tables: &'a T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
    trail: &mut Trail,
) -> Result<Hop<'a>, DropReason> {
    let (target, by) = headers.dst.resolve(tables, nic.table, id, flow_hash(headers)).get()?;
    let next = tables.next_hop(by).ok_or(DropReason::Unconfigured)?;
    trail.link = next.link;
    let mut flags = 0;
    if next.link.is_some() {
        let link = tables.link(next.link).ok_or(DropReason::Unconfigured)?;
        flags = may_use(link.flags)?;
    }
    Ok(Hop { target, flags, next })
}
