//! Questions about permissions and about what was done.

use serde::{Deserialize, Serialize};

use crate::{
    agent::audit::Record,
    permission::decide::{Considered, Grant},
};

/// `GET /v1/head`: what a write begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The host's name.
    pub host: String,
    /// Counts the documents that were put in force.
    pub serial: u64,
    /// See [`super::AgentStatus::state_digest`].
    pub state_digest: String,
}

/// `POST /v1/permissions`: whether something may be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionQuery {
    /// Name or object id of the principal; null: who asks.
    pub principal: Option<String>,
    /// The action.
    pub action: String,
    /// ARM id of the resource.
    pub scope: String,
}

/// Answer to [`PermissionQuery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionReply {
    /// Who: the principals.
    pub principal: String,
    /// The action.
    pub action: String,
    /// ARM id of the resource.
    pub scope: String,
    /// Whether it may be done.
    pub allowed: bool,
    /// What allows it.
    pub grant: Option<Grant>,
    /// Azure's code of the denial.
    pub code: Option<String>,
    /// Azure's words for it.
    pub message: Option<String>,
    /// Every assignment of the principal and of its groups.
    pub assignments: Vec<Considered>,
}

/// `POST /v1/audit`: which records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditQuery {
    /// Of whom: name of a principal, or number of a unix user.
    pub principal: Option<String>,
    /// Of actions that contain this text, whatever its case.
    pub operation: Option<String>,
    /// Of resources that are or are below this one.
    pub resource: Option<String>,
    /// Only what was denied.
    pub denied: bool,
    /// Only the newest so many.
    pub last: Option<usize>,
}

impl AuditQuery {
    /// Whether a record is asked for.
    pub fn takes(&self, record: &Record) -> bool {
        let event = &record.event;
        let contains =
            |text: &str, part: &str| text.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        self.principal.as_ref().is_none_or(|it| {
            event.principal.split(", ").any(|name| name.eq_ignore_ascii_case(it))
                || *it == event.uid.to_string()
        }) && self.operation.as_ref().is_none_or(|it| contains(&event.operation, it))
            && self
                .resource
                .as_ref()
                .is_none_or(|it| crate::permission::scope::is_at_or_below(it, &event.resource))
            && (!self.denied || !event.allowed)
    }
}

/// `POST /v1/effective-routes` and `POST /v1/effective-nsg`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NicQuery {
    /// The NIC's name or ARM id.
    pub network_interface: String,
}
