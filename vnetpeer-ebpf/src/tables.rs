//! [`Tables`] on the maps.
//!
//! References into array maps stay valid while the program runs. Values of hash maps may be reused
//! after a delete, so they are copied out at once. Per-CPU values have one writer: this program, which
//! no other program interrupts on the same CPU.

use vnetpeer_common::{
    abi::{
        AddressKey, Config, DROP_REASONS_MAX, DropEvent, Link, NextHop, Nic, Node4, Node6,
        RelationKey, Roots, Vnet, Vtep,
    },
    datapath::Tables,
    reason::DropReason,
    types::{Addr, LinkId, NextHopId, NicId, TableId, VnetId, VtepId},
};

use crate::{helpers, maps};

/// The maps of this host.
pub(crate) struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn config(&self) -> Option<&Config> {
        maps::CONFIG.get(0)
    }

    #[inline(always)]
    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId> {
        maps::IFACES.get(ifindex).copied().filter(|id| id.is_some())
    }

    #[inline(always)]
    fn nic(&self, id: NicId) -> Option<&Nic> {
        maps::NICS.get(id.0)
    }

    #[inline(always)]
    fn vnet(&self, id: VnetId) -> Option<&Vnet> {
        maps::VNETS.get(id.0)
    }

    #[inline(always)]
    fn routes(&self, id: TableId) -> Option<&Roots> {
        maps::ROUTES.get(id.0)
    }

    #[inline(always)]
    fn node4(&self, index: u32) -> Option<&Node4> {
        maps::TRIE_V4.get(index)
    }

    #[inline(always)]
    fn node6(&self, index: u32) -> Option<&Node6> {
        maps::TRIE_V6.get(index)
    }

    #[inline(always)]
    fn next_hop(&self, id: NextHopId) -> Option<&NextHop> {
        maps::NEXT_HOPS.get(id.0)
    }

    #[inline(always)]
    fn link(&self, id: LinkId) -> Option<&Link> {
        maps::LINKS.get(id.0)
    }

    #[inline(always)]
    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId> {
        let key = RelationKey { vnet, remote };
        // SAFETY: copied at once; a deleted entry read in that moment names a link whose flags are off.
        unsafe { maps::RELATIONS.get(key) }.copied()
    }

    #[inline(always)]
    fn vtep(&self, id: VtepId) -> Option<&Vtep> {
        maps::VTEPS.get(id.0)
    }

    #[inline(always)]
    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId> {
        // SAFETY: copied at once, and used only to choose between two drop reasons.
        unsafe { maps::VTEP_ADDRS.get(addr) }.copied()
    }

    #[inline(always)]
    fn owns_address(&self, nic: NicId, addr: Addr) -> bool {
        // SAFETY: only the presence of the entry counts.
        unsafe { maps::NIC_ADDRS.get(AddressKey::new(nic, addr)) }.is_some()
    }

    #[inline(always)]
    fn meter_egress(&self, link: LinkId, packets: u64, bytes: u64) {
        if let Some(meter) = maps::METERS.get_ptr_mut(link.0) {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe {
                (*meter).egress_packets += packets;
                (*meter).egress_bytes += bytes;
            }
        }
    }

    #[inline(always)]
    fn meter_ingress(&self, link: LinkId, packets: u64, bytes: u64) {
        if let Some(meter) = maps::METERS.get_ptr_mut(link.0) {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe {
                (*meter).ingress_packets += packets;
                (*meter).ingress_bytes += bytes;
            }
        }
    }

    #[inline(always)]
    fn count_drop(&self, slot: u32, reason: DropReason, bytes: u32) -> u64 {
        let index = slot * DROP_REASONS_MAX + reason.number();
        let Some(counter) = maps::DROPS.get_ptr_mut(index) else { return 0 };
        // SAFETY: the pointer is into this CPU's value, which has one writer.
        unsafe {
            let before = (*counter).packets;
            (*counter).packets = before + 1;
            (*counter).bytes += u64::from(bytes);
            before
        }
    }

    #[inline(always)]
    fn report(&self, event: &DropEvent) {
        if maps::EVENTS.output::<DropEvent>(event, 0).is_err()
            && let Some(lost) = maps::EVENTS_LOST.get_ptr_mut(0)
        {
            // SAFETY: the pointer is into this CPU's value, which has one writer.
            unsafe { *lost += 1 };
        }
    }

    #[inline(always)]
    fn jiffies(&self) -> u64 {
        helpers::jiffies()
    }
}
