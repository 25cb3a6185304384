//! Rules that meet each other.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    Access, ApplicationSecurityGroupIndex, Direction, Endpoints, PortRange, RuleProtocol, RuleSide,
    SecurityRule, ServiceTag,
};

use super::{address, bits, inside};
use crate::{
    random::Random,
    security::network::{GROUPS, net},
};

/// Prefixes that mean something in the network around the rules.
const TELLING: [&str; 28] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.1.4/32",
    "10.0.1.0/25",
    "10.0.2.0/24",
    "10.1.0.0/16",
    "10.1.1.4/32",
    "10.2.0.0/16",
    "10.2.128.0/17",
    "10.3.0.0/16",
    "172.20.0.0/15",
    "192.168.0.0/16",
    "8.8.8.0/24",
    "203.0.113.7/32",
    "168.63.129.16/32",
    "169.254.169.254/32",
    "100.64.0.0/10",
    "::/0",
    "fd00:a::/48",
    "fd00:a:0:1::/64",
    "fd00:a:0:1::4/128",
    "fd00:b::/48",
    "fd00:c::/48",
    "fd00:c:0:8000::/49",
    "2001:db8:1::/48",
    "2000::/3",
];

/// Tags of the platform; the addresses of the last one are none that pass by themselves.
const PLATFORM_TAGS: [(&str, &[&str]); 3] = [
    ("AzurePlatformDNS", &["168.63.129.16/32"]),
    ("AzurePlatformIMDS", &["169.254.169.254/32"]),
    ("AzurePlatformLKM", &["20.118.99.224/32", "23.102.135.246/31", "2603:1030::/48"]),
];

/// Ports that begin or end ranges.
const TELLING_PORTS: [u16; 12] =
    [0, 1, 22, 53, 80, 443, 1023, 1024, 8080, 49_152, 65_534, u16::MAX];

/// A source of rules that share their prefixes and ports.
#[derive(Debug)]
pub(super) struct Rules {
    prefixes: Vec<IpNet>,
    ports: Vec<u16>,
    /// Rules so far, for their names.
    count: usize,
}

