//! Topologies for tests: a builder for examples, and a generator of valid random ones.

pub(crate) mod gateway;
pub(crate) mod groups;
pub(crate) mod security;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use vnetpeer_common::types::Mac;

use super::{
    facts::{Delivery, Hook, HostFacts, InterfaceFacts, VtepFacts},
    model::{
        HookMode, Host, HostIndex, Nic, Peering, PeeringIndex, PeeringScope, ResourceId, Route,
        RouteNextHop, RouteTable, RouteTableIndex, Subnet, SubnetIndex, Topology, Uplink, Vnet,
        VnetIndex, common_underlay,
    },
};

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn resource(kind: &str, name: &str) -> ResourceId {
    ResourceId::new(format!(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/{kind}/{name}"
    ))
}

pub(crate) fn vnet(name: &str, space: &[&str]) -> Vnet {
    let address_space: Vec<IpNet> = space.iter().map(|it| net(it)).collect();
    let mut prefixes = Vec::new();
    for v4 in [true, false] {
        prefixes.extend(address_space.iter().find(|it| it.addr().is_ipv4() == v4).map(
            |it| match it {
                IpNet::V4(it) => IpNet::new(it.addr().into(), 24).unwrap(),
                IpNet::V6(it) => IpNet::new(it.addr().into(), 64).unwrap(),
            },
        ));
    }
    let id = resource("virtualNetworks/default/subnets", name);
    let subnet = Subnet { id, prefixes, route_table: None, security_group: None };
    let id = resource("virtualNetworks", name);
    Vnet {
        id,
        location: "westeurope".into(),
        tags: std::collections::BTreeMap::new(),
        address_space,
        subnets: vec![subnet],
        flow_timeout_minutes: None,
        classic: false,
    }
}

pub(crate) fn nic(name: &str, vnet: usize, host: usize, addresses: &[&str]) -> Nic {
    Nic {
        id: resource("networkInterfaces", name),
        vnet: VnetIndex(vnet),
        subnet: SubnetIndex(0),
        addresses: addresses.iter().map(|it| ip(it)).collect(),
        enable_ip_forwarding: false,
        security_group: None,
        application_security_groups: Vec::new(),
        disable_tcp_state_tracking: false,
        mac: None,
        outbound_bits_per_second: None,
        host: HostIndex(host),
        interface: format!("tap-{name}"),
        mode: HookMode::Auto,
    }
}

pub(crate) fn host(index: usize) -> Host {
    let last = u8::try_from(index + 1).unwrap();
    Host {
        name: format!("host{index}"),
        underlay_interface: "eth0".into(),
        underlay_addresses: vec![
            Ipv4Addr::new(192, 0, 2, last).into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
        ],
        underlay_mode: HookMode::Auto,
        uplinks: Vec::new(),
    }
}

pub(crate) fn uplink(name: &str, vnet: usize) -> Uplink {
    Uplink {
        id: resource("uplinks", name),
        vnet: VnetIndex(vnet),
        interface: format!("up-{name}"),
        mac: Mac([2, 0, 0, 0, 0, 0x99]),
    }
}

pub(crate) fn route_table(name: &str, routes: &[(&str, RouteNextHop)]) -> RouteTable {
    let route = |(prefix, next_hop): &(&str, RouteNextHop)| Route {
        name: format!("to-{}", prefix.replace('/', "-")),
        prefix: net(prefix),
        next_hop: next_hop.clone(),
    };
    RouteTable {
        id: resource("routeTables", name),
        routes: routes.iter().map(route).collect(),
        disable_bgp_route_propagation: false,
        disable_peering_routes: false,
    }
}

impl Topology {
    /// Adds A→B and returns its place.
    pub(crate) fn peer_one_way(&mut self, from: usize, to: usize) -> usize {
        let index = PeeringIndex(self.peerings.len());
        let reverse = self
            .peerings
            .iter()
            .position(|it| it.vnet == VnetIndex(to) && it.remote == VnetIndex(from))
            .map(PeeringIndex);
        if let Some(reverse) = reverse {
            self.peerings[reverse.0].reverse = Some(index);
        }
        let name = |vnet: usize| self.vnets[vnet].id.name().to_owned();
        let id = format!("{}/virtualNetworkPeerings/to-{}", self.vnets[from].id, name(to));
        self.peerings.push(Peering {
            id: ResourceId::new(id),
            vnet: VnetIndex(from),
            remote: VnetIndex(to),
            reverse,
            allow_virtual_network_access: true,
            allow_forwarded_traffic: false,
            allow_gateway_transit: false,
            use_remote_gateways: false,
            do_not_verify_remote_gateways: false,
            scope: PeeringScope::Complete,
            enable_only_ipv6: false,
            managed_by: None,
        });
        index.0
    }

