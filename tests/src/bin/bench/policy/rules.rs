//! Security groups of 10, 100 and 1,000 rules, made so that every word of the bit vectors has to be
//! looked at: half of the rules have the packet's ports and another address, half any address and
//! other ports. Three rules match, by the destination port.

use std::collections::BTreeMap;

use vnetpeer_common::abi::RuleEntry;
use vnetpeer_common::{
    abi::{Filter, protocol_class},
    types::{PolicyId, RuleId},
};
use vnetpeer_tests::world::{Policy, Rule, Side};

/// How many rules a group has.
pub(crate) const SIZES: [u32; 3] = [10, 100, 1_000];

/// Which rule matches a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    First,
    Middle,
    Last,
    None,
}

impl Match {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::First, Self::Middle, Self::Last, Self::None];

    /// The destination port of the packets.
    pub(crate) const fn port(self) -> u16 {
        match self {
            Self::First => 5_000,
            Self::Middle => 5_001,
            Self::Last => 5_002,
            Self::None => 5_003,
        }
    }

    /// Its name in a benchmark's.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Middle => "middle",
            Self::Last => "last",
            Self::None => "none",
        }
    }

    /// The match of the rule with this index.
    fn of(index: u32, size: u32) -> Option<Self> {
        match index {
            0 => Some(Self::First),
            _ if index == size / 2 => Some(Self::Middle),
            _ if index + 1 == size => Some(Self::Last),
            _ => None,
        }
    }
}

/// A network whose third octet tells the rule, in a /13 of the group's own: nobody's address.
fn elsewhere(group: u32, index: u32) -> Side {
    Side::prefix(&format!("10.{}.{}.0/24", 128 + group * 4 + index / 256, index % 256))
}

/// The rules of a group in one direction.
fn policy(group: u32, id: PolicyId, size: u32) -> Policy {
    let rule = |index| {
        let (source, destination) = match Match::of(index, size) {
            Some(it) => {
                let source = Side::prefix("10.1.0.0/16");
                (source, Side { ports: it.port()..=it.port(), ..Side::prefix("10.0.0.0/8") })
            }
            None if index % 2 == 0 => {
                (Side::ANY, Side { ports: 5_000..=5_003, ..elsewhere(group, index) })
            }
            None => {
                let port = 20_000 + u16::try_from(index * 8).unwrap_or(0);
                (Side::ANY, Side { ports: port..=port + 5, ..Side::ANY })
            }
        };
        let entry = RuleEntry::allow(RuleId(id.0 * 1_024 + index));
        Rule { entry, protocol: Some(protocol_class::UDP), source, destination }
    };
    (0..size).map(rule).collect()
}

/// The smallest group: one rule.
pub(crate) const ONE: u32 = 1;

/// All sizes that a group may have.
fn sizes() -> impl Iterator<Item = u32> {
    SIZES.into_iter().chain([ONE])
}

/// The policy of a group: 0 and 1 judge the sender, 2 and 3 the receiver.
fn id(size: u32, group: u32) -> PolicyId {
    let sizes = sizes().position(|it| it == size).unwrap_or(0);
    PolicyId(u32::try_from(sizes).unwrap_or(0) * 4 + group + 1)
}

/// All policies.
pub(crate) fn all() -> BTreeMap<PolicyId, Policy> {
    let groups = sizes().flat_map(|size| (0..4).map(move |group| (size, group)));
    groups.map(|(size, group)| (id(size, group), policy(group, id(size, group), size))).collect()
}

/// Filters of the sender and of the receiver with so many groups each, and room for all flows.
pub(crate) fn filters(groups: usize, size: u32) -> [Filter; 2] {
    let open = Filter {
        idle_timeout: 240,
        generation: 1,
        flows_max: u32::MAX,
        half_open_max: u32::MAX,
        ..Filter::default()
    };
    let (mut sender, mut receiver) = (open, open);
    for group in 0..groups {
        let number = u32::try_from(group).unwrap_or(0);
        sender.outbound[1 + group] = id(size, number);
        receiver.inbound[1 + group] = id(size, 2 + number);
    }
    [sender, receiver]
}

/// Rules for a linear scan that has no match, one after another as in `vnetpeer-ebpf`: 32 bytes each.
pub(crate) fn linear() -> Vec<u8> {
    let mut bytes = Vec::new();
    for index in 0..SIZES[2] {
        let of_address = index % 2 == 0;
        let network = [10, u8::try_from(128 + index / 256).unwrap_or(0), index.to_be_bytes()[3], 0];
        let mask = if of_address { [255, 255, 255, 0] } else { [0; 4] };
        let network = if of_address { network } else { [0; 4] };
        let port = if of_address { 5_000 } else { 20_000 + u16::try_from(index * 8).unwrap_or(0) };
        bytes.extend([[0; 4], [0; 4], network, mask].concat());
        for port in [0, u16::MAX, port, port + 5] {
            bytes.extend(port.to_ne_bytes());
        }
        bytes.extend([17_u32, 2].into_iter().flat_map(u32::to_ne_bytes));
    }
    bytes
}
