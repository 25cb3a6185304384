//! What the programs are to tell of single packets, and how much of it found no room.

use std::sync::{Mutex, PoisonError};

use aya::maps::{Array, MapData, MapError, PerCpuArray};
use vnetpeer_common::abi::{Watch, maps};

use super::{Dataplane, LoadError, flows::open, maps::MapOpError, sys::Abi};

/// Index of the events that somebody watches in [`maps::EVENTS_LOST`].
const WATCHED: u32 = 1;

/// The maps, open.
pub struct WatchMaps {
    watch: Mutex<Array<MapData, Abi<Watch>>>,
    lost: PerCpuArray<MapData, Abi<u64>>,
}

impl WatchMaps {
    /// Opens the maps of a loaded dataplane; an earlier agent's watch ends.
    pub fn open(dataplane: &Dataplane) -> Result<Self, LoadError> {
        let watch: Array<MapData, Abi<Watch>> = open(dataplane, maps::WATCH)?;
        let maps = Self { watch: Mutex::new(watch), lost: open(dataplane, maps::EVENTS_LOST)? };
        maps.set(Watch::default())
            .map_err(|error| LoadError::Map { name: maps::WATCH, source: error.source })?;
        Ok(maps)
    }

    /// Which packets the programs are to tell of from now on.
    pub fn set(&self, watch: Watch) -> Result<(), MapOpError> {
        let mut map = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        map.set(0, Abi(watch), 0).map_err(failed("set an entry", maps::WATCH))
    }

    /// Watched packets whose events found no room, since the maps exist.
    pub fn lost(&self) -> Result<u64, MapOpError> {
        let values = self.lost.get(&WATCHED, 0);
        let values = values.map_err(failed("read a counter", maps::EVENTS_LOST))?;
        Ok(values.iter().map(|Abi(count)| *count).sum())
    }
}

fn failed(what: &'static str, map: &'static str) -> impl Fn(MapError) -> MapOpError {
    move |source| MapOpError { what, map, source: Box::new(source) }
}
