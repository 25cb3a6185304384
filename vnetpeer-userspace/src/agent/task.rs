//! The one task that owns the dataplane. Requests, changes of the host and the regular check come to
//! it one after the other, so no two of them meet in the kernel. Only flows are aged and listed beside
//! it.

mod apply;
mod authorize;
mod facts;
mod views;

use std::{
    collections::BTreeSet, fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use rtnetlink::{Handle, MulticastGroup, new_multicast_connection};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use self::{apply::Held, facts::Knowledge};
use super::{
    AgentError, Settings,
    access::told,
    aging,
    api::{
        AgentStatus, ApplyReply, ApplyRequest, DeploymentView, DropRecord, FlowList, FlowQuery,
        HeldDocument, LinkMeter, NicDrops, PrepareReply, RuleHits,
    },
    audit::Log,
    deployment::{Deployment, DeploymentError},
    events::Events,
    peer::Peer,
    reconcile::{ReconcileError, Reconciler},
    sweep::{SWEEP_INTERVAL, Sweeper},
    watch::Hub,
};
use crate::{
    dataplane::{
        flows::{FlowError, FlowMaps},
        maps::MapOpError,
        watch::WatchMaps,
    },
    permission::access::Denial,
    topology::{model::ResourceId, network::NetworkError},
};

/// Between two comparisons of the kernel with the document.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// Changes of interfaces and neighbours come in bursts; this long after the first, one pass follows.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Requests that wait.
const QUEUE: usize = 64;

/// Why a document was not put in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The document or its numbers.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The kernel.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// The agent is stopping.
    #[error("the agent is stopping")]
    Stopping(#[from] tokio::task::JoinError),
    /// The agent has a document, or holds one, that the sender does not know.
    #[error("another command is changing the deployment of {host}; try again when it has ended")]
    InProgress {
        /// The host's name.
        host: String,
    },
    /// Some of what the document does is not permitted.
    #[error("{}", told(.0))]
    Denied(Vec<Denial>),
    /// The audit log cannot be written.
    #[error("nothing was changed, because it cannot be recorded; make room in the state directory")]
    NotRecorded(#[source] io::Error),
    /// What was sent along is not what this host has.
    #[error(
        "{host} has other numbers or another serial than the document was made from; try again, or let root apply the document"
    )]
    BaseDiffers {
        /// The host's name.
        host: String,
    },
    /// The document's network cannot be numbered.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The agent holds no document by that ticket.
    #[error("{host} does not hold this document any more; apply it again")]
    TicketUnknown {
        /// The host's name.
        host: String,
    },
}

/// What the task can be asked.
pub enum Command {
    /// Put a document in force.
    Apply(Box<ApplyRequest>, Peer, oneshot::Sender<Result<ApplyReply, ApplyError>>),
    /// Judge a document and hold it.
    Prepare(Box<ApplyRequest>, Peer, oneshot::Sender<Result<PrepareReply, ApplyError>>),
    /// Put in force what is held.
    Commit(HeldDocument, Peer, oneshot::Sender<Result<ApplyReply, ApplyError>>),
    /// Forget what is held.
    Abandon(HeldDocument, Peer, oneshot::Sender<()>),
    /// How things are.
    Status(oneshot::Sender<Result<AgentStatus, FlowError>>),
    /// Meters of all links.
    Meters(oneshot::Sender<Result<Vec<LinkMeter>, MapOpError>>),
    /// Drop counters of all NICs.
    Drops(oneshot::Sender<Result<Vec<NicDrops>, MapOpError>>),
    /// The newest sampled drops.
    Events(oneshot::Sender<Vec<DropRecord>>),
    /// Flows.
    Flows(FlowQuery, oneshot::Sender<Result<FlowList, FlowError>>),
    /// How often each rule decided.
    RuleHits(oneshot::Sender<Result<Vec<RuleHits>, FlowError>>),
    /// What is in force.
    Deployment(oneshot::Sender<DeploymentView>),
}

