//! Resources in ARM's shapes, as commands show them and agents tell them.

mod gateway;
mod load_balancer;
mod network_manager;
mod peering;
mod route_table;
mod security_group;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::topology::{
    compile::guest_mac,
    model::SecurityGroupIndex,
    network::{Network, NumberedNic, NumberedVnet},
};

pub use self::{
    network_manager::{active, effective},
    security_group::{Group, Rule},
};

/// Which resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Virtual networks.
    Vnet,
    /// Subnets of all virtual networks.
    Subnet,
    /// Network interfaces.
    Nic,
    /// Peering objects of all virtual networks.
    Peering,
    /// Route tables.
    RouteTable,
    /// Network security groups.
    SecurityGroup,
    /// Virtual network gateways with their connections and routes.
    Gateway,
    /// Load balancers.
    LoadBalancer,
    /// Network managers with their groups and configurations.
    NetworkManager,
}

impl Kind {
    /// What people call one of them.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Vnet => "virtual network",
            Self::Subnet => "subnet",
            Self::Nic => "network interface",
            Self::Peering => "peering",
            Self::RouteTable => "route table",
            Self::SecurityGroup => "network security group",
            Self::Gateway => "virtual network gateway",
            Self::LoadBalancer => "load balancer",
            Self::NetworkManager => "network manager",
        }
    }
}

/// All resources of a kind, in ARM's shapes.
pub fn resources(kind: Kind, network: &Network<'_>) -> Vec<Value> {
    let vnets = network.vnets().iter();
    match kind {
        Kind::Vnet => vnets.map(|it| vnet(network, it)).collect(),
        Kind::Subnet => vnets.flat_map(|it| subnets(network, it)).collect(),
        Kind::Nic => vnets.flat_map(|it| it.nics.iter().map(|at| nic(network, at))).collect(),
        Kind::Peering => peering::all(network),
        Kind::RouteTable => route_table::all(network.topology),
        Kind::SecurityGroup => {
            security_group::all(network.topology).iter().map(|it| json!(it)).collect()
        }
        Kind::Gateway => gateway::all(network),
        Kind::LoadBalancer => load_balancer::all(network.topology),
        Kind::NetworkManager => network_manager::all(network.topology),
    }
}

fn vnet(network: &Network<'_>, it: &NumberedVnet<'_>) -> Value {
    let topology = network.topology;
    let written = it.peerings.iter().map(|it| it.peering).filter(|it| !topology.is_implicit(it));
    let orphans = topology.orphans.iter().filter(|orphan| orphan.vnet == it.index);
    let peerings = written.map(|it| &it.id).chain(orphans.map(|it| &it.id));
    let peerings: Vec<Value> = peerings.map(|id| json!({ "id": id })).collect();
    json!({
        "name": it.vnet.id.name(),
        "id": it.vnet.id,
        "location": it.vnet.location,
        "tags": it.vnet.tags,
        "vni": it.id.0,
        "properties": {
            "addressSpace": { "addressPrefixes": it.vnet.address_space },
            "subnets": it.vnet.subnets.iter().map(|subnet| json!({ "id": subnet.id })).collect::<Vec<_>>(),
            "flowTimeoutInMinutes": it.vnet.flow_timeout_minutes,
            "virtualNetworkPeerings": peerings,
        }
    })
}

fn subnets(network: &Network<'_>, it: &NumberedVnet<'_>) -> Vec<Value> {
    let route_table = |index: Option<_>| {
        index
            .and_then(|index| network.topology.route_table(index))
            .map(|table| json!({ "id": table.id }))
    };
    it.vnet
        .subnets
        .iter()
        .map(|subnet| {
            json!({
                "name": format!("{}/{}", it.vnet.id.name(), subnet.id.name()),
                "id": subnet.id,
                "properties": {
                    "addressPrefixes": subnet.prefixes,
                    "routeTable": route_table(subnet.route_table),
                    "networkSecurityGroup": security_group(network, subnet.security_group),
                }
            })
        })
        .collect()
}

fn security_group(network: &Network<'_>, index: Option<SecurityGroupIndex>) -> Option<Value> {
    let group = network.topology.security_group(index?)?;
    Some(json!({ "id": group.id }))
}

fn nic(network: &Network<'_>, it: &NumberedNic<'_>) -> Value {
    let nic = it.nic;
    let subnet = network.topology.subnet(nic.vnet, nic.subnet).map(|subnet| &subnet.id);
    let all = &network.topology.application_security_groups;
    let groups = nic.application_security_groups.iter().filter_map(|index| all.get(index.0));
    let groups: Vec<Value> = groups.map(|it| json!({ "id": it.id })).collect();
    let configurations: Vec<Value> = nic
        .addresses
        .iter()
        .map(|address| {
            json!({
                "privateIPAddress": address,
                "subnet": { "id": subnet },
                "applicationSecurityGroups": groups,
            })
        })
        .collect();
    json!({
        "name": nic.id.name(),
        "id": nic.id,
        "number": it.id.0,
        "host": network.topology.host(nic.host).map(|host| &host.name),
        "interface": nic.interface,
        "outboundBandwidthMbps": nic.outbound_bits_per_second.map(|it| it / 1_000_000),
        "properties": {
            "macAddress": guest_mac(nic, it.id).to_string(),
            "enableIPForwarding": nic.enable_ip_forwarding,
            "disableTcpStateTracking": nic.disable_tcp_state_tracking,
            "networkSecurityGroup": security_group(network, nic.security_group),
            "ipConfigurations": configurations,
        }
    })
}
