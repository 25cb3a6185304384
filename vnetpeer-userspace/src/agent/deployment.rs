//! The document in force and the numbers given out, kept on disk.
//!
//! An agent starts with a file, and `apply` may later give it another document. After a restart the
//! newer of both counts: the file if its content changed since the agent last read it, else what was
//! applied last.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::api::ApplyRequest;
use crate::{
    document::{self, Kept, Problems},
    topology::{
        model::Topology,
        state::{self, State, StateError},
    },
};

const FILE_NAME: &str = "deployment.json";

/// Why a deployment cannot be opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// A file cannot be read or written.
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
    /// The state file is damaged or of a newer version.
    #[error("{path} cannot be understood; restore it, or remove it to give out new numbers")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The document has errors.
    #[error("{0}")]
    Document(Box<Problems>),
    /// No number is left for a resource.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    serial: u64,
    source: String,
    document: String,
    /// The start file as last read.
    file: String,
    state: State,
}

/// The document in force, parsed, with its numbers.
#[derive(Clone, Debug)]
pub struct Deployment {
    stored: Stored,
    topology: Arc<Topology>,
    /// What reading the next document need not read again.
    kept: Arc<Kept>,
    path: PathBuf,
}

impl Deployment {
    /// Opens the deployment of a state directory, taking `file` into account. Nothing is written
    /// before [`Deployment::stage`].
    pub fn open(file: &Path, state_dir: &Path) -> Result<Self, DeploymentError> {
        let path = state_dir.join(FILE_NAME);
        let source = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|source| DeploymentError::Io {
            what: "cannot read",
            path: file.to_owned(),
            source,
        })?;
        match newest_stored(&path)? {
            Some(stored) if stored.file == text => {
                let (topology, kept) = parse(&Kept::default(), &stored.source, &stored.document)?;
                let state = state::advance(&stored.state, &topology)?;
                Ok(Self { stored: Stored { state, ..stored }, topology, kept, path })
            }
            old => {
                let (serial, state) =
                    old.map_or_else(|| (0, State::default()), |it| (it.serial, it.state));
                let (topology, kept) = parse(&Kept::default(), &source, &text)?;
                let state = state::advance(&state, &topology)?;
                let document = text.clone();
                let stored = Stored { serial: serial + 1, source, document, file: text, state };
                Ok(Self { stored, topology, kept, path })
            }
        }
    }

    /// The deployment after a request, continuing from its base or from what this host has.
    pub fn next(&self, request: &ApplyRequest) -> Result<Self, DeploymentError> {
        // What is in force was judged already.
        let (topology, kept) = if request.document == self.stored.document {
            (Arc::clone(&self.topology), Arc::clone(&self.kept))
        } else {
            parse(&self.kept, &request.source, &request.document)?
        };
        let base = request.base.as_ref().unwrap_or(&self.stored.state);
        let mut writes = request.operations.iter();
        let state = match writes.next() {
            Some(first) => {
                let state = state::operate(base, &topology, first)?;
                writes.try_fold(state, |state, write| state::operate(&state, &topology, write))?
            }
            None => state::advance(base, &topology)?,
        };
        let stored = Stored {
            serial: request.serial.unwrap_or(self.stored.serial + 1),
            source: request.source.clone(),
            document: request.document.clone(),
            file: self.stored.file.clone(),
            state,
        };
        Ok(Self { stored, topology, kept, path: self.path.clone() })
    }

    /// Writes the deployment beside the one before, where an agent that is started after this one was
    /// killed finds it. It does not wait for the disk: a power failure leaves no maps either.
    pub fn stage(&self) -> Result<(), DeploymentError> {
        let json = serde_json::to_vec(&self.stored)
            .map_err(|source| DeploymentError::Format { path: self.path.clone(), source })?;
        let write = || {
            fs::create_dir_all(self.directory())?;
            fs::write(staged(&self.path), &json)
        };
        write().map_err(|source| self.not_written(source))
    }

    /// Replaces the one before by what was staged, and waits until a power failure cannot bring it
    /// back.
    pub fn persist(&self) -> Result<(), DeploymentError> {
        let staged = staged(&self.path);
        let replace = || {
            File::open(&staged)?.sync_data()?;
            fs::rename(&staged, &self.path)?;
            File::open(self.directory())?.sync_all()
        };
        replace().map_err(|source| self.not_written(source))
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn not_written(&self, source: io::Error) -> DeploymentError {
        DeploymentError::Io { what: "cannot write", path: self.path.clone(), source }
    }

    /// The network.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Numbers and peering states.
    pub fn state(&self) -> &State {
        &self.stored.state
    }

    /// Counts the documents that were put in force.
    pub fn serial(&self) -> u64 {
        self.stored.serial
    }

    /// Name of the document.
    pub fn source(&self) -> &str {
        &self.stored.source
    }

    /// The document.
    pub fn document(&self) -> &str {
        &self.stored.document
    }

    /// A short name of the state: equal where all numbers are.
    pub fn state_digest(&self) -> String {
        let json = self.stored.state.to_json().unwrap_or_default();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, json.as_bytes()).to_string()
    }
}

fn parse(
    before: &Kept,
    source: &str,
    document: &str,
) -> Result<(Arc<Topology>, Arc<Kept>), DeploymentError> {
    let (loaded, kept) = document::load_after(before, source, document)
        .map_err(|problems| DeploymentError::Document(Box::new(problems)))?;
    if !loaded.warnings.is_empty() {
        tracing::warn!("{}", loaded.warnings);
    }
    Ok((Arc::new(loaded.topology), Arc::new(kept)))
}

fn staged(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

/// What was stored, or what an agent staged last and was killed before it was stored: the kernel may
/// have it. One that a power failure left unfinished was never in force for others to see.
fn newest_stored(path: &Path) -> Result<Option<Stored>, DeploymentError> {
    let stored = read_stored(path)?;
    let last = read_stored(&staged(path)).ok().flatten();
    let is_newer = |last: &Stored| stored.as_ref().is_none_or(|it| last.serial > it.serial);
    Ok(match last.filter(is_newer) {
        Some(last) => Some(last),
        None => stored,
    })
}

fn read_stored(path: &Path) -> Result<Option<Stored>, DeploymentError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(DeploymentError::Io { what: "cannot read", path: path.to_owned(), source });
        }
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|source| DeploymentError::Format { path: path.to_owned(), source })
}
