//! Packets that hit the edges of rules.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    Direction, Endpoints, RuleProtocol, RuleSide, SecurityRule, ServiceTag, Topology,
};

use super::{edge, inside};
use crate::{
    random::Random,
    security::{
        network::{JUDGED, net},
        probe::{ACK, Probe, RST, SYN, Upper},
    },
};

/// Prefixes at whose edges a tag begins or ends.
const CLASSES: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
    "168.63.129.16/32",
    "169.254.169.254/32",
    "8.8.8.8/32",
    "2000::/3",
    "2001:db8::/32",
    "fd00:a::/48",
    "fe80::/10",
];

/// Packets of the NIC [`JUDGED`]. Those of one source are all of different flows, apart from what
/// follows in a conversation.
#[derive(Debug)]
pub struct Probes {
    random: Random,
    rules: Vec<SecurityRule>,
    prefixes: Vec<IpNet>,
    own: Vec<IpAddr>,
    /// Whether the local side can be any address, not only one of the NIC's.
    forwards: bool,
    tracks_tcp: bool,
    seen: BTreeSet<(IpAddr, IpAddr, u8, u16, u16)>,
    identifier: u16,
}

impl Probes {
    /// For the groups of a network.
    pub fn new(seed: u64, topology: &Topology) -> Self {
        let nic = topology.nic(JUDGED).expect("the NIC");
        let groups = topology.security_groups.iter().map(|group| &group.rules);
        let admin = topology.admin_rules.iter().map(|collection| &collection.rules);
        let rules: Vec<SecurityRule> = groups.chain(admin).flatten().cloned().collect();
        let sides = rules.iter().flat_map(|rule| [&rule.source, &rule.destination]);
        let vnets = topology.vnets.iter().flat_map(|vnet| vnet.address_space.iter().copied());
        let routes = topology.route_tables.iter().flat_map(|table| &table.routes);
        let nics = topology.nics.iter().flat_map(|nic| nic.addresses.iter().copied());
        let prefixes = sides
            .flat_map(prefixes)
            .chain(vnets)
            .chain(routes.map(|route| route.prefix))
            .chain(nics.map(IpNet::from))
            .chain(CLASSES.iter().map(|it| net(it)));
        Self {
            random: Random::new(seed),
            prefixes: prefixes.collect(),
            own: nic.addresses.clone(),
            forwards: nic.enable_ip_forwarding,
            tracks_tcp: !nic.disable_tcp_state_tracking,
            rules,
            seen: BTreeSet::new(),
            identifier: 0,
        }
    }

    /// The next packet: the first of a flow, with SYN if it is TCP and a request if it is ICMP.
    pub fn first(&mut self) -> Probe {
        loop {
            let probe = self.any();
            if self.seen.insert(key(&probe)) {
                return probe;
            }
        }
    }

    /// The next packets, all of one new flow: one alone, one with its answer, or the beginning of a TCP
    /// connection; or one that no flow begins with.
    pub fn conversation(&mut self) -> Vec<Probe> {
        let first = self.first();
        let choice = self.random.below(8);
        match first.upper {
            Upper::Tcp { .. } if !self.tracks_tcp => {
                let first = first.with_flags(*self.random.pick(&[SYN, ACK]));
                if choice < 4 { vec![first] } else { vec![first, first.reply().with_flags(ACK)] }
            }
            Upper::Tcp { .. } => match choice {
                0..=2 => vec![first],
                3 | 4 => {
                    let ack = first.with_flags(ACK);
                    vec![first, first.reply(), ack, ack.reply(), first]
                }
                5 => vec![first, first.reply().with_flags(SYN)],
                6 => vec![first, first, first.reply()],
                _ => vec![first.with_flags(*self.random.pick(&[ACK, ACK | SYN, RST]))],
            },
            Upper::Icmp { .. } if choice == 0 => vec![first.reply()],
            _ if choice < 4 => vec![first],
            _ => vec![first, first.reply(), first],
        }
    }

