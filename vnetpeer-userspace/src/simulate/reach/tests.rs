//! Changes of reachability.

use super::*;
use crate::simulate::Protocol;
use crate::topology::{
    model::{
        Access, Direction, Endpoints, RouteNextHop, RouteTableIndex, RuleProtocol,
        SecurityGroupIndex, Topology,
    },
    state::{State, advance},
    testing::{
        Random, hub_and_spokes, ip, net, nic, random_topology, route_table,
        security::{group, rule},
    },
};

fn between(old: &Topology, new: &Topology) -> Changes {
    let before = advance(&State::default(), old).unwrap();
    let after = advance(&before, new).unwrap();
    changes(&Network::new(old, &before).unwrap(), &Network::new(new, &after).unwrap()).unwrap()
}

fn names(changes: &[Change]) -> Vec<(&str, &str, Family, String)> {
    let mut found = Vec::new();
    for it in changes {
        let (source, destination) = (it.source.subnet.name(), it.destination.subnet.name());
        found.push((source, destination, it.family, it.traffic.to_string()));
    }
    found
}

const ALL: &str = "all traffic";

fn all_families<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str, Family, String)> {
    let of = |(from, to): &(&'a str, &'a str)| {
        Family::ALL.map(|family| (*from, *to, family, ALL.to_owned()))
    };
    pairs.iter().flat_map(of).collect()
}

#[test]
fn the_same_topology_differs_in_nothing() {
    assert_eq!(between(&hub_and_spokes(), &hub_and_spokes()), Changes::default());
}

#[test]
fn a_new_peering_connects_both_ways_and_without_it_the_route_is_missing() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peer(1, 2);
    let found = between(&old, &new);
    let both = all_families(&[("spoke1", "spoke2"), ("spoke2", "spoke1")]);
    assert_eq!(names(&found.gained), both);
    assert_eq!(found.lost, []);
    let back = between(&new, &old);
    assert_eq!((names(&back.lost), back.gained), (both, Vec::new()));
    let reason = back.lost[0].reason.as_ref().unwrap();
    assert_eq!((reason.code, reason.way), ("RouteNone", Some(Way::Request)));
    let route = reason.route.as_ref().unwrap();
    assert_eq!((route.address_prefix, route.next_hop_type), (net("10.0.0.0/8"), "None"));
    assert_eq!(reason.network_interface.as_ref().unwrap().name(), "web1");
}

#[test]
fn subnets_without_nics_are_tried_too() {
    let mut old = hub_and_spokes();
    old.nics.clear();
    let mut new = old.clone();
    new.peer(1, 2);
    let both = all_families(&[("spoke1", "spoke2"), ("spoke2", "spoke1")]);
    assert_eq!(names(&between(&old, &new).gained), both);
    let mut without = new.clone();
    without.vnets[2].subnets.clear();
    let lost = between(&new, &without).lost;
    assert_eq!(lost.len(), 8, "both ways with hub and spoke1");
    assert!(lost.iter().all(|it| it.reason.as_ref().unwrap().code == "SubnetRemoved"), "{lost:?}");
}

#[test]
fn one_side_less_disconnects_the_other() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings.pop();
    new.peerings[2].reverse = None;
    assert_eq!(
        names(&between(&old, &new).lost),
        all_families(&[("hub", "spoke2"), ("spoke2", "hub")])
    );
}

#[test]
fn an_appliance_joins_the_spokes_if_it_may() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    let nva = || RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    new.route_tables.push(route_table("rt", &[("10.0.0.0/8", nva())]));
    new.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
    new.vnets[2].subnets[0].route_table = Some(RouteTableIndex(0));
    assert_eq!(between(&old, &new).gained, [], "the spokes take no forwarded traffic");
    new.peerings[3].allow_forwarded_traffic = true;
    assert_eq!(between(&old, &new).gained, [], "answers would be forwarded too");
    new.peerings[1].allow_forwarded_traffic = true;
    let found = between(&old, &new);
    let v4 = |from, to| (from, to, Family::IPv4, ALL.to_owned());
    assert_eq!(names(&found.gained), [v4("spoke1", "spoke2"), v4("spoke2", "spoke1")]);
    let mut broken = new.clone();
    broken.nics[0].enable_ip_forwarding = false;
    let lost = between(&new, &broken).lost;
    assert_eq!(lost.len(), 2);
    let reason = lost[0].reason.as_ref().unwrap();
    assert_eq!(reason.code, "ForwardingDisabled");
    assert_eq!(reason.route.as_ref().unwrap().next_hop_type, "VirtualAppliance");
}

#[test]
fn access_that_one_side_denies_is_lost_both_ways() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings[0].allow_virtual_network_access = false;
    let lost = between(&old, &new).lost;
    assert_eq!(lost.len(), 4);
    let reason = lost[0].reason.as_ref().unwrap();
    assert_eq!(reason.code, "VirtualNetworkAccessDenied");
    assert!(reason.peering.is_some(), "{reason:?}");
}

