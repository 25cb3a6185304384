//! What the task answers about the kernel.

use std::sync::Arc;

use tokio::{sync::oneshot, task::spawn_blocking};
use vnetpeer_common::{
    abi::{ABI_VERSION, Event, maps},
    reason::DropReason,
};

use super::Task;
use crate::{
    agent::{
        aging,
        api::{
            AgentStatus, DropRecord, FlowList, FlowQuery, LinkMeter, MapStatus, NicDrops, NicFlows,
            RuleHits,
        },
        flow_list::{Lister, RuleNames},
        sweep,
    },
    dataplane::{flows::FlowError, maps::MapOpError},
    topology::model::ResourceId,
};

impl Task {
    /// How things are.
    pub(super) fn status(&self) -> Result<AgentStatus, FlowError> {
        let dataplane = self.reconciler.dataplane();
        Ok(AgentStatus {
            host: self.host.clone(),
            ready: self.ready
                && self.last_error.is_none()
                && self.reconciler.broken_limit().is_none(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            abi_version: ABI_VERSION,
            deployment: self.deployment.topology().name.clone(),
            serial: self.deployment.serial(),
            state_digest: self.deployment.state_digest(),
            pin_directory: self.pin_dir.display().to_string(),
            adopted: dataplane.adopted,
            interfaces: self.reconciler.interfaces(),
            missing_interfaces: self.reconciler.missing_interfaces().to_vec(),
            limits: self.reconciler.limits().to_vec(),
            vteps: self.reconciler.vteps(),
            maps: self.maps(),
            flows: self.nic_flows()?,
            peers: self.knowledge.peers(),
            gateways: self.knowledge.gateways(),
            probes: self.knowledge.probes(),
            drift_mended: self.drift_mended,
            last_error: self.last_error.clone(),
            events_lost: dataplane.maps.events_lost()?,
        })
    }

    /// Meters of all links.
    pub(super) fn meters(&self) -> Result<Vec<LinkMeter>, MapOpError> {
        let topology = self.deployment.topology();
        let maps = &self.reconciler.dataplane().maps;
        let mut meters = Vec::new();
        let vnet = |index| topology.vnet(index).map_or_else(String::new, |it| it.id.to_string());
        let peerings =
            topology.written_peerings().map(|it| (&it.id, vnet(it.vnet), vnet(it.remote)));
        let orphans = topology.orphans.iter().map(|it| {
            let remote = it.properties.remote_virtual_network.to_string();
            (&it.id, vnet(it.vnet), remote)
        });
        for (id, virtual_network, remote_virtual_network) in peerings.chain(orphans) {
            let Some(link) = self.deployment.state().link(id) else { continue };
            let meter = maps.meter(link)?;
            meters.push(LinkMeter {
                peering: id.to_string(),
                virtual_network,
                remote_virtual_network,
                link: link.0,
                egress_packets: meter.egress_packets,
                egress_bytes: meter.egress_bytes,
                ingress_packets: meter.ingress_packets,
                ingress_bytes: meter.ingress_bytes,
            });
        }
        Ok(meters)
    }

    /// Drop counters of all NICs.
    pub(super) fn drops(&self) -> Result<Vec<NicDrops>, MapOpError> {
        let maps = &self.reconciler.dataplane().maps;
        let rows = self.slots().map(|(slot, id)| (slot, Some(id)));
        let mut drops = Vec::new();
        for (slot, id) in std::iter::once((0, None)).chain(rows) {
            for (reason, counter) in maps.drops(slot)? {
                drops.push(NicDrops {
                    network_interface: id.map(ToString::to_string),
                    reason: reason.name().to_owned(),
                    meaning: reason.meaning().to_owned(),
                    packets: counter.packets,
                    bytes: counter.bytes,
                });
            }
        }
        Ok(drops)
    }

    /// NICs and uplinks of this host with their rows of counters.
    fn slots(&self) -> impl Iterator<Item = (u32, &ResourceId)> {
        let (topology, state) = (self.deployment.topology(), self.deployment.state());
        let ids = topology.nics.iter().map(|nic| &nic.id);
        let ids = ids.chain(topology.hosts.iter().flat_map(|it| &it.uplinks).map(|it| &it.id));
        ids.filter_map(|id| Some((state.slot(&self.host, id)?, id)))
    }

    /// Fill of the maps. Flows are counted by every sweep.
    fn maps(&self) -> Vec<MapStatus> {
        let mut all = self.reconciler.maps();
        let swept = self.sweeper.last().unwrap_or_default();
        let policies = self.reconciler.desired().policies.values();
        let rules = policies.map(|policy| policy.rules.len() as u64).sum();
        for (name, used, capacity) in [
            (maps::FLOWS_V4, swept.v4, self.flows.v4.capacity()),
            (maps::FLOWS_V6, swept.v6, self.flows.v6.capacity()),
            (maps::RULE_HITS, rules, self.flows.rules()),
        ] {
            all.push(MapStatus { name: name.to_owned(), used, capacity: u64::from(capacity) });
        }
        all
    }

    /// Flows of every NIC, against its quota.
    fn nic_flows(&self) -> Result<Vec<NicFlows>, FlowError> {
        let filters = &self.reconciler.desired().filters;
        let mut all = Vec::new();
        for (slot, id) in self.slots() {
            let (opened, ended) = (self.flows.opened(slot)?, self.flows.ended(slot)?);
            let (flows, half_open) = aging::believed(opened, ended);
            let filter = filters.get(&slot);
            all.push(NicFlows {
                network_interface: id.to_string(),
                flows,
                flows_max: filter.map(|it| it.flows_max),
                half_open,
                half_open_max: filter.map(|it| it.half_open_max),
            });
        }
        Ok(all)
    }

    /// The newest sampled drops.
    pub(super) fn events(&self) -> Vec<DropRecord> {
        let mut rules = RuleNames::new(self.deployment.state());
        self.events.recent().iter().map(|event| record(event, &mut rules)).collect()
    }

    /// How often each rule of the policies in force decided.
    pub(super) fn rule_hits(&self) -> Result<Vec<RuleHits>, FlowError> {
        let state = self.deployment.state();
        let mut all = Vec::new();
        for (id, policy) in &self.reconciler.desired().policies {
            let Some(key) = state.policy_key(*id) else { continue };
            for rule in &policy.rules {
                all.push(RuleHits {
                    group: key.group.to_string(),
                    direction: key.direction,
                    name: rule.name.clone(),
                    hits: self.flows.hits(rule.id)?,
                });
            }
        }
        Ok(all)
    }

    /// Lists flows beside the task: there can be many.
    pub(super) fn list_flows(
        &self,
        query: FlowQuery,
        reply: oneshot::Sender<Result<FlowList, FlowError>>,
    ) {
        let time = match sweep::time(&self.reconciler) {
            Ok(time) => time,
            Err(error) => {
                let _ = reply.send(Err(error));
                return;
            }
        };
        let owners = aging::owners(self.reconciler.desired());
        let (maps, deployment) = (Arc::clone(&self.flows), Arc::clone(&self.deployment));
        let host = self.host.clone();
        spawn_blocking(move || {
            let lister = Lister { host: &host, deployment: &deployment, owners: &owners, time };
            let _ = reply.send(lister.list(&maps, &query));
        });
    }
}

/// A sampled drop with names.
fn record(event: &Event, rules: &mut RuleNames<'_>) -> DropRecord {
    let reason = DropReason::from_number(event.reason);
    DropRecord {
        reason: reason.map_or_else(|| format!("#{}", event.reason), |it| it.name().to_owned()),
        nic: event.nic.0,
        source_nic: event.source_nic.0,
        link: event.link.0,
        source_address: event.src.to_string(),
        destination_address: event.dst.to_string(),
        protocol: event.protocol,
        source_port: event.src_port,
        destination_port: event.dst_port,
        bytes: event.len,
        rule: rules.name(event.rule),
    }
}
