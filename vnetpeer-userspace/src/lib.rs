//! The control program as a library.
//!
//! ```text
//! document ──parse, validate──▶ topology ──compile──▶ desired ──plan──▶ operations ──▶ dataplane
//! ```
//!
//! [`document`] reads and judges what people write, [`topology`] computes, [`dataplane`] touches the
//! kernel, [`agent`] ties them together on one host, [`lab`] builds whole deployments in network
//! namespaces, [`permission`] decides who may do what, [`arm`] has resources in ARM's shapes, [`graph`] draws
//! pictures, [`explanation`] says what codes mean, [`doctor`] whether a host has what is needed, and [`cli`] is
//! the command line.

pub mod agent;
pub mod arm;
pub mod cli;
pub mod dataplane;
pub mod doctor;
pub mod document;
pub mod explanation;
pub mod graph;
pub mod lab;
pub mod permission;
pub mod simulate;
pub mod topology;
