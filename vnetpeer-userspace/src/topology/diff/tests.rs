//! Differences for people.

use super::*;
use crate::topology::{
    model::{Access, RouteNextHop, RouteTableIndex, SecurityGroupIndex},
    state::{State, advance},
    testing::{
        hub_and_spokes, ip, route_table,
        security::{group, rule},
    },
};

fn between(old: &Topology, new: &Topology) -> Difference {
    let before = advance(&State::default(), old).unwrap();
    let after = advance(&before, new).unwrap();
    difference(&Network::new(old, &before).unwrap(), &Network::new(new, &after).unwrap())
}

#[test]
fn the_same_topology_differs_in_nothing() {
    assert_eq!(between(&hub_and_spokes(), &hub_and_spokes()), Difference::default());
}

#[test]
fn a_new_peering_is_created() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peer(1, 2);
    let found = between(&old, &new);
    assert!(found.resources.iter().all(|it| it.action == Action::Create));
    assert_eq!(found.resources.len(), 2);
    let back = between(&new, &old);
    assert!(back.resources.iter().all(|it| it.action == Action::Delete));
}

#[test]
fn one_side_less_changes_the_other() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings.pop();
    new.peerings[2].reverse = None;
    let found = between(&old, &new);
    let actions: Vec<_> =
        found.resources.iter().map(|it| (it.action, &it.properties[..])).collect();
    let changed = ["peeringState", "peeringSyncLevel"];
    assert_eq!(actions, [(Action::Change, &changed[..]), (Action::Delete, &[][..])]);
}

#[test]
fn a_route_table_that_is_attached_changes_the_subnet() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    new.route_tables.push(route_table("rt", &[("10.0.0.0/8", nva)]));
    new.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
    let found = between(&old, &new);
    let subnet = found.resources.iter().find(|it| it.kind == "subnet").unwrap();
    assert_eq!(subnet.properties, ["routeTable"]);
}

#[test]
fn a_flag_of_a_peering_is_named() {
    let old = hub_and_spokes();
    let mut new = old.clone();
    new.peerings[0].allow_virtual_network_access = false;
    let found = between(&old, &new);
    assert_eq!(found.resources[0].properties, ["allowVirtualNetworkAccess"]);
}

#[test]
fn a_rule_that_changes_is_a_change_of_its_group() {
    let mut old = hub_and_spokes();
    old.security_groups.push(group("nsg", vec![rule("web", 100, Access::Allow)]));
    let mut new = old.clone();
    new.security_groups[0].rules[0].access = Access::Deny;
    new.vnets[1].subnets[0].security_group = Some(SecurityGroupIndex(0));
    let found = between(&old, &new);
    let changes = found.resources.iter().map(|it| (it.kind, it.action, &it.properties[..]));
    let change = Action::Change;
    let expected: [(&str, Action, &[&str]); 2] = [
        ("networkSecurityGroup", change, &["securityRules"]),
        ("subnet", change, &["networkSecurityGroup"]),
    ];
    assert_eq!(changes.collect::<Vec<_>>(), expected);
}
