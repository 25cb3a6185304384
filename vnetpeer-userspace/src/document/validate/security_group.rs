//! Network security groups and their rules.

use std::collections::HashSet;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id},
        problem::{Finding, Findings},
        scalar::{Location, RulePrefix},
        source::Span,
        types::{Child, Reference, Resource, SecurityGroupProperties, SecurityRuleProperties},
    },
    PerRegion,
    application_group::ApplicationGroups,
    check_region, incomplete, limit,
    rule::{Taken, WrittenPorts},
    service_tag::ServiceTags,
    vnet::{VnetDraft, Vnets},
};
use crate::topology::model::{ApplicationSecurityGroupIndex, Endpoints, RuleSide, SecurityRule};

const KIND: &str = "networkSecurityGroups";
const GROUPS_PER_REGION_MAX: usize = 5_000;
const RULES_PER_GROUP_MAX: usize = 1_000;
const PREFIXES_PER_SIDE_MAX: usize = 4_000;
const APPLICATION_GROUPS_PER_GROUP_MAX: usize = 100;
const APPLICATION_GROUPS_PER_SIDE_MAX: usize = 10;

/// All network security groups.
pub(super) struct SecurityGroups {
    registry: Registry,
    pub(super) list: Vec<SecurityGroupDraft>,
}

pub(super) struct SecurityGroupDraft {
    pub(super) named: Named,
    /// The region if the document states one.
    location: Option<Spanned<Location>>,
    pub(super) rules: Vec<RuleDraft>,
    pub(super) flush_connection: bool,
}

pub(super) struct RuleDraft {
    pub(super) rule: SecurityRule,
    /// The rule's name.
    span: Span,
    /// The application security groups of both its ends, and where it names them.
    groups: Vec<(usize, Span)>,
}

/// What a rule may name.
pub(super) struct Nameable<'n> {
    pub(super) tags: &'n ServiceTags,
    pub(super) groups: &'n ApplicationGroups,
}

pub(super) fn collect(
    list: Option<&List<Resource<SecurityGroupProperties>>>,
    nameable: &Nameable<'_>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> SecurityGroups {
    let registry = Registry::new(KIND, incomplete(list));
    let mut groups = SecurityGroups { registry, list: Vec::new() };
    let help = "share groups between subnets, or use another subscription";
    let mut per_region = PerRegion::new(KIND, GROUPS_PER_REGION_MAX, help);
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, resource.header(), defaults, findings) else {
            groups.registry.set_incomplete();
            continue;
        };
        let region = resource.location.as_ref().map_or(&defaults.location, |it| &it.value.0);
        per_region.add(&named, region, findings);
        groups.registry.add(&named, findings);
        let properties = resource.properties.as_ref();
        let children = properties.and_then(|it| it.security_rules.as_ref());
        let rules = rules(&named, children, nameable, findings);
        let flush = properties.and_then(|it| it.flush_connection.as_ref());
        groups.list.push(SecurityGroupDraft {
            named,
            location: resource.location.clone(),
            rules,
            flush_connection: flush.is_some_and(|it| it.value),
        });
    }
    groups
}

impl SecurityGroups {
    /// The group that a subnet or a NIC of `vnet` names.
    pub(super) fn attach(
        &self,
        reference: Option<&Reference>,
        vnet: Option<&VnetDraft>,
        findings: &mut Findings,
    ) -> Option<usize> {
        let reference = reference?.id.as_ref()?;
        let index = self.registry.find(reference, Code::InvalidResourceReference, findings)?;
        let group = self.list.get(index)?;
        if let Some(vnet) = vnet {
            check_region(group.location.as_ref(), &group.named, vnet, findings);
        }
        Some(index)
    }

    /// Once every member is known: the application security groups of one rule are in one VNet.
    pub(super) fn check_members(
        &self,
        groups: &ApplicationGroups,
        vnets: &Vnets,
        findings: &mut Findings,
    ) {
        let home = |index: usize| groups.list.get(index).and_then(|group| group.home);
        for draft in self.list.iter().flat_map(|group| &group.rules) {
            let homes = draft.groups.iter().filter_map(|(group, span)| {
                let vnet = vnets.list.get(home(*group)?.0)?;
                Some((vnet.named.id.clone(), *span))
            });
            let homes: Vec<_> = homes.collect();
            let Some((first, first_span)) = homes.first() else { continue };
            let Some((other, span)) = homes.iter().find(|(vnet, _)| vnet != first) else {
                continue;
            };
            let message = format!(
                "rule `{}` names applicationSecurityGroups of virtualNetworks `{}` and `{}`",
                draft.rule.name,
                first.name(),
                other.name()
            );
            let code = Code::AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet;
            findings.push(
                Finding::error(code, *span, message)
                    .help("write address prefixes for one of the two, or a rule for each")
                    .note(*first_span, format!("its members are in `{}`", first.name())),
            );
        }
    }
}

