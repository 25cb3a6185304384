//! A host, its kernel and its agent, as simple as they can be: what the ledger's records must sum up to.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{START, backend::Memory, link};
use crate::{
    ledger::Ledger,
    reading::{Counts, Moment, Numbered, Reading, Source},
    record::{Cut, Record},
};

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Packets of a link that is in force.
    Traffic { link: usize, packets: u64 },
    /// Time goes by.
    Pass { ms: u32 },
    /// The wall clock is set.
    SetClock { by_ms: i32 },
    /// The agent reads.
    Read,
    /// The agent is killed so many writes into its next transaction, and started again.
    Kill { after_writes: usize },
    /// The host is booted.
    Reboot { down_ms: u32 },
    /// The pins are removed and made anew; `drained`: the old counters are read before that.
    Recreate { drained: bool },
    /// A link is put in force: a new one, or one that was there before. `killed_after`: the agent is
    /// killed after so many of its steps, and does the rest when it is back.
    Install { link: usize, as_new: bool, killed_after: u8 },
    /// A link is taken out of force.
    Remove { link: usize },
    /// What is said of a link changes.
    Change { link: usize },
    /// Somebody clears the counters of a link.
    Clear { link: usize },
    /// Somebody exports what there is.
    Export,
}

pub(super) const LINKS: usize = 4;

/// See the module.
pub(super) struct World {
    file: Memory,
    ledger: Ledger,
    now: Moment,
    source: Source,
    maps: u32,
    /// What the agent wants in force, by place.
    wanted: [Option<Numbered>; LINKS],
    /// What the kernel has in force.
    installed: BTreeSet<u32>,
    counters: BTreeMap<u32, Counts>,
    /// The counters as last read.
    seen: BTreeMap<u32, Counts>,
    guids: u128,
    /// What must have been counted for each link.
    pub(super) truth: BTreeMap<Uuid, Counts>,
    pub(super) exports: Vec<Record>,
}

