//! Commits: which configurations are deployed in which regions.

use std::collections::HashMap;

use super::{
    super::{
        super::{
            code::Code,
            decode::List,
            names::Registry,
            problem::{Finding, Findings},
            types::{Child, CommitProperties},
        },
        PartNames, is_empty,
    },
    Context,
};
use crate::topology::model::{Commit, CommitType, ResourceId, ScopeAccess};

/// What commits may name.
pub(super) struct Registries<'d> {
    pub(super) connectivity: &'d Registry,
    pub(super) security: &'d Registry,
    pub(super) accesses: &'d [ScopeAccess],
}

pub(super) fn read(
    context: &Context<'_>,
    registries: &Registries<'_>,
    list: Option<&List<Child<CommitProperties>>>,
    findings: &mut Findings,
) -> Vec<Commit> {
    let mut names = PartNames::default();
    let mut taken = HashMap::new();
    let mut commits = Vec::new();
    for child in list.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else { continue };
        names.add("commit", name, findings);
        let Some(properties) = child.properties.as_ref() else { continue };
        let Some(commit_type) = properties.commit_type.as_ref() else { continue };
        let (access, registry) = match commit_type.value {
            CommitType::Connectivity => (ScopeAccess::Connectivity, registries.connectivity),
            CommitType::SecurityAdmin => (ScopeAccess::SecurityAdmin, registries.security),
        };
        if !registries.accesses.contains(&access) {
            let message = format!("the manager has no access {access:?}");
            findings.push(
                Finding::error(Code::NetworkManagerScopeAccessMissing, commit_type.span, message)
                    .help(format!("add {access:?} to networkManagerScopeAccesses")),
            );
        }
        let targets = properties.target_locations.as_ref();
        if let Some(list) = targets.filter(|list| is_empty(list)) {
            let message = "the commit has no regions";
            findings.push(
                Finding::error(Code::MissingProperty, list.span, message).help("add a region"),
            );
        }
        for location in targets.into_iter().flatten() {
            let key = (commit_type.value, location.value.0.clone());
            let Some(first) = taken.insert(key, location.span) else { continue };
            let message = format!(
                "what is deployed in {} as {:?} is committed already",
                location.value.0, commit_type.value
            );
            findings.push(
                Finding::error(Code::CommitConflict, location.span, message)
                    .help("name all configurations of a region in one commit")
                    .note(first, "first here"),
            );
        }
        let configurations = configurations(properties, registry, findings);
        commits.push(Commit {
            id: context.child("commits", name).id,
            commit_type: commit_type.value,
            locations: targets.into_iter().flatten().map(|it| it.value.0.clone()).collect(),
            configurations,
            commit_time: properties.commit_time.as_ref().map(|it| it.value.0.clone()),
        });
    }
    commits
}

fn configurations(
    properties: &CommitProperties,
    registry: &Registry,
    findings: &mut Findings,
) -> Vec<ResourceId> {
    let commit_type = properties.commit_type.as_ref().map(|it| it.value);
    let is_single = commit_type == Some(CommitType::SecurityAdmin);
    let mut found: Vec<ResourceId> = Vec::new();
    for reference in properties.configuration_ids.iter().flatten() {
        let index = registry.find(reference, Code::InvalidResourceReference, findings);
        let Some(id) = index.and_then(|index| registry.id(index)) else { continue };
        if found.contains(id) {
            let message = format!("configuration `{}` is named twice", reference.value);
            findings.push(
                Finding::error(Code::DuplicateResource, reference.span, message)
                    .help("remove one of the two"),
            );
        } else if is_single && !found.is_empty() {
            let message = "only one security admin configuration is deployed in a region";
            findings.push(
                Finding::error(Code::CommitConflict, reference.span, message)
                    .help("move the rule collections of both into one configuration"),
            );
        }
        found.push(id.clone());
    }
    found
}
