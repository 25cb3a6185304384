//! The record of a lab: everything that it consists of, written before any of it exists, so that
//! whatever happens `lab down` knows what to remove.
//!
//! ```text
//! /run/vnetpeer/lab/NAME/lab.json        the record
//!                       /topology.yaml   the document, as it was
//!                       /HOST/           the agent's socket, log and state
//! ```

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    error::LabError,
    names::{Unique, plain},
    process::Process,
};
use crate::topology::model::{ResourceId, Topology};

/// Where the labs' records are.
const LABS: &str = "/run/vnetpeer/lab";
/// Where the labs' pins are.
const PINS: &str = "/sys/fs/bpf/vnetpeer";
const RECORD: &str = "lab.json";
const DOCUMENT: &str = "topology.yaml";
const SCHEMA_VERSION: u32 = 1;

/// A host of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostRecord {
    /// Its name in the document.
    pub name: String,
    /// Its network namespace.
    pub namespace: String,
    /// Folder of its agent's socket, log and state.
    pub folder: PathBuf,
    /// Folder of its pins.
    pub pins: PathBuf,
    /// Whether an agent belongs on it.
    pub has_agent: bool,
    /// Its agent, once started.
    pub agent: Option<Process>,
}

impl HostRecord {
    /// Its agent's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// Its agent's log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }
}

/// A network interface, or a way to the Internet, of a lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestRecord {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its network namespace.
    pub namespace: String,
}

/// Everything that a lab consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    schema_version: u32,
    /// The lab's name.
    pub name: String,
    /// Marks the lab's processes.
    pub id: String,
    /// The document that it was built from.
    pub file: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Folder of the pins of all its hosts.
    pub pins: PathBuf,
    /// Its hosts, in the order of the document.
    pub hosts: Vec<HostRecord>,
    /// Its network interfaces, in the order of the document.
    pub nics: Vec<GuestRecord>,
    /// Its ways to the Internet, in the order of the hosts.
    pub uplinks: Vec<GuestRecord>,
    /// The namespace that joins the hosts, unless two hosts are joined by a cable.
    pub backbone: Option<String>,
}

impl Record {
    /// Reserves a name and writes the record of a lab that does not exist yet.
    pub(super) fn create(
        name: &str,
        file: &Path,
        topology: &Topology,
        foreign_hosts: &[String],
    ) -> Result<Self, LabError> {
        let _lock = Lock::take()?;
        let folder = folder_of(name);
        if folder.join(RECORD).exists() {
            return Err(LabError::Exists { name: name.to_owned() });
        }
        let record = Self::new(name, file, topology, foreign_hosts, taken()?)?;
        for host in &record.hosts {
            fs::create_dir_all(&host.folder).map_err(LabError::io("create", &host.folder))?;
        }
        let copy = record.document();
        fs::copy(file, &copy).map_err(LabError::io("write", &copy))?;
        record.write()?;
        Ok(record)
    }

