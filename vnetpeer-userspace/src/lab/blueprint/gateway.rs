//! What is behind gateways: sites, and cables instead of tunnels from gateway to gateway.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{LabError, ROUTER_LINK_LOCAL, Record, State, Step, Topology, ip};
use crate::topology::{
    model::{ConnectionRemote, Gateway, GatewayIndex},
    network::Network,
    routes::{EffectiveRoutes, RouteSource, advertised, connected_gateways, effective_routes},
};

/// MAC addresses of a cable's ends: of the gateway that comes first in the document, and of the other.
const ENDS: [&str; 2] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];

/// Stands for the other end of a cable as the next hop of IPv4 routes.
const NEXT_HOP_IPV4: &str = "169.254.0.1";

pub(super) fn add(
    topology: &Topology,
    state: &State,
    record: &Record,
    steps: &mut Vec<Step>,
) -> Result<(), LabError> {
    if topology.gateways.is_empty() {
        return Ok(());
    }
    let network = Network::new(topology, state)?;
    let namespace =
        |gateway: &Gateway| record.nics.get(gateway.nic.0).map(|guest| guest.namespace.as_str());
    for (index, gateway) in topology.gateways.iter().enumerate() {
        let Some(own) = namespace(gateway) else { continue };
        steps.push(ip(own, sites(gateway)));
        for other in connected_gateways(&network, GatewayIndex(index)) {
            let theirs = topology.gateway(other).and_then(namespace);
            let Some(theirs) = theirs.filter(|_| index < other.0) else { continue };
            let [near, far] = ENDS;
            let line = format!(
                "link add name {} address {near} type veth peer name {} address {far} netns {theirs}",
                cable(other),
                cable(GatewayIndex(index))
            );
            steps.push(ip(own, vec![line]));
            let ends = [(own, index, other.0, far), (theirs, other.0, index, near)];
            for (namespace, from, to, mac) in ends {
                let (from, to) = (GatewayIndex(from), GatewayIndex(to));
                steps.push(ip(namespace, end(&network, from, to, mac)));
            }
        }
    }
    Ok(())
}

/// The interface to another gateway.
fn cable(to: GatewayIndex) -> String {
    format!("gateway{}", to.0)
}

/// A site answers at the first address of each of its prefixes.
fn sites(gateway: &Gateway) -> Vec<String> {
    let prefixes = gateway.connections.iter().filter_map(|connection| match &connection.remote {
        ConnectionRemote::LocalNetwork(prefixes) => Some(prefixes),
        ConnectionRemote::Gateway(_) | ConnectionRemote::Circuit(_) => None,
    });
    let addresses: BTreeSet<IpAddr> = prefixes.flatten().map(first_address).collect();
    let line = |address: IpAddr| {
        let (length, nodad) = if address.is_ipv4() { (32, "") } else { (128, " nodad") };
        format!("address add {address}/{length} dev lo{nodad}")
    };
    addresses.into_iter().map(line).collect()
}

/// The address after the network's own, if there is one.
fn first_address(prefix: &IpNet) -> IpAddr {
    let address: IpAddr = match prefix.network() {
        IpAddr::V4(network) => Ipv4Addr::from(u32::from(network).saturating_add(1)).into(),
        IpAddr::V6(network) => Ipv6Addr::from(u128::from(network).saturating_add(1)).into(),
    };
    if prefix.contains(&address) { address } else { prefix.addr() }
}

/// One end of a cable: the way to the other gateway, whose MAC address is `mac`. The sites' addresses are
/// not those of the gateway itself.
fn end(network: &Network<'_>, from: GatewayIndex, to: GatewayIndex, mac: &str) -> Vec<String> {
    let interface = cable(to);
    let mut lines = vec![format!("link set dev {interface} up")];
    for next_hop in [NEXT_HOP_IPV4, ROUTER_LINK_LOCAL] {
        lines.push(format!("neighbour add {next_hop} lladdr {mac} dev {interface} nud permanent"));
    }
    let theirs = advertised(network, to);
    let gateway = network.topology.gateway(from);
    let routes = gateway.and_then(|gateway| effective_routes(network, gateway.vnet, None));
    let nic = gateway.and_then(|gateway| network.topology.nic(gateway.nic));
    let own = |is_v4: bool| {
        let mut addresses = nic.into_iter().flat_map(|nic| &nic.addresses);
        let address = addresses.find(|address| address.is_ipv4() == is_v4);
        address.map(|address| format!(" src {address}")).unwrap_or_default()
    };
    for route in routes.iter().flat_map(EffectiveRoutes::active) {
        if route.source == RouteSource::VirtualNetworkGateway && theirs.contains(&route.prefix) {
            let (via, onlink) = match route.prefix {
                IpNet::V4(_) => (NEXT_HOP_IPV4, " onlink"),
                IpNet::V6(_) => (ROUTER_LINK_LOCAL, ""),
            };
            let src = own(route.prefix.addr().is_ipv4());
            let prefix = route.prefix;
            lines.push(format!("route add {prefix} via {via} dev {interface}{onlink}{src}"));
        }
    }
    lines
}