impl World {
    pub(super) fn new() -> Self {
        let file = Memory::default();
        let mut world = Self {
            ledger: file.open(),
            file,
            now: Moment { wall_ms: START, boot_ms: 60_000 },
            source: Source { boot: Uuid::from_u128(1), map: 1 },
            maps: 1,
            wanted: [const { None }; LINKS],
            installed: BTreeSet::new(),
            counters: BTreeMap::new(),
            seen: BTreeMap::new(),
            guids: 0,
            truth: BTreeMap::new(),
            exports: Vec::new(),
        };
        world.read();
        world
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Traffic { link, packets } => self.traffic(link, packets),
            Step::Pass { ms } => self.pass(ms),
            Step::SetClock { by_ms } => self.now.wall_ms += i64::from(by_ms),
            Step::Read => self.read(),
            Step::Kill { after_writes } => self.kill(after_writes),
            Step::Reboot { down_ms } => self.reboot(down_ms),
            Step::Recreate { drained } => self.recreate(drained),
            Step::Install { link, as_new, killed_after } => {
                self.install(link, as_new, killed_after);
            }
            Step::Remove { link } => self.remove(link),
            Step::Change { link } => {
                if let Some(it) = self.wanted[link].as_mut() {
                    it.link.global ^= true;
                }
            }
            Step::Clear { link } => self.clear(link),
            Step::Export => self.exports.extend(self.records()),
        }
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.ledger.records(i64::MIN / 2, i64::MAX).unwrap()
    }

    fn pass(&mut self, ms: u32) {
        self.now.wall_ms += i64::from(ms);
        self.now.boot_ms += u64::from(ms);
    }

    fn traffic(&mut self, at: usize, packets: u64) {
        let Some(it) = &self.wanted[at] else { return };
        let (number, guid) = (it.number, it.link.guid);
        if !self.installed.contains(&number) {
            return;
        }
        let more = super::counts(packets);
        let counter = self.counters.entry(number).or_default();
        *counter = counter.plus(&more);
        let truth = self.truth.entry(guid).or_default();
        *truth = truth.plus(&more);
    }

    /// What nobody will ever read is lost, and is not to be counted.
    fn lose(&mut self) {
        for it in self.wanted.iter().flatten() {
            let counter = self.counters.get(&it.number).copied().unwrap_or_default();
            let seen = self.seen.get(&it.number).copied().unwrap_or_default();
            let lost = counter.since(&seen).unwrap();
            let truth = self.truth.entry(it.link.guid).or_default();
            *truth = truth.since(&lost).unwrap();
        }
    }

    fn in_force(&self) -> Vec<Numbered> {
        let wanted = self.wanted.iter().flatten();
        wanted.filter(|it| self.installed.contains(&it.number)).cloned().collect()
    }

    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Ledger, &Reading<'_>) -> Result<T, crate::ledger::LedgerError>,
    ) -> bool {
        let reading = Reading {
            moment: self.now,
            source: self.source,
            counts: &self.counters,
            installed: &self.installed,
        };
        let done = act(&mut self.ledger, &reading).is_ok();
        if done {
            self.seen = self.counters.clone();
        }
        done
    }

    fn read(&mut self) {
        let in_force = self.in_force();
        assert!(self.with(|ledger, reading| ledger.follow(reading, &in_force)));
    }

    /// Whether the transaction ended before the agent did shows only in the file.
    fn kill(&mut self, after_writes: usize) {
        self.file.kill_after(after_writes);
        let in_force = self.in_force();
        self.with(|ledger, reading| ledger.follow(reading, &in_force));
        self.start();
    }

    fn start(&mut self) {
        self.ledger = self.file.open();
        assert!(self.with(Ledger::read));
    }

    fn reboot(&mut self, down_ms: u32) {
        self.lose();
        self.pass(down_ms);
        self.now.boot_ms = 5_000;
        let boot = Uuid::from_u128(self.source.boot.as_u128() + 1);
        self.anew(Source { boot, map: 1 });
    }

    fn recreate(&mut self, drained: bool) {
        if drained {
            self.start();
            self.with(|ledger, reading| ledger.finish(reading, Cut::Epoch));
        } else {
            self.lose();
        }
        self.maps += 1;
        self.anew(Source { map: self.maps, ..self.source });
    }

    /// Another map, an agent that starts, and everything put in force again.
    fn anew(&mut self, source: Source) {
        self.source = source;
        self.counters.clear();
        self.seen.clear();
        self.installed.clear();
        self.start();
        self.put_in_force(u8::MAX);
    }

    fn install(&mut self, at: usize, as_new: bool, killed_after: u8) {
        let number = u32::try_from(at).unwrap() + 1;
        if self.wanted[at].is_none() || as_new {
            self.remove(at);
            self.guids += u128::from(as_new || self.guids == 0);
            let guid = self.guids * 16 + at as u128;
            self.wanted[at] = Some(Numbered { number, link: link(guid) });
        }
        self.put_in_force(killed_after);
        self.put_in_force(u8::MAX);
    }

    /// What the agent does: the ledger first, then the counters, then the links, then a reading. Stops
    /// after so many of these steps.
    fn put_in_force(&mut self, steps: u8) {
        let wanted: Vec<Numbered> = self.wanted.iter().flatten().cloned().collect();
        let added = wanted.iter().map(|it| it.number).filter(|it| !self.installed.contains(it));
        let added: BTreeSet<u32> = added.collect();
        if self.ledger.must_prepare(&wanted, &added) {
            assert!(self.with(|ledger, reading| ledger.prepare(reading, &wanted, &added)));
        }
        if steps == 0 {
            return self.start();
        }
        for number in &added {
            self.counters.insert(*number, Counts::default());
            self.seen.remove(number);
        }
        if steps == 1 {
            return self.start();
        }
        self.installed.extend(added);
        if steps == 2 {
            return self.start();
        }
        self.read();
    }

    fn remove(&mut self, at: usize) {
        let Some(gone) = self.wanted[at].take() else { return };
        self.installed.remove(&gone.number);
        // Packets that were on their way.
        let more = super::counts(1);
        if let Some(counter) = self.counters.get_mut(&gone.number) {
            *counter = counter.plus(&more);
            let truth = self.truth.entry(gone.link.guid).or_default();
            *truth = truth.plus(&more);
        }
        self.read();
    }

    fn clear(&mut self, at: usize) {
        let Some(it) = self.wanted[at].clone() else { return };
        if !self.installed.contains(&it.number) {
            return;
        }
        let counter = self.counters.insert(it.number, Counts::default()).unwrap_or_default();
        let seen = self.seen.get(&it.number).copied().unwrap_or_default();
        let lost = counter.since(&seen).unwrap();
        let truth = self.truth.entry(it.link.guid).or_default();
        *truth = truth.since(&lost).unwrap();
        self.read();
    }

    /// Reads until nothing is left to be read.
    pub(super) fn settle(&mut self) {
        self.read();
        self.pass(2_000);
        self.read();
    }
}
