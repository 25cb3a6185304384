//! What one host is given of a deployment.

use super::*;
use crate::topology::{
    desired::Peer,
    model::{Access, Direction, ResourceId, RouteNextHop, RouteTableIndex, SecurityGroupIndex},
    network::NetworkError,
    state::{PeeringWrite, PolicyKey, TableKey, advance, operate},
    testing::{
        facts,
        gateway::add_gateway,
        hub_and_spokes, ip, net, nic, random_topology, route_table,
        security::{admin, group, rule},
        uplink, vnet,
    },
};
use vnetpeer_common::{
    abi::{address_class, filter_flags, nic_flags, vtep_flags},
    types::{Mac, PolicyId, VtepId},
};

fn start(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn on(topology: &Topology, state: &State, host: usize) -> Desired {
    compile(topology, state, &topology.hosts[host].name, &facts(topology, host)).unwrap()
}

#[test]
fn a_local_nic_has_everything_and_a_remote_one_what_packets_need() {
    let topology = hub_and_spokes();
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let id = |index: usize| state.nic(&topology.nics[index].id).unwrap();
    let facts = facts(&topology, 0).interfaces;
    let web1 = desired.nics[&id(1)];
    assert_eq!(web1.ifindex, facts["tap-web1"].ifindex);
    assert_eq!(desired.ifaces[&web1.ifindex], id(1));
    assert_eq!(web1.mac, Mac([2, 0x0d, 0x3a, 0, 0, 2]));
    assert_eq!((web1.ipv4, web1.gateway_ipv4), ([10, 1, 0, 4], [10, 1, 0, 1]));
    assert_eq!(web1.flags & nic_flags::MORE_ADDRESSES, nic_flags::MORE_ADDRESSES);
    assert_eq!(desired.nics[&id(0)].flags & nic_flags::FORWARDING, nic_flags::FORWARDING);
    let more = abi::AddressKey::new(id(1), Addr::from(ip("10.1.0.5")));
    assert_eq!(desired.nic_addresses, BTreeSet::from([more]));
    let web2 = desired.nics[&id(2)];
    assert_eq!((web2.flags, web2.ifindex, web2.table.0), (nic_flags::PRESENT, 0, 0));
    assert_eq!(Some(web2.vtep), state.vtep("host1"));
}

#[test]
fn a_host_is_given_only_what_its_nics_can_reach() {
    let mut topology = hub_and_spokes();
    topology.nics[0].host.0 = 1;
    topology.vnets.push(vnet("stranger", &["10.1.0.0/16"]));
    topology.nics.push(nic("foreign", 3, 1, &["10.1.0.4"]));
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let vnets: Vec<_> = desired.vnets.iter().map(|(id, it)| (id.0, it.hosted)).collect();
    let id = |index: usize| state.vnet(&topology.vnets[index].id).unwrap().0;
    assert_eq!(vnets, [(id(0), false), (id(1), true)], "spoke1 here, the hub in reach");
    assert_eq!(desired.nics.len(), 2);
    assert_eq!(desired.links.len(), 2);
    assert_eq!(desired.relations.len(), 2);
    assert!(desired.vnets[&VnetId(id(0))].peers.own.v4.is_empty());
}

#[test]
fn one_side_alone_connects_nothing() {
    let mut topology = hub_and_spokes();
    topology.peerings.truncate(1);
    topology.peerings[0].reverse = None;
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let link = desired.links.values().next().unwrap();
    assert_eq!((desired.links.len(), link.flags), (1, link_flags::ALLOW_ACCESS));
    assert!(desired.vnets.values().all(|it| it.peers.own.v4.is_empty()));
}

#[test]
fn a_missing_interface_is_named_and_its_nic_left_out() {
    let topology = hub_and_spokes();
    let state = start(&topology);
    let mut facts = facts(&topology, 0);
    facts.interfaces.remove("tap-web1");
    let desired = compile(&topology, &state, "host0", &facts).unwrap();
    let id = state.nic(&topology.nics[1].id).unwrap();
    assert_eq!(desired.missing_interfaces, ["tap-web1"]);
    assert!(!desired.nics.contains_key(&id) && !desired.ifaces.values().any(|it| *it == id));
    assert!(desired.nic_addresses.is_empty());
    assert!(desired.vnets[&state.vnet(&topology.vnets[1].id).unwrap()].hosted);
}

#[test]
fn the_internet_is_reached_by_the_own_uplink_else_the_first_hosts_else_not_at_all() {
    let mut topology = hub_and_spokes();
    topology.hosts[1].uplinks.push(uplink("hub-1", 0));
    let default = |topology: &Topology, host: usize, vnet: usize| {
        let state = start(topology);
        let desired = on(topology, &state, host);
        let network = Network::new(topology, &state).unwrap();
        let table = network.table(VnetIndex(vnet), None).unwrap();
        let hop = desired.routes[&table].own.v4[&"0.0.0.0/0".parse().unwrap()].next_hops()[0];
        (hop.kind, NicId(hop.target), desired, state)
    };
    let remote = default(&topology, 0, 0);
    let id = remote.3.nic(&topology.hosts[1].uplinks[0].id).unwrap();
    assert_eq!((remote.0, remote.1), (next_hop_kind::NIC, id));
    assert_eq!(Some(remote.2.nics[&id].vtep), remote.3.vtep("host1"));
    assert_eq!(default(&topology, 0, 1).0, next_hop_kind::NO_UPLINK);
    topology.hosts[0].uplinks.push(uplink("hub-0", 0));
    let own = default(&topology, 0, 0);
    let id = own.3.nic(&topology.hosts[0].uplinks[0].id).unwrap();
    assert_eq!(own.1, id);
    let nic = own.2.nics[&id];
    assert_eq!(nic.mac, Mac([2, 0, 0, 0, 0, 0x99]));
    assert!(nic.flags & nic_flags::FORWARDING != 0 && nic.table.is_some());
}

#[test]
fn subnets_of_equal_content_share_a_table_and_others_do_not() {
    let mut topology = hub_and_spokes();
    let nva = RouteNextHop::VirtualAppliance(ip("10.0.0.77"));
    topology.route_tables.push(route_table("rt", &[("10.2.0.0/16", nva)]));
    let mut second = topology.vnets[1].subnets[0].clone();
    second.id = crate::topology::testing::resource("virtualNetworks/a/subnets", "second");
    second.route_table = Some(RouteTableIndex(0));
    topology.vnets[1].subnets.push(second);
    topology.nics.push(nic("web3", 1, 0, &["10.1.0.9"]));
    topology.nics[3].subnet.0 = 1;
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let table = |index: usize| desired.nics[&state.nic(&topology.nics[index].id).unwrap()].table;
    assert_ne!(table(1), table(3));
    let hop = desired.routes[&table(3)].own.v4[&"10.2.0.0/16".parse().unwrap()].next_hops()[0];
    assert_eq!(hop.kind, next_hop_kind::UNREACHABLE, "no NIC has the appliance's address");
    topology.vnets[1].subnets[1].route_table = None;
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let table = |index: usize| desired.nics[&state.nic(&topology.nics[index].id).unwrap()].table;
    assert_eq!(table(1), table(3));
}

#[test]
fn peers_follow_the_synced_space_and_endpoints_the_current_one() {
    let mut topology = hub_and_spokes();
    let before = start(&topology);
    topology.vnets[1].address_space.push(net("10.7.0.0/16"));
    let resized = advance(&before, &topology).unwrap();
    let hub = resized.vnet(&topology.vnets[0].id).unwrap();
    let spoke = resized.vnet(&topology.vnets[1].id).unwrap();
    let prefix = "10.7.0.0/16".parse().unwrap();
    let old = on(&topology, &resized, 0);
    assert!(!old.vnets[&hub].peers.own.v4.contains_key(&prefix));
    assert!(old.vnets[&spoke].endpoints.v4.contains_key(&prefix));
    let write = PeeringWrite::Sync(topology.peerings[0].id.clone());
    let synced = operate(&resized, &topology, &write).unwrap();
    let link = synced.link(&topology.peerings[0].id).unwrap();
    assert_eq!(on(&topology, &synced, 0).vnets[&hub].peers.own.v4[&prefix], Peer::Link(link));
}

#[test]
fn tunnel_endpoints_come_from_facts_and_without_them_cannot_be_sent_to() {
    let topology = hub_and_spokes();
    let state = start(&topology);
    let id = state.vtep("host1").unwrap();
    let other = state.other_vtep("host1").unwrap();
    let mut facts = facts(&topology, 0);
    let known = compile(&topology, &state, "host0", &facts).unwrap().vteps;
    let flags = vtep_flags::PRESENT | vtep_flags::RESOLVED | vtep_flags::TRANSMIT_XDP;
    assert_eq!((known[&id].flags, known[&id].mtu, known[&id].other), (flags, 1550 - 50, other));
    let over_v6 = &known[&other];
    let expected = (flags | vtep_flags::IPV6, 1550 - 70, id);
    assert_eq!((over_v6.flags, over_v6.mtu, over_v6.other), expected);
    facts.vteps.clear();
    let desired = compile(&topology, &state, "host0", &facts).unwrap();
    let unknown = desired.vteps[&id];
    assert_eq!((unknown.flags, unknown.ifindex, unknown.mtu), (vtep_flags::PRESENT, 0, 1450));
    assert_eq!(unknown.remote, Addr::from(ip("192.0.2.2")));
    let own = [Addr::from(ip("192.0.2.1")), Addr::from(ip("2001:db8::1"))];
    assert_eq!((desired.config.vtep, desired.config.event_mask), (own, 15));
}

#[test]
fn an_old_state_and_an_unknown_host_are_errors() {
    let topology = hub_and_spokes();
    let error = compile(&topology, &State::default(), "host0", &HostFacts::default());
    assert!(matches!(error, Err(NetworkError::NotNumbered { .. })));
    let error = compile(&topology, &start(&topology), "host9", &HostFacts::default());
    assert_eq!(error, Err(NetworkError::HostUnknown { name: "host9".into() }));
}

#[test]
fn everything_that_is_named_exists() {
    for seed in 0..300 {
        let topology = random_topology(seed);
        let state = start(&topology);
        for host in 0..topology.hosts.len() {
            check_names(&on(&topology, &state, host));
        }
    }
}

/// What one entry names, another one is.
fn check_names(desired: &Desired) {
    for nic in desired.nics.values() {
        assert!(desired.vnets.contains_key(&nic.vnet));
        if nic.vtep.is_some() {
            assert!(desired.vteps.contains_key(&nic.vtep));
        } else {
            assert!(desired.routes.contains_key(&nic.table) && nic.slot != 0);
        }
    }
    let tables: Vec<_> = desired.routes.values().map(SharedTable::merged).collect();
    let hops = tables.iter().flat_map(|it| it.v4.values().chain(it.v6.values()));
    for hop in hops.flat_map(Hop::next_hops) {
        match hop.kind {
            next_hop_kind::VNET | next_hop_kind::CONNECTED_GROUP => {
                assert!(desired.vnets.contains_key(&VnetId(hop.target)));
            }
            next_hop_kind::NIC => assert!(desired.nics.contains_key(&NicId(hop.target))),
            _ => assert_eq!(hop.target, 0),
        }
        if hop.link.is_some() {
            assert_eq!(desired.links[&hop.link].reverse, hop.reverse);
            assert_ne!(desired.links[&hop.link].flags & link_flags::CONNECTED, 0);
        }
    }
    for tables in desired.vnets.values() {
        let nics = tables.endpoints.v4.values().chain(tables.endpoints.v6.values());
        assert!(nics.filter(|it| it.is_some()).all(|it| desired.nics.contains_key(it)));
        for (_, peer) in tables.peers.merged().iter() {
            match peer {
                Peer::Nobody => {}
                Peer::Link(link) => assert!(desired.links.contains_key(link)),
                Peer::Member(vnet) => assert!(desired.vnets[vnet].group_links[0].is_some()),
            }
        }
        let group_links = tables.group_links.iter().filter(|it| it.is_some());
        for link in group_links {
            assert_ne!(desired.links[link].flags & link_flags::CONNECTED_GROUP, 0);
        }
    }
    assert!(desired.relations.values().all(|it| desired.links.contains_key(it)));
}

#[test]
fn a_nic_is_judged_by_admin_rules_and_by_the_groups_of_its_subnet_and_itself() {
    let mut topology = hub_and_spokes();
    topology.security_groups = vec![group("subnet", vec![]), group("nic", vec![])];
    topology.security_groups[1].flush_connection = true;
    topology.vnets[1].subnets[0].security_group = Some(SecurityGroupIndex(0));
    topology.vnets[1].flow_timeout_minutes = Some(12);
    topology.nics[1].security_group = Some(SecurityGroupIndex(1));
    topology.nics[1].disable_tcp_state_tracking = true;
    // No group of a NIC on another host, and no admin rules outbound.
    topology.nics[2].security_group = Some(SecurityGroupIndex(0));
    topology.admin_rules.push(admin("admin", &[1], vec![rule("one", 1, Access::Deny)]));
    topology.hosts[0].uplinks.push(uplink("hub-0", 0));
    let state = start(&topology);
    let desired = on(&topology, &state, 0);
    let slot = |id| state.slot("host0", id).unwrap();
    let policy = |group: &ResourceId, direction| {
        state.policy(&PolicyKey { group: group.clone(), direction }).unwrap()
    };
    let (subnet, own) = (&topology.security_groups[0].id, &topology.security_groups[1].id);
    let filter = desired.filters[&slot(&topology.nics[1].id)];
    let admin_in = policy(&topology.admin_rules[0].id, Direction::Inbound);
    let [subnet_in, own_in] = [subnet, own].map(|id| policy(id, Direction::Inbound));
    let [subnet_out, own_out] = [subnet, own].map(|id| policy(id, Direction::Outbound));
    assert_eq!(filter.inbound, [admin_in, subnet_in, own_in]);
    assert_eq!(filter.outbound, [PolicyId::NONE, own_out, subnet_out]);
    assert_eq!((filter.flags, filter.idle_timeout), (filter_flags::LOOSE_TCP, 720));
    assert_eq!((filter.flows_max, filter.half_open_max), (65_536, 8_192));
    assert_eq!(desired.flushing, BTreeSet::from([admin_in, own_in, own_out]));
    let named = BTreeSet::from([admin_in, subnet_in, subnet_out, own_in, own_out]);
    assert_eq!(desired.policies.keys().copied().collect::<BTreeSet<_>>(), named);
    let plain = desired.filters[&slot(&topology.nics[0].id)];
    assert_eq!((plain.outbound, plain.idle_timeout), ([PolicyId::NONE; 3], 240));
    let uplink = desired.filters[&slot(&topology.hosts[0].uplinks[0].id)];
    assert_eq!(uplink.inbound, [PolicyId::NONE; 3]);
    assert!(uplink.flags == filter_flags::LOOSE_TCP && uplink.flows_max > plain.flows_max);
    assert_eq!(desired.filters.len(), 3, "local NICs and uplinks only");
    assert_eq!(desired.config.cache_mask, [65_535, 32_767]);
}

#[test]
fn a_gateway_is_marked_where_it_lives_and_elsewhere_and_no_policy_judges_it() {
    let mut topology = hub_and_spokes();
    add_gateway(&mut topology, 0, &["10.0.0.20"], &["192.168.0.0/16"]);
    topology.peerings[0].allow_gateway_transit = true;
    topology.peerings[1].use_remote_gateways = true;
    topology.admin_rules.push(admin("admin", &[0], vec![rule("one", 1, Access::Deny)]));
    let state = start(&topology);
    let (here, there) = (on(&topology, &state, 0), on(&topology, &state, 1));
    let gateway = state.nic(&topology.gateways[0].id).unwrap();
    let nva = state.nic(&topology.nics[0].id).unwrap();
    for desired in [&here, &there] {
        assert_ne!(desired.nics[&gateway].flags & nic_flags::GATEWAY, 0);
        assert_eq!(desired.nics[&nva].flags & nic_flags::GATEWAY, 0);
    }
    assert!(here.nics[&gateway].vtep == VtepId::NONE && there.nics[&gateway].vtep != VtepId::NONE);
    let uses = |link: usize| {
        let link = state.link(&topology.peerings[link].id).unwrap();
        here.links[&link].flags & link_flags::USE_REMOTE_GATEWAYS != 0
    };
    assert_eq!([uses(0), uses(1)], [false, true]);
    let slot = state.slot("host0", &topology.gateways[0].id).unwrap();
    assert_eq!(here.filters[&slot].inbound, [PolicyId::NONE; 3]);
    let hop =
        abi::NextHop { kind: next_hop_kind::NIC, target: gateway.0, ..abi::NextHop::default() };
    let table = state.table(&TableKey { vnet: topology.vnets[1].id.clone(), route_table: None });
    let route = here.routes[&table.unwrap()].own.v4[&"192.168.0.0/16".parse().unwrap()].clone();
    let link = |peering: usize| state.link(&topology.peerings[peering].id).unwrap();
    let class = address_class::VIRTUAL_NETWORK;
    let hop = abi::NextHop { class, link: link(1), reverse: link(0), ..hop };
    assert_eq!(route, Hop::One(hop));
}
