//! The states of peering objects and the copies of address spaces that they keep (AZ §1.4, §1.5).

mod machine;
mod operations;
mod overlap;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::machine::Machine;
pub use self::operations::{PeeringAction, PeeringOperation, PeeringWrite};
use super::{State, StateError};
use crate::topology::model::{PeeringProperties, ResourceId, Topology};

/// `peeringState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeeringState {
    /// Only this side exists, and the other did not since this one was written.
    Initiated,
    /// Both sides exist.
    Connected,
    /// The other side is gone.
    Disconnected,
}

/// `peeringSyncLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeeringSyncLevel {
    /// Both copies are what the VNets are.
    FullyInSync,
    /// The other side's copy of this VNet's space is old, or there is no other side.
    RemoteNotInSync,
    /// This object's copy of the remote space is old.
    LocalNotInSync,
    /// Both of these.
    LocalAndRemoteNotInSync,
}

/// What a peering object carries besides what the document says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeeringRecord {
    /// The same on both sides: the XOR of the VNets' GUIDs.
    pub resource_guid: Uuid,
    /// Where the object is in its life.
    pub peering_state: PeeringState,
    /// Whether the copies of the address spaces are current.
    pub peering_sync_level: PeeringSyncLevel,
    /// The remote space as of the last sync: what routes follow.
    pub remote_address_space: Vec<IpNet>,
    /// The own space as the other side last synced it.
    #[serde(default)]
    pub local_address_space: Vec<IpNet>,
    /// What was last written into the object; not known of one that is older than version 3 of the
    /// JSON form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<PeeringProperties>,
}

/// Records by the ids of the peerings.
pub(super) type Records = BTreeMap<ResourceId, PeeringRecord>;

/// Records after `write`, if there is one, and after everything else that `topology` needs. `guids` is
/// indexed as [`Topology::vnets`].
pub(super) fn advance(
    old: &Records,
    topology: &Topology,
    guids: &[Uuid],
    write: Option<&PeeringWrite>,
) -> Result<Records, StateError> {
    let mut machine = Machine::new(old.clone(), topology, guids);
    if let Some(write) = write {
        machine.write(write)?;
    }
    let rest = machine.operations();
    machine.apply(&rest)?;
    machine.finish()
}

/// What [`super::advance`] does to the peering objects, in this order, each as one request would in
/// Azure. Applying them one after the other leads to the same records.
///
/// A document that holds both sides connects them, also after one side had been gone: applying it
/// writes both, and a write takes a `Disconnected` object back to `Initiated`.
pub fn operations(state: &State, topology: &Topology) -> Vec<PeeringOperation> {
    Machine::new(state.peerings.clone(), topology, &[]).operations()
}
