//! Numbered items that are shared by content.
//!
//! An item's number is its index in a kernel array. A packet may still read an item when the last
//! root that led to it is gone, so an item that is freed by generation `g` may be overwritten by
//! generation `g + 2` at the earliest: between the two lies a whole plan with its system calls. Until
//! then, and after that until it is overwritten, an equal item comes back to life without a write.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use bytemuck::NoUninit;

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

/// An odd number without structure (2^64 divided by the golden ratio).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes nodes of a kilobyte, in four lanes of words. The standard hasher takes most of the time in
/// which a million routes are planned, and its defence is not needed: items are compared, and whoever
/// may write the document may do worse than slow the planner down.
fn content_hash<T: NoUninit>(content: &T) -> u64 {
    let (blocks, rest) = bytemuck::bytes_of(content).as_chunks::<32>();
    let mut lanes = [1, 2, 3, 4_u64];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = step(*lane, u64::from_ne_bytes(*word));
        }
    }
    let (words, bytes) = rest.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_ne_bytes(*word));
    let words = lanes.into_iter().chain(words).chain(bytes.iter().map(|byte| u64::from(*byte)));
    let hash = words.fold(0, step);
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(FACTOR);
    mixed ^ (mixed >> 29)
}

fn step(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR)
}

/// Takes keys that are hashes.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| step(hash, u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Numbers of the items with one hash. Two of them are an accident.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    One(u32),
    Many(Vec<u32>),
}

impl Numbers {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

/// Items of one kernel array. Index 0 is never used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool<T: Eq + NoUninit> {
    capacity: u32,
    /// `items[n]` is the item of number `n + 1`.
    items: Vec<Option<Item<T>>>,
    /// Hash of the content → numbers of the items that have it.
    numbers: HashMap<u64, Numbers, BuildHasherDefault<Hashed>>,
    /// (generation that freed it, number), oldest first.
    free: BTreeSet<(u64, u32)>,
}

impl<T: Eq + NoUninit> Pool<T> {
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

    /// The number under which content is known.
    fn find(&self, content: &T) -> Option<u32> {
        let numbers = self.numbers.get(&content_hash(content))?;
        numbers.as_slice().iter().copied().find(|number| self.get(*number) == Some(content))
    }

    fn forget(&mut self, hash: u64, number: u32) {
        let Some(numbers) = self.numbers.remove(&hash) else { return };
        let others = numbers.as_slice().iter().copied().filter(|known| *known != number);
        let others: Vec<u32> = others.collect();
        if !others.is_empty() {
            self.numbers.insert(hash, Numbers::Many(others));
        }
    }

    fn place(&mut self, number: u32, content: Arc<T>, freed: Option<u64>) {
        let Some(slot) = slot(number) else { return };
        if slot >= self.items.len() {
            self.items.resize_with(slot + 1, || None);
        }
        if self.find(&content).is_none() {
            self.numbers
                .entry(content_hash(content.as_ref()))
                .and_modify(|it| *it = Numbers::Many([it.as_slice(), &[number]].concat()))
                .or_insert(Numbers::One(number));
        }
        if let Some(place) = self.items.get_mut(slot) {
            *place = Some(Item { content, freed });
        }
    }

    /// Takes an item into use again that was freed and not overwritten.
    fn revive(&mut self, number: u32) {
        let freed = self.item_mut(number).and_then(|item| item.freed.take());
        if let Some(freed) = freed {
            self.free.remove(&(freed, number));
        }
    }

    /// Notes that items are no longer in use.
    fn release(&mut self, numbers: &[u32], generation: u64) {
        for number in numbers {
            if let Some(item) = self.item_mut(*number) {
                item.freed = Some(generation);
                self.free.insert((generation, *number));
            }
        }
    }

