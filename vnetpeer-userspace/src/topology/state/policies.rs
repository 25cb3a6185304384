//! Numbers of policies and of their rules.
//!
//! Only groups that are attached somewhere have numbers. A group that is detached and attached again,
//! and a rule that is removed and added again under its name, gets its old number: hits go on.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use vnetpeer_common::types::{PolicyId, RuleId};

use super::{PolicyKey, RuleKey, Space, State};
use crate::topology::{
    model::{Direction, SecurityGroupIndex, Topology},
    policy::{CLOSED, admin_rule_names, group_rule_names},
};

/// Policy numbers stay below this; [`CLOSED`] is none of them.
pub(super) const LIMIT: u32 = CLOSED.0;

/// Keys as [`Space`] wants them; policies and rules are tied to nothing.
type Wanted<K> = BTreeMap<K, Uuid>;

/// The policies and rules of every group that is attached to a subnet or a NIC, and of every
/// collection of security admin rules that applies to a VNet.
pub(super) fn wanted(topology: &Topology) -> (Wanted<PolicyKey>, Wanted<RuleKey>) {
    let (mut policies, mut rules) = (BTreeMap::new(), BTreeMap::new());
    let mut add = |policy: PolicyKey, names: Vec<String>| {
        let names = names.into_iter().map(|name| RuleKey { policy: policy.clone(), name });
        rules.extend(names.map(|key| (key, Uuid::nil())));
        policies.insert(policy, Uuid::nil());
    };
    let used: BTreeSet<SecurityGroupIndex> = attached(topology).collect();
    for direction in [Direction::Inbound, Direction::Outbound] {
        for group in used.iter().filter_map(|index| topology.security_group(*index)) {
            let key = PolicyKey { group: group.id.clone(), direction };
            add(key, group_rule_names(group, direction));
        }
        for admin in topology.admin_rules.iter().filter(|it| !it.vnets.is_empty()) {
            let key = PolicyKey { group: admin.id.clone(), direction };
            add(key, admin_rule_names(admin, direction));
        }
    }
    (policies, rules)
}

fn attached(topology: &Topology) -> impl Iterator<Item = SecurityGroupIndex> {
    let subnets = topology.vnets.iter().flat_map(|vnet| &vnet.subnets);
    let to_subnets = subnets.filter_map(|subnet| subnet.security_group);
    to_subnets.chain(topology.nics.iter().filter_map(|nic| nic.security_group))
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
        self.rules.get(&key).map(|it| RuleId(it.number))
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
