//! Judges for network security groups and security admin rules.
//!
//! - [`probe`] is a packet as rules see it, [`frame`](mod@frame) the bytes of one.
//! - [`oracle`] judges a packet by naive means: what Azure's pages say, rule after rule, in the order
//!   of priority. It shares no code with the compiler of rules.
//! - [`nftables`] gives the same groups to another implementation, the kernel's packet filter with its
//!   connection tracking, and sends packets through it.
//! - [`network`] is the deployment around the groups; [`random`] makes groups from a seed that meet in
//!   every way that rules can meet, [`classbench`] sets of rules as they are found at the edge of real
//!   networks. Both make packets that hit the edges of their rules.
//! - [`product`] is what is judged: the maps that the product fills for the same groups, and the frames
//!   of the same packets.

pub mod classbench;
pub mod frame;
pub mod network;
pub mod nftables;
pub mod oracle;
pub mod probe;
pub mod product;
pub mod random;

pub use self::{
    oracle::{Judgement, Level, Oracle, Stage, Tracker, Verdict},
    probe::{Probe, Upper},
};
