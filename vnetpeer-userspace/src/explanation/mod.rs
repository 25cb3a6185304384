//! What the codes of traces, checks and drops mean: what happens, why, and how to mend it.
//!
//! The one catalogue for `trace`, `connectivity-check` and whatever else explains itself. Every
//! [`DropReason`] is a code by its name. To these come
//! [`Finding`]s: causes that no single packet shows, such as a peering of one side only. Codes are stable: scripts
//! may rely on them.

mod drops;
mod finding;
#[cfg(test)]
mod tests;

use serde::Serialize;
use vnetpeer_common::reason::DropReason;

pub use self::finding::Finding;

/// What a code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A packet was dropped for this reason.
    Drop,
    /// A trace or a check found this cause.
    Finding,
}

/// A code and what there is to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// One sentence that says what happened.
    pub meaning: &'static str,
    /// What it mostly comes from.
    pub cause: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// The explanation of a drop reason.
pub fn of_drop(reason: DropReason) -> Explanation {
    let found = drops::EXPLAINED.iter().find(|it| it.reason == reason);
    let (cause, fix) = found.map_or(("", ""), |it| (it.cause, it.fix));
    Explanation { code: reason.name(), kind: Kind::Drop, meaning: reason.meaning(), cause, fix }
}

/// Every explanation: drop reasons by number, then findings.
pub fn all() -> impl Iterator<Item = Explanation> {
    let drops = DropReason::ALL.iter().map(|reason| of_drop(*reason));
    drops.chain(Finding::ALL.iter().map(|finding| finding.explanation()))
}

/// The explanation of a code, in any case of letters.
pub fn find(code: &str) -> Option<Explanation> {
    all().find(|it| it.code.eq_ignore_ascii_case(code))
}
