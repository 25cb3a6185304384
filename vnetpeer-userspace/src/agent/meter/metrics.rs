//! What Prometheus asks for: the counters as they are when it asks, in the `OpenMetrics` text format.
//!
//! One series per link and direction, never per NIC or flow. Links are named by their GUID; what else is
//! known of them is in `vnetpeer_link_info`, to be joined.

mod page;

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_metering::record::Link;

use self::page::{Kind, Page};
use super::{MeterError, Meters, lock, now};
use crate::agent::api::AgentStatus;

/// What the answer is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Meters {
    /// The whole page. Without a status the agent's task is too busy to say how it is, and the page says
    /// so.
    pub fn metrics(&self, status: Option<&AgentStatus>) -> Result<String, MeterError> {
        let mut page = Page::default();
        self.links(&mut page)?;
        self.dropped(&mut page)?;
        self.ledger(&mut page)?;
        agent(&mut page, status);
        Ok(page.finish())
    }

    fn links(&self, page: &mut Page) -> Result<(), MeterError> {
        let links = lock(&self.links).clone();
        let in_force: Vec<(&u32, &Link)> =
            links.named.iter().filter(|(number, _)| links.in_force.contains(number)).collect();
        let numbers: BTreeSet<u32> = in_force.iter().map(|(number, _)| **number).collect();
        let meters = self.counters.read(&numbers)?;
        let created = lock(&self.ledger).created();
        describe(page, &in_force, &links.transit);
        for (what, bytes) in [("bytes", true), ("packets", false)] {
            let help = if bytes {
                "Layer-3 bytes as on the wire after segmentation, seen from the VNet that the link belongs to."
            } else {
                "Packets after segmentation, seen from the VNet that the link belongs to."
            };
            page.family(&format!("vnetpeer_link_{what}"), Kind::Counter, what, help);
            for (number, link) in &in_force {
                let Some(meter) = meters.get(number) else { continue };
                let [egress, ingress] = if bytes {
                    [meter.egress_bytes, meter.ingress_bytes]
                } else {
                    [meter.egress_packets, meter.ingress_packets]
                };
                let created = created.get(&link.guid).copied();
                for (direction, value) in [("egress", egress), ("ingress", ingress)] {
                    let labels =
                        page::labels(&[("link", &link.guid.to_string()), ("direction", direction)]);
                    page.counter(&labels, value, created);
                }
            }
        }
        Ok(())
    }

    fn dropped(&self, page: &mut Page) -> Result<(), MeterError> {
        let by_reason = self.drops.by_reason()?;
        for (what, bytes) in [("packets", false), ("bytes", true)] {
            let help = "Dropped by the datapath, by reason; a super-frame counts once.";
            page.family(&format!("vnetpeer_drop_{what}"), Kind::Counter, what, help);
            for (reason, counter) in &by_reason {
                let value = if bytes { counter.bytes } else { counter.packets };
                page.counter(&page::labels(&[("reason", reason.name())]), value, None);
            }
        }
        Ok(())
    }

    fn ledger(&self, page: &mut Page) -> Result<(), MeterError> {
        let (standing, _) = self.standing()?;
        let health = lock(&self.health).clone();
        let now = now()?;
        let help = "Seconds since the counters were last read into the ledger.";
        page.family("vnetpeer_ledger_lag_seconds", Kind::Gauge, "seconds", help);
        if let Some(last) = standing.last {
            // Also across a reboot, after which the boot clock is behind.
            let ms = now.boot_ms.saturating_sub(last.boot_ms);
            page.value("", &format!("{}.{:03}", ms / 1_000, ms % 1_000));
        }
        for (name, unit, help, value) in [
            ("vnetpeer_ledger_size_bytes", "bytes", "Size of the ledger's file.", standing.bytes),
            ("vnetpeer_ledger_windows", "", "Windows that ended and are kept.", standing.windows),
            ("vnetpeer_ledger_links", "", "Links that are recorded.", standing.links as u64),
        ] {
            page.family(name, Kind::Gauge, unit, help);
            page.value("", &value.to_string());
        }
        for (name, help, value) in [
            (
                "vnetpeer_ledger_failures",
                "Readings that failed since the agent started.",
                health.failures,
            ),
            (
                "vnetpeer_ledger_resets",
                "Meters found lower than before, which somebody cleared.",
                health.resets,
            ),
            (
                "vnetpeer_ledger_lost_links",
                "Links whose meters went before their last reading.",
                health.lost,
            ),
        ] {
            page.family(name, Kind::Counter, "", help);
            page.counter("", value, None);
        }
        Ok(())
    }
}

