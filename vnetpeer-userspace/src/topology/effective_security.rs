//! Security rules as they apply to a NIC, in the JSON shape of Azure's
//! `effectiveNetworkSecurityGroups` answer (AZ §9), and the rules of a group for listings.
//!
//! One entry for each level that judges the NIC's traffic: security admin rules, the subnet's group,
//! the NIC's group. Default rules are in it, and tags that follow routing are expanded for the NIC's
//! subnet. Where Azure would print `null`, `null` is printed.

mod tags;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::tags::RoutedTags;
use super::{
    model::{
        Access, ApplicationSecurityGroupIndex, Direction, Endpoints, Nic, PortRange, ResourceId,
        RuleProtocol, RuleSide, SecurityGroup, SecurityRule, ServiceTag, Topology, VnetIndex,
    },
    network::Network,
    policy::{DefaultEnd, DefaultRule, default_rules},
    service_tags::PLATFORM,
};

/// Names of the tags that follow routing.
const VIRTUAL_NETWORK: &str = "VirtualNetwork";
const INTERNET: &str = "Internet";
/// The tag of the platform's probes.
pub(super) const LOAD_BALANCER: &str = "AzureLoadBalancer";

/// A reference to a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its ARM id.
    pub id: ResourceId,
}

/// What a group is attached to; one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    /// The network manager whose security admin rules these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_manager: Option<Reference>,
    /// The NIC's subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Reference>,
    /// The NIC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<Reference>,
}

/// One group as it applies to a NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveGroup {
    /// The group; null for security admin rules.
    pub network_security_group: Option<Reference>,
    /// What it is attached to.
    pub association: Association,
    /// Its rules: inbound, then outbound, in the order of their priorities.
    pub effective_security_rules: Vec<EffectiveRule>,
    /// The tags that its rules name, expanded.
    pub tag_map: BTreeMap<String, Vec<IpNet>>,
}

/// One rule as Azure prints it. What has a singular and a plural form is in both, the singular being
/// null unless there is exactly one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRule {
    /// `securityRules/NAME` or `defaultSecurityRules/NAME`.
    pub name: String,
    /// `Tcp`, `Udp`, `Icmp`, `Esp`, `Ah` or `All`.
    pub protocol: &'static str,
    /// The only range of source ports.
    pub source_port_range: Option<String>,
    /// The only range of destination ports.
    pub destination_port_range: Option<String>,
    /// Source ports as `first-last`.
    pub source_port_ranges: Vec<String>,
    /// Destination ports as `first-last`.
    pub destination_port_ranges: Vec<String>,
    /// The only source.
    pub source_address_prefix: Option<String>,
    /// The only destination.
    pub destination_address_prefix: Option<String>,
    /// Sources: prefixes, a tag, or `*`.
    pub source_address_prefixes: Vec<String>,
    /// Destinations: prefixes, a tag, or `*`.
    pub destination_address_prefixes: Vec<String>,
    /// The prefixes that a tag as source stands for.
    pub expanded_source_address_prefix: Vec<IpNet>,
    /// The prefixes that a tag as destination stands for.
    pub expanded_destination_address_prefix: Vec<IpNet>,
    /// What it does.
    pub access: Access,
    /// The lowest is evaluated first.
    pub priority: u16,
    /// Seen from the NIC.
    pub direction: Direction,
}

/// Everything that judges the traffic of a NIC; empty if nothing does.
pub fn effective_security(network: &Network<'_>, nic: &Nic) -> Vec<EffectiveGroup> {
    let topology = network.topology;
    let subnet = topology.subnet(nic.vnet, nic.subnet);
    let table = subnet.and_then(|subnet| subnet.route_table);
    let lister = Lister { topology, tags: RoutedTags::of(network, nic.vnet, table) };
    let mut groups = Vec::new();
    groups.extend(lister.admin_rules(nic.vnet).filter(|_| !topology.is_gateway(&nic.id)));
    let group = |index| topology.security_group(index);
    if let Some(subnet) = subnet
        && let Some(it) = subnet.security_group.and_then(group)
    {
        let subnet = Some(Reference { id: subnet.id.clone() });
        groups.push(lister.group(it, Association { subnet, ..Association::default() }));
    }
    if let Some(it) = nic.security_group.and_then(group) {
        let network_interface = Some(Reference { id: nic.id.clone() });
        groups.push(lister.group(it, Association { network_interface, ..Association::default() }));
    }
    groups
}

