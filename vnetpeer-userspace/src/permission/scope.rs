//! What is below what: `/`, management groups, subscriptions, resource groups, resources and their parts.

use crate::topology::model::Permissions;

const MANAGEMENT_GROUP: &str = "/providers/Microsoft.Management/managementGroups/";

/// The id of a management group.
pub fn management_group(name: &str) -> String {
    format!("{MANAGEMENT_GROUP}{name}")
}

/// Whether `id` is `scope` or below it.
pub fn covers(permissions: &Permissions, scope: &str, id: &str) -> bool {
    if scope == "/" || is_at_or_below(scope, id) {
        return true;
    }
    let Some(name) = management_group_of(scope) else { return false };
    let within = match (subscription(id), management_group_of(id)) {
        (Some(it), _) => permissions.subscription(it).and_then(|it| it.management_group.as_deref()),
        (None, Some(it)) => Some(it),
        (None, None) => None,
    };
    is_in(permissions, within, name)
}

/// The subscription that an id is in.
pub fn subscription(id: &str) -> Option<&str> {
    let mut segments = id.strip_prefix('/')?.split('/');
    segments.next().filter(|it| it.eq_ignore_ascii_case("subscriptions"))?;
    segments.next().filter(|it| !it.is_empty())
}

/// The management group that an id is, or is a part of.
pub fn management_group_of(id: &str) -> Option<&str> {
    let rest = strip(id, MANAGEMENT_GROUP)?;
    rest.split('/').next().filter(|name| !name.is_empty())
}

/// What stands behind the id of a resource for one of its own, ids of parts included.
pub fn is_at_or_below(scope: &str, id: &str) -> bool {
    strip(id, scope.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a management group is the one of that name, or below it.
fn is_in(permissions: &Permissions, group: Option<&str>, name: &str) -> bool {
    let mut next = group;
    // Parents make no circle in a valid document; of others no more is read than there is.
    for _ in 0..=permissions.management_groups.len() {
        match next {
            Some(group) if group.eq_ignore_ascii_case(name) => return true,
            Some(group) => {
                next = permissions.management_group(group).and_then(|it| it.parent.as_deref());
            }
            None => return false,
        }
    }
    false
}

fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}
