//! Who has which number now: in the order of the keys, and by their hashes, because the same thousands of
//! keys are looked up again and again. Copies share all but what changed lately.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    ops::Bound,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Assigned;

/// Changes are kept beside what is shared until they are more than one in so many.
const SHARED_PER_CHANGE: usize = 32;

/// The order is what is kept and compared; the hashes follow from it.
#[derive(Debug)]
struct Shared<K> {
    sorted: BTreeMap<K, Assigned>,
    hashed: OnceLock<HashMap<K, Assigned>>,
}

/// Who has a number.
#[derive(Clone, Debug)]
pub(super) struct Live<K: Ord> {
    shared: Arc<Shared<K>>,
    /// What is otherwise than there: who has a number, and who has none.
    changes: BTreeMap<K, Option<Assigned>>,
}

impl<K: Ord> Live<K> {
    /// All of them by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, Assigned)> {
        self.starting_at(Bound::Unbounded)
    }

    /// Those from a key on.
    pub(super) fn starting_at<'l>(
        &'l self,
        first: Bound<&K>,
    ) -> impl Iterator<Item = (&'l K, Assigned)> + use<'l, K> {
        let bounds = (first, Bound::Unbounded);
        let mut shared = self.shared.sorted.range::<K, _>(bounds).peekable();
        let mut changes = self.changes.range::<K, _>(bounds).peekable();
        std::iter::from_fn(move || {
            loop {
                let order = match (shared.peek(), changes.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some((one, _)), Some((other, _))) => one.cmp(other),
                };
                if order.is_lt() {
                    return shared.next().map(|(key, it)| (key, *it));
                }
                if order.is_eq() {
                    shared.next();
                }
                if let Some((key, Some(assigned))) = changes.next() {
                    return Some((key, *assigned));
                }
            }
        })
    }
}

impl<K: Ord + Hash + Clone> Live<K> {
    pub(super) fn get(&self, key: &K) -> Option<Assigned> {
        if let Some(change) = self.changes.get(key) {
            return *change;
        }
        let Shared { sorted, hashed } = &*self.shared;
        let hash = || sorted.iter().map(|(key, it)| (key.clone(), *it)).collect();
        hashed.get_or_init(hash).get(key).copied()
    }

    /// Takes numbers away, then gives numbers.
    pub(super) fn change(&mut self, gone: &[K], arrived: Vec<(K, Assigned)>) {
        let count = self.changes.len() + gone.len() + arrived.len();
        self.changes.extend(gone.iter().map(|key| (key.clone(), None)));
        let arrived = arrived.into_iter().map(|(key, it)| (key, Some(it)));
        if count * SHARED_PER_CHANGE <= self.shared.sorted.len() {
            self.changes.extend(arrived);
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let mut sorted = self.shared.sorted.clone();
        for (key, change) in changes.into_iter().chain(arrived) {
            match change {
                Some(assigned) => drop(sorted.insert(key, assigned)),
                None => drop(sorted.remove(&key)),
            }
        }
        *self = Self::from(sorted);
    }
}

impl<K: Ord> From<BTreeMap<K, Assigned>> for Live<K> {
    fn from(sorted: BTreeMap<K, Assigned>) -> Self {
        let shared = Shared { sorted, hashed: OnceLock::new() };
        Self { shared: Arc::new(shared), changes: BTreeMap::new() }
    }
}

impl<K: Ord> Default for Live<K> {
    fn default() -> Self {
        Self::from(BTreeMap::new())
    }
}

impl<K: Ord> PartialEq for Live<K> {
    fn eq(&self, other: &Self) -> bool {
        let is_shared = Arc::ptr_eq(&self.shared, &other.shared);
        is_shared && self.changes == other.changes || self.iter().eq(other.iter())
    }
}

impl<K: Ord> Eq for Live<K> {}

/// Writes it as a map.
impl<K: Ord + Serialize> Serialize for Live<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Reads it from a map.
impl<'de, K: Ord + Deserialize<'de>> Deserialize<'de> for Live<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}
