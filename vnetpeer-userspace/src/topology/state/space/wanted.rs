//! Who was to have a number in the step before. Most of the next step is the same, in the same order, and
//! what is the same need not be looked up.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use uuid::Uuid;

use super::{Assigned, live::Live};

/// A key that was wanted.
#[derive(Clone, Debug)]
pub(super) struct Entry<K> {
    pub(super) key: K,
    anchor: Uuid,
    /// What it was given; 0 until then.
    pub(super) number: u32,
}

impl<K: PartialEq> Entry<K> {
    fn is(&self, key: &K, anchor: Uuid) -> bool {
        self.key == *key && self.anchor == anchor
    }
}

/// Keys in the order in which they were wanted; not known of a space that was read.
#[derive(Clone, Debug)]
pub(super) struct Wanted<K>(Option<Arc<[Entry<K>]>>);

/// What a step changes.
pub(super) struct Change<K> {
    /// Who is to go, by key.
    pub(super) gone: Vec<K>,
    /// Who is to come, with which anchor.
    pub(super) arriving: BTreeMap<K, Uuid>,
    /// What is wanted now.
    pub(super) wanted: Vec<Entry<K>>,
}

impl<K> Default for Wanted<K> {
    fn default() -> Self {
        Self(None)
    }
}

/// It says nothing that the numbers do not say.
impl<K> PartialEq for Wanted<K> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<K> Eq for Wanted<K> {}

impl<K> Wanted<K> {
    /// All of them.
    pub(super) fn entries(&self) -> &[Entry<K>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<K: Ord + Hash + Clone> Wanted<K> {
    /// The way from what was wanted to what is wanted, if these differ. `live` is who has a number.
    pub(super) fn compare<'k>(
        &self,
        live: &Live<K>,
        mut wanted: impl Iterator<Item = (Cow<'k, K>, Uuid)>,
    ) -> Option<Change<K>>
    where
        K: 'k,
    {
        let known = self.0.as_ref().map_or_else(|| Self::of(live), Arc::clone);
        let mut unchanged = 0;
        let first = loop {
            match (wanted.next(), known.get(unchanged)) {
                (Some((key, anchor)), Some(old)) if old.is(&key, anchor) => unchanged += 1,
                (None, None) => return None,
                (other, _) => break other,
            }
        };
        let rest = first.into_iter().chain(wanted);
        let rest = rest.map(|(key, anchor)| Entry { key: key.into_owned(), anchor, number: 0 });
        let (head, before) = known.split_at_checked(unchanged).unwrap_or_default();
        let mut all: Vec<Entry<K>> = head.iter().cloned().chain(rest).collect();
        let (_, after) = all.split_at_mut_checked(unchanged).unwrap_or_default();
        let mut same_end = 0;
        for (old, new) in before.iter().rev().zip(after.iter_mut().rev()) {
            if !old.is(&new.key, new.anchor) {
                break;
            }
            new.number = old.number;
            same_end += 1;
        }
        let leaving = before.iter().take(before.len() - same_end);
        let coming = after.iter().take(after.len() - same_end);
        let is_new =
            |it: &&Entry<K>| live.get(&it.key).is_none_or(|assigned| assigned.anchor != it.anchor);
        let arriving = coming.filter(is_new).map(|it| (it.key.clone(), it.anchor)).collect();
        Some(Change { gone: gone(leaving, &all), arriving, wanted: all })
    }

    /// What is wanted and has its numbers now.
    pub(super) fn numbered(mut wanted: Vec<Entry<K>>, live: &Live<K>) -> Self {
        for entry in wanted.iter_mut().filter(|it| it.number == 0) {
            entry.number = live.get(&entry.key).map_or(0, |it| it.number);
        }
        Self(Some(wanted.into()))
    }

    fn of(live: &Live<K>) -> Arc<[Entry<K>]> {
        let entry = |(key, it): (&K, Assigned)| Entry {
            key: key.clone(),
            anchor: it.anchor,
            number: it.number,
        };
        live.iter().map(entry).collect()
    }
}

/// Those of `leaving` that are wanted nowhere: something may be wanted more than once.
fn gone<'k, K: Ord + Hash + Clone + 'k>(
    leaving: impl Iterator<Item = &'k Entry<K>>,
    wanted: &[Entry<K>],
) -> Vec<K> {
    let mut gone: HashMap<&K, Uuid> = leaving.map(|it| (&it.key, it.anchor)).collect();
    for it in wanted {
        if gone.is_empty() {
            break;
        }
        if gone.get(&it.key) == Some(&it.anchor) {
            gone.remove(&it.key);
        }
    }
    let mut gone: Vec<K> = gone.into_keys().cloned().collect();
    gone.sort_unstable();
    gone
}
