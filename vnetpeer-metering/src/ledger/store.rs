//! The file of a ledger.
//!
//! Entries are JSON, so that later versions can add to them. `FORMAT_TABLE` never changes its shape: every
//! version can tell whether it understands the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    FORMAT, LedgerError,
    cell::{Cell, Counted},
    pass::Draft,
};
use crate::{
    reading::{Counts, Source},
    record::Link,
    window::Last,
};

/// `version` → [`FORMAT`].
const FORMAT_TABLE: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
/// `last` → [`Last`], `next` → the next sequence number.
const STATE: TableDefinition<'_, &str, &str> = TableDefinition::new("state");
/// GUID of the link → [`Cell`].
const CELLS: TableDefinition<'_, u128, &str> = TableDefinition::new("cells");
/// Begin in seconds since 1970, sequence number → [`Counted`].
const WINDOWS: TableDefinition<'_, (i64, u64), &str> = TableDefinition::new("windows");
/// Label → [`Link`].
const LINKS: TableDefinition<'_, u128, &str> = TableDefinition::new("links");
/// Label → how many windows name it.
const USES: TableDefinition<'_, u128, u64> = TableDefinition::new("uses");
/// Epoch → [`Epoch`].
const EPOCHS: TableDefinition<'_, u128, &str> = TableDefinition::new("epochs");
/// When it ended in seconds since 1970, GUID of the link → [`Gone`].
const GONE: TableDefinition<'_, (i64, u128), &str> = TableDefinition::new("gone");

const DAY: i64 = 86_400;
/// A file is compacted when it is opened, if it is larger than this and mostly empty.
const WORTH_COMPACTING: u64 = 64 << 20;
/// Memory for pages of the file.
const CACHE: usize = 16 << 20;

/// An uninterrupted life of counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Epoch {
    pub(super) host: String,
    pub(super) source: Source,
    pub(super) generation: u32,
    pub(super) opened_ms: i64,
}

/// A link that was read for the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    pub(super) label: Uuid,
    pub(super) epoch: Uuid,
    pub(super) number: u32,
    pub(super) last: Counts,
    pub(super) wall_ms: i64,
}

/// What the ledger holds in memory.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) cells: BTreeMap<Uuid, Cell>,
    pub(super) links: BTreeMap<Uuid, Link>,
    pub(super) last: Option<Last>,
    pub(super) next_sequence: u64,
}

/// See the module.
pub(super) struct Store {
    database: Database,
    path: PathBuf,
    keep_seconds: i64,
}

