//! One month of an export: what is in its folder, and what comes into it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Action, ExportError, Format, Outcome, Request, SCHEMA_VERSION,
    directory::{self, Written},
    focus, manifest,
    manifest::{FileEntry, Manifest, PeriodState},
    usage,
};
use crate::{
    merge::{RECORDS_FILE, parse},
    price::PriceBook,
    rating::{Charge, Month, Usage, rate, time},
    record::{Record, merge},
};

/// The prices that a folder was rated with.
const PRICES_FILE: &str = "prices.yaml";

/// The folder of a closed month's corrections, in which each has its own.
const CORRECTIONS: &str = "corrections";

/// One month.
pub(super) struct Partition<'r> {
    request: &'r Request<'r>,
    month: Month,
    path: PathBuf,
    /// Whether it may still be replaced.
    state: PeriodState,
    /// What has been exported: the month, then its corrections.
    written: Vec<Written>,
    /// All records of that, by id.
    told: Vec<Record>,
}

/// What a folder is to hold.
struct Content {
    files: Vec<manifest::File>,
    manifest: Manifest,
}

impl<'r> Partition<'r> {
    /// What is there of a month.
    pub(super) fn open(
        folder: &Path,
        month: Month,
        request: &'r Request<'r>,
    ) -> Result<Self, ExportError> {
        let path = folder.join(month.to_string());
        let mut written: Vec<Written> = directory::open(&path)?.into_iter().collect();
        for name in directory::folders(&path.join(CORRECTIONS))? {
            written.extend(directory::open(&path.join(CORRECTIONS).join(name))?);
        }
        let mut told = Vec::new();
        for it in &written {
            let name = it.path.join(RECORDS_FILE).display().to_string();
            told.extend(parse(&name, &it.text(RECORDS_FILE)?)?);
        }
        let was_closed = written.first().is_some_and(|it| it.manifest.state == PeriodState::Closed);
        let is_over = request.now >= month.end().saturating_add(request.grace);
        let state = if was_closed || is_over { PeriodState::Closed } else { PeriodState::Open };
        Ok(Self { request, month, path, state, written, told: merge(told) })
    }

    /// Adds records to the month.
    pub(super) fn export(self, records: Vec<Record>) -> Result<Outcome, ExportError> {
        let all = merge(self.told.iter().cloned().chain(records));
        match self.written.first() {
            Some(it) if it.manifest.state == PeriodState::Closed => self.correct(&all),
            _ => self.replace(&all),
        }
    }

    fn replace(&self, all: &[Record]) -> Result<Outcome, ExportError> {
        let charges = self.charges(all, self.request.prices)?;
        let content = self.content(all, None, &charges, None)?;
        let is_same = |it: &Written| it.manifest == content.manifest;
        if self.written.first().is_some_and(is_same) {
            return Ok(self.outcome(Action::Unchanged, self.path.clone(), content.manifest));
        }
        directory::put(&self.path, &content.files, &content.manifest)?;
        Ok(self.outcome(Action::Written, self.path.clone(), content.manifest))
    }

    /// What is known now and was not when the month was closed, or not by the last correction.
    fn correct(&self, all: &[Record]) -> Result<Outcome, ExportError> {
        let new: Vec<Record> =
            all.iter().filter(|it| self.told.binary_search(it).is_err()).cloned().collect();
        let mut charges = self.charges(all, self.request.prices)?;
        for (charge, bytes) in self.charges(&self.told, self.old_prices()?.as_ref())? {
            let more = charges.entry(charge).or_default();
            *more = more.saturating_sub(bytes);
        }
        charges.retain(|_, bytes| *bytes != 0);
        let number = u32::try_from(self.written.len()).unwrap_or(u32::MAX);
        let content = self.content(&new, Some(&self.told), &charges, Some(number))?;
        if let (0, Some(last)) = (content.manifest.rows, self.written.last()) {
            let (path, manifest) = (last.path.clone(), last.manifest.clone());
            return Ok(self.outcome(Action::Unchanged, path, manifest));
        }
        let path = self.path.join(CORRECTIONS).join(format!("{number:04}"));
        directory::put(&path, &content.files, &content.manifest)?;
        Ok(self.outcome(Action::Corrected, path, content.manifest))
    }

    fn outcome(&self, action: Action, folder: PathBuf, manifest: Manifest) -> Outcome {
        Outcome { month: self.month, action, folder, manifest }
    }

