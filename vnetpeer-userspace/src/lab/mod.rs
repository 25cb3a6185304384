//! Builds the deployment of a document on one machine: a network namespace for every host with its
//! own agent, one for every NIC, and a backbone that joins the hosts. Real packets, real programs.
//!
//! ```text
//!   vnp-quickstart-hub-vm1          vnp-quickstart-host-a         vnp-quickstart-host-b
//!   ┌──────────────────┐     ┌────────────────────────────┐     ┌──────────────────────
//!   │ eth0 10.0.1.4  ══╪═════╪══ hub-vm1 [tc]  eth0 [tc] ═╪═════╪══ eth0 …
//!   └──────────────────┘     │ vnetpeer run --host host-a │     │
//! ```
//!
//! - [`record`]: what a lab consists of, on disk before any of it exists.
//! - `blueprint`: the commands that make it. `build`: runs them, and removes everything again.
//! - `agent`, `process`: the agents, and which processes are the lab's own.
//! - [`expected`]: who should reach whom. [`probe`]: who does. [`matrix`]: both side by side.
//! - `run`: up, prove, show, down.
//!
//! A lab changes nothing outside its own namespaces, its run folder and its pins, and `down` removes
//! those after any crash.

mod agent;
mod blueprint;
mod build;
mod command;
mod error;
pub mod expected;
pub mod matrix;
mod names;
pub mod netns;
pub mod probe;
pub mod process;
pub mod record;
mod run;
mod signals;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
};

use self::{
    build::Children,
    command::Runner,
    record::{GuestRecord, HostRecord},
    signals::Signals,
};
pub use self::{
    error::LabError,
    matrix::Matrix,
    record::Record,
    run::{Outcome, run},
};
use crate::{
    document,
    topology::{
        model::Topology,
        state::{State, advance},
    },
};

/// What to build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The document.
    pub file: PathBuf,
    /// The lab's name; the deployment's unless given.
    pub name: Option<String>,
    /// The program whose `run` is the agent; this one unless given.
    pub program: Option<PathBuf>,
    /// Hosts that are built without an agent, for something else to play them.
    pub foreign_hosts: Vec<String>,
}

/// A lab that is up. It stays so when this goes out of scope, unless [`Lab::guarded`].
#[derive(Debug)]
pub struct Lab {
    record: Record,
    topology: Topology,
    state: State,
    program: PathBuf,
    children: Children,
    is_guarded: bool,
}

/// Also when a panic or a dropped future ends the scope.
impl Drop for Lab {
    fn drop(&mut self) {
        if self.is_guarded
            && let Err(error) = build::remove(&self.record, &mut self.children)
        {
            tracing::error!(lab = self.record.name, "the lab is not down: {error}");
        }
    }
}

/// Builds a lab. On any failure, and when a signal interrupts it, nothing of it remains.
pub async fn up(options: &Options) -> Result<Lab, LabError> {
    let mut signals = Signals::new()?;
    up_unless(options, &mut signals).await
}

async fn up_unless(options: &Options, signals: &mut Signals) -> Result<Lab, LabError> {
    let mut lab = Lab::reserve(options)?.guarded();
    let built = tokio::select! {
        biased;
        () = signals.next() => Err(LabError::Interrupted),
        built = lab.build() => built,
    };
    match built {
        Ok(()) => {
            lab.is_guarded = false;
            Ok(lab)
        }
        Err(error) => match lab.down().await {
            Ok(()) => Err(error),
            Err(remains) => {
                Err(LabError::NotTakenBack { error: Box::new(error), remains: Box::new(remains) })
            }
        },
    }
}

/// The lab of that name, or the only one that is up.
pub fn open(name: Option<&str>) -> Result<Lab, LabError> {
    Lab::of(find(name)?)
}

/// Takes a lab down, even one that was left half built or whose document is gone.
pub async fn down(name: Option<&str>) -> Result<String, LabError> {
    let record = find(name)?;
    let name = record.name.clone();
    blocking(move || build::remove(&record, &mut Children::new())).await?;
    Ok(name)
}

/// All labs.
pub fn list() -> Result<Vec<Record>, LabError> {
    let names = record::names()?;
    let records = names.iter().filter_map(|name| Record::read(name).transpose());
    records.collect()
}

fn find(name: Option<&str>) -> Result<Record, LabError> {
    let labs = record::names()?;
    let name = match (name, labs.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only.as_str(),
        (None, []) => return Err(LabError::None),
        (None, _) => return Err(LabError::Several { labs }),
    };
    let unknown = || LabError::Unknown { name: name.to_owned(), labs: labs.clone() };
    if !names::is_lab_name(name) {
        return Err(unknown());
    }
    Record::read(name)?.ok_or_else(unknown)
}

impl Lab {
    fn reserve(options: &Options) -> Result<Self, LabError> {
        let topology = document::read(&options.file)?.topology;
        let name = match &options.name {
            Some(name) => name.clone(),
            None => names::lab_name(&topology.name),
        };
        if !names::is_lab_name(&name) {
            return Err(LabError::NameInvalid { name, max: names::LAB_NAME_MAX });
        }
        let state = advance(&State::default(), &topology)?;
        let program = match &options.program {
            Some(program) => program.clone(),
            None => own_program()?,
        };
        let file = std::path::absolute(&options.file);
        let file = file.map_err(LabError::io("find", &options.file))?;
        let record = Record::create(&name, &file, &topology, &options.foreign_hosts)?;
        Ok(Self::new(record, topology, state, program))
    }

