//! Network security groups in ARM's shape.

use serde::{Deserialize, Serialize};

use crate::topology::{
    effective_security::{ListedRule, Reference, listed_rules, tag_name},
    model::{
        Access, Direction, Endpoints, PortRange, ResourceId, RuleProtocol, SecurityGroup,
        SecurityGroupIndex, Topology,
    },
};

/// A group as ARM shows it.
#[derive(Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ARM id.
    pub id: ResourceId,
    /// What it has.
    pub properties: GroupProperties,
}

/// What a group has.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupProperties {
    /// Whether flows end that a changed rule denies.
    pub flush_connection: bool,
    /// Rules of its own.
    pub security_rules: Vec<Rule>,
    /// Rules that every group has.
    pub default_security_rules: Vec<Rule>,
    /// Subnets that it is on.
    pub subnets: Vec<Reference>,
    /// NICs that it is on.
    pub network_interfaces: Vec<Reference>,
}

/// A rule as ARM shows it, and how often it decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its ARM id.
    pub id: String,
    /// Null unless the agents were asked.
    pub hits: Option<u64>,
    /// What it matches, and what it does.
    pub properties: RuleProperties,
}

/// What a rule matches, and what it does. A single value and several are different properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the properties are ARM's")]
pub struct RuleProperties {
    pub protocol: String,
    pub source_port_range: Option<String>,
    pub source_port_ranges: Vec<String>,
    pub destination_port_range: Option<String>,
    pub destination_port_ranges: Vec<String>,
    pub source_address_prefix: Option<String>,
    pub source_address_prefixes: Vec<String>,
    pub source_application_security_groups: Vec<Reference>,
    pub destination_address_prefix: Option<String>,
    pub destination_address_prefixes: Vec<String>,
    pub destination_application_security_groups: Vec<Reference>,
    pub access: Access,
    pub priority: u16,
    pub direction: Direction,
}

/// All of them.
pub(super) fn all(topology: &Topology) -> Vec<Group> {
    let groups = topology.security_groups.iter().enumerate();
    groups.map(|(index, it)| group(topology, SecurityGroupIndex(index), it)).collect()
}

fn group(topology: &Topology, index: SecurityGroupIndex, group: &SecurityGroup) -> Group {
    let reference = |id: &ResourceId| Reference { id: id.clone() };
    let subnets = topology.vnets.iter().flat_map(|vnet| &vnet.subnets);
    let subnets = subnets.filter(|it| it.security_group == Some(index));
    let nics = topology.nics.iter().filter(|it| it.security_group == Some(index));
    let (default, own): (Vec<_>, Vec<_>) =
        listed_rules(group).into_iter().partition(|it| it.is_default);
    let rules = |all: &[ListedRule]| -> Vec<Rule> {
        all.iter().map(|it| rule(topology, group, it)).collect()
    };
    Group {
        name: group.id.name().to_owned(),
        id: group.id.clone(),
        properties: GroupProperties {
            flush_connection: group.flush_connection,
            security_rules: rules(&own),
            default_security_rules: rules(&default),
            subnets: subnets.map(|it| reference(&it.id)).collect(),
            network_interfaces: nics.map(|it| reference(&it.id)).collect(),
        },
    }
}

fn rule(topology: &Topology, group: &SecurityGroup, it: &ListedRule) -> Rule {
    let ListedRule { name, rule, .. } = it;
    let (source, destination) = (&rule.source, &rule.destination);
    let (source_port_range, source_port_ranges) = split(ports(&source.ports));
    let (destination_port_range, destination_port_ranges) = split(ports(&destination.ports));
    let (source_address_prefix, source_address_prefixes) = split(prefixes(&source.endpoints));
    let (destination_address_prefix, destination_address_prefixes) =
        split(prefixes(&destination.endpoints));
    Rule {
        name: rule.name.clone(),
        id: format!("{}/{name}", group.id),
        hits: None,
        properties: RuleProperties {
            protocol: protocol(rule.protocol).to_owned(),
            source_port_range,
            source_port_ranges,
            destination_port_range,
            destination_port_ranges,
            source_address_prefix,
            source_address_prefixes,
            source_application_security_groups: groups(topology, &source.endpoints),
            destination_address_prefix,
            destination_address_prefixes,
            destination_application_security_groups: groups(topology, &destination.endpoints),
            access: rule.access,
            priority: rule.priority,
            direction: rule.direction,
        },
    }
}

/// ARM has one property for a single value and another for several.
fn split(mut values: Vec<String>) -> (Option<String>, Vec<String>) {
    if values.len() == 1 { (values.pop(), values) } else { (None, values) }
}

fn protocol(protocol: RuleProtocol) -> &'static str {
    match protocol {
        RuleProtocol::Any => "*",
        RuleProtocol::Tcp => "Tcp",
        RuleProtocol::Udp => "Udp",
        RuleProtocol::Icmp => "Icmp",
        RuleProtocol::Esp => "Esp",
        RuleProtocol::Ah => "Ah",
    }
}

fn ports(ranges: &[PortRange]) -> Vec<String> {
    let text = |it: &PortRange| match (*it.start(), *it.end()) {
        (0, u16::MAX) => "*".to_owned(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect()
}

fn prefixes(endpoints: &Endpoints) -> Vec<String> {
    match endpoints {
        Endpoints::Any => vec!["*".to_owned()],
        Endpoints::Prefixes(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
        Endpoints::Tag(tag) => vec![tag_name(tag).to_owned()],
        Endpoints::Groups(_) => Vec::new(),
    }
}

fn groups(topology: &Topology, endpoints: &Endpoints) -> Vec<Reference> {
    let Endpoints::Groups(groups) = endpoints else { return Vec::new() };
    let all = &topology.application_security_groups;
    groups.iter().filter_map(|it| all.get(it.0)).map(|it| Reference { id: it.id.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_in_the_singular_property() {
        assert_eq!(split(vec!["a".into()]), (Some("a".into()), vec![]));
        assert_eq!(split(vec!["a".into(), "b".into()]), (None, vec!["a".into(), "b".into()]));
        assert_eq!(split(vec![]), (None, vec![]));
    }

    #[test]
    fn ports_are_written_as_in_documents() {
        assert_eq!(ports(&[0..=u16::MAX]), ["*"]);
        assert_eq!(ports(&[443..=443, 8000..=8080]), ["443", "8000-8080"]);
    }
}
