//! What the kernel programs, the control program and the tests share.
//!
//! - [`types`]: values that name things (ids, MAC and IP addresses).
//! - [`wire`]: header layouts as they are on the wire, all with alignment 1.
//! - [`checksum`]: the Internet checksum, whole and incremental.
//! - [`abi`]: keys and values of every BPF map, one definition for both sides.
//! - [`reason`]: why a packet was dropped; one list for kernel, command line and docs.
//! - [`datapath`]: every per-packet decision, generic over packet access and tables.
//!
//! The crate has no `unsafe`, allocates nothing, knows nothing of aya, and compiles for the host and
//! for `bpfel-unknown-none`.
#![no_std]
#![forbid(unsafe_code)]

pub mod abi;
pub mod checksum;
pub mod datapath;
pub mod reason;
pub mod types;
pub mod wire;
