//! The last steps of both directions: may the packet enter the target NIC, and how does it get there.

use super::{
    Address, Delivery, FlowQuery, Headers, Packet, Tables, Verdict, account::Trail, query_flags,
};
use crate::{
    abi::{Nic, link_flags, nic_flags},
    reason::DropReason,
    types::{LinkId, Mac, NicId, VnetId},
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

/// Whether a packet may enter the local NIC `id` as far as the networks are concerned; what its
/// policies say is asked later.
#[inline(always)]
pub(super) fn relate<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    source: &Source,
    id: NicId,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Relation, DropReason> {
    let relation = if source.vnet == nic.vnet {
        Relation { link: LinkId::NONE, no_access: 0 }
    } else {
        relate_peer(tables, headers, source, nic, trail)?
    };
    if nic.flags & nic_flags::FORWARDING == 0 && !owns(tables, id, nic, headers.dst) {
        return Err(DropReason::ForwardingDisabled);
    }
    Ok(relation)
}

/// The part of [`relate`] for a source in another VNet: the link must carry traffic, and a source
/// outside the peer's address space, as last synced, counts as forwarded.
#[inline(always)]
fn relate_peer<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    source: &Source,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<Relation, DropReason> {
    let vnet = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
    let by_source = LinkId(headers.src.lookup(tables, &vnet.peers).unwrap_or(0));
    let mut id = if source.link.is_some() { source.link } else { by_source };
    let mut link = tables.link(id).ok_or(DropReason::NoRelation)?;
    if link.remote != source.vnet || link.vnet != nic.vnet {
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

/// Asks the flow table and the policies of the local NIC `id` whether a packet may pass, and says
/// whether the answer holds for the packets that follow.
#[inline(always)]
pub(super) fn ask<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    (id, nic): (NicId, &Nic),
    no_access: u32,
    trail: &mut Trail,
) -> Result<bool, DropReason> {
    let own = if owns(tables, id, nic, query.local) { query_flags::OWN } else { 0 };
    query.stand_at(id, nic, own | no_access);
    let admission = A::admit(tables, query);
    if let Some(reason) = admission.refusal() {
        trail.rule = admission.rule();
        return Err(reason);
    }
    Ok(admission.is_steady())
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
