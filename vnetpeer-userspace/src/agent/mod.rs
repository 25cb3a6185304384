//! The agent of one host: keeps the kernel at what the document says, and answers for it.
//!
//! - [`deployment`]: the document in force and the numbers given out, kept on disk.
//! - [`reconcile`]: facts → compile → plan → operations → attachments.
//! - [`task`]: the one task that owns the dataplane; everything else sends it commands.
//! - [`sweep`] and [`aging`]: ends flows that were idle for too long; [`flow_list`] lists them.
//! - [`meter`]: what the links carried, recorded for billing.
//! - [`exchange`]: facts that agents tell each other; [`gateway`]: routing daemons beside gateways.
//! - [`access`], [`peer`]: who may read what; [`audit`]: what was done, and by whom.
//! - [`server`], [`client`], [`api`]: the socket of the host; [`rollout`] speaks to all hosts.
//!
//! Stopping or killing the agent leaves packets flowing: maps and links are pinned.

pub mod access;
pub mod aging;
pub mod api;
pub mod audit;
pub mod client;
pub mod deployment;
pub mod events;
pub mod exchange;
pub mod flow_list;
pub mod gateway;
pub mod health;
mod kept;
pub mod meter;
pub mod peer;
pub mod reconcile;
pub mod rollout;
pub mod server;
mod shapers;
pub mod sweep;
pub mod task;
pub mod watch;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sd_notify::NotifyState;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use self::{
    audit::Log,
    deployment::{Deployment, DeploymentError},
    meter::{MeterError, Meters, sampler},
    reconcile::{ReconcileError, Reconciler},
    task::Task,
};
use crate::{
    dataplane::{
        Dataplane, LoadError, LoadOptions,
        shaper::{self, ShaperError},
    },
    document::Problems,
};

/// Where an agent's socket is if nothing else is said.
pub const DEFAULT_SOCKET: &str = "/run/vnetpeer/agent.sock";
/// Where an agent keeps its state if nothing else is said.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/vnetpeer";
/// Where maps and links are pinned if nothing else is said.
pub const DEFAULT_PIN_DIR: &str = "/sys/fs/bpf/vnetpeer/agent";

/// After the programs are off, how long a packet may still be on its way through one.
const GRACE: Duration = Duration::from_millis(100);

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The topology document.
    pub file: PathBuf,
    /// Which of the document's hosts this is.
    pub host: String,
    /// Its socket.
    pub socket: PathBuf,
    /// Where it keeps its state.
    pub state_dir: PathBuf,
    /// Where maps and links are pinned.
    pub pin_dir: PathBuf,
    /// Take the dataplane off when the agent is stopped (not when it is killed).
    pub detach_on_exit: bool,
    /// How large maps are made that do not exist yet.
    pub sizes: LoadOptions,
    /// The port that the agents of a deployment ask each other on.
    pub exchange_port: u16,
    /// Between two readings of the meters.
    pub meter_interval: Duration,
    /// How many days of usage are kept.
    pub meter_keep_days: u32,
    /// Where Prometheus may ask.
    pub metrics: Option<SocketAddr>,
    /// Network namespaces of gateways, instead of what the document says.
    pub gateway_namespaces: gateway::Namespaces,
}

