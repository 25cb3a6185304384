//! Numbered items that are shared by content.
//!
//! An item's number is its index in a kernel array. A packet may still read an item when the last
//! root that led to it is gone, so an item that is freed by generation `g` may be overwritten by
//! generation `g + 2` at the earliest: between the two lies a whole plan with its system calls. Until
//! then, and after that until it is overwritten, an equal item comes back to life without a write.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::Arc,
};

/// Generations between the plan that frees an item and the first that may overwrite it.
pub const QUARANTINE_GENERATIONS: u64 = 2;

/// The kernel array is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// How many items it holds.
    pub capacity: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item<T> {
    content: Arc<T>,
    /// The generation that freed it; `None` while it is in use.
    freed: Option<u64>,
}

/// Hashes nodes of a kilobyte, word by word. The standard hasher takes most of the time in which a
/// million routes are planned, and its defence is not needed: items are compared, and whoever may
/// write the document may do worse than slow the planner down.
#[derive(Clone, Copy, Debug, Default)]
struct ContentHasher(u64);

impl ContentHasher {
    /// An odd number without structure (2^64 divided by the golden ratio).
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
}

impl Hasher for ContentHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(Self::FACTOR);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(Self::FACTOR);
        mixed ^ (mixed >> 29)
    }
}

/// Items of one kernel array. Index 0 is never used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool<T: Eq + Hash> {
    capacity: u32,
    /// `items[n]` is the item of number `n + 1`.
    items: Vec<Option<Item<T>>>,
    numbers: HashMap<Arc<T>, u32, BuildHasherDefault<ContentHasher>>,
    /// (generation that freed it, number), oldest first.
    free: BTreeSet<(u64, u32)>,
}

impl<T: Eq + Hash> Pool<T> {
    /// An empty pool; numbers stay below `capacity`.
    pub fn new(capacity: u32) -> Self {
        Self { capacity, items: Vec::new(), numbers: HashMap::default(), free: BTreeSet::new() }
    }

    /// A pool of what a kernel array holds. Items in `live` are in use, the others are free to be
    /// overwritten at once: whoever adopts has read a whole array since the last root was stored.
    pub fn adopt(capacity: u32, items: Vec<(u32, T)>, live: &BTreeSet<u32>) -> Self {
        let mut pool = Self::new(capacity);
        let (used, unused): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|(number, _)| live.contains(number));
        // Those in use first: of two equal items the pool must know the one that roots lead to.
        for (number, content) in used {
            pool.place(number, Arc::new(content), None);
        }
        for (number, content) in unused {
            pool.place(number, Arc::new(content), Some(0));
        }
        let top = u32::try_from(pool.items.len()).unwrap_or(u32::MAX);
        pool.free.extend((1..=top).filter(|number| !live.contains(number)).map(|it| (0, it)));
        pool
    }

    /// The item of a number, in use or not yet overwritten.
    pub fn get(&self, number: u32) -> Option<&T> {
        Some(self.item(number)?.content.as_ref())
    }

    /// Whether an item is in use.
    #[cfg(test)]
    pub(in crate::topology) fn is_used(&self, number: u32) -> bool {
        self.item(number).is_some_and(|item| item.freed.is_none())
    }

    /// How many items are in use.
    pub fn used(&self) -> usize {
        self.items.iter().flatten().filter(|item| item.freed.is_none()).count()
    }

    /// How many items the array holds; index 0 is never used.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn item(&self, number: u32) -> Option<&Item<T>> {
        self.items.get(slot(number)?)?.as_ref()
    }

    fn item_mut(&mut self, number: u32) -> Option<&mut Item<T>> {
        self.items.get_mut(slot(number)?)?.as_mut()
    }

    fn place(&mut self, number: u32, content: Arc<T>, freed: Option<u64>) {
        let Some(slot) = slot(number) else { return };
        if slot >= self.items.len() {
            self.items.resize_with(slot + 1, || None);
        }
        self.numbers.entry(Arc::clone(&content)).or_insert(number);
        if let Some(place) = self.items.get_mut(slot) {
            *place = Some(Item { content, freed });
        }
    }

    /// A number that may be written now.
    fn take_number(&mut self, generation: u64) -> Result<u32, Exhausted> {
        if let Some((freed, number)) = self.free.first().copied()
            && freed.saturating_add(QUARANTINE_GENERATIONS) <= generation
        {
            self.free.remove(&(freed, number));
            let old = slot(number).and_then(|slot| self.items.get_mut(slot)?.take());
            if let Some(old) = old
                && self.numbers.get(&old.content) == Some(&number)
            {
                self.numbers.remove(&old.content);
            }
            return Ok(number);
        }
        let exhausted = Exhausted { capacity: self.capacity };
        let fresh = u32::try_from(self.items.len()).ok().and_then(|len| len.checked_add(1));
        fresh.filter(|number| *number < self.capacity).ok_or(exhausted)
    }
}

fn slot(number: u32) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

/// Builds the next generation of a pool: what is not asked for again is freed at the end.
#[derive(Debug)]
pub(in crate::topology) struct Interner<T: Eq + Hash> {
    pool: Pool<T>,
    generation: u64,
    keeping: bool,
    /// By slot: whether the item is asked for.
    kept: Vec<bool>,
    written: Vec<u32>,
}

impl<T: Eq + Hash> Interner<T> {
    /// Starts generation `generation` of `pool`.
    pub(in crate::topology) fn new(pool: Pool<T>, generation: u64) -> Self {
        Self { pool, generation, keeping: true, kept: Vec::new(), written: Vec::new() }
    }

    /// From now on, items are asked for only for the time of the change: they are freed at the end,
    /// unless they were asked for before.
    pub(in crate::topology) fn stop_keeping(&mut self) {
        self.keeping = false;
    }

    /// The number of an item.
    pub(in crate::topology) fn intern(&mut self, content: T) -> Result<u32, Exhausted> {
        let number = if let Some(number) = self.pool.numbers.get(&content).copied() {
            let freed = self.pool.item_mut(number).and_then(|item| item.freed.take());
            if let Some(freed) = freed {
                self.pool.free.remove(&(freed, number));
            }
            number
        } else {
            let number = self.pool.take_number(self.generation)?;
            self.pool.place(number, Arc::new(content), None);
            self.written.push(number);
            number
        };
        if self.keeping
            && let Some(slot) = slot(number)
        {
            if slot >= self.kept.len() {
                self.kept.resize(self.pool.items.len(), false);
            }
            if let Some(kept) = self.kept.get_mut(slot) {
                *kept = true;
            }
        }
        Ok(number)
    }

    /// The item of a number.
    pub(in crate::topology) fn get(&self, number: u32) -> Option<&T> {
        self.pool.get(number)
    }

    /// The pool of the new generation, and what must be written before any root: items that others
    /// refer to come first.
    pub(in crate::topology) fn finish(mut self) -> (Pool<T>, Vec<(u32, Arc<T>)>) {
        let written = self.written.iter().filter_map(|number| {
            let item = self.pool.item(*number)?;
            Some((*number, Arc::clone(&item.content)))
        });
        let written = written.collect();
        let kept = self.kept.into_iter().chain(std::iter::repeat(false));
        for ((number, item), kept) in (1..).zip(&mut self.pool.items).zip(kept) {
            let Some(item) = item else { continue };
            if item.freed.is_none() && !kept {
                item.freed = Some(self.generation);
                self.pool.free.insert((self.generation, number));
            }
        }
        (self.pool, written)
    }
}
