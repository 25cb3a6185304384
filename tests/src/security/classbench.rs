//! Rule sets as they are found at the edge of real networks, in the manner of `ClassBench` (Taylor and
//! Turner, 2007): access lists, firewalls and chains of the Linux packet filter, told apart by how
//! often each field is exact, a range or any.

mod flavour;
mod headers;

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    Access, Direction, Endpoints, PortRange, RuleSide, SecurityRule, Topology,
};

use self::flavour::{Ports, Width};
pub use self::{flavour::Flavour, headers::Headers};
use super::{
    network::{self, JUDGED},
    random::{attach, inside},
};
use crate::random::Random;

/// Blocks that prefixes of each side come from. Few, so that prefixes lie in each other.
const REMOTE: [&str; 8] = [
    "10.1.0.0/16",
    "10.2.128.0/17",
    "198.18.0.0/15",
    "203.0.113.0/24",
    "8.8.0.0/16",
    "2001:db8::/40",
    "fd00:b::/48",
    "2600::/28",
];
const LOCAL: [&str; 2] = ["10.0.0.0/19", "fd00:a::/60"];

/// Ports that many rules name, the most frequent first.
const SERVICES: [u16; 16] =
    [80, 443, 22, 53, 25, 3389, 1433, 8080, 123, 21, 110, 1521, 5060, 161, 389, 6000];

/// The network with a group of so many rules, up to 1,000, at the NIC [`JUDGED`]: half of them for each
/// direction. The NIC forwards, so every local address is one that it may have.
pub fn network_with(random: &mut Random, flavour: Flavour, rules: usize) -> Topology {
    let mut topology = network::bare();
    topology.nics[JUDGED.0].enable_ip_forwarding = true;
    let inbound = rules.div_ceil(2);
    let mut list = list(random, flavour, Direction::Inbound, inbound);
    list.extend(self::list(random, flavour, Direction::Outbound, rules - inbound));
    let group = attach(&mut topology, "nic", list);
    topology.nics[JUDGED.0].security_group = Some(group);
    topology
}

/// Rules of one direction. The narrow ones come first, as people order them: a wide rule in front
/// would hide all that follow.
fn list(
    random: &mut Random,
    flavour: Flavour,
    direction: Direction,
    count: usize,
) -> Vec<SecurityRule> {
    let mut rules: Vec<SecurityRule> =
        (0..count).map(|_| rule(random, flavour, direction)).collect();
    rules.sort_by_key(breadth);
    // Room between priorities, as people leave it.
    for (rule, priority) in rules.iter_mut().zip((100..).step_by(4)) {
        rule.priority = priority;
        rule.name = format!("{}{direction:?}{priority}", flavour.name());
    }
    rules
}

/// How much a rule matches, roughly: bits that it leaves open.
fn breadth(rule: &SecurityRule) -> u32 {
    let addresses = |side: &RuleSide| match &side.endpoints {
        Endpoints::Prefixes(prefixes) => {
            let widths = prefixes.iter().map(|it| it.max_prefix_len() - it.prefix_len());
            u32::from(widths.max().unwrap_or(0)).min(32)
        }
        _ => 33,
    };
    let ports = |side: &RuleSide| {
        let count: u32 = side.ports.iter().map(|it| u32::from(it.end() - it.start()) + 1).sum();
        count.ilog2()
    };
    let ends = [&rule.source, &rule.destination];
    ends.into_iter().map(|side| addresses(side) + ports(side)).sum()
}

/// A rule without priority and name yet.
fn rule(random: &mut Random, flavour: Flavour, direction: Direction) -> SecurityRule {
    let shape = flavour.shape();
    let is_v4 = !random.one_in(3);
    let protocol = *shape.protocols.pick(random);
    // The flavours are described as seen by what is protected: the inner side is the destination.
    let (wide, ports_wide) = (*shape.outer.pick(random), *shape.outer_ports.pick(random));
    let (narrow, ports_narrow) = (*shape.inner.pick(random), *shape.inner_ports.pick(random));
    let outer = RuleSide {
        endpoints: endpoints(random, wide, &REMOTE, is_v4),
        ports: ports(random, ports_wide),
    };
    let inner = RuleSide {
        endpoints: endpoints(random, narrow, &LOCAL, is_v4),
        ports: ports(random, ports_narrow),
    };
    let (source, destination) = match direction {
        Direction::Inbound => (outer, inner),
        // What the NIC asks for: the service is at the other side.
        Direction::Outbound => (
            RuleSide { endpoints: inner.endpoints, ports: outer.ports },
            RuleSide { endpoints: outer.endpoints, ports: inner.ports },
        ),
    };
    SecurityRule {
        name: String::new(),
        priority: 0,
        direction,
        access: if random.below(100) < shape.denied { Access::Deny } else { Access::Allow },
        protocol,
        source,
        destination,
    }
}

/// Prefixes of one family: exact addresses, subnets or whole blocks.
fn endpoints(random: &mut Random, width: Width, blocks: &[&str], is_v4: bool) -> Endpoints {
    let block = || blocks.iter().map(|it| network::net(it));
    let blocks: Vec<IpNet> = block().filter(|it| it.addr().is_ipv4() == is_v4).collect();
    let block = *random.pick(&blocks);
    let prefix = |random: &mut Random, len: u8| {
        let address = inside(random, block);
        let len = len.clamp(block.prefix_len(), block.max_prefix_len());
        IpNet::new(address, len).expect("a length of the family").trunc()
    };
    let max = block.max_prefix_len();
    match width {
        Width::Any => Endpoints::Any,
        Width::Block => Endpoints::Prefixes(vec![prefix(random, block.prefix_len())]),
        Width::Subnet => {
            // Shorter ones are rarer.
            let short = random.below(9).min(random.below(9));
            let short = u8::try_from(short).expect("a small number");
            let len = if is_v4 { 28 - short } else { 64 - short };
            Endpoints::Prefixes(vec![prefix(random, len)])
        }
        Width::Host => Endpoints::Prefixes(vec![prefix(random, max)]),
        Width::Hosts => {
            let count = 2 + random.below(6);
            Endpoints::Prefixes((0..count).map(|_| prefix(random, max)).collect())
        }
    }
}

fn ports(random: &mut Random, kind: Ports) -> Vec<PortRange> {
    let service = |random: &mut Random| {
        // The first ones are far more frequent.
        let rank = random.below(SERVICES.len()).min(random.below(SERVICES.len()));
        SERVICES[rank]
    };
    match kind {
        Ports::Any => vec![0..=u16::MAX],
        Ports::High => vec![1_024..=u16::MAX],
        Ports::Low => vec![0..=1_023],
        Ports::One => {
            let port = service(random);
            vec![port..=port]
        }
        Ports::Range => {
            let start = service(random);
            let length = u16::try_from(1 + random.below(2_000)).expect("a small number");
            vec![start..=start.saturating_add(length)]
        }
        Ports::Several => {
            let count = 2 + random.below(4);
            (0..count).map(|_| service(random)).map(|port| port..=port).collect()
        }
    }
}
