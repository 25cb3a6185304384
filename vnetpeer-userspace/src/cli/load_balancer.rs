//! `vnetpeer load-balancer`: load balancers in ARM's shape, and the health of their backends.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Exit, Global,
    listing::Listing,
    named,
    network::{self, Kind, text},
    output::{self, Rows, short},
    target::Source,
};
use crate::{
    agent::api::ProbeStatus,
    topology::{balancing::questions, model::LoadBalancer, network::Network},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Show(network::Command),
    /// Show which backends answer their health probes, since when, and why the others do not
    Health {
        /// Name or ARM id of one load balancer; all unless given
        name: Option<String>,
        #[command(flatten)]
        listing: Listing,
    },
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let (name, listing) = match command {
        Command::Show(command) => {
            return network::run(Kind::LoadBalancer, command, global).await;
        }
        Command::Health { name, listing } => (name, listing),
    };
    let source = Source::open(None, &global.target).await?;
    let balancers = &source.topology.load_balancers;
    let only = name.as_deref().map(|name| find(balancers, name)).transpose()?;
    let statuses = statuses(global).await?;
    let all = health(&source.network()?, only, &statuses);
    listing.print(global, all, health_rows)?;
    Ok(Exit::Done)
}

fn find<'a>(balancers: &'a [LoadBalancer], name: &str) -> anyhow::Result<&'a LoadBalancer> {
    Ok(named::find("load balancer", name, balancers, |it| &it.id)?.1)
}

async fn statuses(global: &Global) -> anyhow::Result<Vec<ProbeStatus>> {
    let mut statuses = Vec::new();
    for client in global.target.clients()? {
        statuses.extend(client.status().await?.probes);
    }
    Ok(statuses)
}

/// Load balancers in columns.
pub(super) fn rows(all: &[Value]) -> Rows {
    let list = |it: &Value, part: &str| {
        it.pointer(&format!("/properties/{part}")).and_then(Value::as_array).cloned()
    };
    output::rows(
        ["name", "sku", "virtual network", "frontends", "pools", "rules"],
        all.iter().map(|it| {
            let frontends = list(it, "frontendIPConfigurations").unwrap_or_default();
            let addresses = frontends.iter().map(|it| text(it, "/properties/privateIPAddress"));
            [
                text(it, "/name"),
                text(it, "/sku/name"),
                short(&text(it, "/virtualNetwork/id")).to_owned(),
                addresses.collect::<Vec<_>>().join(", "),
                list(it, "backendAddressPools").map_or(0, |it| it.len()).to_string(),
                list(it, "loadBalancingRules").map_or(0, |it| it.len()).to_string(),
            ]
        }),
    )
}

/// One entry for each address that a probe asks. Where no agent says how it is, it is as the hosts tell
/// each other.
fn health(
    network: &Network<'_>,
    only: Option<&LoadBalancer>,
    statuses: &[ProbeStatus],
) -> Vec<Value> {
    let topology = network.topology;
    let is_of = |balancer: &LoadBalancer, id| balancer.probes.iter().any(|it| it.id == id);
    let asked = questions(topology)
        .into_iter()
        .filter(|it| only.is_none_or(|balancer| is_of(balancer, it.probe.id.clone())));
    let entry = |it: crate::topology::balancing::Question<'_>| {
        let balancer = topology.load_balancers.iter().find(|lb| is_of(lb, it.probe.id.clone()));
        let status = statuses.iter().find(|status| {
            status.probe.eq_ignore_ascii_case(it.probe.id.as_str())
                && status.network_interface.eq_ignore_ascii_case(it.nic.id.as_str())
                && status.address == it.address
        });
        let is_silent = network.facts.is_silent(&it.probe.id, &it.nic.id, it.address);
        let told = if is_silent { "Down" } else { "Up" };
        json!({
            "loadBalancer": balancer.map(|it| it.id.name()),
            "probe": it.probe.id.name(),
            "networkInterface": it.nic.id,
            "address": it.address,
            "host": topology.host(it.nic.host).map(|host| &host.name),
            "state": status.map_or(told, |it| it.state.as_str()),
            "ageSeconds": status.map(|it| it.age_seconds),
            "lastError": status.and_then(|it| it.last_error.as_ref()),
        })
    };
    asked.map(entry).collect()
}

fn health_rows(all: &[Value]) -> Rows {
    output::rows(
        ["load balancer", "probe", "nic", "address", "host", "state", "since (s)", "last error"],
        all.iter().map(|it| {
            [
                text(it, "/loadBalancer"),
                text(it, "/probe"),
                short(&text(it, "/networkInterface")).to_owned(),
                text(it, "/address"),
                text(it, "/host"),
                text(it, "/state"),
                text(it, "/ageSeconds"),
                text(it, "/lastError"),
            ]
        }),
    )
}
