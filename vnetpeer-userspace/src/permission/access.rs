//! An action with the actions on other resources that Azure links to it, and Azure's words for a denial.

use serde::Serialize;

use super::{
    decide::{Decision, Grant, Reason, Rights},
    scope,
};
use crate::explanation::ErrorCode;

/// No assignment permits an action.
pub const AUTHORIZATION_FAILED: &str = ErrorCode::AuthorizationFailed.name();
/// No assignment permits what is linked to an action.
pub const LINKED_AUTHORIZATION_FAILED: &str = ErrorCode::LinkedAuthorizationFailed.name();
/// The tenant of a resource does not know who asks.
pub const INVALID_AUTHENTICATION_TOKEN_TENANT: &str =
    ErrorCode::InvalidAuthenticationTokenTenant.name();

/// Whether an error code says that permission was denied.
pub fn is_denial(code: &str) -> bool {
    [AUTHORIZATION_FAILED, LINKED_AUTHORIZATION_FAILED, INVALID_AUTHENTICATION_TOKEN_TENANT]
        .contains(&code)
}

/// Something that is done to a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// The action.
    pub action: String,
    /// ARM id of the resource.
    pub id: String,
    /// What must be permitted on other resources besides.
    pub links: Vec<Link>,
}

/// An action on a resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The action.
    pub action: String,
    /// ARM id of the resource.
    pub id: String,
}

/// What became of an [`Access`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done, by these grants: that of the action itself first.
    Allowed(Vec<Grant>),
    /// It may not be done.
    Denied(Denial),
}

/// An error as Azure words it, with status 403, or 401 for an unknown tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    /// Azure's code.
    pub code: &'static str,
    /// Azure's message.
    pub message: String,
    /// The action that was denied, or to which the denied one is linked.
    pub action: String,
    /// ARM id of the resource.
    pub id: String,
}

impl Denial {
    /// What is for root alone.
    pub fn owner_only(rights: &Rights<'_>, what: &str) -> Self {
        let client = client(rights);
        let message = format!(
            "The client {client} does not have authorization to perform action '{what}' over scope \
             '/': only root has."
        );
        Self { code: AUTHORIZATION_FAILED, message, action: what.to_owned(), id: "/".to_owned() }
    }
}

impl Access {
    /// An action without links.
    pub fn new(action: impl Into<String>, id: impl Into<String>) -> Self {
        Self { action: action.into(), id: id.into(), links: Vec::new() }
    }

    /// With another action linked to it.
    #[must_use]
    pub fn linked(mut self, action: impl Into<String>, id: impl Into<String>) -> Self {
        let link = Link { action: action.into(), id: id.into() };
        if !self.links.contains(&link) {
            self.links.push(link);
        }
        self
    }

    /// Asks for the action first, then for what is linked to it.
    pub fn check(&self, rights: &Rights<'_>) -> Verdict {
        let mut grants = Vec::new();
        match rights.decide(&self.action, &self.id) {
            Decision::Allowed(grant) => grants.push(grant),
            Decision::Denied(reason) => return Verdict::Denied(self.denied(rights, reason)),
        }
        let mut missing = Vec::new();
        for link in &self.links {
            match rights.decide(&link.action, &link.id) {
                Decision::Allowed(grant) => grants.push(grant),
                Decision::Denied(Reason::UnknownInTenant { .. }) => {
                    return Verdict::Denied(self.unknown_tenant(rights, link));
                }
                Decision::Denied(Reason::NotPermitted) => missing.push(link),
            }
        }
        if missing.is_empty() {
            return Verdict::Allowed(grants);
        }
        Verdict::Denied(self.not_linked(rights, &missing))
    }

    fn denied(&self, rights: &Rights<'_>, reason: Reason) -> Denial {
        let (client, Self { action, id, .. }) = (client(rights), self);
        match reason {
            Reason::NotPermitted => self.denial(
                AUTHORIZATION_FAILED,
                format!(
                    "The client {client} does not have authorization to perform action '{action}' \
                     over scope '{id}' or the scope is invalid. If access was recently granted, \
                     please refresh your credentials."
                ),
            ),
            Reason::UnknownInTenant { tenant } => self.denial(
                INVALID_AUTHENTICATION_TOKEN_TENANT,
                format!(
                    "The client {client} is of tenant '{}'. It must match the tenant '{tenant}' \
                     associated with this subscription; make it a guest there.",
                    home(rights)
                ),
            ),
        }
    }

    fn not_linked(&self, rights: &Rights<'_>, missing: &[&Link]) -> Denial {
        let (client, Self { action, id, .. }) = (client(rights), self);
        let actions = missing.iter().map(|it| it.action.as_str()).collect::<Vec<_>>().join(",");
        let ids = missing.iter().map(|it| it.id.as_str()).collect::<Vec<_>>().join(",");
        self.denial(
            LINKED_AUTHORIZATION_FAILED,
            format!(
                "The client {client} has permission to perform action '{action}' on scope '{id}'; \
                 however, it does not have permission to perform action(s) '{actions}' on the linked \
                 scope(s) '{ids}' (respectively) or the linked scope(s) are invalid."
            ),
        )
    }

    fn unknown_tenant(&self, rights: &Rights<'_>, link: &Link) -> Denial {
        let (client, Self { action, id, .. }) = (client(rights), self);
        let subscription = scope::subscription(&link.id).unwrap_or_default();
        let current = scope::subscription(id);
        let current = current.map_or_else(
            || home(rights),
            |subscription| rights.permissions().tenant(subscription).to_string(),
        );
        self.denial(
            INVALID_AUTHENTICATION_TOKEN_TENANT,
            format!(
                "The client {client} has permission to perform action '{action}' on scope '{id}'; \
                 however, the current tenant '{current}' is not authorized to access linked \
                 subscription '{subscription}'."
            ),
        )
    }

    fn denial(&self, code: &'static str, message: String) -> Denial {
        let (action, id) = (self.action.clone(), self.id.clone());
        Denial { code, message, action, id }
    }
}

/// `'name' with object id 'guid'`.
fn client(rights: &Rights<'_>) -> String {
    let (caller, permissions) = (rights.caller(), rights.permissions());
    format!("'{}' with object id '{}'", caller.name(permissions), caller.object_id(permissions))
}

fn home(rights: &Rights<'_>) -> String {
    let tenant = rights.caller().home_tenant(rights.permissions());
    tenant.map_or_else(String::new, |it| it.to_string())
}
