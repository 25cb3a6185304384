//! Whether network security groups let a packet pass, by naive means.
//!
//! Written from Azure's pages on network security groups, service tags, application security groups
//! and security admin rules. A rule is looked at after another in the order of its priority, a prefix
//! is asked whether it contains an address, and nothing is prepared in advance. It shares no code with
//! the compiler of rules; of the product it knows the model alone.
//!
//! Where Azure's pages say nothing, this is what holds:
//!
//! - `*` as an address matches both families, `0.0.0.0/0` IPv4 alone.
//! - A rule for any protocol that names ports matches TCP and UDP alone. A rule for ICMP, ESP or AH
//!   does not look at ports. ICMPv6 is ICMP.
//! - A list without prefixes, or groups without members, match nothing.
//! - `Internet` is what is public and not in `VirtualNetwork`.
//! - A collection of security admin rules without rules is no policy.
//! - The platform's own addresses pass a group unless a rule with one of the platform's tags decides.

mod tags;
mod track;

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    Access, Direction, Endpoints, Nic, NicIndex, PeeringIndex, PortRange, RuleProtocol, RuleSide,
    SecurityGroup, SecurityRule, ServiceTag, Subnet, Topology,
};

pub use self::track::Tracker;
use super::probe::{Probe, Upper};

/// The name of the rule that a group ends with, in each direction.
const DENY_ALL: [&str; 2] =
    ["defaultSecurityRules/DefaultInboundDenyAll", "defaultSecurityRules/DefaultOutboundDenyAll"];

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
}

/// Where a policy is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Security admin rules of the virtual network.
    Admin,
    /// The network security group of the subnet.
    Subnet,
    /// The network security group of the NIC.
    Nic,
}

/// What one policy said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Which policy.
    pub level: Level,
    /// The rule that decided: `securityRules/NAME`, `defaultSecurityRules/NAME` or
    /// `securityAdminRules/NAME`. None if no admin rule matched, or if the packet is the platform's.
    pub rule: Option<String>,
    /// What it decided.
    pub access: Access,
}

/// What a NIC's policies said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// The policies that were asked, in this order.
    pub stages: Vec<Stage>,
}

/// Judges packets in a network.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// With the rules of every policy in the order of their priorities.
    topology: Topology,
    synced: BTreeMap<usize, Vec<IpNet>>,
}

impl Oracle {
    /// With every peering in sync.
    pub fn new(topology: &Topology) -> Self {
        let mut topology = topology.clone();
        let groups = topology.security_groups.iter_mut().map(|group| &mut group.rules);
        let admin = topology.admin_rules.iter_mut().map(|collection| &mut collection.rules);
        for rules in groups.chain(admin) {
            rules.sort_by_key(|rule| rule.priority);
        }
        Self { topology, synced: BTreeMap::new() }
    }

    /// With a peering whose copy of the remote address space is this one.
    #[must_use]
    pub fn with_synced(mut self, peering: PeeringIndex, space: Vec<IpNet>) -> Self {
        self.synced.insert(peering.0, space);
        self
    }

    /// Whether anything judges what this NIC sends and receives.
    pub fn has_policy(&self, nic: NicIndex) -> bool {
        [Level::Admin, Level::Subnet, Level::Nic].iter().any(|level| match level {
            Level::Admin => self.admin_rules(nic).is_some(),
            _ => self.group(nic, *level).is_some(),
        })
    }

    /// What the policies of a NIC make of a packet that belongs to no flow.
    pub fn judge(&self, nic: NicIndex, probe: &Probe) -> Judgement {
        let order = match probe.direction {
            Direction::Outbound => [Level::Admin, Level::Nic, Level::Subnet],
            Direction::Inbound => [Level::Admin, Level::Subnet, Level::Nic],
        };
        let mut stages = Vec::new();
        for level in order {
            let Some(stage) = self.ask(nic, level, probe) else { continue };
            let access = stage.access;
            stages.push(stage);
            match access {
                Access::Allow => {}
                Access::Deny => return Judgement { verdict: Verdict::Deny, stages },
                Access::AlwaysAllow => break,
            }
        }
        Judgement { verdict: Verdict::Allow, stages }
    }

    fn ask(&self, nic: NicIndex, level: Level, probe: &Probe) -> Option<Stage> {
        match level {
            Level::Admin => self.admin_rules(nic).map(|rules| self.ask_admin(nic, rules, probe)),
            _ => self.group(nic, level).map(|group| self.ask_group(nic, level, group, probe)),
        }
    }

    fn ask_admin(&self, nic: NicIndex, rules: &[SecurityRule], probe: &Probe) -> Stage {
        for rule in of_direction(rules, probe.direction) {
            if self.rule_matches(nic, rule, probe) {
                let name = format!("securityAdminRules/{}", rule.name);
                return Stage { level: Level::Admin, rule: Some(name), access: rule.access };
            }
        }
        Stage { level: Level::Admin, rule: None, access: Access::Allow }
    }

