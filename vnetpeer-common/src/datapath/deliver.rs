//! The last steps of both directions: may the packet enter the target NIC, and how does it get there.

use super::{
    Address, Admission, Delivery, FlowQuery, Packet, Tables, Verdict, account::Trail, query_flags,
};
use crate::{
    abi::{Nic, Vnet, link_flags, member_of_group, nic_flags},
    reason::DropReason,
    types::{BalancerId, LinkId, Mac, NicId, VnetId},
    wire::{Ethernet, U16},
};

/// Whether `address` is one of the NIC's own. Zeros are nobody's.
#[inline(always)]
pub(super) fn owns<T: Tables, A: Address>(tables: &T, id: NicId, nic: &Nic, address: A) -> bool {
    if address == A::primary(nic) {
        return !address.is_unspecified();
    }
    nic.flags & nic_flags::MORE_ADDRESSES != 0 && tables.owns_address(id, address.into())
}

/// Where a packet comes from, as its target sees it.
pub(super) struct Source {
    /// The VNet of the NIC that sent it.
    pub(super) vnet: VnetId,
    /// The target's link to that VNet where the sender's route has told it already; a packet from
    /// another host comes without.
    pub(super) link: LinkId,
    /// [`nic_flags`] of that NIC.
    pub(super) flags: u32,
}

/// How a packet stands to the NIC that it enters.
pub(super) struct Relation {
    /// The link; none inside a VNet.
    pub(super) link: LinkId,
    /// [`query_flags::NO_ACCESS`], or 0.
    pub(super) no_access: u32,
}

