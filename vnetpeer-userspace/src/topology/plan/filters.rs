//! What judges each NIC while its policies change. [`super`] says what must hold meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::{
    abi::{self, STAGES},
    types::{NicId, PolicyId},
};

use super::{Observed, epochs::is_local, tables::Tables};
use crate::topology::{desired::Desired, policy::CLOSED};

/// A direction that is closed: the last two stages do not matter.
const CLOSED_STAGES: [PolicyId; STAGES] = [CLOSED, PolicyId::NONE, PolicyId::NONE];

/// Filters by slot.
pub(super) type Filters = BTreeMap<u32, abi::Filter>;

/// In which order filters change.
#[derive(Debug, Default)]
pub(super) struct FilterSteps {
    /// Before any policy changes: directions that are closed.
    pub(super) closed: Filters,
    /// Before anybody is let in: filters of slots whose NIC comes to this host. One that was on another
    /// host is here before it has its table, so it is closed until then.
    pub(super) entering: Filters,
    /// After policies and routes have changed: all filters.
    pub(super) staying: Filters,
}

impl FilterSteps {
    /// The steps. Filters of NICs that come, and of those whose running flows are to be judged again,
    /// get `generation`.
    pub(super) fn new(
        desired: &Desired,
        observed: &Observed,
        tables: &Tables,
        generation: u32,
    ) -> Self {
        let change = Change { desired, observed, tables };
        let owners = desired.nics.iter().filter(|(_, nic)| is_local(nic) && nic.slot != 0);
        let owners: BTreeMap<u32, NicId> = owners.map(|(id, nic)| (nic.slot, *id)).collect();
        let mut steps = Self::default();
        for (slot, filter) in &desired.filters {
            let owner = owners.get(slot).and_then(|id| change.staying(*id));
            let Some((old_nic, new_nic)) = owner else {
                let filter = abi::Filter { generation, ..*filter };
                let moves_in = owners.get(slot).is_some_and(|id| observed.nics.contains_key(id));
                let first = if moves_in { closed(&filter) } else { filter };
                steps.entering.insert(*slot, first);
                steps.staying.insert(*slot, filter);
                continue;
            };
            let old = observed.filters.get(slot).copied().unwrap_or_default();
            let again = change.judges_again(&old, filter);
            let generation = if again { generation } else { old.generation };
            steps.staying.insert(*slot, abi::Filter { generation, ..*filter });
            let routes = change.routes(old_nic, new_nic);
            let step =
                |old, new| if change.needs_closing(old, new, routes) { CLOSED_STAGES } else { old };
            let outbound = step(old.outbound, filter.outbound);
            let inbound = step(old.inbound, filter.inbound);
            steps.closed.insert(*slot, abi::Filter { outbound, inbound, ..old });
        }
        steps.close_leaving(&change);
        steps
    }

    /// A NIC that moves to another host is here until it is removed, and its policies may change before
    /// that.
    fn close_leaving(&mut self, change: &Change<'_>) {
        for (id, old) in change.observed.nics.iter().filter(|(_, nic)| is_local(nic)) {
            let moves = change.desired.nics.get(id).is_some_and(|new| !is_local(new));
            let Some(filter) = change.observed.filters.get(&old.slot).filter(|_| moves) else {
                continue;
            };
            let mut named = filter.outbound.iter().chain(&filter.inbound);
            if named.any(|policy| change.changes(*policy)) {
                self.closed.insert(old.slot, closed(filter));
            }
        }
    }
}

/// A filter whose directions are closed as far as they have policies.
fn closed(filter: &abi::Filter) -> abi::Filter {
    let step = |stages: [PolicyId; STAGES]| {
        if stages.iter().any(|it| it.is_some()) { CLOSED_STAGES } else { stages }
    };
    let (outbound, inbound) = (step(filter.outbound), step(filter.inbound));
    abi::Filter { outbound, inbound, ..*filter }
}

/// A NIC that is on this host, before and after, under one number, in one VNet and with one slot.
pub(super) fn stays_local(old: &abi::Nic, new: &abi::Nic) -> bool {
    old.vnet == new.vnet && old.slot == new.slot && is_local(old) && is_local(new)
}

struct Change<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    tables: &'a Tables,
}

impl<'a> Change<'a> {
    fn staying(&self, id: NicId) -> Option<(&'a abi::Nic, &'a abi::Nic)> {
        let (old, new) = (self.observed.nics.get(&id)?, self.desired.nics.get(&id)?);
        stays_local(old, new).then_some((old, new))
    }

    /// Whether a policy gets other rules.
    fn changes(&self, policy: PolicyId) -> bool {
        let new = self.tables.built.get(&policy).map(|built| built.classifier);
        new.is_some_and(|new| self.observed.policies.get(&policy) != Some(&new))
    }

    /// In how many steps the routes of a NIC change: which table it has, and what is in it.
    fn routes(&self, old: &abi::Nic, new: &abi::Nic) -> usize {
        if old.table != new.table {
            return 2;
        }
        let (before, after) = (&self.observed.routes, &self.tables.routes);
        usize::from(before.get(&old.table) != after.get(&new.table))
    }

    /// Whether more than one thing changes in a direction that has policies. New policies of a filter
    /// are in force before the filter names them, so only those that it names already count.
    fn needs_closing(
        &self,
        old: [PolicyId; STAGES],
        new: [PolicyId; STAGES],
        routes: usize,
    ) -> bool {
        let named: BTreeSet<PolicyId> = old.into_iter().filter(|it| it.is_some()).collect();
        let changed = named.iter().filter(|policy| self.changes(**policy)).count();
        !named.is_empty() && changed + routes + usize::from(old != new) > 1
    }

    /// Whether flows that run are to be judged again: the security admin rules of the NIC change, or a
    /// policy whose changes apply to running flows changes, is attached, or becomes such a policy.
    fn judges_again(&self, old: &abi::Filter, new: &abi::Filter) -> bool {
        self.judges_direction(old.outbound, new.outbound)
            || self.judges_direction(old.inbound, new.inbound)
    }

    fn judges_direction(&self, old: [PolicyId; STAGES], new: [PolicyId; STAGES]) -> bool {
        let ([old_admin, ..], [new_admin, ..]) = (old, new);
        let unfinished = self.observed.is_unfinished();
        // A direction that an agent closed and did not open again does not say what it was before.
        let was_closed = old_admin == CLOSED;
        if was_closed && unfinished || !was_closed && old_admin != new_admin {
            return true;
        }
        let became = |policy: &PolicyId| {
            let before = self.observed.flushing.as_ref();
            before.is_some_and(|before| !before.contains(policy))
        };
        let mut flushing = new.iter().filter(|policy| self.desired.flushing.contains(policy));
        flushing.any(|policy| {
            let attached = !was_closed && !old.contains(policy);
            unfinished || attached || self.changes(*policy) || became(policy)
        })
    }
}
