//! Tables for people, JSON and YAML for programs.

use std::{
    fmt,
    io::{self, Write as _},
};

use anyhow::Context as _;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{Global, query::columns};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Prints a value: as a table by `table`, else whole.
pub(super) fn print<T: Serialize + ?Sized>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(value),
        Format::Json => serde_json::to_string_pretty(value).context("write JSON")?,
        Format::Yaml => serde_saphyr::to_string(&value).context("write YAML")?,
    };
    print_text(&text)
}

/// Prints a value, or what `--query` chooses of it: as a table by `table`, else whole.
pub(super) fn show<T: Serialize + ?Sized>(
    global: &Global,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    let Some(query) = &global.query else { return print(global.output, value, table) };
    let found = query.apply(serde_json::to_value(value).context("write JSON")?)?;
    print(global.output, &found, |found| columns(found).to_string())
}

/// Prints one resource with all its properties, or what `--query` chooses of it: YAML unless another format
/// was asked for.
pub(super) fn show_whole<T: Serialize>(global: &Global, value: &T) -> anyhow::Result<()> {
    let format = match global.output {
        Format::Table if global.query.is_none() => Format::Yaml,
        format => format,
    };
    show(&Global { output: format, ..global.clone() }, value, |_| String::new())
}

/// Prints a text with one newline at its end. A reader that went away (`| head`) is no error.
pub(super) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to standard output"),
    }
}

/// The cells of a table.
#[derive(Debug)]
pub(super) struct Rows {
    /// Empty for a table without one.
    pub(super) header: Vec<String>,
    /// One list of cells for each line.
    pub(super) rows: Vec<Vec<String>>,
}

/// The cells of a table with a header.
pub(super) fn rows<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Rows {
    Rows {
        header: header.into_iter().map(str::to_owned).collect(),
        rows: rows.into_iter().map(|row| row.into_iter().collect()).collect(),
    }
}

/// A table with a header.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    self::rows(header, rows).to_string()
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return f.write_str("none");
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .add_rows(&self.rows);
        if !self.header.is_empty() {
            table.set_header(self.header.iter().map(|it| it.to_uppercase()));
        }
        f.write_str(&trim_lines(&table.to_string()))
    }
}

/// Without the spaces that fill up the last column and stand before the first.
fn trim_lines(text: &str) -> String {
    let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

/// The last segment of an ARM id.
pub(super) fn short(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Items in one cell.
pub(super) fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
