//! Who did what: lines of JSON that are only ever added, each with the hash of the line before, so that a line
//! that was changed, removed or put in between is noticed. A file beside them keeps the hash of the last one,
//! so that a cut end is noticed too. Who may write all of these files can write another history; what is
//! worth more than that is copied elsewhere (`audit list -o json`).

mod chain;
mod limit;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

pub use self::chain::{Report, read, verify};
use self::{
    chain::{Head, hash},
    limit::Limiter,
};

const FILE: &str = "audit.jsonl";
const HEAD: &str = "audit.head";
/// A file that would become larger is put aside, and a new one goes on with its last hash.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counts the lines of this host from 1.
    pub sequence: u64,
    /// When, in UTC.
    pub time: String,
    /// The host's name.
    pub host: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 of the line before, in hexadecimal digits; zeros in the first.
    pub previous: String,
}

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The same in all records of one request to this host.
    pub request_id: String,
    /// The unix user.
    pub uid: u32,
    /// The principals that it acts as; `root`, or `uid N` for somebody unknown.
    pub principal: String,
    /// The action.
    pub operation: String,
    /// ARM id of the resource.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// ARM ids of the role assignments that allowed it, that of the action itself first.
    #[serde(default)]
    pub assignments: Vec<String>,
    /// Azure's code of the error; null if there was none.
    pub code: Option<String>,
    /// Denials of the same user that were not recorded because there were too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suppressed: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The log of one host.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    host: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    bytes: u64,
    head: Head,
    limiter: Limiter,
    requests: u64,
}

impl Log {
    /// Opens the log of a state directory, or begins one. A last line without its end was never
    /// acknowledged, and is taken away.
    pub fn open(directory: &Path, host: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let head = chain::recover(directory)?;
        let (file, bytes) = open_file(&directory.join(FILE))?;
        let inner = Inner { file, bytes, head, limiter: Limiter::default(), requests: 0 };
        Ok(Self { directory: directory.to_owned(), host: host.to_owned(), inner: inner.into() })
    }

    /// Where the log is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A name for a request that no other has.
    pub fn request_id(&self) -> String {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.requests += 1;
        let text = format!("{} {} {}", self.host, jiff::Timestamp::now(), inner.requests);
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
    }

    /// Adds records, all or none, and waits until the disk has them.
    pub fn append(&self, events: Vec<Event>) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.append(&self.directory, &self.host, events)
    }

    /// Adds the record of something that was denied, unless the user filled the log with such lately.
    pub fn append_denial(&self, mut event: Event) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(suppressed) = inner.limiter.admit(event.uid, Instant::now()) else {
            return Ok(());
        };
        event.suppressed = suppressed;
        inner.append(&self.directory, &self.host, vec![event])
    }
}

impl Inner {
    fn append(&mut self, directory: &Path, host: &str, events: Vec<Event>) -> io::Result<()> {
        let mut head = self.head.clone();
        let mut lines = String::new();
        let time = jiff::Timestamp::now().to_string();
        for event in events {
            let record = Record {
                sequence: head.sequence + 1,
                time: time.clone(),
                host: host.to_owned(),
                event,
                previous: head.hash,
            };
            let line = serde_json::to_string(&record)?;
            head = Head { sequence: record.sequence, hash: hash(line.as_bytes()) };
            lines.push_str(&line);
            lines.push('\n');
        }
        if self.bytes > 0 && self.bytes + lines.len() as u64 > FILE_BYTES_MAX {
            self.rotate(directory)?;
        }
        let written = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.sync_data());
        let written = written.and_then(|()| head.write(&directory.join(HEAD)));
        if let Err(error) = written {
            // A part of a line would be taken for a changed one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        self.head = head;
        Ok(())
    }

    /// Puts the file aside under the number of its last line.
    fn rotate(&mut self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE);
        fs::rename(&path, directory.join(chain::aside(self.head.sequence)))?;
        (self.file, self.bytes) = open_file(&path)?;
        File::open(directory)?.sync_all()
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}
