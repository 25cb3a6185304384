//! Numbers of policies and of their rules.
//!
//! Only groups that are attached somewhere have numbers. A group that is detached and attached again,
//! and a rule that is removed and added again under its name, gets its old number: hits go on.

use std::{borrow::Cow, collections::BTreeSet};

use uuid::Uuid;
use vnetpeer_common::types::{PolicyId, RuleId};

use super::{PolicyKey, RuleKey, Space, State};
use crate::topology::{
    model::{AdminRules, Direction, SecurityGroup, SecurityGroupIndex, Topology},
    policy::{CLOSED, ListedName, admin_rule_names, group_rule_names},
};

/// Policy numbers stay below this; [`CLOSED`] is none of them.
pub(super) const LIMIT: u32 = CLOSED.0;

/// Whose rules a policy has.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Group(&'a SecurityGroup),
    Admin(&'a AdminRules),
}

/// The policies that need numbers: those of every group that is attached to a subnet or a NIC, and of
/// every collection of security admin rules that applies to a VNet.
pub(super) struct Policies<'a>(Vec<(PolicyKey, Owner<'a>)>);

impl<'a> Policies<'a> {
    pub(super) fn new(topology: &'a Topology) -> Self {
        let used: BTreeSet<SecurityGroupIndex> = attached(topology).collect();
        let groups = used.into_iter().filter_map(|index| topology.security_group(index));
        let admin = topology.admin_rules.iter().filter(|it| !it.vnets.is_empty());
        let owners = groups.map(|group| (&group.id, Owner::Group(group)));
        let owners = owners.chain(admin.map(|admin| (&admin.id, Owner::Admin(admin))));
        let both = [Direction::Inbound, Direction::Outbound];
        let policies = owners.flat_map(|(id, owner)| {
            both.map(|direction| (PolicyKey { group: id.clone(), direction }, owner))
        });
        Self(policies.collect())
    }

    /// Keys of the policies as [`Space`] wants them; they are tied to nothing.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Cow<'_, PolicyKey>, Uuid)> {
        self.0.iter().map(|(key, _)| (Cow::Borrowed(key), Uuid::nil()))
    }

    /// Keys of their rules; they are tied to nothing.
    pub(super) fn rules(&self) -> impl Iterator<Item = (Cow<'_, RuleKey>, Uuid)> {
        let keys = self.0.iter().flat_map(|(policy, owner)| {
            let names = names(*owner, policy.direction);
            names.map(|name| RuleKey { policy: policy.clone(), name: name.to_string() })
        });
        keys.map(|key| (Cow::Owned(key), Uuid::nil()))
    }

    /// Whether exactly their rules have numbers. Names are unique in a policy, so it is enough to
    /// find all of them and no more.
    pub(super) fn are_numbered(&self, state: &State) -> bool {
        let mut count = 0;
        let mut have_numbers = |(policy, owner): &(PolicyKey, Owner<'_>)| {
            let numbers = state.rules_of(policy);
            let mut names = names(*owner, policy.direction).inspect(|_| count += 1);
            names.all(|name| numbers.get(name).is_some())
        };
        self.0.iter().all(&mut have_numbers) && count == state.rules.live().count()
    }
}

fn names(owner: Owner<'_>, direction: Direction) -> impl Iterator<Item = ListedName<'_>> {
    let (group, admin) = match owner {
        Owner::Group(group) => (Some(group), None),
        Owner::Admin(admin) => (None, Some(admin)),
    };
    let group = group.into_iter().flat_map(move |it| group_rule_names(it, direction));
    group.chain(admin.into_iter().flat_map(move |it| admin_rule_names(it, direction)))
}

fn attached(topology: &Topology) -> impl Iterator<Item = SecurityGroupIndex> {
    let subnets = topology.vnets.iter().flat_map(|vnet| &vnet.subnets);
    let to_subnets = subnets.filter_map(|subnet| subnet.security_group);
    to_subnets.chain(topology.nics.iter().filter_map(|nic| nic.security_group))
}

/// Numbers of the rules of one policy, sorted by their names in listings.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleNumbers<'a>(Vec<(&'a str, RuleId)>);

impl RuleNumbers<'_> {
    /// The number of a rule.
    pub(in crate::topology) fn get(&self, name: ListedName<'_>) -> Option<RuleId> {
        let index = self.0.binary_search_by(|(known, _)| name.compare(known).reverse()).ok()?;
        self.0.get(index).map(|(_, id)| *id)
    }
}

impl State {
    /// Numbers of policies.
    pub fn policies(&self) -> &Space<PolicyKey> {
        &self.policies
    }

    /// Numbers of security rules.
    pub fn rules(&self) -> &Space<RuleKey> {
        &self.rules
    }

    /// The number of a policy.
    pub fn policy(&self, key: &PolicyKey) -> Option<PolicyId> {
        self.policies.get(key).map(|it| PolicyId(it.number))
    }

    /// The number of a rule, by its name in listings.
    pub fn rule(&self, policy: &PolicyKey, name: &str) -> Option<RuleId> {
        let key = RuleKey { policy: policy.clone(), name: name.to_owned() };
        let found = self.rules.live_from(&key).next().filter(|(found, _)| **found == key);
        found.map(|(_, it)| RuleId(it.number))
    }

    /// The numbers of all rules of a policy.
    pub fn rules_of(&self, policy: &PolicyKey) -> RuleNumbers<'_> {
        let first = RuleKey { policy: policy.clone(), name: String::new() };
        let rules = self.rules.live_from(&first).take_while(|(key, _)| key.policy == *policy);
        RuleNumbers(rules.map(|(key, it)| (key.name.as_str(), RuleId(it.number))).collect())
    }

    /// Which policy has or last had a number.
    pub fn policy_key(&self, id: PolicyId) -> Option<PolicyKey> {
        self.policies.owner(id.0).cloned()
    }

    /// Which rule has or last had a number: flows name rules that are gone. Takes time that grows with
    /// the number of rules.
    pub fn rule_name(&self, id: RuleId) -> Option<(PolicyKey, String)> {
        self.rules.owner(id.0).map(|key| (key.policy.clone(), key.name.clone()))
    }
}
