//! What one reading does to the ledger, in memory. Nothing here touches the file.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Epoch, Ledger, Report, Reset,
    cell::{self, Cell, Counted, Phase, Window},
    store::Gone,
};
use crate::{
    reading::{Counts, Moment, Numbered, Reading},
    record::{Cut, Link},
    window::{self, Boundary, Last},
};

/// Between a link's end and its last reading: longer than a packet is on its way through a program.
const GRACE_MS: u64 = 1_000;
/// Namespace of the labels.
const NAMESPACE: Uuid = Uuid::from_u128(0xa1f6_3c52_08de_5b47_93c0_5d1e_7f2a_b684);

/// What changes; all of it in one transaction.
pub(super) struct Draft {
    /// By the GUID of the link; `None`: removed.
    pub(super) cells: BTreeMap<Uuid, Option<Cell>>,
    /// Windows that ended.
    pub(super) counted: Vec<Counted>,
    pub(super) links: BTreeMap<Uuid, Link>,
    pub(super) epochs: BTreeMap<Uuid, Epoch>,
    pub(super) gone: Vec<(Uuid, Gone)>,
    pub(super) last: Last,
    pub(super) next_sequence: u64,
    pub(super) report: Report,
}

/// See the module.
pub(super) struct Pass<'a> {
    ledger: &'a Ledger,
    reading: &'a Reading<'a>,
    pub(super) draft: Draft,
}

impl<'a> Pass<'a> {
    /// Counts a reading.
    pub(super) fn run(ledger: &'a Ledger, reading: &'a Reading<'a>) -> Self {
        let Reading { moment, source, .. } = *reading;
        let before = ledger.last.filter(|last| last.source == source);
        let boundary = before.and_then(|last| window::turn(&last, moment));
        let hour_ms = match (&before, &boundary) {
            (Some(last), None) => last.hour_ms,
            (_, Some(boundary)) => window::hour_of(boundary.begin.wall_ms),
            (None, None) => window::hour_of(moment.wall_ms),
        };
        let draft = Draft {
            cells: BTreeMap::new(),
            counted: Vec::new(),
            links: BTreeMap::new(),
            epochs: BTreeMap::new(),
            gone: Vec::new(),
            last: Last { moment, source, hour_ms },
            next_sequence: ledger.next_sequence,
            report: Report::default(),
        };
        let mut pass = Self { ledger, reading, draft };
        for (guid, cell) in &ledger.cells {
            pass.step(*guid, cell, boundary.as_ref());
        }
        pass
    }

    fn step(&mut self, guid: Uuid, cell: &Cell, boundary: Option<&Boundary>) {
        if cell.source != self.reading.source {
            // Their counters are gone.
            let end = self.ledger.last.map_or(self.reading.moment, |last| last.moment);
            self.draft.report.lost += usize::from(cell.phase != Phase::Pending);
            self.end(guid, cell, end, Cut::Epoch);
            return;
        }
        let counts = self.reading.counts.get(&cell.number).copied();
        let mut next = cell.clone();
        if cell.phase == Phase::Pending {
            if self.reading.installed.contains(&cell.number) {
                self.enter(&mut next, counts);
                self.put(guid, cell, next);
            }
            return;
        }
        let fresh = counts.filter(|counts| counts.since(&cell.last).is_some());
        let is_timely = boundary.is_none_or(|it| it.is_timely);
        if is_timely && let Some(counts) = fresh {
            next.last = counts;
        }
        if let Some(it) = boundary {
            self.cut(&mut next, (it.end, it.ended_by), (it.begin, it.begun_by));
        }
        if !is_timely {
            next.window.late_since = self.ledger.last.map(|last| last.moment.seconds());
            next.last = fresh.unwrap_or(next.last);
        }
        if let (Some(after), None) = (counts, fresh) {
            self.reset(&mut next, after);
        }
        let epoch = cell::epoch(&self.ledger.host, next.source, next.generation);
        if next.epoch != epoch {
            self.cut_now(&mut next, Cut::Epoch);
            next.epoch = self.epoch(next.generation);
        }
        self.put(guid, cell, next);
    }

