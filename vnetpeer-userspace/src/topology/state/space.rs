//! One space of small numbers: who has which, and who had which before.
//!
//! A number is handed out once. When its owner goes, the number is retired, because a counter or a
//! flow can still name it; retired numbers are used again only when no fresh one is left, oldest
//! first, and never in the step that retired them.

mod live;
mod wanted;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::Hash,
    ops::Bound,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{
    live::Live,
    wanted::{Change, Wanted},
};

/// The number of a resource that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// Its number, never 0.
    pub number: u32,
    /// How many resources of this name there have been, this one included.
    pub incarnation: u32,
    /// What the resource is tied to (a NIC to its VNet's GUID); a change makes it a new resource.
    pub anchor: Uuid,
}

/// The number of a resource that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired<K> {
    /// The resource.
    pub key: K,
    /// Its number.
    pub number: u32,
    /// Its incarnation.
    pub incarnation: u32,
}

/// What a resource of a retired name gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// A new number and the next incarnation: it is another resource of the same name.
    AsNew,
    /// Its old number: it is the same thing again.
    AsBefore,
}

/// No number is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// A space of numbers, from 1 on. Copies share who has a number until one of them changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(bound(serialize = "K: Serialize", deserialize = "K: Ord + Clone + Deserialize<'de>"))]
pub struct Space<K: Ord> {
    live: Live<K>,
    #[serde(skip)]
    wanted: Wanted<K>,
    /// Oldest first.
    retired: VecDeque<Retired<K>>,
    /// The highest number that was ever handed out.
    highest: u32,
    /// The highest incarnation among retired entries whose numbers were used again.
    forgotten_incarnation: u32,
}

impl<K: Ord> Default for Space<K> {
    fn default() -> Self {
        Self {
            live: Live::default(),
            wanted: Wanted::default(),
            retired: VecDeque::new(),
            highest: 0,
            forgotten_incarnation: 0,
        }
    }
}

impl<K: Ord> Space<K> {
    /// Who has a number now, by key.
    pub fn live(&self) -> impl Iterator<Item = (&K, Assigned)> {
        self.live.iter()
    }

    /// Who has a number now and is not before `key`, by key.
    pub(super) fn live_from<'s>(
        &'s self,
        key: &K,
    ) -> impl Iterator<Item = (&'s K, Assigned)> + use<'s, K> {
        self.live.starting_at(Bound::Included(key))
    }

    /// Who has a number or, if nobody has, who had it last.
    pub fn owner(&self, number: u32) -> Option<&K> {
        let live = self.live.iter().find(|(_, assigned)| assigned.number == number);
        let retired = || self.retired.iter().rev().find(|it| it.number == number);
        live.map(|(key, _)| key).or_else(|| retired().map(|it| &it.key))
    }

    /// Who had a number that nobody has now, oldest first.
    pub fn retired(&self) -> impl Iterator<Item = &Retired<K>> {
        self.retired.iter()
    }
}

impl<K: Ord + Hash + Clone> Space<K> {
    /// What `key` has now.
    pub fn get(&self, key: &K) -> Option<Assigned> {
        self.live.get(key)
    }

    /// For whoever asks for all numbers in the order in which they were wanted.
    pub(in crate::topology) fn in_order(&self) -> InOrder<'_, K> {
        InOrder { space: self, next: 0 }
    }

    /// Makes `wanted` (key → anchor) the live set. A key that is wanted twice has one anchor. Numbers stay
    /// below `capacity`.
    pub(super) fn advance<'k>(
        &mut self,
        wanted: impl Iterator<Item = (Cow<'k, K>, Uuid)>,
        capacity: u32,
        policy: Return,
    ) -> Result<(), Exhausted>
    where
        K: 'k,
    {
        let Some(change) = self.wanted.compare(&self.live, wanted) else { return Ok(()) };
        let Change { gone, arriving, wanted } = change;
        let mut reusable = self.retired.len();
        self.retire(&gone);
        let mut before = self.take_back(&arriving, &mut reusable, policy);
        let mut arrived = Vec::with_capacity(arriving.len());
        for (key, anchor) in arriving {
            let known = before.remove(&key);
            let assigned = match (policy, known) {
                (Return::AsBefore, Some(old)) => Assigned { anchor, ..old },
                (_, known) => {
                    let number = self.next_number(capacity, &mut reusable)?;
                    let past = known.map_or(0, |old| old.incarnation);
                    let incarnation = past.max(self.forgotten_incarnation).saturating_add(1);
                    Assigned { number, incarnation, anchor }
                }
            };
            arrived.push((key, assigned));
        }
        self.live.change(&gone, arrived);
        self.wanted = Wanted::numbered(wanted, &self.live);
        Ok(())
    }

    fn retire(&mut self, gone: &[K]) {
        let assigned = gone.iter().filter_map(|key| Some((key.clone(), self.live.get(key)?)));
        let retired = assigned.map(|(key, Assigned { number, incarnation, .. })| Retired {
            key,
            number,
            incarnation,
        });
        self.retired.extend(retired);
    }

    /// The newest retired entry of each arriving key; with `AsBefore` it leaves the retired list.
    fn take_back(
        &mut self,
        arriving: &BTreeMap<K, Uuid>,
        reusable: &mut usize,
        policy: Return,
    ) -> BTreeMap<K, Assigned> {
        let mut found = BTreeMap::new();
        if arriving.is_empty() {
            return found;
        }
        for retired in &self.retired {
            if arriving.contains_key(&retired.key) {
                let Retired { number, incarnation, .. } = *retired;
                let assigned = Assigned { number, incarnation, anchor: Uuid::nil() };
                found.insert(retired.key.clone(), assigned);
            }
        }
        if policy == Return::AsBefore && !found.is_empty() {
            let taken: BTreeSet<u32> = found.values().map(|assigned| assigned.number).collect();
            let early = self.retired.iter().take(*reusable);
            let lost = early.filter(|retired| taken.contains(&retired.number)).count();
            *reusable = reusable.saturating_sub(lost);
            self.retired.retain(|retired| !taken.contains(&retired.number));
        }
        found
    }

    fn next_number(&mut self, capacity: u32, reusable: &mut usize) -> Result<u32, Exhausted> {
        if let Some(fresh) = self.highest.checked_add(1).filter(|number| *number < capacity) {
            self.highest = fresh;
            return Ok(fresh);
        }
        *reusable = reusable.checked_sub(1).ok_or(Exhausted)?;
        let oldest = self.retired.pop_front().ok_or(Exhausted)?;
        self.forgotten_incarnation = self.forgotten_incarnation.max(oldest.incarnation);
        Ok(oldest.number)
    }
}

/// Gives numbers. What is asked for in the order in which it was wanted is not looked up.
pub(in crate::topology) struct InOrder<'s, K: Ord> {
    space: &'s Space<K>,
    next: usize,
}

impl<K: Ord + Hash + Clone> InOrder<'_, K> {
    /// The number of a key.
    pub(in crate::topology) fn number(&mut self, key: &K) -> Option<u32> {
        let wanted = self.space.wanted.entries().get(self.next).filter(|it| it.key == *key);
        match wanted {
            Some(wanted) => {
                self.next += 1;
                Some(wanted.number)
            }
            None => self.space.get(key).map(|it| it.number),
        }
    }
}
