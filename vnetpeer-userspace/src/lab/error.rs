//! What can go wrong with a lab.

use std::{io, path::PathBuf};

use crate::{
    document::Problems,
    topology::{network::NetworkError, state::StateError},
};

/// Why a lab cannot be built, found, used or taken down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The document has mistakes.
    #[error(transparent)]
    Document(#[from] Problems),
    /// The document's resources cannot be numbered.
    #[error(transparent)]
    State(#[from] StateError),
    /// The document and its numbers do not belong together.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A name that cannot be part of a namespace's name.
    #[error(
        "`{name}` cannot be the name of a lab: at most {max} letters, digits, `-` and `_`, \
         beginning with a letter or digit"
    )]
    NameInvalid {
        /// The name.
        name: String,
        /// How many characters are allowed.
        max: usize,
    },
    /// A lab of that name exists.
    #[error("lab `{name}` exists; take it down with `vnetpeer lab down {name}`, or give --name")]
    Exists {
        /// The name.
        name: String,
    },
    /// No lab of that name exists.
    #[error("there is no lab `{name}`; {}", running(.labs))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The labs that exist.
        labs: Vec<String>,
    },
    /// No lab exists.
    #[error("no lab is up; start one with `vnetpeer lab up -f FILE`")]
    None,
    /// Several labs exist, and none was named.
    #[error("several labs are up ({}); choose one with --lab", .labs.join(", "))]
    Several {
        /// The labs that exist.
        labs: Vec<String>,
    },
    /// The lab has no such host.
    #[error("lab `{lab}` has no host `{name}`; it has {}", .hosts.join(", "))]
    HostUnknown {
        /// The lab.
        lab: String,
        /// The name asked for.
        name: String,
        /// The hosts that it has.
        hosts: Vec<String>,
    },
    /// The lab has no such network interface.
    #[error("lab `{lab}` has no network interface `{name}`; it has {}", .nics.join(", "))]
    NicUnknown {
        /// The lab.
        lab: String,
        /// The name asked for.
        name: String,
        /// The network interfaces that it has.
        nics: Vec<String>,
    },
    /// Several network interfaces have that name.
    #[error("lab `{lab}` has several network interfaces `{name}`; give one of {}", .ids.join(", "))]
    NicAmbiguous {
        /// The lab.
        lab: String,
        /// The name asked for.
        name: String,
        /// Their ARM ids.
        ids: Vec<String>,
    },
    /// A program could not be started.
    #[error("cannot run `{command}`")]
    Spawn {
        /// The command line.
        command: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {stderr}")]
    Command {
        /// The command line, with the line of its input that failed.
        command: String,
        /// What it wrote.
        stderr: String,
    },
    /// A file or socket operation failed.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A network namespace cannot be entered.
    #[error("cannot enter network namespace {namespace}")]
    Enter {
        /// Its name.
        namespace: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A probe's socket cannot be opened.
    #[error("cannot open the probe's {what} in network namespace {namespace}")]
    Socket {
        /// Which socket.
        what: &'static str,
        /// The namespace.
        namespace: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The lab's record cannot be read or written.
    #[error("{} is no record of a lab", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An agent ended before it was ready.
    #[error("the agent of host `{host}` ended ({status}); the end of {}:\n{tail}", .log.display())]
    AgentEnded {
        /// The host.
        host: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// An agent did not get ready in time.
    #[error(
        "the agent of host `{host}` was not ready after {seconds} s; the end of {}:\n{tail}",
        .log.display()
    )]
    AgentNotReady {
        /// The host.
        host: String,
        /// How long was waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A process of the lab does not end.
    #[error("process {pid} of lab `{lab}` does not end")]
    ProcessRemains {
        /// The lab.
        lab: String,
        /// The process.
        pid: i32,
    },
    /// A lab was not built, and what there was of it remains.
    #[error("{error}; what was built remains: {remains}; `vnetpeer lab down` takes it down")]
    NotTakenBack {
        /// Why it was not built.
        error: Box<Self>,
        /// Why it remains.
        remains: Box<Self>,
    },
    /// A signal asked to stop while the lab was being built.
    #[error("interrupted")]
    Interrupted,
}

impl LabError {
    /// For `map_err`: names the operation and the file.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

fn running(labs: &[String]) -> String {
    if labs.is_empty() { "none is up".to_owned() } else { format!("up: {}", labs.join(", ")) }
}
