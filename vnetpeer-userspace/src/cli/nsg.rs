//! `vnetpeer nsg`: network security groups in ARM's shape, and how often their rules decided.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Exit, Global,
    listing::Listing,
    named,
    network::From,
    output::{self, join},
    target::{Source, Target},
};
use crate::topology::{
    effective_security::{ListedRule, Reference, listed_rules, tag_name},
    model::{
        Access, Direction, Endpoints, PortRange, ResourceId, RuleProtocol, SecurityGroup,
        SecurityGroupIndex, Topology,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all of them
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show the rules of one in the order of evaluation, default rules included
    Show(Show),
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer nsg show web --hits\n  \
                        vnetpeer nsg show web --never-hit -o json")]
pub(super) struct Show {
    /// Its name or ARM id
    pub(super) name: String,
    /// How many flows each rule decided, summed over the hosts asked
    #[arg(long, conflicts_with = "file")]
    pub(super) hits: bool,
    /// Only rules that never decided
    #[arg(long, conflicts_with = "file")]
    pub(super) never_hit: bool,
    #[command(flatten)]
    pub(super) from: From,
}

/// A group as ARM shows it.
#[derive(Serialize)]
struct Group {
    name: String,
    id: ResourceId,
    properties: GroupProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupProperties {
    flush_connection: bool,
    security_rules: Vec<Rule>,
    default_security_rules: Vec<Rule>,
    subnets: Vec<Reference>,
    network_interfaces: Vec<Reference>,
}

/// A rule as ARM shows it, and how often it decided.
#[derive(Clone, Debug, Serialize)]
struct Rule {
    name: String,
    id: String,
    /// Null unless the agents were asked.
    hits: Option<u64>,
    properties: RuleProperties,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleProperties {
    protocol: &'static str,
    source_port_range: Option<String>,
    source_port_ranges: Vec<String>,
    destination_port_range: Option<String>,
    destination_port_ranges: Vec<String>,
    source_address_prefix: Option<String>,
    source_address_prefixes: Vec<String>,
    source_application_security_groups: Vec<Reference>,
    destination_address_prefix: Option<String>,
    destination_address_prefixes: Vec<String>,
    destination_application_security_groups: Vec<Reference>,
    access: Access,
    priority: u16,
    direction: Direction,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::List { from, listing } => list(from, listing, global).await,
        Command::Show(show) => self::show(show, global).await,
    }
}

async fn list(from: &From, listing: &Listing, global: &Global) -> anyhow::Result<Exit> {
    let source = Source::open(from.file.as_deref(), &global.target).await?;
    let topology = &source.topology;
    let groups = topology.security_groups.iter().enumerate();
    let groups: Vec<Group> =
        groups.map(|(index, it)| group(topology, SecurityGroupIndex(index), it, None)).collect();
    listing.print(global, groups, |groups| {
        let names = |all: &[Reference]| join(all.iter().map(|it| it.id.name()));
        output::rows(
            ["name", "rules", "subnets", "network interfaces"],
            groups.iter().map(|it| {
                [
                    it.name.clone(),
                    it.properties.security_rules.len().to_string(),
                    names(&it.properties.subnets),
                    names(&it.properties.network_interfaces),
                ]
            }),
        )
    })?;
    Ok(Exit::Done)
}

async fn show(show: &Show, global: &Global) -> anyhow::Result<Exit> {
    let source = Source::open(show.from.file.as_deref(), &global.target).await?;
    let topology = &source.topology;
    let all = &topology.security_groups;
    let (index, it) = named::find("network security group", &show.name, all, |it| &it.id)?;
    let asked = show.hits || show.never_hit;
    let hits = if asked { Some(hits(&global.target, &it.id).await?) } else { None };
    let mut shown = group(topology, SecurityGroupIndex(index), it, hits.as_ref());
    if show.never_hit {
        shown.properties.security_rules.retain(|it| it.hits == Some(0));
        shown.properties.default_security_rules.retain(|it| it.hits == Some(0));
    }
    output::show(global, &shown, |it| render(it, asked))?;
    Ok(Exit::Done)
}

/// Hits of a group's rules by direction and name in listings.
type Hits = BTreeMap<(Direction, String), u64>;

/// Every host counts the flows of its own NICs.
async fn hits(target: &Target, group: &ResourceId) -> anyhow::Result<Hits> {
    let mut total = Hits::new();
    for client in target.clients()? {
        let of_host = client.rule_hits().await?;
        for it in of_host.into_iter().filter(|it| ResourceId::new(it.group.as_str()) == *group) {
            *total.entry((it.direction, it.name)).or_default() += it.hits;
        }
    }
    Ok(total)
}

fn group(
    topology: &Topology,
    index: SecurityGroupIndex,
    group: &SecurityGroup,
    hits: Option<&Hits>,
) -> Group {
    let reference = |id: &ResourceId| Reference { id: id.clone() };
    let subnets = topology.vnets.iter().flat_map(|vnet| &vnet.subnets);
    let subnets = subnets.filter(|it| it.security_group == Some(index));
    let nics = topology.nics.iter().filter(|it| it.security_group == Some(index));
    let (default, own): (Vec<_>, Vec<_>) =
        listed_rules(group).into_iter().partition(|it| it.is_default);
    let rules = |all: &[ListedRule]| -> Vec<Rule> {
        all.iter().map(|it| rule(topology, group, it, hits)).collect()
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

fn rule(topology: &Topology, group: &SecurityGroup, it: &ListedRule, hits: Option<&Hits>) -> Rule {
    let ListedRule { name, rule, .. } = it;
    let hits = hits.map(|hits| hits.get(&(rule.direction, name.clone())).copied().unwrap_or(0));
    let (source, destination) = (&rule.source, &rule.destination);
    let (source_port_range, source_port_ranges) = split(ports(&source.ports));
    let (destination_port_range, destination_port_ranges) = split(ports(&destination.ports));
    let (source_address_prefix, source_address_prefixes) = split(prefixes(&source.endpoints));
    let (destination_address_prefix, destination_address_prefixes) =
        split(prefixes(&destination.endpoints));
    Rule {
        name: rule.name.clone(),
        id: format!("{}/{name}", group.id),
        hits,
        properties: RuleProperties {
            protocol: protocol(rule.protocol),
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

/// All rules in the order of evaluation, inbound first.
fn render(group: &Group, hits: bool) -> String {
    let properties = &group.properties;
    let mut rules: Vec<&Rule> =
        properties.security_rules.iter().chain(&properties.default_security_rules).collect();
    rules.sort_by_key(|it| (it.properties.direction, it.properties.priority));
    let header = ["direction", "priority", "name", "access", "protocol", "source", "destination"];
    let cells = |it: &Rule| {
        let properties = &it.properties;
        [
            format!("{:?}", properties.direction),
            properties.priority.to_string(),
            it.name.clone(),
            format!("{:?}", properties.access),
            properties.protocol.to_owned(),
            ends(
                &addresses(
                    properties.source_address_prefix.as_ref(),
                    &properties.source_address_prefixes,
                    &properties.source_application_security_groups,
                ),
                &both(properties.source_port_range.as_ref(), &properties.source_port_ranges),
            ),
            ends(
                &addresses(
                    properties.destination_address_prefix.as_ref(),
                    &properties.destination_address_prefixes,
                    &properties.destination_application_security_groups,
                ),
                &both(
                    properties.destination_port_range.as_ref(),
                    &properties.destination_port_ranges,
                ),
            ),
        ]
    };
    if !hits {
        return output::table(header, rules.into_iter().map(cells));
    }
    let [a, b, c, d, e, f, g] = header;
    output::table(
        [a, b, c, d, e, f, g, "hits"],
        rules.into_iter().map(|rule| {
            let [a, b, c, d, e, f, g] = cells(rule);
            [a, b, c, d, e, f, g, rule.hits.map_or_else(String::new, |it| it.to_string())]
        }),
    )
}

/// What is in one property or the other.
fn both(single: Option<&String>, several: &[String]) -> Vec<String> {
    single.into_iter().chain(several).cloned().collect()
}

fn addresses(single: Option<&String>, several: &[String], groups: &[Reference]) -> Vec<String> {
    let names = groups.iter().map(|it| it.id.name().to_owned());
    both(single, several).into_iter().chain(names).collect()
}

/// One end of a rule in one cell; any port goes without saying.
pub(super) fn ends(addresses: &[String], ports: &[String]) -> String {
    let addresses = if addresses.is_empty() { "nobody".to_owned() } else { join(addresses) };
    match ports {
        [any] if any == "*" || any == "0-65535" => addresses,
        ports => format!("{addresses} port {}", join(ports.iter().map(|it| short_range(it)))),
    }
}

/// `80-80` is port 80.
fn short_range(range: &str) -> &str {
    match range.split_once('-') {
        Some((first, last)) if first == last => first,
        _ => range,
    }
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

    #[test]
    fn an_end_says_its_ports_unless_any() {
        let end = |addresses: &[&str], ports: &[&str]| {
            let owned =
                |all: &[&str]| -> Vec<String> { all.iter().map(ToString::to_string).collect() };
            ends(&owned(addresses), &owned(ports))
        };
        assert_eq!(end(&["VirtualNetwork"], &["0-65535"]), "VirtualNetwork");
        assert_eq!(end(&["10.0.0.0/8", "fd00::/8"], &["443"]), "10.0.0.0/8, fd00::/8 port 443");
        assert_eq!(end(&["*"], &["80-80", "8000-8080"]), "* port 80, 8000-8080");
        assert_eq!(end(&[], &["*"]), "nobody");
    }
}
