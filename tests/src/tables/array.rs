//! Array maps in host memory.

use std::collections::BTreeMap;

use vnetpeer_common::abi::CACHE_WAYS;

/// An array map: every index below the capacity has a value, zeros unless it was written.
pub(super) struct Array<V> {
    values: BTreeMap<u32, V>,
    zero: V,
    capacity: u32,
}

impl<V: bytemuck::Zeroable> Array<V> {
    /// With these values.
    pub(super) fn new(values: BTreeMap<u32, V>, capacity: u32) -> Self {
        Self { values, zero: V::zeroed(), capacity }
    }

    /// The value at an index.
    pub(super) fn get(&self, index: u32) -> Option<&V> {
        (index < self.capacity).then(|| self.values.get(&index).unwrap_or(&self.zero))
    }
}

/// Where an entry of a set of the flow cache is.
pub(super) fn cache_index(set: u32, way: u32) -> usize {
    (set * CACHE_WAYS + way) as usize
}
