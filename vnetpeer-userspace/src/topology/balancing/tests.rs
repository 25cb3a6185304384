use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::abi::{balancer_flags, nic_flags};

use super::*;
use crate::topology::{
    compile::compile,
    desired::{Desired, Hop},
    facts::NetworkFacts,
    model::{
        BackendPool, Direction, LoadBalancerSku, LoadDistribution, NicIndex, PortRange,
        ProbeProtocol, ResourceId, RouteNextHop, RouteTableIndex, SecurityGroup,
        SecurityGroupIndex, SubnetIndex, VnetIndex,
    },
    network::Network,
    routes::{ApplianceProblem, RouteHop, effective_routes},
    state::{State, advance},
    testing::{facts, hub_and_spokes, ip, nic, resource, route_table, security},
};

const ANY_PORT: PortRange = 0..=u16::MAX;

fn part(kind: &str, name: &str) -> ResourceId {
    resource(&format!("loadBalancers/lb/{kind}"), name)
}

fn rule(name: &str, protocol: BalancedProtocol, port: u16) -> LoadBalancingRule {
    LoadBalancingRule {
        id: part("loadBalancingRules", name),
        frontend: 0,
        pool: 0,
        probe: Some(0),
        protocol,
        frontend_port: port,
        backend_port: if port == 0 { 0 } else { port + 8_000 },
        distribution: LoadDistribution::SourceIP,
        floating_ip: port == 53,
    }
}

/// Hub and spokes, with two appliances of the hub behind a load balancer, the second one on the other host.
fn topology() -> Topology {
    let mut topology = hub_and_spokes();
    topology.nics.push(nic("nva2", 0, 1, &["10.0.0.5", "fd00::5"]));
    let member = |nic, address| BackendMember { nic: NicIndex(nic), address: ip(address) };
    let members = [(0, "10.0.0.4"), (0, "fd00::4"), (3, "10.0.0.5")];
    topology.load_balancers.push(LoadBalancer {
        id: resource("loadBalancers", "lb"),
        sku: LoadBalancerSku::Standard,
        vnet: VnetIndex(0),
        frontends: vec![Frontend {
            id: part("frontendIPConfigurations", "front"),
            subnet: SubnetIndex(0),
            address: ip("10.0.0.100"),
        }],
        pools: vec![BackendPool {
            id: part("backendAddressPools", "pool"),
            members: members.map(|(nic, address)| member(nic, address)).to_vec(),
        }],
        probes: vec![Probe {
            id: part("probes", "alive"),
            protocol: ProbeProtocol::Tcp,
            port: 8_080,
            interval_seconds: 5,
            threshold: 2,
        }],
        rules: vec![rule("web", BalancedProtocol::Tcp, 80), rule("dns", BalancedProtocol::Udp, 53)],
    });
    topology
}

