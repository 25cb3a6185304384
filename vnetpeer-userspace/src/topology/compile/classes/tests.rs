//! Classes of addresses against the definition of the tags.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use vnetpeer_common::abi::{NextHop, next_hop_kind};

use super::*;
use crate::topology::{
    compile::compile,
    desired::SharedTable,
    model::{RouteNextHop, RouteTableIndex, VnetIndex},
    network::Network,
    routes::{GroupRoutes, RouteHop, effective_routes, gateway::UsedGateway},
    service_tags::PLATFORM,
    state::{State, advance},
    testing::{Random, facts, hub_and_spokes, ip, net, random_topology, route_table, security},
};

/// The class of an address by the definition of the tags, looking at every prefix.
fn class_of(tag: &[IpNet], address: IpAddr) -> u16 {
    let in_tag = tag.iter().any(|net| net.contains(&address));
    let public = match address {
        IpAddr::V4(ip) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => PUBLIC_V6.contains(&ip),
    };
    match (in_tag, public) {
        (true, _) => address_class::VIRTUAL_NETWORK,
        (_, true) => address_class::INTERNET,
        _ => address_class::NEITHER,
    }
}

fn lookup(table: &PrefixTable<Hop>, address: IpAddr) -> Option<NextHop> {
    let found = match address {
        IpAddr::V4(ip) => {
            let covering = table.v4.iter().filter(|(net, _)| net.contains(&ip));
            covering.max_by_key(|(net, _)| net.prefix_len()).map(|it| it.1)
        }
        IpAddr::V6(ip) => {
            let covering = table.v6.iter().filter(|(net, _)| net.contains(&ip));
            covering.max_by_key(|(net, _)| net.prefix_len()).map(|it| it.1)
        }
    };
    found.map(|hop| NextHop { class: hop.class(), ..hop.next_hops()[0] })
}

fn edges(prefixes: impl Iterator<Item = IpNet>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for net in prefixes {
        let step = |address: IpAddr, up: bool| -> IpAddr {
            match address {
                IpAddr::V4(ip) if up => Ipv4Addr::from(u32::from(ip).wrapping_add(1)).into(),
                IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip).wrapping_sub(1)).into(),
                IpAddr::V6(ip) if up => Ipv6Addr::from(u128::from(ip).wrapping_add(1)).into(),
                IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip).wrapping_sub(1)).into(),
            }
        };
        let (first, last) = (net.network(), net.broadcast());
        found.extend([step(first, false), first, last, step(last, true)]);
    }
    found
}

fn all_prefixes(table: &PrefixTable<Hop>) -> Vec<IpNet> {
    let v4 = table.v4.keys().map(|net| IpNet::V4(*net));
    v4.chain(table.v6.keys().map(|net| IpNet::V6(*net))).collect()
}

fn fixed() -> Vec<IpNet> {
    let v4 = NOT_PUBLIC_V4.iter().chain([&PLATFORM]).map(|net| IpNet::V4(*net));
    v4.chain([IpNet::V6(PUBLIC_V6)]).collect()
}

