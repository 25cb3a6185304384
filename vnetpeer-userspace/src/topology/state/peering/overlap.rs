//! Copies of address spaces that claim the same addresses.

use std::collections::HashMap;

use ipnet::IpNet;

use super::{PeeringRecord, PeeringState};
use crate::topology::{
    model::{ResourceId, Topology, VnetIndex},
    state::StateError,
};

/// What each VNet takes for whose, by its index.
struct Claims<'a>(Vec<Vec<(IpNet, &'a ResourceId)>>);

impl<'a> Claims<'a> {
    fn add(&mut self, vnet: VnetIndex, space: &[IpNet], owner: &'a ResourceId) {
        if let Some(list) = self.0.get_mut(vnet.0) {
            list.extend(space.iter().map(|net| (net.trunc(), owner)));
        }
    }
}

/// A copy that was never synced can claim addresses that meanwhile belong to another VNet. Two routes
/// of one prefix would then lead to different places, so the step is refused. A peering whose remote
/// VNet is gone claims its addresses all the same (AZ §1.4.7).
pub(super) fn check(
    records: &HashMap<ResourceId, PeeringRecord>,
    topology: &Topology,
) -> Result<(), StateError> {
    let mut claims = Claims(vec![Vec::new(); topology.vnets.len()]);
    for (index, vnet) in topology.vnets.iter().enumerate() {
        claims.add(VnetIndex(index), &vnet.address_space, &vnet.id);
    }
    for peering in &topology.peerings {
        let Some(record) = records.get(&peering.id) else { continue };
        if record.peering_state == PeeringState::Connected {
            claims.add(peering.vnet, &record.remote_address_space, &peering.id);
        } else if !topology.orphans.is_empty() {
            claims.add(peering.vnet, &topology.remote_space(peering), &peering.id);
        }
    }
    for orphan in &topology.orphans {
        if let Some(record) = records.get(&orphan.id) {
            claims.add(orphan.vnet, &record.remote_address_space, &orphan.id);
        }
    }
    for mut list in claims.0 {
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
