//! Health probes of load balancers: the host of each backend asks it, as Azure's hosts do, from the
//! platform's address.
//!
//! One task asks all of them. What it finds goes to the other hosts with the rest of what this host
//! knows.
//!
//! - `ask`: one question, by a TCP/IP stack of its own.
//! - `record`: what is known of one backend.
//! - `socket`: frames to and from the guest.

mod ask;
mod record;
mod socket;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use self::{ask::Question, record::Record};
use super::api::ProbeStatus;
use crate::topology::{
    balancing::{questions, refused_by},
    compile::guest_mac,
    facts::{NetworkFacts, Silent},
    model::{HostIndex, ResourceId, Topology},
    state::State,
};

/// Questions that are asked at the same time.
const AT_ONCE: usize = 64;
/// How long the task sleeps at most.
const SLEEP: Duration = Duration::from_mins(1);

/// By health probe: who does not answer it.
pub type Unhealthy = BTreeMap<ResourceId, Silent>;

/// Which probe asks which address of which NIC.
type Key = (ResourceId, ResourceId, IpAddr);

/// A backend of this host, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    question: Question,
    interval: Duration,
    threshold: u32,
    /// The security rule that keeps the question from it.
    refused_by: Option<String>,
}

#[derive(Debug)]
struct Backend {
    target: Target,
    record: Record,
}

type Backends = BTreeMap<Key, Backend>;

/// See the module.
#[derive(Debug)]
pub struct Health {
    host: String,
    backends: Arc<Mutex<Backends>>,
    changed: Arc<Notify>,
    task: JoinHandle<()>,
    /// What was known before this agent started, until the first document is there.
    before: Option<NetworkFacts>,
}

impl Health {
    /// Probes nobody yet. `news` is told when [`Health::unhealthy`] changes; `before` is what was known
    /// when the agent ended.
    pub fn new(host: &str, before: NetworkFacts, news: mpsc::Sender<()>) -> Self {
        let backends = Arc::new(Mutex::new(Backends::new()));
        let changed = Arc::new(Notify::new());
        let task = tokio::spawn(run(Arc::clone(&backends), Arc::clone(&changed), news));
        Self { host: host.to_owned(), backends, changed, task, before: Some(before) }
    }

    /// Probes the backends of a document that live here, and forgets others.
    pub fn follow(&mut self, topology: &Topology, state: &State) {
        let before = self.before.take();
        let host = topology.hosts.iter().position(|it| it.name == self.host);
        let mut wanted = host.map(|it| targets(topology, state, HostIndex(it))).unwrap_or_default();
        let mut backends = lock(&self.backends);
        backends.retain(|key, _| wanted.contains_key(key));
        for (key, backend) in backends.iter_mut() {
            let Some(target) = wanted.remove(key) else { continue };
            // A rule that denies, or denies no more, shows at once.
            if backend.target.refused_by != target.refused_by {
                backend.record.due = backend.record.due.map(|_| Instant::now());
            }
            backend.target = target;
        }
        for (key, target) in wanted {
            let silent = |before: &NetworkFacts| before.is_silent(&key.0, &key.1, key.2);
            let record = Record::new(before.as_ref().map(|before| !silent(before)));
            backends.insert(key, Backend { target, record });
        }
        drop(backends);
        self.changed.notify_one();
    }

    /// The addresses of backends that take no flows.
    pub fn unhealthy(&self) -> Unhealthy {
        let mut unhealthy = Unhealthy::new();
        for ((probe, nic, address), backend) in lock(&self.backends).iter() {
            if !backend.record.is_healthy() {
                let silent = unhealthy.entry(probe.clone()).or_default();
                silent.entry(nic.clone()).or_default().insert(*address);
            }
        }
        unhealthy
    }

    /// How the backends are.
    pub fn status(&self) -> Vec<ProbeStatus> {
        let status = |((probe, nic, address), backend): (&Key, &Backend)| ProbeStatus {
            probe: probe.to_string(),
            network_interface: nic.to_string(),
            address: *address,
            state: match (backend.record.is_known(), backend.record.is_healthy()) {
                (false, _) => "Unknown",
                (true, true) => "Up",
                (true, false) => "Down",
            }
            .to_owned(),
            age_seconds: backend.record.age().as_secs(),
            last_error: backend.record.error.clone(),
        };
        lock(&self.backends).iter().map(status).collect()
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(backends: &Mutex<Backends>) -> MutexGuard<'_, Backends> {
    backends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom this host asks.
fn targets(topology: &Topology, state: &State, host: HostIndex) -> BTreeMap<Key, Target> {
    let here = questions(topology).into_iter().filter(|it| it.nic.host == host);
    let targets = here.filter_map(|it| {
        let target = Target {
            question: Question {
                interface: it.nic.interface.clone(),
                mac: guest_mac(it.nic, state.nic(&it.nic.id)?),
                address: it.address,
                port: it.probe.port,
                protocol: it.probe.protocol.clone(),
            },
            interval: Duration::from_secs(it.probe.interval_seconds.into()),
            threshold: it.probe.threshold,
            refused_by: refused_by(topology, &it),
        };
        Some(((it.probe.id.clone(), it.nic.id.clone(), it.address), target))
    });
    targets.collect()
}

/// What becomes of a question.
type Answer = (Key, Result<(), String>);

/// Asks whoever is due until the agent ends.
async fn run(backends: Arc<Mutex<Backends>>, changed: Arc<Notify>, news: mpsc::Sender<()>) {
    let mut asked: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let mut next = now + SLEEP;
        for (key, backend) in lock(&backends).iter_mut() {
            let Some(due) = backend.record.due else { continue };
            if due > now {
                next = next.min(due);
            } else if asked.len() < AT_ONCE {
                backend.record.due = None;
                asked.push(answer(key.clone(), backend.target.clone()).boxed());
            }
        }
        tokio::select! {
            Some((key, answer)) = asked.next(), if !asked.is_empty() => {
                if note(&backends, &key, answer) {
                    // One signal waiting is as good as many.
                    let _ = news.try_send(());
                }
            }
            () = changed.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

async fn answer(key: Key, target: Target) -> Answer {
    let answer = match &target.refused_by {
        Some(rule) => Err(format!("denied by security rule {rule}")),
        None => ask::ask(&target.question).await,
    };
    (key, answer)
}

/// Returns whether a backend begins or ceases to take flows.
fn note(backends: &Mutex<Backends>, key: &Key, answer: Result<(), String>) -> bool {
    let mut backends = lock(backends);
    // Whoever left the document meanwhile is not remembered.
    let Some(backend) = backends.get_mut(key) else { return false };
    let (probe, nic) = (key.0.name(), key.1.name());
    let due = Instant::now() + backend.target.interval;
    let is_news = backend.record.note(answer, backend.target.threshold, due);
    if is_news {
        let error = backend.record.error.as_deref().unwrap_or_default();
        let healthy = backend.record.is_healthy();
        tracing::info!(probe, nic, address = %key.2, healthy, error, "a backend changed its health");
    }
    is_news
}