    fn of(record: Record) -> Result<Self, LabError> {
        let topology = document::read(&record.document())?.topology;
        let state = advance(&State::default(), &topology)?;
        Ok(Self::new(record, topology, state, own_program()?))
    }

    fn new(record: Record, topology: Topology, state: State, program: PathBuf) -> Self {
        let children = Children::new();
        Self { record, topology, state, program, children, is_guarded: false }
    }

    async fn build(&mut self) -> Result<(), LabError> {
        build::network(&self.topology, &self.state, &self.record).await?;
        build::agents(&self.program, &mut self.record, &mut self.children).await
    }

    /// Removes everything that belongs to the lab.
    pub async fn down(mut self) -> Result<(), LabError> {
        let (record, mut children) = (self.record.clone(), std::mem::take(&mut self.children));
        self.is_guarded = false;
        blocking(move || build::remove(&record, &mut children)).await
    }

    /// Ties the lab to a scope: it goes down when this does.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.is_guarded = true;
        self
    }

    /// What the lab consists of.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The network that it was built from.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The numbers of its resources, as every agent starts with them.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The socket of a host's agent.
    pub fn socket(&self, host: &str) -> Result<PathBuf, LabError> {
        Ok(self.host(host)?.socket())
    }

    /// A host's network namespace.
    pub fn host_namespace(&self, host: &str) -> Result<&str, LabError> {
        Ok(&self.host(host)?.namespace)
    }

    /// The network namespace of a NIC, by its name or ARM id.
    pub fn nic_namespace(&self, nic: &str) -> Result<&str, LabError> {
        Ok(&self.nic(nic)?.namespace)
    }

    /// Runs a command in the namespace of a NIC, with this process's input and output.
    pub fn exec(&self, nic: &str, arguments: &[String]) -> Result<ExitStatus, LabError> {
        let enter = format!("--net={}", netns::path(self.nic_namespace(nic)?).display());
        let mut command = std::process::Command::new("nsenter");
        command.arg(enter).arg("--").args(arguments).env(process::MARK, &self.record.id);
        let line = || arguments.join(" ");
        command.status().map_err(|source| LabError::Spawn { command: line(), source })
    }

    /// Starts the agent of a host whose agent has ended, and waits until it is ready.
    pub async fn start_agent(&mut self, host: &str) -> Result<(), LabError> {
        let position = self.record.hosts.iter().position(|it| it.name == host);
        let index = position.ok_or_else(|| self.host_unknown(host))?;
        let Self { record, program, children, .. } = self;
        let child = build::start(program, record, index, children)?;
        if let (Some(host), Some(child)) = (record.hosts.get(index), children.get_mut(child)) {
            agent::ready(host, child).await?;
        }
        Ok(())
    }

    /// Tries who reaches whom, and says who should.
    pub async fn matrix(&self) -> Result<Matrix, LabError> {
        self.matrix_for(&self.topology).await
    }

    /// [`Self::matrix`] after a document with the same NICs was applied.
    pub async fn matrix_for(&self, topology: &Topology) -> Result<Matrix, LabError> {
        let state = advance(&State::default(), topology)?;
        let runner = Runner { id: &self.record.id };
        matrix::measure(topology, &state, &self.nic_namespaces(), runner).await
    }

    /// Sends the probes of some cells of a matrix once more.
    pub async fn try_again(&self, cells: &[matrix::Cell]) -> Result<(), LabError> {
        let runner = Runner { id: &self.record.id };
        matrix::again(&self.topology, &self.nic_namespaces(), cells, runner).await
    }

    fn nic_namespaces(&self) -> Vec<&str> {
        self.record.nics.iter().map(|nic| nic.namespace.as_str()).collect()
    }

    fn host(&self, name: &str) -> Result<&HostRecord, LabError> {
        let found = self.record.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| self.host_unknown(name))
    }

    fn host_unknown(&self, name: &str) -> LabError {
        LabError::HostUnknown {
            lab: self.record.name.clone(),
            name: name.to_owned(),
            hosts: self.record.hosts.iter().map(|host| host.name.clone()).collect(),
        }
    }

    fn nic(&self, name: &str) -> Result<&GuestRecord, LabError> {
        let is_it = |it: &&GuestRecord| {
            it.id.name().eq_ignore_ascii_case(name) || it.id.as_str().eq_ignore_ascii_case(name)
        };
        let found: Vec<&GuestRecord> = self.record.nics.iter().filter(is_it).collect();
        let (lab, name) = (self.record.name.clone(), name.to_owned());
        match found.as_slice() {
            [nic] => Ok(nic),
            [] => {
                let nics = self.record.nics.iter().map(|nic| nic.id.name().to_owned()).collect();
                Err(LabError::NicUnknown { lab, name, nics })
            }
            several => {
                let ids = several.iter().map(|nic| nic.id.to_string()).collect();
                Err(LabError::NicAmbiguous { lab, name, ids })
            }
        }
    }
}

fn own_program() -> Result<PathBuf, LabError> {
    std::env::current_exe().map_err(LabError::io("find", Path::new("/proc/self/exe")))
}

/// Runs something that waits for processes, where it holds up nobody.
async fn blocking(
    action: impl FnOnce() -> Result<(), LabError> + Send + 'static,
) -> Result<(), LabError> {
    match tokio::task::spawn_blocking(action).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(LabError::Interrupted),
    }
}
