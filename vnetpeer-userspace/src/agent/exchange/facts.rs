//! What hosts said, and what of it counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

use crate::topology::{
    facts::NetworkFacts,
    model::{Topology, common_underlay},
};

/// What a host says of itself: answer to `GET /v1/facts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// Name of the deployment.
    pub deployment: String,
    /// The host's name.
    pub host: String,
    /// Differs whenever the facts do, and between two runs of an agent.
    pub version: String,
    /// Of gateways and NICs of this host only.
    pub facts: NetworkFacts,
}

/// Another host of the document and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its name.
    pub(super) host: String,
    /// Pairs of underlay addresses: ours, theirs.
    pub(super) ways: Vec<(IpAddr, IpAddr)>,
}

/// The hosts that facts are exchanged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    /// Name of the deployment.
    pub(super) deployment: String,
    /// This host's underlay addresses.
    pub(super) own: BTreeSet<IpAddr>,
    /// Underlay addresses of the other hosts.
    pub(super) others: BTreeSet<IpAddr>,
    /// The other hosts.
    pub(super) peers: Vec<Peer>,
}

impl Members {
    /// As the document says.
    pub(super) fn of(topology: &Topology, host: &str) -> Self {
        let mut members = Self { deployment: topology.name.clone(), ..Self::default() };
        let own = topology.hosts.iter().find(|it| it.name == host);
        for it in &topology.hosts {
            if it.name == host {
                members.own.extend(&it.underlay_addresses);
            } else {
                members.others.extend(&it.underlay_addresses);
                let ways = own.map_or_else(Vec::new, |own| common_underlay(own, it));
                members.peers.push(Peer { host: it.name.clone(), ways });
            }
        }
        members
    }
}

/// What all hosts said together. What a host says counts for gateways and NICs that the document places
/// on it, and for no others.
pub(super) fn merge<'a>(
    topology: &Topology,
    hosts: impl IntoIterator<Item = (&'a str, &'a NetworkFacts)>,
) -> NetworkFacts {
    let hosts: Vec<_> =
        hosts.into_iter().filter(|(_, facts)| **facts != NetworkFacts::default()).collect();
    if hosts.is_empty() {
        return NetworkFacts::default();
    }
    let mut nics: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
    for nic in &topology.nics {
        if let Some(host) = topology.host(nic.host) {
            nics.entry(&host.name).or_default().insert(&nic.id);
        }
    }
    let mut merged = NetworkFacts::default();
    for (host, facts) in hosts {
        let Some(here) = nics.get(host) else { continue };
        let learned = facts.learned.iter().filter(|(gateway, _)| {
            let gateway = topology.gateways.iter().find(|it| it.id == **gateway);
            let nic = gateway.and_then(|it| topology.nic(it.nic));
            nic.is_some_and(|nic| here.contains(&nic.id))
        });
        merged.learned.extend(learned.map(|(id, prefixes)| (id.clone(), prefixes.clone())));
        for (probe, nics) in &facts.unhealthy {
            let own = nics.iter().filter(|(nic, _)| here.contains(nic));
            let mut own = own.map(|(nic, silent)| (nic.clone(), silent.clone())).peekable();
            if own.peek().is_some() {
                merged.unhealthy.entry(probe.clone()).or_default().extend(own);
            }
        }
        merged.down.extend(facts.down.iter().filter(|nic| here.contains(nic)).cloned());
    }
    merged
}
