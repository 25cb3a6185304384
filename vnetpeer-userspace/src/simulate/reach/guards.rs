//! Which policies judge each NIC, and at which ports their rules tell traffic apart.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use crate::topology::model::{
    AdminRulesIndex, Nic, NicIndex, RuleProtocol, SecurityGroupIndex, SecurityRule, Topology,
    VnetIndex,
};

/// Ports that a probe must not use: answers from them are dropped for other reasons than rules (DHCP
/// servers, the platform's own).
const SPECIAL: [u16; 4] = [0, 67, 547, 65_330];

/// What judges a NIC. NICs with equal guards have the same policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Guard {
    own: Option<SecurityGroupIndex>,
    around: Option<SecurityGroupIndex>,
    admin: Option<AdminRulesIndex>,
    loose: bool,
}

/// Number of a guard; 0: no policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GuardId(u32);

impl GuardId {
    pub(super) fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// Ports at which ranges of rules begin, or have ended: of TCP, of UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edges {
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
}

impl Edges {
    fn note(&mut self, rule: &SecurityRule) {
        let is_tcp = matches!(rule.protocol, RuleProtocol::Tcp | RuleProtocol::Any);
        let is_udp = matches!(rule.protocol, RuleProtocol::Udp | RuleProtocol::Any);
        for range in &rule.destination.ports {
            let edges = [Some(*range.start()), range.end().checked_add(1)];
            let edges = edges.into_iter().flatten();
            if is_tcp {
                self.tcp.extend(edges.clone());
            }
            if is_udp {
                self.udp.extend(edges);
            }
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.tcp.extend(&other.tcp);
        self.udp.extend(&other.udp);
    }

    /// Ranges of TCP ports that no rule tells apart, each with one of its ports.
    pub(super) fn tcp(&self) -> impl Iterator<Item = (RangeInclusive<u16>, u16)> {
        ranges(&self.tcp)
    }

    /// Likewise of UDP.
    pub(super) fn udp(&self) -> impl Iterator<Item = (RangeInclusive<u16>, u16)> {
        ranges(&self.udp)
    }
}

fn ranges(edges: &BTreeSet<u16>) -> impl Iterator<Item = (RangeInclusive<u16>, u16)> {
    let inner = edges.iter().copied().filter(|edge| *edge != 0);
    let starts = std::iter::once(0).chain(inner.clone());
    let ends = inner.map(|edge| edge - 1).chain([u16::MAX]);
    starts.zip(ends).map(|(start, end)| {
        let port = (start..=end).find(|port| !SPECIAL.contains(port));
        (start..=end, port.unwrap_or(start))
    })
}

/// The guards of all NICs of a topology.
#[derive(Debug, Default)]
pub(super) struct Guards {
    nics: Vec<GuardId>,
    edges: Vec<Edges>,
}

impl Guards {
    pub(super) fn new(topology: &Topology) -> Self {
        let mut guards = Self { nics: Vec::new(), edges: vec![Edges::default()] };
        let admin: HashMap<VnetIndex, AdminRulesIndex> = topology
            .admin_rules
            .iter()
            .enumerate()
            .filter(|(_, rules)| !rules.rules.is_empty())
            .flat_map(|(index, it)| {
                it.vnets.iter().map(move |vnet| (*vnet, AdminRulesIndex(index)))
            })
            .collect();
        let mut known = HashMap::new();
        for nic in &topology.nics {
            let guard = guard(topology, &admin, nic);
            // No policy judges a gateway.
            let has_none = guard.own.is_none() && guard.around.is_none() && guard.admin.is_none();
            let unguarded = has_none || topology.is_gateway(&nic.id);
            let id = if unguarded {
                GuardId::default()
            } else {
                *known.entry(guard).or_insert_with(|| guards.add(topology, &guard))
            };
            guards.nics.push(id);
        }
        guards
    }

    fn add(&mut self, topology: &Topology, guard: &Guard) -> GuardId {
        let mut edges = Edges::default();
        let groups = [guard.own, guard.around].into_iter().flatten();
        for group in groups.filter_map(|index| topology.security_group(index)) {
            group.rules.iter().for_each(|rule| edges.note(rule));
        }
        let admin = guard.admin.and_then(|index| topology.admin_rules.get(index.0));
        admin.into_iter().flat_map(|it| &it.rules).for_each(|rule| edges.note(rule));
        let id = u32::try_from(self.edges.len()).unwrap_or(u32::MAX);
        self.edges.push(edges);
        GuardId(id)
    }

    /// The guard of a NIC.
    pub(super) fn of(&self, nic: NicIndex) -> GuardId {
        self.nics.get(nic.0).copied().unwrap_or_default()
    }

    /// Where its rules tell ports apart.
    pub(super) fn edges(&self, guard: GuardId) -> Option<&Edges> {
        self.edges.get(usize::try_from(guard.0).ok()?)
    }
}

fn guard(topology: &Topology, admin: &HashMap<VnetIndex, AdminRulesIndex>, nic: &Nic) -> Guard {
    let subnet = topology.subnet(nic.vnet, nic.subnet);
    Guard {
        own: nic.security_group,
        around: subnet.and_then(|subnet| subnet.security_group),
        admin: admin.get(&nic.vnet).copied(),
        loose: nic.disable_tcp_state_tracking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_between_edges_are_one_range() {
        let edges = Edges { tcp: [22, 23, 67, 68].into(), udp: BTreeSet::new() };
        let found: Vec<_> = edges.tcp().collect();
        let expected =
            [(0..=21, 1), (22..=22, 22), (23..=66, 23), (67..=67, 67), (68..=u16::MAX, 68)];
        assert_eq!(found, expected);
        assert_eq!(edges.udp().collect::<Vec<_>>(), [(0..=u16::MAX, 1)]);
    }
}
