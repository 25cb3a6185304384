//! Journeys of single packets.

mod costs;
mod peerings;

use std::net::IpAddr;

use vnetpeer_common::{reason::DropReason, types::NicId};

use super::*;
use crate::topology::{
    facts::NetworkFacts,
    model::{
        Access, Direction, Endpoints, RouteNextHop, RouteTableIndex, SecurityGroupIndex, Topology,
    },
    state::{State, advance},
    testing::{
        hub_and_spokes, ip, net, nic, route_table,
        security::{group, rule},
    },
};

struct Simulated {
    topology: Topology,
    state: State,
    network: Network,
}

fn simulated(topology: &Topology) -> Simulated {
    let state = advance(&State::default(), topology).unwrap();
    let network = Network::new(topology, &state, &NetworkFacts::default()).unwrap();
    Simulated { topology: topology.clone(), state, network }
}

impl Simulated {
    fn nic(&self, name: &str) -> NicId {
        let nic = self.topology.nics.iter().find(|it| it.id.name() == name).unwrap();
        self.state.nic(&nic.id).unwrap()
    }

    /// A connection from one NIC to the first address of another, of a family.
    fn connect(&self, from: &str, to: &str, port: u16, is_v4: bool) -> Exchange {
        let address = |name: &str| -> IpAddr {
            let nic = self.topology.nics.iter().find(|it| it.id.name() == name).unwrap();
            *nic.addresses.iter().find(|it| it.is_ipv4() == is_v4).unwrap()
        };
        let request = Packet::request(Protocol::Tcp, address(from), address(to), port);
        Session::new(&self.network).exchange(self.nic(from), &request)
    }

    fn path(&self, journey: &Journey) -> Vec<&str> {
        let name = |id: NicId| self.network.nic(id).unwrap().name();
        journey.hops.iter().map(|hop| name(hop.to)).collect()
    }
}

/// Hub and spokes, and the spokes send what is for each other to the appliance in the hub.
fn chained() -> Topology {
    let mut topology = hub_and_spokes();
    let nva = || RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
    let nva6 = || RouteNextHop::VirtualAppliance(ip("fd00::4"));
    let routes = [("10.0.0.0/8", nva()), ("fd00::/16", nva6())];
    topology.route_tables.push(route_table("rt", &routes));
    for spoke in [1, 2] {
        topology.vnets[spoke].subnets[0].route_table = Some(RouteTableIndex(0));
    }
    for peering in &mut topology.peerings {
        peering.allow_forwarded_traffic = true;
    }
    topology
}

#[test]
fn a_packet_goes_through_the_tunnel_and_its_answer_back() {
    let mut topology = hub_and_spokes();
    topology.nics.push(nic("db", 0, 1, &["10.0.0.9", "fd00::9"]));
    let it = simulated(&topology);
    for is_v4 in [true, false] {
        let exchange = it.connect("web1", "db", 443, is_v4);
        assert!(exchange.is_complete(), "{exchange:?}");
        assert_eq!(it.path(&exchange.request), ["db"]);
        let [hop] = &exchange.request.hops[..] else { panic!("{exchange:?}") };
        assert!(hop.tunneled && hop.egress.is_some() && hop.ingress.is_some());
        assert_ne!(hop.egress, hop.ingress);
    }
}

#[test]
fn an_appliance_forwards_what_is_not_its_own() {
    let it = simulated(&chained());
    for is_v4 in [true, false] {
        let exchange = it.connect("web1", "web2", 80, is_v4);
        assert!(exchange.is_complete(), "{exchange:?}");
        assert_eq!(it.path(&exchange.request), ["nva", "web2"]);
        assert_eq!(it.path(exchange.answer.as_ref().unwrap()), ["nva", "web1"]);
    }
}

#[test]
fn a_drop_names_the_nic_and_the_reason() {
    let it = simulated(&hub_and_spokes());
    let exchange = it.connect("web1", "web2", 80, true);
    let End::Dropped(drop) = exchange.end() else { panic!("{exchange:?}") };
    assert_eq!((drop.reason, drop.nic), (DropReason::RouteNone, it.nic("web1")));
    let mut topology = chained();
    topology.nics[0].enable_ip_forwarding = false;
    let it = simulated(&topology);
    let End::Dropped(drop) = it.connect("web1", "web2", 80, true).end() else { panic!() };
    assert_eq!((drop.reason, drop.nic), (DropReason::ForwardingDisabled, it.nic("nva")));
}

#[test]
fn the_rule_that_denies_is_named_and_an_answer_needs_none() {
    let mut topology = hub_and_spokes();
    let mut deny = rule("no-ssh", 100, Access::Deny);
    deny.direction = Direction::Inbound;
    deny.destination.ports = vec![22..=22];
    deny.source.endpoints = Endpoints::Prefixes(vec![net("10.0.0.0/16")]);
    let mut silent = rule("silent", 100, Access::Deny);
    silent.direction = Direction::Outbound;
    topology.security_groups.push(group("nsg", vec![deny, silent]));
    topology.nics[1].security_group = Some(SecurityGroupIndex(0));
    let it = simulated(&topology);
    let exchange = it.connect("nva", "web1", 22, true);
    let End::Dropped(drop) = exchange.end() else { panic!("{exchange:?}") };
    assert_eq!((drop.reason, drop.nic), (DropReason::InboundRuleDenied, it.nic("web1")));
    let (key, name) = it.state.rule_name(drop.rule).unwrap();
    assert_eq!((key.group.name(), name.as_str()), ("nsg", "securityRules/no-ssh"));
    let allowed = it.connect("nva", "web1", 443, true);
    assert!(allowed.is_complete(), "{allowed:?}");
    assert_eq!(allowed.request.hops[0].rules.len(), 1);
    assert!(!it.connect("web1", "nva", 443, true).is_complete());
}

#[test]
fn a_loop_of_appliances_ends() {
    let mut topology = chained();
    topology.nics[1].enable_ip_forwarding = true;
    let web1 = RouteNextHop::VirtualAppliance(ip("10.1.0.4"));
    topology.route_tables.push(route_table("back", &[("10.2.0.0/16", web1)]));
    topology.vnets[0].subnets[0].route_table = Some(RouteTableIndex(1));
    let it = simulated(&topology);
    let exchange = it.connect("web1", "web2", 80, true);
    assert!(exchange.answer.is_none(), "{exchange:?}");
    assert!(exchange.request.delivered().is_none());
}