fn rules(
    group: &Named,
    children: Option<&List<Child<SecurityRuleProperties>>>,
    nameable: &Nameable<'_>,
    findings: &mut Findings,
) -> Vec<RuleDraft> {
    let mut rules = Vec::new();
    let mut taken = Taken::default();
    for (index, child) in children.into_iter().flatten().enumerate() {
        let Some(name) = child.name.as_ref() else { continue };
        taken.name(name, findings);
        if index == RULES_PER_GROUP_MAX {
            let what = format!("rules in networkSecurityGroup `{}`", group.id.name());
            let help = "write several prefixes and ports into one rule";
            findings.push(limit(&what, RULES_PER_GROUP_MAX, name.span, help));
        }
        let Some(properties) = child.properties.as_ref() else { continue };
        if let (Some(direction), Some(priority)) = (&properties.direction, &properties.priority) {
            let (priority, span) = (priority.value.0, priority.span);
            taken.priority(&name.value, direction.value, priority, span, findings);
        }
        rules.extend(rule(name, properties, nameable, findings));
    }
    check_sizes(group, &rules, findings);
    rules
}

/// Reports more prefixes or application security groups than the rules of one group may have.
fn check_sizes(group: &Named, rules: &[RuleDraft], findings: &mut Findings) {
    let prefixes = |side: &RuleSide| match &side.endpoints {
        Endpoints::Prefixes(prefixes) => prefixes.len(),
        _ => 0,
    };
    let name = group.id.name();
    for (end, pick) in [
        ("source", (|rule| &rule.source) as fn(&SecurityRule) -> &RuleSide),
        ("destination", |rule| &rule.destination),
    ] {
        let mut count = 0;
        let beyond = rules.iter().find(|draft| {
            count += prefixes(pick(&draft.rule));
            count > PREFIXES_PER_SIDE_MAX
        });
        if let Some(draft) = beyond {
            let what = format!("{end} prefixes in networkSecurityGroup `{name}`");
            let help = "summarise prefixes, or use a tag of `serviceTags`";
            findings.push(limit(&what, PREFIXES_PER_SIDE_MAX, draft.span, help));
        }
    }
    let mut seen = HashSet::new();
    let mut named = rules.iter().flat_map(|draft| &draft.groups);
    let beyond = named.find(|(index, _)| {
        seen.insert(*index);
        seen.len() > APPLICATION_GROUPS_PER_GROUP_MAX
    });
    if let Some((_, span)) = beyond {
        let what = format!("applicationSecurityGroups in networkSecurityGroup `{name}`");
        let help = "use several networkSecurityGroups";
        findings.push(limit(&what, APPLICATION_GROUPS_PER_GROUP_MAX, *span, help));
    }
}

fn rule(
    name: &Spanned<String>,
    properties: &SecurityRuleProperties,
    nameable: &Nameable<'_>,
    findings: &mut Findings,
) -> Option<RuleDraft> {
    let source = End {
        side: "source",
        prefix: properties.source_address_prefix.as_ref(),
        prefixes: properties.source_address_prefixes.as_ref(),
        groups: properties.source_application_security_groups.as_ref(),
    };
    let destination = End {
        side: "destination",
        prefix: properties.destination_address_prefix.as_ref(),
        prefixes: properties.destination_address_prefixes.as_ref(),
        groups: properties.destination_application_security_groups.as_ref(),
    };
    let mut groups = Vec::new();
    let source = source.endpoints(nameable, &mut groups, findings);
    let destination = destination.endpoints(nameable, &mut groups, findings);
    let protocol = properties.protocol.as_ref()?;
    let mut ports = |side, single, list| {
        let written = WrittenPorts { side, single, list, list_takes_any: false };
        written.read(protocol.value.0, protocol.span, findings)
    };
    let source_ports = ports(
        "source",
        properties.source_port_range.as_ref(),
        properties.source_port_ranges.as_ref(),
    );
    let destination_ports = ports(
        "destination",
        properties.destination_port_range.as_ref(),
        properties.destination_port_ranges.as_ref(),
    );
    let rule = SecurityRule {
        name: name.value.clone(),
        priority: properties.priority.as_ref()?.value.0,
        direction: properties.direction.as_ref()?.value,
        access: properties.access.as_ref()?.value.0,
        protocol: protocol.value.0,
        source: RuleSide { endpoints: source, ports: source_ports },
        destination: RuleSide { endpoints: destination, ports: destination_ports },
    };
    Some(RuleDraft { rule, span: name.span, groups })
}

