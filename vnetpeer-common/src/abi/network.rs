//! Virtual networks, NICs, routes and links.

use bytemuck::{Pod, Zeroable};

use super::Entry;
use crate::types::{LinkId, Mac, NicId, TableId, VnetId, VtepId};

/// Bits of [`Nic::flags`].
pub mod nic_flags {
    /// The entry is in use.
    pub const PRESENT: u32 = 1;
    /// `enableIPForwarding`: may send from, and be handed packets for, addresses that are not its own.
    pub const FORWARDING: u32 = 1 << 1;
    /// [`super::super::maps::NIC_ADDRS`] holds more of its addresses.
    pub const MORE_ADDRESSES: u32 = 1 << 2;
    /// The host end is a veth whose peer is in another namespace: deliver with `bpf_redirect_peer`.
    pub const DELIVER_PEER: u32 = 1 << 3;
    /// The interface takes frames that XDP redirects to it.
    pub const DELIVER_XDP: u32 = 1 << 4;
    /// It stands for a virtual network gateway: what it forwards crosses a peering on the account of the
    /// other side, and without `allowForwardedTraffic`, if that side has `useRemoteGateways`.
    pub const GATEWAY: u32 = 1 << 5;
    /// It stands for a frontend of a load balancer: packets to it go to one of the backends.
    pub const FRONTEND: u32 = 1 << 6;
    /// That load balancer is of SKU `Basic`: not reached over global peerings.
    pub const BASIC: u32 = 1 << 7;
    /// Health probes ask it: what it sends to the platform's address by TCP goes up to the host, where
    /// only their packet sockets take it.
    pub const PROBED: u32 = 1 << 8;
}

/// A network interface, local or remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Nic {
    /// Bits of [`nic_flags`].
    pub flags: u32,
    /// Its virtual network.
    pub vnet: VnetId,
    /// The host that has it; `NONE` for this host.
    pub vtep: VtepId,
    /// The effective routes of its subnet (local NICs only).
    pub table: TableId,
    /// The interface on this host behind which the workload sits (local NICs only).
    pub ifindex: u32,
    /// Its row of drop counters (local NICs only).
    pub slot: u32,
    /// The guest's own MAC address (local NICs only).
    pub mac: Mac,
    /// Largest IP packet that the interface takes, in bytes; 0 where unknown (remote NICs).
    pub mtu: u16,
    /// Primary IPv4 address, or zeros.
    pub ipv4: [u8; 4],
    /// The virtual router's IPv4 address in the NIC's subnet: the source of ICMP errors. Or zeros.
    pub gateway_ipv4: [u8; 4],
    /// Primary IPv6 address, or zeros.
    pub ipv6: [u8; 16],
    /// Raised by every change that could alter what happens to a packet of the NIC (local NICs only);
    /// cached actions of another epoch are void.
    pub epoch: u32,
    /// The interface through which its frames go first where what it sends is limited; 0: nowhere
    /// (local NICs only).
    pub shaper: u32,
}

/// Bits of [`Vnet::flags`].
pub mod vnet_flags {
    /// At least one of its NICs lives on this host.
    pub const HOSTED: u32 = 1;
}

/// A virtual network: who lives where in it, and whose address space is whose around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Vnet {
    /// Bits of [`vnet_flags`].
    pub flags: u32,
    /// The number of its region.
    pub region: u32,
    /// The links that meter what it exchanges with other members of its connected groups: `[0]` those of
    /// its region, `[1]` those of others. None where it is in no connected group.
    pub group_links: [LinkId; 2],
    /// Trie of its own address space: leaf = NIC id, or 0 where no NIC has the address.
    pub endpoints: Roots,
    /// Trie of its peers' address spaces as last synced: leaf = id of this VNet's link to the peer, or
    /// [`group_member`] of a VNet that is in a connected group with it.
    pub peers: Roots,
}

