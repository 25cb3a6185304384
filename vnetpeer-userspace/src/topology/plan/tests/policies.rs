//! What policies of an image say about packets: the evaluation of the datapath, restated.

use super::*;
use crate::topology::{
    model::{Access, Direction},
    policy::{
        CLOSED, Policy,
        tests::{Packet, deciding, lowest, packets},
    },
    testing::Random,
};
use vnetpeer_common::{
    abi::{Classifier, Row, address_class, kind_index, protocol_class},
    types::PolicyId,
};

/// A packet of a NIC, before the classes of its addresses are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    nic: NicId,
    direction: Direction,
    packet: Packet,
}

impl Image {
    /// The row of an address or a port, by a trie.
    fn rule_row(&self, root: abi::Entry, family: u8, key: u128) -> Row {
        let found = if family == 4 {
            crate::topology::trie::tests::lookup(|it| self.trie_v4.get(&it).copied(), root, key)
        } else {
            crate::topology::trie::tests::lookup(|it| self.trie_v6.get(&it).copied(), root, key)
        };
        found.map_or(Row::default(), |index| self.rows[&index])
    }

    /// The place of the rule that decides.
    fn decide(&self, it: &Classifier, packet: &Packet) -> Option<usize> {
        let address = |roots: abi::Roots, address| match address {
            std::net::IpAddr::V4(ip) => self.rule_row(roots.v4, 4, u128::from(u32::from(ip)) << 96),
            std::net::IpAddr::V6(ip) => self.rule_row(roots.v6, 6, u128::from(ip)),
        };
        let kind = it.kinds[kind_index(packet.protocol, packet.classes[0], packet.classes[1])];
        let mut rows = vec![
            address(it.source, packet.source),
            address(it.destination, packet.destination),
            if kind == 0 { Row::default() } else { self.rows[&kind] },
        ];
        if packet.protocol <= protocol_class::UDP {
            rows.push(self.rule_row(it.source_port, 4, u128::from(packet.ports[0]) << 112));
            rows.push(self.rule_row(it.destination_port, 4, u128::from(packet.ports[1]) << 112));
        }
        lowest(&rows)
    }

    /// Whether the NIC's policies allow a packet; `None` if the NIC is not here.
    pub(super) fn judge(&self, it: &Judged) -> Option<bool> {
        let nic = self.nics.get(&it.nic).filter(|nic| nic.flags & nic_flags::PRESENT != 0)?;
        if nic.vtep.is_some() {
            return None;
        }
        let filter = self.filters.get(&nic.slot).copied().unwrap_or_default();
        let roots = self.routes.get(&nic.table).copied().unwrap_or_default();
        let class = |address| {
            let hop = self.lookup(roots, Addr::from(address));
            hop.map_or(address_class::NEITHER, |hop| self.next_hops[&hop].class)
        };
        let classes = [class(it.packet.source), class(it.packet.destination)];
        let packet = Packet { classes, ..it.packet };
        let stages = match it.direction {
            Direction::Inbound => filter.inbound,
            Direction::Outbound => filter.outbound,
        };
        for (stage, policy) in stages.into_iter().enumerate().filter(|(_, it)| it.is_some()) {
            let index = self.policies.get(&policy).copied().unwrap_or(0);
            if index == 0 {
                return Some(false);
            }
            let classifier = &self.classifiers[&index];
            match self.decide(classifier, &packet).map(|rule| classifier.rules[rule]) {
                Some(rule) if rule.is_final() => return Some(true),
                Some(rule) if !rule.allows() => return Some(false),
                None if stage != 0 => return Some(false),
                _ => {}
            }
        }
        Some(true)
    }

    /// Whether the direction is closed for the time of a change.
    pub(super) fn is_closed(&self, it: &Judged) -> bool {
        let slot = self.nics.get(&it.nic).map_or(0, |nic| nic.slot);
        let filter = self.filters.get(&slot).copied().unwrap_or_default();
        let stages = match it.direction {
            Direction::Inbound => filter.inbound,
            Direction::Outbound => filter.outbound,
        };
        stages.contains(&CLOSED)
    }

    /// Packets of every NIC that is here, both ways.
    pub(super) fn judged(&self, random: &mut Random, count: usize) -> Vec<Judged> {
        let mut found = Vec::new();
        for (id, nic) in &self.nics {
            if nic.flags & nic_flags::PRESENT == 0 || nic.vtep.is_some() {
                continue;
            }
            for direction in [Direction::Inbound, Direction::Outbound] {
                let packets = packets(random, count).into_iter();
                found.extend(packets.map(|packet| Judged { nic: *id, direction, packet }));
            }
        }
        found
    }

    /// Filters are as desired, and every policy in force says what its rules say.
    pub(super) fn check_policies(&self, desired: &Desired) {
        let filters = self.filters.iter().filter(|it| *it.1 != abi::Filter::default());
        let filters = filters.map(|(slot, it)| (*slot, abi::Filter { generation: 0, ..*it }));
        assert!(filters.eq(desired.filters.clone()));
        let in_force = self.policies.iter().filter(|it| *it.1 != 0).map(|it| *it.0);
        assert!(in_force.eq(desired.policies.keys().copied()));
        let mut random = Random(u64::from(self.config.epoch));
        for (id, policy) in &desired.policies {
            self.check_policy(*id, policy, &packets(&mut random, 100));
        }
    }

    fn check_policy(&self, id: PolicyId, policy: &Policy, packets: &[Packet]) {
        let classifier = &self.classifiers[&self.policies[&id]];
        for packet in packets {
            let expected = deciding(policy, packet);
            assert_eq!(self.decide(classifier, packet), expected, "{packet:?}");
            let Some(rule) = expected else { continue };
            let (entry, rule) = (classifier.rules[rule], &policy.rules[rule]);
            assert_eq!(entry.rule(), rule.id);
            assert_eq!(entry.allows(), rule.access != Access::Deny);
            assert_eq!(entry.is_final(), rule.access == Access::AlwaysAllow);
        }
    }
}
