//! How many entries the maps have, and whether a deployment's numbers are among them.

use std::collections::BTreeMap;

use aya::maps::IterableMap as _;
use bytemuck::Pod;
use vnetpeer_common::abi::maps;

use super::{ArrayMap, KernelMaps};
use crate::topology::{desired::Desired, plan::PoolCapacities};

/// A map keeps the size with which it was made, and an earlier version made it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "map {map} was made with {capacity} entries, and the deployment has number {number}; stop the agent, take the dataplane off (`rm -r` the pin directory, its links first) and start the agent again"
)]
pub struct MapTooSmall {
    /// The map.
    pub map: &'static str,
    /// How many entries it has.
    pub capacity: u32,
    /// The highest number that is to be written.
    pub number: u32,
}

impl KernelMaps {
    /// Whether the numbers of a deployment are indices of the maps, whose defaults have grown.
    pub fn hold(&self, desired: &Desired) -> Result<(), MapTooSmall> {
        let nics = desired.nics.last_key_value().map(|(id, _)| id.0);
        let routes = desired.routes.last_key_value().map(|(id, _)| id.0);
        let maps =
            [(maps::NICS, size(&self.nics), nics), (maps::ROUTES, size(&self.routes), routes)];
        maps.into_iter().try_for_each(|(map, capacity, highest)| match highest {
            Some(number) if number >= capacity => Err(MapTooSmall { map, capacity, number }),
            _ => Ok(()),
        })
    }

    /// Capacities of the arrays that hold interned items.
    pub fn capacities(&self) -> PoolCapacities {
        PoolCapacities {
            trie_v4: size(&self.trie_v4),
            trie_v6: size(&self.trie_v6),
            next_hops: size(&self.next_hops),
            classifiers: size(&self.classifiers),
            rows: size(&self.rows),
        }
    }

    /// Capacity of every map whose fill is worth watching.
    pub fn map_capacities(&self) -> BTreeMap<&'static str, u32> {
        BTreeMap::from([
            (maps::NICS, size(&self.nics)),
            (maps::VNETS, size(&self.vnets)),
            (maps::ROUTES, size(&self.routes)),
            (maps::TRIE_V4, size(&self.trie_v4)),
            (maps::TRIE_V6, size(&self.trie_v6)),
            (maps::NEXT_HOPS, size(&self.next_hops)),
            (maps::LINKS, size(&self.links)),
            (maps::BALANCERS, size(&self.balancers)),
            (maps::VTEPS, size(&self.vteps)),
            (maps::POLICIES, size(&self.policies)),
            (maps::CLASSIFIERS, size(&self.classifiers)),
            (maps::ROWS, size(&self.rows)),
        ])
    }
}

/// Entries of a map. One that was adopted may have others than the object says, which is what aya tells.
fn size<V: Pod>(map: &ArrayMap<V>) -> u32 {
    map.map().info().map_or_else(|_| map.len(), |info| info.max_entries())
}
