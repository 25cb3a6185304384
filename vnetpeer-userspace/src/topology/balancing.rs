//! Load balancers joined with their numbers: who takes new flows, and whom the platform may probe.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use vnetpeer_common::types::NicId;

use super::{
    effective_security::{LOAD_BALANCER, listed_rules},
    model::{
        Access, BackendMember, BalancedProtocol, Direction, Endpoints, Frontend, LoadBalancer,
        LoadBalancingRule, Nic, Probe, RuleProtocol, RuleSide, SecurityRule, ServiceTag, Topology,
    },
    network::Network,
    service_tags::PLATFORM,
};

/// Where health probes come from over IPv4.
pub const PROBE_IPV4: Ipv4Addr = PLATFORM.addr();

/// Where health probes come from over IPv6.
pub const PROBE_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc);

/// A frontend with its number.
#[derive(Clone, Copy, Debug)]
pub struct NumberedFrontend<'a> {
    /// The frontend.
    pub frontend: &'a Frontend,
    /// Its index in the load balancer.
    pub index: usize,
    /// The load balancer.
    pub balancer: &'a LoadBalancer,
    /// Its number.
    pub id: NicId,
}

impl<'a> NumberedFrontend<'a> {
    /// The rules that take packets to it.
    pub fn rules(&self) -> impl Iterator<Item = &'a LoadBalancingRule> {
        let index = self.index;
        self.balancer.rules.iter().filter(move |rule| rule.frontend == index)
    }

    /// Its rule with HA ports, which takes what user-defined routes lead to it.
    pub fn ha_ports(&self) -> Option<&'a LoadBalancingRule> {
        self.rules().find(|rule| rule.protocol == BalancedProtocol::All)
    }

    /// The NICs that take new flows of one of its rules: those with an address of its family in the pool
    /// whose interface is there and of which that address answers the rule's probe.
    pub fn takers(&self, network: &Network<'_>, rule: &LoadBalancingRule) -> Vec<NicId> {
        let probe = rule.probe.and_then(|index| self.balancer.probes.get(index));
        let facts = &network.facts;
        let takers = self.members(rule).filter_map(|it| {
            let nic = &network.topology.nic(it.nic)?.id;
            let is_silent = probe.is_some_and(|probe| facts.is_silent(&probe.id, nic, it.address));
            if is_silent || facts.down.contains(nic) { None } else { network.state.nic(nic) }
        });
        takers.collect()
    }

    /// The members of a rule's pool that have an address of its family.
    pub fn members(&self, rule: &LoadBalancingRule) -> impl Iterator<Item = &'a BackendMember> {
        let pool = self.balancer.pools.get(rule.pool);
        let is_v4 = self.frontend.address.is_ipv4();
        pool.into_iter()
            .flat_map(|pool| &pool.members)
            .filter(move |it| it.address.is_ipv4() == is_v4)
    }
}

/// What a probe asks one address of one NIC.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The probe.
    pub probe: &'a Probe,
    /// The NIC.
    pub nic: &'a Nic,
    /// The address.
    pub address: IpAddr,
}

/// Everything that the probes of a topology ask: the members of the pools whose rules name them.
pub fn questions(topology: &Topology) -> Vec<Question<'_>> {
    let mut questions: Vec<Question<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    for balancer in &topology.load_balancers {
        for rule in &balancer.rules {
            let probe = rule.probe.and_then(|index| balancer.probes.get(index));
            let frontend = balancer.frontends.get(rule.frontend);
            let pool = balancer.pools.get(rule.pool);
            let (Some(probe), Some(frontend), Some(pool)) = (probe, frontend, pool) else {
                continue;
            };
            let is_v4 = frontend.address.is_ipv4();
            for member in pool.members.iter().filter(|it| it.address.is_ipv4() == is_v4) {
                let Some(nic) = topology.nic(member.nic) else { continue };
                if seen.insert((&probe.id, member)) {
                    questions.push(Question { probe, nic, address: member.address });
                }
            }
        }
    }
    questions
}

/// The security rule that keeps a question from its NIC, by the name of its group and its own.
pub fn refused_by(topology: &Topology, question: &Question<'_>) -> Option<String> {
    let nic = question.nic;
    let mut admin = topology.admin_rules.iter().filter(|it| it.vnets.contains(&nic.vnet));
    let admin = admin.find_map(|it| {
        let mut rules: Vec<_> = it.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        let rule = rules.into_iter().find(|rule| catches(rule, question))?;
        Some((rule.access, format!("{}/{}", it.id.name(), rule.name)))
    });
    match admin {
        Some((Access::AlwaysAllow, _)) => return None,
        Some((Access::Deny, name)) => return Some(name),
        Some((Access::Allow, _)) | None => {}
    }
    let subnet = topology.subnet(nic.vnet, nic.subnet).and_then(|it| it.security_group);
    let groups = [subnet, nic.security_group].into_iter().flatten();
    groups.filter_map(|index| topology.security_group(index)).find_map(|group| {
        let rules = listed_rules(group);
        let rule = rules.iter().find(|it| catches(&it.rule, question))?;
        (rule.rule.access == Access::Deny).then(|| format!("{}/{}", group.id.name(), rule.name))
    })
}

/// Whether an inbound rule is about a question.
fn catches(rule: &SecurityRule, question: &Question<'_>) -> bool {
    let to_port = rule.destination.ports.iter().any(|range| range.contains(&question.probe.port));
    // The source port is any of those that clients take.
    let from_any = rule.source.ports.contains(&(0..=u16::MAX));
    rule.direction == Direction::Inbound
        && matches!(rule.protocol, RuleProtocol::Any | RuleProtocol::Tcp)
        && to_port
        && from_any
        && is_platform(&rule.source, question.address.is_ipv4())
        && is_member(&rule.destination, question)
}

/// Whether probes of a family are among the sources of a rule.
fn is_platform(side: &RuleSide, is_v4: bool) -> bool {
    let probe: IpAddr = if is_v4 { PROBE_IPV4.into() } else { PROBE_IPV6.into() };
    match &side.endpoints {
        Endpoints::Any => true,
        Endpoints::Prefixes(prefixes) => prefixes.iter().any(|it| it.contains(&probe)),
        // The platform's IPv4 address is in the tag (AZ §4.3).
        Endpoints::Tag(ServiceTag::VirtualNetwork) => is_v4,
        Endpoints::Tag(ServiceTag::Internet) | Endpoints::Groups(_) => false,
        Endpoints::Tag(ServiceTag::Prefixes { name, prefixes, .. }) => {
            name == LOAD_BALANCER || prefixes.iter().any(|it| it.contains(&probe))
        }
    }
}

/// Whether the address that is asked is among the destinations of a rule.
fn is_member(side: &RuleSide, question: &Question<'_>) -> bool {
    let has = |prefixes: &[ipnet::IpNet]| prefixes.iter().any(|it| it.contains(&question.address));
    match &side.endpoints {
        Endpoints::Any | Endpoints::Tag(ServiceTag::VirtualNetwork) => true,
        Endpoints::Prefixes(prefixes) | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
            has(prefixes)
        }
        Endpoints::Tag(ServiceTag::Internet) => false,
        Endpoints::Groups(groups) => {
            question.nic.application_security_groups.iter().any(|it| groups.contains(it))
        }
    }
}
