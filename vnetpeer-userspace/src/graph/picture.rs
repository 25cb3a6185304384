//! From a network to boxes and lines.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, EdgeKind, Node, NodeKind, Part, Picture, paths};
use crate::topology::{
    model::{ResourceId, SubnetIndex},
    network::{Network, NumberedPeering, NumberedVnet},
    state::PeeringState,
};

/// As many NICs of a subnet are named; of more, only their number.
const NICS_MAX: usize = 6;

/// Draws everything on its own. Nodes are VNets in their order, then what else there is.
pub(super) fn draw(network: &Network<'_>, rates: &BTreeMap<ResourceId, u64>) -> Picture {
    let mut picture = Picture {
        title: network.topology.name.clone(),
        nodes: network.vnets().iter().map(|it| vnet(network, it)).collect(),
        edges: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for vnet in network.vnets() {
        for peering in &vnet.peerings {
            let ends = (vnet.index.0, peering.peering.remote.0);
            let pair = (ends.0.min(ends.1), ends.0.max(ends.1));
            if seen.insert(pair) {
                picture.edges.push(line(network, ends, peering, rates));
            }
        }
    }
    for group in &network.topology.connected_groups {
        let members = group.members.iter().map(|it| it.0);
        add(&mut picture, NodeKind::Group, group.id.name(), EdgeKind::Member, members);
    }
    paths::add(network, &mut picture);
    picture
}

/// Adds a node with an edge to each of `ends`.
pub(super) fn add(
    picture: &mut Picture,
    kind: NodeKind,
    title: &str,
    edge: EdgeKind,
    ends: impl Iterator<Item = usize>,
) {
    let from = picture.nodes.len();
    picture.nodes.push(Node {
        kind,
        title: title.to_owned(),
        region: String::new(),
        notes: Vec::new(),
        parts: Vec::new(),
        count: 1,
    });
    picture.edges.extend(ends.map(|to| Edge { from, to, kind: edge, label: String::new() }));
}

fn vnet(network: &Network<'_>, it: &NumberedVnet<'_>) -> Node {
    let space: Vec<String> = it.vnet.address_space.iter().map(ToString::to_string).collect();
    let subnets = it.vnet.subnets.iter().enumerate();
    Node {
        kind: NodeKind::Vnet,
        title: it.vnet.id.name().to_owned(),
        region: it.vnet.location.clone(),
        notes: vec![space.join(", ")],
        parts: subnets.map(|(index, _)| subnet(network, it, SubnetIndex(index))).collect(),
        count: 1,
    }
}

fn subnet(network: &Network<'_>, vnet: &NumberedVnet<'_>, index: SubnetIndex) -> Part {
    let subnet = network.topology.subnet(vnet.index, index);
    let prefixes: Vec<String> =
        subnet.iter().flat_map(|it| &it.prefixes).map(ToString::to_string).collect();
    let name = subnet.map_or("", |it| it.id.name());
    let inside = vnet.nics.iter().filter(|it| it.nic.subnet == index);
    let mut items: Vec<String> = inside
        .map(|it| {
            let host = network.topology.host(it.nic.host).map_or("", |host| &host.name);
            let address = it.nic.addresses.first().map(ToString::to_string).unwrap_or_default();
            let what = if network.topology.is_gateway(&it.nic.id) { "gateway " } else { "" };
            format!("{what}{} {address} on {host}", it.nic.id.name())
        })
        .collect();
    if items.len() > NICS_MAX {
        items = vec![format!("{} NICs", items.len())];
    }
    Part { title: format!("{name} {}", prefixes.join(", ")), items }
}

/// The line for a pair of VNets, from one of their peering objects.
fn line(
    network: &Network<'_>,
    (from, to): (usize, usize),
    peering: &NumberedPeering<'_>,
    rates: &BTreeMap<ResourceId, u64>,
) -> Edge {
    let reverse = peering.peering.reverse.and_then(|index| network.topology.peering(index));
    let mut words = Vec::new();
    if !peering.connected {
        words.push(state_name(peering.record.peering_state).to_owned());
    }
    if peering.global {
        words.push("global".to_owned());
    }
    if !peering.peering.scope.is_complete() {
        words.push("subnets".to_owned());
    }
    let uses_gateway = |it: bool| it.then(|| "gateway transit".to_owned());
    let transit =
        peering.peering.use_remote_gateways || reverse.is_some_and(|it| it.use_remote_gateways);
    words.extend(uses_gateway(transit));
    let ids = [Some(&peering.peering.id), reverse.map(|it| &it.id)];
    let rates: Vec<String> =
        ids.into_iter().flatten().filter_map(|id| rates.get(id)).map(|it| rate(*it)).collect();
    words.extend((!rates.is_empty()).then(|| rates.join(" / ")));
    let kind = if peering.connected { EdgeKind::Connected } else { EdgeKind::NotConnected };
    Edge { from, to, kind, label: words.join(", ") }
}

const fn state_name(state: PeeringState) -> &'static str {
    match state {
        PeeringState::Initiated => "Initiated",
        PeeringState::Connected => "Connected",
        PeeringState::Disconnected => "Disconnected",
    }
}

/// Bytes per second in bits of at most four digits.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    let mut bits = bytes_per_second.saturating_mul(8);
    let mut units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"].into_iter().peekable();
    while bits >= 10_000 && units.len() > 1 {
        bits /= 1_000;
        units.next();
    }
    format!("{bits} {}", units.peek().copied().unwrap_or_default())
}
