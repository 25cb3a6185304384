//! `vnetpeer gateway list` and `show`: virtual network gateways in ARM's shape, with what they learned
//! and advertise in the shape of Azure's `GatewayRoute`.

use std::collections::BTreeSet;

use anyhow::bail;
use ipnet::IpNet;
use serde_json::{Value, json};

use super::{
    Exit, Global,
    named::Unknown,
    network::{Command, is_named, text},
    output::{self, Rows},
    target::Source,
};
use crate::{
    agent::api::GatewayStatus,
    topology::{
        model::{Connection, ConnectionRemote, GatewayType},
        network::{Network, NumberedGateway, NumberedVnet},
        routes::advertised,
    },
};

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let from = command.from();
    let source = Source::open(from.file.as_deref(), &global.target).await?;
    let mut statuses = Vec::new();
    if from.file.is_none() {
        for client in global.target.clients()? {
            statuses.extend(client.status().await?.gateways);
        }
    }
    let network = source.network()?;
    let all: Vec<Value> = network
        .vnets()
        .iter()
        .filter_map(|vnet| Some(gateway(&network, vnet, vnet.gateway.as_ref()?, &statuses)))
        .collect();
    match command {
        Command::List { listing, .. } => listing.print(global, all, rows)?,
        Command::Show { name, .. } => {
            let Some(found) = all.iter().find(|it| is_named(it, name)) else {
                let known = all.iter().filter_map(|it| it.get("name")).filter_map(Value::as_str);
                bail!(Unknown::new("virtual network gateway", name, known));
            };
            output::show_whole(global, found)?;
        }
    }
    Ok(Exit::Done)
}

fn gateway(
    network: &Network<'_>,
    vnet: &NumberedVnet<'_>,
    it: &NumberedGateway<'_>,
    statuses: &[GatewayStatus],
) -> Value {
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
    let status = statuses.iter().find(|it| it.gateway.eq_ignore_ascii_case(gateway.id.as_str()));
    let nothing = BTreeSet::new();
    let learned = network.facts.learned.get(&gateway.id).unwrap_or(&nothing);
    json!({
        "name": gateway.id.name(),
        "id": gateway.id,
        "location": vnet.vnet.location,
        "host": network.topology.host(nic.host).map(|host| &host.name),
        "state": if is_down { "Down" } else { "Up" },
        "networkNamespace": status.map(|it| &it.network_namespace),
        "lastError": status.and_then(|it| it.last_error.as_ref()),
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

fn rows(all: &[Value]) -> Rows {
    let count = |it: &Value, list: &str| {
        it.get(list).and_then(Value::as_array).map_or(0, Vec::len).to_string()
    };
    output::rows(
        ["name", "type", "sku", "host", "state", "connections", "learned", "advertised", "error"],
        all.iter().map(|it| {
            [
                text(it, "/name"),
                text(it, "/properties/gatewayType"),
                text(it, "/properties/sku/name"),
                text(it, "/host"),
                text(it, "/state"),
                count(it, "connections"),
                count(it, "learnedRoutes"),
                count(it, "advertisedRoutes"),
                text(it, "/lastError"),
            ]
        }),
    )
}
