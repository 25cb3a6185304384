//! The order of operations. [`super`] says why it is this one.

mod frontends;
mod links;
mod shapers;

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::{
    abi,
    types::{Addr, NextHopId, NicId, TableId, VtepId},
};

use super::{
    Observed, Op,
    agree::{agreed_nic, differing, forwards, has_first},
    epochs::{Epochs, Touched, is_local},
    filters::{FilterSteps, Filters, stays_local},
    tables::Tables,
};
use crate::topology::desired::Desired;

/// Writes the list of operations and follows them.
pub(super) struct Sequence<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    tables: &'a Tables,
    vtep_addrs: BTreeMap<Addr, VtepId>,
    /// Rows of drop counters that NICs had so far.
    slots: BTreeSet<u32>,
    epochs: Epochs,
    /// Desired NICs, with the epochs that they have or enter with.
    nics: BTreeMap<NicId, abi::Nic>,
    /// NICs that are there or desired and do not stay as they are.
    changing: Vec<NicId>,
    next: Observed,
    ops: Vec<Op>,
    touched: Touched,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed, tables: &'a Tables) -> Self {
        let addrs = desired.vteps.iter().filter(|(_, vtep)| vtep.remote != Addr::default());
        let unfinished = observed.is_unfinished();
        let epochs = Epochs::after(observed);
        let mut before = observed.nics.iter().peekable();
        let with_epoch = |(id, nic): (&NicId, &abi::Nic)| {
            while before.next_if(|(known, _)| *known < id).is_some() {}
            let old = before.next_if(|(known, _)| *known == id).map(|(_, old)| old);
            let old = old.filter(|old| stays_local(old, nic));
            let epoch = match old {
                _ if !is_local(nic) => 0,
                Some(old) => old.epoch,
                None => epochs.next,
            };
            (*id, abi::Nic { epoch, shaper: shapers::kept(old, nic), ..*nic })
        };
        let nics: BTreeMap<NicId, abi::Nic> = desired.nics.iter().map(with_epoch).collect();
        Self {
            desired,
            observed,
            tables,
            vtep_addrs: addrs.map(|(id, vtep)| (vtep.remote, *id)).collect(),
            slots: observed.nics.values().map(|it| it.slot).filter(|it| *it != 0).collect(),
            epochs,
            changing: differing(&observed.nics, &nics),
            nics,
            next: observed.clone(),
            ops: Vec::new(),
            touched: if unfinished { Touched::everything() } else { Touched::default() },
        }
    }

    /// All operations, and the maps after them (pools excepted).
    pub(super) fn run(mut self) -> (Vec<Op>, Observed) {
        let (desired, observed, tables) = (self.desired, self.observed, self.tables);
        let filters = FilterSteps::new(desired, observed, tables, self.epochs.next);
        self.prepare_vteps();
        self.leave_shapers();
        self.tighten_ifaces();
        self.tighten_links();
        self.tighten_frontends();
        self.tighten_vteps();
        self.remove_nics();
        self.write_items();
        self.set_filters(&filters.closed);
        self.set_policies();
        self.set_filters(&filters.entering);
        self.tighten_vnets();
        self.tighten_nics();
        self.move_vnets();
        self.switch_routes();
        self.set_filters(&filters.staying);
        self.loosen_vnets();
        self.loosen_links();
        self.loosen_nics();
        self.loosen_frontends();
        self.loosen_vteps();
        self.loosen_ifaces();
        self.enter_shapers();
        self.clear();
        self.clear_balancers();
        self.raise_epochs();
        (self.ops, self.next)
    }

    /// Appends an operation unless it would change nothing.
    fn push(&mut self, op: Op) {
        if !self.next.holds(&op) {
            self.touched.note(&op, &self.next);
            self.next.apply(&op);
            self.ops.push(op);
        }
    }

    /// The NICs that are there and do not stay as they are.
    fn leaving(&self) -> Vec<NicId> {
        let there = |id: &NicId| self.observed.nics.contains_key(id);
        self.changing.iter().copied().filter(there).collect()
    }

    /// Hosts that NICs may move to. A number that changes hands is emptied: NICs still name it.
    fn prepare_vteps(&mut self) {
        for (id, vtep) in &self.desired.vteps {
            let other = self.observed.vteps.get(id).is_some_and(|old| old.remote != vtep.remote);
            let vtep = if other { abi::Vtep::default() } else { *vtep };
            self.push(Op::SetVtep { id: *id, vtep });
        }
    }

    fn tighten_ifaces(&mut self) {
        let changing = self.changing.iter().copied();
        let gone: BTreeSet<NicId> = changing.filter(|id| self.stays(*id).is_none()).collect();
        for (ifindex, nic) in &self.observed.ifaces {
            let same = self.desired.ifaces.get(ifindex) == Some(nic);
            if !same || gone.contains(nic) {
                self.push(Op::SetIface { ifindex: *ifindex, nic: NicId::NONE });
            }
        }
    }

    fn tighten_vteps(&mut self) {
        for (addr, id) in &self.observed.vtep_addrs {
            if self.vtep_addrs.get(addr) != Some(id) {
                self.push(Op::DeleteVtepAddr { addr: *addr });
            }
        }
    }

    fn tighten_nics(&mut self) {
        // An address that a NIC keeps may become its first, or one of the others; and a NIC that
        // forwards has every address in effect.
        let had = |nic: &abi::Nic, addr| forwards(nic) || has_first(nic, addr);
        for key in &self.desired.nic_addresses {
            if self.stays(key.nic).is_some_and(|(old, _)| had(old, key.addr)) {
                self.push(Op::SetNicAddr { key: *key });
            }
        }
        for key in self.observed.nic_addrs.difference(&self.desired.nic_addresses) {
            if !self.stays(key.nic).is_some_and(|(_, new)| had(&new, key.addr)) {
                self.push(Op::DeleteNicAddr { key: *key });
            }
        }
        for id in self.leaving() {
            let Some((old, new)) = self.stays(id) else { continue };
            self.zero_drops(&new);
            let nic = abi::Nic { table: old.table, ..agreed_nic(old, &new) };
            self.push(Op::SetNic { id, nic });
        }
    }

    /// NICs that go, before their slots change hands.
    fn remove_nics(&mut self) {
        for id in self.leaving() {
            if self.stays(id).is_none() {
                self.push(Op::SetNic { id, nic: abi::Nic::default() });
            }
        }
    }

    fn set_filters(&mut self, filters: &Filters) {
        for (slot, filter) in filters {
            self.push(Op::SetFilter { slot: *slot, filter: *filter });
        }
    }

    fn set_policies(&mut self) {
        for (id, built) in &self.tables.built {
            self.push(Op::SetPolicy { id: *id, classifier: built.classifier });
        }
    }

    /// Items that nothing leads to yet.
    fn write_items(&mut self) {
        for (index, node) in &self.tables.next_hops.1 {
            self.push(Op::SetNextHop { id: NextHopId(*index), next_hop: **node });
        }
        for (index, node) in &self.tables.trie_v4.1 {
            self.push(Op::SetNode4 { index: *index, node: node.clone() });
        }
        for (index, node) in &self.tables.trie_v6.1 {
            self.push(Op::SetNode6 { index: *index, node: node.clone() });
        }
        for (index, row) in &self.tables.rows.1 {
            self.push(Op::SetRow { index: *index, row: row.clone() });
        }
        for (index, classifier) in &self.tables.classifiers.1 {
            self.push(Op::SetClassifier { index: *index, classifier: classifier.clone() });
        }
    }

    fn tighten_vnets(&mut self) {
        let tables = self.tables;
        for id in differing(&self.observed.vnets, &tables.agreed) {
            let Some(vnet) = tables.agreed.get(&id) else { continue };
            self.push(Op::SetVnet { id, vnet: *vnet });
        }
    }

    /// Which link meters depends on two regions, so all change while those that change have no link.
    fn move_vnets(&mut self) {
        let tables = self.tables;
        for id in differing(&tables.agreed, &tables.vnets) {
            let both = tables.agreed.get(&id).zip(tables.vnets.get(&id));
            let Some((vnet, abi::Vnet { region, .. })) = both else { continue };
            self.push(Op::SetVnet { id, vnet: abi::Vnet { region: *region, ..*vnet } });
        }
    }

    /// A NIC that changes its table must see neither the new contents of its old table nor the old
    /// contents of its new one. So a table changes after those NICs left it that are to leave it,
    /// and before those enter it that are to enter it. NICs that swap tables while both change cannot
    /// have that: they wait without a table, which drops what they send.
    fn switch_routes(&mut self) {
        let changing = self.changing.iter();
        let mut pending: Vec<(NicId, TableId, TableId)> = changing
            .filter_map(|id| self.stays(*id).map(|(old, new)| (*id, old.table, new.table)))
            .filter(|(_, old, new)| old != new)
            .collect();
        loop {
            let left: BTreeSet<TableId> = pending.iter().map(|(_, old, _)| *old).collect();
            self.set_routes(&left);
            let (ready, blocked): (Vec<_>, Vec<_>) =
                pending.iter().copied().partition(|(_, _, table)| !self.changes(*table));
            for (id, _, table) in &ready {
                self.set_table(*id, *table);
            }
            if blocked.is_empty() {
                break;
            }
            if ready.is_empty() {
                for (id, _, _) in &blocked {
                    self.set_table(*id, TableId::NONE);
                }
                self.set_routes(&BTreeSet::new());
            }
            pending = blocked;
        }
        self.set_routes(&BTreeSet::new());
    }

    /// Sets the roots of all desired tables but those in `except`.
    fn set_routes(&mut self, except: &BTreeSet<TableId>) {
        let tables = self.tables;
        let changing = differing(&self.next.routes, &tables.routes).into_iter();
        for id in changing.filter(|id| !except.contains(id)) {
            let Some(roots) = tables.routes.get(&id) else { continue };
            self.push(Op::SetRoutes { id, roots: *roots });
        }
    }

    /// Whether a table does not have its desired contents yet.
    fn changes(&self, table: TableId) -> bool {
        self.next.routes.get(&table) != self.tables.routes.get(&table)
    }

    fn set_table(&mut self, id: NicId, table: TableId) {
        if let Some(nic) = self.next.nics.get(&id).copied() {
            self.push(Op::SetNic { id, nic: abi::Nic { table, ..nic } });
        }
    }

    fn loosen_vnets(&mut self) {
        let tables = self.tables;
        for id in differing(&self.next.vnets, &tables.vnets) {
            let Some(vnet) = tables.vnets.get(&id) else { continue };
            self.push(Op::SetVnet { id, vnet: *vnet });
        }
    }

    fn loosen_nics(&mut self) {
        for id in std::mem::take(&mut self.changing) {
            let Some(nic) = self.nics.get(&id).copied() else { continue };
            if !self.next.nics.contains_key(&id) {
                self.zero_drops(&nic);
            }
            self.push(Op::SetNic { id, nic });
        }
        for key in &self.desired.nic_addresses {
            self.push(Op::SetNicAddr { key: *key });
        }
        for key in self.observed.nic_addrs.difference(&self.desired.nic_addresses) {
            self.push(Op::DeleteNicAddr { key: *key });
        }
    }

    fn loosen_vteps(&mut self) {
        for (id, vtep) in &self.desired.vteps {
            self.push(Op::SetVtep { id: *id, vtep: *vtep });
        }
        for (addr, id) in self.vtep_addrs.clone() {
            self.push(Op::SetVtepAddr { addr, id });
        }
        let old = abi::Config { epoch: 0, ..self.observed.config };
        if self.desired.config != old {
            let config = abi::Config { epoch: self.epochs.marker, ..self.desired.config };
            self.push(Op::SetConfig { config });
        }
    }

    fn loosen_ifaces(&mut self) {
        let desired = self.desired;
        for ifindex in differing(&self.next.ifaces, &desired.ifaces) {
            let Some(nic) = desired.ifaces.get(&ifindex) else { continue };
            self.push(Op::SetIface { ifindex, nic: *nic });
        }
    }

    fn clear(&mut self) {
        for id in differing(&self.observed.routes, &self.tables.routes) {
            if !self.tables.routes.contains_key(&id) {
                self.push(Op::SetRoutes { id, roots: abi::Roots::default() });
            }
        }
        for id in self.observed.vteps.keys() {
            if !self.desired.vteps.contains_key(id) {
                self.push(Op::SetVtep { id: *id, vtep: abi::Vtep::default() });
            }
        }
        for slot in self.observed.filters.keys() {
            if !self.desired.filters.contains_key(slot) {
                self.push(Op::SetFilter { slot: *slot, filter: abi::Filter::default() });
            }
        }
        for id in self.observed.policies.keys() {
            if !self.desired.policies.contains_key(id) {
                self.push(Op::SetPolicy { id: *id, classifier: 0 });
            }
        }
    }

    /// Gives the NICs that the operations concern a new epoch, and marks beginning and end of the list.
    fn raise_epochs(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let everything = touched.is_everything();
        let concerned = touched.concerned(self.desired, self.observed);
        if concerned.is_empty() && !everything {
            return;
        }
        for id in concerned {
            if let Some(nic) = self.next.nics.get(&id).copied() {
                self.push(Op::SetNic { id, nic: abi::Nic { epoch: self.epochs.next, ..nic } });
            }
        }
        let begun = abi::Config { epoch: self.epochs.marker, ..self.observed.config };
        self.ops.insert(0, Op::SetConfig { config: begun });
        let done = abi::Config { epoch: self.epochs.next, ..self.desired.config };
        self.push(Op::SetConfig { config: done });
    }

    /// A row of drop counters that no NIC had so far starts at zero.
    fn zero_drops(&mut self, nic: &abi::Nic) {
        if nic.slot != 0 && !self.slots.contains(&nic.slot) {
            self.ops.push(Op::ZeroDrops { slot: nic.slot });
        }
    }

    /// A NIC that was there and stays, before and after. A number that now names a NIC of another
    /// virtual network names another NIC, and one that gets another slot leaves the one that it has.
    fn stays(&self, id: NicId) -> Option<(&'a abi::Nic, abi::Nic)> {
        let (old, new) = (self.observed.nics.get(&id)?, self.nics.get(&id)?);
        let same_slot = old.slot == new.slot || old.slot == 0 || new.slot == 0;
        (old.vnet == new.vnet && same_slot).then_some((old, *new))
    }
}
