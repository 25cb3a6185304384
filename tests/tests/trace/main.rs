//! `trace`: that it names what is wrong, and that it says what the kernel does.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics, with the place where"
)]

mod agree;
mod document;
mod kernel;
mod quiz;
