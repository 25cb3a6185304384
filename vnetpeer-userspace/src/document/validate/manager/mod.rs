//! Network managers (AZ §6): what they group, what they would connect and filter, and what of it their
//! commits put in force.

mod commit;
mod condition;
mod connected;
mod connectivity;
mod deploy;
mod group;
mod peerings;
mod rules;
mod scope;
mod security;

use self::{
    connectivity::ConfigurationSpans, group::Groups, scope::Scope, security::CollectionDraft,
};
pub(super) use self::{
    deploy::deploy,
    security::{AdminRulesDraft, deploy as deploy_rules},
};
use super::{
    super::{
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id, segment},
        problem::Findings,
        types::{ManagerProperties, Resource},
    },
    incomplete,
    service_tag::ServiceTags,
    vnet::Vnets,
};
use crate::topology::model::{NetworkManager, Permissions, ResourceId, ScopeAccess};

const KIND: &str = "networkManagers";

/// Azure's limits, unless the manager says otherwise.
const VNETS_PER_CONNECTED_GROUP: usize = 250;
const CONNECTED_GROUPS_PER_VNET: usize = 2;

/// A network manager and the places that its mistakes are shown at.
pub(super) struct ManagerDraft {
    pub(super) manager: NetworkManager,
    /// By connectivity configuration.
    spans: Vec<ConfigurationSpans>,
    /// By security admin configuration.
    collections: Vec<Vec<CollectionDraft>>,
}

/// What managers may name.
pub(super) struct Nameable<'d> {
    pub(super) tags: &'d ServiceTags,
    pub(super) permissions: &'d Permissions,
    pub(super) vnets: &'d Vnets,
}

/// What the parts of a manager are judged by.
struct Context<'d> {
    vnets: &'d Vnets,
    tags: &'d ServiceTags,
    permissions: &'d Permissions,
    /// The manager.
    named: Named,
}

impl Context<'_> {
    /// The id of a part.
    fn child(&self, kind: &str, name: &Spanned<String>) -> Named {
        let id = format!("{}/{kind}/{}", self.named.id, segment(&name.value));
        Named { id: ResourceId::new(id), span: name.span }
    }
}

/// Reads all of them.
pub(super) fn collect(
    list: Option<&List<Resource<ManagerProperties>>>,
    nameable: &Nameable<'_>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Vec<ManagerDraft> {
    let mut registry = Registry::new(KIND, incomplete(list));
    let mut drafts = Vec::new();
    for resource in list.into_iter().flatten() {
        let header = resource.header();
        let Some(named) = resource_id(KIND, header, defaults, findings) else { continue };
        registry.add(&named, findings);
        let Some(properties) = resource.properties.as_ref() else { continue };
        let location = resource.location.as_ref();
        let location = location.map_or_else(|| defaults.location.clone(), |it| it.value.0.clone());
        let Nameable { vnets, tags, permissions } = *nameable;
        let context = Context { vnets, tags, permissions, named };
        drafts.extend(draft(&context, location, properties, findings));
    }
    // What is deployed by a manager of a higher scope comes first.
    drafts.sort_by_key(|it| !it.manager.is_of_management_group());
    drafts
}

fn draft(
    context: &Context<'_>,
    location: String,
    properties: &ManagerProperties,
    findings: &mut Findings,
) -> Option<ManagerDraft> {
    let scopes = properties.network_manager_scopes.as_ref()?;
    let scope = Scope::read(scopes, &context.named, context.permissions, findings);
    let all = [ScopeAccess::Connectivity, ScopeAccess::SecurityAdmin];
    let accesses = properties.network_manager_scope_accesses.as_ref();
    let accesses = accesses
        .map_or_else(|| all.to_vec(), |list| list.items.iter().map(|it| it.value).collect());
    let groups = Groups::read(context, &scope, properties.network_groups.as_ref(), findings);
    let list = properties.connectivity_configurations.as_ref();
    let connectivity = connectivity::read(context, &scope, &groups, list, findings);
    let list = properties.security_admin_configurations.as_ref();
    let security = security::read(context, &groups, list, findings);
    let registries = commit::Registries {
        connectivity: &connectivity.registry,
        security: &security.registry,
        accesses: &accesses,
    };
    let commits = commit::read(context, &registries, properties.commits.as_ref(), findings);
    let limit = |value: Option<u32>, default| {
        value.and_then(|value| usize::try_from(value).ok()).unwrap_or(default)
    };
    let vnets = properties.connected_group_vnet_limit.as_ref().map(|it| it.value.0);
    let per_vnet = properties.connected_groups_per_vnet_limit.as_ref().map(|it| it.value.0);
    Some(ManagerDraft {
        manager: NetworkManager {
            id: context.named.id.clone(),
            location,
            management_groups: scope.management_groups,
            subscriptions: scope.subscriptions,
            accesses,
            connected_group_vnet_limit: limit(vnets, VNETS_PER_CONNECTED_GROUP),
            connected_groups_per_vnet_limit: limit(per_vnet, CONNECTED_GROUPS_PER_VNET),
            groups: groups.list,
            connectivity: connectivity.list,
            security_admin: security.list,
            commits,
        },
        spans: connectivity.spans,
        collections: security.collections,
    })
}
