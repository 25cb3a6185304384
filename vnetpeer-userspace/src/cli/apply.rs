//! `vnetpeer apply`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::{Exit, Global, explain, output};
use crate::{agent::rollout::roll_out_whole, document};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The topology document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let source = arguments.file.display().to_string();
    let text =
        std::fs::read_to_string(&arguments.file).with_context(|| format!("read {source}"))?;
    let loaded = match document::load(&source, &text) {
        Ok(loaded) => loaded,
        Err(problems) => {
            explain::tell(&problems);
            return Ok(Exit::Failed);
        }
    };
    if !loaded.warnings.is_empty() {
        explain::tell(&loaded.warnings);
    }
    let replies = roll_out_whole(&global.target.clients()?, &source, &text).await?;
    output::show(global, &replies, |replies| {
        output::table(
            ["host", "serial", "operations"],
            replies
                .iter()
                .map(|it| [it.host.clone(), it.serial.to_string(), it.operations.to_string()]),
        )
    })?;
    Ok(Exit::Done)
}
