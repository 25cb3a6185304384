//! What can go wrong with a ledger.

use std::path::PathBuf;

use super::FORMAT;

/// Why the ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be opened.
    #[error("cannot open the metering ledger {path}; to begin a new one, move it away and keep it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// Another process has it.
    #[error(
        "another agent writes the metering ledger {path}; stop it first, or choose another --state-dir"
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of this program.
    #[error(
        "the metering ledger {path} has format {found}, and this version reads formats up to {FORMAT}; run the version that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A transaction failed; nothing of it is in the ledger.
    #[error("cannot {what} the metering ledger {path}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// An entry makes no sense.
    #[error("the metering ledger {path} is damaged; to begin a new one, move it away and keep it")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}
