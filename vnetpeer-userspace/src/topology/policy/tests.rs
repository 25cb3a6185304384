//! Resolved rules, and classifiers against the rules themselves.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use vnetpeer_common::abi::{Row, address_class, kind_index, protocol_class};

use super::*;
use crate::topology::{
    model::{
        AdminRulesIndex, ApplicationSecurityGroup, ApplicationSecurityGroupIndex, Endpoints,
        SecurityGroupIndex, ServiceTag, Topology,
    },
    state::{PolicyKey, State, advance},
    testing::{
        Random, hub_and_spokes, ip, net, resource,
        security::{ANY_PORT, add_security, admin, group, rule, side},
    },
};

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(in crate::topology) struct Packet {
    pub(in crate::topology) source: IpAddr,
    pub(in crate::topology) destination: IpAddr,
    /// One of [`protocol_class`].
    pub(in crate::topology) protocol: u32,
    pub(in crate::topology) ports: [u16; 2],
    /// [`address_class`] of source and destination.
    pub(in crate::topology) classes: [u16; 2],
}

/// The first rule that matches, by looking at one after the other.
pub(in crate::topology) fn deciding(policy: &Policy, packet: &Packet) -> Option<usize> {
    policy.rules.iter().position(|rule| {
        let has_ports = [protocol_class::TCP, protocol_class::UDP].contains(&packet.protocol);
        let any = |ports: &[PortRange]| ports.contains(&ANY_PORT);
        let any_ports = any(&rule.source_ports) && any(&rule.destination_ports);
        let protocol = match rule.protocol {
            RuleProtocol::Any => has_ports || any_ports,
            RuleProtocol::Tcp => packet.protocol == protocol_class::TCP,
            RuleProtocol::Udp => packet.protocol == protocol_class::UDP,
            RuleProtocol::Icmp => packet.protocol == protocol_class::ICMP,
            RuleProtocol::Esp => packet.protocol == protocol_class::ESP,
            RuleProtocol::Ah => packet.protocol == protocol_class::AH,
        };
        let port = |ranges: &[PortRange], port| ranges.iter().any(|range| range.contains(&port));
        let ports = !has_ports
            || port(&rule.source_ports, packet.ports[0])
                && port(&rule.destination_ports, packet.ports[1]);
        let end = |matched: &Matched, address: IpAddr, class: u16| match matched {
            Matched::Any => true,
            Matched::Prefixes(prefixes) => prefixes.iter().any(|net| net.contains(&address)),
            Matched::VirtualNetwork => class == address_class::VIRTUAL_NETWORK,
            Matched::VirtualNetworkIn(prefixes) => {
                class == address_class::VIRTUAL_NETWORK
                    && prefixes.iter().any(|net| net.contains(&address))
            }
            Matched::Internet => class == address_class::INTERNET,
        };
        protocol
            && ports
            && end(&rule.source, packet.source, packet.classes[0])
            && end(&rule.destination, packet.destination, packet.classes[1])
    })
}

/// The lowest rule that is in all rows.
pub(in crate::topology) fn lowest(rows: &[Row]) -> Option<usize> {
    (0..16).find_map(|word| {
        let all = rows.iter().fold(u64::MAX, |all, row| all & row.words[word]);
        (all != 0).then(|| word * 64 + all.trailing_zeros() as usize)
    })
}

fn longest(covered: &[Covered], address: u128) -> Row {
    let inside =
        |it: &&Covered| (it.address ^ address).checked_shr(128 - it.len).unwrap_or_default() == 0;
    covered.iter().filter(inside).max_by_key(|it| it.len).map_or(Row::default(), |it| it.row)
}

/// The rule that decides, by the rows of all fields.
fn classified(fields: &Fields, packet: &Packet) -> Option<usize> {
    let address = |families: &[Vec<Covered>; 2], address: IpAddr| match address {
        IpAddr::V4(ip) => longest(&families[0], u128::from(u32::from(ip)) << 96),
        IpAddr::V6(ip) => longest(&families[1], u128::from(ip)),
    };
    let kind = kind_index(packet.protocol, packet.classes[0], packet.classes[1]);
    let mut rows = vec![
        address(&fields.source, packet.source),
        address(&fields.destination, packet.destination),
        fields.kinds[kind],
    ];
    if packet.protocol <= protocol_class::UDP {
        rows.push(longest(&fields.source_port, u128::from(packet.ports[0]) << 112));
        rows.push(longest(&fields.destination_port, u128::from(packet.ports[1]) << 112));
    }
    lowest(&rows)
}

