//! From the peerings that exist to those of a document: which requests, in which order.

use serde::{Deserialize, Serialize};

use super::{PeeringState, machine::Machine};
use crate::topology::model::{Peering, PeeringIndex, ResourceId, implicit_side};

/// One write of one peering object, as a user of Azure sends it. The document is already as it is
/// after the write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeeringWrite {
    /// Creates the object, or writes its properties.
    Put(ResourceId),
    /// Writes the object with `syncRemoteAddressSpace`: it copies the remote space.
    Sync(ResourceId),
    /// Deletes the object. One that does not exist may be deleted.
    Delete(ResourceId),
}

/// What happens to a peering object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeeringAction {
    /// It is deleted; the other side becomes `Disconnected`.
    Delete,
    /// It was `Disconnected` and is written again: it becomes `Initiated`.
    Reset,
    /// It comes to be, `Initiated`; if the other side is there, both become `Connected`.
    Create,
    /// It is written with other properties.
    Update,
    /// It copies the remote address space.
    Sync,
}

/// One step from the peerings that exist to those of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeeringOperation {
    /// What happens.
    pub action: PeeringAction,
    /// The peering.
    pub id: ResourceId,
}

impl Machine<'_> {
    /// What is left to do, in order: deletions, then what makes the way free for new objects, then
    /// these, then changes; of one kind by id.
    pub(super) fn operations(&self) -> Vec<PeeringOperation> {
        let mut all = self.deletions();
        for peering in self.topology.written_peerings() {
            let id = &peering.id;
            all.extend(
                self.action(peering).map(|action| PeeringOperation { action, id: id.clone() }),
            );
            if self.must_sync(peering) {
                all.push(PeeringOperation { action: PeeringAction::Sync, id: id.clone() });
            }
        }
        all.sort_unstable();
        all
    }

    /// The deletions of what the topology does not have. A classic VNet's side goes with the other.
    pub(super) fn deletions(&self) -> Vec<PeeringOperation> {
        let gone = self.records.keys().filter(|id| !self.exists(id) && !is_implicit(id));
        let action = PeeringAction::Delete;
        gone.map(|id| PeeringOperation { action, id: id.clone() }).collect()
    }

    fn action(&self, peering: &Peering) -> Option<PeeringAction> {
        let Some(record) = self.records.get(&peering.id) else {
            return Some(PeeringAction::Create);
        };
        let implicit = self.has_implicit_side(peering);
        let again = match self.state_without_lost(peering) {
            Some(PeeringState::Disconnected) => peering.reverse.is_some(),
            Some(PeeringState::Initiated) => implicit,
            _ => false,
        };
        if again {
            return Some(PeeringAction::Reset);
        }
        let differs = record.written != self.topology.peering_properties(peering);
        differs.then_some(PeeringAction::Update)
    }

    fn must_sync(&self, peering: &Peering) -> bool {
        self.topology.auto_sync
            && !self.has_implicit_side(peering)
            && self.state_without_lost(peering) == Some(PeeringState::Connected)
            && self.is_stale(peering)
    }

    /// The state of an object; one that is `Connected` with what no longer exists is `Disconnected`.
    pub(super) fn state_without_lost(&self, peering: &Peering) -> Option<PeeringState> {
        let record = self.records.get(&peering.id)?;
        let connected = record.peering_state == PeeringState::Connected;
        let lost = connected && !self.is_pair(peering);
        Some(if lost { PeeringState::Disconnected } else { record.peering_state })
    }

    /// Whether both sides have records of the same pair of VNets.
    fn is_pair(&self, peering: &Peering) -> bool {
        let guid = |id: &ResourceId| self.records.get(id).map(|record| record.resource_guid);
        let reverse = self.reverse(peering);
        reverse.is_some_and(|other| guid(&other.id) == guid(&peering.id))
    }

    /// Whether the remote VNet is classic.
    pub(super) fn has_implicit_side(&self, peering: &Peering) -> bool {
        self.reverse(peering).is_some_and(|other| self.topology.is_implicit(other))
    }

    pub(super) fn reverse(&self, peering: &Peering) -> Option<&Peering> {
        let PeeringIndex(index) = peering.reverse?;
        self.topology.peerings.get(index)
    }
}

/// Whether an id is that of a classic VNet's side, now or before.
fn is_implicit(id: &ResourceId) -> bool {
    let parent = id.as_str().rsplit_once('/').map(|(parent, _)| ResourceId::new(parent));
    parent.is_some_and(|parent| implicit_side(&parent) == *id)
}
