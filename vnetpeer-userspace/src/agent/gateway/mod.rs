//! Gateways of this host that speak with others through a routing daemon of the operator.
//!
//! The daemon runs in the gateway's network namespace. What it has learned is read from the kernel's
//! routes, and what it should advertise is given to it as kernel routes with a protocol number of their
//! own ([`routes::PROTOCOL`]), so any daemon will do.
//!
//! - `namespace`: netlink sockets in another namespace.
//! - [`routes`]: which routes are learned, which are ours, what to change.
//! - [`speaker`]: the task of one gateway.

mod namespace;
pub mod routes;
pub mod speaker;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use ipnet::IpNet;
use tokio::sync::{mpsc, watch};

use self::speaker::{Report, Wanted};
use super::api::GatewayStatus;
use crate::topology::{
    model::{Gateway, GatewayIndex, GatewayType, HostIndex, ResourceId, Subnet},
    network::Network,
    routes::gateway::advertised,
};

/// Prefixes that a VPN gateway learns at most, as in Azure.
const LEARNED_MAX_VPN: usize = 4_000;
/// Prefixes that the other type of gateway learns at most, as in Azure.
const LEARNED_MAX_EXPRESS_ROUTE: usize = 10_000;

/// Namespaces of gateways that the document does not say, by ARM id.
pub type Namespaces = BTreeMap<ResourceId, PathBuf>;

/// What all gateways of a host need, by ARM id.
pub type All = BTreeMap<ResourceId, Wanted>;

/// The gateways of this host.
#[derive(Debug)]
pub struct Gateways {
    /// By ARM id.
    speakers: BTreeMap<ResourceId, Speaker>,
    changed: mpsc::Sender<()>,
}

#[derive(Debug)]
struct Speaker {
    wanted: watch::Sender<Option<Wanted>>,
    report: watch::Receiver<Report>,
}

impl Gateways {
    /// Those that the agent had when it ended. `changed` is told when [`Gateways::learned`] or the status
    /// changes.
    pub fn new(before: All, changed: mpsc::Sender<()>) -> Self {
        let mut gateways = Self { speakers: BTreeMap::new(), changed };
        gateways.follow(before);
        gateways
    }

    /// Makes the gateways those of `wanted`. The others take their routes out of their namespaces.
    pub fn follow(&mut self, mut wanted: All) {
        self.speakers.retain(|id, speaker| {
            let now = wanted.remove(id);
            let is_kept = now.is_some();
            speaker.wanted.send_if_modified(|old| {
                let is_new = *old != now;
                *old = now;
                is_new
            });
            is_kept
        });
        for (id, wanted) in wanted {
            let (sender, receiver) = watch::channel(Some(wanted.clone()));
            let (reporter, report) = watch::channel(Report::default());
            tokio::spawn(speaker::speak(wanted, receiver, reporter, self.changed.clone()));
            self.speakers.insert(id, Speaker { wanted: sender, report });
        }
    }

    /// What the gateways have learned, as far as their namespaces were read already.
    pub fn learned(&self) -> BTreeMap<ResourceId, BTreeSet<IpNet>> {
        let read = self.speakers.iter().filter(|(_, it)| it.report.borrow().is_read);
        read.map(|(id, it)| (id.clone(), it.report.borrow().learned.clone())).collect()
    }

    /// The gateways that were not read yet.
    pub fn unread(&self) -> impl Iterator<Item = &ResourceId> {
        self.speakers.iter().filter(|(_, it)| !it.report.borrow().is_read).map(|(id, _)| id)
    }

    /// How they are.
    pub fn status(&self) -> Vec<GatewayStatus> {
        let status = |(id, speaker): (&ResourceId, &Speaker)| {
            let (report, wanted) = (speaker.report.borrow(), speaker.wanted.borrow());
            GatewayStatus {
                gateway: id.to_string(),
                network_namespace: wanted
                    .as_ref()
                    .map_or_else(String::new, |it| it.namespace.display().to_string()),
                learned: report.learned.len(),
                refused: report.refused,
                advertised: wanted.as_ref().map_or(0, |it| it.advertised.len()),
                last_error: report.error.clone(),
            }
        };
        self.speakers.iter().map(status).collect()
    }
}

/// What the gateways of a host need. Only those are there that exchange routes.
pub fn wanted(network: &Network<'_>, host: HostIndex, namespaces: &Namespaces) -> All {
    let gateways = network.topology.gateways.iter().enumerate();
    let here = gateways.filter_map(|(index, gateway)| {
        let wanted = one(network, GatewayIndex(index), gateway, host, namespaces)?;
        Some((gateway.id.clone(), wanted))
    });
    here.collect()
}

fn one(
    network: &Network<'_>,
    index: GatewayIndex,
    gateway: &Gateway,
    host: HostIndex,
    namespaces: &Namespaces,
) -> Option<Wanted> {
    let nic = network.topology.nic(gateway.nic).filter(|nic| nic.host == host && gateway.bgp)?;
    let said = gateway.network_namespace.as_ref().map(PathBuf::from);
    let namespace = namespaces.get(&gateway.id).cloned().or(said)?;
    let has_family = |v4: bool| nic.addresses.iter().any(|address| address.is_ipv4() == v4);
    let mut advertised = advertised(network, index);
    // A gateway without an address of a family does not forward it.
    advertised.retain(|prefix| has_family(prefix.addr().is_ipv4()));
    let subnet = network.topology.subnet(nic.vnet, nic.subnet);
    Some(Wanted {
        namespace,
        addresses: nic.addresses.clone(),
        router: subnet.and_then(Subnet::gateway_ipv4),
        advertised,
        learned_max: match gateway.gateway_type {
            GatewayType::Vpn => LEARNED_MAX_VPN,
            GatewayType::ExpressRoute => LEARNED_MAX_EXPRESS_ROUTE,
        },
    })
}