    /// The prices that the last folder was rated with.
    fn old_prices(&self) -> Result<Option<PriceBook>, ExportError> {
        let last = self.written.last().filter(|_| self.request.format == Format::Focus);
        let Some(last) = last else { return Ok(None) };
        let name = last.path.join(PRICES_FILE).display().to_string();
        Ok(Some(PriceBook::read(&name, &last.text(PRICES_FILE)?)?))
    }

    /// Nothing for formats without costs.
    fn charges(
        &self,
        records: &[Record],
        prices: Option<&PriceBook>,
    ) -> Result<BTreeMap<Charge, i128>, ExportError> {
        match prices.filter(|_| self.request.format == Format::Focus) {
            Some(prices) => Ok(rate(&Usage::of(records), prices)?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// A folder with these records, of which `told` were exported before, or with these charges.
    fn content(
        &self,
        records: &[Record],
        told: Option<&[Record]>,
        charges: &BTreeMap<Charge, i128>,
        correction: Option<u32>,
    ) -> Result<Content, ExportError> {
        let mut manifest = Manifest {
            schema_version: SCHEMA_VERSION.to_owned(),
            format: self.request.format,
            period: self.month.to_string(),
            period_start: time(self.month.start()),
            period_end: time(self.month.end()),
            state: self.state,
            correction,
            records: records.len(),
            rows: 0,
            packets: None,
            bytes: String::new(),
            currency: None,
            cost: None,
            amount: None,
            files: Vec::new(),
        };
        let mut files = vec![lines(records)?];
        if let Some(prices) = self.request.prices.filter(|_| self.request.format == Format::Focus) {
            let focus = focus::to_csv(charges, &self.context(prices, correction)?)?;
            manifest.rows = focus.rows;
            manifest.bytes = focus.bytes.to_string();
            manifest.currency = Some(prices.currency.code().to_owned());
            manifest.cost = Some(focus.cost.normalize().to_string());
            manifest.amount = Some(focus.amount.to_string());
            files.push(manifest::File { name: "focus.csv", contents: focus.csv });
            let contents = prices.text().as_bytes().to_vec();
            files.push(manifest::File { name: PRICES_FILE, contents });
        } else {
            let rows = usage::rows(records, told)?;
            let total = |of: fn(&usage::Row<'_>) -> i64| {
                rows.iter().map(|row| i128::from(of(row))).sum::<i128>().to_string()
            };
            manifest.rows = rows.len();
            manifest.packets = Some(total(|row| row.packets));
            manifest.bytes = total(|row| row.bytes);
            files.push(usage_file(self.request.format, &rows)?);
        }
        manifest.files = files.iter().map(|it| FileEntry::of(it.name, &it.contents)).collect();
        Ok(Content { files, manifest })
    }

    fn context<'b>(
        &self,
        book: &'b PriceBook,
        correction: Option<u32>,
    ) -> Result<focus::Context<'b>, ExportError> {
        let now = self.request.now;
        let billed_in = match correction {
            Some(_) => Month::of(now).ok_or(ExportError::NoMonth(now))?,
            None => self.month,
        };
        let invoice = format!("{}-{}", book.billing_account_id, self.month);
        let invoice_id = match correction {
            Some(number) => Some(format!("{invoice}-correction-{number}")),
            None => (self.state == PeriodState::Closed).then_some(invoice),
        };
        let is_correction = correction.is_some();
        Ok(focus::Context { book, month: self.month, billed_in, invoice_id, is_correction })
    }
}

fn usage_file(format: Format, rows: &[usage::Row<'_>]) -> Result<manifest::File, ExportError> {
    #[cfg(feature = "parquet")]
    if format == Format::Parquet {
        let contents = super::parquet::to_parquet(rows)?;
        return Ok(manifest::File { name: "usage.parquet", contents });
    }
    match format {
        Format::Csv => Ok(manifest::File { name: "usage.csv", contents: usage::to_csv(rows)? }),
        other => Err(ExportError::NoFormat(other.name())),
    }
}

/// Records as JSON lines in the order of their ids: what the folder is made from.
fn lines(records: &[Record]) -> Result<manifest::File, ExportError> {
    let mut contents = Vec::new();
    for record in records {
        let failed = |source| ExportError::Manifest { path: RECORDS_FILE.into(), source };
        serde_json::to_writer(&mut contents, record).map_err(failed)?;
        contents.push(b'\n');
    }
    Ok(manifest::File { name: RECORDS_FILE, contents })
}
