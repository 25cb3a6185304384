//! Security rules for tests: builders for examples, and random ones.

use super::{Random, net, resource};
use crate::topology::model::{
    Access, AdminRules, ApplicationSecurityGroup, ApplicationSecurityGroupIndex, Direction,
    Endpoints, PortRange, RuleProtocol, RuleSide, SecurityGroup, SecurityGroupIndex, SecurityRule,
    ServiceTag, Topology, VnetIndex,
};

/// Any port.
pub(crate) const ANY_PORT: PortRange = 0..=u16::MAX;

/// The end of a rule with these prefixes and any port; none: every address.
pub(crate) fn side(prefixes: &[&str]) -> RuleSide {
    let endpoints = if prefixes.is_empty() {
        Endpoints::Any
    } else {
        Endpoints::Prefixes(prefixes.iter().map(|it| net(it)).collect())
    };
    RuleSide { endpoints, ports: vec![ANY_PORT] }
}

/// An inbound rule for everything.
pub(crate) fn rule(name: &str, priority: u16, access: Access) -> SecurityRule {
    SecurityRule {
        name: name.into(),
        priority,
        direction: Direction::Inbound,
        access,
        protocol: RuleProtocol::Any,
        source: side(&[]),
        destination: side(&[]),
    }
}

/// A group without `flushConnection`.
pub(crate) fn group(name: &str, rules: Vec<SecurityRule>) -> SecurityGroup {
    SecurityGroup { id: resource("networkSecurityGroups", name), rules, flush_connection: false }
}

/// Security admin rules for VNets.
pub(crate) fn admin(name: &str, vnets: &[usize], rules: Vec<SecurityRule>) -> AdminRules {
    let vnets = vnets.iter().map(|vnet| VnetIndex(*vnet)).collect();
    AdminRules { id: resource("networkManagers/ruleCollections", name), vnets, rules }
}

/// Adds random groups and security admin rules of always the same names, and attaches them.
pub(crate) fn add_security(random: &mut Random, topology: &mut Topology) {
    for number in 0..3 {
        let id = resource("applicationSecurityGroups", &format!("asg{number}"));
        topology.application_security_groups.push(ApplicationSecurityGroup { id });
        let mut it = group(&format!("nsg{number}"), random_rules(random, false));
        it.flush_connection = random.percent(40);
        topology.security_groups.push(it);
    }
    let vnets: Vec<usize> = (0..topology.vnets.len()).filter(|_| random.percent(40)).collect();
    topology.admin_rules.push(admin("admin", &vnets, random_rules(random, true)));
    let attach = |random: &mut Random| random.percent(45).then(|| random.below(3));
    for vnet in &mut topology.vnets {
        vnet.flow_timeout_minutes = random.percent(30).then_some(9);
        for subnet in &mut vnet.subnets {
            subnet.security_group = attach(random).map(SecurityGroupIndex);
        }
    }
    for nic in &mut topology.nics {
        nic.security_group = attach(random).map(SecurityGroupIndex);
        nic.disable_tcp_state_tracking = random.percent(10);
        let member = attach(random).map(ApplicationSecurityGroupIndex);
        nic.application_security_groups = member.into_iter().collect();
    }
}

/// A few rules; those of one name come again with other properties.
pub(crate) fn random_rules(random: &mut Random, admin: bool) -> Vec<SecurityRule> {
    let count = random.below(7);
    let mut rules = Vec::new();
    for number in 0..count {
        let access = match random.below(if admin { 3 } else { 2 }) {
            0 => Access::Allow,
            1 => Access::Deny,
            _ => Access::AlwaysAllow,
        };
        let priority = 100 + u16::try_from(random.below(40) * 8 + number).unwrap();
        let mut it = rule(&format!("r{number}"), priority, access);
        it.direction = if random.percent(50) { Direction::Inbound } else { Direction::Outbound };
        it.protocol = random_protocol(random);
        it.source = random_side(random);
        it.destination = random_side(random);
        rules.push(it);
    }
    rules
}

fn random_protocol(random: &mut Random) -> RuleProtocol {
    match random.below(8) {
        0 => RuleProtocol::Tcp,
        1 => RuleProtocol::Udp,
        2 => RuleProtocol::Icmp,
        3 => RuleProtocol::Esp,
        4 => RuleProtocol::Ah,
        _ => RuleProtocol::Any,
    }
}

fn random_side(random: &mut Random) -> RuleSide {
    let prefixes = [
        "10.0.0.0/8",
        "10.16.0.0/16",
        "10.16.0.4/32",
        "10.16.0.4/30",
        "10.32.0.0/12",
        "0.0.0.0/0",
        "0.0.0.0/1",
        "8.8.8.8/32",
        "168.63.129.16/32",
        "fd00:16::/48",
        "fd00:16::4/128",
        "fd00::/8",
        "2001:db8::/32",
        "::/0",
    ];
    let endpoints = match random.below(9) {
        0 => Endpoints::Tag(ServiceTag::VirtualNetwork),
        1 => Endpoints::Tag(ServiceTag::Internet),
        2 => Endpoints::Groups(vec![ApplicationSecurityGroupIndex(random.below(3))]),
        3 => Endpoints::Tag(ServiceTag::Prefixes {
            name: "AzurePlatformDNS".into(),
            prefixes: vec![net("168.63.129.16/32")],
            platform: true,
        }),
        4..=6 => {
            let count = random.below(5);
            let chosen = (0..count).map(|_| net(prefixes[random.below(prefixes.len())]));
            Endpoints::Prefixes(chosen.collect())
        }
        _ => Endpoints::Any,
    };
    let ports = match random.below(6) {
        0 => vec![80..=80],
        1 => vec![0..=1023, 8080..=8081, 1000..=2000],
        2 => vec![443..=443, 53..=53, 65_535..=65_535],
        _ => vec![ANY_PORT],
    };
    RuleSide { endpoints, ports }
}
