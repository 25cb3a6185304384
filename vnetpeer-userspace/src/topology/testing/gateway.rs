//! Gateways for tests: a builder for examples, and what random topologies get.

use super::{Random, net, nic, resource};
use crate::topology::model::{
    Connection, ConnectionRemote, Gateway, GatewayIndex, GatewayType, NicIndex, RouteNextHop,
    Topology, VnetIndex,
};

/// Adds a VPN gateway to a VNet, with the prefixes of one site.
pub(crate) fn add_gateway(topology: &mut Topology, vnet: usize, addresses: &[&str], site: &[&str]) {
    let name = format!("gateway{vnet}");
    let id = resource("virtualNetworkGateways", &name);
    let mut nic = nic(&name, vnet, 0, addresses);
    nic.id = id.clone();
    nic.enable_ip_forwarding = true;
    topology.nics.push(nic);
    let prefixes = site.iter().map(|it| net(it)).collect();
    topology.gateways.push(Gateway {
        gateway_type: GatewayType::Vpn,
        sku: "VpnGw1".to_owned(),
        vnet: VnetIndex(vnet),
        nic: NicIndex(topology.nics.len() - 1),
        connections: vec![connection("site", ConnectionRemote::LocalNetwork(prefixes))],
        bgp: true,
        asn: 65_515,
        allow_remote_vnet_traffic: true,
        network_namespace: None,
        id,
    });
}

pub(crate) fn connection(name: &str, remote: ConnectionRemote) -> Connection {
    Connection { id: resource("connections", name), remote }
}

/// Gateways in some VNets, connections between them, peers that use them and routes to them.
pub(super) fn add_gateways(random: &mut Random, topology: &mut Topology) {
    for vnet in 0..topology.vnets.len() {
        if !random.percent(30) {
            continue;
        }
        let base: usize = topology.vnets[vnet].id.name()[1..].parse::<usize>().unwrap() * 16;
        let has_v6 = topology.vnets[vnet].address_space.iter().any(|it| it.addr().is_ipv6());
        let mut addresses = vec![format!("10.{base}.0.20")];
        addresses.extend(has_v6.then(|| format!("fd00:{base}::20")));
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let sites = [&["192.168.0.0/16"][..], &["10.0.0.0/8", "fd00:c0::/48"], &["0.0.0.0/0"]];
        add_gateway(topology, vnet, &addresses, sites[random.below(sites.len())]);
    }
    for index in 0..topology.gateways.len() {
        let other = ConnectionRemote::Gateway(GatewayIndex(random.below(topology.gateways.len())));
        topology.gateways[index].connections.push(connection("other", other));
    }
    for peering in &mut topology.peerings {
        peering.allow_gateway_transit = random.percent(70);
        peering.use_remote_gateways = random.percent(40);
    }
    for table in &mut topology.route_tables {
        table.disable_bgp_route_propagation = random.percent(15);
        for route in &mut table.routes {
            if random.percent(15) {
                route.next_hop = RouteNextHop::VirtualNetworkGateway;
            }
        }
    }
}
