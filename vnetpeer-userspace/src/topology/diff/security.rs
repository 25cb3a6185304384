//! Properties of what filters, and of gateways.

use std::collections::BTreeMap;

use super::{Properties, name};
use crate::topology::model::{
    AdminRules, ConnectedGroup, ConnectionRemote, Endpoints, Gateway, NetworkManager, ResourceId,
    RuleSide, SecurityGroup, SecurityRule, Topology,
};

pub(super) fn describe_group(topology: &Topology, group: &SecurityGroup) -> Properties {
    BTreeMap::from([
        ("securityRules", rules(topology, &group.rules)),
        ("flushConnection", group.flush_connection.to_string()),
    ])
}

pub(super) fn describe_admin_rules(topology: &Topology, admin: &AdminRules) -> Properties {
    let vnets = admin.vnets.iter().map(|vnet| name(topology.vnet(*vnet).map(|vnet| &vnet.id)));
    BTreeMap::from([
        ("rules", rules(topology, &admin.rules)),
        ("appliesTo", sorted(vnets.collect())),
    ])
}

pub(super) fn describe_manager(topology: &Topology, manager: &NetworkManager) -> Properties {
    let commits = manager.commits.iter().map(|it| {
        let configurations = it.configurations.iter().map(|id| name(Some(id))).collect();
        format!("{:?} {:?} {}", it.commit_type, it.locations, sorted(configurations))
    });
    let group = |index: usize| name(manager.groups.get(index).map(|group| &group.id));
    let connectivity = manager.connectivity.iter().map(|it| {
        let hub = name(it.hub.and_then(|hub| topology.vnet(hub)).map(|vnet| &vnet.id));
        let groups = it.groups.iter().map(|applied| {
            let flags = (applied.use_hub_gateway, applied.is_global, applied.directly_connected);
            format!("{} {flags:?}", group(applied.group))
        });
        let flags = (it.is_global, it.delete_existing_peering, it.disallow_overlap, it.enforced);
        format!("{} {:?} {hub} {flags:?} {}", it.id, it.topology, sorted(groups.collect()))
    });
    let security = manager.security_admin.iter().map(|it| {
        let collections = it.collections.iter().map(|(id, groups, _)| {
            let groups = groups.iter().map(|index| group(*index));
            format!("{id} {}", sorted(groups.collect()))
        });
        sorted(collections.collect())
    });
    let groups = manager.groups.iter().map(|it| name(Some(&it.id)));
    BTreeMap::from([
        ("location", manager.location.clone()),
        (
            "networkManagerScopes",
            format!("{:?} {:?}", manager.management_groups, manager.subscriptions),
        ),
        ("networkGroups", sorted(groups.collect())),
        ("connectivityConfigurations", sorted(connectivity.collect())),
        ("securityAdminConfigurations", sorted(security.collect())),
        ("commits", sorted(commits.collect())),
    ])
}

pub(super) fn describe_connected_group(topology: &Topology, group: &ConnectedGroup) -> Properties {
    let members = group.members.iter().map(|it| name(topology.vnet(*it).map(|vnet| &vnet.id)));
    BTreeMap::from([("members", sorted(members.collect()))])
}

pub(super) fn describe_gateway(topology: &Topology, gateway: &Gateway) -> Properties {
    let connections = gateway.connections.iter().map(|connection| {
        let remote = match &connection.remote {
            ConnectionRemote::Gateway(other) => {
                name(topology.gateway(*other).map(|gateway| &gateway.id))
            }
            other => format!("{other:?}"),
        };
        format!("{} {remote}", connection.id)
    });
    BTreeMap::from([
        ("gatewayType", format!("{:?}", gateway.gateway_type)),
        ("sku", gateway.sku.clone()),
        ("connections", sorted(connections.collect())),
        ("asn", gateway.asn.to_string()),
        ("enableBgp", gateway.bgp.to_string()),
        ("allowRemoteVnetTraffic", gateway.allow_remote_vnet_traffic.to_string()),
    ])
}

fn rules(topology: &Topology, rules: &[SecurityRule]) -> String {
    let rules = rules.iter().map(|rule| {
        let (direction, access, protocol) = (rule.direction, rule.access, rule.protocol);
        let kind = format!("{} {} {direction:?} {access:?} {protocol:?}", rule.name, rule.priority);
        let sides = [&rule.source, &rule.destination].map(|side| describe_side(topology, side));
        format!("{kind} {}", sides.join(" "))
    });
    sorted(rules.collect())
}

/// One end of a rule; groups by their ids, since indices change with other resources.
fn describe_side(topology: &Topology, side: &RuleSide) -> String {
    let endpoints = match &side.endpoints {
        Endpoints::Groups(groups) => {
            let known = &topology.application_security_groups;
            let ids = groups.iter().map(|it| name(known.get(it.0).map(|group| &group.id)));
            sorted(ids.collect())
        }
        other => format!("{other:?}"),
    };
    format!("{endpoints} {:?}", side.ports)
}

/// The ids of the application security groups of a NIC.
pub(super) fn application_groups<'a>(
    topology: &'a Topology,
    groups: impl IntoIterator<Item = usize> + 'a,
) -> String {
    let known = &topology.application_security_groups;
    let ids = groups.into_iter().filter_map(|index| known.get(index)).map(|group| &group.id);
    sorted(ids.map(ResourceId::to_string).collect())
}

fn sorted(mut texts: Vec<String>) -> String {
    texts.sort_unstable();
    texts.join("\n")
}
