//! Ways that lead through something: appliances in other VNets, and what gateways are connected with.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Edge, EdgeKind, Node, NodeKind, Picture, picture};
use crate::topology::{
    model::{ConnectionRemote, RouteNextHop, VnetIndex},
    network::{Network, NumberedVnet},
};

/// As many prefixes are named on one line.
const PREFIXES_MAX: usize = 3;

/// Adds them to a picture whose first nodes are the VNets.
pub(super) fn add(network: &Network<'_>, picture: &mut Picture) {
    for vnet in network.vnets() {
        appliances(network, vnet, picture);
    }
    for gateway in &network.topology.gateways {
        let from = gateway.vnet.0;
        for connection in &gateway.connections {
            match &connection.remote {
                ConnectionRemote::LocalNetwork(prefixes) => {
                    let ends = std::iter::once(from);
                    let title = connection.id.name();
                    picture::add(picture, NodeKind::Site, title, EdgeKind::Connection, ends);
                    if let Some(site) = picture.nodes.last_mut() {
                        site.notes = prefixes.iter().map(ToString::to_string).collect();
                    }
                }
                ConnectionRemote::Gateway(other) => {
                    let Some(to) = network.topology.gateway(*other) else { continue };
                    connect(picture, from, to.vnet.0);
                }
                ConnectionRemote::Circuit(id) => circuit(picture, from, id.name()),
            }
        }
    }
}

/// Both sides have a connection, and one line is enough.
fn connect(picture: &mut Picture, from: usize, to: usize) {
    let (kind, label) = (EdgeKind::Connection, "Vnet2Vnet".to_owned());
    let is_back = |it: &Edge| it.kind == kind && (it.from, it.to) == (to, from);
    if !picture.edges.iter().any(is_back) {
        picture.edges.push(Edge { from, to, kind, label });
    }
}

/// A circuit is one site for all gateways that share it.
fn circuit(picture: &mut Picture, from: usize, name: &str) {
    let is = |it: &Node| it.kind == NodeKind::Site && it.title == name;
    let ends = std::iter::once(from);
    match picture.nodes.iter().position(is) {
        Some(site) => {
            let (kind, label) = (EdgeKind::Connection, String::new());
            picture.edges.push(Edge { from: site, to: from, kind, label });
        }
        None => picture::add(picture, NodeKind::Site, name, EdgeKind::Connection, ends),
    }
}

/// Routes of a VNet's subnets through appliances of other VNets, one line for each appliance.
fn appliances(network: &Network<'_>, vnet: &NumberedVnet<'_>, picture: &mut Picture) {
    let mut ways: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
    for (table, _) in network.tables(vnet.index) {
        let table = table.and_then(|index| network.topology.route_table(index));
        for route in table.iter().flat_map(|it| &it.routes) {
            let addresses: &[IpAddr] = match &route.next_hop {
                RouteNextHop::VirtualAppliance(address) => std::slice::from_ref(address),
                RouteNextHop::VirtualApplianceEcmp(addresses) => addresses,
                _ => continue,
            };
            for address in addresses {
                let Some((at, name)) = elsewhere(network, vnet, *address) else { continue };
                ways.entry((at.0, name)).or_default().push(route.prefix.to_string());
            }
        }
    }
    for ((to, name), mut prefixes) in ways {
        prefixes.dedup();
        let named: Vec<&str> = prefixes.iter().take(PREFIXES_MAX).map(String::as_str).collect();
        let more = if prefixes.len() > named.len() { ", …" } else { "" };
        let label = format!("{}{more} via {name}", named.join(", "));
        picture.edges.push(Edge { from: vnet.index.0, to, kind: EdgeKind::Path, label });
    }
}

/// The peered VNet that has an address, and the NIC; the own one needs no line.
fn elsewhere<'n>(
    network: &Network<'n>,
    vnet: &NumberedVnet<'n>,
    address: IpAddr,
) -> Option<(VnetIndex, &'n str)> {
    if network.owner(vnet.index, address).is_some() {
        return None;
    }
    let mut peers = vnet.peerings.iter().map(|it| it.peering.remote);
    peers.find_map(|peer| Some((peer, network.owner(peer, address)?.nic.id.name())))
}
