//! What a new topology would change, for people: resources, and the writes of peerings.
//!
//! Compares two networks and knows nothing of hosts or maps. What becomes of reachability is found by
//! packets ([`crate::simulate::reach`]).

mod balancer;
mod security;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    model::{
        Host, Nic, PeeringProperties, ResourceId, RouteTable, SecurityGroupIndex, Topology, Uplink,
        Vnet,
    },
    network::Network,
    state::{PeeringOperation, PeeringRecord, operations},
};

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It comes to be.
    Create,
    /// It stays, with other properties.
    Change,
    /// It ceases to be.
    Delete,
}

/// One resource that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// What happens.
    pub action: Action,
    /// ARM's type of the resource in short, or `host` or `uplink`.
    pub kind: &'static str,
    /// Its ARM id; a host's name.
    pub id: String,
    /// Names of the properties that change, sorted; empty unless it stays.
    pub properties: Vec<&'static str>,
}

/// All differences between two networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Resources, by kind and id.
    pub resources: Vec<ResourceChange>,
    /// Writes of peering objects, in the order in which they happen.
    pub operations: Vec<PeeringOperation>,
}

/// What changes from `old` to `new`.
pub fn difference(old: &Network<'_>, new: &Network<'_>) -> Difference {
    Difference { resources: resources(old, new), operations: operations(old.state, new.topology) }
}

/// A resource's properties as text, by name: what is compared.
type Properties = BTreeMap<&'static str, String>;

fn resources(old: &Network<'_>, new: &Network<'_>) -> Vec<ResourceChange> {
    let (before, after) = (describe(old), describe(new));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let (action, properties) = match (before.get(key), after.get(key)) {
            (None, _) => (Action::Create, Vec::new()),
            (_, None) => (Action::Delete, Vec::new()),
            (Some(old), Some(new)) => (Action::Change, changed(old, new)),
        };
        if action != Action::Change || !properties.is_empty() {
            changes.push(ResourceChange { action, kind: key.0, id: key.1.to_string(), properties });
        }
    }
    changes
}

fn changed(old: &Properties, new: &Properties) -> Vec<&'static str> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    names.into_iter().filter(|name| old.get(name) != new.get(name)).collect()
}

fn describe(network: &Network<'_>) -> BTreeMap<(&'static str, ResourceId), Properties> {
    let topology = network.topology;
    let mut found = BTreeMap::new();
    for host in &topology.hosts {
        found.insert(("host", ResourceId::new(host.name.clone())), describe_host(host));
        for uplink in &host.uplinks {
            let properties = describe_uplink(topology, host, uplink);
            found.insert(("uplink", uplink.id.clone()), properties);
        }
    }
    for vnet in &topology.vnets {
        found.insert(("virtualNetwork", vnet.id.clone()), describe_vnet(vnet));
        for subnet in &vnet.subnets {
            let table = subnet.route_table.and_then(|index| topology.route_table(index));
            let properties = BTreeMap::from([
                ("addressPrefixes", format!("{:?}", subnet.prefixes)),
                ("routeTable", name(table.map(|table| &table.id))),
                ("networkSecurityGroup", group_name(topology, subnet.security_group)),
            ]);
            found.insert(("subnet", subnet.id.clone()), properties);
        }
    }
    // A gateway's NIC has the gateway's id.
    for gateway in &topology.gateways {
        let properties = security::describe_gateway(topology, gateway);
        found.insert(("virtualNetworkGateway", gateway.id.clone()), properties);
    }
    let gateways: BTreeSet<_> = topology.gateways.iter().map(|gateway| gateway.nic.0).collect();
    for (_, nic) in topology.nics.iter().enumerate().filter(|(it, _)| !gateways.contains(it)) {
        found.insert(("networkInterface", nic.id.clone()), describe_nic(topology, nic));
    }
    for group in &topology.security_groups {
        let properties = security::describe_group(topology, group);
        found.insert(("networkSecurityGroup", group.id.clone()), properties);
    }
    for group in &topology.application_security_groups {
        found.insert(("applicationSecurityGroup", group.id.clone()), Properties::new());
    }
    for admin in &topology.admin_rules {
        let properties = security::describe_admin_rules(topology, admin);
        found.insert(("securityAdminRules", admin.id.clone()), properties);
    }
    for balancer in &topology.load_balancers {
        found.insert(("loadBalancer", balancer.id.clone()), balancer::describe(topology, balancer));
    }
    for manager in &topology.network_managers {
        let properties = security::describe_manager(topology, manager);
        found.insert(("networkManager", manager.id.clone()), properties);
    }
    for group in &topology.connected_groups {
        let members = security::describe_connected_group(topology, group);
        found.insert(("connectedGroup", group.id.clone()), members);
    }
    for table in &topology.route_tables {
        found.insert(("routeTable", table.id.clone()), describe_route_table(table));
    }
    let peerings = topology.written_peerings();
    let peerings = peerings.filter_map(|it| Some((&it.id, topology.peering_properties(it)?)));
    let orphans = topology.orphans.iter().map(|it| (&it.id, it.properties.clone()));
    for (id, properties) in peerings.chain(orphans) {
        let properties = describe_peering(&properties, network.state.peering(id));
        found.insert(("virtualNetworkPeering", id.clone()), properties);
    }
    for peering in topology.peerings.iter().filter(|it| it.managed_by.is_some()) {
        if let Some(properties) = found.get_mut(&("virtualNetworkPeering", peering.id.clone())) {
            properties.insert("managedBy", name(peering.managed_by.as_ref()));
        }
    }
    found
}

