//! Connected groups against the rules of AZ §6.2, one table per rule.

use super::*;
use crate::topology::{
    model::{PeeringScope, ResourceId, RouteNextHop, RouteTableIndex, Topology},
    routes::{ApplianceProblem, RouteState, effective_routes},
    state::{State, advance},
    testing::{groups::group, ip, net, nic, resource, route_table, vnet},
};

/// VNets `v0`, `v1` … of these spaces, and their connected groups.
fn world(spaces: &[&[&str]], groups: &[&[usize]]) -> Topology {
    let vnets = spaces.iter().enumerate();
    Topology {
        name: "test".into(),
        hosts: vec![crate::topology::testing::host(0)],
        vnets: vnets.map(|(number, space)| vnet(&format!("v{number}"), space)).collect(),
        connected_groups: groups
            .iter()
            .enumerate()
            .map(|(number, members)| group(&format!("c{number}"), members))
            .collect(),
        ..Topology::default()
    }
}

/// Gives the first subnet of a VNet these routes.
fn route(topology: &mut Topology, vnet: usize, routes: &[(&str, RouteNextHop)]) {
    let index = RouteTableIndex(topology.route_tables.len());
    topology.route_tables.push(route_table(&format!("rt{vnet}"), routes));
    topology.vnets[vnet].subnets[0].route_table = Some(index);
}

/// Peers subnets of two VNets, given by name and prefix; the VNets get them.
fn peer_subnets(topology: &mut Topology, sides: [(usize, &str, &str); 2]) {
    for (vnet, name, prefix) in sides {
        let id = format!("{}/subnets/{name}", topology.vnets[vnet].id);
        let mut subnet = topology.vnets[vnet].subnets[0].clone();
        (subnet.id, subnet.prefixes) = (ResourceId::new(id), vec![net(prefix)]);
        topology.vnets[vnet].subnets.push(subnet);
    }
    let first = topology.peerings.len();
    topology.peer(sides[0].0, sides[1].0);
    for (peering, (own, other)) in [(0, (0, 1)), (1, (1, 0))] {
        topology.peerings[first + peering].scope = PeeringScope::Subnets {
            local: vec![sides[own].1.into()],
            remote: vec![sides[other].1.into()],
        };
    }
}

