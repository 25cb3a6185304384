//! `vnetpeer nsg`: network security groups in ARM's shape, and how often their rules decided.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    Exit, Global,
    listing::Listing,
    network::{self, From, Kind, text},
    output::{self, Rows, join, short},
    target::Target,
};
use crate::{
    arm::{Group, Rule},
    topology::{
        effective_security::Reference,
        model::{Direction, ResourceId},
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

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::List { from, listing } => list(from, listing, global).await,
        Command::Show(show) => self::show(show, global).await,
    }
}

async fn list(from: &From, listing: &Listing, global: &Global) -> anyhow::Result<Exit> {
    let groups = network::read(Kind::SecurityGroup, from, global).await?;
    listing.print(global, groups, rows)?;
    Ok(Exit::Done)
}

async fn show(show: &Show, global: &Global) -> anyhow::Result<Exit> {
    let all = network::read(Kind::SecurityGroup, &show.from, global).await?;
    let found = network::find(Kind::SecurityGroup, &all, &show.name)?;
    let mut shown = Group::deserialize(found)?;
    let asked = show.hits || show.never_hit;
    if asked {
        let hits = hits(&global.target, &shown.id).await?;
        add_hits(&mut shown, &hits);
    }
    if show.never_hit {
        shown.properties.security_rules.retain(|it| it.hits == Some(0));
        shown.properties.default_security_rules.retain(|it| it.hits == Some(0));
    }
    output::show(global, &shown, |it| render(it, asked))?;
    Ok(Exit::Done)
}

/// Groups in columns.
pub(super) fn rows(all: &[Value]) -> Rows {
    let list = |it: &Value, pointer: &str| it.pointer(pointer).and_then(Value::as_array).cloned();
    let names = |it: &Value, pointer: &str| {
        let references = list(it, pointer).unwrap_or_default();
        join(references.iter().map(|it| short(&text(it, "/id")).to_owned()))
    };
    output::rows(
        ["name", "rules", "subnets", "network interfaces"],
        all.iter().map(|it| {
            [
                text(it, "/name"),
                list(it, "/properties/securityRules").map_or(0, |it| it.len()).to_string(),
                names(it, "/properties/subnets"),
                names(it, "/properties/networkInterfaces"),
            ]
        }),
    )
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

/// The agents name rules as listings do: by what follows the group in their ids.
fn add_hits(group: &mut Group, hits: &Hits) {
    let Group { id, properties, .. } = group;
    let rules = properties.security_rules.iter_mut().chain(&mut properties.default_security_rules);
    for rule in rules {
        let name = rule.id.get(id.as_str().len() + 1..).unwrap_or_default().to_owned();
        rule.hits = Some(hits.get(&(rule.properties.direction, name)).copied().unwrap_or(0));
    }
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
            properties.protocol.clone(),
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
