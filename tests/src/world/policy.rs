//! Classifiers from short rule lists, the naive way: every prefix and every port is asked about every
//! rule. Written apart from the control program's compiler.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    ops::RangeInclusive,
};

use bytemuck::Zeroable as _;
use ipnet::{IpNet, Ipv4Net};
use vnetpeer_common::{
    abi::{Classifier, Entry, Row, RuleEntry, address_class, kind_index, protocol_class},
    types::{PolicyId, RuleId},
};

use super::{Nodes, Prefixes, everything};

/// The rules of a policy in the order of evaluation.
pub type Policy = Vec<Rule>;

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number, and whether it allows.
    pub entry: RuleEntry,
    /// The [`protocol_class`], or any.
    pub protocol: Option<u32>,
    /// Where packets come from.
    pub source: Side,
    /// Where they go.
    pub destination: Side,
}

/// One end of a rule.
#[derive(Clone, Debug)]
pub struct Side {
    /// The prefixes; `None` is any address.
    pub prefixes: Option<Vec<IpNet>>,
    /// The [`address_class`] that the address must have, or any.
    pub class: Option<u16>,
    /// The ports.
    pub ports: RangeInclusive<u16>,
}

impl Side {
    /// Any address and port.
    pub const ANY: Self = Self { prefixes: None, class: None, ports: 0..=u16::MAX };

    /// Any address, one port.
    pub const fn port(port: u16) -> Self {
        Self { ports: port..=port, ..Self::ANY }
    }

    /// One prefix, any port.
    pub fn prefix(text: &str) -> Self {
        Self { prefixes: Some(vec![text.parse().expect("a prefix")]), ..Self::ANY }
    }

    /// No address.
    pub const NONE: Self = Self { prefixes: Some(Vec::new()), ..Self::ANY };

    /// Tag `VirtualNetwork`.
    pub const VNET: Self = Self { class: Some(address_class::VIRTUAL_NETWORK), ..Self::ANY };

    fn covers(&self, prefix: &IpNet) -> bool {
        self.prefixes.as_ref().is_none_or(|it| it.iter().any(|own| own.contains(prefix)))
    }
}

impl Rule {
    /// A rule that allows.
    pub const fn allow(id: u32, protocol: Option<u32>, source: Side, destination: Side) -> Self {
        Self { entry: RuleEntry::allow(RuleId(id)), protocol, source, destination }
    }

    /// A rule that denies.
    pub const fn deny(id: u32, protocol: Option<u32>, source: Side, destination: Side) -> Self {
        Self { entry: RuleEntry::deny(RuleId(id)), protocol, source, destination }
    }

    /// A rule that allows, and ends the evaluation.
    pub const fn always_allow(
        id: u32,
        protocol: Option<u32>,
        source: Side,
        destination: Side,
    ) -> Self {
        Self { entry: RuleEntry::always_allow(RuleId(id)), protocol, source, destination }
    }

    fn is_kind(&self, protocol: u32, source: u16, destination: u16) -> bool {
        let with_ports = protocol <= protocol_class::UDP;
        let any_port = |side: &Side| side.ports == (0..=u16::MAX);
        let ports = any_port(&self.source) && any_port(&self.destination);
        let is_class = |side: &Side, class| side.class.is_none_or(|own| own == class);
        self.protocol.map_or(with_ports || ports, |own| own == protocol)
            && is_class(&self.source, source)
            && is_class(&self.destination, destination)
    }
}

/// What the maps of policies hold.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) policies: BTreeMap<u32, u32>,
    pub(super) classifiers: BTreeMap<u32, Classifier>,
    pub(super) rows: BTreeMap<u32, Row>,
}

impl Compiled {
    pub(super) fn new(policies: &BTreeMap<PolicyId, Policy>, nodes: &mut Nodes) -> Self {
        let mut compiled = Self::default();
        for (index, (id, policy)) in (1..).zip(policies) {
            let classifier = compiled.classifier(policy, nodes);
            compiled.classifiers.insert(index, classifier);
            compiled.policies.insert(id.0, index);
        }
        compiled
    }

    fn classifier(&mut self, policy: &Policy, nodes: &mut Nodes) -> Classifier {
        let mut classifier = Classifier::zeroed();
        for (place, rule) in classifier.rules.iter_mut().zip(policy) {
            *place = rule.entry;
        }
        for protocol in 0..protocol_class::COUNT {
            for source in 0..address_class::COUNT {
                for destination in 0..address_class::COUNT {
                    let row = self.row(policy, |it| it.is_kind(protocol, source, destination));
                    classifier.kinds[kind_index(protocol, source, destination)] = row;
                }
            }
        }
        classifier.source = nodes.add(&self.addresses(policy, |it| &it.source));
        classifier.destination = nodes.add(&self.addresses(policy, |it| &it.destination));
        classifier.source_port = self.ports(policy, nodes, |it| &it.source);
        classifier.destination_port = self.ports(policy, nodes, |it| &it.destination);
        classifier
    }

    fn addresses(&mut self, policy: &Policy, side: impl Fn(&Rule) -> &Side) -> Prefixes {
        let mut prefixes: BTreeSet<IpNet> = [everything(false), everything(true)].into();
        prefixes.extend(policy.iter().filter_map(|it| side(it).prefixes.clone()).flatten());
        prefixes
            .into_iter()
            .map(|prefix| (prefix, self.row(policy, |it| side(it).covers(&prefix))))
            .collect()
    }

    fn ports(
        &mut self,
        policy: &Policy,
        nodes: &mut Nodes,
        side: impl Fn(&Rule) -> &Side,
    ) -> Entry {
        // The row changes only where a range begins or has ended.
        let mut starts = BTreeSet::from([0]);
        for rule in policy {
            let ports = &side(rule).ports;
            starts.extend([Some(*ports.start()), ports.end().checked_add(1)].into_iter().flatten());
        }
        let mut rows = vec![0; 1 << 16];
        for start in starts {
            let row = self.row(policy, |it| side(it).ports.contains(&start));
            rows[usize::from(start)..].fill(row);
        }
        let prefixes = (0..=u16::MAX).map(|port| {
            let address = Ipv4Addr::from(u32::from(port) << 16);
            let prefix = Ipv4Net::new(address, 16).expect("a prefix length of 16");
            (IpNet::V4(prefix), rows[usize::from(port)])
        });
        // The usual value in the whole space, and each port that differs.
        let usual = rows[1];
        let mut table: Prefixes = vec![(everything(false), usual)];
        table.extend(prefixes.filter(|(_, row)| *row != usual));
        nodes.add(&table).v4
    }

    /// The number of the row of the rules that match; an equal one is used again.
    fn row(&mut self, policy: &Policy, matches: impl Fn(&Rule) -> bool) -> u32 {
        let mut row = Row::zeroed();
        for (index, _) in policy.iter().enumerate().filter(|(_, rule)| matches(rule)) {
            row.words[index / 64] |= 1 << (index % 64);
            row.summary |= 1 << (index / 64);
        }
        let known = self.rows.iter().find(|(_, known)| **known == row).map(|(number, _)| *number);
        known.unwrap_or_else(|| {
            let number = u32::try_from(self.rows.len() + 1).expect("a few rows");
            self.rows.insert(number, row);
            number
        })
    }
}
