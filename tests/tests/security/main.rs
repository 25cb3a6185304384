//! Network security groups and security admin rules: the oracle on cases written by hand and against the
//! kernel's packet filter, and the product against the oracle.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics, with the place where"
)]

mod cases;
mod datapath;
mod flow_verify;
mod flows;
mod generators;
mod nftables;
