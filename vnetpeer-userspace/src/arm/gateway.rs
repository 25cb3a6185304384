//! Virtual network gateways in ARM's shape, with what they learned and advertise in the shape of Azure's
//! `GatewayRoute`.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::topology::{
    model::{Connection, ConnectionRemote, GatewayType},
    network::{Network, NumberedGateway, NumberedVnet},
    routes::advertised,
};

/// All of them; what their hosts know besides is null.
pub(super) fn all(network: &Network<'_>) -> Vec<Value> {
    let vnets = network.vnets().iter();
    vnets.filter_map(|vnet| Some(gateway(network, vnet, vnet.gateway.as_ref()?))).collect()
}

fn gateway(network: &Network<'_>, vnet: &NumberedVnet<'_>, it: &NumberedGateway<'_>) -> Value {
    let (gateway, nic) = (it.gateway, it.nic.nic);
    let subnet = network.topology.subnet(nic.vnet, nic.subnet).map(|subnet| &subnet.id);
    let configurations: Vec<Value> = nic
        .addresses
        .iter()
        .map(|address| {
            let subnet = json!({ "id": subnet });
            json!({ "properties": { "privateIPAddress": address, "subnet": subnet } })
        })
        .collect();
    let is_down = network.facts.down.contains(&nic.id);
    let nothing = BTreeSet::new();
    let learned = network.facts.learned.get(&gateway.id).unwrap_or(&nothing);
    json!({
        "name": gateway.id.name(),
        "id": gateway.id,
        "location": vnet.vnet.location,
        "host": network.topology.host(nic.host).map(|host| &host.name),
        "state": if is_down { "Down" } else { "Up" },
        "networkNamespace": null,
        "lastError": null,
        "properties": {
            "gatewayType": match gateway.gateway_type {
                GatewayType::Vpn => "Vpn",
                GatewayType::ExpressRoute => "ExpressRoute",
            },
            "sku": { "name": gateway.sku, "tier": gateway.sku },
            "enableBgp": gateway.bgp,
            "bgpSettings": { "asn": gateway.asn },
            "ipConfigurations": configurations,
        },
        "connections":
            gateway.connections.iter().map(|it| connection(network, it)).collect::<Vec<_>>(),
        "learnedRoutes": routes(learned),
        "advertisedRoutes": routes(&advertised(network, it.index)),
    })
}

fn connection(network: &Network<'_>, it: &Connection) -> Value {
    let (kind, remote) = match &it.remote {
        ConnectionRemote::LocalNetwork(prefixes) => {
            ("IPsec", json!({ "localNetworkAddressSpace": { "addressPrefixes": prefixes } }))
        }
        ConnectionRemote::Gateway(other) => {
            let id = network.topology.gateway(*other).map(|other| &other.id);
            ("Vnet2Vnet", json!({ "virtualNetworkGateway2": { "id": id } }))
        }
        ConnectionRemote::Circuit(id) => ("ExpressRoute", json!({ "peer": { "id": id } })),
    };
    let mut connection = json!({ "name": it.id.name(), "id": it.id, "connectionType": kind });
    if let (Some(connection), Value::Object(remote)) = (connection.as_object_mut(), remote) {
        connection.extend(remote);
    }
    connection
}

fn routes(prefixes: &BTreeSet<IpNet>) -> Vec<Value> {
    prefixes.iter().map(|prefix| json!({ "network": prefix })).collect()
}
