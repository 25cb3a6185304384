//! Network managers and their configurations in Azure's shapes.

use serde_json::{Value, json};

use crate::topology::model::{
    CommitType, ConnectivityConfiguration, ConnectivityTopology, NetworkGroup, NetworkManager,
    Topology, VnetIndex,
};

/// A flag that Azure writes as a string.
const fn flag(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

fn vnet_id(topology: &Topology, vnet: VnetIndex) -> Value {
    json!(topology.vnet(vnet).map(|it| &it.id))
}

pub(super) fn all(topology: &Topology) -> Vec<Value> {
    topology.network_managers.iter().map(|it| manager(topology, it)).collect()
}

/// A manager with everything in it; each group with all its members.
fn manager(topology: &Topology, it: &NetworkManager) -> Value {
    let scope = |id: &String| format!("/subscriptions/{id}");
    let above = |name: &String| format!("/providers/Microsoft.Management/managementGroups/{name}");
    json!({
        "name": it.id.name(),
        "id": it.id,
        "type": "Microsoft.Network/networkManagers",
        "location": it.location,
        "properties": {
            "networkManagerScopes": {
                "managementGroups": it.management_groups.iter().map(above).collect::<Vec<_>>(),
                "subscriptions": it.subscriptions.iter().map(scope).collect::<Vec<_>>(),
            },
            "networkManagerScopeAccesses": it.accesses,
            "connectedGroupVnetLimit": it.connected_group_vnet_limit,
            "connectedGroupsPerVnetLimit": it.connected_groups_per_vnet_limit,
            "networkGroups":
                it.groups.iter().map(|group| self::group(topology, group)).collect::<Vec<_>>(),
            "connectivityConfigurations":
                it.connectivity.iter().map(|one| configuration(topology, it, one)).collect::<Vec<_>>(),
            "securityAdminConfigurations": security(it),
            "commits": it.commits.iter().map(|commit| json!({
                "name": commit.id.name(),
                "id": commit.id,
                "properties": {
                    "commitType": commit.commit_type,
                    "targetLocations": commit.locations,
                    "configurationIds": commit.configurations,
                    "commitTime": commit.commit_time,
                },
            })).collect::<Vec<_>>(),
            "provisioningState": "Succeeded",
        },
    })
}

fn group(topology: &Topology, it: &NetworkGroup) -> Value {
    let fixed = it.static_members.iter().map(|(name, vnet)| {
        let region = topology.vnet(*vnet).map(|it| &it.location);
        let properties = json!({ "resourceId": vnet_id(topology, *vnet), "region": region });
        json!({ "name": name, "id": format!("{}/staticMembers/{name}", it.id), "properties": properties })
    });
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "memberType": "VirtualNetwork",
            "staticMembers": fixed.collect::<Vec<_>>(),
            "conditions": it.conditions,
            "provisioningState": "Succeeded",
        },
        "members": it.members.iter().map(|it| vnet_id(topology, *it)).collect::<Vec<_>>(),
    })
}

fn security(manager: &NetworkManager) -> Vec<Value> {
    let group =
        |index: &usize| json!({ "networkGroupId": manager.groups.get(*index).map(|it| &it.id) });
    let collections = manager.security_admin.iter().map(|it| {
        let collections = it.collections.iter().map(|(id, groups, rules)| {
            json!({
                "name": id.name(),
                "id": id,
                "properties": {
                    "appliesToGroups": groups.iter().map(group).collect::<Vec<_>>(),
                    "provisioningState": "Succeeded",
                },
                "rules": rules,
            })
        });
        let collections: Vec<Value> = collections.collect();
        json!({
            "name": it.id.name(),
            "id": it.id,
            "properties": { "ruleCollections": collections, "provisioningState": "Succeeded" },
        })
    });
    collections.collect()
}

/// A configuration as itself.
fn configuration(
    topology: &Topology,
    manager: &NetworkManager,
    it: &ConnectivityConfiguration,
) -> Value {
    json!({ "name": it.id.name(), "id": it.id, "properties": properties(topology, manager, it) })
}

fn properties(
    topology: &Topology,
    manager: &NetworkManager,
    it: &ConnectivityConfiguration,
) -> Value {
    let hub = it.hub.map(|hub| {
        json!({
            "resourceId": vnet_id(topology, hub),
            "resourceType": "Microsoft.Network/virtualNetworks",
        })
    });
    let groups = it.groups.iter().map(|applied| {
        let connected = applied.directly_connected || it.topology == ConnectivityTopology::Mesh;
        json!({
            "networkGroupId": manager.groups.get(applied.group).map(|group| &group.id),
            "useHubGateway": flag(applied.use_hub_gateway),
            "isGlobal": flag(applied.is_global),
            "groupConnectivity": if connected { "DirectlyConnected" } else { "None" },
        })
    });
    json!({
        "connectivityTopology": it.topology,
        "hubs": hub.into_iter().collect::<Vec<_>>(),
        "isGlobal": flag(it.is_global),
        "appliesToGroups": groups.collect::<Vec<_>>(),
        "deleteExistingPeering": flag(it.delete_existing_peering),
        "connectivityCapabilities": {
            "connectedGroupPrivateEndpointsScale": "Standard",
            "connectedGroupAddressOverlap": if it.disallow_overlap { "Disallowed" } else { "Allowed" },
            "peeringEnforcement": if it.enforced { "Enforced" } else { "Unenforced" },
        },
        "provisioningState": "Succeeded",
    })
}

/// The groups of a configuration, as listings have them beside it.
fn groups(manager: &NetworkManager, it: &ConnectivityConfiguration) -> Vec<Value> {
    let groups = it.groups.iter().filter_map(|applied| manager.groups.get(applied.group));
    let properties = json!({ "memberType": "VirtualNetwork", "provisioningState": "Succeeded" });
    groups.map(|it| json!({ "id": it.id, "properties": properties })).collect()
}

/// The configurations that a manager deploys, once for each region.
pub fn active(topology: &Topology, manager: &NetworkManager) -> Vec<Value> {
    let mut found = Vec::new();
    let commits = manager.commits.iter().filter(|it| it.commit_type == CommitType::Connectivity);
    for commit in commits {
        for region in &commit.locations {
            for id in &commit.configurations {
                let Some(it) = manager.connectivity.iter().find(|it| it.id == *id) else {
                    continue;
                };
                found.push(json!({
                    "id": it.id,
                    "properties": properties(topology, manager, it),
                    "configurationGroups": groups(manager, it),
                    "commitTime": commit.commit_time,
                    "region": region,
                }));
            }
        }
    }
    found
}

/// The configurations that connect a VNet.
pub fn effective(topology: &Topology, vnet: VnetIndex) -> Vec<Value> {
    let mut found = Vec::new();
    for manager in &topology.network_managers {
        let takes_part = |it: &&ConnectivityConfiguration| {
            it.deployed.contains(&vnet) || (it.hub == Some(vnet) && !it.deployed.is_empty())
        };
        for it in manager.connectivity.iter().filter(takes_part) {
            found.push(json!({
                "id": it.id,
                "properties": properties(topology, manager, it),
                "configurationGroups": groups(manager, it),
            }));
        }
    }
    found
}
