//! Packets for a list: most are in one of its rules, and the same rules come up again and again.

use std::net::IpAddr;

use vnetpeer_userspace::topology::model::{
    Direction, Endpoints, RuleProtocol, RuleSide, SecurityRule, Topology,
};

use super::{LOCAL, REMOTE};
use crate::{
    random::Random,
    security::{
        network::{JUDGED, net},
        probe::{Probe, SYN, Upper},
        random::{edge, inside},
    },
};

/// Packets that begin flows of the NIC [`JUDGED`].
#[derive(Debug)]
pub struct Headers {
    random: Random,
    rules: Vec<SecurityRule>,
    identifier: u16,
}

impl Headers {
    /// For the group of a network's NIC.
    pub fn new(seed: u64, topology: &Topology) -> Self {
        let group = topology.nics[JUDGED.0].security_group.expect("the NIC has a group");
        let rules = topology.security_groups[group.0].rules.clone();
        Self { random: Random::new(seed), rules, identifier: 0 }
    }

    /// The next packet.
    pub fn one(&mut self) -> Probe {
        let random = &mut self.random;
        let rule = random.pick(&self.rules).clone();
        let is_v4 = family(&rule).unwrap_or_else(|| !random.one_in(3));
        let (outer, inner) = match rule.direction {
            Direction::Inbound => (&REMOTE[..], &LOCAL[..]),
            Direction::Outbound => (&LOCAL[..], &REMOTE[..]),
        };
        let source = address(random, &rule.source, outer, is_v4);
        let destination = address(random, &rule.destination, inner, is_v4);
        // A client's port is of no rule, and so tells flows from each other.
        let (from, to) = (port(random, &rule.source), port(random, &rule.destination));
        self.identifier = self.identifier.wrapping_add(1);
        let tcp = Upper::Tcp { source: from, destination: to, flags: SYN };
        let udp = Upper::Udp { source: from, destination: to };
        let kind = if is_v4 { 8 } else { 128 };
        let icmp = Upper::Icmp { kind, identifier: self.identifier };
        let upper = match rule.protocol {
            RuleProtocol::Tcp => tcp,
            RuleProtocol::Udp => udp,
            RuleProtocol::Icmp => icmp,
            RuleProtocol::Esp => Upper::Other(50),
            RuleProtocol::Ah => Upper::Other(51),
            RuleProtocol::Any => *random.pick(&[tcp, tcp, udp, icmp]),
        };
        Probe::new(rule.direction, source, destination, upper)
    }
}

/// The family of the prefixes that a rule names.
fn family(rule: &SecurityRule) -> Option<bool> {
    [&rule.source, &rule.destination].iter().find_map(|side| match &side.endpoints {
        Endpoints::Prefixes(prefixes) => prefixes.first().map(|it| it.addr().is_ipv4()),
        _ => None,
    })
}

/// An address in the rule or at its edge, or one of the blocks where the rule takes any.
fn address(random: &mut Random, side: &RuleSide, blocks: &[&str], is_v4: bool) -> IpAddr {
    if let Endpoints::Prefixes(prefixes) = &side.endpoints {
        let prefix = *random.pick(prefixes);
        return if random.one_in(4) { edge(random, prefix) } else { inside(random, prefix) };
    }
    let blocks = blocks.iter().map(|it| net(it)).filter(|it| it.addr().is_ipv4() == is_v4);
    let block = *random.pick(&blocks.collect::<Vec<_>>());
    inside(random, block)
}

/// A port in the rule, its first or last one, or the one behind it.
fn port(random: &mut Random, side: &RuleSide) -> u16 {
    let range = random.pick(&side.ports).clone();
    let span = usize::from(range.end() - range.start());
    match random.below(8) {
        0 => *range.start(),
        1 => *range.end(),
        2 => range.end().wrapping_add(1),
        _ => range.start() + u16::try_from(random.below(span + 1)).expect("a port"),
    }
}
