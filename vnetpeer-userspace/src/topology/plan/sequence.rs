//! The order of operations. [`super`] says why it is this one.

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::{
    abi::{self, nic_flags},
    types::{Addr, NextHopId, NicId, TableId, VtepId},
};

use super::{Observed, Op, tables::Tables};
use crate::topology::desired::Desired;

/// Writes the list of operations and follows them.
pub(super) struct Sequence<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    tables: &'a Tables,
    vtep_addrs: BTreeMap<Addr, VtepId>,
    next: Observed,
    ops: Vec<Op>,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(desired: &'a Desired, observed: &'a Observed, tables: &'a Tables) -> Self {
        let addrs = desired.vteps.iter().filter(|(_, vtep)| vtep.remote != Addr::default());
        Self {
            desired,
            observed,
            tables,
            vtep_addrs: addrs.map(|(id, vtep)| (vtep.remote, *id)).collect(),
            next: observed.clone(),
            ops: Vec::new(),
        }
    }

    /// All operations, and the maps after them (pools excepted).
    pub(super) fn run(mut self) -> (Vec<Op>, Observed) {
        self.prepare_vteps();
        self.tighten_ifaces();
        self.tighten_links();
        self.tighten_vteps();
        self.tighten_nics();
        self.write_items();
        self.tighten_vnets();
        self.switch_routes();
        self.loosen_vnets();
        self.loosen_links();
        self.loosen_nics();
        self.loosen_vteps();
        self.loosen_ifaces();
        self.clear();
        (self.ops, self.next)
    }

    /// Appends an operation unless it would change nothing.
    fn push(&mut self, op: Op) {
        if self.next.apply(&op) {
            self.ops.push(op);
        }
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
        for (ifindex, nic) in &self.observed.ifaces {
            let same = self.desired.ifaces.get(ifindex) == Some(nic) && self.stays(*nic).is_some();
            if !same {
                self.push(Op::SetIface { ifindex: *ifindex, nic: NicId::NONE });
            }
        }
    }

    fn tighten_links(&mut self) {
        for (id, old) in &self.observed.links {
            let link = match self.desired.links.get(id) {
                Some(new) if same_link(old, new) => {
                    abi::Link { flags: old.flags & new.flags, ..*new }
                }
                Some(_) => abi::Link::default(),
                None => abi::Link { flags: 0, ..*old },
            };
            self.push(Op::SetLink { id: *id, link });
        }
        for (key, link) in &self.observed.relations {
            if self.desired.relations.get(key) != Some(link) {
                self.push(Op::DeleteRelation { key: *key });
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
            if !self.stays(key.nic).is_some_and(|(_, new)| had(new, key.addr)) {
                self.push(Op::DeleteNicAddr { key: *key });
            }
        }
        for id in self.observed.nics.keys() {
            let nic = match self.stays(*id) {
                Some((old, new)) => {
                    self.zero_drops(new);
                    abi::Nic { table: old.table, ..agreed_nic(old, new) }
                }
                None => abi::Nic::default(),
            };
            self.push(Op::SetNic { id: *id, nic });
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
    }

    fn tighten_vnets(&mut self) {
        for (id, vnet) in &self.tables.agreed {
            self.push(Op::SetVnet { id: *id, vnet: *vnet });
        }
    }

    /// A NIC that changes its table must see neither the new contents of its old table nor the old
    /// contents of its new one. So a table changes after those NICs left it that are to leave it,
    /// and before those enter it that are to enter it. NICs that swap tables while both change cannot
    /// have that: they wait without a table, which drops what they send.
    fn switch_routes(&mut self) {
        let mut pending: Vec<(NicId, TableId, TableId)> = self
            .observed
            .nics
            .keys()
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
        for (id, roots) in tables.routes.iter().filter(|(id, _)| !except.contains(id)) {
            self.push(Op::SetRoutes { id: *id, roots: *roots });
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
        for (id, vnet) in &self.tables.vnets {
            self.push(Op::SetVnet { id: *id, vnet: *vnet });
        }
    }

    fn loosen_links(&mut self) {
        for (id, link) in &self.desired.links {
            if !self.next.links.get(id).is_some_and(|old| same_link(old, link)) {
                self.ops.push(Op::ZeroMeter { id: *id });
            }
            self.push(Op::SetLink { id: *id, link: *link });
        }
        for (key, link) in &self.desired.relations {
            self.push(Op::SetRelation { key: *key, link: *link });
        }
    }

    fn loosen_nics(&mut self) {
        for (id, nic) in &self.desired.nics {
            if !self.next.nics.contains_key(id) {
                self.zero_drops(nic);
            }
            self.push(Op::SetNic { id: *id, nic: *nic });
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
        self.push(Op::SetConfig { config: self.desired.config });
    }

    fn loosen_ifaces(&mut self) {
        for (ifindex, nic) in &self.desired.ifaces {
            self.push(Op::SetIface { ifindex: *ifindex, nic: *nic });
        }
    }

    fn clear(&mut self) {
        for id in self.observed.routes.keys() {
            if !self.tables.routes.contains_key(id) {
                self.push(Op::SetRoutes { id: *id, roots: abi::Roots::default() });
            }
        }
        for id in self.observed.vteps.keys() {
            if !self.desired.vteps.contains_key(id) {
                self.push(Op::SetVtep { id: *id, vtep: abi::Vtep::default() });
            }
        }
    }

    /// A row of drop counters that no NIC had so far starts at zero.
    fn zero_drops(&mut self, nic: &abi::Nic) {
        let used = nic.slot == 0 || self.observed.nics.values().any(|old| old.slot == nic.slot);
        if !used {
            self.ops.push(Op::ZeroDrops { slot: nic.slot });
        }
    }

    /// A NIC that was there and stays, before and after. A number that now names a NIC of another
    /// virtual network names another NIC.
    fn stays(&self, id: NicId) -> Option<(&'a abi::Nic, &'a abi::Nic)> {
        let old = self.observed.nics.get(&id)?;
        let new = self.desired.nics.get(&id)?;
        (old.vnet == new.vnet).then_some((old, new))
    }
}

/// Whether two entries of one number are the same link; else its meter counted for another.
fn same_link(old: &abi::Link, new: &abi::Link) -> bool {
    (old.vnet, old.remote) == (new.vnet, new.remote)
}

fn forwards(nic: &abi::Nic) -> bool {
    nic.flags & nic_flags::FORWARDING != 0
}

fn has_first(nic: &abi::Nic, addr: Addr) -> bool {
    [Addr::v4(nic.ipv4), Addr::v6(nic.ipv6)].contains(&addr)
}

/// A NIC that may do and has only what the old and the new one both may and have; where it is, is
/// where the new one is.
fn agreed_nic(old: &abi::Nic, new: &abi::Nic) -> abi::Nic {
    let both = old.flags & new.flags & nic_flags::FORWARDING;
    let more = (old.flags | new.flags) & nic_flags::MORE_ADDRESSES;
    let others = new.flags & !(nic_flags::FORWARDING | nic_flags::MORE_ADDRESSES);
    let (ipv4, ipv6) = match (forwards(old), forwards(new)) {
        (true, _) => (new.ipv4, new.ipv6),
        (false, true) => (old.ipv4, old.ipv6),
        (false, false) => (
            if old.ipv4 == new.ipv4 { new.ipv4 } else { [0; 4] },
            if old.ipv6 == new.ipv6 { new.ipv6 } else { [0; 16] },
        ),
    };
    abi::Nic { flags: others | both | more, ipv4, ipv6, ..*new }
}