/// The addresses of one end of a rule, as written.
struct End<'d> {
    /// `source` or `destination`.
    side: &'static str,
    /// `sourceAddressPrefix`.
    prefix: Option<&'d Spanned<RulePrefix>>,
    /// `sourceAddressPrefixes`.
    prefixes: Option<&'d List<Spanned<RulePrefix>>>,
    /// `sourceApplicationSecurityGroups`.
    groups: Option<&'d List<Reference>>,
}

impl End<'_> {
    /// What the end matches. A list without elements adds nothing: alone it matches nothing, and
    /// beside another property it is as good as absent, which is how Azure exports rules. Adds the
    /// application security groups to `named`.
    fn endpoints(
        &self,
        nameable: &Nameable<'_>,
        named: &mut Vec<(usize, Span)>,
        findings: &mut Findings,
    ) -> Endpoints {
        let side = self.side;
        let prefixes = self.prefixes.filter(|list| !super::is_empty(list));
        let groups = self.groups.filter(|list| !super::is_empty(list));
        let mut given = [
            ("AddressPrefix", self.prefix.map(|it| it.span)),
            ("AddressPrefixes", prefixes.map(|it| it.span)),
            ("ApplicationSecurityGroups", groups.map(|it| it.span)),
        ]
        .into_iter()
        .filter_map(|(name, span)| Some((name, span?)));
        if let (Some((first, first_span)), Some((second, span))) = (given.next(), given.next()) {
            let message = format!("a rule has `{side}{first}` or `{side}{second}`, not both");
            findings.push(
                Finding::error(Code::ConflictingProperties, span, message)
                    .help("remove one of them, or write a rule for each")
                    .note(first_span, "the other one"),
            );
        }
        if let Some(groups) = groups {
            return self.members(groups, nameable, named, findings);
        }
        if let Some(prefixes) = prefixes {
            return self.list(prefixes, findings);
        }
        match self.prefix.map(|prefix| (&prefix.value, prefix.span)) {
            Some((RulePrefix::Any, _)) => Endpoints::Any,
            Some((RulePrefix::Net(prefix), _)) => Endpoints::Prefixes(vec![*prefix]),
            Some((RulePrefix::Tag(name), span)) => {
                let tag = nameable.tags.find(name, span, findings).cloned();
                tag.map_or_else(|| Endpoints::Prefixes(Vec::new()), Endpoints::Tag)
            }
            None => Endpoints::Prefixes(Vec::new()),
        }
    }

    fn members(
        &self,
        groups: &List<Reference>,
        nameable: &Nameable<'_>,
        named: &mut Vec<(usize, Span)>,
        findings: &mut Findings,
    ) -> Endpoints {
        let mut members = Vec::new();
        for (index, reference) in groups.into_iter().enumerate() {
            let Some(id) = reference.id.as_ref() else { continue };
            if index == APPLICATION_GROUPS_PER_SIDE_MAX {
                let what = format!("{}ApplicationSecurityGroups in one rule", self.side);
                let help = "write a second rule";
                findings.push(limit(&what, APPLICATION_GROUPS_PER_SIDE_MAX, id.span, help));
            }
            let code = Code::InvalidResourceReference;
            let Some(group) = nameable.groups.registry.find(id, code, findings) else { continue };
            named.push((group, id.span));
            let group = ApplicationSecurityGroupIndex(group);
            if !members.contains(&group) {
                members.push(group);
            }
        }
        Endpoints::Groups(members)
    }

    fn list(&self, list: &List<Spanned<RulePrefix>>, findings: &mut Findings) -> Endpoints {
        let side = self.side;
        let mut prefixes = Vec::new();
        for prefix in list {
            if let RulePrefix::Net(prefix) = &prefix.value {
                prefixes.push(*prefix);
                continue;
            }
            let word = &prefix.value;
            let message = format!("`{word}` cannot be one of the `{side}AddressPrefixes`");
            let help = if list.items.len() == 1 {
                format!("write `{side}AddressPrefix: \"{word}\"` instead of the list")
            } else {
                format!("write a rule of its own with `{side}AddressPrefix: \"{word}\"`")
            };
            let code = Code::SecurityRuleParameterContainsUnsupportedValue;
            findings.push(Finding::error(code, prefix.span, message).help(help));
        }
        Endpoints::Prefixes(prefixes)
    }
}