/// What ends a transaction, before it has the file's name.
enum Failure {
    Store(Box<redb::Error>),
    Format(serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}

type Attempt<T> = Result<T, Failure>;

impl Store {
    pub(super) fn open(path: &Path, keep_days: u32) -> Result<Self, LedgerError> {
        let opened = Database::builder().set_cache_size(CACHE).create(path);
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => LedgerError::Taken { path: path.to_owned() },
            error => LedgerError::Open { path: path.to_owned(), source: Box::new(error.into()) },
        })?;
        let mut store = Self::of(database, path, keep_days)?;
        store.compact();
        Ok(store)
    }

    pub(super) fn of(database: Database, path: &Path, keep_days: u32) -> Result<Self, LedgerError> {
        let keep_seconds = i64::from(keep_days) * DAY;
        let store = Self { database, path: path.to_owned(), keep_seconds };
        let found = store.begin().map_err(store.named("open"))?;
        if found > FORMAT {
            return Err(LedgerError::Newer { path: store.path, found });
        }
        Ok(store)
    }

    /// Creates what is missing and returns the format of what is not. A file of a later format stays as
    /// it is.
    fn begin(&self) -> Attempt<u64> {
        let transaction = self.database.begin_write()?;
        let found = transaction.open_table(FORMAT_TABLE)?.get("version")?.map(|it| it.value());
        if found.is_some_and(|found| found >= FORMAT) {
            transaction.abort()?;
            return Ok(found.unwrap_or(FORMAT));
        }
        transaction.open_table(FORMAT_TABLE)?.insert("version", FORMAT)?;
        transaction.open_table(STATE)?;
        transaction.open_table(CELLS)?;
        transaction.open_table(WINDOWS)?;
        transaction.open_table(LINKS)?;
        transaction.open_table(USES)?;
        transaction.open_table(EPOCHS)?;
        transaction.open_table(GONE)?;
        transaction.commit()?;
        Ok(FORMAT)
    }

    pub(super) fn contents(&self) -> Result<Contents, LedgerError> {
        self.try_contents().map_err(self.named("read"))
    }

    fn try_contents(&self) -> Attempt<Contents> {
        let transaction = self.database.begin_read()?;
        let state = transaction.open_table(STATE)?;
        let last = state.get("last")?.map(|it| parse(it.value())).transpose()?;
        let next = state.get("next")?.map(|it| parse(it.value())).transpose()?;
        let mut cells = BTreeMap::new();
        for entry in transaction.open_table(CELLS)?.iter()? {
            let (guid, cell) = entry?;
            cells.insert(Uuid::from_u128(guid.value()), parse::<Cell>(cell.value())?);
        }
        let stored = transaction.open_table(LINKS)?;
        let mut links = BTreeMap::new();
        for label in cells.values().map(|cell| cell.label) {
            if let Some(link) = stored.get(label.as_u128())? {
                links.insert(label, parse(link.value())?);
            }
        }
        Ok(Contents { cells, links, last, next_sequence: next.unwrap_or_default() })
    }

    /// One transaction. It is on disk when this returns.
    pub(super) fn write(&self, draft: &Draft) -> Result<(), LedgerError> {
        self.try_write(draft).map_err(self.named("write"))
    }

    fn try_write(&self, draft: &Draft) -> Attempt<()> {
        let mut transaction = self.database.begin_write()?;
        // A file that was not closed is opened without reading all of it.
        transaction.set_quick_repair(true);
        {
            let mut state = transaction.open_table(STATE)?;
            state.insert("last", text(&draft.last)?.as_str())?;
            state.insert("next", text(&draft.next_sequence)?.as_str())?;
            let mut cells = transaction.open_table(CELLS)?;
            for (guid, cell) in &draft.cells {
                match cell {
                    Some(cell) => _ = cells.insert(guid.as_u128(), text(cell)?.as_str())?,
                    None => _ = cells.remove(guid.as_u128())?,
                }
            }
            let mut links = transaction.open_table(LINKS)?;
            for (label, link) in &draft.links {
                links.insert(label.as_u128(), text(link)?.as_str())?;
            }
            let mut epochs = transaction.open_table(EPOCHS)?;
            for (epoch, entry) in &draft.epochs {
                if epochs.get(epoch.as_u128())?.is_none() {
                    epochs.insert(epoch.as_u128(), text(entry)?.as_str())?;
                }
            }
            let mut gone = transaction.open_table(GONE)?;
            for (guid, entry) in &draft.gone {
                let at = entry.wall_ms.div_euclid(1_000);
                gone.insert((at, guid.as_u128()), text(entry)?.as_str())?;
            }
        }
        append(&transaction, draft)?;
        if !draft.counted.is_empty() {
            let now = draft.last.moment.seconds();
            forget(&transaction, now.saturating_sub(self.keep_seconds))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Windows that ended and have a part in the time from `since` to before `until`.
    pub(super) fn windows(
        &self,
        since: i64,
        until: i64,
    ) -> Result<Vec<(Counted, Link, Epoch)>, LedgerError> {
        self.try_windows(since, until).map_err(self.named("read"))
    }

    fn try_windows(&self, since: i64, until: i64) -> Attempt<Vec<(Counted, Link, Epoch)>> {
        let transaction = self.database.begin_read()?;
        let links = transaction.open_table(LINKS)?;
        let epochs = transaction.open_table(EPOCHS)?;
        let mut known_links: BTreeMap<Uuid, Link> = BTreeMap::new();
        let mut known_epochs: BTreeMap<Uuid, Epoch> = BTreeMap::new();
        let mut found = Vec::new();
        // A window is no longer than an hour.
        let first = (since.saturating_sub(3_600), 0);
        if until <= first.0 {
            return Ok(found);
        }
        for entry in transaction.open_table(WINDOWS)?.range(first..(until, 0))? {
            let counted: Counted = parse(entry?.1.value())?;
            if counted.end <= since && counted.start < since {
                continue;
            }
            let link = known(&links, &mut known_links, counted.label)?;
            let epoch = known(&epochs, &mut known_epochs, counted.epoch)?;
            if let (Some(link), Some(epoch)) = (link, epoch) {
                found.push((counted, link, epoch));
            }
        }
        Ok(found)
    }

    /// How many windows there are.
    pub(super) fn count(&self) -> Result<u64, LedgerError> {
        let count =
            || -> Attempt<u64> { Ok(self.database.begin_read()?.open_table(WINDOWS)?.len()?) };
        count().map_err(self.named("read"))
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |it| it.len())
    }

    /// Gives back what is not used. A file that is larger than it must be is no reason to stop.
    fn compact(&mut self) {
        if self.bytes() < WORTH_COMPACTING {
            return;
        }
        let used = || -> Attempt<u64> {
            let transaction = self.database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats.stored_bytes() + stats.metadata_bytes())
        };
        if used().is_ok_and(|used| used < self.bytes() / 2) {
            let _ = self.database.compact();
        }
    }

    fn named(&self, what: &'static str) -> impl Fn(Failure) -> LedgerError {
        let path = self.path.clone();
        move |failure| match failure {
            Failure::Store(source) => LedgerError::Store { what, path: path.clone(), source },
            Failure::Format(source) => LedgerError::Format { path: path.clone(), source },
        }
    }
}

