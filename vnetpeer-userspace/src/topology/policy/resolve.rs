//! From the model's rules to policies: default rules added, tags and groups replaced by addresses,
//! everything in the order of evaluation.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use ipnet::IpNet;
use vnetpeer_common::types::RuleId;

use super::{
    Matched, Policy, PolicyRule,
    defaults::{PLATFORM_PRIORITY, PLATFORM_RULES, default_rules, only},
};
use crate::topology::{
    model::{
        Access, AdminRules, AdminRulesIndex, ApplicationSecurityGroupIndex, Direction, Endpoints,
        ResourceId, RuleProtocol, SecurityGroup, SecurityGroupIndex, SecurityRule, ServiceTag,
        Topology,
    },
    network::NetworkError,
    state::{PolicyKey, RuleNumbers, State},
};

/// The name of a rule in listings, e.g. `securityRules/web`, in its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::topology) struct ListedName<'a> {
    /// With the slash; nothing for a rule that is not in the document.
    kind: &'static str,
    /// The rule's own name, or the whole.
    name: &'a str,
}

impl<'a> ListedName<'a> {
    fn of_group(rule: &'a SecurityRule) -> Self {
        Self { kind: "securityRules/", name: &rule.name }
    }

    fn of_admin(rule: &'a SecurityRule) -> Self {
        Self { kind: "securityAdminRules/", name: &rule.name }
    }

    fn added(name: &'static str) -> Self {
        Self { kind: "", name }
    }

    /// As the whole name compares with another whole name.
    pub(in crate::topology) fn compare(self, other: &str) -> Ordering {
        match other.strip_prefix(self.kind) {
            Some(other) => self.name.cmp(other),
            None => self.kind.cmp(other),
        }
    }
}

impl fmt::Display for ListedName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        f.write_str(self.name)
    }
}

/// Names of all rules of a network security group in one direction.
pub(in crate::topology) fn group_rule_names(
    group: &SecurityGroup,
    direction: Direction,
) -> impl Iterator<Item = ListedName<'_>> {
    let own = group.rules.iter().filter(move |rule| rule.direction == direction);
    let platform = PLATFORM_RULES.iter().map(|(name, _)| ListedName::added(name));
    let default = default_rules(direction).iter().map(|rule| ListedName::added(rule.name));
    own.map(ListedName::of_group).chain(platform).chain(default)
}

/// Names of all rules of a collection of security admin rules in one direction.
pub(in crate::topology) fn admin_rule_names(
    admin: &AdminRules,
    direction: Direction,
) -> impl Iterator<Item = ListedName<'_>> {
    let own = admin.rules.iter().filter(move |rule| rule.direction == direction);
    own.map(ListedName::of_admin)
}

/// Resolves the rules of a deployment.
#[derive(Clone, Debug)]
pub struct Resolver<'a> {
    topology: &'a Topology,
    state: &'a State,
    /// Addresses of the NICs of every application security group that has any.
    members: BTreeMap<ApplicationSecurityGroupIndex, BTreeSet<IpNet>>,
}

impl<'a> Resolver<'a> {
    /// Collects what rules refer to. `state` is advanced to `topology`.
    pub fn new(topology: &'a Topology, state: &'a State) -> Self {
        let mut members: BTreeMap<_, BTreeSet<IpNet>> = BTreeMap::new();
        for nic in &topology.nics {
            for group in &nic.application_security_groups {
                let addresses = nic.addresses.iter().map(|address| IpNet::from(*address));
                members.entry(*group).or_default().extend(addresses);
            }
        }
        Self { topology, state, members }
    }

    /// A network security group in one direction. It must be attached somewhere, or its rules have no
    /// numbers.
    pub fn group(
        &self,
        index: SecurityGroupIndex,
        direction: Direction,
    ) -> Result<Policy, NetworkError> {
        let group = self.topology.security_group(index);
        let group = group.ok_or_else(|| dangling("networkSecurityGroups", index.0))?;
        let numbers = self.numbers(&group.id, direction);
        let own = ordered(&group.rules, direction);
        let mut rules = Vec::with_capacity(own.len() + 5);
        // For the platform's own addresses only rules with its tags count, and what they leave passes.
        for rule in own.iter().filter(|rule| is_platform(rule)) {
            let rule = self.rule(&numbers, ListedName::of_group(rule), rule)?;
            rules.extend(for_platform_addresses(rule, direction));
        }
        for (name, address) in PLATFORM_RULES {
            let (source, destination) = match direction {
                Direction::Inbound => (only(address), Matched::Any),
                Direction::Outbound => (Matched::Any, only(address)),
            };
            let ends = (source, destination);
            rules.push(numbers.added(name, PLATFORM_PRIORITY, Access::Allow, ends)?);
        }
        for rule in own {
            rules.push(self.rule(&numbers, ListedName::of_group(rule), rule)?);
        }
        for rule in default_rules(direction) {
            let ends = (rule.source.matched(), rule.destination.matched());
            rules.push(numbers.added(rule.name, rule.priority, rule.access, ends)?);
        }
        Ok(Policy { direction, rules })
    }

