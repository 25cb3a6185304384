//! The lookups and counters that the core needs, and nothing else.

use crate::{
    abi::{Config, DropEvent, Link, NextHop, Nic, Node4, Node6, Roots, Vnet, Vtep},
    reason::DropReason,
    types::{Addr, LinkId, NextHopId, NicId, TableId, VnetId, VtepId},
};

/// The tables of one host. Lookups on the path of every packet are array-shaped; the three that are
/// hashes ([`Tables::relation`], [`Tables::vtep_by_address`], [`Tables::owns_address`]) serve
/// unusual packets only.
pub trait Tables {
    /// This host's settings.
    fn config(&self) -> Option<&Config>;
    /// The NIC behind an interface.
    fn nic_of_interface(&self, ifindex: u32) -> Option<NicId>;
    /// A NIC.
    fn nic(&self, id: NicId) -> Option<&Nic>;
    /// A virtual network.
    fn vnet(&self, id: VnetId) -> Option<&Vnet>;
    /// Roots of a table of effective routes.
    fn routes(&self, id: TableId) -> Option<&Roots>;
    /// A node of an IPv4 trie.
    fn node4(&self, index: u32) -> Option<&Node4>;
    /// A node of an IPv6 trie.
    fn node6(&self, index: u32) -> Option<&Node6>;
    /// A next hop.
    fn next_hop(&self, id: NextHopId) -> Option<&NextHop>;
    /// A link.
    fn link(&self, id: LinkId) -> Option<&Link>;
    /// The link by which `vnet` is peered with `remote`.
    fn relation(&self, vnet: VnetId, remote: VnetId) -> Option<LinkId>;
    /// A remote host.
    fn vtep(&self, id: VtepId) -> Option<&Vtep>;
    /// The remote host with this underlay address.
    fn vtep_by_address(&self, addr: Addr) -> Option<VtepId>;
    /// Whether `addr` is one of the NIC's addresses beyond the first of each family.
    fn owns_address(&self, nic: NicId, addr: Addr) -> bool;
    /// Counts traffic that leaves a VNet over `link`.
    fn meter_egress(&self, link: LinkId, packets: u64, bytes: u64);
    /// Counts traffic that enters a VNet over `link`.
    fn meter_ingress(&self, link: LinkId, packets: u64, bytes: u64);
    /// Counts a dropped frame and returns how many were dropped for this reason before.
    fn count_drop(&self, slot: u32, reason: DropReason, bytes: u32) -> u64;
    /// Hands a sampled drop to user space.
    fn report(&self, event: &DropEvent);
    /// Kernel jiffies.
    fn jiffies(&self) -> u64;
}
