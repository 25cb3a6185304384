//! What the hosts of a deployment tell each other: routes that gateways learned, and NICs that are down.
//!
//! Every agent asks every other one over the underlay and gets an answer when there is news. A host that
//! says nothing keeps what it said last until the document no longer has it, also while this agent is
//! not running. Facts are input of `compile` only; they change no number.
//!
//! - [`facts`]: what is said, and what of it counts.
//! - `server`, `client`: JSON over HTTP/1.1 over TCP.

mod client;
pub mod facts;
mod server;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use self::facts::{Members, Peer, Said, merge};
use super::{api::PeerStatus, kept};
use crate::topology::{facts::NetworkFacts, model::Topology};

/// The port that agents ask each other on if nothing else is said.
pub const DEFAULT_PORT: u16 = 4788;

const FILE_NAME: &str = "facts.json";

/// By the host's name.
type Facts = BTreeMap<String, NetworkFacts>;

/// The exchange of facts.
#[derive(Debug)]
pub struct Exchange {
    shared: Arc<Shared>,
    /// What this host says of its own.
    own: watch::Sender<Said>,
    port: u16,
    /// How many times this host had something else to say.
    said: u64,
    /// Tells this run of the agent from others.
    run: u128,
    path: PathBuf,
    listeners: BTreeMap<IpAddr, JoinHandle<()>>,
    askers: BTreeMap<String, (Peer, JoinHandle<()>)>,
}

/// What the tasks of the exchange share.
#[derive(Debug)]
struct Shared {
    host: String,
    /// Closed when the exchange has ended.
    own: watch::Receiver<Said>,
    members: Mutex<Members>,
    heard: Mutex<BTreeMap<String, Heard>>,
    changed: mpsc::Sender<()>,
}

/// What another host said.
#[derive(Debug, Default)]
struct Heard {
    facts: NetworkFacts,
    at: Option<Instant>,
    error: Option<String>,
}

/// What is kept on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    hosts: Facts,
}

impl Exchange {
    /// Continues from what was said before this agent started. `changed` is told when another host says
    /// something new.
    pub fn open(host: &str, port: u16, state_dir: &Path, changed: mpsc::Sender<()>) -> Self {
        let path = state_dir.join(FILE_NAME);
        let mut stored: Stored = kept::read(&path);
        let facts = stored.hosts.remove(host).unwrap_or_default();
        let heard = |facts| Heard { facts, ..Heard::default() };
        let heard = stored.hosts.into_iter().map(|(host, facts)| (host, heard(facts)));
        let run = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let run = run.map_or(0, |it| it.as_nanos());
        let said = Said { host: host.to_owned(), facts, ..Said::default() };
        let (own, receiver) = watch::channel(said);
        let shared = Shared {
            host: host.to_owned(),
            own: receiver,
            members: Mutex::default(),
            heard: Mutex::new(heard.collect()),
            changed,
        };
        Self {
            shared: Arc::new(shared),
            own,
            port,
            said: 0,
            run,
            path,
            listeners: BTreeMap::new(),
            askers: BTreeMap::new(),
        }
    }

    /// Exchanges facts with the hosts of a document, and forgets others.
    pub fn follow(&mut self, topology: &Topology) {
        let members = Members::of(topology, &self.shared.host);
        retain(&mut self.listeners, |address, _| members.own.contains(address), |task| task);
        for address in &members.own {
            self.listeners.entry(*address).or_insert_with(|| {
                let address = SocketAddr::new(*address, self.port);
                tokio::spawn(server::serve(address, Arc::clone(&self.shared)))
            });
        }
        let is_kept = |_: &String, (peer, _): &(Peer, _)| members.peers.contains(peer);
        retain(&mut self.askers, is_kept, |(_, task)| task);
        let is_known = |host: &str| members.peers.iter().any(|peer| peer.host == host);
        self.shared.heard().retain(|host, _| is_known(host));
        for peer in &members.peers {
            self.shared.heard().entry(peer.host.clone()).or_default();
            self.askers.entry(peer.host.clone()).or_insert_with(|| {
                let task = client::ask(peer.clone(), self.port, Arc::clone(&self.shared));
                (peer.clone(), tokio::spawn(task))
            });
        }
        let deployment = members.deployment.clone();
        *lock(&self.shared.members) = members;
        if self.own.borrow().deployment != deployment {
            self.publish(|said| said.deployment = deployment);
        }
    }

