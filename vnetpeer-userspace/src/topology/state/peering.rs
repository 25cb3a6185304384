//! The states of peering objects and the copies of address spaces that they keep (AZ §1.4, §1.5).

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StateError;
use crate::topology::model::{Peering, PeeringIndex, ResourceId, Topology, Vnet};

/// `peeringState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeeringState {
    /// Only this side exists, and the other never did.
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
}

/// Records of all peerings after the step from `old` to `topology`. `guids` is indexed as
/// [`Topology::peerings`].
///
/// A document that holds both sides connects them, also after one side had been gone: applying it
/// is a write of both objects, and a write takes a `Disconnected` object back to `Initiated`.
pub(super) fn advance(
    old: &BTreeMap<ResourceId, PeeringRecord>,
    topology: &Topology,
    guids: &[Uuid],
) -> Result<BTreeMap<ResourceId, PeeringRecord>, StateError> {
    let mut records = BTreeMap::new();
    let before = |index: usize| {
        let peering = topology.peerings.get(index)?;
        let guid = guids.get(index)?;
        old.get(&peering.id).filter(|record| record.resource_guid == *guid)
    };
    let was_connected = |index: usize| {
        before(index).is_some_and(|record| record.peering_state == PeeringState::Connected)
    };
    for (index, peering) in topology.peerings.iter().enumerate() {
        let remote = vnet(topology, peering)?.1;
        let known = before(index);
        let state = match (peering.reverse, known.map(|record| record.peering_state)) {
            (Some(_), _) => PeeringState::Connected,
            (None, Some(PeeringState::Connected | PeeringState::Disconnected)) => {
                PeeringState::Disconnected
            }
            (None, _) => PeeringState::Initiated,
        };
        let both_were =
            peering.reverse.is_some_and(|other| was_connected(index) && was_connected(other.0));
        let sync = state == PeeringState::Connected && (topology.auto_sync || !both_were);
        let space = match known {
            Some(record) if !sync => record.remote_address_space.clone(),
            _ => remote.address_space.clone(),
        };
        records.insert(
            peering.id.clone(),
            PeeringRecord {
                resource_guid: guids.get(index).copied().unwrap_or_default(),
                peering_state: state,
                peering_sync_level: PeeringSyncLevel::FullyInSync,
                remote_address_space: space,
            },
        );
    }
    finish(&mut records, topology)?;
    Ok(records)
}

/// Copies the remote space into one peering, if that object is `LocalNotInSync` in any way.
pub(super) fn sync(
    records: &mut BTreeMap<ResourceId, PeeringRecord>,
    topology: &Topology,
    id: &ResourceId,
) -> Result<(), StateError> {
    let unknown = || StateError::PeeringUnknown { id: id.clone() };
    let peering = topology.peerings.iter().find(|it| it.id == *id).ok_or_else(unknown)?;
    let space = vnet(topology, peering)?.1.address_space.clone();
    records.get_mut(id).ok_or_else(unknown)?.remote_address_space = space;
    finish(records, topology)
}

fn finish(
    records: &mut BTreeMap<ResourceId, PeeringRecord>,
    topology: &Topology,
) -> Result<(), StateError> {
    let mut levels = Vec::with_capacity(topology.peerings.len());
    for peering in &topology.peerings {
        let (own, remote) = vnet(topology, peering)?;
        let local_old = !is_copy(records.get(&peering.id), remote);
        let other = peering.reverse.and_then(|PeeringIndex(index)| topology.peerings.get(index));
        let remote_old = other.is_none_or(|other| !is_copy(records.get(&other.id), own));
        levels.push(match (local_old, remote_old) {
            (false, false) => PeeringSyncLevel::FullyInSync,
            (false, true) => PeeringSyncLevel::RemoteNotInSync,
            (true, false) => PeeringSyncLevel::LocalNotInSync,
            (true, true) => PeeringSyncLevel::LocalAndRemoteNotInSync,
        });
    }
    for (peering, level) in topology.peerings.iter().zip(levels) {
        if let Some(record) = records.get_mut(&peering.id) {
            record.peering_sync_level = level;
        }
    }
    check_overlap(records, topology)
}

/// The VNet that owns the peering, and the one that it points at.
fn vnet<'a>(topology: &'a Topology, peering: &Peering) -> Result<(&'a Vnet, &'a Vnet), StateError> {
    let dangling = || StateError::Dangling { id: peering.id.clone() };
    let own = topology.vnet(peering.vnet).ok_or_else(dangling)?;
    let remote = topology.vnet(peering.remote).ok_or_else(dangling)?;
    Ok((own, remote))
}

fn is_copy(record: Option<&PeeringRecord>, vnet: &Vnet) -> bool {
    let sorted = |space: &[IpNet]| {
        let mut space: Vec<IpNet> = space.iter().map(IpNet::trunc).collect();
        space.sort_unstable();
        space
    };
    record.is_some_and(|it| sorted(&it.remote_address_space) == sorted(&vnet.address_space))
}

/// A copy that was never synced can claim addresses that meanwhile belong to another VNet. Two
/// routes of one prefix would then lead to different places, so the step is refused.
fn check_overlap(
    records: &BTreeMap<ResourceId, PeeringRecord>,
    topology: &Topology,
) -> Result<(), StateError> {
    let mut claims: Vec<Vec<(IpNet, &ResourceId)>> = topology
        .vnets
        .iter()
        .map(|vnet| vnet.address_space.iter().map(|net| (net.trunc(), &vnet.id)).collect())
        .collect();
    for peering in &topology.peerings {
        let record = records.get(&peering.id);
        let connected = record.filter(|it| it.peering_state == PeeringState::Connected);
        if let (Some(record), Some(list)) = (connected, claims.get_mut(peering.vnet.0)) {
            let space = record.remote_address_space.iter();
            list.extend(space.map(|net| (net.trunc(), &peering.id)));
        }
    }
    for list in &mut claims {
        list.sort_unstable();
        for pair in list.windows(2) {
            if let [(first, owner), (second, other)] = pair
                && owner != other
                && first.contains(second)
            {
                return Err(StateError::SpacesOverlap {
                    first: *first,
                    owner: (*owner).clone(),
                    second: *second,
                    other: (*other).clone(),
                });
            }
        }
    }
    Ok(())
}
