//! Management groups and subscriptions.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    super::{
        super::{
            code::Code,
            decode::Spanned,
            problem::{Finding, Findings},
            types::Document,
        },
        incomplete,
    },
    Names,
};
use crate::topology::model::{DEFAULT_TENANT, ManagementGroup, Permissions, Subscription};

pub(super) fn collect(document: &Document, permissions: &mut Permissions, findings: &mut Findings) {
    let list = document.management_groups.as_ref();
    let mut names = Names::new("management group", incomplete(list));
    let mut parents: Vec<Option<&Spanned<String>>> = Vec::new();
    for group in list.into_iter().flatten() {
        let Some(name) = group.name.as_ref() else { continue };
        names.add(name, parents.len(), Code::DuplicateResource, findings);
        check_segment(name, findings);
        parents.push(group.parent.as_ref());
        let parent = group.parent.as_ref().map(|it| it.value.clone());
        permissions.management_groups.push(ManagementGroup { name: name.value.clone(), parent });
    }
    for parent in parents.iter().flatten() {
        names.find(parent, Code::InvalidResourceReference, findings);
    }
    for (index, parent) in parents.iter().enumerate() {
        if let Some(parent) = parent.filter(|_| is_in_a_circle(&names, &parents, index)) {
            let message = "this management group is its own ancestor".to_owned();
            findings.push(
                Finding::error(Code::ConflictingProperties, parent.span, message)
                    .help("take `parent` out of one of the groups"),
            );
            break;
        }
    }
    subscriptions(document, &names, permissions, findings);
}

fn is_in_a_circle(names: &Names, parents: &[Option<&Spanned<String>>], start: usize) -> bool {
    let mut at = start;
    for _ in 0..parents.len() {
        let Some(Some(parent)) = parents.get(at) else { return false };
        let Some((next, _)) = names.all.get(&parent.value.to_ascii_lowercase()) else {
            return false;
        };
        at = *next;
        if at == start {
            return true;
        }
    }
    false
}

fn subscriptions(
    document: &Document,
    groups: &Names,
    permissions: &mut Permissions,
    findings: &mut Findings,
) {
    let list = document.subscriptions.as_ref();
    let mut names = Names::new("subscription", incomplete(list));
    // Of each topmost management group, the tenant of its first subscription.
    let mut tenants: HashMap<String, Uuid> = HashMap::new();
    for subscription in list.into_iter().flatten() {
        let Some(id) = subscription.subscription_id.as_ref() else { continue };
        let spanned = Spanned { value: id.value.0.clone(), span: id.span };
        names.add(&spanned, permissions.subscriptions.len(), Code::DuplicateResource, findings);
        let tenant = subscription.tenant_id.as_ref().map_or(DEFAULT_TENANT, |it| it.value.0);
        let group = subscription.management_group.as_ref();
        if let Some(group) = group
            && groups.find(group, Code::InvalidResourceReference, findings).is_some()
        {
            let root = root(permissions, &group.value);
            if *tenants.entry(root).or_insert(tenant) != tenant {
                let message = format!("subscriptions of two tenants are below `{}`", group.value);
                findings.push(
                    Finding::error(Code::ConflictingProperties, group.span, message)
                        .help("a management group belongs to one tenant: make one for each"),
                );
            }
        }
        permissions.subscriptions.push(Subscription {
            id: id.value.0.clone(),
            tenant,
            management_group: group.map(|it| it.value.clone()),
        });
    }
}

/// The topmost management group above a group, in lower case.
fn root(permissions: &Permissions, name: &str) -> String {
    let mut at = name;
    for _ in 0..permissions.management_groups.len() {
        let parent = permissions.management_group(at).and_then(|it| it.parent.as_deref());
        let Some(parent) = parent else { break };
        at = parent;
    }
    at.to_ascii_lowercase()
}

/// A name that is a part of an id.
pub(super) fn check_segment(name: &Spanned<String>, findings: &mut Findings) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.()".contains(c);
    if !name.value.chars().all(is_word) {
        let message = format!("the name `{}` is invalid", name.value);
        findings.push(
            Finding::error(Code::InvalidResourceName, name.span, message)
                .help("write letters, digits, `_`, `-`, `.`, `(` and `)` only"),
        );
    }
}
