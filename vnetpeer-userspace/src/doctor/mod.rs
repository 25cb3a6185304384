//! Whether a host has what vnetpeer needs, each finding with a fix. Everything here is looked at, tried or asked;
//! nothing is changed.
//!
//! - [`kernel`]: version, BPF, memory. [`process`]: what the caller may do, the clock, tools to build with.
//! - [`host`]: interfaces, MTU, offloads, connection tracking, in one host's network namespace.
//! - [`agents`]: what the agents say of themselves, and whether they go together.

pub mod agents;
pub mod host;
pub mod kernel;
pub mod process;

use serde::Serialize;

/// From so many of a hundred entries on a table is told to be nearly full.
const NEARLY_FULL: u64 = 90;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and not as well as it could, or will not in some case.
    Warning,
    /// It does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The host of the document; null if it is about the machine that the command runs on.
    pub host: Option<String>,
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What helps; null where nothing is needed.
    pub fix: Option<String>,
}

impl Diagnosis {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { host: None, check, level: Level::Ok, found: found.into(), fix: None }
    }

    /// Something should be looked at.
    pub fn warning(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Warning, fix: Some(fix.into()), ..Self::ok(check, found) }
    }

    /// Something does not work.
    pub fn error(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Error, fix: Some(fix.into()), ..Self::ok(check, found) }
    }

    /// The same, of a host.
    #[must_use]
    pub fn of(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }
}

fn is_nearly_full(used: u64, capacity: u64) -> bool {
    used.saturating_mul(100) >= capacity.saturating_mul(NEARLY_FULL)
}
