//! Load balancing rules.

use std::collections::{BTreeMap, HashSet};

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            problem::{Finding, Findings},
            source::Span,
            types::{Child, LoadBalancingRuleProperties, Reference},
        },
        PartNames,
        nic::Nics,
        vnet::Vnets,
    },
    LoadBalancerDraft, LoadBalancers, Parts, invalid_rule, part,
};
use crate::topology::model::{
    BalancedProtocol, LoadBalancerSku, LoadBalancingRule, LoadDistribution,
};

/// Azure's `flowTimeoutInMinutes` where a VNet says nothing.
const FLOW_TIMEOUT_MINUTES: u8 = 4;

pub(super) struct RuleDraft {
    pub(super) rule: LoadBalancingRule,
    /// Its name.
    span: Span,
}

impl RuleDraft {
    /// Whether it has HA ports and this frontend.
    pub(super) fn takes_every_port_of(&self, frontend: usize) -> bool {
        self.rule.protocol == BalancedProtocol::All && self.rule.frontend == frontend
    }
}

impl LoadBalancerDraft {
    pub(super) fn read_rules(
        &mut self,
        list: Option<&List<Child<LoadBalancingRuleProperties>>>,
        parts: &Parts,
        vnets: &Vnets,
        findings: &mut Findings,
    ) {
        let mut names = PartNames::default();
        let timeout = self.vnet.and_then(|vnet| vnets.list.get(vnet));
        let timeout =
            timeout.and_then(|it| it.flow_timeout_minutes).unwrap_or(FLOW_TIMEOUT_MINUTES);
        for child in list.into_iter().flatten() {
            let Some(name) = child.name.as_ref() else { continue };
            names.add("loadBalancingRule", name, findings);
            let Some(properties) = child.properties.as_ref() else { continue };
            check_timeout(properties, timeout, findings);
            let Some(draft) = self.rule(name, properties, parts, findings) else { continue };
            self.check_frontend(&draft, findings);
            self.rules.push(draft);
        }
    }

    fn rule(
        &self,
        name: &Spanned<String>,
        properties: &LoadBalancingRuleProperties,
        parts: &Parts,
        findings: &mut Findings,
    ) -> Option<RuleDraft> {
        let mut find = |registry: &super::Registry, reference: Option<&Reference>| {
            let id = reference?.id.as_ref()?;
            registry.find(id, Code::InvalidResourceReference, findings)
        };
        let frontend = find(&parts.frontends, properties.frontend_ip_configuration.as_ref());
        let pool = find(&parts.pools, properties.backend_address_pool.as_ref());
        let probe = match &properties.probe {
            Some(probe) => Some(find(&parts.probes, Some(probe))?),
            None => None,
        };
        let protocol = properties.protocol.as_ref()?;
        let port = properties.frontend_port.as_ref()?.value.0;
        let backend = properties.backend_port.as_ref().map_or(port, |it| it.value.0);
        self.check_ports(name, protocol, (port, backend), findings);
        let distribution = properties.load_distribution.as_ref();
        let floating = properties.enable_floating_ip.as_ref();
        let rule = LoadBalancingRule {
            id: part(&self.named, "loadBalancingRules", name).id,
            frontend: frontend?,
            pool: pool?,
            probe,
            protocol: protocol.value,
            frontend_port: port,
            backend_port: backend,
            distribution: distribution.map_or(LoadDistribution::Default, |it| it.value),
            floating_ip: floating.is_some_and(|it| it.value),
        };
        Some(RuleDraft { rule, span: name.span })
    }

    fn check_ports(
        &self,
        name: &Spanned<String>,
        protocol: &Spanned<BalancedProtocol>,
        ports: (u16, u16),
        findings: &mut Findings,
    ) {
        let is_all = protocol.value == BalancedProtocol::All;
        if is_all && self.sku == LoadBalancerSku::Basic {
            let help = "write sku: {name: Standard}, or a rule for each port";
            let finding =
                invalid_rule(name, "has HA ports, which a Basic loadBalancer has not", help);
            findings.push(finding.note(protocol.span, "protocol All is HA ports"));
        }
        if is_all && ports != (0, 0) {
            let help = "write frontendPort: 0 and backendPort: 0, or protocol Tcp or Udp";
            let finding = invalid_rule(name, "has protocol All and a port", help);
            findings.push(finding.note(protocol.span, "protocol All is every port"));
        }
        if !is_all && (ports.0 == 0 || ports.1 == 0) {
            let help = "write ports from 1, or protocol: All for every port";
            let finding = invalid_rule(name, "has port 0", help);
            findings.push(finding.note(protocol.span, "only protocol All has port 0"));
        }
    }

    /// No two rules take the same packets, but a rule for one port comes before HA ports.
    fn check_frontend(&self, draft: &RuleDraft, findings: &mut Findings) {
        let meets = |other: &&RuleDraft| {
            let (one, two) = (&other.rule, &draft.rule);
            one.frontend == two.frontend
                && (one.protocol, one.frontend_port) == (two.protocol, two.frontend_port)
        };
        if let Some(other) = self.rules.iter().find(meets) {
            let message = format!(
                "loadBalancingRules `{}` and `{}` use the same frontend, protocol and port",
                other.rule.id.name(),
                draft.rule.id.name()
            );
            let code = Code::RulesUseSameFrontendPortProtocolAndFrontendIP;
            findings.push(
                Finding::error(code, draft.span, message)
                    .help("give one of them another frontendPort, protocol or frontend")
                    .note(other.span, "the other rule"),
            );
        }
    }