fn describe_host(host: &Host) -> Properties {
    BTreeMap::from([
        ("underlayInterface", host.underlay_interface.clone()),
        ("underlayAddresses", format!("{:?}", host.underlay_addresses)),
        ("underlayMode", format!("{:?}", host.underlay_mode)),
    ])
}

fn describe_uplink(topology: &Topology, host: &Host, uplink: &Uplink) -> Properties {
    BTreeMap::from([
        ("host", host.name.clone()),
        ("virtualNetwork", name(topology.vnet(uplink.vnet).map(|vnet| &vnet.id))),
        ("interface", uplink.interface.clone()),
        ("mac", uplink.mac.to_string()),
    ])
}

fn describe_vnet(vnet: &Vnet) -> Properties {
    BTreeMap::from([
        ("location", vnet.location.clone()),
        ("flowTimeoutInMinutes", format!("{:?}", vnet.flow_timeout_minutes)),
        ("addressSpace", format!("{:?}", vnet.address_space)),
        ("deploymentModel", if vnet.classic { "Classic" } else { "ResourceManager" }.to_owned()),
    ])
}

fn describe_nic(topology: &Topology, nic: &Nic) -> Properties {
    let host = topology.host(nic.host).map(|host| host.name.clone());
    let asgs = nic.application_security_groups.iter().map(|group| group.0);
    BTreeMap::from([
        ("subnet", name(topology.subnet(nic.vnet, nic.subnet).map(|subnet| &subnet.id))),
        ("addresses", format!("{:?}", nic.addresses)),
        ("enableIPForwarding", nic.enable_ip_forwarding.to_string()),
        ("disableTcpStateTracking", nic.disable_tcp_state_tracking.to_string()),
        ("networkSecurityGroup", group_name(topology, nic.security_group)),
        ("applicationSecurityGroups", security::application_groups(topology, asgs)),
        ("macAddress", nic.mac.map(|mac| mac.to_string()).unwrap_or_default()),
        ("host", host.unwrap_or_default()),
        ("interface", nic.interface.clone()),
        ("mode", format!("{:?}", nic.mode)),
        ("outboundBandwidthMbps", format!("{:?}", nic.outbound_bits_per_second)),
    ])
}

fn describe_route_table(table: &RouteTable) -> Properties {
    let mut routes: Vec<String> = table.routes.iter().map(|it| format!("{it:?}")).collect();
    routes.sort_unstable();
    BTreeMap::from([
        ("routes", routes.join("\n")),
        ("disableBgpRoutePropagation", table.disable_bgp_route_propagation.to_string()),
        ("disablePeeringRoute", table.disable_peering_routes.to_string()),
    ])
}

fn describe_peering(written: &PeeringProperties, record: Option<&PeeringRecord>) -> Properties {
    let (local, remote) = (written.scope.local_subnets(), written.scope.remote_subnets());
    let mut properties = BTreeMap::from([
        ("remoteVirtualNetwork", name(Some(&written.remote_virtual_network))),
        ("allowVirtualNetworkAccess", written.allow_virtual_network_access.to_string()),
        ("allowForwardedTraffic", written.allow_forwarded_traffic.to_string()),
        ("allowGatewayTransit", written.allow_gateway_transit.to_string()),
        ("useRemoteGateways", written.use_remote_gateways.to_string()),
        ("doNotVerifyRemoteGateways", written.do_not_verify_remote_gateways.to_string()),
        ("peerCompleteVnets", written.scope.is_complete().to_string()),
        ("localSubnetNames", format!("{local:?}")),
        ("remoteSubnetNames", format!("{remote:?}")),
        ("enableOnlyIPv6Peering", written.enable_only_ipv6.to_string()),
    ]);
    if let Some(record) = record {
        properties.insert("peeringState", format!("{:?}", record.peering_state));
        properties.insert("peeringSyncLevel", format!("{:?}", record.peering_sync_level));
        properties.insert("localAddressSpace", format!("{:?}", record.local_address_space));
        properties.insert("remoteAddressSpace", format!("{:?}", record.remote_address_space));
    }
    properties
}

fn group_name(topology: &Topology, group: Option<SecurityGroupIndex>) -> String {
    let group = group.and_then(|index| topology.security_group(index));
    name(group.map(|group| &group.id))
}

fn name(id: Option<&ResourceId>) -> String {
    id.map(|id| id.as_str().to_ascii_lowercase()).unwrap_or_default()
}
