//! What the task knows of the network besides the document: what the hosts tell each other and what the
//! gateways of this host learn.

use std::{collections::BTreeSet, path::PathBuf};

use tokio::sync::mpsc;

use crate::{
    agent::{
        Settings,
        api::{GatewayStatus, PeerStatus, ProbeStatus},
        exchange::Exchange,
        gateway::{self, Gateways, Namespaces},
        health::Health,
        kept,
    },
    topology::{
        facts::NetworkFacts,
        model::{ResourceId, Topology},
        network::{Network, NetworkError},
        state::State,
    },
};

/// Which namespaces hold routes of ours, for an agent that starts with another document.
const FILE_NAME: &str = "gateways.json";

/// See the module.
pub(super) struct Knowledge {
    exchange: Exchange,
    gateways: Gateways,
    health: Health,
    namespaces: Namespaces,
    host: String,
    news: mpsc::Receiver<()>,
    path: PathBuf,
    /// What of the facts is on disk.
    saved: NetworkFacts,
    /// What of the gateways is on disk.
    kept: gateway::All,
}

impl Knowledge {
    /// Starts with what was known last.
    pub(super) fn open(settings: &Settings) -> Self {
        let (sender, news) = mpsc::channel(1);
        let path = settings.state_dir.join(FILE_NAME);
        let kept: gateway::All = kept::read(&path);
        let (port, state_dir) = (settings.exchange_port, &settings.state_dir);
        let exchange = Exchange::open(&settings.host, port, state_dir, sender.clone());
        Self {
            health: Health::new(&settings.host, exchange.own(), sender.clone()),
            exchange,
            gateways: Gateways::new(kept.clone(), sender),
            namespaces: settings.gateway_namespaces.clone(),
            host: settings.host.clone(),
            news,
            path,
            saved: NetworkFacts::default(),
            kept,
        }
    }

    /// Waits until something is known that was not.
    pub(super) async fn news(&mut self) -> Option<()> {
        self.news.recv().await
    }

    /// Before a pass: the hosts and the backends are those of the document, and they hear at once what was
    /// learned here.
    pub(super) fn follow(&mut self, topology: &Topology, state: &State) {
        self.exchange.follow(topology);
        self.health.follow(topology, state);
        self.exchange.say(self.own(self.exchange.own().down));
    }

    /// Everything known, where `down` are this host's NICs that are.
    pub(super) fn all(&self, topology: &Topology, down: BTreeSet<ResourceId>) -> NetworkFacts {
        self.exchange.known(topology, &self.own(down))
    }

    /// After a pass: tells the other hosts and the gateways what this host knows now.
    pub(super) fn tell(
        &mut self,
        topology: &Topology,
        state: &State,
        facts: &NetworkFacts,
        down: BTreeSet<ResourceId>,
    ) -> Result<(), NetworkError> {
        self.exchange.say(self.own(down));
        if self.saved != *facts {
            self.exchange.save();
            self.saved.clone_from(facts);
        }
        let wanted = self.wanted(topology, state, facts)?;
        if self.kept != wanted {
            // On disk before the kernel has it: what a crash leaves there is known.
            kept::write(&self.path, &wanted);
            self.kept.clone_from(&wanted);
        }
        self.gateways.follow(wanted);
        Ok(())
    }

    fn wanted(
        &self,
        topology: &Topology,
        state: &State,
        facts: &NetworkFacts,
    ) -> Result<gateway::All, NetworkError> {
        if topology.gateways.is_empty() {
            return Ok(gateway::All::new());
        }
        let network = Network::new(topology, state)?.with_facts(facts);
        let host = network.host(&self.host)?;
        Ok(gateway::wanted(&network, host, &self.namespaces))
    }

    /// What this host knows of its own. Until a gateway's namespace was read, what was known last counts.
    fn own(&self, down: BTreeSet<ResourceId>) -> NetworkFacts {
        let mut before = self.exchange.own().learned;
        let mut learned = self.gateways.learned();
        let unread = self.gateways.unread();
        learned.extend(unread.filter_map(|id| Some((id.clone(), before.remove(id)?))));
        NetworkFacts { learned, down, unhealthy: self.health.unhealthy() }
    }

    /// The backends of this host that are probed.
    pub(super) fn probes(&self) -> Vec<ProbeStatus> {
        self.health.status()
    }

    /// The gateways of this host.
    pub(super) fn gateways(&self) -> Vec<GatewayStatus> {
        self.gateways.status()
    }

    /// The other hosts.
    pub(super) fn peers(&self) -> Vec<PeerStatus> {
        self.exchange.status()
    }
}
