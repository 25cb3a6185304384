//! Route tables in ARM's shape.

use serde_json::{Value, json};

use super::{Rows, join, output, text};
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

pub(super) fn rows(all: &[Value]) -> Rows {
    let header = ["name", "routes", "gateway routes", "peering routes", "subnets"];
    let list = |it: &Value, pointer: &str| {
        it.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let row = |it: &Value| {
        let takes_gateway_routes = text(it, "/properties/disableBgpRoutePropagation") == "false";
        let takes_peering_routes = text(it, "/properties/disablePeeringRoute") == "None";
        let subnets = list(it, "/properties/subnets");
        [
            text(it, "/name"),
            list(it, "/properties/routes").len().to_string(),
            takes_gateway_routes.to_string(),
            takes_peering_routes.to_string(),
            join(subnets.iter().map(|it| super::short(it, "/id"))),
        ]
    };
    output::rows(header, all.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::testing::{hub_and_spokes, ip, route_table};

    #[test]
    fn a_route_table_has_its_routes_and_subnets() {
        let mut topology = hub_and_spokes();
        let ecmp = RouteNextHop::VirtualApplianceEcmp(vec![ip("10.0.0.4"), ip("10.0.0.5")]);
        let one = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
        topology.route_tables =
            vec![route_table("to-nva", &[("10.9.0.0/16", one), ("10.8.0.0/16", ecmp)])];
        topology.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
        let all = all(&topology);
        let properties = &all[0]["properties"];
        assert_eq!(properties["disablePeeringRoute"], "None");
        let routes = &properties["routes"];
        assert_eq!(routes[0]["properties"]["addressPrefix"], "10.9.0.0/16");
        assert_eq!(routes[0]["properties"]["nextHopIpAddress"], "10.0.0.4");
        assert_eq!(routes[1]["properties"]["nextHopType"], "VirtualApplianceEcmp");
        let several = &routes[1]["properties"]["nextHop"]["nextHopIpAddresses"];
        assert_eq!(several, &json!(["10.0.0.4", "10.0.0.5"]));
        assert_eq!(properties["subnets"][0]["id"], json!(topology.vnets[1].subnets[0].id));
        let subnet = topology.vnets[1].subnets[0].id.name();
        assert_eq!(rows(&all).rows, [["to-nva", "2", "true", "true", subnet]]);
    }
}
