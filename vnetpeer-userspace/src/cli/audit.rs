//! `vnetpeer audit`: who did what.

use clap::{Args, Subcommand};

use super::{Exit, Global, listing::Listing, output};
use crate::agent::{
    api::AuditQuery,
    audit::{Record, Report},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what was done and denied, the newest last
    List(List),
    /// Find out whether a line of a host's log was changed, removed or cut off; ends with exit code 6 if
    /// one was
    Verify,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Of this principal, or unix user by number
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Of actions that contain this text
    #[arg(long, value_name = "TEXT")]
    operation: Option<String>,
    /// About this resource and what is below it
    #[arg(long, value_name = "ID")]
    resource: Option<String>,
    /// Only what was denied
    #[arg(long)]
    denied: bool,
    /// Of each host the newest so many
    #[arg(long, value_name = "NUMBER")]
    last: Option<usize>,
    #[command(flatten)]
    listing: Listing,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::List(arguments) => list(arguments, global).await,
        Command::Verify => verify(global).await,
    }
}

async fn list(arguments: &List, global: &Global) -> anyhow::Result<Exit> {
    let query = AuditQuery {
        principal: arguments.principal.clone(),
        operation: arguments.operation.clone(),
        resource: arguments.resource.clone(),
        denied: arguments.denied,
        last: arguments.last,
    };
    let mut records: Vec<Record> = Vec::new();
    for client in global.target.clients()? {
        records.extend(client.audit(&query).await?);
    }
    records.sort_by(|a, b| (&a.time, &a.host, a.sequence).cmp(&(&b.time, &b.host, b.sequence)));
    arguments.listing.print(global, records, |records| {
        output::rows(
            ["time", "host", "who", "operation", "on", "result"],
            records.iter().map(|it| {
                let event = &it.event;
                let result = match &event.code {
                    Some(code) => code.clone(),
                    None => "allowed".to_owned(),
                };
                [
                    it.time.clone(),
                    it.host.clone(),
                    event.principal.clone(),
                    event.operation.clone(),
                    event.resource.clone(),
                    result,
                ]
            }),
        )
    })?;
    Ok(Exit::Done)
}

async fn verify(global: &Global) -> anyhow::Result<Exit> {
    let mut reports: Vec<Report> = Vec::new();
    for client in global.target.clients()? {
        reports.push(client.verify_audit().await?);
    }
    output::show(global, &reports, |reports| {
        output::table(
            ["host", "records", "first", "last", "intact", "problem"],
            reports.iter().map(|it| {
                [
                    it.host.clone(),
                    it.records.to_string(),
                    it.first.to_string(),
                    it.last.to_string(),
                    it.intact.to_string(),
                    it.problem.clone().unwrap_or_default(),
                ]
            }),
        )
    })?;
    Ok(if reports.iter().all(|it| it.intact) { Exit::Done } else { Exit::Drift })
}
