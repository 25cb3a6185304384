//! Large deployments: a hub with its spokes, and a mesh. Who reaches whom follows from their shape alone.

mod document;
mod host;

pub use self::{
    document::{Deployment, HOST, HOSTS, Shape, address, read, read_after},
    host::{Host, PACKET_BYTES, Passed, facts, guest_mac},
};
