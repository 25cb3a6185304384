//! Tables of prefixes as leaf-pushed stride-8 tries whose nodes are shared by content.
//!
//! A trie is built whole from a sorted list of prefixes; every node of it is looked up by content in
//! a [`Pool`] first, so equal subtrees exist once, and building a table that changed a little makes
//! only the nodes on the changed paths. Nodes are never changed while something can read them.
//!
//! The kernel's walk is in `vnetpeer_common::datapath`; nothing here decides what a leaf means.

mod build;
mod flatten;
mod format;
mod over;
mod pool;
#[cfg(test)]
pub(super) mod tests;

pub use self::{
    build::{Prefix, build},
    format::{Children, NodeFormat},
    pool::{Exhausted, Finished, Interner, Pool, QUARANTINE_GENERATIONS},
};
pub(super) use self::{
    flatten::{flatten, meet},
    over::{build_over, keep_all},
};
