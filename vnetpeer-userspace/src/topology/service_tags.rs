//! What the service tags that follow routing stand for: one definition for what the datapath decides and
//! for what is listed.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    model::RouteTableIndex,
    network::{Network, NumberedPeering, NumberedVnet},
    routes::{GroupRoutes, gateway::UsedGateway},
};

/// The virtual address of the platform's DNS, DHCP and load balancer probes: it is in `VirtualNetwork` of
/// every subnet, and `AzureLoadBalancer` stands for it.
pub(super) const PLATFORM: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32);

/// IPv4 addresses that are not public: this network, private and shared space, loopback, link-local,
/// multicast and reserved space (RFC 6890).
pub(super) const NOT_PUBLIC_V4: [Ipv4Net; 8] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// IPv6 addresses that are public: global unicast (RFC 4291 §2.4).
pub(super) const PUBLIC_V6: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The prefixes of tag `VirtualNetwork`, seen from the subnets of `vnet` with the route table at `table`:
/// the VNet's own space, the synced spaces of connected peers that it gives access, the spaces of the
/// members of its connected groups, what is connected with the gateway that it uses, the prefixes of the
/// table's user-defined routes, and the platform's virtual address (AZ §4.5).
pub(super) fn virtual_network(
    network: &Network<'_>,
    vnet: &NumberedVnet<'_>,
    table: Option<RouteTableIndex>,
) -> BTreeSet<IpNet> {
    let mut prefixes = without_groups(network, vnet, table);
    let group = GroupRoutes::of(network, vnet, table);
    prefixes.extend(group.iter().flat_map(GroupRoutes::spaces));
    prefixes
}

/// Of these, the prefixes that are there without connected groups.
pub(super) fn without_groups(
    network: &Network<'_>,
    vnet: &NumberedVnet<'_>,
    table: Option<RouteTableIndex>,
) -> BTreeSet<IpNet> {
    let own = vnet.vnet.address_space.iter();
    let peers = vnet.peerings.iter().filter(|it| it.peering.allow_virtual_network_access);
    let peers = peers.flat_map(NumberedPeering::space);
    let gateway = UsedGateway::of(network, vnet).filter(UsedGateway::has_access);
    let connected = gateway.map(|it| it.prefixes(network)).unwrap_or_default();
    let table = table.and_then(|index| network.topology.route_table(index));
    let routes = table.into_iter().flat_map(|table| &table.routes).map(|route| &route.prefix);
    let prefixes = own.chain(peers).chain(&connected).chain(routes).map(IpNet::trunc);
    prefixes.chain([IpNet::V4(PLATFORM)]).collect()
}
