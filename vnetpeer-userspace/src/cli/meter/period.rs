//! `vnetpeer meter show`: live meters, totals by period, and both sides of each peering side by side.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use vnetpeer_metering::record::{Direction, Record, merge};

use super::super::{
    Exit, Global,
    listing::Listing,
    output::{self, Rows, short},
};
use crate::agent::api::LinkMeter;

#[derive(Args, Clone, Debug, Default)]
pub(in super::super) struct Arguments {
    /// What the ledger has recorded, summed by period (UTC), instead of the live meters
    #[arg(long, value_enum, value_name = "PERIOD", conflicts_with = "balance")]
    period: Option<Period>,
    /// From this time on, e.g. 2026-11-01T00:00:00Z; with --period
    #[arg(long, value_name = "TIME", requires = "period")]
    since: Option<Timestamp>,
    /// Before this time; with --period
    #[arg(long, value_name = "TIME", requires = "period")]
    until: Option<Timestamp>,
    /// What left each VNet beside what came in at the other one; ask all hosts
    #[arg(long)]
    balance: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Over what usage is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Period {
    /// An hour
    Hour,
    /// A day
    Day,
    /// A calendar month
    Month,
}

impl Period {
    /// The name of the period that a time is in.
    fn of(self, seconds: i64) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%dT%H:00Z",
            Self::Day => "%Y-%m-%d",
            Self::Month => "%Y-%m",
        };
        let time = Timestamp::from_second(seconds).unwrap_or_default();
        time.to_zoned(TimeZone::UTC).strftime(format).to_string()
    }
}

/// What a link carried in a period, on all hosts that were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    period: String,
    link: String,
    virtual_network: String,
    remote_virtual_network: Option<String>,
    egress_packets: u64,
    egress_bytes: u64,
    ingress_packets: u64,
    ingress_bytes: u64,
    /// Whether a window of it still goes on.
    open: bool,
    /// Whether some of it may have been counted earlier, while no agent ran.
    late: bool,
}

/// One direction of a peering, as both of its ends counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    virtual_network: String,
    remote_virtual_network: String,
    egress_bytes: u64,
    ingress_bytes: u64,
    difference: i128,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    if let Some(period) = arguments.period {
        let since = arguments.since.map_or(0, Timestamp::as_second);
        let until = arguments.until.map_or(i64::MAX, Timestamp::as_second);
        let mut records = Vec::new();
        for client in global.target.clients()? {
            records.extend(client.usage(since, until).await?);
        }
        let totals = totals(merge(records), period);
        arguments.listing.print(global, totals, rows)?;
        return Ok(Exit::Done);
    }
    let mut hosts = Vec::new();
    for client in global.target.clients()? {
        hosts.push(client.meters().await?);
    }
    let meters = super::sum(hosts);
    if arguments.balance {
        arguments.listing.print(global, balances(&meters), balance_rows)?;
    } else {
        arguments.listing.print(global, meters, super::rows)?;
    }
    Ok(Exit::Done)
}

fn totals(records: Vec<Record>, period: Period) -> Vec<Total> {
    let mut totals: BTreeMap<(String, String), Total> = BTreeMap::new();
    for it in records {
        let key = (period.of(it.start), it.link.id.clone());
        let total = totals.entry(key.clone()).or_insert_with(|| Total {
            period: key.0,
            link: key.1,
            virtual_network: it.link.vnet.clone(),
            remote_virtual_network: it.link.remote_vnet.clone(),
            ..Total::default()
        });
        let (packets, bytes) = match it.direction {
            Direction::Egress => (&mut total.egress_packets, &mut total.egress_bytes),
            Direction::Ingress => (&mut total.ingress_packets, &mut total.ingress_bytes),
        };
        *packets += it.packets;
        *bytes += it.bytes;
        total.open |= it.is_open();
        total.late |= it.late_since.is_some();
    }
    totals.into_values().collect()
}

fn balances(meters: &[LinkMeter]) -> Vec<Balance> {
    let both = |meter: &LinkMeter| {
        let other = meters.iter().find(|it| {
            it.virtual_network == meter.remote_virtual_network
                && it.remote_virtual_network == meter.virtual_network
        })?;
        let (egress_bytes, ingress_bytes) = (meter.egress_bytes, other.ingress_bytes);
        Some(Balance {
            virtual_network: meter.virtual_network.clone(),
            remote_virtual_network: meter.remote_virtual_network.clone(),
            egress_bytes,
            ingress_bytes,
            difference: i128::from(egress_bytes) - i128::from(ingress_bytes),
        })
    };
    meters.iter().filter_map(both).collect()
}

fn rows(totals: &[Total]) -> Rows {
    let header = ["period", "link", "from", "to", "egress bytes", "ingress bytes", "notes"];
    output::rows(
        header,
        totals.iter().map(|it| {
            let remote = it.remote_virtual_network.as_deref().map_or("", short);
            let notes = [(it.open, "open"), (it.late, "late")];
            let notes: Vec<&str> = notes.iter().filter(|it| it.0).map(|it| it.1).collect();
            [
                it.period.clone(),
                short(&it.link).to_owned(),
                short(&it.virtual_network).to_owned(),
                remote.to_owned(),
                it.egress_bytes.to_string(),
                it.ingress_bytes.to_string(),
                notes.join(", "),
            ]
        }),
    )
}

fn balance_rows(balances: &[Balance]) -> Rows {
    output::rows(
        ["from", "to", "egress bytes", "ingress bytes", "difference"],
        balances.iter().map(|it| {
            [
                short(&it.virtual_network).to_owned(),
                short(&it.remote_virtual_network).to_owned(),
                it.egress_bytes.to_string(),
                it.ingress_bytes.to_string(),
                it.difference.to_string(),
            ]
        }),
    )
}
