//! From a policy to the rows of bits of every field. Which numbers the rows get is `plan`'s business.

use ipnet::IpNet;
use vnetpeer_common::abi::{
    KINDS, ROW_WORDS, Row, RuleEntry, address_class, kind_index, protocol_class,
};

use super::{Matched, Policy, PolicyRule, ports::port_rows};
use crate::topology::model::{Access, PortRange, RuleProtocol};

/// A set of rules, by their place in the order of evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; ROW_WORDS]);

impl Bits {
    /// Adds a rule.
    pub(super) fn set(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    /// Adds a rule that is not in, removes one that is.
    pub(super) fn toggle(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word ^= 1 << (rule % 64);
        }
    }

    /// Toggles all rules of another set.
    pub(super) fn toggle_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word ^= other);
    }

    /// Whether no rule is in.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// As the datapath reads it.
    pub(super) fn row(&self) -> Row {
        let bit = |(index, word): (usize, &u64)| u64::from(*word != 0) << index;
        let summary = self.0.iter().enumerate().map(bit).fold(0, |all, bit| all | bit);
        Row { summary, words: self.0 }
    }
}

/// A prefix and the rules that match its addresses, those of the prefixes around it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::topology) struct Covered {
    /// Address, in the upper bits, host bits zero.
    pub(in crate::topology) address: u128,
    /// Length in bits.
    pub(in crate::topology) len: u32,
    /// The rules; never none.
    pub(in crate::topology) row: Row,
}

/// A classifier whose rows have no numbers yet. Lists of prefixes are sorted by address, the shorter
/// prefix first.
#[derive(Debug)]
pub(in crate::topology) struct Fields {
    /// Source addresses: IPv4, IPv6.
    pub(in crate::topology) source: [Vec<Covered>; 2],
    /// Destination addresses: IPv4, IPv6.
    pub(in crate::topology) destination: [Vec<Covered>; 2],
    /// Source ports, in the upper 16 bits of an address.
    pub(in crate::topology) source_port: Vec<Covered>,
    /// Destination ports.
    pub(in crate::topology) destination_port: Vec<Covered>,
    /// By [`kind_index`].
    pub(in crate::topology) kinds: [Row; KINDS],
    /// The rules in the order of evaluation.
    pub(in crate::topology) rules: Vec<RuleEntry>,
}

/// The rows of all fields of a policy.
pub(in crate::topology) fn fields(policy: &Policy) -> Fields {
    let rules = &policy.rules;
    let sources = || rules.iter().map(|rule| &rule.source);
    let destinations = || rules.iter().map(|rule| &rule.destination);
    Fields {
        source: [address_rows(sources(), true), address_rows(sources(), false)],
        destination: [address_rows(destinations(), true), address_rows(destinations(), false)],
        source_port: port_rows(rules.iter().map(|rule| rule.source_ports.as_slice())),
        destination_port: port_rows(rules.iter().map(|rule| rule.destination_ports.as_slice())),
        kinds: kinds(rules),
        rules: rules.iter().map(entry).collect(),
    }
}

fn entry(rule: &PolicyRule) -> RuleEntry {
    match rule.access {
        Access::Allow => RuleEntry::allow(rule.id),
        Access::Deny => RuleEntry::deny(rule.id),
        Access::AlwaysAllow => RuleEntry::always_allow(rule.id),
    }
}

/// For every prefix that a rule names the rules that match it. Ends without prefixes match every address
/// here; tags are told apart by [`kinds`].
fn address_rows<'a>(ends: impl Iterator<Item = &'a Matched>, v4: bool) -> Vec<Covered> {
    let mut anywhere = Bits::default();
    let mut named: Vec<(u128, u32, usize)> = Vec::new();
    for (rule, end) in ends.enumerate() {
        match end {
            Matched::Prefixes(prefixes) | Matched::VirtualNetworkIn(prefixes) => {
                let of_family = prefixes.iter().filter(|net| net.addr().is_ipv4() == v4);
                named.extend(of_family.map(|net| {
                    let (address, len) = key(net);
                    (address, len, rule)
                }));
            }
            Matched::Any | Matched::VirtualNetwork | Matched::Internet => anywhere.set(rule),
        }
    }
    named.sort_unstable();
    let mut found: Vec<Covered> = Vec::with_capacity(named.len() + 1);
    let mut around: Vec<(u128, u32, Bits)> = vec![(0, 0, anywhere)];
    let mut rest = named.as_slice();
    if rest.first().is_none_or(|first| first.1 != 0) && !anywhere.is_empty() {
        found.push(Covered { address: 0, len: 0, row: anywhere.row() });
    }
    while let Some((address, len, _)) = rest.first().copied() {
        while around.last().is_some_and(|(outer, bits, _)| !contains(*outer, *bits, address)) {
            around.pop();
        }
        let mut bits = around.last().map_or(anywhere, |(_, _, bits)| *bits);
        while let Some(((next, next_len, rule), others)) = rest.split_first()
            && (*next, *next_len) == (address, len)
        {
            bits.set(*rule);
            rest = others;
        }
        found.push(Covered { address, len, row: bits.row() });
        around.push((address, len, bits));
    }
    found
}

/// A prefix as its address in the upper bits, and its length.
fn key(net: &IpNet) -> (u128, u32) {
    let address = match net {
        IpNet::V4(net) => u128::from(u32::from(net.network())) << 96,
        IpNet::V6(net) => u128::from(net.network()),
    };
    (address, u32::from(net.prefix_len()))
}

fn contains(outer: u128, len: u32, address: u128) -> bool {
    (outer ^ address).checked_shr(128 - len).unwrap_or_default() == 0
}

/// For every protocol and pair of address classes the rules that match these. A rule for any protocol
/// with certain ports is one for the protocols that have ports.
fn kinds(rules: &[PolicyRule]) -> [Row; KINDS] {
    let mut found = [Bits::default(); KINDS];
    for (number, rule) in rules.iter().enumerate() {
        for protocol in (0..protocol_class::COUNT).filter(|class| has_protocol(rule, *class)) {
            for source in (0..address_class::COUNT).filter(|it| has_class(&rule.source, *it)) {
                let destinations = 0..address_class::COUNT;
                for destination in destinations.filter(|it| has_class(&rule.destination, *it)) {
                    let kind = found.get_mut(kind_index(protocol, source, destination));
                    if let Some(bits) = kind {
                        bits.set(number);
                    }
                }
            }
        }
    }
    found.map(|bits| bits.row())
}

fn has_protocol(rule: &PolicyRule, class: u32) -> bool {
    match rule.protocol {
        RuleProtocol::Any => {
            let any_port = is_any(&rule.source_ports) && is_any(&rule.destination_ports);
            any_port || class == protocol_class::TCP || class == protocol_class::UDP
        }
        RuleProtocol::Tcp => class == protocol_class::TCP,
        RuleProtocol::Udp => class == protocol_class::UDP,
        RuleProtocol::Icmp => class == protocol_class::ICMP,
        RuleProtocol::Esp => class == protocol_class::ESP,
        RuleProtocol::Ah => class == protocol_class::AH,
    }
}

/// Whether ranges of ports mean any port, also for protocols without ports.
fn is_any(ports: &[PortRange]) -> bool {
    ports.contains(&(0..=u16::MAX))
}

fn has_class(end: &Matched, class: u16) -> bool {
    match end {
        Matched::Any | Matched::Prefixes(_) => true,
        Matched::VirtualNetwork | Matched::VirtualNetworkIn(_) => {
            class == address_class::VIRTUAL_NETWORK
        }
        Matched::Internet => class == address_class::INTERNET,
    }
}
