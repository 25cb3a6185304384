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
}

/// How a packet stands to the NIC that it enters.
pub(super) struct Relation {
    /// The link to meter, none inside a VNet.
    pub(super) link: LinkId,
    /// Whether the link lets the VNets talk (`allowVirtualNetworkAccess`).
    pub(super) access: bool,
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
        Relation { link: LinkId::NONE, access: true }
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
    let access = may_use(link.flags)?;
    if id != by_source && link.flags & link_flags::ALLOW_FORWARDED == 0 {
        return Err(DropReason::ForwardedTrafficDenied);
    }
    Ok(Relation { link: id, access })
}

/// Whether a link that carries traffic lets the VNets talk without a rule that says so. Without
/// `allowVirtualNetworkAccess` the peer's space is not in tag `VirtualNetwork`, and only a network
/// security group's own rule lets its packets pass.
#[inline(always)]
pub(super) const fn may_use(flags: u32) -> Result<bool, DropReason> {
    if flags & link_flags::CONNECTED == 0 {
        return Err(DropReason::PeeringNotConnected);
    }
    Ok(flags & link_flags::ALLOW_ACCESS != 0)
}

/// Asks the flow table and the policies of the local NIC `id` whether a packet may pass, and says
/// whether the answer holds for the packets that follow.
#[inline(always)]
pub(super) fn ask<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
    (id, nic): (NicId, &Nic),
    access: bool,
    trail: &mut Trail,
) -> Result<bool, DropReason> {
    let own = if owns(tables, id, nic, query.local) { query_flags::OWN } else { 0 };
    query.stand_at(id, nic, own | if access { 0 } else { query_flags::NO_ACCESS });
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