#[test]
fn a_rule_takes_away_what_it_names_and_no_more() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    let mut deny = rule("no-ssh", 100, Access::Deny);
    deny.direction = Direction::Inbound;
    deny.protocol = RuleProtocol::Tcp;
    deny.destination.ports = vec![22..=22, 3389..=3390];
    deny.source.endpoints = Endpoints::Prefixes(vec![net("10.0.0.0/16")]);
    new.security_groups.push(group("nsg", vec![deny]));
    new.vnets[1].subnets[0].security_group = Some(SecurityGroupIndex(0));
    let found = between(&old, &new);
    let ports = "TCP 22, 3389-3390".to_owned();
    assert_eq!(names(&found.lost), [("hub", "spoke1", Family::IPv4, ports)]);
    let reason = found.lost[0].reason.clone().unwrap();
    assert_eq!(reason.rule.unwrap().name, "securityRules/no-ssh");
    assert_eq!(found.gained, []);
    assert_eq!(between(&new, &old).gained.len(), 1);
}

#[test]
fn nics_of_one_subnet_that_fare_differently_are_named() {
    let mut old = hub_and_spokes();
    old.nics.push(nic("web3", 1, 0, &["10.1.0.20", "fd00:1::20"]));
    old.nics.push(nic("web4", 1, 1, &["10.1.0.21", "fd00:1::21"]));
    let mut new = old.clone();
    new.security_groups.push(group("nsg", vec![rule("deny", 100, Access::Deny)]));
    new.security_groups[0].rules[0].direction = Direction::Inbound;
    new.nics[3].security_group = Some(SecurityGroupIndex(0));
    new.nics[4].security_group = Some(SecurityGroupIndex(0));
    let lost = between(&old, &new).lost;
    let to: Vec<Vec<&str>> = lost
        .iter()
        .filter(|it| it.source.subnet.name() == "hub")
        .map(|it| it.destination.network_interfaces.iter().map(ResourceId::name).collect())
        .collect();
    assert_eq!(to, [["web3", "web4"], ["web3", "web4"]]);
    let inside: Vec<_> =
        lost.iter().filter(|it| it.source.subnet == it.destination.subnet).collect();
    assert_eq!(inside.len(), 4, "from web1, and from web3 to web4 and back: {inside:?}");
}

/// What a route sends to an appliance that does not forward gets no further, but the appliance itself has got it.
#[test]
fn an_appliance_fares_differently_from_its_neighbours() {
    let mut old = hub_and_spokes();
    old.nics[0].enable_ip_forwarding = false;
    old.nics.push(nic("neighbour", 0, 0, &["10.0.0.5", "fd00::5"]));
    let mut new = old.clone();
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    new.route_tables.push(route_table("rt", &[("10.0.0.0/16", nva)]));
    new.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
    let lost = between(&old, &new).lost;
    let v4 = |from, to| (from, to, Family::IPv4, ALL.to_owned());
    assert_eq!(names(&lost), [v4("hub", "spoke1"), v4("spoke1", "hub")]);
    for end in [&lost[0].source, &lost[1].destination] {
        assert!(end.network_interfaces.iter().map(ResourceId::name).eq(["neighbour"]), "{lost:?}");
    }
}

/// Every pair of places of a network, all ports that rules name one by one and without what is known
/// from others.
fn by_force(world: &World, pair: &Pair) -> Traffic {
    let session = crate::simulate::Session::new(&world.network);
    let mut edges = guards::Edges::default();
    for nic in &world.topology.nics {
        let id = world.state.nic(&nic.id).unwrap();
        edges.extend(world.guards.edges(world.guard(id)).unwrap());
    }
    let passes = |protocol, port| {
        session.exchange(pair.from, &pair.request(protocol, port, 0)).is_complete()
    };
    let mut found = Traffic { icmp: passes(Protocol::Icmp, 0), ..Traffic::default() };
    for (range, _) in edges.tcp().filter(|(_, port)| passes(Protocol::Tcp, *port)) {
        found.tcp.push(&range);
    }
    for (range, _) in edges.udp().filter(|(_, port)| passes(Protocol::Udp, *port)) {
        found.udp.push(&range);
    }
    found
}

#[test]
fn what_is_known_of_one_pair_holds_for_those_alike() {
    let mut random = Random(11);
    let (mut tried, mut some) = (0, 0);
    for _ in 0..25 {
        let mut topology = random_topology(random.next());
        // Which appliance a flow takes depends on its ports.
        for table in &mut topology.route_tables {
            table.routes.retain(|it| !matches!(it.next_hop, RouteNextHop::VirtualApplianceEcmp(_)));
        }
        let state = advance(&State::default(), &topology).unwrap();
        let network = Network::new(&topology, &state).unwrap();
        let side = Side::new(&network);
        let places = Places::new(&side, &Side::new(&network));
        let world = World::new(&side, &places).unwrap();
        let mut prober = Prober::new(&world);
        let count = places.places.len();
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            for family in Family::ALL {
                let Some(pair) = pair(&world, (from, to), family) else { continue };
                // Members of a connected group may have one address twice; no guest sends to its own.
                if pair.source == pair.destination {
                    continue;
                }
                let (found, expected) = (prober.traffic(&pair), by_force(&world, &pair));
                assert_eq!(*found, expected, "{pair:?}");
                tried += 1;
                some += usize::from(!expected.is_empty() && expected != Traffic::all());
            }
        }
    }
    println!("{tried} pairs, of which {some} by some traffic only");
    assert!(some > 10, "{some} of {tried}");
}
