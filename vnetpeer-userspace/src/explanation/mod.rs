//! What the codes that vnetpeer prints mean: what happens, why, and how to mend it.
//!
//! The one catalogue. Every [`DropReason`] is a code by its name, and every [`Code`] of a document's problems.
//! To these come
//! [`Finding`]s: causes that no single packet shows, such as a peering of one side only; [`ErrorCode`]s of
//! requests that were refused; and [`Outcome`]s of answers. Codes are stable: scripts may rely on them. A code
//! is said once, also where several parts of the program print it.

mod drops;
mod error;
mod finding;
mod outcome;
mod pages;
mod problems;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;
use vnetpeer_common::reason::DropReason;

pub use self::{error::ErrorCode, finding::Finding, outcome::Outcome};
use crate::document::{Code, closest};

/// What a code is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A packet was dropped for this reason.
    Drop,
    /// A trace or a check found this cause.
    Finding,
    /// A document has this problem.
    Problem,
    /// A request was refused.
    Error,
    /// An answer ends with this word.
    Outcome,
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
    /// Azure's page about it; null where Azure has none.
    pub azure: Option<&'static str>,
}

/// What there is to say of a code whose meaning its own type tells.
#[derive(Clone, Copy, Debug)]
struct Said {
    cause: &'static str,
    fix: &'static str,
}

/// Cause and fix of every value of a type; one without them does not compile.
macro_rules! said {
    ($type:ident: $($name:ident $cause:literal $fix:literal)*) => {
        /// What there is to say of one of them.
        pub(super) const fn said(code: $type) -> super::Said {
            match code {
                $($type::$name => super::Said { cause: $cause, fix: $fix },)*
            }
        }
    };
}

/// Declares codes with all that is said of them in one place.
macro_rules! codes {
    (
        $kind:expr, $(#[$doc:meta])* $type:ident:
        $($name:ident $meaning:literal $cause:literal $fix:literal)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $(#[doc = $meaning] $name,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name, as shown to people and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What the catalogue says of it.
            pub fn explanation(self) -> super::Explanation {
                let (meaning, cause, fix) = match self {
                    $(Self::$name => ($meaning, $cause, $fix),)*
                };
                let said = super::Said { cause, fix };
                super::Explanation::new(self.name(), $kind, meaning, said)
            }
        }
    };
}

pub(crate) use {codes, said};

impl Explanation {
    fn new(code: &'static str, kind: Kind, meaning: &'static str, said: Said) -> Self {
        let Said { cause, fix } = said;
        Self { code, kind, meaning, cause, fix, azure: pages::of(code) }
    }
}

/// The explanation of a drop reason.
pub fn of_drop(reason: DropReason) -> Explanation {
    Explanation::new(reason.name(), Kind::Drop, reason.meaning(), drops::said(reason))
}

/// The explanation of a problem of a document.
pub fn of_problem(code: Code) -> Explanation {
    Explanation::new(code.name(), Kind::Problem, code.meaning(), problems::said(code))
}

/// Every explanation: drop reasons by number, findings, problems, errors, outcomes. A code that is several of
/// these is there once.
pub fn all() -> impl Iterator<Item = Explanation> {
    let drops = DropReason::ALL.iter().map(|reason| of_drop(*reason));
    let findings = Finding::ALL.iter().map(|it| it.explanation());
    let problems = Code::ALL.iter().map(|code| of_problem(*code));
    let errors = ErrorCode::ALL.iter().map(|it| it.explanation());
    let outcomes = Outcome::ALL.iter().map(|it| it.explanation());
    let mut seen = BTreeSet::new();
    let every = drops.chain(findings).chain(problems).chain(errors).chain(outcomes);
    every.filter(move |it| seen.insert(it.code))
}

/// The explanation of a code, in any case of letters.
pub fn find(code: &str) -> Option<Explanation> {
    all().find(|it| it.code.eq_ignore_ascii_case(code))
}

/// The code that a slip of the pen could have meant.
pub fn similar(code: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = all().map(|it| it.code).collect();
    closest(code, &known)
}

/// The first code that a message names, of those that stand for something wrong.
pub fn named_in(message: &str) -> Option<&'static str> {
    let wrong = all().filter(|it| it.kind != Kind::Outcome);
    let known: BTreeSet<&'static str> = wrong.map(|it| it.code).collect();
    message.split(|it: char| !it.is_ascii_alphanumeric()).find_map(|word| known.get(word).copied())
}
