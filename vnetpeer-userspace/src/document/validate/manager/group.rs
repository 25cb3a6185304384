//! Network groups and their members.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            names::Registry,
            problem::{Finding, Findings},
            types::{Child, NetworkGroupProperties, StaticMemberProperties},
        },
        PartNames, incomplete,
    },
    Context, condition,
    scope::Scope,
};
use crate::topology::model::{Candidate, NetworkGroup, VnetIndex};

/// The groups of one manager.
pub(super) struct Groups {
    pub(super) registry: Registry,
    pub(super) list: Vec<NetworkGroup>,
}

impl Groups {
    pub(super) fn read(
        context: &Context<'_>,
        scope: &Scope<'_>,
        list: Option<&List<Child<NetworkGroupProperties>>>,
        findings: &mut Findings,
    ) -> Self {
        let mut registry = Registry::new("networkManagers/networkGroups", incomplete(list));
        let mut groups = Vec::new();
        let mut taken = PartNames::default();
        for child in list.into_iter().flatten() {
            let Some(name) = child.name.as_ref() else {
                registry.set_incomplete();
                continue;
            };
            taken.add("networkGroup", name, findings);
            let named = context.child("networkGroups", name);
            registry.add(&named, findings);
            let properties = child.properties.as_ref();
            let members = properties.and_then(|it| it.static_members.as_ref());
            let static_members = static_members(context, scope, members, findings);
            let conditions = properties.and_then(|it| it.conditions.as_ref());
            let conditions = conditions.and_then(|it| condition::read(it, findings));
            let mut found: BTreeSet<VnetIndex> = static_members.iter().map(|it| it.1).collect();
            for (index, vnet) in context.vnets.list.iter().enumerate() {
                let candidate =
                    Candidate { id: &vnet.named.id, location: &vnet.location, tags: &vnet.tags };
                let holds = conditions.as_ref().is_some_and(|it| it.holds(candidate));
                if holds && scope.covers(vnet) && !vnet.classic {
                    found.insert(VnetIndex(index));
                }
            }
            let members = found.into_iter().collect();
            groups.push(NetworkGroup { id: named.id, static_members, conditions, members });
        }
        Self { registry, list: groups }
    }

    /// The index of the group that a reference means.
    pub(super) fn find(
        &self,
        reference: &Spanned<String>,
        findings: &mut Findings,
    ) -> Option<usize> {
        self.registry.find(reference, Code::InvalidResourceReference, findings)
    }

    /// The groups of a list, each with its place; one that is named twice is reported.
    pub(super) fn find_all<'d>(
        &self,
        references: impl Iterator<Item = &'d Spanned<String>>,
        findings: &mut Findings,
    ) -> Vec<Option<usize>> {
        let mut seen = HashMap::new();
        let mut found = Vec::new();
        for reference in references {
            let group = self.find(reference, findings);
            if let Some(first) = group.and_then(|group| seen.insert(group, reference.span)) {
                let message = format!("networkGroup `{}` is named twice", reference.value);
                findings.push(
                    Finding::error(Code::DuplicateResource, reference.span, message)
                        .help("remove one of the two")
                        .note(first, "first here"),
                );
            }
            found.push(group);
        }
        found
    }
}

fn static_members(
    context: &Context<'_>,
    scope: &Scope<'_>,
    list: Option<&List<Child<StaticMemberProperties>>>,
    findings: &mut Findings,
) -> Vec<(String, VnetIndex)> {
    let mut taken = PartNames::default();
    let mut seen = HashMap::new();
    let mut members = Vec::new();
    for child in list.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else { continue };
        taken.add("static member", name, findings);
        let reference = child.properties.as_ref().and_then(|it| it.resource_id.as_ref());
        let Some(reference) = reference else { continue };
        let vnets = context.vnets;
        let index = vnets.registry.find(reference, Code::InvalidResourceReference, findings);
        let Some(vnet) = index.and_then(|index| vnets.list.get(index)) else { continue };
        if !scope.takes(vnet, reference, findings) {
            continue;
        }
        let Some(index) = index.map(VnetIndex) else { continue };
        if let Some(first) = seen.insert(index, reference.span) {
            let message = format!("virtualNetwork `{}` is a member already", reference.value);
            findings.push(
                Finding::error(Code::DuplicateResource, reference.span, message)
                    .help("remove one of the two")
                    .note(first, "first here"),
            );
        }
        members.push((name.value.clone(), index));
    }
    members
}
