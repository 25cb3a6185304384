//! Every per-packet decision, free of aya, of `unsafe` and of allocation.
//!
//! The core is generic over [`Packet`] (bytes of one frame) and [`Tables`] (lookups and counters).
//! The kernel programs, the tests, the fuzzers and `trace` run this same code.
//!
//! *Outbound* and *inbound* are seen from the NIC, as network security groups see them: [`outbound()`]
//! handles a frame that a workload sent, [`inbound()`] one that came from another host over the
//! underlay. *Egress* and *ingress* are used for meters only, seen from the VNet.
//!
//! Functions are `#[inline(always)]`: a call costs as much as three array lookups, and packet pointers
//! must not cross a function that the verifier checks on its own. What [`Tables`] offers as a call of
//! its own is not on the way of a packet that the flow cache serves.

mod account;
mod address;
mod arp;
mod deliver;
mod encap;
mod flow;
mod forward;
mod icmp_error;
mod inbound;
mod ndp;
mod outbound;
mod packet;
mod parse;
mod resolve;
mod route;
mod shape;
mod tables;
mod translate;
mod verdict;
mod watch;

pub use address::Address;
pub use encap::{Family, OUTER_V4_LEN, OUTER_V6_LEN};
pub use flow::{
    Admission, Case, FlowQuery, Found, LiveCached, LiveFlow, LiveTags, Opened, admit, arrive,
    choose, classify, floats, keep_fragment, query_flags, slot_of_turn, turn,
};
pub use inbound::inbound;
pub use outbound::{is_v6, outbound, outbound_cached, outbound_other, outbound_v6};
pub use packet::{OFFSET_MAX, Packet};
pub use parse::Headers;
pub use resolve::{Resolved, resolve};
pub use route::{lookup4, lookup6};
pub use shape::reply_interface;
pub use tables::{Describe, Nodes, Tables};
pub use translate::{Change, Replace, Side};
pub use verdict::{Delivery, Transmission, Verdict};
pub use watch::{Sight, witness};
