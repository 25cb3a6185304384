//! The deployment around the groups under test: a virtual network with two subnets, one that is peered
//! with access, one that is peered without, one that never answered, and user-defined routes.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    ApplicationSecurityGroup, ApplicationSecurityGroupIndex, HookMode, Host, HostIndex, Nic,
    NicIndex, Peering, PeeringIndex, PeeringScope, ResourceId, Route, RouteNextHop, RouteTable,
    RouteTableIndex, Subnet, SubnetIndex, Topology, Vnet, VnetIndex,
};

use crate::random::Random;

/// The NIC whose packets are judged. It is in the first subnet of the first virtual network.
pub const JUDGED: NicIndex = NicIndex(0);

/// Application security groups: two whose members are in the first virtual network, one of the second,
/// and one without members.
pub const GROUPS: usize = 4;

/// A virtual network: name, address space, prefixes of each subnet.
struct VnetOf(&'static str, &'static [&'static str], &'static [&'static [&'static str]]);

const VNETS: [VnetOf; 4] = [
    VnetOf(
        "own",
        &["10.0.0.0/16", "fd00:a::/48"],
        &[&["10.0.1.0/24", "fd00:a:0:1::/64"], &["10.0.2.0/24", "fd00:a:0:2::/64"]],
    ),
    VnetOf(
        "friend",
        &["10.1.0.0/16", "172.20.0.0/15", "fd00:b::/48"],
        &[&["10.1.1.0/24", "fd00:b:0:1::/64"]],
    ),
    VnetOf("stranger", &["10.2.0.0/16", "fd00:c::/48"], &[&["10.2.1.0/24", "fd00:c:0:1::/64"]]),
    VnetOf("silent", &["10.3.0.0/16", "fd00:d::/48"], &[&["10.3.1.0/24", "fd00:d:0:1::/64"]]),
];

