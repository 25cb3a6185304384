//! The topology document: text in, validated [`Topology`] out, or everything that is wrong with it.
//!
//! ```text
//! text ─tree─▶ values with places ─decode─▶ types ─validate─▶ Topology
//! ```
//!
//! No step stops at the first mistake. A value that cannot be read is reported once and left out, and
//! what depends on it is then not judged.

mod code;
mod decode;
mod fields;
mod kept;
mod names;
mod object;
mod prefixes;
mod problem;
mod scalar;
mod schema;
mod source;
mod suggest;
mod tree;
mod types;
mod validate;
mod values;

#[cfg(test)]
mod tests;

use std::path::Path;

pub(crate) use self::suggest::closest;
pub use self::{
    code::Code,
    kept::Kept,
    names::{DEFAULT_RESOURCE_GROUP, DEFAULT_SUBSCRIPTION},
    problem::{Problem, Problems, Severity, Style},
    schema::schema,
    values::values,
};
use self::{
    decode::Decode,
    problem::{Finding, Findings},
    source::Span,
    types::Document,
};
use crate::topology::model::Topology;

/// A document that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// The network that it describes.
    pub topology: Topology,
    /// What is legal in it but hardly meant.
    pub warnings: Problems,
}

/// Reads a document. `source_name` is how problems call the file.
pub fn load(source_name: &str, text: &str) -> Result<Loaded, Problems> {
    load_after(&Kept::default(), source_name, text).map(|(loaded, _)| loaded)
}

/// Reads a document after another one, with the same result: what is written as before is not read
/// again. What is kept of this one is for the next.
pub fn load_after(
    before: &Kept,
    source_name: &str,
    text: &str,
) -> Result<(Loaded, Kept), Problems> {
    // Windows editors leave a mark at the beginning.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut findings = Findings::default();
    let (tree, keeper) = tree::parse_after(before, text, &mut findings);
    let document = tree.and_then(|node| Document::decode(&node, &mut findings));
    let topology = document.and_then(|document| validate::validate(&document, &mut findings));
    let failed = findings.has_errors();
    if !findings.is_empty()
        && let Some(keeper) = &keeper
    {
        findings.relocate(&keeper.places());
    }
    let problems = findings.into_problems(source_name, text);
    match topology {
        Some(topology) if !failed => {
            let kept = keeper.map(|keeper| keeper.finish(text)).unwrap_or_default();
            Ok((Loaded { topology, warnings: problems }, kept))
        }
        _ => Err(problems),
    }
}

/// Reads a document from a file.
pub fn read(path: &Path) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => load(&name, &text),
        Err(error) => {
            let message = format!("{name} cannot be read: {error}");
            let mut findings = Findings::default();
            findings.push(
                Finding::error(Code::FileNotReadable, Span::default(), message)
                    .help("give the path of a YAML or JSON file in UTF-8 that you may read"),
            );
            Err(findings.into_problems(&name, ""))
        }
    }
}
