//! Which addresses belong to `VirtualNetwork`, to `Internet` and to the platform.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vnetpeer_userspace::topology::model::NicIndex;

use super::Oracle;

/// DNS, DHCP, load balancer probes and the agent's channel.
const WIRE_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));
/// Instance metadata.
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// IPv4 addresses that nobody reaches over the Internet.
const NOT_PUBLIC: [Ipv4Net; 8] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 3),
];
/// Global unicast addresses of IPv6.
const PUBLIC_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Whether an address is one of the platform's own.
pub(super) fn is_platform(address: IpAddr) -> bool {
    address == WIRE_SERVER || address == METADATA
}

/// Whether an address is in tag `AzureLoadBalancer`.
pub(super) fn is_load_balancer(address: IpAddr) -> bool {
    address == WIRE_SERVER
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC.iter().any(|prefix| prefix.contains(&address)),
        IpAddr::V6(address) => PUBLIC_V6.contains(&address),
    }
}

impl Oracle {
    /// Whether an address is in tag `VirtualNetwork` as a NIC sees it: in the own address space, in
    /// that of a peer (as last synced) to which access is allowed, in a prefix of the subnet's
    /// user-defined routes, or the platform's.
    pub(super) fn in_virtual_network(&self, nic: NicIndex, address: IpAddr) -> bool {
        let holds = |prefixes: &[IpNet]| prefixes.iter().any(|prefix| prefix.contains(&address));
        let own = self.nic(nic).vnet;
        let vnet = self.topology.vnet(own).expect("the NIC has a VNet");
        if address == WIRE_SERVER || holds(&vnet.address_space) {
            return true;
        }
        for (index, peering) in self.topology.peerings.iter().enumerate() {
            let connected = peering.vnet == own && peering.reverse.is_some();
            if !connected || !peering.allow_virtual_network_access {
                continue;
            }
            let remote = self.topology.vnet(peering.remote).expect("the peering leads to a VNet");
            if holds(self.synced.get(&index).unwrap_or(&remote.address_space)) {
                return true;
            }
        }
        let table = self.subnet(nic).route_table;
        let table = table.map(|it| self.topology.route_table(it).expect("the route table exists"));
        table.is_some_and(|it| it.routes.iter().any(|route| route.prefix.contains(&address)))
    }

    /// Whether an address is in tag `Internet` as a NIC sees it.
    pub(super) fn in_internet(&self, nic: NicIndex, address: IpAddr) -> bool {
        is_public(address) && !self.in_virtual_network(nic, address)
    }
}
