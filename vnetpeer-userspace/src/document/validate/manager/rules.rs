//! Security admin rules as written.

use ipnet::IpNet;

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            problem::{Finding, Findings},
            scalar::{AdminPrefix, AdminPrefixType, RulePrefix},
            source::Span,
            types::{AdminEndpoint, AdminRuleProperties, Child},
        },
        is_empty, limit,
        rule::{Taken, WrittenPorts},
        service_tag::ServiceTags,
    },
    Context,
    group::Groups,
};
use crate::topology::model::{Endpoints, RuleSide, SecurityRule, ServiceTag};

const RULES_PER_MANAGER_MAX: usize = 100;
const PREFIXES_PER_MANAGER_MAX: usize = 20_000;

/// How much a network manager has.
#[derive(Default)]
pub(super) struct Size {
    rules: usize,
    prefixes: usize,
}

/// What addresses may name.
struct Nameable<'d> {
    context: &'d Context<'d>,
    groups: &'d Groups,
}

pub(super) fn rules(
    context: &Context<'_>,
    groups: &Groups,
    children: Option<&List<Child<AdminRuleProperties>>>,
    size: &mut Size,
    findings: &mut Findings,
) -> Vec<SecurityRule> {
    let nameable = Nameable { context, groups };
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
        let Some(rule) = rule(name, properties, &nameable, findings) else { continue };
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
    nameable: &Nameable<'_>,
    findings: &mut Findings,
) -> Option<SecurityRule> {
    let source = endpoints("sources", properties.sources.as_ref(), nameable, findings);
    let destination =
        endpoints("destinations", properties.destinations.as_ref(), nameable, findings);
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
    nameable: &Nameable<'_>,
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
            (AdminPrefixType::IpPrefix, AdminPrefix::Rule(RulePrefix::Net(net))) => {
                prefixes.push(*net);
                continue;
            }
            (AdminPrefixType::IpPrefix, AdminPrefix::Rule(RulePrefix::Any)) => Some(Endpoints::Any),
            (AdminPrefixType::ServiceTag, AdminPrefix::Rule(RulePrefix::Tag(name))) => {
                tag(name, prefix.span, nameable.context.tags, findings)
            }
            (
                AdminPrefixType::NetworkGroup,
                group @ (AdminPrefix::Id(_) | AdminPrefix::Rule(RulePrefix::Tag(_))),
            ) => {
                let name = Spanned { value: group.to_string(), span: prefix.span };
                prefixes.extend(nameable.prefixes(&name, findings));
                continue;
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

impl Nameable<'_> {
    /// The addresses of the members of a group, wherever they are.
    fn prefixes(&self, group: &Spanned<String>, findings: &mut Findings) -> Vec<IpNet> {
        let group = self.groups.find(group, findings);
        let group = group.and_then(|index| self.groups.list.get(index));
        let members = group.into_iter().flat_map(|it| &it.members);
        let vnets = members.filter_map(|it| self.context.vnets.list.get(it.0));
        vnets.flat_map(|vnet| vnet.space.iter().map(|prefix| prefix.value)).collect()
    }
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
fn wrong_type(kind: AdminPrefixType, prefix: &Spanned<AdminPrefix>) -> Finding {
    let (expected, other) = match kind {
        AdminPrefixType::IpPrefix => ("an address prefix", "ServiceTag"),
        AdminPrefixType::ServiceTag => ("a service tag", "IPPrefix"),
        AdminPrefixType::NetworkGroup => ("a networkGroup", "IPPrefix"),
    };
    let message = format!("`{}` is not {expected}", prefix.value);
    Finding::error(Code::SecurityRuleInvalidAddressPrefix, prefix.span, message)
        .help(format!("write `addressPrefixType: {other}`, or {expected}"))
}