    /// A pending link is in force: its counters were zero when that began.
    fn enter(&self, cell: &mut Cell, counts: Option<Counts>) {
        cell.phase = Phase::Live;
        cell.last = counts.unwrap_or_default();
        let begun = cell.window.begin.wall_ms;
        if window::hour_of(begun) != self.draft.last.hour_ms {
            cell.window.late_since = Some(begun.div_euclid(1_000));
            cell.window.begin = self.reading.moment;
        }
    }

    /// Somebody cleared the counters: what they hold was counted since.
    fn reset(&mut self, cell: &mut Cell, after: Counts) {
        if let Some(link) = self.link(cell.label) {
            self.draft.report.resets.push(Reset { link, before: cell.last, after });
        }
        self.cut_now(cell, Cut::Epoch);
        cell.generation += 1;
        cell.epoch = self.epoch(cell.generation);
        cell.created_ms = self.reading.moment.wall_ms;
        cell.window.base = Counts::default();
        cell.last = after;
    }

    /// These links are in force, and no others.
    pub(super) fn follow(&mut self, in_force: &[Numbered]) {
        let mut rest: BTreeSet<Uuid> = self.guids();
        for wanted in in_force {
            rest.remove(&wanted.link.guid);
            match self.cell(wanted.link.guid) {
                None => self.adopt(wanted),
                Some(cell) => self.keep(&cell, wanted),
            }
        }
        let now = self.reading.moment.boot_ms;
        for guid in rest {
            let Some(cell) = self.cell(guid) else { continue };
            match cell.phase {
                Phase::Pending => {}
                Phase::Live => {
                    let leaving = Cell { phase: Phase::Leaving(now), ..cell };
                    self.draft.cells.insert(guid, Some(leaving));
                }
                Phase::Leaving(since) if now < since + GRACE_MS => {}
                Phase::Leaving(_) => self.end(guid, &cell, self.reading.moment, Cut::Link),
            }
        }
    }

    /// What is said of a link may have changed, and one that was leaving may have come back before its
    /// counters were cleared.
    fn keep(&mut self, cell: &Cell, wanted: &Numbered) {
        let mut next = cell.clone();
        if matches!(cell.phase, Phase::Leaving(_)) {
            next.phase = Phase::Live;
        }
        let label = label(&wanted.link);
        if label != cell.label {
            if cell.phase != Phase::Pending {
                self.cut_now(&mut next, Cut::Changed);
            }
            next.label = label;
            self.draft.links.insert(label, wanted.link.clone());
        }
        self.put(wanted.link.guid, cell, next);
    }

    /// See [`Ledger::prepare`].
    pub(super) fn prepare(&mut self, wanted: &[Numbered], cleared: &BTreeSet<u32>) {
        let guids: BTreeSet<Uuid> = wanted.iter().map(|it| it.link.guid).collect();
        for guid in self.guids() {
            let Some(cell) = self.cell(guid) else { continue };
            let is_moot = cell.phase == Phase::Pending && !guids.contains(&guid);
            if is_moot || cleared.contains(&cell.number) {
                self.end(guid, &cell, self.reading.moment, Cut::Link);
            }
        }
        for wanted in wanted {
            if self.cell(wanted.link.guid).is_some() {
                continue;
            }
            let Numbered { number, .. } = *wanted;
            if self.reading.installed.contains(&number) && !cleared.contains(&number) {
                self.adopt(wanted);
            } else {
                self.open(wanted, Phase::Pending, Counts::default());
            }
        }
    }

    /// See [`Ledger::finish`].
    pub(super) fn finish(&mut self, by: Cut) {
        for guid in self.guids() {
            if let Some(cell) = self.cell(guid) {
                self.end(guid, &cell, self.reading.moment, by);
            }
        }
    }

