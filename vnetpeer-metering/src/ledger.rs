//! The ledger: from readings of counters to records that a crash, an upgrade or a deletion leaves exact.
//!
//! Counters live in the kernel and are cumulative. The ledger keeps, for every link, what they were when
//! it last read them, and counts differences into windows. One reading is one transaction: either all of
//! it is in the file or nothing is, and then the next reading finds the same difference again. So nothing
//! is lost or counted twice, wherever the agent is killed.
//!
//! - `cell`: what is kept of one link. `pass`: what a reading does to all of them; touches no file.
//! - `store`: the file. `error`: what can go wrong.

mod cell;
mod error;
mod pass;
mod store;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use uuid::Uuid;

pub use self::error::LedgerError;
use self::{
    cell::{Cell, Counted, Phase},
    pass::{Draft, Pass},
    store::{Contents, Epoch, Store},
};
use crate::{
    reading::{Counts, Moment, Numbered, Reading, Source},
    record::{Cut, Direction, Link, Record},
    window::Last,
};

/// Version of the file. Every version reads the files of all earlier ones; what is added to entries has a
/// default.
pub const FORMAT: u64 = 1;

/// A counter that was lower than before: somebody else cleared it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Its link.
    pub link: Link,
    /// The counters as read before.
    pub before: Counts,
    /// As read now; all of it was counted as new.
    pub after: Counts,
}

/// What a reading did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Counters that were lower than before.
    pub resets: Vec<Reset>,
    /// Links that were read for the last time.
    pub ended: usize,
    /// Links whose counters went away before they could be read for the last time, with a reboot or their
    /// map; what they counted after the last reading is lost.
    pub lost: usize,
}

/// How the ledger is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When it was last written; `None`: never.
    pub last: Option<Moment>,
    /// Windows that ended and are kept; a record for each direction with packets comes of each.
    pub windows: u64,
    /// Links that are read.
    pub links: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// The ledger of one host. It has its file to itself.
pub struct Ledger {
    store: Store,
    host: String,
    cells: BTreeMap<Uuid, Cell>,
    /// What is said of the links, by label; of all that cells name.
    links: BTreeMap<Uuid, Link>,
    last: Option<Last>,
    next_sequence: u64,
}

impl Ledger {
    /// Opens or creates the ledger of a host. Windows that began more than `keep_days` ago are removed as
    /// time goes by.
    pub fn open(path: &Path, host: &str, keep_days: u32) -> Result<Self, LedgerError> {
        Self::of(Store::open(path, keep_days)?, host)
    }

    fn of(store: Store, host: &str) -> Result<Self, LedgerError> {
        let Contents { cells, links, last, next_sequence } = store.contents()?;
        Ok(Self { store, host: host.to_owned(), cells, links, last, next_sequence })
    }

    /// The numbers of the links that must be read.
    pub fn numbers(&self) -> BTreeSet<u32> {
        self.cells.values().map(|cell| cell.number).collect()
    }

    /// Whether links are counted whose counters live elsewhere than in the map of this number: it was
    /// made anew, and what the old one counted last should be read.
    pub fn abandons(&self, source: Source) -> Option<u32> {
        let mut others = self.cells.values().filter(|cell| cell.source != source);
        others.find(|cell| cell.source.boot == source.boot).map(|cell| cell.source.map)
    }

    /// Counts what was read. The same links are in force as before.
    pub fn read(&mut self, reading: &Reading<'_>) -> Result<Report, LedgerError> {
        let pass = Pass::run(self, reading);
        let draft = pass.draft;
        self.commit(draft)
    }

    /// Counts what was read; these links are in force. Others leave, and are read for the last time when
    /// their last packets have been counted.
    pub fn follow(
        &mut self,
        reading: &Reading<'_>,
        in_force: &[Numbered],
    ) -> Result<Report, LedgerError> {
        let mut pass = Pass::run(self, reading);
        pass.follow(in_force);
        let draft = pass.draft;
        self.commit(draft)
    }