/// Adds windows that ended.
fn append(transaction: &WriteTransaction, draft: &Draft) -> Attempt<()> {
    let mut windows = transaction.open_table(WINDOWS)?;
    let mut uses = transaction.open_table(USES)?;
    for counted in &draft.counted {
        windows.insert((counted.start, counted.sequence), text(counted)?.as_str())?;
        let label = counted.label.as_u128();
        let before = uses.get(label)?.map_or(0, |it| it.value());
        uses.insert(label, before + 1)?;
    }
    Ok(())
}

/// Removes windows that began before `horizon`, and what only they name.
fn forget(transaction: &WriteTransaction, horizon: i64) -> Attempt<()> {
    let mut windows = transaction.open_table(WINDOWS)?;
    let mut uses = transaction.open_table(USES)?;
    let mut links = transaction.open_table(LINKS)?;
    let mut dropped: BTreeMap<u128, u64> = BTreeMap::new();
    for entry in windows.extract_from_if(..(horizon, 0), |_, _| true)? {
        let counted: Counted = parse(entry?.1.value())?;
        *dropped.entry(counted.label.as_u128()).or_default() += 1;
    }
    let mut kept: Option<BTreeSet<u128>> = None;
    for (label, count) in dropped {
        let left = uses.get(label)?.map_or(0, |it| it.value()).saturating_sub(count);
        if left != 0 {
            uses.insert(label, left)?;
            continue;
        }
        uses.remove(label)?;
        let named = match &mut kept {
            Some(named) => named,
            empty => empty.insert(named_by_cells(transaction)?),
        };
        if !named.contains(&label) {
            links.remove(label)?;
        }
    }
    let mut gone = transaction.open_table(GONE)?;
    gone.retain_in(..(horizon, 0), |_, _| false)?;
    Ok(())
}

fn named_by_cells(transaction: &WriteTransaction) -> Attempt<BTreeSet<u128>> {
    let cells = transaction.open_table(CELLS)?;
    let mut named = BTreeSet::new();
    for entry in cells.iter()? {
        named.insert(parse::<Cell>(entry?.1.value())?.label.as_u128());
    }
    Ok(named)
}

fn known<T: Clone + DeserializeOwned>(
    table: &impl ReadableTable<u128, &'static str>,
    known: &mut BTreeMap<Uuid, T>,
    key: Uuid,
) -> Attempt<Option<T>> {
    if let Some(value) = known.get(&key) {
        return Ok(Some(value.clone()));
    }
    let Some(value) = table.get(key.as_u128())? else { return Ok(None) };
    let value: T = parse(value.value())?;
    known.insert(key, value.clone());
    Ok(Some(value))
}

fn parse<T: DeserializeOwned>(text: &str) -> Attempt<T> {
    serde_json::from_str(text).map_err(Failure::Format)
}

fn text<T: Serialize>(value: &T) -> Attempt<String> {
    serde_json::to_string(value).map_err(Failure::Format)
}
