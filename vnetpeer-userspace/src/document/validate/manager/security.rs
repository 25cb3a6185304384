//! Security admin configurations: collections of rules, and the VNets that they apply to.

use std::collections::BTreeMap;

use super::{
    super::{
        super::{
            code::Code,
            decode::List,
            names::Registry,
            problem::{Finding, Findings},
            source::Span,
            types::{Child, RuleCollectionProperties, SecurityAdminProperties},
        },
        PartNames, incomplete, is_empty,
        vnet::Vnets,
    },
    Context, ManagerDraft,
    group::Groups,
    rules::{Size, rules},
};
use crate::topology::model::{
    CommitType, ResourceId, SecurityAdminConfiguration, SecurityRule, VnetIndex,
};

/// Security admin rules and the VNets that they are in force for.
pub(in crate::document::validate) struct AdminRulesDraft {
    pub(in crate::document::validate) id: ResourceId,
    pub(in crate::document::validate) vnets: Vec<VnetIndex>,
    pub(in crate::document::validate) rules: Vec<SecurityRule>,
}

/// A collection as written.
pub(super) struct CollectionDraft {
    id: ResourceId,
    /// Indices into the manager's groups.
    groups: Vec<usize>,
    rules: Vec<SecurityRule>,
    span: Span,
}

/// The configurations of one manager.
pub(super) struct Configurations {
    pub(super) registry: Registry,
    pub(super) list: Vec<SecurityAdminConfiguration>,
    /// As `list`.
    pub(super) collections: Vec<Vec<CollectionDraft>>,
}

pub(super) fn read(
    context: &Context<'_>,
    groups: &Groups,
    list: Option<&List<Child<SecurityAdminProperties>>>,
    findings: &mut Findings,
) -> Configurations {
    let kind = "networkManagers/securityAdminConfigurations";
    let mut found = Configurations {
        registry: Registry::new(kind, incomplete(list)),
        list: Vec::new(),
        collections: Vec::new(),
    };
    let mut taken = PartNames::default();
    let mut size = Size::default();
    for child in list.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else {
            found.registry.set_incomplete();
            continue;
        };
        taken.add("securityAdminConfiguration", name, findings);
        let named = context.child("securityAdminConfigurations", name);
        found.registry.add(&named, findings);
        let list = child.properties.as_ref().and_then(|it| it.rule_collections.as_ref());
        let mut reader = Reader { context, groups, configuration: &named.id, size: &mut size };
        let collections = reader.collections(list, findings);
        let listed =
            collections.iter().map(|it| (it.id.clone(), it.groups.clone(), it.rules.len()));
        found.list.push(SecurityAdminConfiguration { id: named.id, collections: listed.collect() });
        found.collections.push(collections);
    }
    found
}

struct Reader<'d> {
    context: &'d Context<'d>,
    groups: &'d Groups,
    configuration: &'d ResourceId,
    size: &'d mut Size,
}

impl Reader<'_> {
    fn collections(
        &mut self,
        list: Option<&List<Child<RuleCollectionProperties>>>,
        findings: &mut Findings,
    ) -> Vec<CollectionDraft> {
        let mut taken = PartNames::default();
        let mut collections = Vec::new();
        for child in list.into_iter().flatten() {
            let Some(name) = child.name.as_ref() else { continue };
            taken.add("ruleCollection", name, findings);
            let Some(properties) = child.properties.as_ref() else { continue };
            let applied = properties.applies_to_groups.as_ref();
            if let Some(list) = applied.filter(|list| is_empty(list)) {
                let message = format!("ruleCollection `{}` applies to no group", name.value);
                findings.push(
                    Finding::error(Code::MissingProperty, list.span, message)
                        .help("name a networkGroup"),
                );
            }
            let references =
                applied.into_iter().flatten().filter_map(|it| it.network_group_id.as_ref());
            let groups = self.groups.find_all(references, findings);
            let rules =
                rules(self.context, self.groups, properties.rules.as_ref(), self.size, findings);
            let own = super::segment(&name.value);
            let id = format!("{}/ruleCollections/{own}", self.configuration);
            collections.push(CollectionDraft {
                id: ResourceId::new(id),
                groups: groups.into_iter().flatten().collect(),
                rules,
                span: name.span,
            });
        }
        collections
    }
}

/// Collections that apply to the same VNets: of which configuration, and which of it.
type Applied = (usize, usize, Vec<usize>);

