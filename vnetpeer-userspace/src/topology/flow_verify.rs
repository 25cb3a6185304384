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

/// Asks everything that judges a NIC, up to the first that denies or ends the evaluation.
pub fn verify(network: &Network<'_>, nic: &Nic, packet: &Packet) -> Result<Verdict, NetworkError> {
    let topology = network.topology;
    if topology.is_gateway(&nic.id) {
        return Ok(Verdict::default());
    }
    let subnet = topology.subnet(nic.vnet, nic.subnet);
    let judge = Judge {
        tags: RoutedTags::of(network, nic.vnet, subnet.and_then(|it| it.route_table)),
        nic,
        packet,
    };
    let resolver = Resolver::new(topology, network.state);
    let mut verdict = Verdict::default();
    let admin = topology.admin_rules.iter().enumerate();
    for (index, rules) in admin.filter(|(_, it)| it.vnets.contains(&nic.vnet)) {
        if !rules.rules.iter().any(|rule| rule.direction == packet.direction) {
            continue;
        }
        let policy = resolver.admin_rules(AdminRulesIndex(index), packet.direction)?;
        let rule = judge.first(&policy);
        let access = rule.map_or(Access::Allow, |it| it.access);
        let rule_name = rule.map(|it| it.name.clone());
        verdict.stages.push(Stage { applied_by: rules.id.clone(), rule_name, access });
        if access != Access::Allow {
            return Ok(verdict);
        }
    }
    let around = subnet.and_then(|it| it.security_group);
    let groups = match packet.direction {
        Direction::Inbound => [around, nic.security_group],
        Direction::Outbound => [nic.security_group, around],
    };
    for index in groups.into_iter().flatten() {
        let Some(group) = topology.security_group(index) else { continue };
        let stage = judge.group(&resolver.group(index, packet.direction)?, &group.id);
        let denies = stage.access == Access::Deny;
        verdict.stages.push(stage);
        if denies {
            break;
        }
    }
    Ok(verdict)
}

struct Judge<'a> {
    tags: RoutedTags,
    nic: &'a Nic,
    packet: &'a Packet,
}

impl Judge<'_> {
    fn group(&self, policy: &Policy, id: &ResourceId) -> Stage {
        let rule = self.first(policy);
        Stage {
            applied_by: id.clone(),
            rule_name: rule.map(|it| it.name.clone()),
            access: rule.map_or(Access::Deny, |it| it.access),
        }
    }

    /// The first rule that is about the packet.
    fn first<'p>(&self, policy: &'p Policy) -> Option<&'p PolicyRule> {
        policy.rules.iter().find(|rule| self.matches(rule))
    }

    fn matches(&self, rule: &PolicyRule) -> bool {
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
        self.is_protocol(rule.protocol)
            && self.is_in(&rule.source, source)
            && self.is_in(&rule.destination, destination)
            && in_ports(&rule.source_ports, from)
            && in_ports(&rule.destination_ports, to)
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