/// Why an agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The document has errors.
    #[error("{0}")]
    Document(Box<Problems>),
    /// The state cannot be read or written.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The kernel side cannot be set up.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The first reconciliation failed.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// Usage cannot be recorded.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// The queues that limit NICs cannot be removed.
    #[error(transparent)]
    Shaper(#[from] ShaperError),
    /// Another agent answers on the socket.
    #[error("another agent answers on {path}; stop it first, or choose another --socket")]
    SocketTaken {
        /// The socket.
        path: PathBuf,
    },
    /// The socket, a signal handler or a directory.
    #[error("{what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Runs the agent until SIGTERM or SIGINT.
pub async fn run(settings: &Settings) -> Result<(), AgentError> {
    let deployment = Deployment::open(&settings.file, &settings.state_dir)?;
    let listener = listen(&settings.socket).await?;
    let dataplane = Dataplane::open_with(&settings.pin_dir, &settings.sizes)?;
    let (state_dir, pin_dir) = (&settings.state_dir, &settings.pin_dir);
    let days = settings.meter_keep_days;
    let meters = Meters::open(&settings.host, state_dir, pin_dir, days, &dataplane)?;
    let meters = Arc::new(meters);
    let reconciler = Reconciler::new(dataplane, settings.host.clone(), &settings.pin_dir)?;
    let reconciler = reconciler.with_meters(Arc::clone(&meters));
    let audit = open_audit(settings)?;
    let mut task = Task::new(reconciler, deployment, settings, Arc::clone(&audit))?;
    task.reconcile().await?;
    let hub = task.watch_events()?;
    let guard = server::Guard::new(task.in_force(), audit, settings.host.clone());
    let (commands, running) = task.spawn();
    let sampler = tokio::spawn(sampler::run(Arc::clone(&meters), settings.meter_interval));
    let metrics = settings.metrics.map(metrics_listener).transpose()?;
    let sources = server::Context::new(commands, Arc::clone(&meters), settings.pin_dir.clone());
    let metrics = metrics.map(|it| tokio::spawn(server::serve_metrics(it, sources.clone())));
    let server = tokio::spawn(server::serve(listener, sources, hub, guard));
    ready();
    wait_for_signal(&settings.socket).await?;
    server.abort();
    metrics.inspect(JoinHandle::abort);
    sampler.abort();
    running.abort();
    remove_socket(&settings.socket);
    if settings.detach_on_exit {
        Dataplane::remove(&settings.pin_dir).map_err(|source| AgentError::Io {
            what: "cannot remove",
            path: settings.pin_dir.clone(),
            source,
        })?;
        shaper::remove_all(&settings.pin_dir).await?;
        // Programs that were running have ended; the meters live as long as they are open here.
        tokio::time::sleep(GRACE).await;
        meters.finish()?;
        tracing::info!("took the dataplane off");
    } else {
        // What cannot be read now the next agent reads.
        let _ = meters.sample();
    }
    Ok(())
}

fn open_audit(settings: &Settings) -> Result<Arc<Log>, AgentError> {
    let log = Log::open(&settings.state_dir, &settings.host);
    log.map(Arc::new).map_err(|source| AgentError::Io {
        what: "cannot open the audit log in",
        path: settings.state_dir.clone(),
        source,
    })
}

/// Tells the service manager, if there is one.
fn ready() {
    tracing::info!("ready");
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

async fn wait_for_signal(socket: &Path) -> Result<(), AgentError> {
    let failed = |source| AgentError::Io {
        what: "cannot wait for signals while serving",
        path: socket.to_owned(),
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
        _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
    }
    Ok(())
}

/// Binds the socket, for its owner only until the document in force says who may do what. A socket that nobody answers on is a leftover.
async fn listen(path: &Path) -> Result<UnixListener, AgentError> {
    let failed = |what| move |source| AgentError::Io { what, path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed("cannot create the directory of"))?;
    }
    if client::Client::new(path).status().await.is_ok() {
        return Err(AgentError::SocketTaken { path: path.to_owned() });
    }
    remove_socket(path);
    let listener = UnixListener::bind(path).map_err(failed("cannot listen on"))?;
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(path, owner_only).map_err(failed("cannot protect"))?;
    Ok(listener)
}

/// Listens for Prometheus.
fn metrics_listener(address: SocketAddr) -> Result<TcpListener, AgentError> {
    let failed = |source| AgentError::Io {
        what: "cannot serve metrics on",
        path: address.to_string().into(),
        source,
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(listener).map_err(failed)
}

fn remove_socket(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove the socket");
        }
        _ => {}
    }
}
