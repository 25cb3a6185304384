//! Collections of security admin rules.

use std::collections::HashMap;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id},
        problem::{Finding, Findings},
        scalar::{AdminPrefixType, RulePrefix},
        source::Span,
        types::{
            AdminEndpoint, AdminRuleProperties, AdminRulesProperties, Child, Reference, Resource,
        },
    },
    incomplete, is_empty, limit,
    rule::{Taken, WrittenPorts},
    service_tag::ServiceTags,
    vnet::Vnets,
};
use crate::topology::model::{Endpoints, RuleSide, SecurityRule, ServiceTag};

const KIND: &str = "networkManagers/securityAdminConfigurations/ruleCollections";

/// Where a collection is that says only its name.
const DEFAULT_PARENT: &str =
    "networkManagers/vnetpeer/securityAdminConfigurations/vnetpeer/ruleCollections";

const RULES_PER_MANAGER_MAX: usize = 100;
const PREFIXES_PER_MANAGER_MAX: usize = 20_000;

pub(super) struct AdminRulesDraft {
    pub(super) named: Named,
    pub(super) vnets: Vec<usize>,
    pub(super) rules: Vec<SecurityRule>,
}

/// How much a network manager has.
#[derive(Default)]
struct Size {
    rules: usize,
    prefixes: usize,
}

pub(super) fn collect(
    list: Option<&List<Resource<AdminRulesProperties>>>,
    tags: &ServiceTags,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Vec<AdminRulesDraft> {
    let mut drafts = Vec::new();
    let mut registry = Registry::new(KIND, incomplete(list));
    let mut sizes: HashMap<String, Size> = HashMap::new();
    let mut applied: HashMap<usize, Span> = HashMap::new();
    for resource in list.into_iter().flatten() {
        let kind = if resource.id.is_some() { KIND } else { DEFAULT_PARENT };
        let Some(named) = resource_id(kind, resource.header(), defaults, findings) else {
            continue;
        };
        registry.add(&named, findings);
        let folded = named.id.as_str().to_ascii_lowercase();
        let manager = folded.split("/securityadminconfigurations/").next().unwrap_or_default();
        let size = sizes.entry(manager.to_owned()).or_default();
        let Some(properties) = resource.properties.as_ref() else { continue };
        let references = properties.virtual_networks.as_ref();
        let vnets = vnets_of(&named, references, vnets, &mut applied, findings);
        let rules = rules(properties.rules.as_ref(), tags, size, findings);
        drafts.push(AdminRulesDraft { named, vnets, rules });
    }
    drafts
}

/// The VNets to which a collection applies.
fn vnets_of(
    collection: &Named,
    list: Option<&List<Reference>>,
    vnets: &Vnets,
    applied: &mut HashMap<usize, Span>,
    findings: &mut Findings,
) -> Vec<usize> {
    if let Some(list) = list.filter(|list| is_empty(list)) {
        let name = collection.id.name();
        let message = format!("the security admin rules `{name}` apply to no virtualNetwork");
        findings.push(
            Finding::error(Code::MissingProperty, list.span, message)
                .help("add the id of a virtualNetwork"),
        );
    }
    let mut found = Vec::new();
    for reference in list.into_iter().flatten() {
        let Some(id) = reference.id.as_ref() else { continue };
        let vnet = vnets.registry.find(id, Code::InvalidResourceReference, findings);
        let Some(vnet) = vnet else { continue };
        if let Some(first) = applied.insert(vnet, id.span) {
            let message =
                format!("security admin rules apply to virtualNetwork `{}` already", id.value);
            findings.push(
                Finding::error(Code::VnetInSeveralRuleCollections, id.span, message)
                    .help("remove it here, or write all its rules into one collection")
                    .note(first, "first here"),
            );
        }
        found.push(vnet);
    }
    found
}

fn rules(
    children: Option<&List<Child<AdminRuleProperties>>>,
    tags: &ServiceTags,
    size: &mut Size,
    findings: &mut Findings,
) -> Vec<SecurityRule> {
    let mut rules = Vec::new();
    let mut taken = Taken::default();
    for child in children.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else { continue };
        taken.name(name, findings);
        size.rules += 1;
        if size.rules == RULES_PER_MANAGER_MAX + 1 {
            let help = "write several prefixes and ports into one rule";
            let what = "security admin rules of one network manager";
            findings.push(limit(what, RULES_PER_MANAGER_MAX, name.span, help));
        }
        let Some(properties) = child.properties.as_ref() else { continue };
        if let (Some(direction), Some(priority)) = (&properties.direction, &properties.priority) {
            let (priority, span) = (priority.value.0, priority.span);
            taken.priority(&name.value, direction.value, priority, span, findings);
        }
        let Some(rule) = rule(name, properties, tags, findings) else { continue };
        let before = size.prefixes;
        for side in [&rule.source, &rule.destination] {
            if let Endpoints::Prefixes(prefixes) = &side.endpoints {
                size.prefixes += prefixes.len();
            }
        }
        if (before + 1..=size.prefixes).contains(&(PREFIXES_PER_MANAGER_MAX + 1)) {
            let help = "summarise prefixes, or use a tag of `serviceTags`";
            let what = "prefixes in the security admin rules of one network manager";
            findings.push(limit(what, PREFIXES_PER_MANAGER_MAX, name.span, help));
        }
        rules.push(rule);
    }
    rules
}