    fn any(&mut self) -> Probe {
        let aimed = !self.rules.is_empty() && !self.random.one_in(3);
        let rule = aimed.then(|| self.random.pick(&self.rules).clone());
        let direction = match &rule {
            Some(rule) => rule.direction,
            None => *self.random.pick(&[Direction::Inbound, Direction::Outbound]),
        };
        let is_v4 = self.random.one_in(2);
        let source = self.address(rule.as_ref().map(|it| &it.source), is_v4);
        let destination = self.address(rule.as_ref().map(|it| &it.destination), is_v4);
        let (source, destination) = match direction {
            Direction::Inbound => (source, self.local(destination)),
            Direction::Outbound => (self.local(source), destination),
        };
        let upper = self.upper(rule.as_ref(), is_v4);
        Probe::new(direction, source, destination, upper)
    }

    /// An address of the family at an edge of the rule's prefixes, if it has any.
    fn address(&mut self, side: Option<&RuleSide>, is_v4: bool) -> IpAddr {
        let mut near = side.map(prefixes).unwrap_or_default();
        near.retain(|prefix| prefix.addr().is_ipv4() == is_v4);
        if near.is_empty() || self.random.one_in(5) {
            near = self.prefixes.clone();
            near.retain(|prefix| prefix.addr().is_ipv4() == is_v4);
        }
        let prefix = *self.random.pick(&near);
        if self.random.one_in(3) {
            inside(&mut self.random, prefix)
        } else {
            edge(&mut self.random, prefix)
        }
    }

    /// One of the NIC's addresses; if it forwards, at times the given one.
    fn local(&mut self, wanted: IpAddr) -> IpAddr {
        if self.own.contains(&wanted) || (self.forwards && self.random.one_in(2)) {
            return wanted;
        }
        let own: Vec<IpAddr> =
            self.own.iter().copied().filter(|it| it.is_ipv4() == wanted.is_ipv4()).collect();
        *self.random.pick(&own)
    }

    fn upper(&mut self, rule: Option<&SecurityRule>, is_v4: bool) -> Upper {
        let source = self.port(rule.map(|it| &it.source));
        let destination = self.port(rule.map(|it| &it.destination));
        let tcp = Upper::Tcp { source, destination, flags: SYN };
        let udp = Upper::Udp { source, destination };
        self.identifier = self.identifier.wrapping_add(1);
        let kind = if is_v4 { 8 } else { 128 };
        let icmp = Upper::Icmp { kind, identifier: self.identifier };
        let other = Upper::Other(*self.random.pick(&[50, 51, 253]));
        let protocol = rule.map(|it| it.protocol);
        match protocol {
            Some(RuleProtocol::Tcp) if !self.random.one_in(6) => tcp,
            Some(RuleProtocol::Udp) if !self.random.one_in(6) => udp,
            Some(RuleProtocol::Icmp) if !self.random.one_in(6) => icmp,
            Some(RuleProtocol::Esp) if !self.random.one_in(6) => Upper::Other(50),
            Some(RuleProtocol::Ah) if !self.random.one_in(6) => Upper::Other(51),
            _ => *self.random.pick(&[tcp, tcp, tcp, udp, udp, icmp, other]),
        }
    }

    /// A port at an edge of the rule's ranges, the one before or behind it, or any.
    fn port(&mut self, side: Option<&RuleSide>) -> u16 {
        let any = u16::from_be_bytes([self.random.byte(), self.random.byte()]);
        let Some(range) = side.map(|side| self.random.pick(&side.ports).clone()) else {
            return any;
        };
        match self.random.below(6) {
            0 => *range.start(),
            1 => range.start().wrapping_sub(1),
            2 => *range.end(),
            3 => range.end().wrapping_add(1),
            4 => range.start() + any % (range.end() - range.start()).max(1),
            _ => any,
        }
    }
}

/// The prefixes that a side names.
fn prefixes(side: &RuleSide) -> Vec<IpNet> {
    match &side.endpoints {
        Endpoints::Prefixes(prefixes) | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
            prefixes.clone()
        }
        _ => Vec::new(),
    }
}

/// What tells a flow from others, whichever side began it.
fn key(probe: &Probe) -> (IpAddr, IpAddr, u8, u16, u16) {
    let (protocol, ports) = match probe.upper {
        Upper::Tcp { source, destination, .. } => (6, (source, destination)),
        Upper::Udp { source, destination } => (17, (source, destination)),
        Upper::Icmp { identifier, .. } => (1, (identifier, identifier)),
        Upper::Other(protocol) => (protocol, (0, 0)),
    };
    if probe.source <= probe.destination {
        (probe.source, probe.destination, protocol, ports.0, ports.1)
    } else {
        (probe.destination, probe.source, protocol, ports.1, ports.0)
    }
}
