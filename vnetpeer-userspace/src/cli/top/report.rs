//! What two looks at the agents come to: rates, and how full things are.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use serde::Serialize;

use super::{sample::Sample, screen::Tab};
use crate::{cli::output::short, graph::rate, topology::model::ResourceId};

/// See the module. Rates are from the look before to the last one.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Seconds between the two looks.
    pub(super) interval_seconds: f64,
    /// The hosts.
    pub(super) hosts: Vec<HostLine>,
    /// Links: peerings, and what VNets exchange over connected groups.
    pub(super) links: Vec<LinkRate>,
    /// NICs.
    pub(super) network_interfaces: Vec<NicRate>,
    /// Drops by NIC and reason.
    pub(super) drops: Vec<DropRate>,
    /// Fill of the maps of each host.
    pub(super) maps: Vec<MapFill>,
    /// Why some hosts said nothing.
    pub(super) errors: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HostLine {
    pub(super) host: String,
    pub(super) ready: bool,
    pub(super) deployment: String,
    pub(super) serial: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkRate {
    peering: String,
    egress_bytes_per_second: u64,
    ingress_bytes_per_second: u64,
    egress_packets_per_second: u64,
    ingress_packets_per_second: u64,
    /// Layer-3 bytes of both directions since the link is there.
    total_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NicRate {
    network_interface: String,
    host: String,
    flows: u64,
    flows_max: Option<u32>,
    half_open: u64,
    half_open_max: Option<u32>,
    dropped_packets_per_second: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DropRate {
    /// Null for packets that never came to belong to one.
    network_interface: Option<String>,
    reason: String,
    dropped_packets_per_second: u64,
    /// Packets since the agent's maps are there.
    total_packets: u64,
    meaning: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MapFill {
    host: String,
    map: String,
    used: u64,
    capacity: u64,
}

/// A value with its unit, which is only for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(u64),
    BytesPerSecond(u64),
    PerSecond(u64),
    Percent(u64),
    /// Of so many at most.
    Of(u64, Option<u32>),
}

impl Cell {
    /// What it is compared by, texts apart.
    const fn number(&self) -> u64 {
        match self {
            Self::Text(_) => 0,
            Self::Number(it)
            | Self::BytesPerSecond(it)
            | Self::PerSecond(it)
            | Self::Percent(it)
            | Self::Of(it, _) => *it,
        }
    }

    pub(super) const fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.number().cmp(&other.number()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(it) => f.write_str(it),
            Self::Number(it) | Self::Of(it, None) => it.fmt(f),
            Self::BytesPerSecond(it) => f.write_str(&rate(*it)),
            Self::PerSecond(it) => write!(f, "{it}/s"),
            Self::Percent(it) => write!(f, "{it}%"),
            Self::Of(it, Some(most)) => write!(f, "{it}/{most}"),
        }
    }
}

/// What a counter gained for each second; nothing if it was not there before.
fn per_second(before: Option<u64>, after: u64, elapsed: Duration) -> u64 {
    let gained = u128::from(after.saturating_sub(before.unwrap_or(after)));
    let micros = elapsed.as_micros().max(1);
    u64::try_from(gained.saturating_mul(1_000_000) / micros).unwrap_or(u64::MAX)
}

/// `VNET/PEERING`, or `VNET/regional` of a connected group.
fn link_name(id: &str) -> String {
    let id = ResourceId::new(id);
    let mut segments = id.as_str().rsplit('/');
    let (own, vnet) = (segments.next(), segments.nth(1));
    format!("{}/{}", vnet.unwrap_or_default(), own.unwrap_or_default())
}

impl Report {
    pub(super) fn new(before: &Sample, after: &Sample) -> Self {
        let elapsed = after.at.saturating_duration_since(before.at);
        let key = |nic: &Option<String>, reason: &str| (nic.clone(), reason.to_owned());
        let known: HashMap<_, u64> = before
            .drops
            .iter()
            .map(|it| (key(&it.network_interface, &it.reason), it.packets))
            .collect();
        let drops: Vec<DropRate> = after
            .drops
            .iter()
            .map(|it| {
                let before = known.get(&key(&it.network_interface, &it.reason)).copied();
                DropRate {
                    network_interface: it.network_interface.clone(),
                    reason: it.reason.clone(),
                    // A row appears with its first packet.
                    dropped_packets_per_second: per_second(before.or(Some(0)), it.packets, elapsed),
                    total_packets: it.packets,
                    meaning: it.meaning.clone(),
                }
            })
            .collect();
        let mut report = Self {
            interval_seconds: elapsed.as_secs_f64(),
            links: links(before, after, elapsed),
            network_interfaces: nics(after, &drops),
            drops,
            errors: after.errors.clone(),
            ..Self::default()
        };
        for status in &after.statuses {
            report.hosts.push(HostLine {
                host: status.host.clone(),
                ready: status.ready,
                deployment: status.deployment.clone(),
                serial: status.serial,
            });
            report.maps.extend(status.maps.iter().map(|it| MapFill {
                host: status.host.clone(),
                map: it.name.clone(),
                used: it.used,
                capacity: it.capacity,
            }));
        }
        report
    }

    /// The rows of a tab, in the order of [`Tab::header`].
    pub(super) fn rows(&self, tab: Tab) -> Vec<Vec<Cell>> {
        let text = |it: &str| Cell::Text(it.to_owned());
        match tab {
            Tab::Links => self.links.iter().map(link_cells).collect(),
            Tab::Nics => self.network_interfaces.iter().map(nic_cells).collect(),
            Tab::Drops => {
                let row = |it: &DropRate| {
                    vec![
                        text(it.network_interface.as_deref().map_or("(host)", short)),
                        text(&it.reason),
                        Cell::PerSecond(it.dropped_packets_per_second),
                        Cell::Number(it.total_packets),
                        text(&it.meaning),
                    ]
                };
                self.drops.iter().map(row).collect()
            }
            Tab::Maps => {
                let row = |it: &MapFill| {
                    let percent = it.used.saturating_mul(100).checked_div(it.capacity);
                    vec![
                        text(&it.host),
                        text(&it.map),
                        Cell::Percent(percent.unwrap_or(0)),
                        Cell::Number(it.used),
                        Cell::Number(it.capacity),
                    ]
                };
                self.maps.iter().map(row).collect()
            }
        }
    }
}

fn links(before: &Sample, after: &Sample, elapsed: Duration) -> Vec<LinkRate> {
    let known: HashMap<&str, _> =
        before.meters.iter().map(|it| (it.peering.as_str(), it)).collect();
    let link = |it: &crate::agent::api::LinkMeter| {
        let before = known.get(it.peering.as_str());
        let rate = |before: Option<u64>, after| per_second(before, after, elapsed);
        LinkRate {
            peering: it.peering.clone(),
            egress_bytes_per_second: rate(before.map(|it| it.egress_bytes), it.egress_bytes),
            ingress_bytes_per_second: rate(before.map(|it| it.ingress_bytes), it.ingress_bytes),
            egress_packets_per_second: rate(before.map(|it| it.egress_packets), it.egress_packets),
            ingress_packets_per_second: rate(
                before.map(|it| it.ingress_packets),
                it.ingress_packets,
            ),
            total_bytes: it.egress_bytes.saturating_add(it.ingress_bytes),
        }
    };
    after.meters.iter().map(link).collect()
}

fn nics(after: &Sample, drops: &[DropRate]) -> Vec<NicRate> {
    let mut dropped: BTreeMap<&str, u64> = BTreeMap::new();
    for it in drops {
        if let Some(nic) = &it.network_interface {
            *dropped.entry(nic).or_default() += it.dropped_packets_per_second;
        }
    }
    let of_host = |status: &crate::agent::api::AgentStatus| {
        let nic = |it: &crate::agent::api::NicFlows| NicRate {
            network_interface: it.network_interface.clone(),
            host: status.host.clone(),
            flows: it.flows,
            flows_max: it.flows_max,
            half_open: it.half_open,
            half_open_max: it.half_open_max,
            dropped_packets_per_second: dropped
                .get(it.network_interface.as_str())
                .copied()
                .unwrap_or(0),
        };
        status.flows.iter().map(nic).collect::<Vec<_>>()
    };
    after.statuses.iter().flat_map(of_host).collect()
}

fn link_cells(it: &LinkRate) -> Vec<Cell> {
    vec![
        Cell::Text(link_name(&it.peering)),
        Cell::BytesPerSecond(it.egress_bytes_per_second),
        Cell::BytesPerSecond(it.ingress_bytes_per_second),
        Cell::PerSecond(it.egress_packets_per_second),
        Cell::PerSecond(it.ingress_packets_per_second),
        Cell::Number(it.total_bytes),
    ]
}

fn nic_cells(it: &NicRate) -> Vec<Cell> {
    vec![
        Cell::Text(short(&it.network_interface).to_owned()),
        Cell::Text(it.host.clone()),
        Cell::Of(it.flows, it.flows_max),
        Cell::Of(it.half_open, it.half_open_max),
        Cell::PerSecond(it.dropped_packets_per_second),
    ]
}
