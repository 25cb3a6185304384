//! Peering objects in ARM's shape.

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::topology::{
    model::{OrphanPeering, Peering, PeeringProperties},
    network::{Network, NumberedPeering, NumberedVnet},
    state::PeeringRecord,
};

/// All objects that somebody wrote, by VNet.
pub(super) fn all(network: &Network<'_>) -> Vec<Value> {
    let written = |it: &&NumberedPeering<'_>| !network.topology.is_implicit(it.peering);
    let of_vnet = |vnet: &NumberedVnet<'_>| {
        let objects = vnet.peerings.iter().filter(written);
        let mut all: Vec<Value> =
            objects.filter_map(|it| connected(network, vnet, it.peering, it.record)).collect();
        let orphans = network.topology.orphans.iter().filter(|it| it.vnet == vnet.index);
        all.extend(orphans.filter_map(|it| orphan(network, vnet, it)));
        all
    };
    network.vnets().iter().flat_map(of_vnet).collect()
}

/// An object whose remote VNet is there.
fn connected(
    network: &Network<'_>,
    vnet: &NumberedVnet<'_>,
    peering: &Peering,
    record: &PeeringRecord,
) -> Option<Value> {
    let topology = network.topology;
    let properties = topology.peering_properties(peering)?;
    let number = network.state.link(&peering.id).map(|it| it.0);
    let mut object = object(vnet, peering.id.name(), &properties, record);
    object["id"] = json!(peering.id);
    object["number"] = json!(number);
    object["managedBy"] = json!(peering.managed_by);
    let local = space(&topology.local_space(peering));
    object["properties"]["localVirtualNetworkAddressSpace"] = local;
    let remote = space(&topology.remote_space(peering));
    object["properties"]["remoteVirtualNetworkAddressSpace"] = remote;
    Some(object)
}

/// An object whose remote VNet is gone.
fn orphan(network: &Network<'_>, vnet: &NumberedVnet<'_>, it: &OrphanPeering) -> Option<Value> {
    let record = network.state.peering(&it.id)?;
    let mut object = object(vnet, it.id.name(), &it.properties, record);
    object["id"] = json!(it.id);
    Some(object)
}

fn space(prefixes: &[IpNet]) -> Value {
    json!({ "addressPrefixes": prefixes })
}

fn object(
    vnet: &NumberedVnet<'_>,
    name: &str,
    properties: &PeeringProperties,
    record: &PeeringRecord,
) -> Value {
    json!({
        "name": format!("{}/{name}", vnet.vnet.id.name()),
        "id": null,
        "type": "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": record.resource_guid,
            "peeringState": record.peering_state,
            "peeringSyncLevel": record.peering_sync_level,
            "remoteVirtualNetwork": { "id": properties.remote_virtual_network },
            "allowVirtualNetworkAccess": properties.allow_virtual_network_access,
            "allowForwardedTraffic": properties.allow_forwarded_traffic,
            "allowGatewayTransit": properties.allow_gateway_transit,
            "useRemoteGateways": properties.use_remote_gateways,
            "doNotVerifyRemoteGateways": properties.do_not_verify_remote_gateways,
            "peerCompleteVnets": properties.scope.is_complete(),
            "localSubnetNames": properties.scope.local_subnets(),
            "remoteSubnetNames": properties.scope.remote_subnets(),
            "enableOnlyIPv6Peering": properties.enable_only_ipv6,
            "localAddressSpace": space(&record.local_address_space),
            "remoteAddressSpace": space(&record.remote_address_space),
            "remoteVirtualNetworkEncryption": {
                "enabled": false,
                "enforcement": "AllowUnencrypted",
            },
            "routeServiceVips": {},
        }
    })
}
