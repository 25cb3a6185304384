//! Route tables in columns.

use serde_json::Value;

use super::{Rows, join, output, text};

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
    use serde_json::json;

    use super::*;
    use crate::{
        arm::{Kind, resources},
        topology::{
            model::{RouteNextHop, RouteTableIndex},
            network::Network,
            state::{State, advance},
            testing::{hub_and_spokes, ip, route_table},
        },
    };

    #[test]
    fn a_route_table_has_its_routes_and_subnets() {
        let mut topology = hub_and_spokes();
        let ecmp = RouteNextHop::VirtualApplianceEcmp(vec![ip("10.0.0.4"), ip("10.0.0.5")]);
        let one = RouteNextHop::VirtualAppliance(ip("10.0.0.4"));
        topology.route_tables =
            vec![route_table("to-nva", &[("10.9.0.0/16", one), ("10.8.0.0/16", ecmp)])];
        topology.vnets[1].subnets[0].route_table = Some(RouteTableIndex(0));
        let state = advance(&State::default(), &topology).unwrap();
        let network = Network::new(&topology, &state).unwrap();
        let all = resources(Kind::RouteTable, &network);
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