/// A rule of a group with its name in listings, e.g. `securityRules/web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRule {
    /// Its name.
    pub name: String,
    /// Whether every group has it.
    pub is_default: bool,
    /// The rule.
    pub rule: SecurityRule,
}

/// All rules of a group, the default rules among them: inbound, then outbound, in the order of their
/// priorities.
pub fn listed_rules(group: &SecurityGroup) -> Vec<ListedRule> {
    let own = group.rules.iter().map(|rule| ListedRule {
        name: format!("securityRules/{}", rule.name),
        is_default: false,
        rule: rule.clone(),
    });
    let directions = [Direction::Inbound, Direction::Outbound].into_iter();
    let default =
        directions.flat_map(|it| default_rules(it).iter().map(move |rule| listed(rule, it)));
    let mut rules: Vec<ListedRule> = own.chain(default).collect();
    rules.sort_by_key(|it| (it.rule.direction, it.rule.priority));
    rules
}

/// The name of a rule in effective listings, where Azure calls two default rules otherwise.
pub fn effective_name(name: &str) -> &str {
    match name {
        "defaultSecurityRules/DenyAllInBound" => "defaultSecurityRules/DefaultInboundDenyAll",
        "defaultSecurityRules/DenyAllOutBound" => "defaultSecurityRules/DefaultOutboundDenyAll",
        name => name,
    }
}

/// A rule that every group has.
fn listed(rule: &DefaultRule, direction: Direction) -> ListedRule {
    let full_name = rule.name;
    let name = full_name.rsplit('/').next().unwrap_or(full_name);
    let rule = SecurityRule {
        name: name.to_owned(),
        priority: rule.priority,
        direction,
        access: rule.access,
        protocol: RuleProtocol::Any,
        source: any_port(endpoints(rule.source)),
        destination: any_port(endpoints(rule.destination)),
    };
    ListedRule { name: full_name.to_owned(), is_default: true, rule }
}

/// One end of a default rule, as a rule of a document would say it.
fn endpoints(end: DefaultEnd) -> Endpoints {
    Endpoints::Tag(match end {
        DefaultEnd::Any => return Endpoints::Any,
        DefaultEnd::VirtualNetwork => ServiceTag::VirtualNetwork,
        DefaultEnd::Internet => ServiceTag::Internet,
        DefaultEnd::LoadBalancer => ServiceTag::Prefixes {
            name: LOAD_BALANCER.to_owned(),
            prefixes: vec![IpNet::V4(PLATFORM)],
            platform: false,
        },
    })
}

fn any_port(endpoints: Endpoints) -> RuleSide {
    RuleSide { endpoints, ports: vec![0..=u16::MAX] }
}

/// Azure's name of a protocol in effective listings.
fn protocol_name(protocol: RuleProtocol) -> &'static str {
    match protocol {
        RuleProtocol::Any => "All",
        RuleProtocol::Tcp => "Tcp",
        RuleProtocol::Udp => "Udp",
        RuleProtocol::Icmp => "Icmp",
        RuleProtocol::Esp => "Esp",
        RuleProtocol::Ah => "Ah",
    }
}

