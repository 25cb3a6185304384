//! `vnetpeer plan`.

use std::path::PathBuf;

use clap::Args;

use super::{
    Exit, Global,
    output::{self, short},
    target::Source,
};
use crate::{
    document,
    topology::{
        diff::{Action, Difference, SubnetPair, difference},
        model::Topology,
        network::Network,
        state::{State, advance},
    },
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The topology document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Compare with this document instead of the one in force
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Compare with nothing: show everything that the document creates
    #[arg(long, conflicts_with = "against")]
    from_scratch: bool,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let old = if arguments.from_scratch {
        Source { topology: Topology::default(), state: State::default() }
    } else {
        Source::open(arguments.against.as_deref(), &global.target).await?
    };
    let loaded =
        document::read(&arguments.file).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let state = advance(&old.state, &loaded.topology)?;
    let new = Network::new(&loaded.topology, &state)?;
    let difference = difference(&old.network()?, &new);
    output::print(global.output, &difference, render)?;
    Ok(Exit::Done)
}

fn render(difference: &Difference) -> String {
    let mut lines = Vec::new();
    for change in &difference.resources {
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
        lines.push(format!("{mark} {} {}{properties}", change.kind, name(&change.id)));
    }
    let pair = |mark: char, it: &SubnetPair| {
        let (source, destination) = (name(it.source.as_str()), name(it.destination.as_str()));
        format!("{mark} {source} → {destination} {:?}", it.family)
    };
    lines.extend(difference.gained.iter().map(|it| pair('+', it)));
    lines.extend(difference.lost.iter().map(|it| pair('-', it)));
    if lines.is_empty() {
        return "no changes".to_owned();
    }
    lines.push(format!(
        "{} resources change; {} pairs of subnets gain reachability, {} lose it",
        difference.resources.len(),
        difference.gained.len(),
        difference.lost.len()
    ));
    lines.join("\n")
}

/// A child's name with its parent's, as the document writes it.
fn name(id: &str) -> String {
    let segments: Vec<&str> = id.split('/').collect();
    match segments.as_slice() {
        [.., "virtualNetworks", parent, _, child] => format!("{parent}/{child}"),
        _ => short(id).to_owned(),
    }
}
