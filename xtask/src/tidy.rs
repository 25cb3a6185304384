//! `cargo xtask tidy`: the style rules that neither rustfmt nor clippy knows.
//!
//! The rules' limits and exceptions are the constants below; `docs/decisions/` or a comment
//! beside an exception says why it is one.

mod files;
mod functions;
mod rules;
mod views;

use std::fmt;

use anyhow::{Result, bail};

use crate::workspace;

/// The only files where `unsafe` may appear: those that touch packet memory, maps, kernel
/// helpers and system calls that no crate wraps.
const UNSAFE_FILES: [&str; 19] = [
    "tests/src/netns/tap.rs",
    "vnetpeer-ebpf/src/bin/bench.rs",
    "vnetpeer-ebpf/src/bin/bench/sketch.rs",
    "vnetpeer-ebpf/src/bin/bench/steps.rs",
    "vnetpeer-ebpf/src/bin/routes.rs",
    "vnetpeer-ebpf/src/bin/system.rs",
    "vnetpeer-ebpf/src/capture.rs",
    "vnetpeer-ebpf/src/frame.rs",
    "vnetpeer-ebpf/src/functions.rs",
    "vnetpeer-ebpf/src/helpers.rs",
    "vnetpeer-ebpf/src/main.rs",
    "vnetpeer-ebpf/src/maps.rs",
    "vnetpeer-ebpf/src/object.rs",
    "vnetpeer-ebpf/src/stream.rs",
    "vnetpeer-ebpf/src/tables.rs",
    "vnetpeer-userspace/src/agent/health/socket.rs",
    "vnetpeer-userspace/src/agent/peer.rs",
    "vnetpeer-userspace/src/dataplane/sys.rs",
    "vnetpeer-userspace/src/dataplane/sys/mapped.rs",
];

/// Folders of the pure half of user space: what decides there must not know the kernel loader.
const FOLDERS_WITHOUT_AYA: [&str; 3] = [
    "vnetpeer-userspace/src/document/",
    "vnetpeer-userspace/src/simulate/",
    "vnetpeer-userspace/src/topology/",
];

/// A file holds one idea.
const MAX_FILE_LINES: usize = 400;

/// Files that are one idea and still longer: `tables.rs` is one implementation of one trait.
const LONG_FILES: [&str; 1] = ["vnetpeer-ebpf/src/tables.rs"];

/// A function fits on one screen.
const MAX_FUNCTION_LINES: usize = 70;

/// Marks of unfinished work, which belongs in an issue. Written in two parts, so that this
/// file passes its own check.
const MARKS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("SAFETY:", " ???")];

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks every text file of the work tree.
pub(crate) fn run() -> Result<()> {
    let files = files::read(&workspace::root())?;
    let findings: Vec<Finding> = files.iter().flat_map(rules::check).collect();
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} breaches of the style rules", findings.len());
    }
    println!("tidy: {} files follow the style rules", files.len());
    Ok(())
}
