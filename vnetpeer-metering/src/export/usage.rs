//! Rows of usage: a record each, with all that a record has. In a correction a row tells what a record
//! has more than was told before.

use rust_decimal::Decimal;

use crate::{
    price::{
        Meter,
        exact::{TooLarge, gigabytes},
    },
    rating::{RatingError, payer, time},
    record::Record,
};

/// A record as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'r> {
    record: &'r Record,
    /// Of the record, or how many more.
    pub(super) packets: i64,
    /// Of the record, or how many more.
    pub(super) bytes: i64,
    quantity: Decimal,
    is_correction: bool,
}

impl<'r> Row<'r> {
    /// What `record` tells beyond its earlier version, if that was told already.
    pub(super) fn new(
        record: &'r Record,
        told: Option<&Record>,
        is_correction: bool,
    ) -> Result<Self, TooLarge> {
        let more = |now: u64, before: u64| {
            i64::try_from(i128::from(now) - i128::from(before)).map_err(|_| TooLarge)
        };
        let bytes = more(record.bytes, told.map_or(0, |it| it.bytes))?;
        let packets = more(record.packets, told.map_or(0, |it| it.packets))?;
        let quantity = gigabytes(i128::from(bytes))?;
        Ok(Self { record, packets, bytes, quantity, is_correction })
    }
}

/// What a cell of a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Flag(bool),
    /// Seconds since 1970 (UTC).
    Time(i64),
    Nothing,
}

/// What the cells of a column hold, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Flag,
    Time,
}

/// A column of usage files.
pub(super) struct Column {
    pub(super) name: &'static str,
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "CSV has no kinds"))]
    pub(super) kind: Kind,
    pub(super) value: fn(&Row<'_>) -> Value,
}

const fn column(name: &'static str, kind: Kind, value: fn(&Row<'_>) -> Value) -> Column {
    Column { name, kind, value }
}

fn text(text: &(impl ToString + ?Sized)) -> Value {
    Value::Text(text.to_string())
}

fn maybe(text: Option<impl ToString>) -> Value {
    text.map_or(Value::Nothing, |it| Value::Text(it.to_string()))
}

/// A number of the record; those beyond what tables hold do not occur.
fn whole(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Nothing, Value::Whole)
}

pub(super) const COLUMNS: [Column; 28] = [
    column("RecordId", Kind::Text, |row| text(&row.record.id)),
    column("ChargeClass", Kind::Text, |row| maybe(row.is_correction.then_some("Correction"))),
    column("Start", Kind::Time, |row| Value::Time(row.record.start)),
    column("End", Kind::Time, |row| Value::Time(row.record.end)),
    column("SubscriptionId", Kind::Text, |row| {
        maybe(payer(&row.record.link).ok().map(|it| it.subscription))
    }),
    column("ResourceGroup", Kind::Text, |row| {
        maybe(payer(&row.record.link).ok().map(|it| it.resource_group))
    }),
    column("VirtualNetwork", Kind::Text, |row| text(&row.record.link.vnet)),
    column("Region", Kind::Text, |row| text(&row.record.link.region)),
    column("ResourceId", Kind::Text, |row| text(&row.record.link.id)),
    column("ResourceGuid", Kind::Text, |row| text(&row.record.link.guid)),
    column("Kind", Kind::Text, |row| text(&format_args!("{:?}", row.record.link.kind))),
    column("RemoteVirtualNetwork", Kind::Text, |row| maybe(row.record.link.remote_vnet.as_ref())),
    column("RemoteRegion", Kind::Text, |row| maybe(row.record.link.remote_region.as_ref())),
    column("Global", Kind::Flag, |row| Value::Flag(row.record.link.global)),
    column("Direction", Kind::Text, |row| text(&format_args!("{:?}", row.record.direction))),
    column("Product", Kind::Text, |row| text(&meter(row.record).product())),
    column("MeterName", Kind::Text, |row| text(&meter(row.record).name())),
    column("Packets", Kind::Whole, |row| Value::Whole(row.packets)),
    column("Bytes", Kind::Whole, |row| Value::Whole(row.bytes)),
    column("QuantityGB", Kind::Text, |row| text(&row.quantity)),
    column("Host", Kind::Text, |row| text(&row.record.host)),
    column("Epoch", Kind::Text, |row| text(&row.record.epoch)),
    column("Sequence", Kind::Whole, |row| whole(row.record.sequence)),
    column("DurationMs", Kind::Whole, |row| whole(row.record.duration_ms)),
    column("BegunBy", Kind::Text, |row| text(&format_args!("{:?}", row.record.begun_by))),
    column("EndedBy", Kind::Text, |row| maybe(row.record.ended_by.map(|it| format!("{it:?}")))),
    column("LateSince", Kind::Time, |row| {
        row.record.late_since.map_or(Value::Nothing, Value::Time)
    }),
    column("Tags", Kind::Text, |row| maybe(serde_json::to_string(&row.record.link.tags).ok())),
];

const fn meter(record: &Record) -> Meter {
    Meter::of(&record.link, record.direction)
}

/// Rows as CSV (RFC 4180) with a header; what is nothing is empty.
pub(super) fn to_csv(rows: &[Row<'_>]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(COLUMNS.iter().map(|it| it.name))?;
    for row in rows {
        csv.write_record(COLUMNS.iter().map(|it| match (it.value)(row) {
            Value::Text(text) => text,
            Value::Whole(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Time(seconds) => time(seconds),
            Value::Nothing => String::new(),
        }))?;
    }
    csv.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// Rows of records, in the order of time. `told` has been exported before, and both are in the order of
/// ids; what adds nothing to it has no row.
pub(super) fn rows<'r>(
    records: &'r [Record],
    told: Option<&[Record]>,
) -> Result<Vec<Row<'r>>, RatingError> {
    let mut rows = Vec::new();
    for record in records {
        // Usage that nobody pays for must not go unnoticed.
        payer(&record.link)?;
        let version = told.and_then(|told| {
            let index = told.binary_search_by_key(&record.id, |it| it.id).ok()?;
            told.get(index)
        });
        let row = Row::new(record, version, told.is_some())?;
        if version.is_none() || row.bytes != 0 || row.packets != 0 {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| {
        let Record { start, link, direction, host, id, .. } = row.record;
        (*start, &link.id, *direction, host, *id)
    });
    Ok(rows)
}