fn rule(
    name: &Spanned<String>,
    properties: &AdminRuleProperties,
    tags: &ServiceTags,
    findings: &mut Findings,
) -> Option<SecurityRule> {
    let source = endpoints("sources", properties.sources.as_ref(), tags, findings);
    let destination = endpoints("destinations", properties.destinations.as_ref(), tags, findings);
    let protocol = properties.protocol.as_ref()?;
    let mut ports = |side, list| {
        let written = WrittenPorts { side, single: None, list, list_takes_any: true };
        written.read(protocol.value.0, protocol.span, findings)
    };
    let source_ports = ports("source", properties.source_port_ranges.as_ref());
    let destination_ports = ports("destination", properties.destination_port_ranges.as_ref());
    Some(SecurityRule {
        name: name.value.clone(),
        priority: properties.priority.as_ref()?.value.0,
        direction: properties.direction.as_ref()?.value,
        access: properties.access.as_ref()?.value,
        protocol: protocol.value.0,
        source: RuleSide { endpoints: source, ports: source_ports },
        destination: RuleSide { endpoints: destination, ports: destination_ports },
    })
}

/// The addresses of one end. An empty list is an error: Azure does not say whether it stands for no
/// address or for every one.
fn endpoints(
    property: &str,
    list: Option<&List<AdminEndpoint>>,
    tags: &ServiceTags,
    findings: &mut Findings,
) -> Endpoints {
    let Some(list) = list else { return Endpoints::Prefixes(Vec::new()) };
    if is_empty(list) {
        let message = format!("`{property}` has no addresses");
        findings.push(Finding::error(Code::MissingProperty, list.span, message).help(
            "add addresses; every address is {addressPrefixType: IPPrefix, addressPrefix: \"*\"}",
        ));
    }
    let mut prefixes = Vec::new();
    let mut special = None;
    for endpoint in list {
        let kind = endpoint.address_prefix_type.as_ref().map(|it| it.value);
        let (Some(kind), Some(prefix)) = (kind, endpoint.address_prefix.as_ref()) else { continue };
        let read = match (kind, &prefix.value) {
            (AdminPrefixType::IpPrefix, RulePrefix::Net(net)) => {
                prefixes.push(*net);
                continue;
            }
            (AdminPrefixType::IpPrefix, RulePrefix::Any) => Some(Endpoints::Any),
            (AdminPrefixType::ServiceTag, RulePrefix::Tag(name)) => {
                tag(name, prefix.span, tags, findings)
            }
            (kind, _) => {
                findings.push(wrong_type(kind, prefix));
                continue;
            }
        };
        if list.items.len() > 1 {
            let message = format!("`{}` stands alone in `{property}`", prefix.value);
            let code = Code::SecurityRuleParameterContainsUnsupportedValue;
            findings.push(
                Finding::error(code, prefix.span, message).help("write a rule of its own for it"),
            );
        }
        special = special.or(read);
    }
    special.unwrap_or(Endpoints::Prefixes(prefixes))
}

fn tag(name: &str, span: Span, tags: &ServiceTags, findings: &mut Findings) -> Option<Endpoints> {
    let tag = tags.find(name, span, findings)?;
    if matches!(tag, ServiceTag::Prefixes { platform: true, .. }) {
        let message = format!("security admin rules do not take service tag `{name}`, as in Azure");
        let code = Code::SecurityRuleParameterContainsUnsupportedValue;
        findings.push(
            Finding::error(code, span, message)
                .help("write the rule into the networkSecurityGroups of the virtualNetwork"),
        );
    }
    Some(Endpoints::Tag(tag.clone()))
}

/// Reports an address whose type is not the stated one.
fn wrong_type(kind: AdminPrefixType, prefix: &Spanned<RulePrefix>) -> Finding {
    let (expected, other) = match kind {
        AdminPrefixType::IpPrefix => ("an address prefix", "ServiceTag"),
        AdminPrefixType::ServiceTag => ("a service tag", "IPPrefix"),
    };
    let message = format!("`{}` is not {expected}", prefix.value);
    Finding::error(Code::SecurityRuleInvalidAddressPrefix, prefix.span, message)
        .help(format!("write `addressPrefixType: {other}`, or {expected}"))
}
