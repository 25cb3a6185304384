//! A plan for people: what is alike in one line.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Plan;
use crate::{
    cli::output::short,
    simulate::reach::{Change, End, Reason, Way},
    topology::{
        diff::{Action, ResourceChange},
        model::ResourceId,
        state::PeeringAction,
    },
};

/// Lines of one kind; what does not fit is counted.
const LINES_MAX: usize = 40;
/// Partners that a line names.
const NAMED_MAX: usize = 4;

pub(super) fn render(plan: &Plan) -> String {
    let mut lines = limited(plan.resources.iter().map(resource).collect());
    if !plan.operations.is_empty() {
        lines.push("writes of peerings, in this order:".to_owned());
        let writes = plan.operations.iter();
        let writes = writes.map(|it| format!("  {} {}", action(it.action), name(it.id.as_str())));
        lines.extend(limited(writes.collect()));
    }
    for (title, changes) in [("gains", &plan.gained), ("loses", &plan.lost)] {
        if !changes.is_empty() {
            lines.push(format!("{title}:"));
            lines.extend(limited(reachability(changes)));
        }
    }
    if lines.is_empty() {
        return "no changes".to_owned();
    }
    lines.push(format!(
        "{}; {} gain traffic, {} lose it",
        counted(plan.resources.len(), "resource changes", "resources change"),
        counted(pairs(&plan.gained), "pair of subnets", "pairs of subnets"),
        pairs(&plan.lost)
    ));
    lines.join("\n")
}

/// The first lines, and how many there are besides.
fn limited(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        lines.truncate(LINES_MAX);
        lines.push(format!("  and {more} more lines; all are in the output of -o json"));
    }
    lines
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Ordered pairs of subnets, each counted once.
fn pairs(changes: &[Change]) -> usize {
    let pairs = changes.iter().map(|it| (&it.source.subnet, &it.destination.subnet));
    pairs.collect::<BTreeSet<_>>().len()
}

fn resource(change: &ResourceChange) -> String {
    let mark = match change.action {
        Action::Create => '+',
        Action::Change => '~',
        Action::Delete => '-',
    };
    let properties = if change.properties.is_empty() {
        String::new()
    } else {
        format!(" ({})", change.properties.join(", "))
    };
    format!("{mark} {} {}{properties}", change.kind, name(&change.id))
}

const fn action(action: PeeringAction) -> &'static str {
    match action {
        PeeringAction::Delete => "delete",
        PeeringAction::Reset => "reset",
        PeeringAction::Create => "create",
        PeeringAction::Update => "update",
        PeeringAction::Sync => "sync",
    }
}

/// One line for each two ends, or for one end and all that it has the same with.
fn reachability(changes: &[Change]) -> Vec<String> {
    let mut lines = Vec::new();
    for ((what, why), links) in by_what(changes) {
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        for (center, arrow, others) in stars(links) {
            let count = others.len();
            let mut named = others.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            if count > NAMED_MAX {
                named = format!("{count} subnets: {named} and {} more", count - NAMED_MAX);
            }
            let between = if others.len() == 1 && others.contains(&center) {
                format!("inside {center}")
            } else {
                format!("{center} {arrow} {named}")
            };
            lines.push(format!("  {between}: {what}{why}"));
        }
    }
    lines
}

