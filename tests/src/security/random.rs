//! Groups and admin rules from a seed, and packets that hit their edges.
//!
//! All prefixes of one set descend from a few: each is one of them, a part, the neighbour of the same
//! size, or what surrounds it. All ports come from a few numbers in the same way. So rules overlap,
//! touch and repeat each other far more often than chance would have it.

mod probes;
mod rules;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    AdminRules, SecurityGroup, SecurityGroupIndex, SecurityRule, Topology, VnetIndex,
};

pub use self::probes::Probes;
use self::rules::Rules;
use super::network;
use crate::random::Random;

/// Networks with groups, one after another.
#[derive(Clone, Debug)]
pub struct Sets {
    random: Random,
}

impl Sets {
    /// All sets that follow from a seed.
    pub const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// A number source for further choices.
    pub const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next network. Its NIC [`network::JUDGED`] has a group, or its subnet has one, or its virtual
    /// network has admin rules, or any of these together; rarely none.
    pub fn one(&mut self) -> Topology {
        let random = &mut self.random;
        let mut topology = network::random(random);
        let mut rules = Rules::new(random);
        let attached = match random.below(20) {
            0 => [false; 3],
            1..=4 => [true; 3],
            _ => [random.one_in(2), random.one_in(2), random.one_in(2)],
        };
        let [nic, subnet, admin] = attached;
        if nic {
            let group = attach(&mut topology, "nic", rules.group(random));
            topology.nics[network::JUDGED.0].security_group = Some(group);
        }
        if subnet {
            let group = attach(&mut topology, "subnet", rules.group(random));
            topology.vnets[0].subnets[0].security_group = Some(group);
        }
        if admin {
            topology.admin_rules.push(AdminRules {
                id: network::resource("networkManagers", "admin"),
                vnets: vec![VnetIndex(0), VnetIndex(1)],
                rules: rules.admin(random),
            });
        }
        topology
    }
}

/// Adds a group to the network.
pub fn attach(topology: &mut Topology, name: &str, rules: Vec<SecurityRule>) -> SecurityGroupIndex {
    let id = network::resource("networkSecurityGroups", name);
    topology.security_groups.push(SecurityGroup { id, rules, flush_connection: false });
    SecurityGroupIndex(topology.security_groups.len() - 1)
}

/// An address as a number.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number; a number that is too large begins again at zero.
pub(super) fn address(is_v4: bool, bits: u128) -> IpAddr {
    if is_v4 {
        let low = u32::try_from(bits & u128::from(u32::MAX)).expect("32 bits");
        IpAddr::V4(Ipv4Addr::from_bits(low))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    }
}

/// A number of so many bits.
pub(super) fn wide(random: &mut Random, bits: u8) -> u128 {
    let number = u128::from(random.next()) << 64 | u128::from(random.next());
    number.checked_shr(128 - u32::from(bits)).unwrap_or(0)
}

/// Any address of a prefix.
pub(super) fn inside(random: &mut Random, prefix: IpNet) -> IpAddr {
    let host_bits = prefix.max_prefix_len() - prefix.prefix_len();
    let first = bits(prefix.network());
    address(prefix.addr().is_ipv4(), first | wide(random, host_bits))
}

/// An address at an edge of a prefix: the first or the last, the one before or behind it, or one
/// between them.
pub(super) fn edge(random: &mut Random, prefix: IpNet) -> IpAddr {
    let is_v4 = prefix.addr().is_ipv4();
    let (first, last) = (bits(prefix.network()), bits(prefix.broadcast()));
    match random.below(6) {
        0 => address(is_v4, first),
        1 => address(is_v4, first.wrapping_sub(1)),
        2 => address(is_v4, last),
        3 => address(is_v4, last.wrapping_add(1)),
        _ => inside(random, prefix),
    }
}
