//! From what the maps hold to what they should hold: the smallest list of operations, in an order
//! in which every beginning of the list is safe.
//!
//! A packet's verdict is one choice, the route, and a conjunction of conditions around it: the NIC is
//! present, the endpoint has the address, the link is connected and allows it, the relation exists.
//! So the order is:
//!
//! 1. prepare what nothing names yet: tunnel endpoints;
//! 2. tighten every condition to what the old and the new contents both allow;
//! 3. put new rules in force (see below), and let nobody in without a filter;
//! 4. switch the routes, one root at a time;
//! 5. loosen every condition to the new contents, interfaces last;
//! 6. clear what nothing names any more;
//! 7. give the NICs whose packets may fare differently a new epoch.
//!
//! Before 3 a packet gets the old verdict or is dropped, after it the new one or is dropped, and a
//! packet that gets the same verdict for the same reasons before and after is never dropped, with two
//! exceptions: packets of NICs that swap route tables while both tables change, and packets over a connected
//! group of a VNet that changes its region or its groups. Trie nodes and next
//! hops are written before the first root that leads to them.
//!
//! Security rules judge a NIC's packets in each direction as before, as after, or deny. What decides
//! is the NIC's filter, the policies that it names, and the table that says which service tags an
//! address is in. If only one of these changes, one operation does it. If more than one does, the
//! direction is closed for new flows until all have changed ([`CLOSED`](super::policy::CLOSED)).
//!
//! Epochs are even. While a plan is being executed [`abi::Config::epoch`] is odd, so whoever finds it
//! odd knows that a plan was not finished, and gives every local NIC a new one.
//!
//! Nothing here executes an operation; whoever does may stop anywhere, read the maps back
//! ([`Observed::adopt`]) and plan again.

mod adopt;
mod agree;
mod epochs;
mod filters;
mod observed;
mod policies;
mod sequence;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vnetpeer_common::{
    abi,
    types::{Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, TableId, VnetId, VtepId},
};

pub use self::{
    adopt::RawMaps,
    observed::{Observed, PoolCapacities},
};
use self::{sequence::Sequence, tables::Tables};
use super::desired::Desired;

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A kernel array is too small for the tables.
    #[error("map {map} is full: it holds {capacity} entries, the first of them unused")]
    Exhausted {
        /// The map.
        map: &'static str,
        /// Its capacity.
        capacity: u32,
    },
    /// A policy has more rules than a row has bits.
    #[error("policy {policy} has {rules} rules, {max} at most", max = abi::RULES_MAX)]
    TooManyRules {
        /// Its number.
        policy: PolicyId,
        /// How many rules it has, default rules included.
        rules: usize,
    },
}

/// One system call on one map. `Set…` with an all-zero value empties an array's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Write a node of the IPv4 trie.
    SetNode4 {
        /// Its index.
        index: u32,
        /// Its content.
        node: Arc<abi::Node4>,
    },
    /// Write a node of the IPv6 trie.
    SetNode6 {
        /// Its index.
        index: u32,
        /// Its content.
        node: Arc<abi::Node6>,
    },
    /// Write a next hop.
    SetNextHop {
        /// Its index.
        id: NextHopId,
        /// Its content.
        next_hop: abi::NextHop,
    },
    /// Write a row of rules.
    SetRow {
        /// Its index.
        index: u32,
        /// Its content.
        row: Arc<abi::Row>,
    },
    /// Write the compiled rules of a policy.
    SetClassifier {
        /// Its index.
        index: u32,
        /// Its content.
        classifier: Arc<abi::Classifier>,
    },
    /// Put compiled rules in force; 0: everything is denied.
    SetPolicy {
        /// The policy.
        id: PolicyId,
        /// Index of the compiled rules.
        classifier: u32,
    },
    /// Say what judges a local NIC.
    SetFilter {
        /// The NIC's slot.
        slot: u32,
        /// The filter.
        filter: abi::Filter,
    },
    /// Say which NIC is behind an interface; none: no NIC.
    SetIface {
        /// Interface index.
        ifindex: u32,
        /// The NIC.
        nic: NicId,
    },
    /// Write a NIC.
    SetNic {
        /// Its index.
        id: NicId,
        /// Its content.
        nic: abi::Nic,
    },
    /// Write a virtual network.
    SetVnet {
        /// Its index.
        id: VnetId,
        /// Its content.
        vnet: abi::Vnet,
    },
    /// Write the roots of a table of effective routes.
    SetRoutes {
        /// Its index.
        id: TableId,
        /// The roots.
        roots: abi::Roots,
    },
    /// Write a link.
    SetLink {
        /// Its index.
        id: LinkId,
        /// Its content.
        link: abi::Link,
    },
    /// Set the link of a pair of virtual networks.
    SetRelation {
        /// The pair.
        key: abi::RelationKey,
        /// The receiving side's link.
        link: LinkId,
    },
    /// Remove a pair of virtual networks.
    DeleteRelation {
        /// The pair.
        key: abi::RelationKey,
    },
    /// Write a load balancing rule.
    SetBalancer {
        /// Its index.
        id: BalancerId,
        /// Its content.
        balancer: abi::Balancer,
    },
    /// Let a load balancing rule take packets.
    SetFrontend {
        /// Which packets.
        key: abi::FrontendKey,
        /// The rule.
        id: BalancerId,
    },
    /// Let no load balancing rule take packets.
    DeleteFrontend {
        /// Which packets.
        key: abi::FrontendKey,
    },
    /// Write a remote host.
    SetVtep {
        /// Its index.
        id: VtepId,
        /// Its content.
        vtep: abi::Vtep,
    },
    /// Admit an outer source address.
    SetVtepAddr {
        /// The address.
        addr: Addr,
        /// The host that has it.
        id: VtepId,
    },
    /// Admit an outer source address no longer.
    DeleteVtepAddr {
        /// The address.
        addr: Addr,
    },
    /// Add an address of a NIC beyond the first of each family.
    SetNicAddr {
        /// The NIC and the address.
        key: abi::AddressKey,
    },
    /// Remove such an address.
    DeleteNicAddr {
        /// The NIC and the address.
        key: abi::AddressKey,
    },
    /// Write the host's settings.
    SetConfig {
        /// The settings.
        config: abi::Config,
    },
    /// Set a link's meter to zero on every CPU: the number is about to name another link.
    ZeroMeter {
        /// The link.
        id: LinkId,
    },
    /// Set a row of drop counters to zero on every CPU: it is about to count for another NIC.
    ZeroDrops {
        /// The row.
        slot: u32,
    },
}

/// What to do, and what the maps hold afterwards.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The operations, to be executed one by one.
    pub ops: Vec<Op>,
    /// What the maps hold when all of them were.
    pub next: Observed,
}

/// The operations that take the maps from `observed` to `desired`.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, PlanError> {
    let tables = Tables::build(desired, observed)?;
    let (ops, mut next) = Sequence::new(desired, observed, &tables).run();
    next.flushing = Some(desired.flushing.clone());
    next.built = tables.built.clone();
    next.known = tables.known.clone();
    if !ops.is_empty() {
        next.adopt_pools(tables);
    }
    Ok(Plan { ops, next })
}
