//! `vnetpeer network-manager deployment-status`: what is deployed where, and on how many hosts it is in
//! force.

use clap::Args;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::{
    Exit, Global,
    listing::Listing,
    network::text,
    output::{self, Rows, join, short},
    target::Source,
};
use crate::topology::model::{CommitType, NetworkManager};

#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// Only of the network manager with this name or ARM id
    #[arg(long, value_name = "NAME")]
    network_manager: Option<String>,
    /// Of these regions, also if nothing was ever deployed there; of all unless given
    #[arg(long, value_name = "REGION", num_args = 1..)]
    regions: Vec<String>,
    #[command(flatten)]
    listing: Listing,
}

/// How one host stands to the newest document.
struct Host {
    name: String,
    status: &'static str,
    error: Option<String>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let clients = global.target.clients()?;
    let source = Source::open(None, &global.target).await?;
    let statuses = join_all(clients.iter().map(crate::agent::client::Client::status)).await;
    let newest = statuses.iter().flatten().map(|it| it.serial).max().unwrap_or_default();
    let hosts = clients.iter().zip(statuses).map(|(client, status)| match status {
        Ok(it) => {
            let failed = it.last_error.is_some();
            let behind = !it.ready || it.serial < newest;
            let status = if failed {
                "Failed"
            } else if behind {
                "Deploying"
            } else {
                "Deployed"
            };
            Host { name: it.host, status, error: it.last_error }
        }
        Err(error) => Host {
            name: client.socket().display().to_string(),
            status: "Failed",
            error: Some(error.to_string()),
        },
    });
    let hosts: Vec<Host> = hosts.collect();
    let topology = &source.topology;
    let name = arguments.network_manager.as_deref();
    let chosen = name.map(|name| super::find(topology, name)).transpose()?;
    let managers = topology.network_managers.iter();
    let managers = managers.filter(|it| chosen.is_none_or(|chosen| chosen.id == it.id));
    let mut all: Vec<Value> = managers.flat_map(|it| of_manager(it, &arguments.regions)).collect();
    for row in all.iter_mut().filter(|it| text(it, "/deploymentStatus") != NOT_STARTED) {
        join_hosts(row, &hosts);
    }
    let is_in_force = all.iter().all(|it| {
        let status = text(it, "/deploymentStatus");
        status == DEPLOYED || status == NOT_STARTED
    });
    arguments.listing.print(global, all, table)?;
    Ok(if is_in_force { Exit::Done } else { Exit::Drift })
}

const DEPLOYED: &str = "Deployed";
const NOT_STARTED: &str = "NotStarted";

/// What a manager deploys, by region and type.
pub(super) fn rows(manager: &NetworkManager) -> Vec<Value> {
    of_manager(manager, &[])
}

fn of_manager(manager: &NetworkManager, regions: &[String]) -> Vec<Value> {
    let fold = |region: &String| region.replace(' ', "").to_ascii_lowercase();
    let regions: Vec<String> = regions.iter().map(fold).collect();
    let mut found = Vec::new();
    for commit in &manager.commits {
        let locations = commit.locations.iter();
        for region in locations.filter(|it| regions.is_empty() || regions.contains(it)) {
            found.push(json!({
                "commitTime": commit.commit_time,
                "region": region,
                "deploymentStatus": DEPLOYED,
                "configurationIds": commit.configurations,
                "deploymentType": commit.commit_type,
                "errorMessage": "",
                "networkManager": manager.id,
            }));
        }
    }
    for region in &regions {
        for kind in [CommitType::Connectivity, CommitType::SecurityAdmin] {
            let mut commits = manager.commits.iter().filter(|it| it.commit_type == kind);
            if !commits.any(|it| it.locations.contains(region)) {
                found.push(json!({
                    "commitTime": null,
                    "region": region,
                    "deploymentStatus": NOT_STARTED,
                    "configurationIds": [],
                    "deploymentType": kind,
                    "errorMessage": "",
                    "networkManager": manager.id,
                }));
            }
        }
    }
    found
}

/// The worst of the hosts is how the deployment stands.
fn join_hosts(row: &mut Value, hosts: &[Host]) {
    let worst =
        ["Failed", "Deploying"].into_iter().find(|it| hosts.iter().any(|h| h.status == *it));
    row["deploymentStatus"] = worst.unwrap_or(DEPLOYED).into();
    let told = |host: &Host| host.error.as_ref().map(|error| format!("{}: {error}", host.name));
    row["errorMessage"] = join(hosts.iter().filter_map(told)).into();
    let hosts = hosts.iter().map(|host| {
        json!({ "host": host.name, "deploymentStatus": host.status, "errorMessage": host.error })
    });
    row["hosts"] = hosts.collect();
}

pub(super) fn table(all: &[Value]) -> Rows {
    output::rows(
        ["network manager", "region", "type", "status", "configurations", "committed", "error"],
        all.iter().map(|it| {
            let ids = it.get("configurationIds").and_then(Value::as_array);
            let ids = ids.into_iter().flatten().filter_map(Value::as_str).map(short);
            [
                short(&text(it, "/networkManager")).to_owned(),
                text(it, "/region"),
                text(it, "/deploymentType"),
                text(it, "/deploymentStatus"),
                join(ids),
                text(it, "/commitTime"),
                text(it, "/errorMessage"),
            ]
        }),
    )
}
