//! Which security rules decide about a packet, as Azure's IP flow verify answers it (AZ §9): the rules are
//! asked one by one, in the order of evaluation. What the datapath decides by bit vectors is compared with
//! this in tests.
//!
//! Only rules are asked. Whether a route leads to the other address is another question.

use std::net::IpAddr;

use serde::Serialize;
use vnetpeer_common::wire::protocol;

use super::{
    effective_security::RoutedTags,
    model::{Access, AdminRulesIndex, Direction, Nic, PortRange, ResourceId, RuleProtocol},
    network::{Network, NetworkError},
    policy::{Matched, Policy, PolicyRule, Resolver},
};

/// The first packet of a flow, seen from a NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which way it goes.
    pub direction: Direction,
    /// IP protocol number.
    pub protocol: u8,
    /// The address on the NIC's side.
    pub local: IpAddr,
    /// The port there; 0 without ports.
    pub local_port: u16,
    /// The other address.
    pub remote: IpAddr,
    /// The other port.
    pub remote_port: u16,
}

/// What one collection of rules says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The network security group, or the collection of security admin rules.
    pub applied_by: ResourceId,
    /// What that is attached to: the NIC, its subnet, or its VNet.
    pub applied_to: ResourceId,
    /// The rule that decided, as in listings; null if none of the security admin rules is about the packet.
    pub rule_name: Option<String>,
    /// What it does with the packet.
    pub access: Access,
}

/// What all of them say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// In the order of evaluation; the last one decided. None of them: nothing judges the NIC.
    pub stages: Vec<Stage>,
}

impl Verdict {
    /// Whether the packet passes.
    pub fn allows(&self) -> bool {
        self.stages.last().is_none_or(|stage| stage.access != Access::Deny)
    }
}

/// How one rule stands to a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are the properties of Azure's answer")]
pub struct RuleEvaluation {
    /// Its name as in effective rules.
    pub name: String,
    /// What it does with packets that it is about.
    pub access: Access,
    /// Whether its protocol is the packet's.
    pub protocol_matched: bool,
    /// Whether it names the source.
    pub source_matched: bool,
    /// Whether it names the source port.
    pub source_port_matched: bool,
    /// Whether it names the destination.
    pub destination_matched: bool,
    /// Whether it names the destination port.
    pub destination_port_matched: bool,
}

impl RuleEvaluation {
    const fn matched(&self) -> bool {
        self.protocol_matched
            && self.source_matched
            && self.source_port_matched
            && self.destination_matched
            && self.destination_port_matched
    }
}

/// One collection of rules, with every rule of the packet's direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// What it says.
    pub stage: Stage,
    /// Its rules, the first asked first.
    pub rules: Vec<RuleEvaluation>,
}

/// Asks everything that judges a NIC, up to the first that denies or ends the evaluation.
pub fn verify(network: &Network<'_>, nic: &Nic, packet: &Packet) -> Result<Verdict, NetworkError> {
    let mut verdict = Verdict::default();
    let Some(judge) = Judge::new(network, nic, packet) else { return Ok(verdict) };
    for applied in judge.applied()? {
        let stage = applied.stage(judge.first(&applied.policy));
        let ends = applied.ends_with(stage.access);
        verdict.stages.push(stage);
        if ends {
            break;
        }
    }
    Ok(verdict)
}

/// Asks every rule of everything that judges a NIC, also of what comes after the one that decides.
pub fn evaluate(
    network: &Network<'_>,
    nic: &Nic,
    packet: &Packet,
) -> Result<Vec<Evaluated>, NetworkError> {
    let Some(judge) = Judge::new(network, nic, packet) else { return Ok(Vec::new()) };
    let evaluated = |applied: Applied| Evaluated {
        stage: applied.stage(judge.first(&applied.policy)),
        rules: applied.policy.rules.iter().map(|rule| judge.evaluation(rule)).collect(),
    };
    Ok(judge.applied()?.into_iter().map(evaluated).collect())
}

/// A collection of rules where it is attached.
struct Applied {
    by: ResourceId,
    to: ResourceId,
    policy: Policy,
    is_admin: bool,
}

impl Applied {
    /// What it says by the first rule that is about the packet. A group without one denies; security admin
    /// rules leave it to the groups.
    fn stage(&self, rule: Option<&PolicyRule>) -> Stage {
        let default = if self.is_admin { Access::Allow } else { Access::Deny };
        Stage {
            applied_by: self.by.clone(),
            applied_to: self.to.clone(),
            rule_name: rule.map(|it| it.name.clone()),
            access: rule.map_or(default, |it| it.access),
        }
    }

    /// Whether nothing is asked behind it if it says this.
    fn ends_with(&self, access: Access) -> bool {
        access == Access::Deny || (self.is_admin && access != Access::Allow)
    }
}

struct Judge<'a> {
    network: &'a Network<'a>,
    tags: RoutedTags,
    nic: &'a Nic,
    packet: &'a Packet,
}

