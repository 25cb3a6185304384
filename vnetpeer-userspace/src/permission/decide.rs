//! One action on one resource.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{caller::Caller, pattern::matches, roles::role, scope};
use crate::topology::model::{
    DEFAULT_TENANT, Permissions, PrincipalIndex, RoleAssignment, RoleDefinition,
};

/// Whether something may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed(Grant),
    /// It may not.
    Denied(Reason),
}

/// What allows something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// ARM id of the assignment; null for root, who needs none.
    pub assignment: Option<String>,
    /// Name of the role.
    pub role: String,
}

/// Why something may not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No assignment permits it.
    NotPermitted,
    /// The tenant of the resource's subscription does not know who asks.
    UnknownInTenant {
        /// The tenant.
        tenant: Uuid,
    },
}

/// One assignment as seen from a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// ARM id of the assignment.
    pub assignment: String,
    /// Who has it: the principal itself or a group that it is in.
    pub principal: String,
    /// Name of the role.
    pub role: String,
    /// Where it holds.
    pub scope: String,
    /// Whether it permits the action on the resource.
    pub allows: bool,
    /// Why, in a sentence.
    pub because: String,
}

/// The rights of one caller.
pub struct Rights<'p> {
    permissions: &'p Permissions,
    caller: Caller,
    /// By tenant; what is in no tenant has none.
    effective: BTreeMap<Option<Uuid>, BTreeSet<PrincipalIndex>>,
}

impl<'p> Rights<'p> {
    /// What `caller` may do.
    pub fn new(permissions: &'p Permissions, caller: Caller) -> Self {
        let tenants = permissions.subscriptions.iter().map(|it| Some(it.tenant));
        let tenants = tenants.chain([None, Some(DEFAULT_TENANT)]);
        let effective = tenants.map(|it| (it, caller.effective(permissions, it))).collect();
        Self { permissions, caller, effective }
    }

    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What decides.
    pub fn permissions(&self) -> &'p Permissions {
        self.permissions
    }

    /// Whether the caller may do `action` on the resource `id`.
    pub fn decide(&self, action: &str, id: &str) -> Decision {
        if self.caller.is_owner {
            return Decision::Allowed(Grant { assignment: None, role: "Owner".to_owned() });
        }
        let tenant = self.tenant(id);
        let Some(principals) = self.effective.get(&tenant) else {
            return Decision::Denied(Reason::NotPermitted);
        };
        if let Some(tenant) = tenant
            && principals.is_empty()
            && !self.caller.principals.is_empty()
        {
            return Decision::Denied(Reason::UnknownInTenant { tenant });
        }
        let assignments = self.permissions.assignments.iter();
        let mut held = assignments.filter(|it| principals.contains(&it.principal));
        let allowing = held.find_map(|it| {
            let role = role(self.permissions, it.role)?;
            let covers = scope::covers(self.permissions, &it.scope, id);
            (covers && permits(role, action)).then_some((it, role))
        });
        match allowing {
            Some((assignment, role)) => Decision::Allowed(Grant {
                assignment: Some(assignment.id.clone()),
                role: role.name.clone(),
            }),
            None => Decision::Denied(Reason::NotPermitted),
        }
    }

    /// Whether the caller may do `action` on the resource `id`.
    pub fn may(&self, action: &str, id: &str) -> bool {
        matches!(self.decide(action, id), Decision::Allowed(_))
    }

    /// Every assignment of the caller and of its groups, and what it has to say.
    pub fn explain(&self, action: &str, id: &str) -> Vec<Considered> {
        let counted = self.effective.get(&self.tenant(id));
        let everywhere = self.effective.get(&None);
        let assignments = self.permissions.assignments.iter();
        let held =
            assignments.filter(|it| everywhere.is_some_and(|all| all.contains(&it.principal)));
        let considered = held.filter_map(|it| {
            let principal = self.permissions.principal(it.principal)?;
            let role = role(self.permissions, it.role)?;
            let is_known = counted.is_some_and(|all| all.contains(&it.principal));
            let refusal = self.refusal(it, role, action, id, is_known);
            Some(Considered {
                assignment: it.id.clone(),
                principal: principal.name.clone(),
                role: role.name.clone(),
                scope: it.scope.clone(),
                allows: refusal.is_none(),
                because: refusal.unwrap_or_else(|| "the role permits the action here".to_owned()),
            })
        });
        considered.collect()
    }

    /// Why an assignment does not permit something.
    fn refusal(
        &self,
        assignment: &RoleAssignment,
        role: &RoleDefinition,
        action: &str,
        id: &str,
        is_known: bool,
    ) -> Option<String> {
        if !scope::covers(self.permissions, &assignment.scope, id) {
            return Some("the resource is not below the scope".to_owned());
        }
        if !is_known {
            return Some("the resource's tenant does not know the principal".to_owned());
        }
        if permits(role, action) {
            return None;
        }
        let named = role.permissions.iter().any(|it| has(&it.actions, action));
        Some(if named {
            "the role's notActions take the action out".to_owned()
        } else {
            "the role's actions do not have the action".to_owned()
        })
    }

    /// The tenant of the subscription that an id is in; none of what is in no subscription.
    fn tenant(&self, id: &str) -> Option<Uuid> {
        scope::subscription(id).map(|it| self.permissions.tenant(it))
    }
}

/// Whether a role permits an action: one of its permissions has it and does not take it out.
pub fn permits(role: &RoleDefinition, action: &str) -> bool {
    role.permissions.iter().any(|it| has(&it.actions, action) && !has(&it.not_actions, action))
}

fn has(patterns: &[String], action: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, action))
}
