//! The outbound path: a frame that a workload sent.
//!
//! Parse, answer ARP and neighbour discovery, refuse what is spoofed, find the target NIC by the
//! subnet's effective routes, then hand the packet to a local NIC or encapsulate it for its host.

use core::hint::black_box;

use super::{
    Address, FlowQuery, Headers, Packet, Tables, Verdict,
    account::{Trail, drop_frame},
    arp,
    deliver::{by_gateway, group_link, may_use, owns, unless},
    flow::{
        cache,
        fragment::{self, Owner},
        quote::{query_of, query_quoted},
    },
    forward::forward,
    icmp_error, ndp, parse, query_flags,
    resolve::flow_hash,
    shape,
    watch::pass_by,
};
use crate::{
    abi::{Nic, action_flags, link_flags, next_hop_kind, nic_flags, nic_protocol, stage},
    reason::DropReason,
    types::{LinkId, Mac, NicId, TableId, V4, V6, VnetId, WireMac},
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
    if let Some(verdict) = shape::queue(nic, ifindex) {
        return Some(verdict);
    }
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
    let mut trail = Trail::default();
    let Some((id, nic)) = sender(p, tables, ifindex, &mut trail) else {
        return drop_frame(p, tables, DropReason::InterfaceUnknown, &trail);
    };
    let sent = send_v6(p, tables, id, nic, &mut trail);
    account(p, tables, nic, sent, &trail)
}

/// The part of [`outbound`] for everything but IPv6.
#[inline(always)]
pub fn outbound_other<P: Packet, T: Tables>(p: &mut P, tables: &T, ifindex: u32) -> Verdict {
    let mut trail = Trail::default();
    let Some((id, nic)) = sender(p, tables, ifindex, &mut trail) else {
        return drop_frame(p, tables, DropReason::InterfaceUnknown, &trail);
    };
    let sent = send_other(p, tables, id, nic, &mut trail);
    account(p, tables, nic, sent, &trail)
}

/// The NIC behind an interface, which has sent the frame.
#[inline(always)]
fn sender<'a, P: Packet, T: Tables>(
    p: &P,
    tables: &'a T,
    ifindex: u32,
    trail: &mut Trail,
) -> Option<(NicId, &'a Nic)> {
    let id = tables.nic_of_interface(ifindex)?;
    let nic = tables.nic(id).filter(|nic| nic.flags & nic_flags::PRESENT != 0)?;
    trail.slot = nic.slot;
    trail.nic = id;
    trail.source_nic = id;
    let ethertype = p.get::<Ethernet>(0).map_or(0, |it| it.ethertype.get());
    pass_by(p, tables, stage::SENT, trail, (ethertype, 0));
    Some((id, nic))
}

/// Accounts for a frame that was not sent on.
#[inline(always)]
fn account<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    nic: &Nic,
    sent: Result<Verdict, Refusal>,
    trail: &Trail,
) -> Verdict {
    match sent {
        Ok(verdict) => verdict,
        Err(Refusal::Drop(reason)) => drop_frame(p, tables, reason, trail),
        Err(Refusal::TooBig { mtu }) => {
            let counted = drop_frame(p, tables, DropReason::MtuExceeded, trail);
            icmp_error::too_big(p, nic, mtu).map_or(counted, |()| Verdict::Reply)
        }
    }
}

/// Why a packet does not go on.
#[derive(Clone, Copy)]
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
    if answers_probe(tables, id, nic, headers) {
        return Ok(Verdict::Pass);
    }
    // Read before anything that it guards.
    let epoch = black_box(nic.epoch);
    check_guest(tables, id, nic, headers)?;
    if headers.is_later_fragment() {
        fragment::recall(tables, headers, Owner { slot: nic.slot, inbound: false })?;
    }
    let mut query = query_of(headers);
    query_quoted(p, headers, &mut query)?;
    let (target, mut hop) = next_nic(tables, id, nic, headers, trail)?;
    query.target = target;
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

/// Whether a packet is for the host that asks whether the NIC is healthy.
#[inline(always)]
fn answers_probe<T: Tables, A: Address>(
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
) -> bool {
    nic.flags & nic_flags::PROBED != 0
        && headers.protocol == protocol::TCP
        && headers.dst.is_prober()
        && owns(tables, id, nic, headers.src)
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
    let own = nic.flags & nic_flags::FORWARDING != 0 || owns(tables, id, nic, headers.src);
    if !own && !floats(tables, id, nic, headers) {
        return Err(DropReason::SourceAddressSpoofed);
    }
    match headers.protocol {
        protocol::UDP if headers.src_port == A::DHCP_SERVER => Err(DropReason::DhcpServer),
        protocol::UDP if headers.src_port == PLATFORM_PORT => Err(DropReason::PortReserved),
        protocol::GRE | protocol::IPV4 | protocol::IPV6 => Err(DropReason::ProtocolBlocked),
        _ => Ok(()),
    }
}

