//! Connected groups of network managers (AZ §6.2): VNets that reach each other without peering objects.

use std::collections::BTreeSet;

use super::{ResourceId, Topology, VnetIndex};

/// VNets that a deployed connectivity configuration joins: the members of a mesh, or of one network group
/// with `DirectlyConnected`; of one region unless the configuration is global.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedGroup {
    /// The ARM id of the connectivity configuration, with the network group or the region added where
    /// one configuration makes several connected groups.
    pub id: ResourceId,
    /// Its members, in the order of the topology; no VNet twice.
    pub members: Vec<VnetIndex>,
}

impl Topology {
    /// The VNets that are in a connected group.
    pub fn group_members(&self) -> BTreeSet<VnetIndex> {
        self.connected_groups.iter().flat_map(|group| &group.members).copied().collect()
    }
}