    fn new(
        name: &str,
        file: &Path,
        topology: &Topology,
        foreign_hosts: &[String],
        taken: BTreeSet<String>,
    ) -> Result<Self, LabError> {
        let mut names = Unique::new(taken);
        let folder = folder_of(name);
        let pins = Path::new(PINS).join(format!("lab-{name}"));
        let mut folders = Unique::default();
        let hosts = topology.hosts.iter().map(|host| {
            let part = folders.name(plain(&host.name));
            HostRecord {
                name: host.name.clone(),
                namespace: names.namespace(name, &host.name),
                folder: folder.join(&part),
                pins: pins.join(&part),
                has_agent: !foreign_hosts.contains(&host.name),
                agent: None,
            }
        });
        let hosts: Vec<HostRecord> = hosts.collect();
        let backbone = (hosts.len() != 2).then(|| names.namespace(name, "backbone"));
        let guest = |id: &ResourceId, names: &mut Unique| GuestRecord {
            id: id.clone(),
            namespace: names.namespace(name, id.name()),
        };
        let nics = topology.nics.iter().map(|nic| guest(&nic.id, &mut names)).collect();
        let uplinks = topology.hosts.iter().flat_map(|host| &host.uplinks);
        let uplinks = uplinks.map(|uplink| GuestRecord {
            id: uplink.id.clone(),
            namespace: names.namespace(name, &format!("wan-{}", uplink.interface)),
        });
        let uplinks = uplinks.collect();
        let random = Path::new("/proc/sys/kernel/random/uuid");
        let id = fs::read_to_string(random).map_err(LabError::io("read", random))?;
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            name: name.to_owned(),
            id: id.trim().to_owned(),
            file: file.to_owned(),
            folder,
            pins,
            hosts,
            nics,
            uplinks,
            backbone,
        })
    }

    /// A record that nobody is told of.
    #[cfg(test)]
    pub(super) fn planned(name: &str, file: &Path, topology: &Topology) -> Result<Self, LabError> {
        Self::new(name, file, topology, &[], BTreeSet::new())
    }

    /// The lab's own copy of its document.
    pub fn document(&self) -> PathBuf {
        self.folder.join(DOCUMENT)
    }

    /// All namespaces of the lab.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        let hosts = self.hosts.iter().map(|host| host.namespace.as_str());
        let guests = self.nics.iter().chain(&self.uplinks).map(|guest| guest.namespace.as_str());
        hosts.chain(guests).chain(self.backbone.as_deref())
    }

    /// Writes the record so that a reader sees the old one or the new one.
    pub(super) fn write(&self) -> Result<(), LabError> {
        let path = self.folder.join(RECORD);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|source| LabError::Record { path: path.clone(), source })?;
        text.push(b'\n');
        let new = path.with_extension("json.new");
        let mut file = File::create(&new).map_err(LabError::io("create", &new))?;
        file.write_all(&text).map_err(LabError::io("write", &new))?;
        fs::rename(&new, &path).map_err(LabError::io("write", &path))
    }

    /// Reads the record of the lab `name`; `None` if there is no such lab.
    pub(super) fn read(name: &str) -> Result<Option<Self>, LabError> {
        let path = folder_of(name).join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LabError::io("read", path)(error)),
        };
        let record = serde_json::from_slice(&text);
        record.map(Some).map_err(|source| LabError::Record { path, source })
    }

    /// Removes the record and everything beside it; the lab is gone then.
    pub(super) fn remove(&self) -> Result<(), LabError> {
        let _lock = Lock::take()?;
        // The record goes last: what is interrupted before can be done again.
        for host in &self.hosts {
            remove_tree(&host.folder)?;
        }
        remove_tree(&self.folder)
    }
}

/// Names of all labs that have a record.
pub(super) fn names() -> Result<Vec<String>, LabError> {
    let entries = match fs::read_dir(LABS) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LabError::io("read", LABS)(error)),
    };
    let folders = entries.flatten().filter(|entry| entry.path().join(RECORD).exists());
    let mut names: Vec<String> =
        folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// Removes a folder with everything in it, if it exists.
pub(super) fn remove_tree(path: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(LabError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the folder above all labs' pins if nothing else is pinned there.
pub(super) fn remove_pin_root() {
    // Another deployment's pins keep it, and that is no error.
    let _ = fs::remove_dir(PINS);
}

fn folder_of(name: &str) -> PathBuf {
    Path::new(LABS).join(name)
}

/// Namespaces that exist, and those that other labs are about to create.
fn taken() -> Result<BTreeSet<String>, LabError> {
    let existing = fs::read_dir(super::netns::path("")).into_iter().flatten().flatten();
    let mut taken: BTreeSet<String> =
        existing.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for name in names()? {
        if let Some(record) = Record::read(&name)? {
            taken.extend(record.namespaces().map(str::to_owned));
        }
    }
    Ok(taken)
}

/// Held while names are chosen, so that labs that start at the same time choose different ones.
struct Lock {
    _folder: File,
}

impl Lock {
    fn take() -> Result<Self, LabError> {
        fs::create_dir_all(LABS).map_err(LabError::io("create", LABS))?;
        let folder = File::open(LABS).map_err(LabError::io("open", LABS))?;
        folder.lock().map_err(LabError::io("lock", LABS))?;
        Ok(Self { _folder: folder })
    }
}
