//! Whose virtual networks a manager manages.

use uuid::Uuid;

use super::super::{
    super::{
        code::Code,
        decode::Spanned,
        names::Named,
        problem::{Finding, Findings},
        types::ManagerScopes,
    },
    vnet::VnetDraft,
};
use crate::topology::model::Permissions;

/// The scope of a manager.
pub(super) struct Scope<'p> {
    /// Names.
    pub(super) management_groups: Vec<String>,
    pub(super) subscriptions: Vec<String>,
    permissions: &'p Permissions,
    /// The manager's.
    tenant: Uuid,
}

impl<'p> Scope<'p> {
    pub(super) fn read(
        scopes: &ManagerScopes,
        manager: &Named,
        permissions: &'p Permissions,
        findings: &mut Findings,
    ) -> Self {
        let lists = [
            scopes.management_groups.as_ref().map(|it| (it.items.is_empty(), it.incomplete)),
            scopes.subscriptions.as_ref().map(|it| (it.items.is_empty(), it.incomplete)),
        ];
        let is_empty = lists.iter().flatten().all(|(empty, incomplete)| *empty && !incomplete);
        if is_empty && lists.iter().any(Option::is_some) {
            let message = format!("the scope of `{}` has no subscription", manager.id.name());
            findings.push(
                Finding::error(Code::MissingProperty, manager.span, message)
                    .help("name a subscription in networkManagerScopes.subscriptions"),
            );
        }
        for group in scopes.management_groups.iter().flatten() {
            if permissions.management_group(&group.value.0).is_none() {
                let message =
                    format!("management group `{}` is not in the document", group.value.0);
                findings.push(
                    Finding::error(Code::InvalidResourceReference, group.span, message)
                        .help("add it to `managementGroups`, or name a subscription instead"),
                );
            }
        }
        let groups = scopes.management_groups.iter().flatten().map(|it| it.value.0.clone());
        let subscriptions = scopes.subscriptions.iter().flatten().map(|it| it.value.0.clone());
        Self {
            management_groups: groups.collect(),
            subscriptions: subscriptions.collect(),
            permissions,
            tenant: permissions.tenant(&manager.subscription()),
        }
    }

    /// Whether the manager finds a VNet by conditions: it is in the scope and of the same tenant.
    pub(super) fn covers(&self, vnet: &VnetDraft) -> bool {
        let subscription = vnet.named.subscription();
        self.permissions.tenant(&subscription) == self.tenant && self.holds(&subscription)
    }

    /// Whether a subscription is in the scope, itself or by a management group around it.
    fn holds(&self, subscription: &str) -> bool {
        if self.subscriptions.iter().any(|it| it == subscription) {
            return true;
        }
        let subscription = self.permissions.subscription(subscription);
        let mut group = subscription.and_then(|it| it.management_group.as_deref());
        while let Some(name) = group {
            if self.management_groups.iter().any(|it| it.eq_ignore_ascii_case(name)) {
                return true;
            }
            group = self.permissions.management_group(name).and_then(|it| it.parent.as_deref());
        }
        false
    }

    /// Whether a VNet that is named can be managed; reports why it cannot. One of another tenant can.
    pub(super) fn takes(
        &self,
        vnet: &VnetDraft,
        reference: &Spanned<String>,
        findings: &mut Findings,
    ) -> bool {
        let name = vnet.named.id.name();
        if vnet.classic {
            let message = format!("virtualNetwork `{name}` is classic: no manager manages it");
            findings.push(
                Finding::error(Code::ClassicVnetNotManaged, reference.span, message)
                    .help("remove it, or move it to the Resource Manager deployment model")
                    .note(vnet.named.span, "classic"),
            );
            return false;
        }
        let subscription = vnet.named.subscription();
        let is_foreign = self.permissions.tenant(&subscription) != self.tenant;
        if !is_foreign && !self.holds(&subscription) {
            let message = format!("virtualNetwork `{name}` is not in the scope of the manager");
            findings.push(
                Finding::error(Code::VnetNotInNetworkManagerScope, reference.span, message)
                    .help(format!("add /subscriptions/{subscription} to networkManagerScopes")),
            );
            return false;
        }
        true
    }
}