fn state(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn routes(topology: &Topology, vnet: usize) -> crate::topology::routes::EffectiveRoutes {
    let state = state(topology);
    let network = Network::new(topology, &state).unwrap();
    let table = topology.vnets[vnet].subnets[0].route_table;
    effective_routes(&network, VnetIndex(vnet), table).unwrap()
}

/// Where a packet from a VNet goes: the type of the next hop, with the VNet behind it.
fn way(topology: &Topology, vnet: usize, destination: &str) -> String {
    let hop = routes(topology, vnet).lookup(ip(destination)).unwrap().hop;
    match hop {
        RouteHop::ConnectedGroup { vnet } => format!("ConnectedGroup v{}", vnet.0),
        RouteHop::Peering { index, .. } => {
            format!("VNetPeering v{}", topology.peerings[index.0].remote.0)
        }
        other => other.type_name().to_owned(),
    }
}

/// Each case is a VNet, a destination and the way there.
fn check(topology: &Topology, cases: &[(usize, &str, &str)]) {
    for (vnet, destination, expected) in cases {
        assert_eq!(way(topology, *vnet, destination), *expected, "v{vnet} → {destination}");
    }
}

#[test]
fn members_reach_each_other_and_nobody_else() {
    let spaces: &[&[&str]] = &[
        &["10.0.0.0/16", "fd00::/48"],
        &["10.1.0.0/16", "fd00:1::/48"],
        &["10.2.0.0/16", "203.0.113.0/24"],
        &["10.3.0.0/16"],
    ];
    check(
        &world(spaces, &[&[0, 1], &[1, 2]]),
        &[
            (0, "10.0.0.4", "VnetLocal"),
            (0, "10.1.0.4", "ConnectedGroup v1"),
            (0, "fd00:1::4", "ConnectedGroup v1"),
            (1, "fd00::4", "ConnectedGroup v0"),
            (1, "10.2.0.4", "ConnectedGroup v2"),
            (1, "203.0.113.9", "ConnectedGroup v2"),
            (0, "10.2.0.4", "None"),
            (0, "203.0.113.9", "Internet"),
            (0, "10.3.0.4", "None"),
            (3, "10.0.0.4", "None"),
        ],
    );
}

#[test]
fn what_two_members_have_is_withdrawn_and_its_owners_keep_it() {
    let spaces: &[&[&str]] =
        &[&["10.0.0.0/16", "fd00::/48"], &["10.0.1.0/24", "fd00::/48"], &["10.2.0.0/16"]];
    check(
        &world(spaces, &[&[0, 1, 2]]),
        &[
            (2, "10.0.0.4", "ConnectedGroup v0"),
            (2, "10.0.1.4", "None"),
            (2, "10.0.2.4", "ConnectedGroup v0"),
            (2, "fd00::4", "None"),
            (0, "10.0.1.4", "VnetLocal"),
            (1, "10.0.1.4", "VnetLocal"),
            (1, "fd00::4", "VnetLocal"),
            (1, "10.0.0.4", "ConnectedGroup v0"),
            (0, "10.2.0.4", "ConnectedGroup v2"),
        ],
    );
}

#[test]
fn members_of_two_groups_see_the_overlap_of_both() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.1.0.0/24"]];
    check(
        &world(spaces, &[&[0, 1], &[0, 2]]),
        &[
            (0, "10.1.0.4", "None"),
            (0, "10.1.1.4", "ConnectedGroup v1"),
            (1, "10.0.0.4", "ConnectedGroup v0"),
            (2, "10.0.0.4", "ConnectedGroup v0"),
        ],
    );
}

#[test]
fn a_peering_beats_the_group_and_its_overlap_is_withdrawn_from_the_others() {
    let spaces: &[&[&str]] = &[
        &["10.0.0.0/16"],
        &["10.1.0.0/16", "10.8.4.0/24"],
        &["10.2.0.0/16"],
        &["10.8.0.0/16", "10.1.9.0/24"],
    ];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    check(&topology, &[(0, "10.8.4.4", "ConnectedGroup v1"), (2, "10.1.9.4", "ConnectedGroup v1")]);
    topology.peer(0, 3);
    check(
        &topology,
        &[
            (0, "10.8.4.4", "VNetPeering v3"),
            (0, "10.8.5.4", "VNetPeering v3"),
            (0, "10.1.9.4", "VNetPeering v3"),
            (0, "10.1.8.4", "ConnectedGroup v1"),
            (2, "10.8.4.4", "None"),
            (2, "10.1.9.4", "None"),
            (2, "10.1.8.4", "ConnectedGroup v1"),
            (1, "10.8.4.4", "VnetLocal"),
            (1, "10.1.9.4", "VnetLocal"),
        ],
    );
    topology.peerings.pop();
    topology.peerings[0].reverse = None;
    check(&topology, &[(0, "10.8.4.4", "ConnectedGroup v1"), (2, "10.1.9.4", "ConnectedGroup v1")]);
}

#[test]
fn of_members_that_are_peered_the_peering_decides() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    topology.peer(0, 1);
    check(
        &topology,
        &[
            (0, "10.1.0.4", "VNetPeering v1"),
            (1, "10.0.0.4", "VNetPeering v0"),
            (2, "10.1.0.4", "ConnectedGroup v1"),
        ],
    );
    // Without peering routes nothing leads there, and the user's summary route holds.
    route(&mut topology, 0, &[("10.0.0.0/8", RouteNextHop::Internet)]);
    check(&topology, &[(0, "10.1.0.4", "VNetPeering v1")]);
    topology.route_tables[0].disable_peering_routes = true;
    check(&topology, &[(0, "10.1.0.4", "Internet"), (0, "10.2.0.4", "ConnectedGroup v2")]);
}

