//! Usage by the hour. However a link's windows were cut, an hour has the same sum.

use std::collections::BTreeMap;

use super::Month;
use crate::record::{Direction, Link, Record};

/// Seconds of an hour.
pub(super) const HOUR: i64 = 3_600;

/// What one link carried in one direction in one hour, on all hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Begin of the hour, seconds since 1970 (UTC).
    pub hour: i64,
    /// The link as it was.
    pub link: Link,
    /// Which way.
    pub direction: Direction,
}

/// Bytes of each cell, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    cells: BTreeMap<Cell, u128>,
}

impl Usage {
    /// The usage of records, of which there is one for each id
    /// ([`merge`](crate::record::merge) sees to that).
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut cells = BTreeMap::new();
        for record in records {
            let hour = record.start.div_euclid(HOUR).saturating_mul(HOUR);
            let cell = Cell { hour, link: record.link.clone(), direction: record.direction };
            // No sum of 64-bit numbers that fit in memory exceeds 128 bits.
            *cells.entry(cell).or_default() += u128::from(record.bytes);
        }
        Self { cells }
    }

    /// Cells with what they carried; those that carried nothing are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&Cell, u128)> {
        self.cells.iter().filter(|(_, bytes)| **bytes > 0).map(|(cell, bytes)| (cell, *bytes))
    }

    /// Only one month.
    #[must_use]
    pub fn in_month(self, month: Month) -> Self {
        let is_in = |cell: &Cell| (month.start()..month.end()).contains(&cell.hour);
        Self { cells: self.cells.into_iter().filter(|(cell, _)| is_in(cell)).collect() }
    }
}
