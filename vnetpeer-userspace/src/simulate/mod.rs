//! What becomes of a packet in a deployment, computed: the datapath core runs in user space over the
//! maps that every host's agent would fill.
//!
//! ```text
//! Topology, State ──compile, plan──▶ operations ──▶ Image (maps of one host)
//! Packet ──▶ core on the sender's Image ──tunnel──▶ core on the receiver's Image ──▶ Journey
//! ```
//!
//! - [`Network`]: the hosts with their maps. It is never changed by packets.
//! - [`Session`]: sends packets and keeps the flows that they open.
//! - [`Journey`], [`Exchange`]: which NICs and links a packet passed, and where and why it ended.
//! - [`HostMaps`]: the same over maps that were read from a kernel.
//! - [`trace`]: one packet with its answer, explained.
//! - [`reach`]: who reaches whom by what traffic, and what a change makes of it.
//!
//! What only a running host knows is made up: every interface is there, every host is reachable, no
//! flow table is full. Nothing here does I/O or reads a clock.

mod facts;
mod flows;
mod frame;
mod host;
mod image;
mod journey;
mod lookup;
mod network;
mod packet;
pub mod reach;
mod session;
mod tables;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod wire;

pub use self::{
    host::{FrameEnd, HostMaps},
    journey::{Drop, End, Exchange, Hop, Journey},
    network::{Network, SimulateError, Stop},
    packet::{Packet, Protocol},
    session::Session,
};