    /// Tells the other hosts what this one knows of its gateways and NICs.
    pub fn say(&mut self, facts: NetworkFacts) {
        let is_new = self.own.borrow().facts != facts;
        if is_new {
            self.publish(|said| said.facts = facts);
        }
    }

    fn publish(&mut self, change: impl FnOnce(&mut Said)) {
        self.said += 1;
        let version = format!("{}-{}", self.run, self.said);
        self.own.send_modify(|said| {
            change(said);
            said.version = version;
        });
    }

    /// What this host said last.
    pub fn own(&self) -> NetworkFacts {
        self.own.borrow().facts.clone()
    }

    /// What all hosts say together, as far as it is theirs to say; this one says `own`.
    pub fn known(&self, topology: &Topology, own: &NetworkFacts) -> NetworkFacts {
        let heard = self.shared.heard();
        let others = heard.iter().map(|(host, it)| (host.as_str(), &it.facts));
        merge(topology, others.chain([(self.shared.host.as_str(), own)]))
    }

    /// Keeps what is known for the next start of the agent.
    pub fn save(&self) {
        let heard = self.shared.heard();
        let mut hosts: Facts =
            heard.iter().map(|(host, it)| (host.clone(), it.facts.clone())).collect();
        drop(heard);
        hosts.insert(self.shared.host.clone(), self.own());
        kept::write(&self.path, &Stored { hosts });
    }

    /// The other hosts.
    pub fn status(&self) -> Vec<PeerStatus> {
        let heard = self.shared.heard();
        let status = |(host, it): (&String, &Heard)| PeerStatus {
            host: host.clone(),
            age_seconds: it.at.map(|at| at.elapsed().as_secs()),
            last_error: it.error.clone(),
        };
        heard.iter().map(status).collect()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let askers = self.askers.values().map(|(_, task)| task);
        self.listeners.values().chain(askers).for_each(JoinHandle::abort);
    }
}

/// Keeps what is to be kept and ends the other tasks.
fn retain<K: Ord, V>(
    tasks: &mut BTreeMap<K, V>,
    is_kept: impl Fn(&K, &V) -> bool,
    task: impl Fn(&V) -> &JoinHandle<()>,
) {
    tasks.retain(|key, value| {
        let keep = is_kept(key, value);
        if !keep {
            task(value).abort();
        }
        keep
    });
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, BTreeMap<String, Heard>> {
        lock(&self.heard)
    }

    /// Whether an underlay address is another host's.
    fn is_member(&self, address: IpAddr) -> bool {
        lock(&self.members).others.contains(&address)
    }

    /// Whether an answer is from the host that was asked.
    fn is_meant(&self, host: &str, said: &Said) -> bool {
        said.host == host && said.deployment == lock(&self.members).deployment
    }

    /// A host answered; `None`: that it has nothing new to say.
    fn hear(&self, host: &str, facts: Option<NetworkFacts>) {
        // A host that left the document meanwhile is not remembered.
        let mut heard = self.heard();
        let Some(heard) = heard.get_mut(host) else { return };
        (heard.at, heard.error) = (Some(Instant::now()), None);
        if let Some(facts) = facts.filter(|it| *it != heard.facts) {
            heard.facts = facts;
            // One signal waiting is as good as many.
            let _ = self.changed.try_send(());
        }
    }

    /// A host did not answer. What it said last stays.
    fn miss(&self, host: &str, error: String) {
        if let Some(heard) = self.heard().get_mut(host) {
            if heard.error.is_none() {
                tracing::info!(host, error, "cannot hear from a host");
            }
            heard.error = Some(error);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
