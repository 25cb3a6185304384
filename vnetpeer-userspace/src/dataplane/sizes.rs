//! How large the maps that hold flows are, and the rate of the kernel's clock.

use std::path::Path;

use aya::{maps::MapData, util::nr_cpus};
use nix::{sys::time::TimeValLike as _, time::ClockId};
use vnetpeer_common::abi::{CACHE_TAGGED_SETS, CACHE_WAYS, capacity, maps};

use super::LoadError;
use crate::topology::facts::{DatapathFacts, FlowLimits};

/// Sizes of the maps that hold flows. Maps that are there already keep theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// IPv4 flows of all NICs.
    pub flows_v4: u32,
    /// IPv6 flows of all NICs.
    pub flows_v6: u32,
    /// Sets of the flow cache per CPU: IPv4, IPv6. Raised to the next power of two.
    pub cache_sets: [u32; 2],
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            flows_v4: capacity::FLOWS_V4,
            flows_v6: capacity::FLOWS_V6,
            cache_sets: [capacity::CACHE_SETS_V4, capacity::CACHE_SETS_V6],
        }
    }
}

/// CPUs that the host has or may get: the shards of the flow cache.
pub(super) fn possible_cpus() -> Result<u32, LoadError> {
    let cpus = nr_cpus();
    let cpus = cpus.map_err(|(_, source)| LoadError::Host { what: "the CPUs", source })?;
    Ok(u32::try_from(cpus).unwrap_or(u32::MAX).max(1))
}

/// Entries of a flow cache of so many sets per CPU.
pub(super) fn cache_entries(sets: u32, cpus: u32) -> u32 {
    let sets = sets.clamp(1, 1 << 24).next_power_of_two();
    sets.saturating_mul(cpus).saturating_mul(CACHE_WAYS)
}

/// Entries of the map of tags of a flow cache of so many entries.
pub(super) fn cache_tags(entries: u32) -> u32 {
    entries.div_ceil(CACHE_WAYS * CACHE_TAGGED_SETS)
}

/// Entries of the stream of events for so many CPUs.
pub(super) const fn streamed(cpus: u32) -> u32 {
    cpus.saturating_mul(capacity::STREAM)
}

/// Sets per CPU of a flow cache of so many entries, if that is a power of two.
fn cache_sets(entries: u32, cpus: u32) -> Option<u32> {
    let of_one_set = cpus.checked_mul(CACHE_WAYS)?;
    let sets = entries.checked_div(of_one_set)?;
    (sets.is_power_of_two() && sets.checked_mul(of_one_set) == Some(entries)).then_some(sets)
}

/// What the maps under `map_dir` and the kernel are like.
pub(super) fn datapath_facts(map_dir: &Path, cpus: u32) -> Result<DatapathFacts, LoadError> {
    let entries = |name: &'static str| {
        let path = map_dir.join(name);
        let info = MapData::from_pin(&path).and_then(|map| map.info());
        let info = info.map_err(|source| LoadError::Pin { path, source: Box::new(source) })?;
        Ok::<u32, LoadError>(info.max_entries())
    };
    let sets = |name: &'static str| {
        let entries = entries(name)?;
        cache_sets(entries, cpus).ok_or(LoadError::CacheSize { name, entries, cpus })
    };
    Ok(DatapathFacts {
        tick_rate: tick_rate()?,
        cache_sets: [sets(maps::CACHE_V4)?, sets(maps::CACHE_V6)?],
        flow_limits: FlowLimits::of_table(entries(maps::FLOWS_V4)?),
    })
}

/// Jiffies per second: a coarse clock advances once in each.
fn tick_rate() -> Result<u32, LoadError> {
    const NANOSECONDS: i64 = 1_000_000_000;
    let failed = |source: nix::Error| LoadError::Host {
        what: "the resolution of the coarse clock",
        source: source.into(),
    };
    let tick = ClockId::CLOCK_MONOTONIC_COARSE.res().map_err(failed)?;
    let tick = tick.num_nanoseconds().clamp(1, NANOSECONDS);
    Ok(u32::try_from((NANOSECONDS + tick / 2) / tick).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_cache_has_a_power_of_two_of_sets_for_each_cpu() {
        assert_eq!(cache_entries(65_536, 3), 65_536 * 3 * 2);
        assert_eq!(cache_entries(1_000, 3), 1_024 * 3 * 2);
        assert_eq!(cache_tags(cache_entries(1_000, 3)), 256 * 3);
        assert_eq!(cache_tags(cache_entries(1, 3)), 1);
        assert_eq!(cache_sets(1_024 * 3 * 2, 3), Some(1_024));
        assert_eq!(cache_sets(1_024 * 3 * 2, 4), None, "the host has other CPUs now");
        assert_eq!(cache_sets(0, 4), None);
    }

    #[test]
    fn the_kernel_has_a_usual_tick_rate() {
        assert!([100, 250, 300, 1_000].contains(&tick_rate().unwrap()));
    }
}
