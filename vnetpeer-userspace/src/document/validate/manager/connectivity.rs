//! Connectivity configurations as written.

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            names::Registry,
            problem::{Finding, Findings},
            scalar::{AddressOverlap, Flag, GroupConnectivity, PeeringEnforcement},
            source::Span,
            types::{Child, ConnectivityProperties, Hub},
        },
        PartNames, incomplete, is_empty, limit,
    },
    Context,
    group::Groups,
    scope::Scope,
};
use crate::topology::model::{
    ConnectivityConfiguration, ConnectivityGroup, ConnectivityTopology, VnetIndex,
};

/// The configurations of one manager.
pub(super) struct Configurations {
    pub(super) registry: Registry,
    pub(super) list: Vec<ConnectivityConfiguration>,
    /// As `list`.
    pub(super) spans: Vec<ConfigurationSpans>,
}

/// Where a configuration says what.
pub(super) struct ConfigurationSpans {
    pub(super) name: Span,
    pub(super) hub: Span,
    /// By group: the group, and `useHubGateway`.
    pub(super) groups: Vec<(Span, Span)>,
}

pub(super) fn read(
    context: &Context<'_>,
    scope: &Scope<'_>,
    groups: &Groups,
    list: Option<&List<Child<ConnectivityProperties>>>,
    findings: &mut Findings,
) -> Configurations {
    let kind = "networkManagers/connectivityConfigurations";
    let mut found = Configurations {
        registry: Registry::new(kind, incomplete(list)),
        list: Vec::new(),
        spans: Vec::new(),
    };
    let mut taken = PartNames::default();
    for child in list.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else {
            found.registry.set_incomplete();
            continue;
        };
        taken.add("connectivityConfiguration", name, findings);
        let named = context.child("connectivityConfigurations", name);
        found.registry.add(&named, findings);
        let Some(properties) = child.properties.as_ref() else { continue };
        let Some(topology) = properties.connectivity_topology.as_ref() else { continue };
        let hub = hub(context, scope, (name, topology.value), properties.hubs.as_ref(), findings);
        let (applied, spans) = applied(properties, topology.value, groups, findings);
        let capabilities = properties.connectivity_capabilities.as_ref();
        let overlap = capabilities.and_then(|it| it.address_overlap.as_ref());
        let enforcement = capabilities.and_then(|it| it.peering_enforcement.as_ref());
        if topology.value == ConnectivityTopology::HubAndSpoke {
            let help = "write it in the groups of appliesToGroups";
            refuse_flag("isGlobal", properties.is_global.as_ref(), "a hub", help, findings);
        }
        found.spans.push(ConfigurationSpans {
            name: name.span,
            hub: hub.map_or(name.span, |it| it.1),
            groups: spans,
        });
        found.list.push(ConnectivityConfiguration {
            id: named.id,
            topology: topology.value,
            hub: hub.map(|it| it.0),
            is_global: is_set(properties.is_global.as_ref()),
            groups: applied,
            delete_existing_peering: is_set(properties.delete_existing_peering.as_ref()),
            disallow_overlap: overlap.is_some_and(|it| it.value == AddressOverlap::Disallowed),
            enforced: enforcement.is_some_and(|it| it.value == PeeringEnforcement::Enforced),
            deployed: Vec::new(),
        });
    }
    found
}

fn is_set(flag: Option<&Spanned<Flag>>) -> bool {
    flag.is_some_and(|it| it.value.0)
}

/// Reports a flag that means nothing where it is.
fn refuse_flag(
    property: &str,
    flag: Option<&Spanned<Flag>>,
    with: &str,
    help: &str,
    findings: &mut Findings,
) {
    let Some(flag) = flag.filter(|it| it.value.0) else { return };
    let message = format!("`{property}` says nothing in a configuration with {with}");
    findings.push(Finding::error(Code::ConflictingProperties, flag.span, message).help(help));
}

/// The one hub of a configuration, and its place.
fn hub(
    context: &Context<'_>,
    scope: &Scope<'_>,
    (name, topology): (&Spanned<String>, ConnectivityTopology),
    hubs: Option<&List<Hub>>,
    findings: &mut Findings,
) -> Option<(VnetIndex, Span)> {
    if topology == ConnectivityTopology::Mesh {
        if let Some(hubs) = hubs.filter(|hubs| !hubs.items.is_empty()) {
            let message = "a mesh has no hub";
            findings.push(
                Finding::error(Code::ConflictingProperties, hubs.span, message)
                    .help("remove `hubs`, or write connectivityTopology: HubAndSpoke"),
            );
        }
        return None;
    }
    let Some(hubs) = hubs.filter(|hubs| !is_empty(hubs)) else {
        let message = format!("connectivityConfiguration `{}` has no hub", name.value);
        findings.push(
            Finding::error(Code::MissingProperty, name.span, message)
                .help("name a virtualNetwork in `hubs`"),
        );
        return None;
    };
    if let Some(second) = hubs.items.get(1).and_then(|it| it.resource_id.as_ref()) {
        let help = "write another configuration for the other hub";
        findings.push(limit("hub of a connectivityConfiguration", 1, second.span, help));
    }
    let reference = hubs.items.first()?.resource_id.as_ref()?;
    let vnets = context.vnets;
    let index = vnets.registry.find(reference, Code::InvalidResourceReference, findings)?;
    let vnet = vnets.list.get(index)?;
    scope.takes(vnet, reference, findings).then_some((VnetIndex(index), reference.span))
}

/// The groups that a configuration connects, with their places.
fn applied(
    properties: &ConnectivityProperties,
    topology: ConnectivityTopology,
    groups: &Groups,
    findings: &mut Findings,
) -> (Vec<ConnectivityGroup>, Vec<(Span, Span)>) {
    let Some(list) = properties.applies_to_groups.as_ref() else { return Default::default() };
    if is_empty(list) {
        let message = "the configuration connects no group";
        findings.push(
            Finding::error(Code::MissingProperty, list.span, message).help("name a networkGroup"),
        );
    }
    let items = list.into_iter().filter_map(|it| Some((it, it.network_group_id.as_ref()?)));
    let items: Vec<_> = items.collect();
    let found = groups.find_all(items.iter().map(|it| it.1), findings);
    let mut applied = Vec::new();
    let mut spans = Vec::new();
    for ((item, reference), group) in items.into_iter().zip(found) {
        if topology == ConnectivityTopology::Mesh {
            let gateway = item.use_hub_gateway.as_ref();
            refuse_flag("useHubGateway", gateway, "a mesh", "write \"False\"", findings);
            let help = "write isGlobal: \"True\" beside connectivityTopology";
            refuse_flag("isGlobal", item.is_global.as_ref(), "a mesh", help, findings);
        }
        let Some(group) = group else { continue };
        let connectivity = item.group_connectivity.as_ref().map(|it| it.value);
        applied.push(ConnectivityGroup {
            group,
            use_hub_gateway: is_set(item.use_hub_gateway.as_ref()),
            is_global: is_set(item.is_global.as_ref()),
            directly_connected: connectivity == Some(GroupConnectivity::DirectlyConnected),
        });
        let gateway = item.use_hub_gateway.as_ref();
        spans.push((reference.span, gateway.map_or(reference.span, |it| it.span)));
    }
    (applied, spans)
}