/// See the module.
pub struct Task {
    reconciler: Reconciler,
    deployment: Arc<Deployment>,
    /// What others read of it.
    in_force: watch::Sender<Arc<Deployment>>,
    audit: Arc<Log>,
    socket: PathBuf,
    held: Held,
    knowledge: Knowledge,
    flows: Arc<FlowMaps>,
    sweeper: Sweeper,
    events: Events,
    host: String,
    pin_dir: PathBuf,
    netlink: Handle,
    changes: mpsc::Receiver<()>,
    ready: bool,
    last_error: Option<String>,
    drift_mended: u64,
}

impl Task {
    /// Prepares the task; it does nothing before [`Task::reconcile`].
    pub fn new(
        reconciler: Reconciler,
        deployment: Deployment,
        settings: &Settings,
        audit: Arc<Log>,
    ) -> Result<Self, AgentError> {
        let (netlink, changes) = watch_host().map_err(|source| AgentError::Io {
            what: "cannot watch interfaces and neighbours for",
            path: settings.socket.clone(),
            source,
        })?;
        let flows = Arc::new(FlowMaps::open(reconciler.dataplane())?);
        let deployment = Arc::new(deployment);
        Ok(Self {
            reconciler,
            in_force: watch::Sender::new(Arc::clone(&deployment)),
            deployment,
            audit,
            socket: settings.socket.clone(),
            held: Held::default(),
            knowledge: Knowledge::open(settings),
            sweeper: Sweeper::new(Arc::clone(&flows)),
            flows,
            events: Events::default(),
            host: settings.host.clone(),
            pin_dir: settings.pin_dir.clone(),
            netlink,
            changes,
            ready: false,
            last_error: None,
            drift_mended: 0,
        })
    }

    /// The deployment in force, as it changes.
    pub fn in_force(&self) -> watch::Receiver<Arc<Deployment>> {
        self.in_force.subscribe()
    }

    /// Lets everybody connect if the document says who may do what, else root only.
    fn open_socket(&self) {
        let open = !self.deployment.topology().permissions.assignments.is_empty();
        let mode = fs::Permissions::from_mode(if open { 0o666 } else { 0o600 });
        if let Err(error) = fs::set_permissions(&self.socket, mode) {
            tracing::error!(%error, "cannot change who may connect to the socket");
        }
    }

    /// Puts the deployment in force and saves it.
    pub async fn reconcile(&mut self) -> Result<(), AgentError> {
        // Numbers are on disk before the kernel sees them: what a crash leaves there is known.
        self.deployment.stage()?;
        self.deployment.persist()?;
        self.name_links();
        self.pass().await?;
        self.ready = true;
        self.open_socket();
        Ok(())
    }

    /// Says in records what the document says of the links.
    fn name_links(&self) {
        if let Some(meters) = self.reconciler.meters() {
            meters.name(self.deployment.topology(), self.deployment.state());
        }
    }

    /// Starts to read events; returns whom to ask for live packets.
    pub fn watch_events(&mut self) -> Result<Arc<Hub>, AgentError> {
        let maps = WatchMaps::open(self.reconciler.dataplane())?;
        let hub = Arc::new(Hub::new(self.host.clone(), maps, self.in_force()));
        if let Some(source) = self.reconciler.dataplane_mut().maps.take_events() {
            tokio::spawn(self.events.clone().read(source, Arc::clone(&hub)));
        }
        Ok(hub)
    }

