//! `vnetpeer meter show` and `vnetpeer nic drops`; what usage costs and how it is exported is below.

mod cost;
mod export;
mod period;
mod usage;

use std::collections::BTreeMap;

use clap::Subcommand;

pub(super) use self::usage::prices;
use super::{
    Exit, Global,
    listing::Listing,
    output::{self, Rows, short},
};
use crate::agent::api::{LinkMeter, NicDrops};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Packets and layer-3 bytes of every link, summed over the hosts asked
    Show(period::Arguments),
    /// What usage of a month costs so far, and where that is going
    Cost(cost::Arguments),
    /// The invoice of a month, line by line
    Invoice(cost::InvoiceArguments),
    /// Write usage or costs to files, a folder for each billing month; run it as often as you like
    Export(export::Arguments),
    /// Whether counters, records and invoices have the same bytes, and if not, where they differ
    Reconcile(cost::ReconcileArguments),
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    match command {
        Command::Show(arguments) => period::run(arguments, global).await,
        Command::Cost(arguments) => cost::run(arguments, global).await,
        Command::Invoice(arguments) => cost::run_invoice(arguments, global).await,
        Command::Export(arguments) => export::run(arguments, global).await,
        Command::Reconcile(arguments) => cost::run_reconcile(arguments, global).await,
    }
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

pub(super) fn rows(meters: &[LinkMeter]) -> Rows {
    output::rows(
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

pub(super) async fn drops(listing: &Listing, global: &Global) -> anyhow::Result<Exit> {
    let mut all: Vec<NicDrops> = Vec::new();
    for client in global.target.clients()? {
        all.extend(client.drops().await?);
    }
    listing.print(global, all, |all| {
        output::rows(
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
