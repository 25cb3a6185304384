//! Strings and numbers of permissions.

use schemars::{Schema, json_schema};
use uuid::Uuid;

use super::{
    super::{
        code::Code,
        decode::{Refusal, Scalar},
        tree::Value,
    },
    Keyword, invalid_value, keyword, keywords, refusal,
    rule::number,
    text, words,
};
use crate::topology::model::PrincipalType;

/// A GUID, of a tenant or an object of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct Guid(pub(in crate::document) Uuid);

impl Scalar for Guid {
    const EXPECTED: &'static str = "a GUID such as 00000000-0000-0000-0000-000000000001";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let guid = (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten();
        guid.map(Self).ok_or_else(|| invalid_value(text, Self::EXPECTED))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

number! {
    /// The number of a unix user or group. That of root is none: root may do everything.
    UnixId: u32 = 1..=4_294_967_294, "a number from 1 to 4294967294", InvalidPropertyValue
}

/// An action of a role, with `*` for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) struct ActionPattern(pub(in crate::document) String);

impl Scalar for ActionPattern {
    const EXPECTED: &'static str = "an action such as Microsoft.Network/virtualNetworks/read";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || "*./-_".contains(c);
        let has_parts = text == "*" || text.contains('*') || text.contains('/');
        if text.is_empty() || !has_parts || !text.chars().all(is_word) {
            return Err(invalid_value(text, Self::EXPECTED));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9*./_-]+$" })
    }
}

/// Where an assignment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) struct Scope(pub(in crate::document) String);

impl Scalar for Scope {
    const EXPECTED: &'static str = "`/`, or the ARM id of a management group, a subscription, a \
                                    resource group, a host or a resource";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let scope = if text == "/" { text } else { text.trim_end_matches('/') };
        if is_scope(scope) {
            return Ok(Self(scope.to_owned()));
        }
        let message = format!("`{text}` is not {}", Self::EXPECTED);
        let help = "write /subscriptions/<guid>/resourceGroups/<group> for instance";
        Err(refusal(Code::InvalidResourceId, message, help))
    }
}

fn is_scope(scope: &str) -> bool {
    let Some(rest) = scope.strip_prefix('/') else { return false };
    let segments: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
    if segments.iter().any(|it| it.is_empty()) {
        return false;
    }
    let is =
        |at: usize, word: &str| segments.get(at).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let guid = segments.get(1).is_some_and(|it| it.len() == 36 && Uuid::parse_str(it).is_ok());
    match segments.len() {
        0 => true,
        4 if is(0, "providers") => {
            (is(1, "Microsoft.Management") && is(2, "managementGroups"))
                || (is(1, "Vnetpeer.Hosts") && is(2, "hosts"))
        }
        2 => is(0, "subscriptions") && guid,
        4 => is(0, "subscriptions") && guid && is(2, "resourceGroups"),
        count => {
            let parts = count >= 8 && count.is_multiple_of(2);
            let inside = is(0, "subscriptions") && guid && is(2, "resourceGroups");
            parts && inside && is(4, "providers")
        }
    }
}

/// `type` of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct PrincipalWord(pub(in crate::document) PrincipalType);

/// `type` of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum RoleKind {
    Custom,
}

keywords!(PrincipalWord, "User, Group or ServicePrincipal", [
    "User" => Some(Self(PrincipalType::User)),
    "Group" => Some(Self(PrincipalType::Group)),
    "ServicePrincipal" => Some(Self(PrincipalType::ServicePrincipal)),
]);
keywords!(RoleKind, "CustomRole", [
    "CustomRole" => Some(Self::Custom),
]);
