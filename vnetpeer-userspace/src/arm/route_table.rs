//! Route tables in ARM's shape.

use serde_json::{Value, json};

use crate::topology::model::{Route, RouteNextHop, RouteTable, RouteTableIndex, Topology};

pub(super) fn all(topology: &Topology) -> Vec<Value> {
    let tables = topology.route_tables.iter().enumerate();
    tables.map(|(index, it)| table(topology, RouteTableIndex(index), it)).collect()
}

fn table(topology: &Topology, index: RouteTableIndex, it: &RouteTable) -> Value {
    let subnets = topology.vnets.iter().flat_map(|vnet| &vnet.subnets);
    let subnets = subnets.filter(|subnet| subnet.route_table == Some(index));
    let subnets: Vec<Value> = subnets.map(|subnet| json!({ "id": subnet.id })).collect();
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "disableBgpRoutePropagation": it.disable_bgp_route_propagation,
            "disablePeeringRoute": if it.disable_peering_routes { "All" } else { "None" },
            "routes": it.routes.iter().map(route).collect::<Vec<_>>(),
            "subnets": subnets,
        }
    })
}

fn route(it: &Route) -> Value {
    let (kind, address, several) = match &it.next_hop {
        RouteNextHop::VnetLocal => ("VnetLocal", None, None),
        RouteNextHop::Internet => ("Internet", None, None),
        RouteNextHop::None => ("None", None, None),
        RouteNextHop::VirtualAppliance(address) => ("VirtualAppliance", Some(address), None),
        RouteNextHop::VirtualApplianceEcmp(all) => ("VirtualApplianceEcmp", None, Some(all)),
        RouteNextHop::VirtualNetworkGateway => ("VirtualNetworkGateway", None, None),
    };
    json!({
        "name": it.name,
        "properties": {
            "addressPrefix": it.prefix,
            "nextHopType": kind,
            "nextHopIpAddress": address,
            "nextHop": several.map(|all| json!({ "nextHopIpAddresses": all })),
        }
    })
}
