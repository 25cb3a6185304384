//! The counters of links and drops, read in batches. They are opened by their pins, apart from the other
//! maps: who reads them waits for nobody and keeps nobody waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use aya::maps::{MapData, MapError};
use vnetpeer_common::{
    abi::{DROP_REASONS_MAX, DropCounter, Meter, maps},
    reason::DropReason,
};

use super::{Dataplane, LoadError, maps::MapOpError, sys::PerCpuReader};

/// Entries that are read at once.
const BATCH: u32 = 1_024;

/// The counters of links: one kernel map.
pub struct Meters {
    map: PerCpuReader<Meter>,
    id: u32,
}

/// The counters of drops.
pub struct Drops {
    map: PerCpuReader<DropCounter>,
}

impl Meters {
    /// Opens those of a loaded dataplane.
    pub fn open(dataplane: &Dataplane) -> Result<Self, LoadError> {
        let folder = dataplane.links.with_file_name("maps");
        let missing = LoadError::Missing { name: maps::METERS };
        Self::at(&folder)?.ok_or(missing)
    }

    /// Opens those in a folder of pinned maps, maybe of another version; `None` if there are none of a
    /// layout that is known.
    pub fn at(folder: &Path) -> Result<Option<Self>, LoadError> {
        let path = folder.join(maps::METERS);
        if !path.exists() {
            return Ok(None);
        }
        let open = || {
            let map = MapData::from_pin(&path)?;
            let id = map.info()?.id();
            Ok(PerCpuReader::new(map)?.map(|map| Self { map, id }))
        };
        open().map_err(|source: MapError| LoadError::Pin { path, source: Box::new(source) })
    }

    /// The kernel's number of the map, which no other map gets as long as the host is up.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The meters of these links, by number, summed over CPUs. A number beyond the map has none.
    pub fn read(&self, numbers: &BTreeSet<u32>) -> Result<BTreeMap<u32, Meter>, MapOpError> {
        let mut meters = BTreeMap::new();
        let mut next = numbers.first().copied();
        while let Some(first) = next {
            let see = |number: u32, values: &[Meter]| {
                if numbers.contains(&number) {
                    meters.insert(number, sum(values));
                }
            };
            self.map.read(first, BATCH, see).map_err(failed(maps::METERS))?;
            let end = first.saturating_add(BATCH);
            next = numbers.range(end..).next().copied().filter(|it| *it < self.map.len());
        }
        Ok(meters)
    }
}

impl Drops {
    /// Opens those of a loaded dataplane.
    pub fn open(dataplane: &Dataplane) -> Result<Self, LoadError> {
        let path = dataplane.links.with_file_name("maps").join(maps::DROPS);
        let opened = MapData::from_pin(&path).and_then(PerCpuReader::new);
        let map = opened.map_err(|source| LoadError::Pin { path, source: Box::new(source) })?;
        Ok(Self { map: map.ok_or(LoadError::Missing { name: maps::DROPS })? })
    }

    /// Drops by reason, summed over rows and CPUs.
    pub fn by_reason(&self) -> Result<BTreeMap<DropReason, DropCounter>, MapOpError> {
        let mut all: BTreeMap<DropReason, DropCounter> = BTreeMap::new();
        let mut first = 0;
        while first < self.map.len() {
            let see = |index: u32, values: &[DropCounter]| {
                let Some(reason) = DropReason::from_number(index % DROP_REASONS_MAX) else {
                    return;
                };
                let total = all.entry(reason).or_default();
                for counter in values {
                    total.packets += counter.packets;
                    total.bytes += counter.bytes;
                }
            };
            self.map.read(first, BATCH, see).map_err(failed(maps::DROPS))?;
            first = first.saturating_add(BATCH);
        }
        Ok(all)
    }
}

fn sum(values: &[Meter]) -> Meter {
    let mut total = Meter::default();
    for meter in values {
        total.egress_packets += meter.egress_packets;
        total.egress_bytes += meter.egress_bytes;
        total.ingress_packets += meter.ingress_packets;
        total.ingress_bytes += meter.ingress_bytes;
    }
    total
}

fn failed(map: &'static str) -> impl Fn(io::Error) -> MapOpError {
    move |error| MapOpError {
        what: "read the counters",
        map,
        source: Box::new(MapError::IoError(error)),
    }
}
