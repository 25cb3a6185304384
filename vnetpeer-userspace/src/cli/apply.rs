//! `vnetpeer apply`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Exit, Global, output};
use crate::{
    agent::{
        api::{ApplyReply, ApplyRequest, DeploymentView},
        client::Client,
    },
    document::{self, Style},
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The topology document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
}

/// Agents must give out the same numbers, so all of them continue from the state of the newest.
pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let source = arguments.file.display().to_string();
    let loaded = match document::read(&arguments.file) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprint!("{}", problems.render(Style::for_stderr()));
            return Ok(Exit::Failed);
        }
    };
    if !loaded.warnings.is_empty() {
        eprint!("{}", loaded.warnings.render(Style::for_stderr()));
    }
    let text =
        std::fs::read_to_string(&arguments.file).with_context(|| format!("read {source}"))?;
    let clients = global.target.clients()?;
    let Some(newest) = newest(&clients).await? else { bail!("the lab has no agent") };
    let request = ApplyRequest {
        source,
        document: text,
        base: Some(newest.state),
        serial: Some(newest.serial + 1),
    };
    let replies = apply_everywhere(&clients, &request).await?;
    output::print(global.output, &replies, |replies| {
        output::table(
            ["host", "serial", "operations"],
            replies
                .iter()
                .map(|it| [it.host.clone(), it.serial.to_string(), it.operations.to_string()]),
        )
    })?;
    Ok(Exit::Done)
}

async fn newest(clients: &[Client]) -> anyhow::Result<Option<DeploymentView>> {
    let mut newest: Option<DeploymentView> = None;
    for client in clients {
        let view = client.deployment().await?;
        if newest.as_ref().is_none_or(|it| view.serial > it.serial) {
            newest = Some(view);
        }
    }
    Ok(newest)
}

/// All at the same time, and every failure is told: a host that failed keeps what it had.
async fn apply_everywhere(
    clients: &[Client],
    request: &ApplyRequest,
) -> anyhow::Result<Vec<ApplyReply>> {
    let results = futures_util::future::join_all(clients.iter().map(|it| it.apply(request))).await;
    let mut replies = Vec::new();
    let mut failures = Vec::new();
    for (client, result) in clients.iter().zip(results) {
        match result {
            Ok(reply) => replies.push(reply),
            Err(error) => failures.push(format!("{}: {error}", client.socket().display())),
        }
    }
    if !failures.is_empty() {
        bail!(
            "not in force everywhere; apply it again once this is mended:\n{}",
            failures.join("\n")
        );
    }
    Ok(replies)
}
