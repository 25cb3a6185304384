//! Roles and assignments in ARM's shape.

use serde_json::{Value, json};

use super::roles::{built_in, role};
use crate::topology::model::{Permissions, PrincipalType, RoleAssignment, RoleDefinition};

/// A role. `is_built_in` is what ARM's `type` says.
pub fn definition(role: &RoleDefinition, is_built_in: bool) -> Value {
    let permissions: Vec<Value> = role
        .permissions
        .iter()
        .map(|it| json!({ "actions": it.actions, "notActions": it.not_actions }))
        .collect();
    json!({
        "id": role.id(),
        "name": role.guid,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": if is_built_in { "BuiltInRole" } else { "CustomRole" },
            "description": role.description,
            "permissions": permissions,
            "assignableScopes": role.assignable_scopes,
        }
    })
}

/// All roles: those that are built in, then the document's own.
pub fn definitions(permissions: &Permissions) -> Vec<Value> {
    let known = built_in().iter().map(|it| definition(it, true));
    known.chain(permissions.custom_roles.iter().map(|it| definition(it, false))).collect()
}

/// A role assignment, with the names of principal and role beside their ids.
pub fn assignment(permissions: &Permissions, it: &RoleAssignment) -> Option<Value> {
    let principal = permissions.principal(it.principal)?;
    let role = role(permissions, it.role)?;
    let name = it.id.rsplit('/').next().unwrap_or_default();
    Some(json!({
        "id": it.id,
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "principalName": principal.name,
        "roleDefinitionName": role.name,
        "properties": {
            "principalId": principal.object_id,
            "principalType": word(principal.principal_type),
            "roleDefinitionId": role.id(),
            "scope": it.scope,
        }
    }))
}

/// All role assignments.
pub fn assignments(permissions: &Permissions) -> Vec<Value> {
    permissions.assignments.iter().filter_map(|it| assignment(permissions, it)).collect()
}

const fn word(principal_type: PrincipalType) -> &'static str {
    match principal_type {
        PrincipalType::User => "User",
        PrincipalType::Group => "Group",
        PrincipalType::ServicePrincipal => "ServicePrincipal",
    }
}