/// A NIC: name, VNet, subnet, host, addresses, application security groups.
struct NicOf(&'static str, usize, usize, usize, &'static [&'static str], &'static [usize]);

const NICS: [NicOf; 6] = [
    NicOf("judged", 0, 0, 0, &["10.0.1.4", "fd00:a:0:1::4", "10.0.1.127", "fd00:a:0:1::ff"], &[0]),
    NicOf("sibling", 0, 0, 0, &["10.0.1.128", "fd00:a:0:1::100"], &[0, 1]),
    NicOf("back", 0, 1, 1, &["10.0.2.4", "fd00:a:0:2::4"], &[1]),
    NicOf("friend", 1, 0, 1, &["10.1.1.4", "fd00:b:0:1::4"], &[2]),
    NicOf("stranger", 2, 0, 1, &["10.2.1.4", "fd00:c:0:1::4"], &[]),
    NicOf("silent", 3, 0, 1, &["10.3.1.4", "fd00:d:0:1::4"], &[]),
];

/// Prefixes of user-defined routes that a random network may have.
const ROUTES: [&str; 8] = [
    "0.0.0.0/0",
    "8.8.0.0/16",
    "10.2.128.0/17",
    "192.168.0.0/16",
    "::/0",
    "2001:db8:1::/48",
    "fd00:c:0:8000::/49",
    "203.0.113.7/32",
];

/// The network without groups. Whether peers have access, and the routes, follow from the numbers.
pub fn random(random: &mut Random) -> Topology {
    let mut topology = bare();
    for index in [0, 2] {
        topology.peerings[index].allow_virtual_network_access = index == 0;
        if random.one_in(6) {
            topology.peerings[index].allow_virtual_network_access ^= true;
        }
    }
    if random.one_in(2) {
        let mut prefixes: Vec<&str> = ROUTES.to_vec();
        prefixes.retain(|it| random.one_in(if it.ends_with("/0") { 6 } else { 2 }));
        topology.route_tables.push(route_table(&prefixes));
        topology.vnets[0].subnets[0].route_table = Some(RouteTableIndex(0));
    }
    topology.nics[0].enable_ip_forwarding = random.one_in(2);
    topology.nics[0].disable_tcp_state_tracking = random.one_in(6);
    topology
}

/// The network without groups and user-defined routes.
pub fn bare() -> Topology {
    let nics = NICS.iter().map(|NicOf(name, vnet, subnet, host, addresses, groups)| Nic {
        id: resource("networkInterfaces", name),
        vnet: VnetIndex(*vnet),
        subnet: SubnetIndex(*subnet),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        enable_ip_forwarding: false,
        security_group: None,
        application_security_groups: groups
            .iter()
            .map(|it| ApplicationSecurityGroupIndex(*it))
            .collect(),
        disable_tcp_state_tracking: false,
        mac: None,
        outbound_bits_per_second: None,
        host: HostIndex(*host),
        interface: format!("vm-{name}"),
        mode: HookMode::Tc,
    });
    Topology {
        name: "security".to_owned(),
        hosts: [1, 2].map(host).to_vec(),
        vnets: VNETS.iter().map(vnet).collect(),
        nics: nics.collect(),
        peerings: peerings(),
        application_security_groups: (0..GROUPS)
            .map(|it| ApplicationSecurityGroup {
                id: resource("applicationSecurityGroups", &format!("asg{it}")),
            })
            .collect(),
        ..Topology::default()
    }
}

/// A route table with these prefixes.
pub fn route_table(prefixes: &[&str]) -> RouteTable {
    let hops = [RouteNextHop::VirtualAppliance(address("10.0.2.4")), RouteNextHop::None];
    let routes = prefixes.iter().enumerate().map(|(index, prefix)| Route {
        name: format!("route{index}"),
        prefix: net(prefix),
        next_hop: match (index % 2, prefix.contains(':')) {
            (0, true) => RouteNextHop::VirtualAppliance(address("fd00:a:0:2::4")),
            (other, _) => hops[other].clone(),
        },
    });
    RouteTable {
        id: resource("routeTables", "routes"),
        routes: routes.collect(),
        disable_bgp_route_propagation: false,
        disable_peering_routes: false,
    }
}

/// An id of a resource of `Microsoft.Network`.
pub fn resource(kind: &str, name: &str) -> ResourceId {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";
    ResourceId::new(format!("{group}/providers/Microsoft.Network/{kind}/{name}"))
}

/// A prefix.
pub fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// An address.
pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn host(number: u8) -> Host {
    Host {
        name: format!("host{number}"),
        underlay_interface: "eth0".to_owned(),
        underlay_addresses: vec![address(&format!("192.0.2.{number}"))],
        underlay_mode: HookMode::Tc,
        uplinks: Vec::new(),
    }
}

fn vnet(VnetOf(name, space, subnets): &VnetOf) -> Vnet {
    let subnets = subnets.iter().enumerate().map(|(index, prefixes)| Subnet {
        id: resource("virtualNetworks", &format!("{name}/subnets/subnet{index}")),
        prefixes: prefixes.iter().map(|it| net(it)).collect(),
        route_table: None,
        security_group: None,
    });
    Vnet {
        id: resource("virtualNetworks", name),
        location: "westeurope".to_owned(),
        tags: BTreeMap::new(),
        address_space: space.iter().map(|it| net(it)).collect(),
        subnets: subnets.collect(),
        flow_timeout_minutes: None,
        classic: false,
    }
}

/// The first virtual network with the three others; the last one has no object of its own.
fn peerings() -> Vec<Peering> {
    let ends = [(0, 1, Some(1)), (1, 0, Some(0)), (0, 2, Some(3)), (2, 0, Some(2)), (0, 3, None)];
    let peering = |(from, to, reverse): (usize, usize, Option<usize>)| Peering {
        id: resource(
            "virtualNetworks",
            &format!("{}/virtualNetworkPeerings/to-{}", VNETS[from].0, VNETS[to].0),
        ),
        vnet: VnetIndex(from),
        remote: VnetIndex(to),
        reverse: reverse.map(PeeringIndex),
        allow_virtual_network_access: (from, to) != (0, 2),
        allow_forwarded_traffic: true,
        allow_gateway_transit: false,
        use_remote_gateways: false,
        do_not_verify_remote_gateways: false,
        scope: PeeringScope::Complete,
        enable_only_ipv6: false,
        managed_by: None,
    };
    ends.map(peering).to_vec()
}