    /// Lets the task run.
    pub fn spawn(self) -> (mpsc::Sender<Command>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (sender, tokio::spawn(self.run(receiver)))
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut check = interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval_at(Instant::now(), SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        loop {
            let pass = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.handle(command).await,
                    None => return,
                },
                Some(()) = self.changes.recv() => {
                    due = due.or(Some(Instant::now() + DEBOUNCE));
                }
                Some(()) = self.knowledge.news() => self.follow_host().await,
                () = pass => {
                    due = None;
                    self.follow_host().await;
                }
                _ = check.tick() => self.check().await,
                _ = sweep.tick() => self.sweeper.start(&self.reconciler),
                () = self.sweeper.ended() => {}
            }
        }
    }

    /// A pass over the kernel. Flows of NICs that are gone with it end at once.
    async fn pass(&mut self) -> Result<usize, ReconcileError> {
        self.sweeper.pause().await;
        let before = aging::owners(self.reconciler.desired());
        let (topology, state) = (self.deployment.topology(), self.deployment.state());
        self.knowledge.follow(topology, state);
        let knowledge = &self.knowledge;
        let all = |down: &BTreeSet<ResourceId>| knowledge.all(topology, down.clone());
        let mut result = self.reconciler.run(&self.netlink, topology, state, all).await;
        if result.is_ok() {
            let (facts, down) = (self.reconciler.network_facts(), self.reconciler.down().clone());
            if let Err(error) = self.knowledge.tell(topology, state, facts, down) {
                result = Err(error.into());
            }
        }
        let after = aging::owners(self.reconciler.desired());
        if before.keys().any(|nic| !after.contains_key(nic)) {
            self.sweeper.start(&self.reconciler);
        }
        result
    }

    /// A pass after this host or what the hosts say changed.
    async fn follow_host(&mut self) {
        match self.pass().await {
            Ok(0) => self.last_error = None,
            Ok(operations) => {
                self.last_error = None;
                tracing::info!(operations, "followed a change of the host or of the network");
            }
            Err(error) => self.fail(&error),
        }
    }

    async fn check(&mut self) {
        if !self.reconciler.keeps_limits(&self.netlink, self.deployment.topology()).await {
            self.follow_host().await;
        }
        match self.reconciler.check() {
            Ok(0) => {}
            Ok(operations) => {
                self.drift_mended += operations as u64;
                tracing::warn!(operations, "the maps differed from the document and were mended");
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &ReconcileError) {
        let error = chain(error);
        tracing::error!(%error, "the document is not in force as it should be");
        self.last_error = Some(error);
    }

    /// A client that went away needs no answer, so failed sends are ignored.
    async fn handle(&mut self, command: Command) {
        match command {
            Command::Apply(request, peer, reply) => {
                let _ = reply.send(self.apply(&request, &peer).await);
            }
            Command::Prepare(request, peer, reply) => {
                let _ = reply.send(self.prepare(&request, &peer));
            }
            Command::Commit(held, peer, reply) => {
                let _ = reply.send(self.commit(held, &peer).await);
            }
            Command::Abandon(held, peer, reply) => {
                self.held.take(held, &peer);
                let _ = reply.send(());
            }
            Command::Status(reply) => {
                let _ = reply.send(self.status());
            }
            Command::Meters(reply) => {
                let _ = reply.send(self.meters());
            }
            Command::Drops(reply) => {
                let _ = reply.send(self.drops());
            }
            Command::Events(reply) => {
                let _ = reply.send(self.events());
            }
            Command::Flows(query, reply) => self.list_flows(query, reply),
            Command::RuleHits(reply) => {
                let _ = reply.send(self.rule_hits());
            }
            Command::Deployment(reply) => {
                let _ = reply.send(DeploymentView {
                    host: self.host.clone(),
                    serial: self.deployment.serial(),
                    source: self.deployment.source().to_owned(),
                    document: self.deployment.document().to_owned(),
                    state: self.deployment.state().clone(),
                    facts: self.reconciler.network_facts().clone(),
                });
            }
        }
    }
}

/// An error with its causes, for one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// A netlink handle, and a signal for every change of an interface, an address or a neighbour.
fn watch_host() -> io::Result<(Handle, mpsc::Receiver<()>)> {
    let groups = [MulticastGroup::Link, MulticastGroup::Neigh];
    let (connection, handle, mut messages) = new_multicast_connection(&groups)?;
    tokio::spawn(connection);
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while messages.next().await.is_some() {
            // One signal waiting is as good as many.
            if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                return;
            }
        }
    });
    Ok((handle, receiver))
}