/// Whether a packet may enter a local NIC as far as the networks are concerned; whether the NIC takes it and
/// what its policies say is asked later.
#[inline(always)]
pub(super) fn relate<T: Tables, A: Address>(
    tables: &T,
    src: A,
    source: &Source,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Relation, DropReason> {
    if source.vnet == nic.vnet {
        Ok(Relation { link: LinkId::NONE, no_access: 0 })
    } else {
        relate_peer(tables, src, source, nic, trail)
    }
}

/// The part of [`relate`] for a source in another VNet: the link must carry traffic, and a source
/// outside the peer's address space, as last synced, counts as forwarded. Members of a connected group take
/// nothing that is forwarded.
#[inline(always)]
fn relate_peer<T: Tables, A: Address>(
    tables: &T,
    src: A,
    source: &Source,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Relation, DropReason> {
    let vnet = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
    let leaf = src.lookup(tables, &vnet.peers).unwrap_or(0);
    let member = member_of_group(leaf);
    let mut by_source = if member.is_some() { LinkId::NONE } else { LinkId(leaf) };
    if member == source.vnet {
        by_source = group_link(tables, vnet, member)?;
    }
    let named = source.link.is_some() && member != source.vnet;
    let mut id = if named { source.link } else { by_source };
    let mut link = tables.link(id).ok_or(DropReason::NoRelation)?;
    let fits = link.remote == source.vnet || member == source.vnet;
    if !fits || link.vnet != nic.vnet {
        id = tables.relation(nic.vnet, source.vnet).ok_or(DropReason::NoRelation)?;
        link = tables.link(id).ok_or(DropReason::NoRelation)?;
    }
    trail.link = id;
    let no_access = may_use(link.flags)?;
    // What comes through the gateway that this VNet uses needs no further permission.
    let gateway = (source.flags / nic_flags::GATEWAY) & 1;
    let may_forward = link_flags::ALLOW_FORWARDED | (gateway * link_flags::USE_REMOTE_GATEWAYS);
    if id != by_source && link.flags & may_forward == 0 {
        return Err(DropReason::ForwardedTrafficDenied);
    }
    Ok(Relation { link: id, no_access })
}

/// The link by which a virtual network meters what it exchanges with another member of a connected group. One
/// without links exchanges nothing: its region may be changing, and with it the link that meters for the other.
#[inline(always)]
pub(super) fn group_link<T: Tables>(
    tables: &T,
    vnet: &Vnet,
    other: VnetId,
) -> Result<LinkId, DropReason> {
    let other = tables.vnet(other).ok_or(DropReason::Unconfigured)?;
    let [of_region, of_others] = vnet.group_links;
    let [its_of_region, its_of_others] = other.group_links;
    let (link, its) = if vnet.region == other.region {
        (of_region, its_of_region)
    } else {
        (of_others, its_of_others)
    };
    if link.is_some() && its.is_some() { Ok(link) } else { Err(DropReason::NoRelation) }
}

/// The link over which a packet entered a NIC, if it is the one to meter. `asked` are the flags of the
/// query for that NIC.
#[inline(always)]
pub(super) fn billed<T: Tables>(tables: &T, nic: &Nic, link: LinkId, asked: u32) -> LinkId {
    if nic.flags & nic_flags::GATEWAY == 0 || asked & query_flags::OWN != 0 {
        return link;
    }
    let reverse = tables.link(link).map_or(LinkId::NONE, |it| it.reverse);
    unless(by_gateway(tables, nic, reverse), link)
}

/// 1 if the NIC stands for a gateway that the owner of a link uses, else 0. What crosses the peering
/// between that gateway and the owner is the owner's to pay (AZ §7.4).
#[inline(always)]
pub(super) fn by_gateway<T: Tables>(tables: &T, nic: &Nic, link: LinkId) -> u32 {
    if nic.flags & nic_flags::GATEWAY == 0 {
        return 0;
    }
    tables.link(link).map_or(0, |it| (it.flags / link_flags::USE_REMOTE_GATEWAYS) & 1)
}

/// The link, or none if `free` is 1.
#[inline(always)]
pub(super) const fn unless(free: u32, link: LinkId) -> LinkId {
    LinkId(link.0 & free.wrapping_sub(1))
}

/// [`query_flags::NO_ACCESS`] if a link that carries traffic lets the VNets talk only by a rule that says
/// so, else 0. Without `allowVirtualNetworkAccess` the peer's space is not in tag `VirtualNetwork`, and
/// only a network security group's own rule lets its packets pass.
#[inline(always)]
pub(super) const fn may_use(flags: u32) -> Result<u32, DropReason> {
    if flags & link_flags::CONNECTED == 0 {
        return Err(DropReason::PeeringNotConnected);
    }
    Ok((!flags & link_flags::ALLOW_ACCESS) / link_flags::ALLOW_ACCESS * query_flags::NO_ACCESS)
}

/// Asks the flow table and the policies of the local NIC `id` whether a packet may pass. `asked` are flags of
/// the query that the caller knows.
#[inline(always)]
pub(super) fn ask<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    (id, nic): (NicId, &Nic),
    asked: u32,
    trail: &mut Trail,
) -> Result<Admission, DropReason> {
    query.stand_at(id, nic, of_nic(tables, id, nic, query.local) | asked);
    heed(A::admit(tables, query), trail)
}

/// Asks for the local NIC `id` that receives the packet that was last asked about, with `flags` of the query.
#[inline(always)]
pub(super) fn ask_again<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    id: NicId,
    flags: u32,
    translated_by: BalancerId,
    trail: &mut Trail,
) -> Result<Admission, DropReason> {
    heed(A::readmit(tables, query, id, flags, translated_by), trail)
}

#[inline(always)]
fn heed(admission: Admission, trail: &mut Trail) -> Result<Admission, DropReason> {
    match admission.refusal() {
        Some(reason) => {
            trail.rule = admission.rule();
            Err(reason)
        }
        None => Ok(admission),
    }
}

/// [`query_flags::OWN`] and [`query_flags::FORWARDS`] of a NIC and an address on its side.
#[inline(always)]
pub(super) fn of_nic<T: Tables, A: Address>(tables: &T, id: NicId, nic: &Nic, local: A) -> u32 {
    let own = if owns(tables, id, nic, local) { query_flags::OWN } else { 0 };
    own | (((nic.flags / nic_flags::FORWARDING) & 1) * query_flags::FORWARDS)
}

/// Addresses the frame from the virtual router to the guest and says where it goes.
#[inline(always)]
pub(super) fn deliver<P: Packet, A: Address>(
    p: &mut P,
    id: NicId,
    nic: &Nic,
) -> Result<Verdict, DropReason> {
    let ethernet = p.get_mut::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    *ethernet = to_guest::<A>(nic.mac);
    Ok(Verdict::Deliver(Delivery { nic: id, ifindex: nic.ifindex, flags: nic.flags }))
}

/// The Ethernet header from the virtual router to the guest.
#[inline(always)]
pub(super) fn to_guest<A: Address>(guest: Mac) -> Ethernet {
    Ethernet { dst: guest.into(), src: Mac::ROUTER.into(), ethertype: U16::new(A::ETHERTYPE) }
}
