//! Pictures of a network: VNets with what is in them, peerings with their states, connected groups, ways
//! through appliances and gateways. A [`Picture`] says what is shown; [`mermaid`], [`dot`] and [`svg`]
//! draw it.

mod alike;
pub mod dot;
mod layout;
pub mod mermaid;
mod paths;
mod picture;
pub mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::topology::{model::ResourceId, network::Network};

pub(crate) use self::picture::rate;

/// Pictures with more nodes than this show alike ones as one.
const NODES_IN_FULL: usize = 24;

/// What is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The name of the deployment.
    pub title: String,
    /// Boxes.
    pub nodes: Vec<Node>,
    /// Lines between them.
    pub edges: Vec<Edge>,
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// A virtual network, or several alike.
    Vnet,
    /// A connected group.
    Group,
    /// What a gateway is connected with and is not in the document.
    Site,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it stands for.
    pub kind: NodeKind,
    /// Its name.
    pub title: String,
    /// Its region; empty where it has none.
    pub region: String,
    /// What is said of it below the name.
    pub notes: Vec<String>,
    /// Its subnets.
    pub parts: Vec<Part>,
    /// How many it stands for.
    pub count: usize,
}

/// A box in a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name and prefixes.
    pub title: String,
    /// NICs and gateways in it.
    pub items: Vec<String>,
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A peering that carries packets.
    Connected,
    /// A peering that carries none: `Initiated` or `Disconnected`.
    NotConnected,
    /// Membership in a connected group.
    Member,
    /// A route through an appliance or a gateway in the other VNet.
    Path,
    /// A connection of a gateway.
    Connection,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that it leaves.
    pub from: usize,
    /// Index of the node that it leads to.
    pub to: usize,
    /// What it stands for.
    pub kind: EdgeKind,
    /// What is said of it.
    pub label: String,
}

impl Picture {
    /// A picture of a network. `rates` are bytes per second that leave the VNet over each link, by ARM id;
    /// links without one are shown without.
    pub fn new(network: &Network<'_>, rates: &BTreeMap<ResourceId, u64>) -> Self {
        let whole = picture::draw(network, rates);
        if whole.nodes.len() > NODES_IN_FULL { alike::merge(&whole) } else { whole }
    }
}
