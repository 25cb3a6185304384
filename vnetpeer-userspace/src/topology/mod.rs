//! From a validated network to the contents of one host's BPF maps, in pure steps.
//!
//! ```text
//! Topology ──state::advance──▶ State ──compile──▶ Desired ──plan──▶ ordered operations
//! ```
//!
//! - [`model`]: the validated network, as `document` builds it.
//! - [`state`]: what persists between applies: numbers, GUIDs, peering states and synced spaces.
//! - [`network`]: a topology joined with its numbers.
//! - [`routes`]: effective routes of a subnet by Azure's rules.
//! - [`policy`]: security rules with everything resolved, and their classifiers.
//! - [`effective_security`]: security rules as they apply to a NIC, in Azure's shape.
//! - [`balancing`]: load balancers' frontends, who takes their flows, and whom their probes ask.
//! - [`facts`] and [`compile`]: what one host's maps should hold.
//! - [`trie`]: tables of prefixes as interned nodes.
//! - [`plan`]: the smallest ordered list of map operations from what is to what should be.
//! - [`diff`]: the same difference for people.
//! - [`meters`]: what usage records say of a link.
//!
//! Nothing here does I/O, reads a clock or logs.

pub mod balancing;
pub mod compile;
pub mod desired;
pub mod diff;
pub mod effective_security;
pub mod facts;
pub mod flow_verify;
pub mod meters;
pub mod model;
pub mod network;
pub mod plan;
pub mod policy;
mod prefixes;
pub mod routes;
mod service_tags;
pub mod state;
pub mod trie;

#[cfg(test)]
pub(crate) mod testing;