/// The spaces of the members of a VNet's connected groups that are not peers of its, and what of all of
/// them is nobody else's.
fn group_spaces(
    network: &Network<'_>,
    vnet: VnetIndex,
    table: Option<RouteTableIndex>,
) -> Vec<IpNet> {
    let found = GroupRoutes::of(network, &network.vnets()[vnet.0], table);
    found.iter().flat_map(GroupRoutes::spaces).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_address_keeps_its_route_and_has_its_class(seed: u64) {
        let topology = random_topology(seed);
        let state = advance(&State::default(), &topology).unwrap();
        let desired = compile(&topology, &state, "host0", &facts(&topology, 0)).unwrap();
        let network = Network::new(&topology, &state).unwrap();
        for vnet in network.vnets() {
            for (table, id) in network.tables(vnet.index) {
                let Some(found) = desired.routes.get(&id).map(SharedTable::merged) else { continue };
                let found = &found;
                let routes = effective_routes(&network, vnet.index, table).unwrap();
                let mut tag = vnet.vnet.address_space.clone();
                for it in &vnet.peerings {
                    if it.peering.allow_virtual_network_access {
                        tag.extend(it.space());
                    }
                }
                if let Some(table) = table {
                    tag.extend(topology.route_tables[table.0].routes.iter().map(|it| it.prefix));
                }
                if let Some(used) = UsedGateway::of(&network, vnet).filter(UsedGateway::has_access) {
                    tag.extend(used.prefixes(&network));
                }
                tag.extend(group_spaces(&network, vnet.index, table));
                tag.push(net("168.63.129.16/32"));
                let all = all_prefixes(found).into_iter().chain(fixed()).chain(tag.clone());
                for address in edges(all) {
                    let hop = lookup(found, address);
                    prop_assert_eq!(hop.is_some(), routes.lookup(address).is_some());
                    let Some(hop) = hop else { continue };
                    let route = routes.lookup(address).unwrap();
                    if let RouteHop::ConnectedGroup { vnet } = route.hop {
                        let target = network.vnet(vnet).unwrap().id.0;
                        let kind = next_hop_kind::CONNECTED_GROUP;
                        prop_assert_eq!((hop.kind, hop.target), (kind, target), "{}", address);
                    } else if hop.kind == next_hop_kind::CONNECTED_GROUP {
                        prop_assert_eq!(route.hop, RouteHop::VnetLocal, "{}", address);
                        prop_assert_eq!(hop.target, network.vnet(vnet.index).unwrap().id.0);
                    }
                    prop_assert_eq!(hop.class, class_of(&tag, address), "{}", address);
                }
            }
        }
    }

    #[test]
    fn next_hops_are_those_of_the_routes(seed: u64) {
        let mut random = Random(seed);
        let mut routes = PrefixTable::<Hop>::default();
        let mut tags = TagPrefixes::default();
        for target in 1..20 {
            let address = u32::try_from(random.next() >> 32).unwrap() & 0x8f0f_0000;
            let len = u8::try_from(random.below(17)).unwrap();
            let prefix = Ipv4Net::new(address.into(), len).unwrap().trunc();
            if random.percent(50) {
                let hop = NextHop { kind: 1, target, ..NextHop::default() };
                routes.v4.insert(prefix, Hop::One(hop));
            } else {
                tags.v4.insert(prefix);
            }
        }
        let found = tags.classify(&routes);
        let tag: Vec<IpNet> = tags.v4.iter().map(|net| IpNet::V4(*net)).collect();
        let all = all_prefixes(&routes).into_iter().chain(tag.clone()).chain(fixed());
        for address in edges(all) {
            let expected = lookup(&routes, address)
                .map(|hop| NextHop { class: class_of(&tag, address), ..hop });
            prop_assert_eq!(lookup(&found, address), expected, "{}", address);
        }
    }
}

#[test]
fn the_tag_follows_access_routes_and_the_own_space() {
    let mut topology = hub_and_spokes();
    let table = route_table("rt", &[("198.51.100.0/24", RouteNextHop::Internet)]);
    topology.route_tables.push(table);
    topology.vnets[0].subnets[0].route_table = Some(RouteTableIndex(0));
    topology.peerings[0].allow_virtual_network_access = false;
    topology.security_groups.push(security::group("nsg", vec![]));
    let state = advance(&State::default(), &topology).unwrap();
    let desired = compile(&topology, &state, "host0", &facts(&topology, 0)).unwrap();
    let nic = desired.nics[&state.nic(&topology.nics[0].id).unwrap()];
    let class = |address: &str| lookup(&desired.routes[&nic.table].own, ip(address)).unwrap();
    assert_eq!(class("10.0.9.9").class, address_class::VIRTUAL_NETWORK, "own");
    assert_eq!(class("10.1.0.4").class, address_class::NEITHER, "no access");
    assert_eq!(class("10.1.0.4").kind, next_hop_kind::VNET, "and a route all the same");
    assert_eq!(class("10.2.0.4").class, address_class::VIRTUAL_NETWORK, "a peer");
    assert_eq!(class("198.51.100.7").class, address_class::VIRTUAL_NETWORK, "a route");
    assert_eq!(class("168.63.129.16").class, address_class::VIRTUAL_NETWORK);
    assert_eq!(class("8.8.8.8").class, address_class::INTERNET);
    assert_eq!(class("10.77.0.1").class, address_class::NEITHER);
    assert_eq!(class("2a00::1").class, address_class::INTERNET);
    assert_eq!(class("fd77::1").class, address_class::NEITHER);
}