    /// Warns of members that have no address of the family of a rule's frontend.
    pub(super) fn warn_families(&self, nics: &Nics, findings: &mut Findings) {
        for draft in &self.rules {
            let frontend = self.frontends.get(draft.rule.frontend).and_then(|it| it.address);
            let pool = self.pools.get(draft.rule.pool);
            let (Some(address), Some(pool)) = (frontend, pool) else { continue };
            let fits = |it: &&super::MemberDraft| it.address.is_ipv4() == address.is_ipv4();
            let has = |nic: usize| pool.members.iter().filter(fits).any(|it| it.nic == nic);
            let Some(member) = pool.members.iter().find(|it| !has(it.nic)) else { continue };
            let nic = nics.list.get(member.nic).map_or("", |it| it.named.id.name());
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!(
                "networkInterface `{nic}` gets nothing of rule `{}`: it has no {family} address in \
                 the pool",
                draft.rule.id.name()
            );
            findings.push(
                Finding::warning(Code::BackendHasNoAddressOfFamily, member.span, message)
                    .help(format!("name the pool in an {family} ipConfiguration too"))
                    .note(draft.span, "the rule"),
            );
        }
    }
}

impl LoadBalancers {
    /// Without floating IP a member sees the same address and port whatever the rule: two rules that lead
    /// to the same port of one member could not be told apart in what it sends back. With floating IP
    /// that holds for the rules of one frontend.
    pub(super) fn check_backend_ports(&self, findings: &mut Findings) {
        let mut by_nic: BTreeMap<usize, Vec<Placed<'_>>> = BTreeMap::new();
        let mut reported = HashSet::new();
        for (index, balancer) in self.list.iter().enumerate() {
            let placed = balancer.rules.iter().map(|draft| {
                let frontend = balancer.frontends.get(draft.rule.frontend);
                let ipv4 = frontend.and_then(|it| it.address).is_none_or(|it| it.is_ipv4());
                Placed { balancer: index, ipv4, draft }
            });
            let placed: Vec<Placed<'_>> = placed.collect();
            for (place, one) in placed.iter().enumerate() {
                for other in placed.iter().take(place) {
                    if other.draft.rule.pool == one.draft.rule.pool && other.meets(one) {
                        reported.insert((other.draft.span.offset, one.draft.span.offset));
                        findings.push(same_backend(other.draft, one.draft));
                    }
                }
                let pool = balancer.pools.get(one.draft.rule.pool);
                let members = pool.into_iter().flat_map(|it| &it.members);
                let of_family = members.filter(|it| it.address.is_ipv4() == one.ipv4);
                for nic in of_family.map(|it| it.nic) {
                    by_nic.entry(nic).or_default().push(*one);
                }
            }
        }
        for rules in by_nic.values() {
            for (place, one) in rules.iter().enumerate() {
                for other in rules.iter().take(place).filter(|other| other.meets(one)) {
                    if reported.insert((other.draft.span.offset, one.draft.span.offset)) {
                        findings.push(same_member(other.draft, one.draft));
                    }
                }
            }
        }
    }
}

/// A rule and where it is.
#[derive(Clone, Copy)]
struct Placed<'d> {
    balancer: usize,
    /// The family of its frontend.
    ipv4: bool,
    draft: &'d RuleDraft,
}

impl Placed<'_> {
    /// Whether what a member sends back for one rule could be for the other. A rule for a port of its own
    /// next to HA ports is clear if both have floating IP.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (&self.draft.rule, &other.draft.rule);
        let same_balancer = self.balancer == other.balancer;
        let same_family = self.ipv4 == other.ipv4;
        let is_all = |rule: &LoadBalancingRule| rule.protocol == BalancedProtocol::All;
        let same = (one.protocol, one.backend_port) == (two.protocol, two.backend_port);
        same_family
            && match (one.floating_ip, two.floating_ip) {
                (false, false) => is_all(one) || is_all(two) || same,
                (true, true) => same_balancer && one.frontend == two.frontend && same,
                // HA ports without floating IP leave no room for another rule of the load balancer.
                (floating, _) => same_balancer && is_all(if floating { two } else { one }),
            }
    }
}

fn same_backend(one: &RuleDraft, two: &RuleDraft) -> Finding {
    let floating = if one.rule.floating_ip { "enabled" } else { "disabled" };
    let message = format!(
        "load balancing rules {} and {} with floating IP {floating} use the same protocol {:?} and \
         backend port {}, and must not be used with the same backend address pool",
        one.rule.id.name(),
        two.rule.id.name(),
        two.rule.protocol,
        two.rule.backend_port
    );
    Finding::error(Code::RulesUseSameBackendPortProtocolAndPool, two.span, message)
        .help("give one of them another backendPort or pool, or both enableFloatingIP: true")
        .note(one.span, "the other rule")
}

fn same_member(one: &RuleDraft, two: &RuleDraft) -> Finding {
    let message = format!(
        "load balancing rules {} and {} lead to the same port of the same networkInterface",
        one.rule.id.name(),
        two.rule.id.name()
    );
    let code = Code::RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig;
    Finding::error(code, two.span, message)
        .help("give one of them another backendPort, or both enableFloatingIP: true")
        .note(one.span, "the other rule")
}

fn check_timeout(properties: &LoadBalancingRuleProperties, timeout: u8, findings: &mut Findings) {
    let minutes = properties.idle_timeout_in_minutes.as_ref();
    if let Some(minutes) = minutes.filter(|it| it.value.0 != timeout) {
        let message = format!(
            "not supported yet: idleTimeoutInMinutes {} in a virtualNetwork of {timeout}",
            minutes.value.0
        );
        findings.push(Finding::error(Code::NotSupportedYet, minutes.span, message).help(format!(
            "leave it out, or write {timeout}: flows of a rule live as long as the \
                 virtualNetwork's flowTimeoutInMinutes says"
        )));
    }
}
