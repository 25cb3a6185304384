//! `vnetpeer plan`.

mod table;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::{Exit, Global, output, target::Source};
use crate::{
    document,
    simulate::reach::{Change, Changes, changes},
    topology::{
        diff::{ResourceChange, difference},
        facts::NetworkFacts,
        model::Topology,
        network::Network,
        state::{PeeringOperation, State, advance},
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
    /// End with exit code 6 if a pair of subnets loses traffic
    #[arg(long)]
    fail_if_lost: bool,
}

/// What a document would change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    /// Resources, by kind and id.
    resources: Vec<ResourceChange>,
    /// Writes of peering objects, in the order in which they happen.
    operations: Vec<PeeringOperation>,
    /// Traffic that pairs of subnets gain.
    gained: Vec<Change>,
    /// Traffic that pairs of subnets lose, and why.
    lost: Vec<Change>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let old = if arguments.from_scratch {
        Source {
            topology: Topology::default(),
            state: State::default(),
            facts: NetworkFacts::default(),
        }
    } else {
        Source::open(arguments.against.as_deref(), &global.target).await?
    };
    let loaded =
        document::read(&arguments.file).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let state = advance(&old.state, &loaded.topology)?;
    let new = Network::new(&loaded.topology, &state)?.with_facts(&old.facts);
    let old = old.network()?;
    let difference = difference(&old, &new);
    let Changes { gained, lost } = changes(&old, &new).context("find out who reaches whom")?;
    let is_lost = !lost.is_empty();
    let (resources, operations) = (difference.resources, difference.operations);
    let plan = Plan { resources, operations, gained, lost };
    output::show(global, &plan, table::render)?;
    Ok(if is_lost && arguments.fail_if_lost { Exit::Drift } else { Exit::Done })
}
