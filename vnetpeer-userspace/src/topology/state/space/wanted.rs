//! Who was to have a number in the step before. Most of the next step is the same, in the same order, and
//! what is the same need not be looked up.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use uuid::Uuid;

use super::live::Live;

/// Keys with their anchors in the order in which they were wanted; not known of a space that was read.
#[derive(Clone, Debug)]
pub(super) struct Wanted<K>(Option<Arc<[(K, Uuid)]>>);

/// What a step changes.
pub(super) struct Change<K> {
    /// Who is to go, by key.
    pub(super) gone: Vec<K>,
    /// Who is to come, with which anchor.
    pub(super) arriving: BTreeMap<K, Uuid>,
    /// What is wanted now.
    pub(super) wanted: Wanted<K>,
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
                (Some((key, anchor)), Some((old, old_anchor)))
                    if *key == *old && anchor == *old_anchor =>
                {
                    unchanged += 1;
                }
                (None, None) => return None,
                (other, _) => break other,
            }
        };
        let rest = first.into_iter().chain(wanted).map(|(key, it)| (key.into_owned(), it));
        let (head, before) = known.split_at_checked(unchanged).unwrap_or_default();
        let all: Vec<(K, Uuid)> = head.iter().cloned().chain(rest).collect();
        let (_, after) = all.split_at_checked(unchanged).unwrap_or_default();
        let same_end = before.iter().rev().zip(after.iter().rev());
        let same_end = same_end.take_while(|(old, new)| old == new).count();
        let leaving = before.iter().take(before.len() - same_end);
        let coming = after.iter().take(after.len() - same_end);
        let is_new = |(key, anchor): &&(K, Uuid)| {
            live.get(key).is_none_or(|assigned| assigned.anchor != *anchor)
        };
        let arriving = coming.filter(is_new).cloned().collect();
        Some(Change { gone: gone(leaving, &all), arriving, wanted: Self(Some(all.into())) })
    }

    fn of(live: &Live<K>) -> Arc<[(K, Uuid)]> {
        live.iter().map(|(key, assigned)| (key.clone(), assigned.anchor)).collect()
    }
}

/// Those of `leaving` that are wanted nowhere: something may be wanted more than once.
fn gone<'k, K: Ord + Hash + Clone + 'k>(
    leaving: impl Iterator<Item = &'k (K, Uuid)>,
    wanted: &[(K, Uuid)],
) -> Vec<K> {
    let mut gone: HashMap<&K, Uuid> = leaving.map(|(key, anchor)| (key, *anchor)).collect();
    for (key, anchor) in wanted {
        if gone.is_empty() {
            break;
        }
        if gone.get(key) == Some(anchor) {
            gone.remove(key);
        }
    }
    let mut gone: Vec<K> = gone.into_keys().cloned().collect();
    gone.sort_unstable();
    gone
}
