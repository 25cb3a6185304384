//! Which agents a command talks to, and which network it is about.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::named;
use crate::{
    agent::{DEFAULT_SOCKET, client::Client, rollout::newest},
    document, lab,
    topology::{
        facts::NetworkFacts,
        model::{Nic, Topology},
        network::Network,
        state::{State, advance},
    },
};

/// Options that choose agents.
#[derive(Args, Clone, Debug)]
pub(super) struct Target {
    /// The lab to talk to; the only one that is up unless given
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "socket")]
    pub(super) lab: Option<String>,
    /// The agent's socket (repeat it for several hosts); /run/vnetpeer/agent.sock unless given, or
    /// the sockets of the lab
    #[arg(long, global = true, value_name = "PATH", env = "VNETPEER_SOCKET")]
    pub(super) socket: Vec<PathBuf>,
}

impl Target {
    /// The agents: those named, those of the lab, or this host's.
    pub(super) fn clients(&self) -> anyhow::Result<Vec<Client>> {
        if !self.socket.is_empty() {
            return Ok(self.socket.iter().map(Client::new).collect());
        }
        if !self.is_lab() {
            return Ok(vec![Client::new(DEFAULT_SOCKET)]);
        }
        let lab = lab::open(self.lab.as_deref())
            .context("no agent runs on this host, and no lab was found instead")?;
        let record = lab.record();
        let with_agent = record.hosts.iter().filter(|host| host.has_agent);
        Ok(with_agent.map(|host| Client::new(host.socket())).collect())
    }
}

impl Target {
    /// Whether the agents are those of a lab.
    pub(super) fn is_lab(&self) -> bool {
        self.socket.is_empty() && (self.lab.is_some() || !Path::new(DEFAULT_SOCKET).exists())
    }

    /// The first of the agents: any of them answers for all.
    pub(super) fn first(&self) -> anyhow::Result<Client> {
        self.clients()?.into_iter().next().context("the lab has no agent")
    }

    /// The agent that has the newest document.
    pub(super) async fn newest(&self) -> anyhow::Result<Client> {
        let mut newest: Option<(u64, Client)> = None;
        for client in self.clients()? {
            let serial = client.head().await?.serial;
            if newest.as_ref().is_none_or(|(it, _)| serial > *it) {
                newest = Some((serial, client));
            }
        }
        Ok(newest.context("the lab has no agent")?.1)
    }
}

/// A network to read: from a file, or as it is in force.
pub(super) struct Source {
    pub(super) topology: Topology,
    pub(super) state: State,
    /// What the hosts know besides; nothing of a file's network.
    pub(super) facts: NetworkFacts,
}

impl Source {
    /// The network of `file`, or the one in force.
    pub(super) async fn open(file: Option<&Path>, target: &Target) -> anyhow::Result<Self> {
        match file {
            Some(file) => Self::from_file(file),
            None => Self::in_force(target).await,
        }
    }

    /// The network of a file.
    pub(super) fn from_file(file: &Path) -> anyhow::Result<Self> {
        let topology =
            document::read(file).map_err(|problems| anyhow::anyhow!("{problems}"))?.topology;
        let state = advance(&State::default(), &topology)?;
        Ok(Self { topology, state, facts: NetworkFacts::default() })
    }

    /// The newest document that an agent has. Agents of one deployment that disagree are told apart
    /// by `status`.
    async fn in_force(target: &Target) -> anyhow::Result<Self> {
        let view = newest(&target.clients()?).await?;
        let loaded = document::load(&view.source, &view.document)
            .map_err(|problems| anyhow::anyhow!("{problems}"))?;
        Ok(Self { topology: loaded.topology, state: view.state, facts: view.facts })
    }

    /// The NIC with this name or ARM id.
    pub(super) fn nic(&self, name: &str) -> anyhow::Result<&Nic> {
        Ok(named::find("network interface", name, &self.topology.nics, |it| &it.id)?.1)
    }

    /// The network with its numbers.
    pub(super) fn network(&self) -> anyhow::Result<Network<'_>> {
        Ok(Network::new(&self.topology, &self.state)?.with_facts(&self.facts))
    }
}
