//! What each write does to the peering objects.

use std::collections::HashMap;

use ipnet::IpNet;
use uuid::Uuid;

use super::{
    PeeringAction, PeeringOperation, PeeringRecord, PeeringState, PeeringSyncLevel, PeeringWrite,
    Records, overlap,
};
use crate::topology::{
    model::{OrphanPeering, Peering, PeeringProperties, ResourceId, Topology},
    state::StateError,
};

/// The objects while writes are applied to them.
pub(super) struct Machine<'t> {
    pub(super) topology: &'t Topology,
    /// GUIDs of VNets by their place in the topology.
    guids: &'t [Uuid],
    pub(super) records: HashMap<ResourceId, PeeringRecord>,
    peerings: HashMap<&'t ResourceId, &'t Peering>,
    orphans: HashMap<&'t ResourceId, &'t OrphanPeering>,
}

impl<'t> Machine<'t> {
    pub(super) fn new(records: Records, topology: &'t Topology, guids: &'t [Uuid]) -> Self {
        let peerings = topology.peerings.iter().map(|it| (&it.id, it)).collect();
        let orphans = topology.orphans.iter().map(|it| (&it.id, it)).collect();
        let records = records.into_iter().collect();
        Self { topology, guids, records, peerings, orphans }
    }

    /// Whether the topology has an object of that id.
    pub(super) fn exists(&self, id: &ResourceId) -> bool {
        self.peerings.contains_key(id) || self.orphans.contains_key(id)
    }

    /// Does what one request does, or refuses it as Azure does.
    pub(super) fn write(&mut self, write: &PeeringWrite) -> Result<(), StateError> {
        let gone = self.deletions();
        self.apply(&gone)?;
        match write {
            PeeringWrite::Put(id) => self.put(id).map(drop),
            PeeringWrite::Sync(id) => {
                let peering = self.put(id)?;
                self.copy(peering);
                Ok(())
            }
            PeeringWrite::Delete(id) if self.exists(id) => {
                Err(StateError::StillDeclared { id: id.clone() })
            }
            PeeringWrite::Delete(_) => Ok(()),
        }
    }

    /// Applies operations in their order. Deletions come before all others.
    pub(super) fn apply(&mut self, operations: &[PeeringOperation]) -> Result<(), StateError> {
        let is_deletion = |it: &&PeeringOperation| it.action == PeeringAction::Delete;
        for operation in operations.iter().take_while(is_deletion) {
            self.records.remove(&operation.id);
        }
        self.disconnect();
        for operation in operations.iter().skip_while(is_deletion) {
            match operation.action {
                PeeringAction::Delete => {
                    self.records.remove(&operation.id);
                    self.disconnect();
                }
                PeeringAction::Reset | PeeringAction::Create | PeeringAction::Update => {
                    self.put(&operation.id)?;
                }
                PeeringAction::Sync => {
                    let peering = self.peering(&operation.id)?;
                    self.copy(peering);
                }
            }
        }
        Ok(())
    }

    /// `Connected` objects that lost the other side become `Disconnected`.
    fn disconnect(&mut self) {
        let topology = self.topology;
        for peering in &topology.peerings {
            let state = self.state_without_lost(peering);
            if let (Some(record), Some(state)) = (self.records.get_mut(&peering.id), state) {
                record.peering_state = state;
            }
        }
        for orphan in &topology.orphans {
            if let Some(record) = self.records.get_mut(&orphan.id) {
                record.peering_state = PeeringState::Disconnected;
            }
        }
    }

