//! Role assignments.

use std::collections::HashMap;

use super::{
    super::super::{
        code::Code,
        decode::{List, Spanned},
        problem::{Finding, Findings},
        scalar::Scope,
        source::Span,
        types,
    },
    guid_of,
    principal::Principals,
    role::Roles,
};
use crate::{
    permission::{roles::role, scope},
    topology::model::{Permissions, PrincipalIndex, RoleAssignment, RoleIndex},
};

/// What an assignment can refer to.
pub(super) struct Known<'k> {
    pub(super) principals: &'k Principals,
    pub(super) roles: &'k Roles,
}

pub(super) fn collect(
    list: Option<&List<types::RoleAssignment>>,
    known: &Known<'_>,
    permissions: &mut Permissions,
    findings: &mut Findings,
) {
    let mut taken: HashMap<(PrincipalIndex, RoleIndex, String), Span> = HashMap::new();
    let mut ids: HashMap<String, Span> = HashMap::new();
    for written in list.into_iter().flatten() {
        let Some(properties) = written.properties.as_ref() else { continue };
        let principal = principal(properties, known, findings);
        let reference = properties.role_definition_id.as_ref();
        let role = reference.and_then(|it| known.roles.find(it, findings));
        let Some(at) = properties.scope.as_ref() else { continue };
        check_scope(at, permissions, findings);
        let (Some((principal, span)), Some(role)) = (principal, role) else { continue };
        check_tenant(principal, span, at, permissions, findings);
        check_assignable(role, at, permissions, findings);
        let folded = at.value.0.to_ascii_lowercase();
        if let Some(first) = taken.insert((principal, role, folded), at.span) {
            let message = "the role assignment already exists".to_owned();
            findings.push(
                Finding::error(Code::RoleAssignmentExists, at.span, message)
                    .help("remove one of them")
                    .note(first, "first here"),
            );
            continue;
        }
        let guid = written.name.as_ref().map_or_else(
            || {
                guid_of(&format!(
                    "{} {role:?} {}",
                    principal_name(permissions, principal),
                    at.value.0
                ))
            },
            |it| it.value.0,
        );
        let id = assignment_id(&at.value.0, &guid.to_string());
        if let Some(first) = ids.insert(id.to_ascii_lowercase(), at.span) {
            let message = format!("two role assignments have the name {guid}");
            findings.push(
                Finding::error(Code::DuplicateResource, at.span, message)
                    .help("change one of them, or leave `name` out")
                    .note(first, "first here"),
            );
            continue;
        }
        let scope = at.value.0.clone();
        permissions.assignments.push(RoleAssignment { id, principal, role, scope });
    }
}

/// The ARM id of an assignment.
fn assignment_id(scope: &str, guid: &str) -> String {
    let scope = scope.trim_end_matches('/');
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}")
}

fn principal_name(permissions: &Permissions, index: PrincipalIndex) -> String {
    permissions.principal(index).map(|it| it.name.clone()).unwrap_or_default()
}

fn principal(
    properties: &types::RoleAssignmentProperties,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Option<(PrincipalIndex, Span)> {
    if let Some(name) = properties.principal.as_ref() {
        if let Some(id) = properties.principal_id.as_ref() {
            let message = "`principal` and `principalId` exclude each other".to_owned();
            findings.push(
                Finding::error(Code::ConflictingProperties, id.span, message).help("remove one"),
            );
        }
        let index = known.principals.names.find(name, Code::PrincipalNotFound, findings)?;
        return Some((PrincipalIndex(index), name.span));
    }
    let id = properties.principal_id.as_ref()?;
    if let Some(index) = known.principals.objects.get(&id.value.0) {
        Some((PrincipalIndex(*index), id.span))
    } else {
        let message = format!("Principal {} does not exist in the directory", id.value.0);
        findings.push(
            Finding::error(Code::PrincipalNotFound, id.span, message)
                .help("add it to `principals` with this `objectId`"),
        );
        None
    }
}

/// A management group of a scope must exist.
fn check_scope(at: &Spanned<Scope>, permissions: &Permissions, findings: &mut Findings) {
    let Some(name) = scope::management_group_of(&at.value.0) else { return };
    if permissions.management_group(name).is_none() {
        let message = format!("management group `{name}` is not in the document");
        findings.push(
            Finding::error(Code::InvalidResourceReference, at.span, message)
                .help("add it to `managementGroups`"),
        );
    }
}

/// The tenant of the scope must know the principal.
fn check_tenant(
    principal: PrincipalIndex,
    span: Span,
    at: &Spanned<Scope>,
    permissions: &Permissions,
    findings: &mut Findings,
) {
    let Some(subscription) = scope::subscription(&at.value.0) else { return };
    let tenant = permissions.tenant(subscription);
    let Some(principal) = permissions.principal(principal) else { return };
    if !principal.tenants.contains(&tenant) {
        let message = format!(
            "Principal {} ({}) does not exist in the directory {tenant}",
            principal.object_id, principal.name
        );
        findings.push(
            Finding::error(Code::PrincipalNotFound, span, message)
                .help(format!("add {tenant} to the `tenants` of `{}`", principal.name)),
        );
    }
}

/// A custom role can be assigned at its scopes and below.
fn check_assignable(
    index: RoleIndex,
    at: &Spanned<Scope>,
    permissions: &Permissions,
    findings: &mut Findings,
) {
    let Some(role) = role(permissions, index) else { return };
    let covers = |scope: &String| scope::covers(permissions, scope, &at.value.0);
    if !role.assignable_scopes.is_empty() && !role.assignable_scopes.iter().any(covers) {
        let message = format!("role `{}` cannot be assigned at {}", role.name, at.value.0);
        let code = Code::RoleAssignmentScopeNotAssignableToRoleDefinition;
        findings.push(
            Finding::error(code, at.span, message)
                .help("add the scope to the role's `assignableScopes`"),
        );
    }
}
