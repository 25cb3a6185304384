//! `vnetpeer meter show` and `vnetpeer nic drops`.

use std::collections::BTreeMap;

use clap::Subcommand;

use super::{
    Exit, Global,
    output::{self, short},
};
use crate::agent::api::{LinkMeter, NicDrops};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Packets and layer-3 bytes of every link, summed over the hosts asked
    Show,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::Show => show(global).await,
    }
}

async fn show(global: &Global) -> anyhow::Result<Exit> {
    let mut hosts = Vec::new();
    for client in global.target.clients()? {
        hosts.push(client.meters().await?);
    }
    output::print(global.output, &sum(hosts), |meters| render(meters))?;
    Ok(Exit::Done)
}

/// Each host counts what it sees, and no byte is seen by two hosts in the same direction.
pub(super) fn sum(hosts: impl IntoIterator<Item = Vec<LinkMeter>>) -> Vec<LinkMeter> {
    let mut by_link: BTreeMap<String, LinkMeter> = BTreeMap::new();
    for meter in hosts.into_iter().flatten() {
        match by_link.get_mut(&meter.peering) {
            Some(total) => {
                total.egress_packets += meter.egress_packets;
                total.egress_bytes += meter.egress_bytes;
                total.ingress_packets += meter.ingress_packets;
                total.ingress_bytes += meter.ingress_bytes;
            }
            None => {
                by_link.insert(meter.peering.clone(), meter);
            }
        }
    }
    by_link.into_values().collect()
}

pub(super) fn render(meters: &[LinkMeter]) -> String {
    output::table(
        [
            "peering",
            "from",
            "to",
            "egress packets",
            "egress bytes",
            "ingress packets",
            "ingress bytes",
        ],
        meters.iter().map(|it| {
            [
                short(&it.peering).to_owned(),
                short(&it.virtual_network).to_owned(),
                short(&it.remote_virtual_network).to_owned(),
                it.egress_packets.to_string(),
                it.egress_bytes.to_string(),
                it.ingress_packets.to_string(),
                it.ingress_bytes.to_string(),
            ]
        }),
    )
}

pub(super) async fn drops(global: &Global) -> anyhow::Result<Exit> {
    let mut all: Vec<NicDrops> = Vec::new();
    for client in global.target.clients()? {
        all.extend(client.drops().await?);
    }
    output::print(global.output, &all, |all| {
        output::table(
            ["nic", "reason", "packets", "bytes", "meaning"],
            all.iter().map(|it| {
                [
                    it.network_interface.as_deref().map_or("(host)", short).to_owned(),
                    it.reason.clone(),
                    it.packets.to_string(),
                    it.bytes.to_string(),
                    it.meaning.clone(),
                ]
            }),
        )
    })?;
    Ok(Exit::Done)
}
