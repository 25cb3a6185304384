//! The invoice that docs/metering.md works out by hand, against the program. The figures are read from the
//! page, so that neither can change alone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use vnetpeer_metering::{
    merge,
    price::PriceBook,
    rating::{
        Month, Usage,
        cost::{By, costs},
        invoice::invoice,
    },
};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap()
}

/// The rows of the page's table that follows a line, without header.
fn table(after: &str) -> Vec<Vec<String>> {
    let page = text("docs/metering.md");
    let (_, rest) = page.split_once(after).unwrap_or_else(|| panic!("no line `{after}`"));
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace(['`', ',', '*'], "")).collect()
    };
    rows.map(cells).collect()
}

fn usage() -> Usage {
    Usage::of(&merge::read([repository("examples/usage.jsonl")]).unwrap())
}

fn book() -> PriceBook {
    PriceBook::read("prices.yaml", &text("examples/prices.yaml")).unwrap()
}

fn november() -> Month {
    "2026-11".parse().unwrap()
}

fn last(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

#[test]
fn every_line_is_what_was_worked_out_by_hand() {
    let invoice = invoice(november(), usage(), &book()).unwrap();
    let lines: BTreeSet<Vec<String>> = invoice
        .lines
        .iter()
        .map(|line| {
            let item = &line.item;
            vec![
                last(&item.virtual_network),
                last(&item.resource),
                format!("{:?}", item.direction),
                line.bytes.to_string(),
                line.quantity.to_string(),
                item.unit_price.to_string(),
                line.cost.to_string(),
                line.amount.to_string(),
            ]
        })
        .collect();
    let worked: BTreeSet<Vec<String>> =
        table("The lines, worked out by hand:").into_iter().collect();
    assert_eq!(worked.len(), 11, "the page has the lines");
    assert_eq!(lines, worked);
}

#[test]
fn costs_and_totals_are_what_was_worked_out_by_hand() {
    let month_over = november().end();
    let costs = costs(november(), usage(), &book(), &By::Vnet, month_over).unwrap();
    let invoice = invoice(november(), usage(), &book()).unwrap();
    let mut found: Vec<Vec<String>> = costs
        .rows
        .iter()
        .map(|row| vec![last(row.name.as_deref().unwrap_or("")), row.cost.to_string()])
        .collect();
    found.sort();
    found.push(vec!["total".to_owned(), costs.cost.to_string()]);
    found.push(vec!["to be paid".to_owned(), invoice.amount.to_string()]);
    assert_eq!(found, table("What `meter cost` says of it:"));
}
