//! Which local NICs a plan concerns: those whose packets may fare differently after it.
//!
//! What becomes of a packet of a NIC follows from the NIC, its table, its VNet and the VNets that this
//! one is linked with, and the NICs, filters and hosts in these. So whatever changes about a VNet
//! concerns its own NICs and those of its neighbours, and of the members of connected groups if it is one.

use std::collections::BTreeSet;

use vnetpeer_common::{
    abi::{self, link_flags, vtep_flags},
    types::{NicId, TableId, VnetId, VtepId},
};

use super::{Observed, Op};
use crate::topology::desired::Desired;

/// What operations have changed so far.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Something that concerns every NIC.
    all: bool,
    vnets: BTreeSet<VnetId>,
    /// Tables concern only the NICs that use them.
    tables: BTreeSet<TableId>,
    vteps: BTreeSet<VtepId>,
    nics: BTreeSet<NicId>,
    /// Slots of NICs whose running flows are judged again.
    slots: BTreeSet<u32>,
}

impl Touched {
    /// Everything.
    pub(super) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Notes an operation that changes `before`.
    pub(super) fn note(&mut self, op: &Op, before: &Observed) {
        match *op {
            Op::SetIface { ifindex, nic } => {
                self.nics.extend(before.ifaces.get(&ifindex));
                self.nics.insert(nic);
            }
            Op::SetNic { id, nic } => {
                self.vnets.extend(before.nics.get(&id).map(|old| old.vnet));
                self.vnets.insert(nic.vnet);
            }
            Op::SetVnet { id, .. } => drop(self.vnets.insert(id)),
            Op::SetRoutes { id, .. } => drop(self.tables.insert(id)),
            Op::SetLink { id, link } => {
                let old = before.links.get(&id).copied().unwrap_or_default();
                self.vnets.extend([link.vnet, link.remote, old.vnet, old.remote]);
            }
            Op::SetRelation { key, .. } | Op::DeleteRelation { key } => {
                self.vnets.extend([key.vnet, key.remote]);
            }
            // Slots are for new flows only.
            Op::SetBalancer { id, balancer } => {
                let old = before.balancers.get(&id).copied().unwrap_or_default();
                if (abi::Balancer { slots: old.slots, ..balancer }) != old {
                    self.nics.extend([old.frontend, balancer.frontend]);
                }
            }
            Op::SetFrontend { key, .. } | Op::DeleteFrontend { key } => {
                self.nics.insert(key.frontend);
            }
            Op::SetVtep { id, vtep } => {
                let old = before.vteps.get(&id).copied().unwrap_or_default();
                if is_other_way(&old, &vtep) {
                    self.vteps.insert(id);
                }
            }
            Op::SetVtepAddr { addr, id } => {
                self.vteps.extend(before.vtep_addrs.get(&addr));
                self.vteps.insert(id);
            }
            Op::DeleteVtepAddr { addr } => self.vteps.extend(before.vtep_addrs.get(&addr)),
            Op::SetNicAddr { key } | Op::DeleteNicAddr { key } => drop(self.nics.insert(key.nic)),
            Op::SetFilter { slot, filter } => {
                let old = before.filters.get(&slot).copied().unwrap_or_default();
                if old.generation != filter.generation {
                    self.slots.insert(slot);
                }
            }
            Op::SetConfig { .. } => self.all = true,
            // Rules judge new flows only, unless a filter's generation changes.
            Op::SetPolicy { .. }
            | Op::SetRow { .. }
            | Op::SetClassifier { .. }
            | Op::SetNode4 { .. }
            | Op::SetNode6 { .. }
            | Op::SetNextHop { .. }
            | Op::ZeroMeter { .. }
            | Op::ZeroDrops { .. } => {}
        }
    }

    /// Whether something was changed that concerns every NIC.
    pub(super) fn is_everything(&self) -> bool {
        self.all
    }

    /// The local NICs that are concerned, with their desired contents.
    pub(super) fn concerned(mut self, desired: &Desired, observed: &Observed) -> Vec<NicId> {
        let named = self.nics.iter().flat_map(|id| [observed.nics.get(id), desired.nics.get(id)]);
        self.vnets.extend(named.flatten().map(|nic| nic.vnet));
        if !self.vteps.is_empty() || !self.slots.is_empty() {
            for nic in observed.nics.values().chain(desired.nics.values()) {
                let by_vtep = nic.vtep.is_some() && self.vteps.contains(&nic.vtep);
                let by_slot = nic.slot != 0 && self.slots.contains(&nic.slot);
                if by_vtep || by_slot {
                    self.vnets.insert(nic.vnet);
                }
            }
        }
        let links = observed.links.values().chain(desired.links.values());
        let reached: Vec<VnetId> = links
            .flat_map(|link| [(link.vnet, link.remote), (link.remote, link.vnet)])
            .filter(|(vnet, _)| self.vnets.contains(vnet))
            .map(|(_, neighbour)| neighbour)
            .collect();
        self.vnets.extend(reached);
        // What changes about a member of a connected group concerns all members of such groups.
        let links = observed.links.values().chain(desired.links.values());
        let members: BTreeSet<VnetId> = links
            .filter(|link| link.flags & link_flags::CONNECTED_GROUP != 0)
            .map(|link| link.vnet)
            .collect();
        if !self.vnets.is_disjoint(&members) {
            self.vnets.extend(members);
        }
        let local = desired.nics.iter().filter(|(_, nic)| is_local(nic));
        local
            .filter(|(_, nic)| {
                self.all || self.vnets.contains(&nic.vnet) || self.tables.contains(&nic.table)
            })
            .map(|(id, _)| *id)
            .collect()
    }
}

/// Whether a NIC lives on this host.
pub(super) fn is_local(nic: &abi::Nic) -> bool {
    !nic.vtep.is_some()
}

/// Whether packets to or from a host take another way. MAC addresses are read for every packet.
fn is_other_way(old: &abi::Vtep, new: &abi::Vtep) -> bool {
    let way = |vtep: &abi::Vtep| abi::Vtep {
        flags: vtep.flags & !vtep_flags::RESOLVED,
        src_mac: new.src_mac,
        dst_mac: new.dst_mac,
        ..*vtep
    };
    way(old) != way(new)
}

/// The numbers that a plan gives out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epochs {
    /// [`abi::Config::epoch`] while the plan is being executed.
    pub(super) marker: u32,
    /// What NICs that are concerned get, and [`abi::Config::epoch`] at the end.
    pub(super) next: u32,
}

impl Epochs {
    /// The numbers after those that are in the maps.
    pub(super) fn after(observed: &Observed) -> Self {
        let given = observed.nics.values().map(|nic| nic.epoch).max().unwrap_or_default();
        let highest = observed.config.epoch.max(given);
        let marker = highest.wrapping_add(1) | 1;
        Self { marker, next: marker.wrapping_add(1) }
    }
}