    /// Adds both sides.
    pub(crate) fn peer(&mut self, a: usize, b: usize) {
        self.peer_one_way(a, b);
        self.peer_one_way(b, a);
    }
}

/// A hub and two spokes on two hosts, the spokes peered with the hub; NICs `a0`, `a1` in the hub.
pub(crate) fn hub_and_spokes() -> Topology {
    let mut topology = Topology {
        name: "test".into(),
        hosts: vec![host(0), host(1)],
        vnets: vec![
            vnet("hub", &["10.0.0.0/16", "fd00::/48"]),
            vnet("spoke1", &["10.1.0.0/16", "fd00:1::/48"]),
            vnet("spoke2", &["10.2.0.0/16", "fd00:2::/48"]),
        ],
        nics: vec![
            nic("nva", 0, 0, &["10.0.0.4", "fd00::4"]),
            nic("web1", 1, 0, &["10.1.0.4", "fd00:1::4", "10.1.0.5"]),
            nic("web2", 2, 1, &["10.2.0.4", "fd00:2::4"]),
        ],
        ..Topology::default()
    };
    topology.nics[0].enable_ip_forwarding = true;
    topology.peer(0, 1);
    topology.peer(0, 2);
    topology
}

/// Facts of a host on which every interface of the topology exists.
pub(crate) fn facts(topology: &Topology, host: usize) -> HostFacts {
    let mut facts = HostFacts::default();
    let nics = topology.nics.iter().filter(|it| it.host.0 == host).map(|it| &it.interface);
    let uplinks = topology.hosts[host].uplinks.iter().map(|it| &it.interface);
    for interface in nics.chain(uplinks) {
        // The index follows from the name, so that it survives changes of the rest.
        let ifindex =
            interface.bytes().fold(7_u32, |sum, it| (sum * 31 + u32::from(it)) % 60_000) + 1;
        let fact = InterfaceFacts {
            ifindex,
            mtu_bytes: 1500,
            delivery: if ifindex % 2 == 0 { Delivery::Peer } else { Delivery::Transmit },
            hook: if ifindex % 3 == 0 { Hook::Xdp } else { Hook::Tc },
            shaper: None,
        };
        facts.interfaces.insert(interface.clone(), fact);
    }
    for (index, remote) in topology.hosts.iter().enumerate().filter(|it| it.0 != host) {
        let ways = common_underlay(&topology.hosts[host], remote).into_iter();
        let facts_of = |(local, remote)| VtepFacts {
            local,
            remote,
            ifindex: 2,
            src_mac: Mac([2, 0, 0, 0, 1, 1]),
            dst_mac: (index != 2).then_some(Mac([2, 0, 0, 0, 1, 2])),
            underlay_mtu_bytes: 1550,
            transmit_xdp: true,
        };
        facts.vteps.insert(remote.name.clone(), ways.map(facts_of).collect());
    }
    facts
}

/// A small generator of pseudo-random numbers (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// A valid topology out of a small universe: resources of the same name appear again and again with
/// other properties, addresses move between NICs, spaces grow and shrink.
pub(crate) fn random_topology(seed: u64) -> Topology {
    let mut random = Random(seed);
    let mut topology = Topology {
        name: "random".into(),
        auto_sync: random.percent(50),
        hosts: (0..3).map(host).collect(),
        ..Topology::default()
    };
    for number in 0..4_usize {
        if random.percent(85) {
            let vnet = random_vnet(&mut random, number);
            topology.vnets.push(vnet);
        }
    }
    if topology.vnets.is_empty() {
        topology.vnets.push(random_vnet(&mut random, 0));
    }
    for index in 0..topology.vnets.len() {
        add_nics(&mut random, &mut topology, index);
        for other in 0..topology.vnets.len() {
            if other != index && random.percent(70) {
                let peering = topology.peer_one_way(index, other);
                topology.peerings[peering].allow_forwarded_traffic = random.percent(50);
                topology.peerings[peering].allow_virtual_network_access = random.percent(85);
            }
        }
        for host in 0..topology.hosts.len() {
            if random.percent(25) {
                let name = format!("{}-{host}", topology.vnets[index].id.name());
                topology.hosts[host].uplinks.push(uplink(&name, index));
            }
        }
    }
    add_route_tables(&mut random, &mut topology);
    security::add_security(&mut random, &mut topology);
    gateway::add_gateways(&mut random, &mut topology);
    groups::add_groups(&mut random, &mut topology);
    topology
}

