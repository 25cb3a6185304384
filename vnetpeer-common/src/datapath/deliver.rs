//! The last steps of both directions: may the packet enter the target NIC, and how does it get there.

use super::{Address, Delivery, Headers, Packet, Tables, Verdict, outbound::Trail};
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

/// The inbound half: whether a packet may enter the local NIC `id`. Returns the link to meter, none
/// inside a VNet.
#[inline(always)]
pub(super) fn admit<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    source: &Source,
    id: NicId,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<LinkId, DropReason> {
    let link = if source.vnet == nic.vnet {
        LinkId::NONE
    } else {
        admit_peer(tables, headers, source, nic, trail)?
    };
    if nic.flags & nic_flags::FORWARDING == 0 && !owns(tables, id, nic, headers.dst) {
        return Err(DropReason::ForwardingDisabled);
    }
    Ok(link)
}

/// The part of [`admit`] for a source in another VNet: the link must carry traffic, and a source
/// outside the peer's address space, as last synced, counts as forwarded.
#[inline(always)]
fn admit_peer<T: Tables, A: Address>(
    tables: &T,
    headers: &Headers<A>,
    source: &Source,
    nic: &Nic,
    trail: &mut Trail,
) -> Result<LinkId, DropReason> {
    let vnet = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
    let by_source = LinkId(headers.src.lookup(tables, &vnet.peers).unwrap_or(0));
    let mut id = if source.link.is_some() { source.link } else { by_source };
    let mut link = tables.link(id).ok_or(DropReason::NoRelation)?;
    if link.remote != source.vnet || link.vnet != nic.vnet {
        id = tables.relation(nic.vnet, source.vnet).ok_or(DropReason::NoRelation)?;
        link = tables.link(id).ok_or(DropReason::NoRelation)?;
    }
    trail.link = id;
    may_use(link.flags)?;
    if id != by_source && link.flags & link_flags::ALLOW_FORWARDED == 0 {
        return Err(DropReason::ForwardedTrafficDenied);
    }
    Ok(id)
}

/// Whether a link carries traffic at all.
#[inline(always)]
pub(super) const fn may_use(flags: u32) -> Result<(), DropReason> {
    if flags & link_flags::CONNECTED == 0 {
        return Err(DropReason::PeeringNotConnected);
    }
    if flags & link_flags::ALLOW_ACCESS == 0 {
        return Err(DropReason::VirtualNetworkAccessDenied);
    }
    Ok(())
}

/// Addresses the frame from the virtual router to the guest and says where it goes.
#[inline(always)]
pub(super) fn deliver<P: Packet, A: Address>(
    p: &mut P,
    id: NicId,
    nic: &Nic,
) -> Result<Verdict, DropReason> {
    let ethernet = p.get_mut::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    *ethernet = to_guest::<A>(nic);
    Ok(Verdict::Deliver(Delivery { nic: id, ifindex: nic.ifindex, flags: nic.flags }))
}

/// The Ethernet header from the virtual router to the guest.
#[inline(always)]
pub(super) fn to_guest<A: Address>(nic: &Nic) -> Ethernet {
    Ethernet { dst: nic.mac.into(), src: Mac::ROUTER.into(), ethertype: U16::new(A::ETHERTYPE) }
}
