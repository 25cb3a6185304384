//! The kernel side of one host: programs, maps, pins and what the host's interfaces are like.
//!
//! - [`load`]: creates or adopts the pinned maps and loads the programs.
//! - [`maps`]: executes operations, reads everything back, reads counters.
//! - [`attach`]: puts programs on interfaces and takes them off, by pinned links.
//! - [`features`], [`clock`]: what the kernel can, and how well it keeps the time.
//! - [`counters`]: meters and drops, read in batches.
//! - [`events`]: what the programs tell of packets.
//! - [`flows`]: the flow tables and their counters, for listing and aging.
//! - [`live`]: frames through a copy of the programs, without a trace.
//! - `sizes`: how large the maps that hold flows are.
//! - [`probe`]: what netlink tells about interfaces, routes and neighbours.
//! - [`watch`]: which packets the programs are to tell of.
//! - [`shaper`]: the queues that limit what NICs send.
//!
//! Nothing here decides what the maps should hold; that is [`crate::topology`].

pub mod attach;
pub mod clock;
pub mod counters;
pub mod events;
pub mod features;
pub mod flows;
pub mod live;
pub mod load;
pub mod maps;
pub mod probe;
pub mod shaper;
mod sizes;
mod sys;
pub mod watch;

pub use load::{Dataplane, LoadError};
pub use sizes::LoadOptions;
