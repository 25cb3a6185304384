//! Azure's rules by their numbers, as data: documents, what is done with them, and what must come of it.
//!
//! - [`Document`] is a small network, and what a case changes in it.
//! - [`PacketCase`] is a network with packets and their fate. The table ([`packets::all`]) runs on the
//!   datapath core in host memory and again in a lab, with real agents and programs.
//!
//! Cases that need no packets are in `tests/tests/azure`. Which rule has which cases, and what was decided
//! where Azure's pages leave something open, is in `docs/azure-coverage.md`.

mod case;
mod document;
pub mod packets;

pub use self::{
    case::{Families, Learned, PacketCase, Probe, Target, Verdict},
    document::{Document, HOSTS, NICS, arm_id},
};
