//! Test support: what the tests and benchmarks of more than one crate share.
//!
//! - [`azure`] has Azure's rules by their numbers, with documents and packets that show them.
//! - [`packet`] builds frames without any code of the datapath.
//! - [`world`] is a small fixed network; [`case`](mod@case) is a frame that meets it, with what must
//!   come of it; [`cases`] is the table of them.
//! - [`frame`] and [`tables`] are the core's two interfaces in host memory, [`kernel`] the same on the
//!   loaded programs; [`run`] compares.
//! - [`random`] makes frames from a seed.
//! - [`netns`] builds whole deployments and sends packets in them; [`oracle`] says who should reach
//!   whom there.
//! - [`scale`] is large deployments: their documents, and packets through a real host's maps.
//! - [`object`] finds the BPF objects; [`verifier`] and [`stack`] tell what their programs cost.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test that cannot go on panics, with the place where"
)]

pub mod azure;
pub mod capacity;
pub mod case;
pub mod cases;
pub mod counters;
pub mod frame;
pub mod kernel;
pub mod netns;
pub mod object;
pub mod oracle;
pub mod packet;
pub mod random;
pub mod run;
pub mod scale;
pub mod security;
pub mod stack;
pub mod tables;
pub mod verifier;
pub mod world;
