//! What a new topology would change, for people: resources, and pairs of subnets that gain or lose
//! reachability.
//!
//! Compares two networks and knows nothing of hosts or maps. Reachability is that of
//! [`reachable`]: by routes, peerings and their flags, through appliances, not by security rules.

mod reach;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::reach::{Family, SubnetPair, reachable};
use super::{
    model::{Host, Nic, Peering, ResourceId, RouteTable, Topology, Uplink, Vnet},
    network::Network,
    state::PeeringRecord,
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
    /// Pairs of subnets that could not reach each other and can.
    pub gained: Vec<SubnetPair>,
    /// Pairs of subnets that could and cannot any more.
    pub lost: Vec<SubnetPair>,
}

/// What changes from `old` to `new`.
pub fn difference(old: &Network<'_>, new: &Network<'_>) -> Difference {
    let (before, after) = (reachable(old), reachable(new));
    Difference {
        resources: resources(old, new),
        gained: after.difference(&before).cloned().collect(),
        lost: before.difference(&after).cloned().collect(),
    }
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
            ]);
            found.insert(("subnet", subnet.id.clone()), properties);
        }
    }
    for nic in &topology.nics {
        found.insert(("networkInterface", nic.id.clone()), describe_nic(topology, nic));
    }
    for table in &topology.route_tables {
        found.insert(("routeTable", table.id.clone()), describe_route_table(table));
    }
    for peering in &topology.peerings {
        let record = network.state.peering(&peering.id);
        let properties = describe_peering(topology, peering, record);
        found.insert(("virtualNetworkPeering", peering.id.clone()), properties);
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
        ("addressSpace", format!("{:?}", vnet.address_space)),
    ])
}

fn describe_nic(topology: &Topology, nic: &Nic) -> Properties {
    let host = topology.host(nic.host).map(|host| host.name.clone());
    BTreeMap::from([
        ("subnet", name(topology.subnet(nic.vnet, nic.subnet).map(|subnet| &subnet.id))),
        ("addresses", format!("{:?}", nic.addresses)),
        ("enableIPForwarding", nic.enable_ip_forwarding.to_string()),
        ("macAddress", nic.mac.map(|mac| mac.to_string()).unwrap_or_default()),
        ("host", host.unwrap_or_default()),
        ("interface", nic.interface.clone()),
        ("mode", format!("{:?}", nic.mode)),
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

fn describe_peering(
    topology: &Topology,
    peering: &Peering,
    record: Option<&PeeringRecord>,
) -> Properties {
    let mut properties = BTreeMap::from([
        ("remoteVirtualNetwork", name(topology.vnet(peering.remote).map(|vnet| &vnet.id))),
        ("allowVirtualNetworkAccess", peering.allow_virtual_network_access.to_string()),
        ("allowForwardedTraffic", peering.allow_forwarded_traffic.to_string()),
        ("allowGatewayTransit", peering.allow_gateway_transit.to_string()),
        ("useRemoteGateways", peering.use_remote_gateways.to_string()),
        ("scope", format!("{:?}", peering.scope)),
        ("enableOnlyIPv6Peering", peering.enable_only_ipv6.to_string()),
    ]);
    if let Some(record) = record {
        properties.insert("peeringState", format!("{:?}", record.peering_state));
        properties.insert("peeringSyncLevel", format!("{:?}", record.peering_sync_level));
        properties.insert("remoteAddressSpace", format!("{:?}", record.remote_address_space));
    }
    properties
}

fn name(id: Option<&ResourceId>) -> String {
    id.map(|id| id.as_str().to_ascii_lowercase()).unwrap_or_default()
}
