//! Flows and rules as the socket tells them: numbers replaced by names.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use vnetpeer_common::{
    abi::Flow,
    types::{NicId, RuleId},
};

use super::{
    aging::{Owners, Time, phase_name},
    api::{FlowList, FlowQuery, FlowRecord, RuleName},
    deployment::Deployment,
};
use crate::{
    dataplane::flows::{FlowError, FlowKey, FlowMaps, FlowTable},
    topology::{
        model::{Direction, ResourceId},
        state::State,
    },
};

/// Protocols that have ports, or an identifier in their place: ICMP, TCP, UDP, ICMPv6.
const WITH_PORTS: [u8; 4] = [1, 6, 17, 58];

/// What a list of flows is made of.
pub struct Lister<'a> {
    /// The host's name.
    pub host: &'a str,
    /// What is in force.
    pub deployment: &'a Deployment,
    /// The local NICs.
    pub owners: &'a Owners,
    /// Now.
    pub time: Time,
}

impl Lister<'_> {
    /// The flows that a query asks for. Flows that have ended and were not removed yet are left out.
    pub fn list(&self, maps: &FlowMaps, query: &FlowQuery) -> Result<FlowList, FlowError> {
        let state = self.deployment.state();
        let nic =
            query.network_interface.as_ref().map(|id| state.nic(&ResourceId::new(id.as_str())));
        let filter = Filter {
            // A NIC without a number has no flows.
            nic: nic.map(Option::unwrap_or_default),
            protocol: query.protocol,
            remote: query.remote,
        };
        let mut found = Vec::new();
        self.collect(&maps.v4, &filter, &mut found)?;
        self.collect(&maps.v6, &filter, &mut found)?;
        let matching = found.len();
        found.sort_unstable_by_key(|it| Reverse(it.flow.last_seen));
        found.truncate(query.limit);
        let nics = self.nics();
        let mut rules = RuleNames::new(state);
        let flows = found.iter().map(|it| self.record(it, &nics, &mut rules)).collect();
        Ok(FlowList { host: self.host.to_owned(), matching, flows })
    }

    fn collect<K: FlowKey>(
        &self,
        table: &FlowTable<K>,
        filter: &Filter,
        found: &mut Vec<Found>,
    ) -> Result<(), FlowError> {
        table.each(|key, flow| {
            if filter.takes(key) && !self.time.has_ended(flow, self.owners.get(&key.nic())) {
                found.push(Found {
                    nic: key.nic(),
                    protocol: key.protocol(),
                    local: key.local(),
                    remote: key.remote(),
                    ports: key.both_ports(),
                    flow: *flow,
                });
            }
            Ok(())
        })
    }

    /// Names of the NICs and uplinks.
    fn nics(&self) -> BTreeMap<NicId, &ResourceId> {
        let (topology, state) = (self.deployment.topology(), self.deployment.state());
        let uplinks = topology.hosts.iter().flat_map(|host| &host.uplinks).map(|it| &it.id);
        let ids = topology.nics.iter().map(|it| &it.id).chain(uplinks);
        ids.filter_map(|id| Some((state.nic(id)?, id))).collect()
    }

    fn record(
        &self,
        it: &Found,
        nics: &BTreeMap<NicId, &ResourceId>,
        rules: &mut RuleNames<'_>,
    ) -> FlowRecord {
        let (local_port, remote_port) = it.ports;
        let port = |port| WITH_PORTS.contains(&it.protocol).then_some(port);
        let inbound = it.flow.inbound != 0;
        FlowRecord {
            host: self.host.to_owned(),
            network_interface: nics.get(&it.nic).map(ToString::to_string),
            direction: if inbound { Direction::Inbound } else { Direction::Outbound },
            protocol: it.protocol,
            local_address: it.local,
            local_port: port(local_port),
            remote_address: it.remote,
            remote_port: port(remote_port),
            state: phase_name(&it.flow).to_owned(),
            age_seconds: self.time.seconds_since(it.flow.opened),
            idle_seconds: self.time.seconds_since(it.flow.last_seen),
            rules: it.flow.rules.iter().filter_map(|rule| rules.name(*rule)).collect(),
        }
    }
}

/// A flow of either family.
struct Found {
    nic: NicId,
    protocol: u8,
    local: IpAddr,
    remote: IpAddr,
    ports: (u16, u16),
    flow: Flow,
}

/// Which flows are listed.
struct Filter {
    nic: Option<NicId>,
    protocol: Option<u8>,
    remote: Option<ipnet::IpNet>,
}

impl Filter {
    fn takes<K: FlowKey>(&self, key: &K) -> bool {
        self.nic.is_none_or(|nic| nic == key.nic())
            && self.protocol.is_none_or(|protocol| protocol == key.protocol())
            && self.remote.is_none_or(|remote| remote.contains(&key.remote()))
    }
}

/// Names of rules by their numbers; each is looked up once.
pub struct RuleNames<'a> {
    state: &'a State,
    known: HashMap<RuleId, RuleName>,
}

impl<'a> RuleNames<'a> {
    /// Names as a state has them.
    pub fn new(state: &'a State) -> Self {
        Self { state, known: HashMap::new() }
    }

    /// The name of a rule; `None` where there is no rule.
    pub fn name(&mut self, rule: RuleId) -> Option<RuleName> {
        if !rule.is_some() {
            return None;
        }
        let state = self.state;
        let name = self.known.entry(rule).or_insert_with(|| {
            let (key, name) = state.rule_name(rule).unzip();
            RuleName {
                number: rule.0,
                group: key.as_ref().map(|key| key.group.to_string()),
                direction: key.as_ref().map(|key| key.direction),
                name,
            }
        });
        Some(name.clone())
    }
}

#[cfg(test)]
mod tests {
    use vnetpeer_common::abi::{FlowKey4, nic_protocol};

    use super::*;

    fn key() -> FlowKey4 {
        FlowKey4 {
            local: u32::from_ne_bytes([10, 0, 0, 4]),
            remote: u32::from_ne_bytes([10, 1, 0, 5]),
            ports: 0x01bb_c350,
            nic_protocol: nic_protocol(NicId(7), 6),
        }
    }

    #[test]
    fn a_filter_takes_what_has_all_of_it() {
        let all = || Filter { nic: None, protocol: None, remote: None };
        let remote = |text: &str| Some(text.parse().unwrap());
        assert!(all().takes(&key()));
        assert!(Filter { nic: Some(NicId(7)), ..all() }.takes(&key()));
        assert!(!Filter { nic: Some(NicId(8)), ..all() }.takes(&key()));
        assert!(Filter { protocol: Some(6), ..all() }.takes(&key()));
        assert!(!Filter { protocol: Some(17), ..all() }.takes(&key()));
        assert!(Filter { remote: remote("10.1.0.0/16"), ..all() }.takes(&key()));
        assert!(!Filter { remote: remote("10.0.0.0/16"), ..all() }.takes(&key()));
        assert!(!Filter { remote: remote("fd00::/16"), ..all() }.takes(&key()));
    }

    #[test]
    fn a_rule_that_nobody_knows_keeps_its_number() {
        let state = State::default();
        let mut names = RuleNames::new(&state);
        assert_eq!(names.name(RuleId::NONE), None);
        let unknown = RuleName { number: 9, group: None, direction: None, name: None };
        assert_eq!(names.name(RuleId(9)), Some(unknown));
    }
}
