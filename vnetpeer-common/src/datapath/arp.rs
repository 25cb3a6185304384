//! ARP (RFC 826): the virtual router answers for itself and for every address of the NIC's VNet.

use super::{Address, Packet, Tables, Verdict, deliver::owns};
use crate::{
    abi::{Nic, Vnet, nic_flags},
    reason::DropReason,
    types::{Mac, NicId, V4, WireMac},
    wire::{ARP_REPLY, ARP_REQUEST, Arp, ETHERNET_LEN, Ethernet, U16, ethertype},
};

/// Whether a load balancer has the address. A backend with floating IP has it too, and may ask in its name: the
/// answer goes to whoever asks.
#[inline(always)]
fn is_frontend<T: Tables>(tables: &T, vnet: &Vnet, address: V4) -> bool {
    let id = NicId(address.lookup(tables, &vnet.endpoints).unwrap_or(0));
    id.is_some() && tables.nic(id).is_some_and(|nic| nic.flags & nic_flags::FRONTEND != 0)
}

/// Turns a request into its reply, in place.
///
/// A probe or announcement of the NIC's own address (RFC 5227) gets no answer, or the guest would
/// find its address taken. Everything else that is no request for an address of the VNet is dropped.
#[inline(always)]
pub(super) fn answer<P: Packet, T: Tables>(
    p: &mut P,
    tables: &T,
    id: NicId,
    nic: &Nic,
) -> Result<Verdict, DropReason> {
    p.pull(ETHERNET_LEN + size_of::<Arp>()).ok_or(DropReason::Malformed)?;
    let request = p.get::<Arp>(ETHERNET_LEN).ok_or(DropReason::Malformed)?;
    let well_formed = request.hardware.get() == 1
        && request.protocol.get() == ethertype::IPV4
        && request.hardware_len == 6
        && request.protocol_len == 4
        && request.operation.get() == ARP_REQUEST;
    if !well_formed {
        return Err(DropReason::ArpInvalid);
    }
    if request.sender_mac != WireMac::from(nic.mac) {
        return Err(DropReason::SourceMacSpoofed);
    }
    if owns(tables, id, nic, request.target) || request.sender.is_unspecified() {
        return Err(DropReason::ArpOwnAddress);
    }
    let vnet = tables.vnet(nic.vnet).ok_or(DropReason::Unconfigured)?;
    let own = nic.flags & nic_flags::FORWARDING != 0 || owns(tables, id, nic, request.sender);
    if !own && !is_frontend(tables, vnet, request.sender) {
        return Err(DropReason::SourceAddressSpoofed);
    }
    request.target.lookup(tables, &vnet.endpoints).ok_or(DropReason::ArpInvalid)?;

    let arp = p.get_mut::<Arp>(ETHERNET_LEN).ok_or(DropReason::Malformed)?;
    let (asker, wanted) = (arp.sender, arp.target);
    arp.operation = U16::new(ARP_REPLY);
    arp.sender_mac = Mac::ROUTER.into();
    arp.sender = wanted;
    arp.target_mac = nic.mac.into();
    arp.target = asker;
    let ethernet = p.get_mut::<Ethernet>(0).ok_or(DropReason::Malformed)?;
    ethernet.dst = nic.mac.into();
    ethernet.src = Mac::ROUTER.into();
    Ok(Verdict::Reply)
}
