//! Whether what was counted, what was recorded and what is billed are the same bytes, and if not, where
//! they differ.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::{Month, RatingError, Usage, invoice::invoice};
use crate::{
    price::PriceBook,
    record::{Direction, Record},
};

/// A counter, read before and after the records were asked for: it may count meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The host that counts.
    pub host: String,
    /// ARM id of the link.
    pub resource: String,
    /// Which way.
    pub direction: Direction,
    /// Bytes before.
    pub before: u64,
    /// Bytes after.
    pub after: u64,
}

/// Two figures that should be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Between what: `Counter` and records of a host, or records and `Invoice` of a month.
    pub with: &'static str,
    /// The host or the month.
    pub of: String,
    /// ARM id of the link.
    pub resource: String,
    /// Which way.
    pub direction: Direction,
    /// Bytes in the records.
    pub records: String,
    /// Bytes of the counter or on the invoice.
    pub other: String,
    /// How many more bytes the records have.
    pub difference: String,
}

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    /// How many figures were compared.
    pub compared: usize,
    /// Whether all agree.
    pub agree: bool,
    /// Those that do not.
    pub differences: Vec<Comparison>,
}

/// Compares counters with the records of their epoch, and the records of each month with its invoice.
pub fn reconcile(
    counters: &[Counter],
    records: &[Record],
    book: Option<&PriceBook>,
) -> Result<Reconciliation, RatingError> {
    let mut outcome = Reconciliation::default();
    with_counters(counters, records, &mut outcome);
    if let Some(book) = book {
        with_invoices(records, book, &mut outcome)?;
    }
    outcome.agree = outcome.differences.is_empty();
    Ok(outcome)
}

impl Reconciliation {
    /// `difference` is how many bytes the records have more.
    fn compare(&mut self, difference: i128, comparison: impl FnOnce(String) -> Comparison) {
        self.compared += 1;
        if difference != 0 {
            self.differences.push(comparison(difference.to_string()));
        }
    }
}

/// Host, link and direction.
type Place<'r> = (&'r str, &'r str, Direction);

/// The last begin of a window and all bytes, by epoch and link.
type Lives = BTreeMap<(Uuid, Uuid), (i64, i128)>;

/// A counter has what was counted in the latest life of the latest link of this id.
fn with_counters(counters: &[Counter], records: &[Record], outcome: &mut Reconciliation) {
    let mut lives: BTreeMap<Place<'_>, Lives> = BTreeMap::new();
    for it in records {
        let place = (it.host.as_str(), it.link.id.as_str(), it.direction);
        let life = lives.entry(place).or_default().entry((it.epoch, it.link.guid));
        let (start, bytes) = life.or_insert((i64::MIN, 0));
        *start = it.start.max(*start);
        *bytes += i128::from(it.bytes);
    }
    for counter in counters {
        let place = (counter.host.as_str(), counter.resource.as_str(), counter.direction);
        let latest = lives.get(&place).and_then(|lives| lives.values().max());
        let recorded = latest.map_or(0, |(_, bytes)| *bytes);
        let counted = recorded.clamp(counter.before.into(), counter.after.into());
        outcome.compare(recorded - counted, |difference| Comparison {
            with: "Counter",
            of: counter.host.clone(),
            resource: counter.resource.clone(),
            direction: counter.direction,
            records: recorded.to_string(),
            other: counted.to_string(),
            difference,
        });
    }
}

fn with_invoices(
    records: &[Record],
    book: &PriceBook,
    outcome: &mut Reconciliation,
) -> Result<(), RatingError> {
    let mut figures: BTreeMap<(Month, String, Direction), (i128, i128)> = BTreeMap::new();
    for it in records {
        let month = Month::of(it.start).ok_or(RatingError::NoMonth(it.start))?;
        let figure = figures.entry((month, it.link.id.clone(), it.direction)).or_default();
        figure.0 += i128::from(it.bytes);
    }
    let mut months: Vec<Month> = figures.keys().map(|(month, ..)| *month).collect();
    months.dedup();
    for month in months {
        for line in invoice(month, Usage::of(records), book)?.lines {
            let figure = figures.entry((month, line.item.resource, line.item.direction));
            figure.or_default().1 += line.bytes;
        }
    }
    for ((month, resource, direction), (recorded, billed)) in figures {
        outcome.compare(recorded - billed, |difference| Comparison {
            with: "Invoice",
            of: month.to_string(),
            resource,
            direction,
            records: recorded.to_string(),
            other: billed.to_string(),
            difference,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::testing::{link, record, seconds, tiered};

    fn records() -> Vec<Record> {
        let start = seconds("2026-11-01");
        let here = link("a", "westeurope", "b", "westeurope");
        let mut earlier_life = record(&here, Direction::Egress, start - 3_600, start, 1_000);
        earlier_life.epoch = Uuid::max();
        let egress = |start, bytes| record(&here, Direction::Egress, start, start + 60, bytes);
        vec![earlier_life, egress(start, 700), egress(start + 3_600, 30_000_000_000)]
    }

    fn counter(before: u64, after: u64) -> Counter {
        let resource = link("a", "westeurope", "b", "westeurope").id;
        let host = "host".to_owned();
        Counter { host, resource, direction: Direction::Egress, before, after }
    }

    #[test]
    fn what_was_counted_was_recorded_and_is_billed() {
        let counters = [counter(30_000_000_700, 30_000_000_700)];
        let outcome = reconcile(&counters, &records(), Some(&tiered())).unwrap();
        assert!(outcome.agree, "{outcome:?}");
        // One counter, and two months with one link and direction each.
        assert_eq!(outcome.compared, 3);
    }

    #[test]
    fn a_counter_may_count_while_it_is_compared() {
        for (before, after, difference) in [
            (30_000_000_000, 30_000_001_000, None),
            (30_000_000_000, 30_000_000_699, Some("1")),
            (30_000_000_800, 30_000_001_000, Some("-100")),
        ] {
            let outcome = reconcile(&[counter(before, after)], &records(), None).unwrap();
            let found = outcome.differences.first().map(|it| it.difference.as_str());
            assert_eq!(found, difference);
        }
    }

    #[test]
    fn what_was_never_recorded_is_told_with_its_place() {
        let outcome = reconcile(&[counter(5, 5)], &[], None).unwrap();
        let expected = Comparison {
            with: "Counter",
            of: "host".to_owned(),
            resource: counter(0, 0).resource,
            direction: Direction::Egress,
            records: "0".to_owned(),
            other: "5".to_owned(),
            difference: "-5".to_owned(),
        };
        assert_eq!((outcome.agree, outcome.differences), (false, vec![expected]));
    }
}