/// Whether a backend answers from the address of a frontend with floating IP.
#[inline(always)]
fn floats<T: Tables, A: Address>(tables: &T, id: NicId, nic: &Nic, headers: &Headers<A>) -> bool {
    let query = FlowQuery {
        local: headers.src,
        remote: headers.dst,
        ports: u32::from(headers.src_port) << 16 | u32::from(headers.dst_port),
        nic_protocol: nic_protocol(id, headers.protocol),
        slot: nic.slot,
        table: TableId::NONE,
        vnet: nic.vnet,
        target: NicId::NONE,
        flags: 0,
        kind: 0,
    };
    A::floats(tables, &query) != 0
}

/// How a packet gets to the NIC that it is handed to next. What is decided on the way is kept as
/// bits that are calculated and never branched on: the verifier follows all that comes after a branch once
/// for each side.
pub(super) struct Hop {
    /// [`query_flags::NO_ACCESS`], [`query_flags::GLOBAL`], [`LOWERS_HOP_LIMIT`], [`FREE`] and [`TO_NIC`].
    flags: u32,
    /// The link that the packet leaves over; none inside the VNet.
    pub(super) link: LinkId,
    /// The other side's link.
    pub(super) reverse: LinkId,
}

/// The packet goes from one appliance to another. Nothing makes a guest lower the hop limit of what it
/// forwards, so a loop of such guests ends only by this.
const LOWERS_HOP_LIMIT: u32 = action_flags::LOWER_HOP_LIMIT;
/// The other side pays for the packet.
const FREE: u32 = 1;
/// The route names the NIC.
const TO_NIC: u32 = 1 << 2;
/// What the sender's policies and load balancers are told.
const ASKED: u32 = query_flags::NO_ACCESS | query_flags::GLOBAL;

const _: () = assert!(LOWERS_HOP_LIMIT | FREE | TO_NIC | ASKED == 0b100_1111, "five bits");

impl Hop {
    /// The link to meter.
    #[inline(always)]
    pub(super) const fn billed(&self) -> LinkId {
        unless(self.flags & FREE, self.link)
    }

    /// Notes what depends on whether the NIC forwards the packet, or sends it from an address of its own
    /// ([`query_flags::OWN`]).
    #[inline(always)]
    pub(super) fn settle<T: Tables>(&mut self, tables: &T, nic: &Nic, query_flags: u32) {
        let forwards = (!query_flags / query_flags::OWN) & (nic.flags / nic_flags::FORWARDING) & 1;
        let to_nic = (self.flags / TO_NIC) & 1;
        self.flags |= (to_nic & forwards) * LOWERS_HOP_LIMIT;
        self.flags |= (by_gateway(tables, nic, self.reverse) & forwards) * FREE;
    }

    /// [`query_flags::NO_ACCESS`] and [`query_flags::GLOBAL`] as they apply.
    #[inline(always)]
    pub(super) const fn asked(&self) -> u32 {
        self.flags & ASKED
    }

    /// What a cached action says about the hop besides.
    #[inline(always)]
    pub(super) const fn action_flags(&self) -> u32 {
        self.flags & LOWERS_HOP_LIMIT
    }
}

/// Follows the effective routes of the NIC's subnet to a NIC.
#[inline(always)]
fn next_nic<T: Tables, A: Address>(
    tables: &T,
    id: NicId,
    nic: &Nic,
    headers: &Headers<A>,
    trail: &mut Trail,
) -> Result<(NicId, Hop), DropReason> {
    let (target, by) = headers.dst.resolve(tables, nic.table, id, flow_hash(headers)).get()?;
    let next = tables.next_hop(by).ok_or(DropReason::Unconfigured)?;
    let (mut link, mut reverse) = (next.link, next.reverse);
    let peer = VnetId(next.target);
    if next.kind == next_hop_kind::CONNECTED_GROUP && peer != nic.vnet {
        let own = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
        link = group_link(tables, own, peer)?;
        reverse = group_link(tables, tables.vnet(peer).ok_or(DropReason::Unconfigured)?, nic.vnet)?;
    }
    trail.link = link;
    let kind = u32::from(next.kind);
    // Of the kinds that get here only NIC has this bit alone.
    let mut flags = ((kind / u32::from(next_hop_kind::NIC)) & !(kind >> 2) & 1) * TO_NIC;
    if link.is_some() {
        let link = tables.link(link).ok_or(DropReason::Unconfigured)?;
        flags |=
            may_use(link.flags)? | (((link.flags / link_flags::GLOBAL) & 1) * query_flags::GLOBAL);
    }
    Ok((target, Hop { flags, link, reverse }))
}