/// Set in a leaf of [`Vnet::peers`] that names a member of a connected group and no link.
const GROUP_MEMBER: u32 = 1 << 30;

/// A leaf of [`Vnet::peers`] for an address of a member of a connected group. It names the VNet, so that all
/// members can share one trie.
#[inline(always)]
pub const fn group_member(vnet: VnetId) -> u32 {
    GROUP_MEMBER | vnet.0
}

/// The VNet that a leaf of [`Vnet::peers`] names; none if it names a link.
#[inline(always)]
pub const fn member_of_group(leaf: u32) -> VnetId {
    VnetId((leaf & !GROUP_MEMBER) * (leaf >> 30))
}

/// Roots of a pair of tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Roots {
    /// IPv4.
    pub v4: Entry,
    /// IPv6.
    pub v6: Entry,
}

/// Values of [`NextHop::kind`].
pub mod next_hop_kind {
    /// Route of type `None`: drop.
    pub const NONE: u16 = 0;
    /// An address of virtual network `target`: its own (link is none) or a peered one.
    pub const VNET: u16 = 1;
    /// The NIC `target`, whatever the destination address: a virtual appliance or an uplink.
    pub const NIC: u16 = 2;
    /// The route names a next hop that cannot be reached.
    pub const UNREACHABLE: u16 = 3;
    /// Route to the Internet, and no host offers an uplink for this VNet.
    pub const NO_UPLINK: u16 = 4;
    /// One of several appliances: `target` is a node of [`super::super::maps::TRIE_V4`] of which each child
    /// is the leaf of a next hop, and a hash of the flow that is the same for both directions chooses.
    pub const SPREAD: u16 = 5;
    /// An address of virtual network `target`, which is in a connected group with that of the table's
    /// subnets, or is that network itself: then there is no link. Else both sides' links are their
    /// [`super::Vnet::group_links`].
    pub const CONNECTED_GROUP: u16 = 6;
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct NextHop {
    /// One of [`next_hop_kind`].
    pub kind: u16,
    /// One of [`super::address_class`]: which service tags hold the addresses that lead here, seen from
    /// the table's subnets.
    pub class: u16,
    /// A VNet id or a NIC id, by kind.
    pub target: u32,
    /// The link that the packet leaves over, A→B; none inside the VNet.
    pub link: LinkId,
    /// The other side's link, B→A.
    pub reverse: LinkId,
}

/// Bits of [`Link::flags`].
pub mod link_flags {
    /// Both sides are `Connected`.
    pub const CONNECTED: u32 = 1;
    /// `allowVirtualNetworkAccess`.
    pub const ALLOW_ACCESS: u32 = 1 << 1;
    /// `allowForwardedTraffic`: take packets whose source is outside the peer's address space.
    pub const ALLOW_FORWARDED: u32 = 1 << 2;
    /// `useRemoteGateways`: this side uses the gateway of the other.
    pub const USE_REMOTE_GATEWAYS: u32 = 1 << 3;
    /// The VNets are in different regions.
    pub const GLOBAL: u32 = 1 << 4;
    /// It meters a connected group and leads to no one VNet: `remote` and `reverse` are none.
    pub const CONNECTED_GROUP: u32 = 1 << 5;
}

/// One directed peering object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Link {
    /// Bits of [`link_flags`].
    pub flags: u32,
    /// The VNet that owns the object.
    pub vnet: VnetId,
    /// The VNet that it points at.
    pub remote: VnetId,
    /// The object of the other side.
    pub reverse: LinkId,
}

/// Key of the relation map: "how does `vnet` stand to `remote`?"
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct RelationKey {
    /// The VNet that asks, the receiving one.
    pub vnet: VnetId,
    /// The VNet that the packet comes from.
    pub remote: VnetId,
}

const _: () = assert!(size_of::<Nic>() == 64, "a NIC is one cache line");
const _: () = assert!(size_of::<NicId>() == size_of::<u32>(), "leaves carry NIC ids");