impl<'a> Judge<'a> {
    /// `None` for a gateway, which nothing judges.
    fn new(network: &'a Network<'a>, nic: &'a Nic, packet: &'a Packet) -> Option<Self> {
        if network.topology.is_gateway(&nic.id) {
            return None;
        }
        let subnet = network.topology.subnet(nic.vnet, nic.subnet);
        let tags = RoutedTags::of(network, nic.vnet, subnet.and_then(|it| it.route_table));
        Some(Self { network, tags, nic, packet })
    }

    /// What judges the NIC in the packet's direction, in the order of evaluation.
    fn applied(&self) -> Result<Vec<Applied>, NetworkError> {
        let topology = self.network.topology;
        let direction = self.packet.direction;
        let resolver = Resolver::new(topology, self.network.state);
        let mut found = Vec::new();
        let admin = topology.admin_rules.iter().enumerate();
        for (index, rules) in admin.filter(|(_, it)| it.vnets.contains(&self.nic.vnet)) {
            let vnet = topology.vnet(self.nic.vnet).map(|it| it.id.clone());
            let (true, Some(to)) = (rules.rules.iter().any(|it| it.direction == direction), vnet)
            else {
                continue;
            };
            let policy = resolver.admin_rules(AdminRulesIndex(index), direction)?;
            found.push(Applied { by: rules.id.clone(), to, policy, is_admin: true });
        }
        let subnet = topology.subnet(self.nic.vnet, self.nic.subnet);
        let around = subnet.and_then(|it| Some((it.security_group?, &it.id)));
        let own = self.nic.security_group.map(|group| (group, &self.nic.id));
        let groups = match direction {
            Direction::Inbound => [around, own],
            Direction::Outbound => [own, around],
        };
        for (index, to) in groups.into_iter().flatten() {
            let Some(group) = topology.security_group(index) else { continue };
            let policy = resolver.group(index, direction)?;
            let (by, to) = (group.id.clone(), to.clone());
            found.push(Applied { by, to, policy, is_admin: false });
        }
        Ok(found)
    }

    /// The first rule that is about the packet.
    fn first<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyRule> {
        policy.rules.iter().find(|rule| self.matches(rule))
    }

    fn matches(&self, rule: &PolicyRule) -> bool {
        self.evaluation(rule).matched()
    }

    fn evaluation(&self, rule: &PolicyRule) -> RuleEvaluation {
        let Packet { local, remote, local_port, remote_port, .. } = *self.packet;
        let (source, destination, from, to) = match self.packet.direction {
            Direction::Inbound => (remote, local, remote_port, local_port),
            Direction::Outbound => (local, remote, local_port, remote_port),
        };
        // Ports count in rules for TCP, UDP or any protocol; one that names some is about packets with ports.
        let names_ports =
            matches!(rule.protocol, RuleProtocol::Any | RuleProtocol::Tcp | RuleProtocol::Udp);
        let has_ports = matches!(self.packet.protocol, protocol::TCP | protocol::UDP);
        let in_ports = |ports: &[PortRange], port: u16| {
            let is_any = !names_ports || ports.contains(&(0..=u16::MAX));
            is_any || (has_ports && ports.iter().any(|range| range.contains(&port)))
        };
        RuleEvaluation {
            name: rule.name.clone(),
            access: rule.access,
            protocol_matched: self.is_protocol(rule.protocol),
            source_matched: self.is_in(&rule.source, source),
            source_port_matched: in_ports(&rule.source_ports, from),
            destination_matched: self.is_in(&rule.destination, destination),
            destination_port_matched: in_ports(&rule.destination_ports, to),
        }
    }

    fn is_protocol(&self, wanted: RuleProtocol) -> bool {
        let icmp = if self.packet.local.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        let number = match wanted {
            RuleProtocol::Any => return true,
            RuleProtocol::Tcp => protocol::TCP,
            RuleProtocol::Udp => protocol::UDP,
            RuleProtocol::Icmp => icmp,
            RuleProtocol::Esp => protocol::ESP,
            RuleProtocol::Ah => protocol::AH,
        };
        self.packet.protocol == number
    }

    fn is_in(&self, matched: &Matched, address: IpAddr) -> bool {
        match matched {
            Matched::Any => true,
            Matched::Prefixes(prefixes) => prefixes.iter().any(|it| it.contains(&address)),
            Matched::VirtualNetwork => self.is_virtual_network(address),
            Matched::VirtualNetworkIn(prefixes) => {
                self.is_virtual_network(address) && prefixes.iter().any(|it| it.contains(&address))
            }
            Matched::Internet => {
                !self.is_virtual_network(address)
                    && self.tags.internet.iter().any(|it| it.contains(&address))
            }
        }
    }

    fn is_virtual_network(&self, address: IpAddr) -> bool {
        self.nic.addresses.contains(&address)
            || self.tags.virtual_network.iter().any(|it| it.contains(&address))
    }
}