    fn peering(&self, id: &ResourceId) -> Result<&'t Peering, StateError> {
        if let Some(orphan) = self.orphans.get(id) {
            return Err(without_remote(orphan));
        }
        let unknown = || StateError::PeeringUnknown { id: id.clone() };
        self.peerings.get(id).copied().ok_or_else(unknown)
    }

    /// Creates an object, or writes one that exists (AZ §1.4).
    fn put(&mut self, id: &ResourceId) -> Result<&'t Peering, StateError> {
        let peering = self.peering(id)?;
        let dangling = || StateError::Dangling { id: id.clone() };
        let properties = self.topology.peering_properties(peering).ok_or_else(dangling)?;
        let state = self.records.get(id).map(|record| record.peering_state);
        if let Some(before) = self.records.get(id).and_then(|record| record.written.as_ref()) {
            check_immutable(id, before, &properties)?;
        }
        match state {
            Some(PeeringState::Initiated) if self.has_implicit_side(peering) => {
                self.establish(peering, properties);
            }
            Some(PeeringState::Initiated | PeeringState::Connected) => {
                if let Some(record) = self.records.get_mut(id) {
                    record.written = Some(properties);
                }
            }
            Some(PeeringState::Disconnected) => self.establish(peering, properties),
            None => {
                self.check_remote(peering)?;
                self.establish(peering, properties);
            }
        }
        Ok(peering)
    }

    /// No object can be created whose other side is `Disconnected`.
    fn check_remote(&self, peering: &Peering) -> Result<(), StateError> {
        let Some(other) = self.reverse(peering) else { return Ok(()) };
        let state = self.records.get(&other.id).map(|record| record.peering_state);
        if state != Some(PeeringState::Disconnected) {
            return Ok(());
        }
        let (id, remote) = (peering.id.clone(), other.id.clone());
        let vnet = self.topology.vnet(peering.vnet);
        let vnet = vnet.ok_or_else(|| StateError::Dangling { id: id.clone() })?.id.clone();
        Err(StateError::RemotePeeringIsDisconnected { id, remote, vnet })
    }

    /// Makes an object anew: `Initiated`, or `Connected` with the other side if that can be.
    fn establish(&mut self, peering: &'t Peering, properties: PeeringProperties) {
        let topology = self.topology;
        let other = self.reverse(peering).map(|it| it.id.clone());
        let other = other.and_then(|id| self.peerings.get(&id).copied());
        let partner = other.and_then(|other| {
            let record = self.records.get(&other.id);
            let waits = record.is_some_and(|it| it.peering_state != PeeringState::Disconnected);
            let written = record.and_then(|record| record.written.clone());
            if topology.is_implicit(other) {
                Some((other, None))
            } else {
                waits.then_some((other, written))
            }
        });
        let state = match partner {
            Some(_) => PeeringState::Connected,
            None => PeeringState::Initiated,
        };
        self.renew(peering, state, Some(properties));
        if let Some((other, written)) = partner {
            self.renew(other, state, written);
        }
    }

    fn renew(
        &mut self,
        peering: &Peering,
        peering_state: PeeringState,
        written: Option<PeeringProperties>,
    ) {
        let guid = |index: usize| self.guids.get(index).copied().unwrap_or_default().as_u128();
        let record = PeeringRecord {
            resource_guid: Uuid::from_u128(guid(peering.vnet.0) ^ guid(peering.remote.0)),
            peering_state,
            peering_sync_level: PeeringSyncLevel::FullyInSync,
            remote_address_space: self.topology.remote_space(peering),
            local_address_space: self.topology.local_space(peering),
            written,
        };
        self.records.insert(peering.id.clone(), record);
    }

    /// Copies the remote space into the object.
    fn copy(&mut self, peering: &Peering) {
        let space = self.topology.remote_space(peering);
        if let Some(record) = self.records.get_mut(&peering.id) {
            record.remote_address_space = space;
        }
    }

    /// Whether an object's copy of the remote space is old.
    pub(super) fn is_stale(&self, peering: &Peering) -> bool {
        let record = self.records.get(&peering.id);
        record.is_none_or(|it| {
            !is_same(&it.remote_address_space, self.topology.remote_space(peering))
        })
    }

    /// The records, with everything that follows from the others in them.
    pub(super) fn finish(mut self) -> Result<Records, StateError> {
        let (peerings, orphans) = (&self.peerings, &self.orphans);
        self.records.retain(|id, _| peerings.contains_key(id) || orphans.contains_key(id));
        for orphan in &self.topology.orphans {
            self.finish_orphan(orphan)?;
        }
        let stale: Vec<bool> = self.topology.peerings.iter().map(|it| self.is_stale(it)).collect();
        let is_stale = |index: usize| stale.get(index).copied().unwrap_or(true);
        for (index, peering) in self.topology.peerings.iter().enumerate() {
            let remote = peering.reverse.is_none_or(|other| is_stale(other.0));
            if self.has_implicit_side(peering) && (is_stale(index) || remote) {
                return Err(StateError::AddressSpaceCannotChange { id: peering.id.clone() });
            }
            let local_space = self.synced_local_space(peering);
            if let Some(record) = self.records.get_mut(&peering.id) {
                record.peering_sync_level = level(is_stale(index), remote);
                record.local_address_space = local_space;
            }
        }
        overlap::check(&self.records, self.topology)?;
        Ok(self.records.into_iter().collect())
    }

    /// The own space as the other side last copied it; without another side as it was when there was
    /// one.
    fn synced_local_space(&self, peering: &Peering) -> Vec<IpNet> {
        let record = self.records.get(&peering.id);
        let connected = record.filter(|it| it.peering_state == PeeringState::Connected);
        let other = connected.and_then(|_| self.records.get(&self.reverse(peering)?.id));
        let copy = other.map(|other| &other.remote_address_space);
        let kept = record.map(|record| &record.local_address_space).filter(|it| !it.is_empty());
        copy.or(kept).cloned().unwrap_or_else(|| self.topology.local_space(peering))
    }

    fn finish_orphan(&mut self, orphan: &OrphanPeering) -> Result<(), StateError> {
        let record = self.records.get_mut(&orphan.id).ok_or_else(|| without_remote(orphan))?;
        if let Some(before) = &record.written {
            check_immutable(&orphan.id, before, &orphan.properties)?;
        }
        record.written = Some(orphan.properties.clone());
        record.peering_state = PeeringState::Disconnected;
        record.peering_sync_level = PeeringSyncLevel::RemoteNotInSync;
        Ok(())
    }
}

