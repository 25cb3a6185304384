//! Effective routes by Azure's rules.

use super::*;
use crate::topology::{
    model::{Topology, VnetIndex},
    state::{PeeringWrite, State, advance, operate},
    testing::{hub_and_spokes, ip, net, route_table},
};

/// (prefix, type, state) of the routes of a VNet's first subnet.
fn routes(
    topology: &Topology,
    state: &State,
    vnet: usize,
) -> Vec<(String, &'static str, RouteState)> {
    let all = effective(topology, state, vnet).routes;
    all.iter().map(|it| (it.prefix.to_string(), it.hop.type_name(), it.state)).collect()
}

fn effective(topology: &Topology, state: &State, vnet: usize) -> EffectiveRoutes {
    let network = Network::new(topology, state).unwrap();
    let table = topology.vnets[vnet].subnets[0].route_table;
    effective_routes(&network, VnetIndex(vnet), table).unwrap()
}

fn start(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn with_routes(vnet: usize, routes: &[(&str, RouteNextHop)]) -> Topology {
    let mut topology = hub_and_spokes();
    topology.route_tables.push(route_table("rt", routes));
    topology.vnets[vnet].subnets[0].route_table = Some(RouteTableIndex(0));
    topology
}

fn hop(topology: &Topology, vnet: usize, destination: &str) -> RouteHop {
    effective(topology, &start(topology), vnet).lookup(ip(destination)).unwrap().hop.clone()
}

const ACTIVE: RouteState = RouteState::Active;

#[test]
fn a_spoke_sees_itself_the_hub_the_internet_and_none_but_not_the_other_spoke() {
    let mut topology = hub_and_spokes();
    topology.vnets[0].location = "North Europe".into();
    topology.vnets[1].location = "West Europe".into();
    let expected = [
        ("10.1.0.0/16", "VnetLocal"),
        ("fd00:1::/48", "VnetLocal"),
        ("10.0.0.0/16", "VNetGlobalPeering"),
        ("fd00::/48", "VNetGlobalPeering"),
        ("0.0.0.0/0", "Internet"),
        ("::/0", "Internet"),
        ("10.0.0.0/8", "None"),
        ("172.16.0.0/12", "None"),
        ("192.168.0.0/16", "None"),
        ("100.64.0.0/10", "None"),
    ];
    let expected = expected.map(|(prefix, kind)| (prefix.to_owned(), kind, ACTIVE));
    assert_eq!(routes(&topology, &start(&topology), 1), expected);
}

#[test]
fn regions_differ_by_name_and_not_by_spelling() {
    let mut topology = hub_and_spokes();
    topology.vnets[0].location = "West Europe".into();
    let found = routes(&topology, &start(&topology), 1);
    assert!(found.contains(&("10.0.0.0/16".into(), "VNetPeering", ACTIVE)), "{found:?}");
}

#[test]
fn a_none_route_gives_way_to_an_equal_or_larger_range_only() {
    let mut topology = hub_and_spokes();
    topology.vnets[1].address_space =
        vec![net("172.16.0.0/12"), net("192.0.0.0/8"), net("100.64.0.0/11")];
    topology.peerings.clear();
    let found = routes(&topology, &start(&topology), 1);
    let none: Vec<_> = found.iter().filter(|it| it.1 == "None").map(|it| it.0.as_str()).collect();
    assert_eq!(none, ["10.0.0.0/8", "100.64.0.0/10"]);
}

#[test]
fn peering_routes_need_both_sides_and_follow_the_synced_space() {
    let mut topology = hub_and_spokes();
    let state = start(&topology);
    topology.vnets[0].address_space.push(net("10.8.0.0/16"));
    let resized = advance(&state, &topology).unwrap();
    let has = |state: &State, topology: &Topology, prefix: &str| {
        routes(topology, state, 2).iter().any(|it| it.0 == prefix && it.1 == "VNetPeering")
    };
    assert!(has(&resized, &topology, "10.0.0.0/16") && !has(&resized, &topology, "10.8.0.0/16"));
    let write = PeeringWrite::Sync(topology.peerings[3].id.clone());
    let synced = operate(&resized, &topology, &write).unwrap();
    assert!(has(&synced, &topology, "10.8.0.0/16"));
    topology.peerings.remove(2);
    topology.peerings[2].reverse = None;
    let alone = advance(&state, &topology).unwrap();
    assert!(!routes(&topology, &alone, 2).iter().any(|it| it.1 == "VNetPeering"));
}

#[test]
fn a_user_route_beats_a_system_route_of_the_same_prefix_and_the_loser_is_listed() {
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    let topology = with_routes(1, &[("10.0.0.0/16", nva), ("0.0.0.0/0", RouteNextHop::None)]);
    let found = routes(&topology, &start(&topology), 1);
    assert!(found.contains(&("10.0.0.0/16".into(), "VNetPeering", RouteState::Invalid)));
    assert!(found.contains(&("10.0.0.0/16".into(), "VirtualAppliance", ACTIVE)));
    assert!(found.contains(&("0.0.0.0/0".into(), "Internet", RouteState::Invalid)));
    assert!(found.contains(&("0.0.0.0/0".into(), "None", ACTIVE)));
}

#[test]
fn a_broader_user_route_does_not_beat_a_peering_route() {
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    let mut topology = with_routes(1, &[("10.0.0.0/8", nva)]);
    assert!(matches!(hop(&topology, 1, "10.0.0.9"), RouteHop::Peering { .. }));
    assert!(matches!(hop(&topology, 1, "10.2.0.4"), RouteHop::Appliance { resolved: Ok(_), .. }));
    topology.route_tables[0].disable_peering_routes = true;
    let resolved = Err(ApplianceProblem::NotInReach);
    let address = ip("10.0.0.4");
    assert_eq!(hop(&topology, 1, "10.0.0.9"), RouteHop::Appliance { address, resolved });
}

#[test]
fn an_appliance_is_found_in_the_own_and_in_directly_peered_vnets_only() {
    let appliance = |address: &str| RouteNextHop::VirtualAppliance(ip(address));
    let topology = with_routes(
        1,
        &[
            ("203.0.113.1/32", appliance("10.1.0.5")),
            ("203.0.113.2/32", appliance("10.0.0.4")),
            ("203.0.113.3/32", appliance("10.2.0.4")),
            ("203.0.113.4/32", appliance("10.0.0.77")),
            ("203.0.113.5/32", RouteNextHop::VnetLocal),
        ],
    );
    let state = start(&topology);
    let resolved = |last: u8| match hop(&topology, 1, &format!("203.0.113.{last}")) {
        RouteHop::Appliance { resolved, .. } => resolved,
        other => panic!("{other:?}"),
    };
    let own = resolved(1).unwrap();
    assert_eq!((Some(own.nic), own.link), (state.nic(&topology.nics[1].id), LinkId::NONE));
    let hub = resolved(2).unwrap();
    assert_eq!(Some(hub.nic), state.nic(&topology.nics[0].id));
    assert_eq!(Some(hub.link), state.link(&topology.peerings[1].id));
    assert_eq!(Some(hub.reverse), state.link(&topology.peerings[0].id));
    assert_eq!(resolved(3), Err(ApplianceProblem::NotInReach), "the other spoke");
    assert_eq!(resolved(4), Err(ApplianceProblem::NoNic));
    assert_eq!(hop(&topology, 1, "203.0.113.5"), RouteHop::VnetLocal);
}

#[test]
fn the_json_form_is_azures() {
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    let topology = with_routes(1, &[("10.2.0.0/16", nva)]);
    let rows = effective(&topology, &start(&topology), 1).to_azure();
    assert_eq!(
        serde_json::to_value(rows.last().unwrap()).unwrap(),
        serde_json::json!({
            "name": "to-10.2.0.0-16",
            "disableBgpRoutePropagation": false,
            "source": "User",
            "state": "Active",
            "addressPrefix": ["10.2.0.0/16"],
            "nextHopType": "VirtualAppliance",
            "nextHopIpAddress": ["10.0.0.4"],
            "hasBgpOverride": false,
            "destinationServiceTags": [],
            "tagMap": {}
        })
    );
    let first = serde_json::to_value(rows.first().unwrap()).unwrap();
    assert_eq!((first.get("name"), first["source"].as_str()), (None, Some("Default")));
}
