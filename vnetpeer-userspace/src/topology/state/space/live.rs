//! Who has which number now: in the order of the keys, and by their hashes, because the same thousands of
//! keys are looked up again and again.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Assigned;

/// The order is what is kept and compared; the hashes follow from it.
#[derive(Debug)]
pub(super) struct Live<K: Ord> {
    sorted: BTreeMap<K, Assigned>,
    hashed: OnceLock<HashMap<K, Assigned>>,
}

impl<K: Ord> Live<K> {
    pub(super) fn sorted(&self) -> &BTreeMap<K, Assigned> {
        &self.sorted
    }

    pub(super) fn into_sorted(self) -> BTreeMap<K, Assigned> {
        self.sorted
    }
}

impl<K: Ord + Hash + Clone> Live<K> {
    pub(super) fn get(&self, key: &K) -> Option<Assigned> {
        let hashed = || self.sorted.iter().map(|(key, it)| (key.clone(), *it)).collect();
        self.hashed.get_or_init(hashed).get(key).copied()
    }
}

impl<K: Ord> From<BTreeMap<K, Assigned>> for Live<K> {
    fn from(sorted: BTreeMap<K, Assigned>) -> Self {
        Self { sorted, hashed: OnceLock::new() }
    }
}

impl<K: Ord> Default for Live<K> {
    fn default() -> Self {
        Self::from(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Clone for Live<K> {
    fn clone(&self) -> Self {
        Self::from(self.sorted.clone())
    }
}

impl<K: Ord> PartialEq for Live<K> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted == other.sorted
    }
}

impl<K: Ord> Eq for Live<K> {}

/// Writes it as a map, as if whoever shares it had one of his own.
pub(super) fn serialize<K: Ord + Serialize, S: Serializer>(
    live: &Arc<Live<K>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    live.sorted.serialize(serializer)
}

/// Reads it from a map.
pub(super) fn deserialize<'de, K: Ord + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Live<K>>, D::Error> {
    BTreeMap::deserialize(deserializer).map(|sorted| Arc::new(Live::from(sorted)))
}
