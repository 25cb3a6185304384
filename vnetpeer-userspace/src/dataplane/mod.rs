//! The kernel side of one host: programs, maps, pins and what the host's interfaces are like.
//!
//! - [`load`]: creates or adopts the pinned maps and loads the programs.
//! - [`maps`]: executes operations, reads everything back, reads counters.
//! - [`attach`]: puts programs on interfaces and takes them off, by pinned links.
//! - [`probe`]: what netlink tells about interfaces, routes and neighbours.
//!
//! Nothing here decides what the maps should hold; that is [`crate::topology`].

pub mod attach;
pub mod load;
pub mod maps;
pub mod probe;
mod sys;

pub use load::{Dataplane, LoadError};
