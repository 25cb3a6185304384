//! Roles that are not built in.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            problem::{Finding, Findings},
            scalar::ActionPattern,
            source::Span,
            types,
        },
        incomplete, is_empty,
    },
    Names, guid_of,
};
use crate::{
    permission::roles::built_in,
    topology::model::{Permissions, RoleDefinition, RoleIndex, RolePermission},
};

/// The roles by their names and by their GUIDs.
pub(super) struct Roles {
    names: Names,
    guids: HashMap<Uuid, RoleIndex>,
}

impl Roles {
    /// The role that an assignment means: by name, GUID or ARM id. `None` if it was reported.
    pub(super) fn find(
        &self,
        reference: &Spanned<String>,
        findings: &mut Findings,
    ) -> Option<RoleIndex> {
        let last = reference.value.rsplit('/').next().unwrap_or_default();
        let guid = Uuid::parse_str(last).ok().filter(|_| last.len() == 36);
        if let Some(index) = guid.and_then(|guid| self.guids.get(&guid)) {
            return Some(*index);
        }
        let code = Code::RoleDefinitionDoesNotExist;
        let index = self.names.find(reference, code, findings)?;
        let built_in = built_in().len();
        Some(match index.checked_sub(built_in) {
            Some(custom) => RoleIndex::Custom(custom),
            None => RoleIndex::BuiltIn(index),
        })
    }
}

pub(super) fn collect(
    list: Option<&List<types::RoleDefinition>>,
    permissions: &mut Permissions,
    findings: &mut Findings,
) -> Roles {
    let mut names = Names::new("role", incomplete(list));
    let mut guids = HashMap::new();
    for (index, role) in built_in().iter().enumerate() {
        let name = Spanned { value: role.name.clone(), span: Span::default() };
        names.add(&name, index, Code::RoleDefinitionWithSameNameExists, findings);
        guids.insert(role.guid, RoleIndex::BuiltIn(index));
    }
    for written in list.into_iter().flatten() {
        let Some(properties) = written.properties.as_ref() else { continue };
        let Some(name) = properties.role_name.as_ref() else { continue };
        let index = permissions.custom_roles.len();
        let code = Code::RoleDefinitionWithSameNameExists;
        names.add(name, built_in().len() + index, code, findings);
        let guid = written.name.as_ref().map_or_else(|| guid_of(&name.value), |it| it.value.0);
        if guids.insert(guid, RoleIndex::Custom(index)).is_some() {
            let span = written.name.as_ref().map_or(name.span, |it| it.span);
            let message = format!("two roles have the name {guid}");
            findings.push(
                Finding::error(Code::DuplicateResource, span, message).help("change one of them"),
            );
        }
        let scopes = properties.assignable_scopes.as_ref();
        if let Some(scopes) = scopes.filter(|it| is_empty(it)) {
            let message = "`assignableScopes` is empty".to_owned();
            findings.push(
                Finding::error(Code::MissingProperty, scopes.span, message).help(
                    "write where the role can be assigned, /subscriptions/<guid> for instance",
                ),
            );
        }
        permissions.custom_roles.push(RoleDefinition {
            guid,
            name: name.value.clone(),
            description: properties
                .description
                .as_ref()
                .map(|it| it.value.clone())
                .unwrap_or_default(),
            permissions: properties.permissions.iter().flatten().map(permission).collect(),
            assignable_scopes: scopes.into_iter().flatten().map(|it| it.value.0.clone()).collect(),
        });
    }
    Roles { names, guids }
}

fn permission(written: &types::RolePermission) -> RolePermission {
    let patterns = |list: Option<&List<Spanned<ActionPattern>>>| {
        list.into_iter().flatten().map(|it| it.value.0.clone()).collect()
    };
    RolePermission {
        actions: patterns(written.actions.as_ref()),
        not_actions: patterns(written.not_actions.as_ref()),
    }
}