impl Rules {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut prefixes: Vec<IpNet> =
            (0..4 + random.below(6)).map(|_| net(random.pick::<&str>(&TELLING))).collect();
        for _ in 0..random.below(12) {
            let known = *random.pick(&prefixes);
            prefixes.push(relative(random, known));
        }
        let mut ports: Vec<u16> =
            (0..2 + random.below(4)).map(|_| *random.pick(&TELLING_PORTS)).collect();
        for _ in 0..random.below(4) {
            let near = *random.pick(&ports);
            ports.push(near.wrapping_add(1));
        }
        Self { prefixes, ports, count: 0 }
    }

    /// The rules of a group, in no order.
    pub(super) fn group(&mut self, random: &mut Random) -> Vec<SecurityRule> {
        self.rules(random, 100..=4_096, &[Access::Allow, Access::Deny], true)
    }

    /// Security admin rules, in no order.
    pub(super) fn admin(&mut self, random: &mut Random) -> Vec<SecurityRule> {
        let accesses = [Access::Allow, Access::Deny, Access::AlwaysAllow];
        self.rules(random, 1..=4_096, &accesses, false)
    }

    fn rules(
        &mut self,
        random: &mut Random,
        priorities: std::ops::RangeInclusive<u16>,
        accesses: &[Access],
        platform: bool,
    ) -> Vec<SecurityRule> {
        let count = match random.below(10) {
            0 => 0,
            1 => 1,
            2 => 60 + random.below(80),
            _ => 2 + random.below(24),
        };
        let mut used = BTreeSet::new();
        let mut rules = Vec::new();
        while rules.len() < count {
            let direction = *random.pick(&[Direction::Inbound, Direction::Outbound]);
            let span = usize::from(priorities.end() - priorities.start());
            let offset = u16::try_from(random.below(span + 1)).expect("a small number");
            let priority = priorities.start() + offset;
            if !used.insert((direction, priority)) {
                continue;
            }
            self.count += 1;
            rules.push(SecurityRule {
                name: format!("rule{}", self.count),
                priority,
                direction,
                access: *random.pick(accesses),
                protocol: protocol(random),
                source: self.side(random, platform),
                destination: self.side(random, platform),
            });
        }
        rules
    }

    fn side(&self, random: &mut Random, platform: bool) -> RuleSide {
        RuleSide { endpoints: self.endpoints(random, platform), ports: self.ports(random) }
    }

    fn endpoints(&self, random: &mut Random, platform: bool) -> Endpoints {
        match random.below(16) {
            0..=4 => Endpoints::Any,
            5..=9 => {
                let count = [1, 1, 1, 2, 3, 6, 0][random.below(7)];
                Endpoints::Prefixes((0..count).map(|_| self.prefix(random)).collect())
            }
            10 | 11 => Endpoints::Groups(groups(random)),
            12 => Endpoints::Tag(ServiceTag::VirtualNetwork),
            13 => Endpoints::Tag(ServiceTag::Internet),
            14 if platform => {
                let (name, prefixes) = *random.pick(&PLATFORM_TAGS);
                Endpoints::Tag(ServiceTag::Prefixes {
                    name: name.to_owned(),
                    prefixes: prefixes.iter().map(|it| net(it)).collect(),
                    platform: true,
                })
            }
            _ => Endpoints::Tag(ServiceTag::Prefixes {
                name: "Storage".to_owned(),
                prefixes: (0..=random.below(5)).map(|_| self.prefix(random)).collect(),
                platform: false,
            }),
        }
    }

    fn prefix(&self, random: &mut Random) -> IpNet {
        let known = *random.pick(&self.prefixes);
        if random.one_in(4) { relative(random, known) } else { known }
    }

    fn ports(&self, random: &mut Random) -> Vec<PortRange> {
        match random.below(8) {
            0..=4 => vec![0..=u16::MAX],
            5 | 6 => vec![self.range(random)],
            _ => (0..=random.below(4)).map(|_| self.range(random)).collect(),
        }
    }

    fn range(&self, random: &mut Random) -> PortRange {
        let (one, other) = (*random.pick(&self.ports), *random.pick(&self.ports));
        if random.one_in(3) { one..=one } else { one.min(other)..=one.max(other) }
    }
}

fn groups(random: &mut Random) -> Vec<ApplicationSecurityGroupIndex> {
    // The third one has its members elsewhere, so it is never together with another.
    let chosen = match random.below(4) {
        0 => vec![2],
        1 => vec![GROUPS - 1],
        2 => vec![0, 1],
        _ => vec![random.below(2)],
    };
    chosen.into_iter().map(ApplicationSecurityGroupIndex).collect()
}

fn protocol(random: &mut Random) -> RuleProtocol {
    *random.pick(&[
        RuleProtocol::Any,
        RuleProtocol::Any,
        RuleProtocol::Any,
        RuleProtocol::Tcp,
        RuleProtocol::Tcp,
        RuleProtocol::Tcp,
        RuleProtocol::Udp,
        RuleProtocol::Udp,
        RuleProtocol::Icmp,
        RuleProtocol::Esp,
        RuleProtocol::Ah,
    ])
}

/// A part of a prefix, its neighbour of the same size, or what surrounds it.
fn relative(random: &mut Random, prefix: IpNet) -> IpNet {
    let (len, max) = (prefix.prefix_len(), prefix.max_prefix_len());
    let step = 1 + u8::try_from(random.below(6)).expect("a small number");
    match random.below(3) {
        0 => with_len(inside(random, prefix), (len + step).min(max)),
        1 if len > 0 => {
            let flipped = bits(prefix.network()) ^ 1_u128 << (max - len);
            with_len(address(prefix.addr().is_ipv4(), flipped), len)
        }
        _ => with_len(prefix.network(), len.saturating_sub(step)),
    }
}

fn with_len(address: IpAddr, len: u8) -> IpNet {
    IpNet::new(address, len).expect("a length of the family").trunc()
}
