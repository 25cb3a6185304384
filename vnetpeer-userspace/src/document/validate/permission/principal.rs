//! Users, groups and service principals.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            problem::{Finding, Findings},
            scalar::UnixId,
            source::Span,
            types,
        },
        incomplete,
    },
    Names, guid_of,
};
use crate::topology::model::{
    DEFAULT_TENANT, Permissions, Principal, PrincipalIndex, PrincipalType,
};

/// The principals by their names and by their object ids.
pub(super) struct Principals {
    pub(super) names: Names,
    pub(super) objects: HashMap<Uuid, usize>,
}

pub(super) fn collect(
    list: Option<&List<types::Principal>>,
    permissions: &mut Permissions,
    findings: &mut Findings,
) -> Principals {
    let mut names = Names::new("principal", incomplete(list));
    let mut objects = HashMap::new();
    let (mut users, mut groups) = (HashMap::new(), HashMap::new());
    let mut members = Vec::new();
    for written in list.into_iter().flatten() {
        let Some(name) = written.name.as_ref() else { continue };
        let index = permissions.principals.len();
        names.add(name, index, Code::DuplicateResource, findings);
        let object_id =
            written.object_id.as_ref().map_or_else(|| guid_of(&name.value), |it| it.value.0);
        if objects.insert(object_id, index).is_some() {
            let span = written.object_id.as_ref().map_or(name.span, |it| it.span);
            let message = format!("two principals have objectId {object_id}");
            findings.push(
                Finding::error(Code::DuplicateResource, span, message).help("change one of them"),
            );
        }
        let principal_type =
            written.principal_type.as_ref().map_or(PrincipalType::User, |it| it.value.0);
        let tenants = tenants(written, principal_type, findings);
        if let Some(list) = written.members.as_ref() {
            if principal_type == PrincipalType::Group {
                members.push((index, list));
            } else {
                findings.push(only_groups(list.span));
            }
        }
        permissions.principals.push(Principal {
            name: name.value.clone(),
            object_id,
            tenants,
            principal_type,
            members: Vec::new(),
            uids: unix("user", written.uids.as_ref(), &mut users, findings),
            gids: unix("group", written.gids.as_ref(), &mut groups, findings),
        });
    }
    for (group, list) in members {
        join(group, list, &names, permissions, findings);
    }
    Principals { names, objects }
}

fn only_groups(span: Span) -> Finding {
    let message = "only a group has members".to_owned();
    Finding::error(Code::ConflictingProperties, span, message).help("write `type: Group`")
}

fn tenants(
    written: &types::Principal,
    principal_type: PrincipalType,
    findings: &mut Findings,
) -> Vec<Uuid> {
    let Some(list) = written.tenants.as_ref() else { return vec![DEFAULT_TENANT] };
    let tenants: Vec<Uuid> = list.into_iter().map(|it| it.value.0).collect();
    if tenants.is_empty() && !list.incomplete {
        findings.push(
            Finding::error(Code::MissingProperty, list.span, "`tenants` is empty".to_owned())
                .help("write the principal's own tenant, or leave `tenants` out"),
        );
    }
    if principal_type == PrincipalType::Group && tenants.len() > 1 {
        findings.push(
            Finding::error(
                Code::ConflictingProperties,
                list.span,
                "a group has one tenant".to_owned(),
            )
            .help("make a group in each tenant; guests can be members of both"),
        );
    }
    if tenants.is_empty() { vec![DEFAULT_TENANT] } else { tenants }
}

/// Unix users or groups; none acts as two principals.
fn unix(
    what: &str,
    list: Option<&List<Spanned<UnixId>>>,
    taken: &mut HashMap<u32, Span>,
    findings: &mut Findings,
) -> Vec<u32> {
    let mut ids = Vec::new();
    for id in list.into_iter().flatten() {
        if let Some(first) = taken.insert(id.value.0, id.span) {
            let message = format!("unix {what} {} acts as two principals", id.value.0);
            findings.push(
                Finding::error(Code::ConflictingProperties, id.span, message)
                    .help(
                        "take it out of one of them; for common rights make a group of principals",
                    )
                    .note(first, "first here"),
            );
        }
        ids.push(id.value.0);
    }
    ids
}

/// The members of a group, which its tenant must know.
fn join(
    group: usize,
    list: &List<Spanned<String>>,
    names: &Names,
    permissions: &mut Permissions,
    findings: &mut Findings,
) {
    for name in list {
        let Some(member) = names.find(name, Code::PrincipalNotFound, findings) else { continue };
        let all = &permissions.principals;
        let (Some(of), Some(it)) = (all.get(group), all.get(member)) else { continue };
        if let Some(tenant) = of.tenants.first().filter(|tenant| !it.tenants.contains(tenant)) {
            let message =
                format!("tenant {tenant} of group `{}` does not know `{}`", of.name, it.name);
            findings.push(
                Finding::error(Code::PrincipalNotFound, name.span, message)
                    .help(format!("add {tenant} to the `tenants` of `{}`", it.name)),
            );
        }
        if member == group || contains(permissions, member, group) {
            let message = format!("group `{}` would contain itself", name.value);
            findings.push(
                Finding::error(Code::ConflictingProperties, name.span, message).help("remove it"),
            );
            continue;
        }
        if let Some(of) = permissions.principals.get_mut(group) {
            of.members.push(PrincipalIndex(member));
        }
    }
}

/// Whether a group has a member, directly or through others.
fn contains(permissions: &Permissions, group: usize, member: usize) -> bool {
    let Some(group) = permissions.principals.get(group) else { return false };
    let mut members = group.members.iter();
    members.any(|it| it.0 == member || contains(permissions, it.0, member))
}