    /// A link in force that the ledger has never read. The first reading of all takes what it finds for
    /// counted elsewhere; a ledger that has counted before knows that it has not counted this.
    fn adopt(&mut self, wanted: &Numbered) {
        let counts = self.reading.counts.get(&wanted.number).copied().unwrap_or_default();
        let base = if self.ledger.last.is_none() { counts } else { Counts::default() };
        self.open(wanted, Phase::Live, base);
        if let Some(Some(cell)) = self.draft.cells.get_mut(&wanted.link.guid) {
            cell.last = counts;
        }
    }

    fn open(&mut self, wanted: &Numbered, phase: Phase, base: Counts) {
        let Numbered { number, link } = wanted;
        let (label, Reading { moment, source, .. }) = (label(link), *self.reading);
        self.draft.links.insert(label, link.clone());
        let begun_by = Cut::Link;
        let sequence = self.sequence();
        let cell = Cell {
            number: *number,
            label,
            source,
            generation: 0,
            epoch: self.epoch(0),
            created_ms: moment.wall_ms,
            phase,
            last: base,
            window: Window { sequence, begin: moment, begun_by, late_since: None, base },
        };
        self.draft.cells.insert(link.guid, Some(cell));
    }

    /// The last reading of a link.
    fn end(&mut self, guid: Uuid, cell: &Cell, end: Moment, by: Cut) {
        self.draft.cells.insert(guid, None);
        if cell.phase == Phase::Pending {
            return;
        }
        self.draft.counted.extend(cell.counted(end, Some(by)));
        self.draft.report.ended += 1;
        let Cell { label, epoch, number, last, .. } = *cell;
        self.draft.gone.push((guid, Gone { label, epoch, number, last, wall_ms: end.wall_ms }));
    }

    fn cut_now(&mut self, cell: &mut Cell, by: Cut) {
        let now = self.reading.moment;
        self.cut(cell, (now, by), (now, by));
    }

    fn cut(&mut self, cell: &mut Cell, end: (Moment, Cut), begin: (Moment, Cut)) {
        self.draft.counted.extend(cell.counted(end.0, Some(end.1)));
        let sequence = self.sequence();
        let (begin, begun_by) = begin;
        cell.window = Window { sequence, begin, begun_by, late_since: None, base: cell.last };
    }

    fn sequence(&mut self) -> u64 {
        let sequence = self.draft.next_sequence;
        self.draft.next_sequence += 1;
        sequence
    }

    fn epoch(&mut self, generation: u32) -> Uuid {
        let (host, source) = (&self.ledger.host, self.reading.source);
        let epoch = cell::epoch(host, source, generation);
        let opened_ms = self.reading.moment.wall_ms;
        let entry = Epoch { host: host.clone(), source, generation, opened_ms };
        self.draft.epochs.entry(epoch).or_insert(entry);
        epoch
    }

    fn put(&mut self, guid: Uuid, before: &Cell, next: Cell) {
        if next != *before {
            self.draft.cells.insert(guid, Some(next));
        }
    }

    fn cell(&self, guid: Uuid) -> Option<Cell> {
        match self.draft.cells.get(&guid) {
            Some(changed) => changed.clone(),
            None => self.ledger.cells.get(&guid).cloned(),
        }
    }

    fn guids(&self) -> BTreeSet<Uuid> {
        self.ledger.cells.keys().chain(self.draft.cells.keys()).copied().collect()
    }

    fn link(&self, label: Uuid) -> Option<Link> {
        self.draft.links.get(&label).or_else(|| self.ledger.links.get(&label)).cloned()
    }
}

/// Names what is said of a link.
fn label(link: &Link) -> Uuid {
    let json = serde_json::to_vec(link).unwrap_or_default();
    Uuid::new_v5(&NAMESPACE, &json)
}