/// The only one of several values.
fn only(values: &[String]) -> Option<String> {
    match values {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The name of a tag.
pub fn tag_name(tag: &ServiceTag) -> &str {
    match tag {
        ServiceTag::VirtualNetwork => VIRTUAL_NETWORK,
        ServiceTag::Internet => INTERNET,
        ServiceTag::Prefixes { name, .. } => name,
    }
}

/// Lists rules for one subnet.
struct Lister<'a> {
    topology: &'a Topology,
    tags: RoutedTags,
}

impl Lister<'_> {
    fn group(&self, group: &SecurityGroup, association: Association) -> EffectiveGroup {
        let rules = listed_rules(group);
        EffectiveGroup {
            network_security_group: Some(Reference { id: group.id.clone() }),
            association,
            tag_map: self.tag_map(rules.iter().map(|it| &it.rule)),
            effective_security_rules: rules
                .iter()
                .map(|it| self.rule(effective_name(&it.name), &it.rule))
                .collect(),
        }
    }

    /// The security admin rules of a VNet; `None` if it has none.
    fn admin_rules(&self, vnet: VnetIndex) -> Option<EffectiveGroup> {
        let admin = self.topology.admin_rules.iter().find(|it| it.vnets.contains(&vnet))?;
        let mut rules: Vec<&SecurityRule> = admin.rules.iter().collect();
        rules.sort_by_key(|it| (it.direction, it.priority));
        let manager = Reference { id: network_manager(&admin.id) };
        Some(EffectiveGroup {
            network_security_group: None,
            association: Association { network_manager: Some(manager), ..Association::default() },
            tag_map: self.tag_map(rules.iter().copied()),
            effective_security_rules: rules
                .iter()
                .map(|it| self.rule(&format!("securityAdminRules/{}", it.name), it))
                .collect(),
        })
    }

    fn rule(&self, name: &str, rule: &SecurityRule) -> EffectiveRule {
        let ports = |ranges: &[PortRange]| -> Vec<String> {
            ranges.iter().map(|it| format!("{}-{}", it.start(), it.end())).collect()
        };
        let sources = self.addresses(&rule.source.endpoints);
        let destinations = self.addresses(&rule.destination.endpoints);
        let source_ports = ports(&rule.source.ports);
        let destination_ports = ports(&rule.destination.ports);
        EffectiveRule {
            name: name.to_owned(),
            protocol: protocol_name(rule.protocol),
            source_port_range: only(&source_ports),
            destination_port_range: only(&destination_ports),
            source_port_ranges: source_ports,
            destination_port_ranges: destination_ports,
            source_address_prefix: only(&sources),
            destination_address_prefix: only(&destinations),
            source_address_prefixes: sources,
            destination_address_prefixes: destinations,
            expanded_source_address_prefix: self.expanded(&rule.source.endpoints),
            expanded_destination_address_prefix: self.expanded(&rule.destination.endpoints),
            access: rule.access,
            priority: rule.priority,
            direction: rule.direction,
        }
    }

    /// The addresses as Azure writes them; application security groups as their members.
    fn addresses(&self, endpoints: &Endpoints) -> Vec<String> {
        match endpoints {
            Endpoints::Any => vec!["*".to_owned()],
            Endpoints::Prefixes(prefixes) => prefixes.iter().map(ToString::to_string).collect(),
            Endpoints::Tag(tag) => vec![tag_name(tag).to_owned()],
            Endpoints::Groups(groups) => self.members(groups),
        }
    }

    fn members(&self, groups: &[ApplicationSecurityGroupIndex]) -> Vec<String> {
        let is_member =
            |nic: &&Nic| nic.application_security_groups.iter().any(|group| groups.contains(group));
        let nics = self.topology.nics.iter().filter(is_member);
        let prefixes: BTreeSet<IpNet> =
            nics.flat_map(|nic| nic.addresses.iter().map(|it| IpNet::from(*it))).collect();
        prefixes.iter().map(ToString::to_string).collect()
    }

    fn expanded(&self, endpoints: &Endpoints) -> Vec<IpNet> {
        match endpoints {
            Endpoints::Tag(tag) => self.tag(tag),
            _ => Vec::new(),
        }
    }

    fn tag(&self, tag: &ServiceTag) -> Vec<IpNet> {
        match tag {
            ServiceTag::VirtualNetwork => self.tags.virtual_network.clone(),
            ServiceTag::Internet => self.tags.internet.clone(),
            ServiceTag::Prefixes { prefixes, .. } => prefixes.clone(),
        }
    }

    fn tag_map<'r>(
        &self,
        rules: impl Iterator<Item = &'r SecurityRule>,
    ) -> BTreeMap<String, Vec<IpNet>> {
        rules
            .flat_map(|rule| [&rule.source.endpoints, &rule.destination.endpoints])
            .filter_map(|endpoints| match endpoints {
                Endpoints::Tag(tag) => Some((tag_name(tag).to_owned(), self.tag(tag))),
                _ => None,
            })
            .collect()
    }
}

/// The network manager that a rule collection belongs to: the id up to the manager's name, or the
/// whole id if it has no manager in it.
fn network_manager(collection: &ResourceId) -> ResourceId {
    let mut end = 0;
    let mut is_next = false;
    for segment in collection.as_str().split('/') {
        end += segment.len() + 1;
        if is_next {
            return ResourceId::new(collection.as_str().get(..end - 1).unwrap_or_default());
        }
        is_next = segment.eq_ignore_ascii_case("networkManagers");
    }
    collection.clone()
}