/// Packets at and around the edges of what random rules say.
pub(in crate::topology) fn packets(random: &mut Random, count: usize) -> Vec<Packet> {
    let v4 = [
        "10.0.0.4",
        "10.16.0.4",
        "10.16.0.5",
        "10.32.0.6",
        "8.8.8.8",
        "168.63.129.16",
        "200.1.1.1",
    ];
    let v6 = ["fd00:16::4", "fd00:16::5", "2001:db8::1", "2a00::1", "fd00:0::4"];
    let ports = [0, 53, 79, 80, 81, 443, 999, 1000, 1500, 2001, 8081, 65_534, 65_535];
    (0..count)
        .map(|_| {
            let all: &[&str] = if random.percent(60) { &v4 } else { &v6 };
            Packet {
                source: ip(all[random.below(all.len())]),
                destination: ip(all[random.below(all.len())]),
                protocol: u32::try_from(random.below(6)).unwrap(),
                ports: [(); 2].map(|()| ports[random.below(ports.len())]),
                classes: [(); 2].map(|()| u16::try_from(random.below(3)).unwrap()),
            }
        })
        .collect()
}

fn policies(topology: &Topology) -> Vec<Policy> {
    let state = advance(&State::default(), topology).unwrap();
    let resolver = Resolver::new(topology, &state);
    let mut found = Vec::new();
    for direction in [Direction::Inbound, Direction::Outbound] {
        for (index, group) in topology.security_groups.iter().enumerate() {
            let key = PolicyKey { group: group.id.clone(), direction };
            if state.policy(&key).is_some() {
                found.push(resolver.group(SecurityGroupIndex(index), direction).unwrap());
            }
        }
        for (index, admin) in topology.admin_rules.iter().enumerate() {
            if !admin.vnets.is_empty() {
                found.push(resolver.admin_rules(AdminRulesIndex(index), direction).unwrap());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_lowest_common_bit_is_the_first_rule_that_matches(seed: u64) {
        let mut random = Random(seed);
        let mut topology = hub_and_spokes();
        add_security(&mut random, &mut topology);
        for policy in policies(&topology) {
            let fields = fields(&policy);
            for packet in packets(&mut random, 400) {
                let expected = deciding(&policy, &packet);
                prop_assert_eq!(classified(&fields, &packet), expected, "{:?} {:?}", packet, policy);
            }
        }
    }
}

/// A topology with one group on the hub's subnet.
fn with_group(rules: Vec<crate::topology::model::SecurityRule>) -> Topology {
    let mut topology = hub_and_spokes();
    topology.security_groups.push(group("web", rules));
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(0));
    topology
}

fn inbound(topology: &Topology) -> Policy {
    let state = advance(&State::default(), topology).unwrap();
    let policy = Resolver::new(topology, &state).group(SecurityGroupIndex(0), Direction::Inbound);
    policy.unwrap()
}

#[test]
fn rules_come_by_priority_between_those_of_the_platform_and_the_default_ones() {
    let mut dns = rule("no-dns", 4000, Access::Deny);
    dns.source.endpoints = Endpoints::Tag(ServiceTag::Prefixes {
        name: "AzurePlatformDNS".into(),
        prefixes: vec![net("168.63.129.16/32")],
        platform: true,
    });
    let mut out = rule("out", 50, Access::Deny);
    out.direction = Direction::Outbound;
    let rules = vec![rule("late", 300, Access::Deny), rule("early", 200, Access::Allow), dns, out];
    let topology = with_group(rules);
    let policy = inbound(&topology);
    let names: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    let expected = [
        "securityRules/no-dns",
        "platformRules/AllowPlatformAddress",
        "platformRules/AllowInstanceMetadata",
        "securityRules/early",
        "securityRules/late",
        "securityRules/no-dns",
        "defaultSecurityRules/AllowVnetInBound",
        "defaultSecurityRules/AllowAzureLoadBalancerInBound",
        "defaultSecurityRules/DenyAllInBound",
    ];
    assert_eq!(names, expected);
    let priorities: Vec<u16> = policy.rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities, [4000, 0, 0, 200, 300, 4000, 65_000, 65_001, 65_500]);
    let state = advance(&State::default(), &topology).unwrap();
    let resolver = Resolver::new(&topology, &state);
    let policy = resolver.group(SecurityGroupIndex(0), Direction::Outbound).unwrap();
    let last: Vec<&str> = policy.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(last[2], "securityRules/out");
    assert_eq!(last[4], "defaultSecurityRules/AllowInternetOutBound");
}

#[test]
fn a_group_of_applications_is_the_addresses_of_its_members_and_none_without_members() {
    let mut to_group = rule("to-group", 100, Access::Allow);
    to_group.destination.endpoints = Endpoints::Groups(vec![ApplicationSecurityGroupIndex(0)]);
    let mut topology = with_group(vec![to_group]);
    let id = resource("applicationSecurityGroups", "asg");
    topology.application_security_groups.push(ApplicationSecurityGroup { id });
    let destination = |topology: &Topology| inbound(topology).rules[2].destination.clone();
    assert_eq!(destination(&topology), Matched::Prefixes(BTreeSet::new()));
    let policy = inbound(&topology);
    let mut random = Random(1);
    assert!(packets(&mut random, 500).iter().all(|it| deciding(&policy, it) != Some(2)));
    topology.nics[1].application_security_groups = vec![ApplicationSecurityGroupIndex(0)];
    let members: BTreeSet<IpNet> =
        ["10.1.0.4/32", "10.1.0.5/32", "fd00:1::4/128"].map(net).into_iter().collect();
    assert_eq!(destination(&topology), Matched::Prefixes(members));
}

#[test]
fn a_prefix_of_one_family_matches_nothing_of_the_other() {
    let mut from = rule("from", 100, Access::Allow);
    from.source = side(&["0.0.0.0/0"]);
    let fields = fields(&inbound(&with_group(vec![from])));
    let bit = |row: Row| row.words[0] >> 2 & 1;
    assert_eq!(bit(longest(&fields.source[0], 0)), 1);
    assert_eq!(bit(longest(&fields.source[1], 0)), 0);
    assert_eq!((fields.source[1].len(), fields.destination[1].len()), (1, 1), "one row for all");
}

#[test]
fn admin_rules_have_no_default_rules_and_their_own_names() {
    let mut topology = hub_and_spokes();
    let mut always = rule("always", 7, Access::AlwaysAllow);
    always.source = side(&["10.0.0.0/8"]);
    topology.admin_rules.push(admin("a", &[0], vec![rule("deny", 9, Access::Deny), always]));
    let found = policies(&topology);
    let names: Vec<&str> = found[0].rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["securityAdminRules/always", "securityAdminRules/deny"]);
    let entries = fields(&found[0]).rules;
    assert!(entries[0].is_final() && entries[0].allows() && !entries[1].allows());
    assert!(found[1].rules.is_empty());
}

#[test]
fn ports_are_few_prefixes() {
    let ranges = [vec![ANY_PORT], vec![1..=65_534], vec![80..=80, 81..=90, 85..=100]];
    let rows = ports::port_rows(ranges.iter().map(Vec::as_slice));
    assert!(rows.len() < 50, "{}", rows.len());
    for port in [0_u16, 1, 79, 80, 90, 100, 101, 65_534, 65_535] {
        let row = longest(&rows, u128::from(port) << 112);
        let expected =
            ranges.iter().enumerate().filter(|(_, it)| it.iter().any(|it| it.contains(&port)));
        let expected = expected.fold(0_u64, |all, (rule, _)| all | 1 << rule);
        assert_eq!(row.words[0], expected, "{port}");
    }
    assert_eq!(ports::port_rows([vec![ANY_PORT]].iter().map(Vec::as_slice)).len(), 1);
}
