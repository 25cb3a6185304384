//! Changes of what decides who may do what.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{access::Access, roles::role},
    Found, ROOT,
};
use crate::topology::model::{Permissions, RoleDefinition, Topology};

const ASSIGN: &str = "Microsoft.Authorization/roleAssignments/write";
const UNASSIGN: &str = "Microsoft.Authorization/roleAssignments/delete";
const DEFINE: &str = "Microsoft.Authorization/roleDefinitions/write";
const UNDEFINE: &str = "Microsoft.Authorization/roleDefinitions/delete";
/// Who is whom. In this provider, because whoever may write it may have any role.
const IDENTIFY: &str = "Microsoft.Authorization/principals/write";
/// Which management group holds what, and which tenant a subscription trusts.
const ARRANGE: &str = "Microsoft.Management/managementGroups/write";

pub(super) fn compare(old: &Topology, new: &Topology, found: &mut Found) {
    let (old, new) = (&old.permissions, &new.permissions);
    if old == new {
        return;
    }
    if old.management_groups != new.management_groups || old.subscriptions != new.subscriptions {
        found.add(Access::new(ARRANGE, ROOT).linked(ASSIGN, ROOT));
    }
    if principals(old) != principals(new) {
        found.add(Access::new(IDENTIFY, ROOT));
    }
    let (before, after) = (definitions(old), definitions(new));
    let guids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for guid in guids {
        let (was, is) = (before.get(guid), after.get(guid));
        if was == is {
            continue;
        }
        let action = if is.is_some() { DEFINE } else { UNDEFINE };
        let scopes = was.into_iter().chain(is).flat_map(|it| &it.assignable_scopes);
        for scope in scopes {
            found.add(Access::new(action, scope));
        }
    }
    let (before, after) = (assignments(old), assignments(new));
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for id in ids {
        let (was, is) = (before.get(id), after.get(id));
        if was == is {
            continue;
        }
        if was.is_some() {
            found.add(Access::new(UNASSIGN, id.as_str()));
        }
        if is.is_some() {
            found.add(Access::new(ASSIGN, id.as_str()));
        }
    }
}

/// Principals by name, members by theirs: places in the document mean nothing.
fn principals(permissions: &Permissions) -> BTreeMap<String, String> {
    let described = permissions.principals.iter().map(|it| {
        let members = it.members.iter().filter_map(|member| permissions.principal(*member));
        let members: BTreeSet<&str> = members.map(|it| it.name.as_str()).collect();
        let (id, tenants, kind) = (it.object_id, &it.tenants, it.principal_type);
        let (uids, gids) = (&it.uids, &it.gids);
        let text = format!("{id} {tenants:?} {kind:?} {members:?} {uids:?} {gids:?}");
        (it.name.to_ascii_lowercase(), text)
    });
    described.collect()
}

fn definitions(permissions: &Permissions) -> BTreeMap<String, &RoleDefinition> {
    permissions.custom_roles.iter().map(|it| (it.guid.to_string(), it)).collect()
}

/// By id: whose role it is.
fn assignments(permissions: &Permissions) -> BTreeMap<String, String> {
    let described = permissions.assignments.iter().map(|it| {
        let principal = permissions.principal(it.principal).map(|it| it.object_id);
        let role = role(permissions, it.role).map(|it| it.guid);
        (it.id.clone(), format!("{principal:?} {role:?} {}", it.scope))
    });
    described.collect()
}