fn without_remote(orphan: &OrphanPeering) -> StateError {
    let remote = orphan.properties.remote_virtual_network.clone();
    StateError::InvalidResourceReference { id: orphan.id.clone(), remote }
}

/// What no write can change.
fn check_immutable(
    id: &ResourceId,
    before: &PeeringProperties,
    after: &PeeringProperties,
) -> Result<(), StateError> {
    if before.remote_virtual_network != after.remote_virtual_network {
        return Err(StateError::ChangingRemoteVirtualNetworkNotAllowed {
            id: id.clone(),
            before: before.remote_virtual_network.clone(),
            after: after.remote_virtual_network.clone(),
        });
    }
    if before.scope.is_complete() != after.scope.is_complete() {
        return Err(StateError::ChangingPeerCompleteVnetsNotAllowed { id: id.clone() });
    }
    Ok(())
}

const fn level(local: bool, remote: bool) -> PeeringSyncLevel {
    match (local, remote) {
        (false, false) => PeeringSyncLevel::FullyInSync,
        (false, true) => PeeringSyncLevel::RemoteNotInSync,
        (true, false) => PeeringSyncLevel::LocalNotInSync,
        (true, true) => PeeringSyncLevel::LocalAndRemoteNotInSync,
    }
}

/// Whether two spaces have the same prefixes in any order.
fn is_same(copy: &[IpNet], mut space: Vec<IpNet>) -> bool {
    if copy == space {
        return true;
    }
    let mut copy: Vec<IpNet> = copy.iter().map(IpNet::trunc).collect();
    copy.sort_unstable();
    space.sort_unstable();
    copy == space
}
