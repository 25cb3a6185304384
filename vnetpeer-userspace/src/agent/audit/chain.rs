//! The chain of hashes: over all files of a log, in their order.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{FILE, HEAD, Record};

/// The last line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    /// Its number.
    pub(super) sequence: u64,
    /// Its hash.
    pub(super) hash: String,
}

impl Head {
    fn start() -> Self {
        Self { sequence: 0, hash: "0".repeat(64) }
    }

    /// Replaces the one before.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("head.new");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(&new, path)
    }

    fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join(HEAD)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The host's name.
    pub host: String,
    /// Lines that were read.
    pub records: u64,
    /// The number of the first line: more than 1 if older files were taken away.
    pub first: u64,
    /// The number of the last line.
    pub last: u64,
    /// Whether nothing was changed.
    pub intact: bool,
    /// The first thing that is wrong; null if nothing is.
    pub problem: Option<String>,
}

/// The hash of a line, without its end.
pub(super) fn hash(line: &[u8]) -> String {
    let digest = Sha256::digest(line);
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The name of a file that was put aside after its last line.
pub(super) fn aside(last: u64) -> String {
    format!("audit.{last:020}.jsonl")
}

/// The files of a log, the oldest first.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut aside = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let is_log = path.extension().is_some_and(|it| it == "jsonl");
        if name.starts_with("audit.") && is_log && name != FILE {
            aside.push(path);
        }
    }
    aside.sort_unstable();
    let current = directory.join(FILE);
    if current.exists() {
        aside.push(current);
    }
    Ok(aside)
}

/// The last line of a log. What stands behind the last end of a line is removed.
pub(super) fn recover(directory: &Path) -> io::Result<Head> {
    let current = directory.join(FILE);
    if current.exists() {
        let text = fs::read(&current)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            OpenOptions::new().write(true).open(&current)?.set_len(whole as u64)?;
            File::open(&current)?.sync_data()?;
        }
    }
    for file in files(directory)?.iter().rev() {
        let text = fs::read_to_string(file)?;
        if let Some(line) = text.lines().last() {
            let record: Option<Record> = serde_json::from_str(line).ok();
            // A last line that makes no sense is found by `verify`; the log goes on behind it.
            let known = Head::read(directory)?.map_or(0, |it| it.sequence);
            let sequence = record.map_or(known, |it| it.sequence);
            return Ok(Head { sequence, hash: hash(line.as_bytes()) });
        }
    }
    // With every file gone, the numbers go on, so that it shows.
    Ok(Head::read(directory)?.unwrap_or_else(Head::start))
}

/// All records, the oldest first. Lines that make no sense are left out.
pub fn read(directory: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for file in files(directory)? {
        let text = fs::read_to_string(file)?;
        records.extend(text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok()));
    }
    Ok(records)
}

/// Reads the whole log and compares every line with the hash in the next.
pub fn verify(directory: &Path, host: &str) -> io::Result<Report> {
    let stored = Head::read(directory)?;
    let mut report = Report {
        host: host.to_owned(),
        records: 0,
        first: 0,
        last: 0,
        intact: false,
        problem: None,
    };
    let mut before: Option<Head> = None;
    let mut met = stored.as_ref().is_none_or(|it| it.sequence == 0);
    for file in files(directory)? {
        let name = file.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
        let text = fs::read_to_string(&file)?;
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: &str| Some(format!("{name} line {}: {what}", number + 1));
            let Ok(record) = serde_json::from_str::<Record>(line) else {
                report.problem = wrong("the line makes no sense");
                return Ok(report);
            };
            if let Some(what) = break_of(before.as_ref(), &record) {
                report.problem = wrong(what);
                return Ok(report);
            }
            let head = Head { sequence: record.sequence, hash: hash(line.as_bytes()) };
            if stored.as_ref().is_some_and(|it| it.sequence == head.sequence) {
                met = stored.as_ref() == Some(&head);
            }
            if report.records == 0 {
                report.first = head.sequence;
            }
            report.records += 1;
            report.last = head.sequence;
            before = Some(head);
        }
    }
    report.intact = met;
    if !met {
        let last = stored.map_or(0, |it| it.sequence);
        report.problem =
            Some(format!("line {last}, the last that was written, is missing or changed"));
    }
    Ok(report)
}

/// What is wrong between a line and the one before.
fn break_of(before: Option<&Head>, record: &Record) -> Option<&'static str> {
    match before {
        None if record.sequence == 1 && record.previous != Head::start().hash => {
            Some("it says that there was a line before")
        }
        Some(before) if record.previous != before.hash => {
            Some("the line before was changed, removed or added")
        }
        Some(before) if record.sequence != before.sequence + 1 => Some("the numbers have a gap"),
        _ => None,
    }
}