/// What is known of the links besides their counters.
fn describe(page: &mut Page, links: &[(&u32, &Link)], transit: &BTreeSet<u32>) {
    let ends: BTreeMap<(&str, Option<&str>), String> = links
        .iter()
        .map(|(_, it)| ((it.vnet.as_str(), it.remote_vnet.as_deref()), it.guid.to_string()))
        .collect();
    let help =
        "A link; reverse is the link of the other side, which does not count gateway transit.";
    page.family("vnetpeer_link", Kind::Info, "", help);
    let truth = |it: bool| if it { "true" } else { "false" };
    for (number, it) in links {
        let remote = it.remote_vnet.as_deref();
        let reverse = remote.and_then(|remote| ends.get(&(remote, Some(it.vnet.as_str()))));
        page.value(
            &page::labels(&[
                ("link", &it.guid.to_string()),
                ("peering", &it.id),
                ("virtual_network", &it.vnet),
                ("remote_virtual_network", remote.unwrap_or_default()),
                ("region", &it.region),
                ("remote_region", it.remote_region.as_deref().unwrap_or_default()),
                ("global", truth(it.global)),
                ("gateway_transit", truth(transit.contains(number))),
                ("reverse", reverse.map_or("", String::as_str)),
            ]),
            "1",
        );
    }
}

fn agent(page: &mut Page, status: Option<&AgentStatus>) {
    let help = "Whether the agent's task answered in time.";
    page.family("vnetpeer_agent_responsive", Kind::Gauge, "", help);
    page.value("", if status.is_some() { "1" } else { "0" });
    let Some(status) = status else { return };
    page.family("vnetpeer_agent", Kind::Info, "", "The agent.");
    let abi = status.abi_version.to_string();
    page.value(
        &page::labels(&[
            ("host", &status.host),
            ("deployment", &status.deployment),
            ("version", &status.version),
            ("abi_version", &abi),
        ]),
        "1",
    );
    for (name, help, value) in [
        ("vnetpeer_agent_ready", "Whether the document is in force.", u64::from(status.ready)),
        ("vnetpeer_agent_serial", "Serial of the document in force.", status.serial),
        (
            "vnetpeer_agent_missing_interfaces",
            "Interfaces of the document that the host does not have.",
            status.missing_interfaces.len() as u64,
        ),
    ] {
        page.family(name, Kind::Gauge, "", help);
        page.value("", &value.to_string());
    }
    for (name, help, value) in [
        (
            "vnetpeer_agent_drift_mended",
            "Differences between maps and document that were mended.",
            status.drift_mended,
        ),
        (
            "vnetpeer_agent_events_lost",
            "Drop events that nobody could read in time.",
            status.events_lost,
        ),
    ] {
        page.family(name, Kind::Counter, "", help);
        page.counter("", value, None);
    }
    page.family("vnetpeer_flows", Kind::Gauge, "", "Flows of all NICs and uplinks of the host.");
    page.value("", &status.flows.iter().map(|it| it.flows).sum::<u64>().to_string());
    for (name, help, is_used) in [
        ("vnetpeer_map_entries", "Entries in use.", true),
        ("vnetpeer_map_capacity_entries", "Entries that there is room for.", false),
    ] {
        page.family(name, Kind::Gauge, "entries", help);
        for map in &status.maps {
            let value = if is_used { map.used } else { map.capacity };
            page.value(&page::labels(&[("map", &map.name)]), &value.to_string());
        }
    }
}