#[test]
fn a_subnet_peering_beats_the_group_and_drops_what_it_does_not_carry() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    peer_subnets(&mut topology, [(0, "a", "10.0.7.0/24"), (1, "b", "10.1.7.0/24")]);
    check(
        &topology,
        &[
            (0, "10.1.7.4", "VNetPeering v1"),
            (0, "10.1.8.4", "None"),
            (1, "10.0.7.4", "VNetPeering v0"),
            (1, "10.0.8.4", "None"),
            (2, "10.1.7.4", "ConnectedGroup v1"),
            (2, "10.1.8.4", "ConnectedGroup v1"),
        ],
    );
}

#[test]
fn user_routes_follow_the_longest_prefix() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    let internet = RouteNextHop::Internet;
    let prefixes = ["10.0.0.0/8", "10.1.0.0/16", "10.2.3.0/24"];
    route(&mut topology, 0, &prefixes.map(|it| (it, internet.clone())));
    check(
        &topology,
        &[
            (0, "10.1.0.4", "Internet"),
            (0, "10.2.0.4", "ConnectedGroup v2"),
            (0, "10.2.3.4", "Internet"),
            (0, "10.9.0.4", "Internet"),
        ],
    );
}

#[test]
fn an_appliance_of_a_member_is_not_in_reach() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    topology.nics.push(nic("nva", 1, 0, &["10.1.0.4"]));
    let nva = RouteNextHop::VirtualAppliance(ip("10.1.0.4"));
    route(&mut topology, 0, &[("10.2.0.0/16", nva)]);
    let found = |topology: &Topology| match routes(topology, 0).lookup(ip("10.2.0.4")).unwrap().hop
    {
        RouteHop::Appliance { resolved, .. } => resolved.map(drop),
        other => panic!("{other:?}"),
    };
    assert_eq!(found(&topology), Err(ApplianceProblem::NotInReach));
    topology.peer(0, 1);
    assert_eq!(found(&topology), Ok(()), "over a peering");
}

#[test]
fn gateway_routes_inside_a_members_space_are_ignored() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1]]);
    let sites = ["10.1.0.0/16", "10.1.9.0/24", "10.0.0.0/12", "192.168.7.0/24"];
    crate::topology::testing::gateway::add_gateway(&mut topology, 0, &["10.0.0.20"], &sites);
    check(
        &topology,
        &[
            (0, "10.1.9.4", "ConnectedGroup v1"),
            (0, "10.2.0.4", "VirtualNetworkGateway"),
            (0, "192.168.7.4", "VirtualNetworkGateway"),
        ],
    );
    let all = routes(&topology, 0).routes;
    let state = |prefix: &str| {
        let mut found = all.iter().filter(|it| it.prefix == net(prefix));
        found.find(|it| it.hop.type_name() == "VirtualNetworkGateway").unwrap().state
    };
    assert_eq!(state("10.1.0.0/16"), RouteState::Invalid);
    assert_eq!(state("10.1.9.0/24"), RouteState::Invalid);
    assert_eq!(state("10.0.0.0/12"), RouteState::Active);
}

#[test]
fn none_routes_give_way_to_members() {
    let topology = world(&[&["203.0.113.0/24"], &["10.0.0.0/8"], &["172.0.0.0/8"]], &[&[0, 1, 2]]);
    let found = routes(&topology, 0);
    let none = found.active().filter(|it| it.hop == RouteHop::None).map(|it| it.prefix.to_string());
    assert_eq!(none.collect::<Vec<_>>(), ["192.168.0.0/16", "100.64.0.0/10"]);
    check(
        &topology,
        &[(0, "10.1.1.1", "ConnectedGroup v1"), (0, "172.16.0.1", "ConnectedGroup v2")],
    );
}