/// The rules that are deployed. Where several managers have rules for a VNet, those of the higher scope
/// hold.
pub(in crate::document::validate) fn deploy(
    drafts: &[ManagerDraft],
    vnets: &Vnets,
    findings: &mut Findings,
) -> Vec<AdminRulesDraft> {
    let mut of_vnets: BTreeMap<VnetIndex, (Applied, Span)> = BTreeMap::new();
    for (place, draft) in drafts.iter().enumerate() {
        for (vnet, applied, span) in applied(place, draft, vnets) {
            let Some((first, other)) = of_vnets.get(&vnet) else {
                of_vnets.insert(vnet, (applied, span));
                continue;
            };
            let higher = drafts.get(first.0).is_some_and(|it| it.manager.is_of_management_group());
            let name = vnets.list.get(vnet.0).map_or("", |it| it.named.id.name());
            let code = Code::VnetInSeveralRuleCollections;
            let finding = if higher && !draft.manager.is_of_management_group() {
                let message = format!(
                    "security admin rules of a manager with a higher scope apply to virtualNetwork \
                     `{name}`: these do not"
                );
                Finding::warning(code, span, message)
            } else {
                let message = format!(
                    "security admin rules of another manager apply to virtualNetwork `{name}` already"
                );
                Finding::error(code, span, message)
            };
            findings.push(
                finding
                    .help("take the virtualNetwork from one of the two networkGroups")
                    .note(*other, "the other rules"),
            );
        }
    }
    let mut sets: BTreeMap<Applied, Vec<VnetIndex>> = BTreeMap::new();
    for (vnet, (applied, _)) in of_vnets {
        sets.entry(applied).or_default().push(vnet);
    }
    sets.into_iter().filter_map(|(applied, vnets)| joined(drafts, &applied, vnets)).collect()
}

/// The collections of a manager that are in force for each VNet.
fn applied(place: usize, draft: &ManagerDraft, vnets: &Vnets) -> Vec<(VnetIndex, Applied, Span)> {
    let mut found: BTreeMap<VnetIndex, (Applied, Span)> = BTreeMap::new();
    let configurations = draft.manager.security_admin.iter().zip(&draft.collections).enumerate();
    for (number, (configuration, collections)) in configurations {
        for (index, collection) in collections.iter().enumerate() {
            let groups = collection.groups.iter();
            let groups = groups.filter_map(|group| draft.manager.groups.get(*group));
            for vnet in groups.flat_map(|group| group.members.iter().copied()) {
                let location = vnets.list.get(vnet.0).map_or("", |it| it.location.as_str());
                let deployed = draft.manager.deployed_in(CommitType::SecurityAdmin, location);
                if !deployed.contains(&configuration.id) {
                    continue;
                }
                let entry = found.entry(vnet);
                let entry = entry.or_insert(((place, number, Vec::new()), collection.span));
                if !entry.0.2.contains(&index) {
                    entry.0.2.push(index);
                }
            }
        }
    }
    found.into_iter().map(|(vnet, (applied, span))| (vnet, applied, span)).collect()
}

/// The rules of one collection, or those of several as one: evaluated by priority, and those of equal
/// priority in the order of the collections.
fn joined(
    drafts: &[ManagerDraft],
    (place, number, indices): &Applied,
    vnets: Vec<VnetIndex>,
) -> Option<AdminRulesDraft> {
    let collections = drafts.get(*place)?.collections.get(*number)?;
    let chosen: Vec<&CollectionDraft> =
        indices.iter().filter_map(|index| collections.get(*index)).collect();
    if let [one] = chosen.as_slice() {
        return Some(AdminRulesDraft { id: one.id.clone(), vnets, rules: one.rules.clone() });
    }
    let first = chosen.first()?;
    let names: Vec<&str> = chosen.iter().map(|it| it.id.name()).collect();
    let (parent, _) = first.id.as_str().rsplit_once('/')?;
    let rules = chosen.iter().flat_map(|it| {
        it.rules.iter().map(|rule| {
            let name = format!("{}/{}", it.id.name(), rule.name);
            SecurityRule { name, ..rule.clone() }
        })
    });
    let id = ResourceId::new(format!("{parent}/{}", names.join("+")));
    Some(AdminRulesDraft { id, vnets, rules: rules.collect() })
}
