//! Whole deployments in network namespaces: real agents, programs, sockets and a foreign VXLAN
//! device. Each test builds a lab with a name of its own and takes it down again.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on panics, with the place where"
)]

mod apply;
mod azure;
mod balancer;
mod bandwidth;
mod chain;
mod connectivity;
mod doctor;
mod gateway;
mod interop;
mod lifecycle;
mod manager;
mod metering;
mod mtu;
mod outputs;
mod peering;
mod permission;
mod plan;
mod security;
mod spoof;
mod trace;
mod vm;
mod watch;