#[test]
fn a_listing_has_one_row_with_all_prefixes() {
    let spaces: &[&[&str]] = &[
        &["10.0.0.0/16"],
        &["10.1.0.0/16", "fd00:1::/48"],
        &["10.2.0.0/16", "10.1.7.0/24"],
        &["10.3.0.0/16"],
    ];
    let mut topology = world(spaces, &[&[0, 1, 2, 3]]);
    route(&mut topology, 0, &[("10.3.0.0/16", RouteNextHop::Internet)]);
    let rows = routes(&topology, 0).to_azure();
    let found: Vec<_> = rows
        .iter()
        .map(|it| {
            let prefixes: Vec<_> = it.address_prefix.iter().map(ToString::to_string).collect();
            (prefixes.join(" "), it.next_hop_type.as_str(), it.state)
        })
        .collect();
    let expected = [
        ("10.0.0.0/16", "VnetLocal", RouteState::Active),
        ("10.1.0.0/16 10.2.0.0/16 fd00:1::/48", "ConnectedGroup", RouteState::Active),
        ("10.3.0.0/16", "ConnectedGroup", RouteState::Invalid),
        ("10.1.7.0/24", "None", RouteState::Active),
    ];
    let expected = expected.map(|(prefixes, kind, state)| (prefixes.to_owned(), kind, state));
    assert_eq!(found[..4], expected);
    let row = serde_json::to_value(&rows[1]).unwrap();
    assert_eq!(row["source"], "Default");
    assert_eq!(row["nextHopIpAddress"], serde_json::json!([]));
    assert_eq!(row.get("name"), None);
}

#[test]
fn the_groups_spaces_are_in_the_tag_virtual_network() {
    let spaces: &[&[&str]] =
        &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"], &["10.3.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1, 2]]);
    topology.peer(0, 2);
    topology.peerings[0].allow_virtual_network_access = false;
    let state = state(&topology);
    let network = Network::new(&topology, &state).unwrap();
    let tags = crate::topology::effective_security::RoutedTags::of(&network, VnetIndex(0), None);
    let has = |prefix: &str| tags.virtual_network.contains(&net(prefix));
    assert!(has("10.0.0.0/16") && has("10.1.0.0/16"));
    assert!(!has("10.2.0.0/16"), "a peer without access");
    assert!(!has("10.3.0.0/16"));
}

#[test]
fn members_have_numbered_links_that_are_others_after_they_left() {
    let spaces: &[&[&str]] = &[&["10.0.0.0/16"], &["10.1.0.0/16"], &["10.2.0.0/16"]];
    let mut topology = world(spaces, &[&[0, 1]]);
    topology.vnets[1].location = "North Europe".into();
    let first = state(&topology);
    let id = |scope: &str| {
        let vnet = resource("virtualNetworks", "v0");
        ResourceId::new(format!("{vnet}/connectedGroups/{scope}"))
    };
    let network = Network::new(&topology, &first).unwrap();
    let links = network.vnets()[0].group_links;
    assert_eq!(links, [first.link(&id("regional")).unwrap(), first.link(&id("global")).unwrap()]);
    assert!(network.vnets()[2].group_links.iter().all(|it| !it.is_some()));
    assert_ne!(network.vnets()[0].region, network.vnets()[1].region);
    assert_eq!(network.vnets()[0].region, network.vnets()[2].region);
    let guid = first.meter_guid(&id("global")).unwrap();
    let groups = std::mem::take(&mut topology.connected_groups);
    let without = advance(&first, &topology).unwrap();
    assert_eq!(without.link(&id("global")), None);
    topology.connected_groups = groups;
    let again = advance(&without, &topology).unwrap();
    assert_ne!(again.meter_guid(&id("global")).unwrap(), guid);
    assert_ne!(again.link(&id("global")), first.link(&id("global")));
    assert_eq!(again.region("northeurope"), first.region("northeurope"));
}