/// Two ends and how traffic goes between them.
type Link = (String, &'static str, String);

/// Traffic and reason, with the pairs of ends that have them in common. Both ways and both families are one
/// where they are alike.
fn by_what(changes: &[Change]) -> BTreeMap<(String, String), BTreeSet<Link>> {
    let mut families: BTreeMap<(String, String, String), (BTreeSet<String>, String)> =
        BTreeMap::new();
    let prefixes = prefixes(changes);
    for change in changes {
        let (source, destination) =
            (end(&change.source, &prefixes), end(&change.destination, &prefixes));
        let key = (source, destination, change.traffic.to_string());
        let why = change.reason.as_ref().map(because).unwrap_or_default();
        let known = families.entry(key).or_insert_with(|| (BTreeSet::new(), why));
        known.0.insert(format!("{:?}", change.family));
    }
    let mut found: BTreeMap<_, BTreeSet<Link>> = BTreeMap::new();
    for ((source, destination, traffic), (of, why)) in &families {
        let back = (destination.clone(), source.clone(), traffic.clone());
        let both = families.get(&back).is_some_and(|(families, _)| families == of);
        if both && destination < source {
            continue;
        }
        let arrow = if both && source != destination { "⇄" } else { "→" };
        let of: Vec<&str> = of.iter().map(String::as_str).collect();
        let what = format!("{traffic}, {}", of.join(" and "));
        let link = (source.clone(), arrow, destination.clone());
        found.entry((what, why.clone())).or_default().insert(link);
    }
    found
}

/// Links grouped around the ends that have the most of them.
fn stars(mut links: BTreeSet<Link>) -> Vec<(String, &'static str, Vec<String>)> {
    let mut stars = Vec::new();
    loop {
        let mut degree: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
        for (source, arrow, destination) in &links {
            *degree.entry((source, arrow)).or_default() += 1;
            if destination != source {
                let back = if *arrow == "→" { "←" } else { "⇄" };
                *degree.entry((destination, back)).or_default() += 1;
            }
        }
        // Of equals the first by name, and as a source rather than as a destination.
        let best = degree
            .iter()
            .max_by_key(|((end, arrow), count)| (**count, *arrow != "←", std::cmp::Reverse(*end)));
        let Some((center, arrow)) = best.map(|((end, arrow), _)| ((*end).to_owned(), *arrow))
        else {
            return stars;
        };
        let (mut others, mut rest) = (Vec::new(), BTreeSet::new());
        for link in links {
            match (&link, arrow) {
                ((source, "→", destination), "→") if *source == center => {
                    others.push(destination.clone());
                }
                ((source, "→", destination), "←") if *destination == center => {
                    others.push(source.clone());
                }
                ((source, "⇄", destination), "⇄") if *source == center => {
                    others.push(destination.clone());
                }
                ((source, "⇄", destination), "⇄") if *destination == center => {
                    others.push(source.clone());
                }
                _ => _ = rest.insert(link),
            }
        }
        links = rest;
        stars.push((center, arrow, others));
    }
}

/// A prefix of every subnet, IPv4 where it has one.
fn prefixes(changes: &[Change]) -> BTreeMap<&ResourceId, IpNet> {
    let ends = changes.iter().flat_map(|change| [&change.source, &change.destination]);
    let mut found: BTreeMap<&ResourceId, IpNet> = BTreeMap::new();
    for (subnet, prefix) in ends.filter_map(|end| Some((&end.subnet, end.address_prefix?))) {
        let known = found.entry(subnet).or_insert(prefix);
        *known = prefix.min(*known);
    }
    found
}

/// A subnet with a prefix, and the NICs in it if it is about some only.
fn end(end: &End, prefixes: &BTreeMap<&ResourceId, IpNet>) -> String {
    let mut subnet = name(end.subnet.as_str());
    if let Some(prefix) = prefixes.get(&end.subnet) {
        subnet = format!("{subnet} {prefix}");
    }
    let nics: Vec<&str> = end.network_interfaces.iter().map(ResourceId::name).collect();
    match nics.as_slice() {
        [] => subnet,
        some if some.len() <= NAMED_MAX => format!("{subnet} [{}]", some.join(", ")),
        [first, rest @ ..] => format!("{subnet} [{first} and {} more NICs]", rest.len()),
    }
}

/// Why traffic is lost, in a few words.
fn because(reason: &Reason) -> String {
    let mut text = reason.code.to_owned();
    if let Some(rule) = &reason.rule {
        text = format!("{text}: {} of {}", short(&rule.name), rule.group.name());
    } else if let Some(peering) = &reason.peering {
        text = format!("{text}: {}", name(peering.as_str()));
    } else if let Some(route) = &reason.route {
        text = format!("{text}: {} to {}", route.address_prefix, route.next_hop_type);
        if let Some(name) = &route.name {
            text = format!("{text}, route {name}");
        }
    }
    if reason.way == Some(Way::Answer) { format!("{text}, answers") } else { text }
}

/// A child's name with its parent's, as the document writes it.
fn name(id: &str) -> String {
    let segments: Vec<&str> = id.split('/').collect();
    match segments.as_slice() {
        [.., "virtualNetworks", parent, _, child] => format!("{parent}/{child}"),
        _ => short(id).to_owned(),
    }
}
