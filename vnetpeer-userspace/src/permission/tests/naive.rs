//! The same decision in another way: everything that holds is listed, and looked up in the lists. Slow, and
//! with nothing in common with what it is compared with but the model.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    permission::roles::role,
    topology::model::{DEFAULT_TENANT, Permissions, PrincipalIndex},
};

/// Whether `asking` may do `action` on `id`.
pub(super) fn allows(permissions: &Permissions, asking: usize, action: &str, id: &str) -> bool {
    let above = above(permissions, id);
    let tenant = tenant(permissions, id);
    for assignment in &permissions.assignments {
        if !above.contains(&assignment.scope.to_lowercase()) {
            continue;
        }
        if !acts_as(permissions, asking, assignment.principal.0, tenant) {
            continue;
        }
        let role = role(permissions, assignment.role).unwrap();
        for permission in &role.permissions {
            let of = |patterns: &[String]| patterns.iter().any(|it| like(it, action));
            if of(&permission.actions) && !of(&permission.not_actions) {
                return true;
            }
        }
    }
    false
}

fn tenant(permissions: &Permissions, id: &str) -> Option<Uuid> {
    let words: Vec<String> = id.to_lowercase().split('/').map(str::to_owned).collect();
    if words.get(1).map(String::as_str) != Some("subscriptions") {
        return None;
    }
    let of = permissions.subscriptions.iter().find(|it| it.id.to_lowercase() == words[2]);
    Some(of.map_or(DEFAULT_TENANT, |it| it.tenant))
}

/// Every scope that an id is in, in lower case.
fn above(permissions: &Permissions, id: &str) -> HashSet<String> {
    let mut all = HashSet::from(["/".to_owned()]);
    let id = id.to_lowercase();
    let mut longer = String::new();
    for word in id.split('/').skip(1) {
        longer = format!("{longer}/{word}");
        all.insert(longer.clone());
    }
    let words: Vec<&str> = id.split('/').collect();
    let mut group = match words.as_slice() {
        ["", "subscriptions", subscription, ..] => {
            let of =
                permissions.subscriptions.iter().find(|it| it.id.to_lowercase() == *subscription);
            of.and_then(|it| it.management_group.clone())
        }
        ["", "providers", "microsoft.management", "managementgroups", name, ..] => {
            Some((*name).to_owned())
        }
        _ => None,
    };
    while let Some(name) = group {
        all.insert(format!(
            "/providers/microsoft.management/managementgroups/{}",
            name.to_lowercase()
        ));
        let found =
            permissions.management_groups.iter().find(|it| it.name.eq_ignore_ascii_case(&name));
        group = found.and_then(|it| it.parent.clone());
    }
    all
}

/// Whether `asking` is `principal` or a member of it, and the tenant knows everybody on the way.
fn acts_as(
    permissions: &Permissions,
    asking: usize,
    principal: usize,
    tenant: Option<Uuid>,
) -> bool {
    let known = |index: usize| {
        tenant.is_none_or(|tenant| permissions.principals[index].tenants.contains(&tenant))
    };
    if !known(principal) || !known(asking) {
        return false;
    }
    asking == principal
        || permissions.principals[principal]
            .members
            .iter()
            .any(|PrincipalIndex(member)| acts_as(permissions, asking, *member, tenant))
}

/// By a table of which beginnings match: the other one goes back and forth.
fn like(pattern: &str, action: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let action: Vec<char> = action.to_lowercase().chars().collect();
    let mut table = vec![vec![false; action.len() + 1]; pattern.len() + 1];
    table[0][0] = true;
    for (row, it) in pattern.iter().enumerate() {
        for column in 0..=action.len() {
            table[row + 1][column] = if *it == '*' {
                table[row][column] || (column > 0 && table[row + 1][column - 1])
            } else {
                column > 0 && table[row][column - 1] && action[column - 1] == *it
            };
        }
    }
    table[pattern.len()][action.len()]
}