    fn ask_group(
        &self,
        nic: NicIndex,
        level: Level,
        group: &SecurityGroup,
        probe: &Probe,
    ) -> Stage {
        let of_platform = tags::is_platform(probe.remote());
        for rule in of_direction(&group.rules, probe.direction) {
            if of_platform && !has_platform_tag(rule) {
                continue;
            }
            if self.rule_matches(nic, rule, probe) {
                let name = format!("securityRules/{}", rule.name);
                return Stage { level, rule: Some(name), access: rule.access };
            }
        }
        if of_platform {
            return Stage { level, rule: None, access: Access::Allow };
        }
        let (name, access) = self.default_rule(nic, probe);
        Stage { level, rule: Some(name.to_owned()), access }
    }

    /// The rules that every group ends with.
    fn default_rule(&self, nic: NicIndex, probe: &Probe) -> (&'static str, Access) {
        let within = self.in_virtual_network(nic, probe.source)
            && self.in_virtual_network(nic, probe.destination);
        match probe.direction {
            Direction::Inbound if within => {
                ("defaultSecurityRules/AllowVnetInBound", Access::Allow)
            }
            Direction::Inbound if tags::is_load_balancer(probe.source) => {
                ("defaultSecurityRules/AllowAzureLoadBalancerInBound", Access::Allow)
            }
            Direction::Inbound => (DENY_ALL[0], Access::Deny),
            Direction::Outbound if within => {
                ("defaultSecurityRules/AllowVnetOutBound", Access::Allow)
            }
            Direction::Outbound if self.in_internet(nic, probe.destination) => {
                ("defaultSecurityRules/AllowInternetOutBound", Access::Allow)
            }
            Direction::Outbound => (DENY_ALL[1], Access::Deny),
        }
    }

    fn rule_matches(&self, nic: NicIndex, rule: &SecurityRule, probe: &Probe) -> bool {
        protocol_matches(rule, probe)
            && self.address_matches(nic, &rule.source, probe.source)
            && self.address_matches(nic, &rule.destination, probe.destination)
    }

    fn address_matches(&self, nic: NicIndex, side: &RuleSide, address: IpAddr) -> bool {
        match &side.endpoints {
            Endpoints::Any => true,
            Endpoints::Prefixes(prefixes)
            | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
                prefixes.iter().any(|prefix| prefix.contains(&address))
            }
            Endpoints::Tag(ServiceTag::VirtualNetwork) => self.in_virtual_network(nic, address),
            Endpoints::Tag(ServiceTag::Internet) => self.in_internet(nic, address),
            Endpoints::Groups(groups) => self.topology.nics.iter().any(|member| {
                member.addresses.contains(&address)
                    && member.application_security_groups.iter().any(|it| groups.contains(it))
            }),
        }
    }

    fn nic(&self, nic: NicIndex) -> &Nic {
        self.topology.nic(nic).expect("the NIC exists")
    }

    fn subnet(&self, nic: NicIndex) -> &Subnet {
        let nic = self.nic(nic);
        self.topology.subnet(nic.vnet, nic.subnet).expect("the NIC has a subnet")
    }

    fn group(&self, nic: NicIndex, level: Level) -> Option<&SecurityGroup> {
        let index = match level {
            Level::Nic => self.nic(nic).security_group,
            Level::Subnet => self.subnet(nic).security_group,
            Level::Admin => None,
        };
        index.map(|index| self.topology.security_group(index).expect("the group exists"))
    }

    fn admin_rules(&self, nic: NicIndex) -> Option<&[SecurityRule]> {
        let vnet = self.nic(nic).vnet;
        let mut collections = self.topology.admin_rules.iter();
        let collection = collections.find(|it| it.vnets.contains(&vnet))?;
        (!collection.rules.is_empty()).then_some(&collection.rules)
    }
}

fn of_direction(
    rules: &[SecurityRule],
    direction: Direction,
) -> impl Iterator<Item = &SecurityRule> {
    rules.iter().filter(move |rule| rule.direction == direction)
}

fn protocol_matches(rule: &SecurityRule, probe: &Probe) -> bool {
    let is_icmp = matches!(probe.upper, Upper::Icmp { .. });
    let any_port = |ports: &[PortRange]| ports.contains(&(0..=u16::MAX));
    match rule.protocol {
        RuleProtocol::Any if any_port(&rule.source.ports) && any_port(&rule.destination.ports) => {
            true
        }
        RuleProtocol::Any => ports_match(rule, probe),
        RuleProtocol::Tcp => matches!(probe.upper, Upper::Tcp { .. }) && ports_match(rule, probe),
        RuleProtocol::Udp => matches!(probe.upper, Upper::Udp { .. }) && ports_match(rule, probe),
        RuleProtocol::Icmp => is_icmp,
        RuleProtocol::Esp => probe.upper == Upper::Other(50),
        RuleProtocol::Ah => probe.upper == Upper::Other(51),
    }
}

fn ports_match(rule: &SecurityRule, probe: &Probe) -> bool {
    let holds = |ranges: &[PortRange], port: u16| ranges.iter().any(|range| range.contains(&port));
    probe.ports().is_some_and(|(source, destination)| {
        holds(&rule.source.ports, source) && holds(&rule.destination.ports, destination)
    })
}

/// Whether one of the platform's tags is on either side.
fn has_platform_tag(rule: &SecurityRule) -> bool {
    [&rule.source, &rule.destination].iter().any(|side| {
        matches!(&side.endpoints, Endpoints::Tag(ServiceTag::Prefixes { platform: true, .. }))
    })
}
