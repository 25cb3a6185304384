//! Routes of gateways, each case by the number of Azure's rule in AZ.

use super::*;
use crate::topology::{
    facts::NetworkFacts,
    model::{PeeringIndex, ResourceId, RouteNextHop, RouteTableIndex, Topology, VnetIndex},
    routes::{EffectiveRoutes, effective_routes},
    state::{PeeringWrite, State, advance, operate},
    testing::{
        gateway::{add_gateway, connection},
        hub_and_spokes, ip, net, resource, route_table, vnet,
    },
};

const HUB: usize = 0;
const SPOKE1: usize = 1;
const SPOKE2: usize = 2;

/// The hub has a gateway to a site, and spoke 1 uses it.
fn transit() -> Topology {
    let mut topology = hub_and_spokes();
    add_gateway(&mut topology, HUB, &["10.0.0.5", "fd00::5"], &["192.168.0.0/16", "fd00:c0::/48"]);
    topology.peerings[0].allow_gateway_transit = true;
    topology.peerings[1].use_remote_gateways = true;
    topology
}

fn state(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn learned(prefixes: &[&str]) -> NetworkFacts {
    let prefixes = prefixes.iter().map(|it| net(it)).collect();
    let gateway = resource("virtualNetworkGateways", "gateway0");
    NetworkFacts { learned: [(gateway, prefixes)].into(), ..NetworkFacts::default() }
}

fn effective(topology: &Topology, facts: &NetworkFacts, vnet: usize) -> EffectiveRoutes {
    let state = state(topology);
    let network = Network::new(topology, &state).unwrap().with_facts(facts);
    let table = topology.vnets[vnet].subnets[0].route_table;
    effective_routes(&network, VnetIndex(vnet), table).unwrap()
}

/// (type of the next hop, state) of every route of a prefix.
fn of_prefix(routes: &EffectiveRoutes, prefix: &str) -> Vec<(&'static str, bool)> {
    let routes = routes.routes.iter().filter(|it| it.prefix == net(prefix));
    routes.map(|it| (it.hop.type_name(), it.state == RouteState::Active)).collect()
}

fn gateway_prefixes(routes: &EffectiveRoutes) -> Vec<String> {
    let routes = routes.routes.iter();
    let routes = routes.filter(|it| it.source == RouteSource::VirtualNetworkGateway);
    routes.map(|it| it.prefix.to_string()).collect()
}

fn told(topology: &Topology, state: &State) -> Vec<String> {
    let network = Network::new(topology, state).unwrap();
    advertised(&network, GatewayIndex(0)).iter().map(ToString::to_string).collect()
}

const GATEWAY: (&str, bool) = ("VirtualNetworkGateway", true);
const LOSER: (&str, bool) = ("VirtualNetworkGateway", false);

#[test]
fn az_3_1_sites_are_routes_of_the_vnet_with_the_gateways_address_as_next_hop() {
    let routes = effective(&transit(), &NetworkFacts::default(), HUB);
    assert_eq!(gateway_prefixes(&routes), ["192.168.0.0/16", "fd00:c0::/48"]);
    for (destination, gateway) in [("192.168.7.7", "10.0.0.5"), ("fd00:c0::7", "fd00::5")] {
        let RouteHop::Gateway { address, resolved: Ok(appliance) } =
            &routes.lookup(ip(destination)).unwrap().hop
        else {
            panic!("{destination}");
        };
        assert_eq!((*address, appliance.link), (Some(ip(gateway)), LinkId::NONE));
    }
    let rows = routes.to_azure();
    let row = rows.iter().find(|it| it.address_prefix == [net("192.168.0.0/16")]);
    assert_eq!(row.unwrap().next_hop_ip_address, [] as [IpAddr; 0], "the None route");
    let row = rows.iter().find(|it| it.next_hop_type == "VirtualNetworkGateway").unwrap();
    assert_eq!(row.next_hop_ip_address, [ip("10.0.0.5")]);
    assert_eq!(row.source, RouteSource::VirtualNetworkGateway);
}

#[test]
fn az_5_5_a_vnet_that_uses_a_remote_gateway_gets_its_routes_over_the_peering() {
    let topology = transit();
    let state = state(&topology);
    let routes = effective(&topology, &learned(&["172.20.0.0/16"]), SPOKE1);
    assert_eq!(gateway_prefixes(&routes), ["172.20.0.0/16", "192.168.0.0/16", "fd00:c0::/48"]);
    let RouteHop::Gateway { address, resolved: Ok(appliance) } =
        routes.lookup(ip("172.20.1.1")).unwrap().hop
    else {
        panic!("no gateway");
    };
    assert_eq!(address, Some(ip("10.0.0.5")));
    assert_eq!(Some(appliance.link), state.link(&topology.peerings[1].id));
    assert_eq!(Some(appliance.reverse), state.link(&topology.peerings[0].id));
    let other = effective(&topology, &learned(&["172.20.0.0/16"]), SPOKE2);
    assert_eq!(gateway_prefixes(&other), [] as [String; 0], "it uses no gateway");
}

#[test]
fn az_5_1_both_flags_are_needed_and_both_sides_connected() {
    let changes: [fn(&mut Topology); 4] = [
        |it| it.peerings[0].allow_gateway_transit = false,
        |it| it.peerings[1].use_remote_gateways = false,
        |it| it.gateways.clear(),
        |it| {
            it.peerings.remove(0);
            it.peerings[0].reverse = None;
            it.peerings[1].reverse = Some(PeeringIndex(2));
            it.peerings[2].reverse = Some(PeeringIndex(1));
        },
    ];
    for (case, change) in changes.iter().enumerate() {
        let mut topology = transit();
        change(&mut topology);
        let routes = effective(&topology, &NetworkFacts::default(), SPOKE1);
        assert_eq!(gateway_prefixes(&routes), [] as [String; 0], "case {case}");
    }
}

#[test]
fn az_5_5_spokes_that_use_the_gateway_are_told_to_the_other_side_as_last_synced() {
    let mut topology = transit();
    let before = state(&topology);
    assert_eq!(
        told(&topology, &before),
        ["10.0.0.0/16", "10.1.0.0/16", "fd00::/48", "fd00:1::/48"]
    );
    topology.vnets[SPOKE1].address_space.push(net("10.11.0.0/16"));
    let resized = advance(&before, &topology).unwrap();
    assert!(!told(&topology, &resized).contains(&"10.11.0.0/16".to_owned()));
    let write = PeeringWrite::Sync(topology.peerings[0].id.clone());
    let synced = operate(&resized, &topology, &write).unwrap();
    assert!(told(&topology, &synced).contains(&"10.11.0.0/16".to_owned()));
}

#[test]
fn az_3_2_2_a_user_route_beats_a_gateway_route_and_that_beats_a_system_route() {
    let mut topology = transit();
    let facts = learned(&["10.0.0.0/8", "0.0.0.0/0", "172.20.0.0/16"]);
    let routes = effective(&topology, &facts, SPOKE1);
    assert_eq!(of_prefix(&routes, "10.0.0.0/8"), [("None", false), GATEWAY]);
    assert_eq!(of_prefix(&routes, "0.0.0.0/0"), [("Internet", false), GATEWAY]);
    assert_eq!(of_prefix(&routes, "::/0"), [("Internet", true)]);
    assert_eq!(of_prefix(&routes, "192.168.0.0/16"), [("None", false), GATEWAY]);
    assert_eq!(of_prefix(&routes, "172.16.0.0/12"), [("None", true)], "another prefix");
    let user = [("172.20.0.0/16", RouteNextHop::None), ("0.0.0.0/0", RouteNextHop::Internet)];
    topology.route_tables.push(route_table("rt", &user));
    topology.vnets[SPOKE1].subnets[0].route_table = Some(RouteTableIndex(0));
    let routes = effective(&topology, &facts, SPOKE1);
    assert_eq!(of_prefix(&routes, "172.20.0.0/16"), [LOSER, ("None", true)]);
    assert_eq!(of_prefix(&routes, "0.0.0.0/0"), [("Internet", false), LOSER, ("Internet", true)]);
}

#[test]
fn az_3_2_3_routes_of_the_vnet_and_of_peers_beat_gateway_routes_that_are_more_specific() {
    let facts =
        learned(&["10.1.7.0/24", "10.1.0.0/16", "10.0.9.0/24", "fd00:1:0:9::/64", "10.2.9.0/24"]);
    let routes = effective(&transit(), &facts, SPOKE1);
    for prefix in ["10.1.7.0/24", "10.0.9.0/24", "fd00:1:0:9::/64"] {
        assert_eq!(of_prefix(&routes, prefix), [LOSER], "{prefix}");
    }
    assert_eq!(of_prefix(&routes, "10.1.0.0/16"), [("VnetLocal", true), LOSER]);
    assert_eq!(of_prefix(&routes, "10.2.9.0/24"), [GATEWAY], "not a peer of spoke 1");
    assert_eq!(routes.lookup(ip("10.1.7.7")).unwrap().hop, RouteHop::VnetLocal);
}

#[test]
fn az_3_2_8_peering_beats_a_connection_between_the_same_vnets() {
    let mut topology = transit();
    add_gateway(&mut topology, SPOKE2, &["10.2.0.5"], &[]);
    topology.gateways[0]
        .connections
        .push(connection("to", ConnectionRemote::Gateway(GatewayIndex(1))));
    let facts = NetworkFacts::default();
    let one_sided = effective(&topology, &facts, SPOKE1);
    assert_eq!(
        of_prefix(&one_sided, "10.2.0.0/16"),
        [],
        "the other gateway has no connection back"
    );
    topology.gateways[1]
        .connections
        .push(connection("back", ConnectionRemote::Gateway(GatewayIndex(0))));
    let routes = effective(&topology, &facts, HUB);
    assert_eq!(of_prefix(&routes, "10.2.0.0/16"), [("VNetPeering", true), LOSER]);
    let routes = effective(&topology, &facts, SPOKE1);
    assert_eq!(of_prefix(&routes, "10.2.0.0/16"), [GATEWAY]);
    // The other way round the VNets that use the gateway come with it.
    let routes = effective(&topology, &facts, SPOKE2);
    assert_eq!(of_prefix(&routes, "10.1.0.0/16"), [GATEWAY]);
    assert_eq!(of_prefix(&routes, "fd00:1::/48"), [], "its gateway has no IPv6 address");
}

#[test]
fn az_3_3_a_table_without_propagation_has_no_gateway_routes_and_keeps_the_others() {
    let mut topology = transit();
    topology
        .route_tables
        .push(route_table("rt", &[("10.99.0.0/16", RouteNextHop::VirtualNetworkGateway)]));
    topology.route_tables[0].disable_bgp_route_propagation = true;
    topology.vnets[SPOKE1].subnets[0].route_table = Some(RouteTableIndex(0));
    let routes = effective(&topology, &learned(&["172.20.0.0/16"]), SPOKE1);
    assert_eq!(gateway_prefixes(&routes), [] as [String; 0]);
    assert_eq!(of_prefix(&routes, "10.0.0.0/16"), [("VNetPeering", true)]);
    assert_eq!(of_prefix(&routes, "192.168.0.0/16"), [("None", true)]);
    // A user-defined route still leads to the gateway.
    assert_eq!(of_prefix(&routes, "10.99.0.0/16"), [GATEWAY]);
    let hop = &routes.lookup(ip("10.99.1.1")).unwrap().hop;
    assert!(matches!(hop, RouteHop::Gateway { resolved: Ok(_), .. }), "{hop:?}");
}

#[test]
fn az_3_3_only_a_vpn_gateway_that_the_vnet_can_use_is_a_next_hop() {
    let table = route_table(
        "rt",
        &[
            ("10.99.0.0/16", RouteNextHop::VirtualNetworkGateway),
            ("fd00:99::/48", RouteNextHop::VirtualNetworkGateway),
        ],
    );
    let resolved = |change: fn(&mut Topology), vnet: usize, destination: &str| {
        let mut topology = transit();
        topology.route_tables.push(table.clone());
        topology.vnets[vnet].subnets[0].route_table = Some(RouteTableIndex(0));
        change(&mut topology);
        match &effective(&topology, &NetworkFacts::default(), vnet)
            .lookup(ip(destination))
            .unwrap()
            .hop
        {
            RouteHop::Gateway { resolved, .. } => resolved.map(|_| ()),
            other => panic!("{other:?}"),
        }
    };
    let (not_in_reach, no_nic) = (Err(ApplianceProblem::NotInReach), Err(ApplianceProblem::NoNic));
    let same = |_: &mut Topology| {};
    assert_eq!(resolved(same, HUB, "10.99.0.1"), Ok(()));
    assert_eq!(resolved(same, SPOKE1, "10.99.0.1"), Ok(()));
    assert_eq!(resolved(same, SPOKE1, "fd00:99::1"), Ok(()));
    assert_eq!(resolved(same, SPOKE2, "10.99.0.1"), not_in_reach, "it uses none");
    let express = |it: &mut Topology| it.gateways[0].gateway_type = GatewayType::ExpressRoute;
    assert_eq!(resolved(express, SPOKE1, "10.99.0.1"), not_in_reach);
    let ipv4_only = |it: &mut Topology| it.nics.last_mut().unwrap().addresses.truncate(1);
    assert_eq!(resolved(ipv4_only, SPOKE1, "fd00:99::1"), no_nic);
}

#[test]
fn az_5_vnets_on_one_circuit_exchange_what_their_gateways_advertise() {
    let mut topology = transit();
    topology.vnets.push(vnet("far", &["10.7.0.0/16", "fd00:7::/48"]));
    add_gateway(&mut topology, 3, &["10.7.0.5", "fd00:7::5"], &[]);
    let circuit = ConnectionRemote::Circuit(ResourceId::new("/subscriptions/x/circuit"));
    for gateway in &mut topology.gateways {
        gateway.gateway_type = GatewayType::ExpressRoute;
        gateway.connections = vec![connection("circuit", circuit.clone())];
    }
    let facts = NetworkFacts::default();
    let expected = ["10.7.0.0/16", "fd00:7::/48"];
    assert_eq!(gateway_prefixes(&effective(&topology, &facts, SPOKE1)), expected);
    let expected = ["10.0.0.0/16", "10.1.0.0/16", "fd00::/48", "fd00:1::/48"];
    assert_eq!(gateway_prefixes(&effective(&topology, &facts, 3)), expected);
    topology.gateways[0].allow_remote_vnet_traffic = false;
    for vnet in [SPOKE1, 3] {
        let found = gateway_prefixes(&effective(&topology, &facts, vnet));
        assert_eq!(found, [] as [String; 0], "allowRemoteVnetTraffic of both is needed");
    }
}

#[test]
fn what_a_gateway_without_bgp_learned_is_not_a_route() {
    let mut topology = transit();
    topology.gateways[0].bgp = false;
    let routes = effective(&topology, &learned(&["172.20.0.0/16"]), HUB);
    assert_eq!(gateway_prefixes(&routes), ["192.168.0.0/16", "fd00:c0::/48"]);
}

#[test]
fn a_peering_of_ipv6_alone_brings_no_ipv4_routes_of_the_gateway() {
    let mut topology = transit();
    topology.peerings[1].enable_only_ipv6 = true;
    let routes = effective(&topology, &NetworkFacts::default(), SPOKE1);
    assert_eq!(gateway_prefixes(&routes), ["fd00:c0::/48"]);
}

#[test]
fn az_4_5_the_tag_has_what_is_connected_with_the_gateway() {
    let mut topology = transit();
    let facts = learned(&["172.20.0.0/16"]);
    let tag = |topology: &Topology, vnet: usize| {
        let state = state(topology);
        let network = Network::new(topology, &state).unwrap().with_facts(&facts);
        let vnet = network.vnet(VnetIndex(vnet)).unwrap();
        crate::topology::service_tags::virtual_network(&network, vnet, None)
    };
    let has = |topology: &Topology, vnet| {
        let tag = tag(topology, vnet);
        [net("172.20.0.0/16"), net("192.168.0.0/16")].map(|it| tag.contains(&it))
    };
    assert_eq!(has(&topology, HUB), [true; 2]);
    assert_eq!(has(&topology, SPOKE1), [true; 2]);
    assert_eq!(has(&topology, SPOKE2), [false; 2]);
    topology.peerings[1].allow_virtual_network_access = false;
    assert_eq!(has(&topology, SPOKE1), [false; 2], "nor is what is behind a peer without access");
}

#[test]
fn appliances_that_are_down_take_no_flows_and_stay_listed() {
    let mut topology = hub_and_spokes();
    let members = [ip("10.0.0.4"), ip("10.2.0.4"), ip("10.1.0.4")];
    let hop = RouteNextHop::VirtualApplianceEcmp(members.to_vec());
    topology.route_tables.push(route_table("rt", &[("10.99.0.0/16", hop)]));
    topology.vnets[SPOKE1].subnets[0].route_table = Some(RouteTableIndex(0));
    let seen = |down: &[&str]| {
        let down = down.iter().map(|it| resource("networkInterfaces", it)).collect();
        let facts = NetworkFacts { down, ..NetworkFacts::default() };
        let routes = effective(&topology, &facts, SPOKE1);
        let route = routes.to_azure().pop().unwrap();
        assert_eq!(route.next_hop_ip_address, members, "all are listed");
        assert_eq!(route.next_hop_type, "VirtualApplianceEcmp");
        match &routes.lookup(ip("10.99.1.1")).unwrap().hop {
            RouteHop::Appliances(it) => it
                .iter()
                .map(|(_, it)| it.as_ref().map(|_| ()).map_err(|it| *it))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let far = Err(ApplianceProblem::NotInReach);
    let down = Err(ApplianceProblem::Down);
    assert_eq!(seen(&[]), [Ok(()), far, Ok(())]);
    assert_eq!(seen(&["nva"]), [down, far, Ok(())]);
    assert_eq!(seen(&["nva", "web1"]), [down, far, down]);
}