    /// Security admin rules in one direction. They must apply to a VNet, or they have no numbers.
    pub fn admin_rules(
        &self,
        index: AdminRulesIndex,
        direction: Direction,
    ) -> Result<Policy, NetworkError> {
        let admin = self.topology.admin_rules.get(index.0);
        let admin = admin.ok_or_else(|| dangling("securityAdminRules", index.0))?;
        let numbers = self.numbers(&admin.id, direction);
        let rules = ordered(&admin.rules, direction).into_iter();
        let rules = rules.map(|rule| self.rule(&numbers, ListedName::of_admin(rule), rule));
        Ok(Policy { direction, rules: rules.collect::<Result<_, _>>()? })
    }

    fn numbers(&self, group: &'a ResourceId, direction: Direction) -> Numbers<'a> {
        let key = PolicyKey { group: group.clone(), direction };
        Numbers { group, numbers: self.state.rules_of(&key) }
    }

    fn rule(
        &self,
        numbers: &Numbers<'_>,
        name: ListedName<'_>,
        rule: &SecurityRule,
    ) -> Result<PolicyRule, NetworkError> {
        Ok(PolicyRule {
            id: numbers.get(name)?,
            name: name.to_string(),
            priority: rule.priority,
            access: rule.access,
            protocol: rule.protocol,
            source: self.matched(&rule.source.endpoints),
            source_ports: rule.source.ports.clone(),
            destination: self.matched(&rule.destination.endpoints),
            destination_ports: rule.destination.ports.clone(),
        })
    }

    fn matched(&self, endpoints: &Endpoints) -> Matched {
        match endpoints {
            Endpoints::Any => Matched::Any,
            Endpoints::Tag(ServiceTag::VirtualNetwork) => Matched::VirtualNetwork,
            Endpoints::Tag(ServiceTag::Internet) => Matched::Internet,
            Endpoints::Prefixes(prefixes)
            | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
                Matched::Prefixes(prefixes.iter().map(IpNet::trunc).collect())
            }
            Endpoints::Groups(groups) => {
                let members = groups.iter().filter_map(|group| self.members.get(group));
                Matched::Prefixes(members.flatten().copied().collect())
            }
        }
    }
}

/// Numbers of the rules of a group in one direction.
struct Numbers<'a> {
    group: &'a ResourceId,
    numbers: RuleNumbers<'a>,
}

impl Numbers<'_> {
    fn get(&self, name: ListedName<'_>) -> Result<RuleId, NetworkError> {
        let not_numbered = || NetworkError::NotNumbered { id: format!("{}/{name}", self.group) };
        self.numbers.get(name).ok_or_else(not_numbered)
    }

    /// A rule that is not in the document, for any protocol and any port.
    fn added(
        &self,
        name: &'static str,
        priority: u16,
        access: Access,
        (source, destination): (Matched, Matched),
    ) -> Result<PolicyRule, NetworkError> {
        Ok(PolicyRule {
            id: self.get(ListedName::added(name))?,
            name: name.to_owned(),
            priority,
            access,
            protocol: RuleProtocol::Any,
            source,
            source_ports: vec![0..=u16::MAX],
            destination,
            destination_ports: vec![0..=u16::MAX],
        })
    }
}

/// The rules of one direction, the lowest priority first.
fn ordered(rules: &[SecurityRule], direction: Direction) -> Vec<&SecurityRule> {
    let mut found: Vec<_> = rules.iter().filter(|rule| rule.direction == direction).collect();
    found.sort_by_key(|rule| rule.priority);
    found
}

fn is_platform(rule: &SecurityRule) -> bool {
    let has_tag = |endpoints: &Endpoints| {
        matches!(endpoints, Endpoints::Tag(ServiceTag::Prefixes { platform: true, .. }))
    };
    has_tag(&rule.source.endpoints) || has_tag(&rule.destination.endpoints)
}

/// The part of a rule that is about the platform's own addresses on the other side; `None` if it has none.
fn for_platform_addresses(mut rule: PolicyRule, direction: Direction) -> Option<PolicyRule> {
    let remote = match direction {
        Direction::Inbound => &mut rule.source,
        Direction::Outbound => &mut rule.destination,
    };
    let addresses = PLATFORM_RULES.iter().map(|(_, address)| IpNet::from(IpAddr::V4(*address)));
    *remote = match remote {
        Matched::Any => Matched::Prefixes(addresses.collect()),
        Matched::Prefixes(prefixes) => {
            let is_named = |it: &IpNet| prefixes.iter().any(|prefix| prefix.contains(it));
            let named: BTreeSet<IpNet> = addresses.filter(is_named).collect();
            if named.is_empty() {
                return None;
            }
            Matched::Prefixes(named)
        }
        // A user-defined route can bring the metadata service into the tag, so routing decides.
        Matched::VirtualNetwork | Matched::VirtualNetworkIn(_) => {
            Matched::VirtualNetworkIn(addresses.collect())
        }
        // Neither of them is public.
        Matched::Internet => return None,
    };
    Some(rule)
}

fn dangling(kind: &str, index: usize) -> NetworkError {
    NetworkError::Dangling { id: ResourceId::new(format!("{kind}/{index}")) }
}
