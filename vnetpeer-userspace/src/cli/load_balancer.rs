//! `vnetpeer load-balancer`: load balancers in ARM's shape, and the health of their backends.

use std::path::Path;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Exit, Global,
    listing::Listing,
    named,
    network::{self, text},
    output::{self, Rows, short},
    target::Source,
};
use crate::{
    agent::api::ProbeStatus,
    topology::{
        balancing::questions,
        model::{BalancedProtocol, LoadBalancer, LoadBalancingRule, Probe, ProbeProtocol},
        network::Network,
    },
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
    let file = match command {
        Command::Show(command) => command.from().file.as_deref(),
        Command::Health { .. } => None,
    };
    let source = Source::open(file, &global.target).await?;
    let network = source.network()?;
    let balancers = &source.topology.load_balancers;
    match command {
        Command::Show(network::Command::List { listing, .. }) => {
            let all = balancers.iter().map(|it| shape(&network, it)).collect();
            listing.print(global, all, rows)?;
        }
        Command::Show(network::Command::Show { name, .. }) => {
            output::show_whole(global, &shape(&network, find(balancers, name)?))?;
        }
        Command::Health { name, listing } => {
            let only = name.as_deref().map(|name| find(balancers, name)).transpose()?;
            let statuses = statuses(global, file).await?;
            let all = health(&network, only, &statuses);
            listing.print(global, all, health_rows)?;
        }
    }
    Ok(Exit::Done)
}

fn find<'a>(balancers: &'a [LoadBalancer], name: &str) -> anyhow::Result<&'a LoadBalancer> {
    Ok(named::find("load balancer", name, balancers, |it| &it.id)?.1)
}

async fn statuses(global: &Global, file: Option<&Path>) -> anyhow::Result<Vec<ProbeStatus>> {
    let mut statuses = Vec::new();
    if file.is_none() {
        for client in global.target.clients()? {
            statuses.extend(client.status().await?.probes);
        }
    }
    Ok(statuses)
}

fn shape(network: &Network<'_>, it: &LoadBalancer) -> Value {
    let topology = network.topology;
    let frontends = it.frontends.iter().map(|frontend| {
        let subnet = topology.subnet(it.vnet, frontend.subnet).map(|subnet| &subnet.id);
        json!({
            "name": frontend.id.name(),
            "id": frontend.id,
            "properties": {
                "privateIPAddress": frontend.address,
                "privateIPAddressVersion": if frontend.address.is_ipv4() { "IPv4" } else { "IPv6" },
                "subnet": { "id": subnet },
            },
        })
    });
    let pools = it.pools.iter().map(|pool| {
        let members = pool.members.iter().map(|member| {
            let nic = topology.nic(member.nic).map(|nic| &nic.id);
            json!({ "networkInterface": { "id": nic }, "privateIPAddress": member.address })
        });
        let members: Vec<Value> = members.collect();
        json!({
            "name": pool.id.name(),
            "id": pool.id,
            "properties": { "backendIPConfigurations": members },
        })
    });
    json!({
        "name": it.id.name(),
        "id": it.id,
        "location": topology.vnet(it.vnet).map(|vnet| &vnet.location),
        "sku": { "name": it.sku, "tier": "Regional" },
        "virtualNetwork": { "id": topology.vnet(it.vnet).map(|vnet| &vnet.id) },
        "properties": {
            "frontendIPConfigurations": frontends.collect::<Vec<_>>(),
            "backendAddressPools": pools.collect::<Vec<_>>(),
            "probes": it.probes.iter().map(probe).collect::<Vec<_>>(),
            "loadBalancingRules": it.rules.iter().map(|rule| self::rule(it, rule)).collect::<Vec<_>>(),
        },
    })
}

fn probe(it: &Probe) -> Value {
    let (protocol, path) = match &it.protocol {
        ProbeProtocol::Tcp => ("Tcp", None),
        ProbeProtocol::Http(path) => ("Http", Some(path)),
    };
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "protocol": protocol,
            "port": it.port,
            "requestPath": path,
            "intervalInSeconds": it.interval_seconds,
            "probeThreshold": it.threshold,
        },
    })
}

fn rule(balancer: &LoadBalancer, it: &LoadBalancingRule) -> Value {
    let probe = it.probe.and_then(|index| balancer.probes.get(index));
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "frontendIPConfiguration": { "id": balancer.frontends.get(it.frontend).map(|it| &it.id) },
            "backendAddressPool": { "id": balancer.pools.get(it.pool).map(|it| &it.id) },
            "probe": probe.map(|probe| json!({ "id": probe.id })),
            "protocol": match it.protocol {
                BalancedProtocol::Tcp => "Tcp",
                BalancedProtocol::Udp => "Udp",
                BalancedProtocol::All => "All",
            },
            "frontendPort": it.frontend_port,
            "backendPort": it.backend_port,
            "loadDistribution": it.distribution,
            "enableFloatingIP": it.floating_ip,
        },
    })
}

fn rows(all: &[Value]) -> Rows {
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
