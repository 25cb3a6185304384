//! Differences for people.

use super::*;
use crate::topology::{
    model::{RouteNextHop, RouteTableIndex},
    state::{State, advance},
    testing::{hub_and_spokes, ip, route_table},
};

fn between(old: &Topology, new: &Topology) -> Difference {
    let before = advance(&State::default(), old).unwrap();
    let after = advance(&before, new).unwrap();
    difference(&Network::new(old, &before).unwrap(), &Network::new(new, &after).unwrap())
}

fn names(pairs: &[SubnetPair]) -> Vec<(&str, &str, Family)> {
    pairs.iter().map(|it| (it.source.name(), it.destination.name(), it.family)).collect()
}

#[test]
fn the_same_topology_differs_in_nothing() {
    assert_eq!(between(&hub_and_spokes(), &hub_and_spokes()), Difference::default());
}

#[test]
fn a_new_peering_is_created_and_connects_both_ways() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peer(1, 2);
    let found = between(&old, &new);
    assert!(found.resources.iter().all(|it| it.action == Action::Create));
    assert_eq!(found.resources.len(), 2);
    let (v4, v6) = (Family::IPv4, Family::IPv6);
    let both = [
        ("spoke1", "spoke2", v4),
        ("spoke1", "spoke2", v6),
        ("spoke2", "spoke1", v4),
        ("spoke2", "spoke1", v6),
    ];
    assert_eq!(names(&found.gained), both);
    assert_eq!(found.lost, []);
    let back = between(&new, &old);
    assert_eq!(names(&back.lost), both);
    assert!(back.resources.iter().all(|it| it.action == Action::Delete));
}

#[test]
fn one_side_less_disconnects_the_other() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings.pop();
    new.peerings[2].reverse = None;
    let found = between(&old, &new);
    let actions: Vec<_> =
        found.resources.iter().map(|it| (it.action, &it.properties[..])).collect();
    let changed = ["peeringState", "peeringSyncLevel"];
    assert_eq!(actions, [(Action::Change, &changed[..]), (Action::Delete, &[][..])]);
    assert_eq!(found.lost.len(), 4);
}

#[test]
fn an_appliance_joins_the_spokes_if_it_may() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    new.route_tables.push(route_table("rt", &[("10.0.0.0/8", nva)]));
    new.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
    assert_eq!(between(&old, &new).gained, [], "spoke2 takes no forwarded traffic");
    new.peerings[3].allow_forwarded_traffic = true;
    let found = between(&old, &new);
    assert_eq!(names(&found.gained), [("spoke1", "spoke2", Family::IPv4)]);
    let subnet = found.resources.iter().find(|it| it.kind == "subnet").unwrap();
    assert_eq!(subnet.properties, ["routeTable"]);
    new.nics[0].enable_ip_forwarding = false;
    assert_eq!(between(&old, &new).gained, []);
}

#[test]
fn access_that_one_side_denies_is_lost_both_ways() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings[0].allow_virtual_network_access = false;
    let found = between(&old, &new);
    assert_eq!(found.lost.len(), 4);
    assert_eq!(found.resources[0].properties, ["allowVirtualNetworkAccess"]);
}
