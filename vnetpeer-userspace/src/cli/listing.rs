//! Long lists: which entries, in which order, how many at once. One set of options for every command that
//! lists resources.

mod collapse;
mod field;
#[cfg(test)]
mod tests;

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use self::{
    collapse::collapse,
    field::{Condition, SortKey, known_fields},
};
use super::{
    Global,
    output::{self, Format, Rows, join},
};

/// Tables with more rows than this show runs of alike rows as one.
const ROWS_IN_FULL: usize = 50;

/// Options of commands that list.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of lists")]
pub(super) struct Listing {
    /// Only entries whose FIELD has this value; `*` stands for any text. Repeat it for several fields
    #[arg(long = "filter", value_name = "FIELD=VALUE", value_parser = Condition::parse)]
    conditions: Vec<Condition>,
    /// Sort by FIELD, in descending order with a minus before it
    #[arg(long, value_name = "[-]FIELD", allow_hyphen_values = true, value_parser = SortKey::parse)]
    sort: Option<SortKey>,
    /// Leave out the first so many
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: usize,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    top: Option<usize>,
    /// In tables a row for each entry, also where many are alike
    #[arg(long)]
    each: bool,
}

/// The part of a list that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// The entries.
    pub(super) items: Vec<T>,
    /// How many were left out before them.
    skipped: usize,
    /// How many meet the conditions.
    matching: usize,
}

impl Listing {
    /// Chooses entries, by what they are in JSON.
    pub(super) fn select<T: Serialize>(&self, items: Vec<T>) -> anyhow::Result<Page<T>> {
        let mut entries = Vec::with_capacity(items.len());
        if self.conditions.is_empty() && self.sort.is_none() {
            entries.extend(items.into_iter().map(|item| (Value::Null, item)));
        } else {
            for item in items {
                entries.push((serde_json::to_value(&item)?, item));
            }
            self.check_fields(&entries)?;
            entries.retain(|(value, _)| self.conditions.iter().all(|it| it.holds(value)));
        }
        if let Some(key) = &self.sort {
            entries.sort_by(|(a, _), (b, _)| key.compare(a, b));
        }
        let matching = entries.len();
        let top = self.top.unwrap_or(usize::MAX);
        let items = entries.into_iter().map(|(_, item)| item).skip(self.skip).take(top).collect();
        Ok(Page { items, skipped: self.skip.min(matching), matching })
    }

    /// A field that no entry has is a mistake, and not a list of nothing.
    fn check_fields<T>(&self, entries: &[(Value, T)]) -> anyhow::Result<()> {
        let conditions = self.conditions.iter().map(Condition::field);
        for field in conditions.chain(self.sort.as_ref().map(SortKey::field)) {
            if !entries.is_empty() && !entries.iter().any(|(value, _)| field.is_in(value)) {
                let known = known_fields(entries.iter().map(|(value, _)| value));
                bail!("no entry has the field `{field}`; there are {}", join(known));
            }
        }
        Ok(())
    }

    /// Prints the chosen entries: JSON and YAML as a list, long tables with alike rows as one.
    pub(super) fn print<T: Serialize>(
        &self,
        global: &Global,
        items: Vec<T>,
        table: impl FnOnce(&[T]) -> Rows,
    ) -> anyhow::Result<()> {
        let page = self.select(items)?;
        output::show(global, page.items.as_slice(), |items| {
            let mut table = table(items);
            if table.rows.len() > ROWS_IN_FULL && !self.each {
                table.rows = collapse(table.rows);
            }
            table.to_string()
        })?;
        page.tell_of_the_rest(global.output);
        Ok(())
    }
}

impl<T> Page<T> {
    /// Says on standard error that this is not all: what reads the list must know too.
    fn tell_of_the_rest(&self, format: Format) {
        if let Some(text) = self.rest() {
            let gap = if format == Format::Table { "\n" } else { "" };
            eprintln!("{gap}{text}");
        }
    }

    fn rest(&self) -> Option<String> {
        let last = self.skipped + self.items.len();
        if self.items.is_empty() || (self.skipped == 0 && last == self.matching) {
            return None;
        }
        let range = format!("{} to {last} of {}", self.skipped + 1, self.matching);
        Some(if last < self.matching { format!("{range}; more with --skip {last}") } else { range })
    }
}