fn random_vnet(random: &mut Random, number: usize) -> Vnet {
    let base = number * 16;
    let spaces = [
        vec![format!("10.{base}.0.0/16"), format!("fd00:{base}::/48")],
        vec![format!("10.{base}.0.0/14"), format!("fd00:{base}::/47")],
        vec![
            format!("10.{base}.0.0/17"),
            format!("10.{}.64.0/18", base + 1),
            format!("fd00:{base}::/56"),
        ],
        vec![format!("10.{base}.0.0/23")],
    ];
    let space: Vec<&str> = spaces[random.below(spaces.len())].iter().map(String::as_str).collect();
    let mut it = vnet(&format!("v{number}"), &space);
    if random.percent(30) {
        it.location = "North Europe".into();
    }
    let second = Subnet {
        id: resource("virtualNetworks/other/subnets", &format!("v{number}")),
        prefixes: vec![net(&format!("10.{base}.1.0/24"))],
        route_table: None,
        security_group: None,
    };
    it.subnets.push(second);
    it
}

fn add_nics(random: &mut Random, topology: &mut Topology, index: usize) {
    let number: usize = topology.vnets[index].id.name()[1..].parse().unwrap();
    let mut free: Vec<usize> = (4..12).collect();
    let has_v6 = topology.vnets[index].address_space.iter().any(|it| it.addr().is_ipv6());
    for nic_number in 0..3 {
        if !random.percent(80) {
            continue;
        }
        let base = number * 16;
        let mut addresses = Vec::new();
        for _ in 0..=random.below(2) {
            let last = free.swap_remove(random.below(free.len()));
            addresses.push(format!("10.{base}.0.{last}"));
            if has_v6 {
                addresses.push(format!("fd00:{base}::{last:x}"));
            }
        }
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let host = if random.percent(60) { 0 } else { random.below(3) };
        let mut it = nic(&format!("n{number}-{nic_number}"), index, host, &addresses);
        it.subnet = SubnetIndex(random.below(2));
        it.enable_ip_forwarding = random.percent(40);
        topology.nics.push(it);
    }
}

fn add_route_tables(random: &mut Random, topology: &mut Topology) {
    let addresses: Vec<IpAddr> = topology.nics.iter().map(|it| it.addresses[0]).collect();
    for number in 0..3 {
        let mut routes = Vec::new();
        for prefix in [
            "10.0.0.0/8",
            "10.16.0.0/16",
            "10.32.0.4/32",
            "0.0.0.0/0",
            "fd00:16::/48",
            "10.0.0.0/24",
        ] {
            if random.percent(35) {
                let next_hop = match random.below(5) {
                    0 => RouteNextHop::None,
                    1 => RouteNextHop::VnetLocal,
                    2 => RouteNextHop::Internet,
                    _ if addresses.is_empty() => RouteNextHop::None,
                    3 => RouteNextHop::VirtualApplianceEcmp(
                        (0..3).map(|_| addresses[random.below(addresses.len())]).collect(),
                    ),
                    _ => RouteNextHop::VirtualAppliance(addresses[random.below(addresses.len())]),
                };
                routes.push((prefix, next_hop));
            }
        }
        let mut table = route_table(&format!("rt{number}"), &routes);
        table.disable_peering_routes = random.percent(15);
        topology.route_tables.push(table);
    }
    for vnet in &mut topology.vnets {
        for subnet in &mut vnet.subnets {
            subnet.route_table = random.percent(60).then(|| RouteTableIndex(random.below(3)));
        }
    }
}
