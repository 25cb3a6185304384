//! What a folder of an export holds, so that whoever reads it can tell that it is whole.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Format;

/// Version of the columns of all files.
pub const SCHEMA_VERSION: &str = "1.0";

/// What a folder holds. It says nothing of the run that wrote it: the same records give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of the columns.
    pub schema_version: String,
    /// What the rows are.
    pub format: Format,
    /// The billing month, e.g. `2026-11`.
    pub period: String,
    /// Its first second, RFC 3339.
    pub period_start: String,
    /// The first second after it.
    pub period_end: String,
    /// Whether the folder is still replaced.
    pub state: PeriodState,
    /// Which correction of the month; null for the month itself.
    pub correction: Option<u32>,
    /// Records in `records.jsonl`.
    pub records: usize,
    /// Rows of the data file.
    pub rows: usize,
    /// Sum of the rows' packets; null where rows have none.
    pub packets: Option<String>,
    /// Sum of the rows' bytes.
    pub bytes: String,
    /// ISO 4217 code; null where rows have no costs.
    pub currency: Option<String>,
    /// Sum of the rows' exact costs before rounding; null where rows have no costs.
    pub cost: Option<String>,
    /// What the invoice says; null where rows have no costs.
    pub amount: Option<String>,
    /// The files beside the manifest.
    pub files: Vec<FileEntry>,
}

/// Whether a period may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeriodState {
    /// Its folder is replaced when more is known.
    Open,
    /// Its folder never changes; what is known later comes as a correction.
    Closed,
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// Of its contents, hexadecimal.
    pub sha256: String,
}

/// A file before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) contents: Vec<u8>,
}

impl FileEntry {
    pub(super) fn of(name: &str, contents: &[u8]) -> Self {
        let size = contents.len() as u64;
        Self { name: name.to_owned(), size, sha256: sha256(contents) }
    }
}

fn sha256(contents: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(contents) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
