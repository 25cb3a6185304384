//! `vnetpeer graph`.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{
    Exit, Global,
    meter::sum,
    output,
    target::{Source, Target},
};
use crate::{
    graph::{Picture, dot, mermaid, svg},
    topology::model::ResourceId,
};

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vnetpeer graph -f examples/quickstart.yaml --to svg > network.svg\n  \
                        vnetpeer graph --rates 5 --to svg --out network.svg"
)]
pub(super) struct Arguments {
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The language of the picture
    #[arg(long, value_enum, default_value_t = Language::Mermaid)]
    to: Language,
    /// Write the picture into this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Watch the meters for so many seconds, and write rates on the lines
    #[arg(long, value_name = "SECONDS", conflicts_with = "file",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    rates: Option<u64>,
}

/// A language for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Scalable Vector Graphics
    Svg,
    /// Mermaid, for Markdown
    Mermaid,
    /// Graphviz
    Dot,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let source = Source::open(arguments.file.as_deref(), &global.target).await?;
    let rates = match arguments.rates {
        Some(seconds) => rates(&global.target, seconds).await?,
        None => BTreeMap::new(),
    };
    let picture = Picture::new(&source.network()?, &rates);
    let text = match arguments.to {
        Language::Svg => svg::draw(&picture),
        Language::Mermaid => mermaid::draw(&picture),
        Language::Dot => dot::draw(&picture),
    };
    match &arguments.out {
        Some(path) => fs::write(path, text).with_context(|| format!("write {}", path.display()))?,
        None => output::print_text(&text)?,
    }
    Ok(Exit::Done)
}

/// Bytes per second that left each VNet over each link while it was watched.
async fn rates(target: &Target, seconds: u64) -> anyhow::Result<BTreeMap<ResourceId, u64>> {
    let before = egress(target).await?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = egress(target).await?;
    let since = |(id, bytes): (ResourceId, u64)| {
        let begin = before.get(&id).copied().unwrap_or(0);
        (id, bytes.saturating_sub(begin) / seconds)
    };
    Ok(after.into_iter().map(since).collect())
}

async fn egress(target: &Target) -> anyhow::Result<BTreeMap<ResourceId, u64>> {
    let mut hosts = Vec::new();
    for client in target.clients()? {
        hosts.push(client.meters().await?);
    }
    let meters = sum(hosts).into_iter();
    Ok(meters.map(|it| (ResourceId::new(it.peering), it.egress_bytes)).collect())
}