    /// Whether [`Self::prepare`] has something to do.
    pub fn must_prepare(&self, wanted: &[Numbered], cleared: &BTreeSet<u32>) -> bool {
        wanted.iter().any(|it| !self.cells.contains_key(&it.link.guid))
            || self.cells.values().any(|cell| cleared.contains(&cell.number))
    }

    /// Before links are put in force and counters are cleared: reads the latter for the last time, and
    /// notes the former, so that what they count is known to be theirs whatever happens next.
    pub fn prepare(
        &mut self,
        reading: &Reading<'_>,
        wanted: &[Numbered],
        cleared: &BTreeSet<u32>,
    ) -> Result<Report, LedgerError> {
        let mut pass = Pass::run(self, reading);
        pass.prepare(wanted, cleared);
        let draft = pass.draft;
        self.commit(draft)
    }

    /// Reads all links for the last time: their counters are about to go.
    pub fn finish(&mut self, reading: &Reading<'_>, by: Cut) -> Result<Report, LedgerError> {
        let mut pass = Pass::run(self, reading);
        pass.finish(by);
        let draft = pass.draft;
        self.commit(draft)
    }

    fn commit(&mut self, draft: Draft) -> Result<Report, LedgerError> {
        self.store.write(&draft)?;
        for (guid, cell) in draft.cells {
            match cell {
                Some(cell) => _ = self.cells.insert(guid, cell),
                None => _ = self.cells.remove(&guid),
            }
        }
        self.links.extend(draft.links);
        let used: BTreeSet<Uuid> = self.cells.values().map(|cell| cell.label).collect();
        self.links.retain(|label, _| used.contains(label));
        self.last = Some(draft.last);
        self.next_sequence = draft.next_sequence;
        Ok(draft.report)
    }

    /// Records of windows that have a part in the time from `since` to before `until` (seconds since
    /// 1970), those of open windows as of the last reading.
    pub fn records(&self, since: i64, until: i64) -> Result<Vec<Record>, LedgerError> {
        let stored = self.store.windows(since, until)?;
        let mut records = Vec::new();
        for (counted, link, epoch) in &stored {
            records.extend(records_of(counted, link, &epoch.host));
        }
        let Some(last) = self.last else { return Ok(records) };
        for cell in self.cells.values().filter(|cell| cell.phase != Phase::Pending) {
            let counted = cell.counted(last.moment, None);
            let counted =
                counted.filter(|it| it.start < until && (it.end > since || it.start >= since));
            if let (Some(counted), Some(link)) = (counted, self.links.get(&cell.label)) {
                records.extend(records_of(&counted, link, &self.host));
            }
        }
        Ok(records)
    }

    /// Since when the counters of links count, by GUID; milliseconds since 1970.
    pub fn created(&self) -> BTreeMap<Uuid, i64> {
        self.cells.iter().map(|(guid, cell)| (*guid, cell.created_ms)).collect()
    }

    /// How the ledger is.
    pub fn standing(&self) -> Result<Standing, LedgerError> {
        Ok(Standing {
            last: self.last.map(|it| it.moment),
            windows: self.store.count()?,
            links: self.cells.len(),
            bytes: self.store.bytes(),
        })
    }
}

fn records_of<'a>(
    counted: &'a Counted,
    link: &'a Link,
    host: &'a str,
) -> impl Iterator<Item = Record> + 'a {
    [Direction::Egress, Direction::Ingress].into_iter().filter_map(move |direction| {
        let traffic = counted.counts.of(direction);
        let Counted { epoch, sequence, start, .. } = *counted;
        (traffic.packets != 0 || traffic.bytes != 0).then(|| Record {
            id: Record::id_of(host, epoch, link.guid, direction, start, sequence),
            host: host.to_owned(),
            epoch,
            link: link.clone(),
            direction,
            sequence,
            start,
            end: counted.end,
            duration_ms: counted.duration_ms,
            begun_by: counted.begun_by,
            ended_by: counted.ended_by,
            late_since: counted.late_since,
            packets: traffic.packets,
            bytes: traffic.bytes,
        })
    })
}