fn numbered(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn silent(name: &str, address: &str) -> NetworkFacts {
    let nic = resource("networkInterfaces", name);
    let nics = BTreeMap::from([(nic, BTreeSet::from([ip(address)]))]);
    let unhealthy = BTreeMap::from([(part("probes", "alive"), nics)]);
    NetworkFacts { unhealthy, ..NetworkFacts::default() }
}

fn compiled(topology: &Topology, host: usize, network: NetworkFacts) -> Desired {
    let mut facts = facts(topology, host);
    facts.network = network;
    let name = &topology.hosts[host].name;
    compile(topology, &numbered(topology), name, &facts).unwrap()
}

#[test]
fn a_frontend_is_on_every_host_that_reaches_its_network() {
    let topology = topology();
    let state = numbered(&topology);
    let front = state.nic(&topology.load_balancers[0].frontends[0].id).unwrap();
    let nics = ["nva", "nva2"].map(|it| state.nic(&resource("networkInterfaces", it)).unwrap());
    let hub = state.vnet(&topology.vnets[0].id).unwrap();
    for host in [0, 1] {
        let desired = compiled(&topology, host, NetworkFacts::default());
        let entry = desired.nics[&front];
        assert_eq!(entry.flags, nic_flags::PRESENT | nic_flags::FRONTEND);
        assert_eq!((entry.vnet, entry.ipv4, entry.ipv6), (hub, [10, 0, 0, 100], [0; 16]));
        let address = "10.0.0.100/32".parse().unwrap();
        assert_eq!(desired.vnets[&hub].endpoints.v4.get(&address), Some(&front));
        let balancer = |name: &str| {
            &desired.balancers[&state.balancer(&part("loadBalancingRules", name)).unwrap()]
        };
        let (web, dns) = (balancer("web"), balancer("dns"));
        assert_eq!((web.key.frontend, web.key.protocol, web.key.port), (front, 6, 80));
        assert_eq!((web.rule.frontend_port, web.rule.backend_port), (80, 8_080));
        assert_eq!(web.rule.flags, balancer_flags::PRESENT);
        assert_eq!((dns.key.protocol, dns.key.port), (17, 53));
        assert_eq!(dns.rule.flags, balancer_flags::PRESENT | balancer_flags::FLOATING);
        // The member with an IPv6 address only is none of an IPv4 frontend's.
        assert_eq!(*web.members, nics);
        let probed = desired.nics.values().filter(|it| it.flags & nic_flags::PROBED != 0).count();
        assert_eq!(probed, 1, "each host probes its own");
    }
}

#[test]
fn members_that_are_silent_or_down_take_nothing() {
    let topology = topology();
    let members = |facts: NetworkFacts| -> Vec<usize> {
        let desired = compiled(&topology, 0, facts);
        desired.balancers.values().map(|it| it.members.len()).collect()
    };
    assert_eq!(members(NetworkFacts::default()), [2, 2]);
    assert_eq!(members(silent("nva2", "10.0.0.5")), [1, 1]);
    assert_eq!(members(silent("web1", "10.0.0.6")), [2, 2], "who is no member does not matter");
    assert_eq!(members(silent("nva2", "fd00::5")), [2, 2], "by its other address");
    let down = BTreeSet::from([resource("networkInterfaces", "nva2")]);
    assert_eq!(members(NetworkFacts { down: down.clone(), ..NetworkFacts::default() }), [1, 1]);
    let none = NetworkFacts { down, ..silent("nva", "10.0.0.4") };
    assert_eq!(members(none), [0, 0], "with nobody left new flows are refused");
}

/// Where the route of the first spoke to `10.9.0.0/16`, which names the frontend, leads.
fn routed(topology: &mut Topology, facts: &NetworkFacts) -> Result<usize, ApplianceProblem> {
    let hop = RouteNextHop::VirtualAppliance(ip("10.0.0.100"));
    topology.route_tables = vec![route_table("to-front", &[("10.9.0.0/16", hop)])];
    topology.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
    let state = numbered(topology);
    let network = Network::new(topology, &state).unwrap().with_facts(facts);
    let routes = effective_routes(&network, VnetIndex(1), Some(RouteTableIndex(0))).unwrap();
    let shown = routes.to_azure();
    let shown = shown.iter().find(|it| it.name.is_some()).unwrap();
    assert_eq!(shown.next_hop_type, "VirtualAppliance");
    assert_eq!(shown.next_hop_ip_address, [ip("10.0.0.100")]);
    match routes.lookup(ip("10.9.0.1")).unwrap().hop {
        RouteHop::Balanced { members, .. } => members.map(|members| {
            assert!(members.iter().all(|it| it.link.is_some() && it.reverse.is_some()));
            members.len()
        }),
        hop => panic!("{hop:?}"),
    }
}

#[test]
fn a_route_leads_to_the_members_of_a_frontend_with_ha_ports() {
    let nothing = NetworkFacts::default();
    let mut topology = topology();
    assert_eq!(routed(&mut topology, &nothing), Err(ApplianceProblem::NoHaPorts));
    topology.load_balancers[0].rules = vec![rule("all", BalancedProtocol::All, 0)];
    assert_eq!(routed(&mut topology, &nothing), Ok(2));
    assert_eq!(routed(&mut topology, &silent("nva", "10.0.0.4")), Ok(1));
    let desired = compiled(&topology, 0, nothing.clone());
    let spreads = |desired: &Desired| {
        let tables = desired.routes.values().map(|table| table.merged().v4);
        tables.flat_map(BTreeMap::into_values).filter(|it| matches!(it, Hop::Spread { .. })).count()
    };
    assert_eq!(spreads(&desired), 1);
    let mut none = silent("nva", "10.0.0.4");
    none.unhealthy
        .values_mut()
        .next()
        .unwrap()
        .extend(silent("nva2", "10.0.0.5").unhealthy.into_values().flatten());
    assert_eq!(routed(&mut topology, &none), Err(ApplianceProblem::NoHealthyMember));
    assert_eq!(spreads(&compiled(&topology, 0, none)), 0);
    topology.load_balancers[0].sku = LoadBalancerSku::Basic;
    assert_eq!(routed(&mut topology, &nothing), Ok(2), "in the same region");
    topology.vnets[1].location = "northeurope".into();
    assert_eq!(routed(&mut topology, &nothing), Err(ApplianceProblem::BasicOverGlobalPeering));
}

#[test]
fn a_probe_asks_each_member_once() {
    let topology = topology();
    let asked: Vec<String> = questions(&topology).iter().map(|it| it.address.to_string()).collect();
    assert_eq!(asked, ["10.0.0.4", "10.0.0.5"], "two rules, one probe");
}

#[test]
fn groups_decide_about_probes() {
    let side = |endpoints, ports| RuleSide { endpoints, ports };
    let rule = |priority, access, source: Endpoints, port: PortRange| SecurityRule {
        name: format!("r{priority}"),
        priority,
        direction: Direction::Inbound,
        access,
        protocol: RuleProtocol::Tcp,
        source: side(source, vec![ANY_PORT]),
        destination: side(Endpoints::Any, vec![port]),
    };
    let platform = || {
        let prefixes = vec!["168.63.129.16/32".parse().unwrap()];
        let name = LOAD_BALANCER.to_owned();
        Endpoints::Tag(ServiceTag::Prefixes { name, prefixes, platform: false })
    };
    let other = || Endpoints::Prefixes(vec!["10.0.0.0/8".parse().unwrap()]);
    for (rules, expected) in [
        (vec![], None),
        (vec![rule(100, Access::Deny, platform(), ANY_PORT)], Some("r100")),
        (vec![rule(100, Access::Deny, platform(), 1..=79)], None),
        (vec![rule(100, Access::Deny, other(), ANY_PORT)], None),
        (vec![rule(100, Access::Deny, Endpoints::Any, ANY_PORT)], Some("r100")),
        (
            vec![
                rule(100, Access::Allow, platform(), 8_080..=8_080),
                rule(200, Access::Deny, Endpoints::Any, ANY_PORT),
            ],
            None,
        ),
    ] {
        let mut topology = topology();
        let id = resource("networkSecurityGroups", "g");
        topology.security_groups = vec![SecurityGroup { id, rules, flush_connection: false }];
        topology.nics[0].security_group = Some(SecurityGroupIndex(0));
        let asked = questions(&topology);
        let refused = refused_by(&topology, &asked[0]);
        let expected = expected.map(|name| format!("g/securityRules/{name}"));
        assert_eq!(refused, expected);
        assert_eq!(refused_by(&topology, &asked[1]), None, "no group, no rule");
    }
}

#[test]
fn security_admin_rules_decide_about_probes_before_groups() {
    let all = |access| security::rule("all", 100, access);
    for (admin, in_group, expected) in [
        (Access::AlwaysAllow, Access::Deny, None),
        (Access::Allow, Access::Deny, Some("g/securityRules/all")),
        (Access::Deny, Access::Allow, Some("baseline/all")),
        (Access::Allow, Access::Allow, None),
    ] {
        for is_of_subnet in [true, false] {
            let mut topology = topology();
            topology.admin_rules = vec![security::admin("baseline", &[0], vec![all(admin)])];
            topology.security_groups = vec![security::group("g", vec![all(in_group)])];
            let group = Some(SecurityGroupIndex(0));
            if is_of_subnet {
                topology.vnets[0].subnets[0].security_group = group;
            } else {
                topology.nics[0].security_group = group;
            }
            let refused = refused_by(&topology, &questions(&topology)[0]);
            assert_eq!(refused.as_deref(), expected, "{admin:?}, then {in_group:?}");
            topology.admin_rules[0].vnets = vec![VnetIndex(1)];
            let refused = refused_by(&topology, &questions(&topology)[0]);
            let is_denied = in_group == Access::Deny;
            assert_eq!(refused.is_some(), is_denied, "the rules of another VNet");
        }
    }
}