    /// A number that may be written now.
    fn take_number(&mut self, generation: u64) -> Result<u32, Exhausted> {
        if let Some((freed, number)) = self.free.first().copied()
            && freed.saturating_add(QUARANTINE_GENERATIONS) <= generation
        {
            self.free.remove(&(freed, number));
            let old = slot(number).and_then(|slot| self.items.get_mut(slot)?.take());
            if let Some(old) = old {
                self.forget(content_hash(old.content.as_ref()), number);
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

/// A pool of the next generation, and what must be written before any root.
pub type Finished<T> = (Arc<Pool<T>>, Vec<(u32, Arc<T>)>);

/// Builds the next generation of a pool: what is not asked for again is freed at the end.
#[derive(Debug)]
pub struct Interner<T: Eq + NoUninit> {
    /// Copied when it changes.
    pool: Arc<Pool<T>>,
    generation: u64,
    keeping: bool,
    /// By slot: whether the item is asked for.
    kept: Vec<bool>,
    written: Vec<u32>,
    /// Numbers given since somebody wanted to know them.
    log: Option<Vec<u32>>,
}

impl<T: Eq + NoUninit> Interner<T> {
    /// Starts generation `generation` of `pool`.
    pub fn new(pool: impl Into<Arc<Pool<T>>>, generation: u64) -> Self {
        let pool = pool.into();
        let (kept, written) = (Vec::new(), Vec::new());
        Self { pool, generation, keeping: true, kept, written, log: None }
    }

    /// From now on, items are asked for only for the time of the change: they are freed at the end,
    /// unless they were asked for before.
    pub(in crate::topology) fn stop_keeping(&mut self) {
        self.keeping = false;
    }

    /// From now on, items are asked for again.
    pub(in crate::topology) fn keep_again(&mut self) {
        self.keeping = true;
    }

    /// Whether an item is asked for.
    pub(in crate::topology) fn is_kept(&self, number: u32) -> bool {
        slot(number).and_then(|slot| self.kept.get(slot)).is_some_and(|kept| *kept)
    }

    /// From now on, remembers which numbers are given.
    pub(in crate::topology) fn start_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The numbers that were given since [`Self::start_log`], each once.
    pub(in crate::topology) fn take_log(&mut self) -> Vec<u32> {
        let mut given = self.log.take().unwrap_or_default();
        given.sort_unstable();
        given.dedup();
        given
    }

    /// The number of an item.
    pub fn intern(&mut self, content: T) -> Result<u32, Exhausted> {
        let number = if let Some(number) = self.pool.find(&content) {
            self.revive(number);
            number
        } else {
            let pool = Arc::make_mut(&mut self.pool);
            let number = pool.take_number(self.generation)?;
            pool.place(number, Arc::new(content), None);
            self.written.push(number);
            number
        };
        if let Some(log) = &mut self.log {
            log.push(number);
        }
        if self.keeping {
            self.mark(number);
        }
        Ok(number)
    }

    /// Asks for an item by its number; it is one that is in use.
    pub(in crate::topology) fn keep(&mut self, number: u32) {
        self.revive(number);
        self.mark(number);
    }

    fn revive(&mut self, number: u32) {
        if self.pool.item(number).is_some_and(|item| item.freed.is_some()) {
            Arc::make_mut(&mut self.pool).revive(number);
        }
    }

    fn mark(&mut self, number: u32) {
        let Some(slot) = slot(number) else { return };
        if slot >= self.kept.len() {
            self.kept.resize(self.pool.items.len(), false);
        }
        if let Some(kept) = self.kept.get_mut(slot) {
            *kept = true;
        }
    }

    /// The item of a number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.pool.get(number)
    }

    /// The pool of the new generation, and what must be written before any root: items that others
    /// refer to come first.
    pub fn finish(mut self) -> Finished<T> {
        let written = self.written.iter().filter_map(|number| {
            let item = self.pool.item(*number)?;
            Some((*number, Arc::clone(&item.content)))
        });
        let written = written.collect();
        let kept = self.kept.into_iter().chain(std::iter::repeat(false));
        let unused = (1..).zip(&self.pool.items).zip(kept).filter(|((_, item), kept)| {
            !kept && item.as_ref().is_some_and(|item| item.freed.is_none())
        });
        let unused: Vec<u32> = unused.map(|((number, _), _)| number).collect();
        if !unused.is_empty() {
            Arc::make_mut(&mut self.pool).release(&unused, self.generation);
        }
        (self.pool, written)
    }
}
