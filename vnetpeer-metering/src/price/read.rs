//! From a price file's text to a [`PriceBook`], with every mistake at once.

use std::collections::BTreeMap;

use iso_currency::Currency;
use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde_saphyr::{Location, Spanned};

use super::{
    PriceBook, Problem, Problems, Rates, Sheet, Tier,
    document::{self, Document, IntraRegion, SheetDocument, Zone},
    exact,
    problem::Findings,
};

/// Digits after the point of a price, a volume and an amount.
const DIGITS_MAX: u32 = 9;

/// Prices and volumes are below.
const NUMBER_MAX: u64 = 1_000_000_000;

/// A price file is for people to write; what is larger is not one.
const FILE_BYTES_MAX: usize = 4 << 20;

pub(super) fn read(file: &str, text: &str) -> Result<PriceBook, Problems> {
    let refused = |line, column, message: String, help: &str| Problems {
        file: file.to_owned(),
        problems: vec![Problem { line, column, message, help: help.to_owned() }],
    };
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes", text.len());
        return Err(refused(1, 1, message, "a price file has at most 4 MiB"));
    }
    let document: Document = serde_saphyr::from_str(text).map_err(|error| {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        let message = error.without_snippet().to_string();
        let message = message.lines().next().unwrap_or("it cannot be read").to_owned();
        refused(at.line(), at.column(), message, "see docs/schema/prices.schema.json")
    })?;
    let mut findings = Findings::default();
    let currency = currency(&document.currency, &mut findings);
    let decimals = decimals(&document, currency, &mut findings);
    let sheets = sheets(&document.price_sheets, &mut findings);
    if sheets.is_empty() {
        let message = "there is no price sheet";
        findings.add(document.currency.referenced, message, "add one to priceSheets");
    }
    let account = &document.billing_account;
    let book = PriceBook {
        currency,
        decimals,
        rounding: document.rounding.mode,
        billing_account_id: filled(&account.id, "the billing account's id", &mut findings),
        billing_account_name: filled(&account.name, "the billing account's name", &mut findings),
        invoice_issuer: filled(&document.invoice_issuer, "the invoice issuer", &mut findings),
        sheets,
        text: text.to_owned(),
    };
    findings.or_value(file, book)
}

fn filled(text: &Spanned<String>, what: &str, findings: &mut Findings) -> String {
    if text.value.trim().is_empty() {
        findings.add(text.referenced, format!("{what} is empty"), "give it");
    }
    text.value.trim().to_owned()
}

fn currency(code: &Spanned<String>, findings: &mut Findings) -> Currency {
    Currency::from_code(&code.value).unwrap_or_else(|| {
        let message = format!("there is no currency `{}`", code.value);
        findings.add(code.referenced, message, "write an ISO 4217 code such as USD or EUR");
        Currency::USD
    })
}

fn decimals(document: &Document, currency: Currency, findings: &mut Findings) -> u32 {
    let of_currency = currency.exponent().map_or(2, u32::from);
    let Some(decimals) = &document.rounding.decimals else { return of_currency };
    if decimals.value > DIGITS_MAX {
        let message = format!("amounts cannot have {} digits after the point", decimals.value);
        findings.add(decimals.referenced, message, format!("write at most {DIGITS_MAX}"));
    }
    decimals.value
}

/// The sheets in the order of their times.
fn sheets(documents: &[Spanned<SheetDocument>], findings: &mut Findings) -> Vec<Sheet> {
    let mut names = BTreeMap::new();
    let mut sheets: Vec<(Sheet, Location)> = Vec::new();
    for it in documents {
        let sheet = sheet(&it.value, findings);
        let at = it.value.name.referenced;
        if let Some(line) = names.insert(sheet.name.clone(), at.line()) {
            let message = format!("line {line} has a price sheet `{}` already", sheet.name);
            findings.add(at, message, "give each its own name");
        }
        sheets.push((sheet, it.value.effective_from.referenced));
    }
    sheets.sort_by_key(|(sheet, at)| (sheet.from, at.line()));
    let begins: Vec<(i64, String)> =
        sheets.iter().skip(1).map(|(it, _)| (it.from, it.name.clone())).collect();
    for ((sheet, at), (next, name)) in sheets.iter_mut().zip(begins) {
        let end = *sheet.to.get_or_insert(next);
        if sheet.from == next || end > next {
            let message =
                format!("price sheets `{}` and `{name}` are in force together", sheet.name);
            findings.add(*at, message, "let one end where the other begins");
        } else if end < next {
            let gap = (crate::rating::time(end), crate::rating::time(next));
            let message = format!("no price sheet is in force from {} to {}", gap.0, gap.1);
            findings.add(*at, message, "let each begin where the one before it ends");
        }
    }
    sheets.into_iter().map(|(sheet, _)| sheet).collect()
}

fn sheet(document: &SheetDocument, findings: &mut Findings) -> Sheet {
    let from = day(&document.effective_from, findings);
    let to = document.effective_to.as_ref().map(|to| (day(to, findings), to.referenced));
    if let Some((_, at)) = to.filter(|(to, _)| *to <= from) {
        let message = "the sheet ends before it begins";
        findings.add(at, message, "effectiveTo is the day after the last one");
    }
    let zones = zones(&document.billing_zones, findings);
    let (intra_region, elsewhere) = intra_region(&document.intra_region, findings);
    Sheet {
        name: filled(&document.name, "the price sheet's name", findings),
        from,
        to: to.map(|(to, _)| to),
        inter_region: inter_region(document, findings),
        zones,
        intra_region,
        elsewhere,
    }
}

/// The first second of a day (UTC).
fn day(text: &Spanned<String>, findings: &mut Findings) -> i64 {
    let date = text.value.parse::<Date>().ok().filter(|_| text.value.len() == "2026-01-01".len());
    let begin = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    begin.map_or_else(
        || {
            let message = format!("`{}` is no day", text.value);
            findings.add(text.referenced, message, "write YYYY-MM-DD");
            0
        },
        |begin| begin.timestamp().as_second(),
    )
}

fn zones(zones: &[Zone], findings: &mut Findings) -> BTreeMap<String, String> {
    let mut by_region = BTreeMap::new();
    let mut names = BTreeMap::new();
    for zone in zones {
        let name = filled(&zone.name, "the billing zone's name", findings);
        if let Some(line) = names.insert(name.clone(), zone.name.referenced.line()) {
            let message = format!("line {line} has a billing zone `{name}` already");
            findings.add(zone.name.referenced, message, "put all its regions in one entry");
        }
        for region in &zone.regions {
            let region_name = region_name(region, findings);
            if let Some(other) = by_region.insert(region_name.clone(), name.clone()) {
                let message =
                    format!("region `{region_name}` is in billing zone `{other}` already");
                findings.add(region.referenced, message, "name each region once");
            }
        }
    }
    by_region
}

fn region_name(region: &Spanned<String>, findings: &mut Findings) -> String {
    let name = region.value.as_str();
    let is_plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    if name.is_empty() || !name.chars().all(is_plain) {
        let help = "write its name in small letters without spaces, e.g. westeurope";
        findings.add(region.referenced, format!("`{name}` is no region's name"), help);
    }
    name.to_owned()
}

fn intra_region(
    entries: &[Spanned<IntraRegion>],
    findings: &mut Findings,
) -> (BTreeMap<String, Rates>, Option<Rates>) {
    let mut by_region = BTreeMap::new();
    let mut elsewhere = None;
    for Spanned { value: entry, referenced, .. } in entries {
        let rates = rates(&entry.egress, &entry.ingress, &entry.tiers, findings);
        let Some(regions) = &entry.regions else {
            if elsewhere.replace(rates).is_some() {
                let message = "an entry before this one is for all other regions already";
                findings.add(*referenced, message, "give this one regions");
            }
            continue;
        };
        for region in regions {
            let name = region_name(region, findings);
            if by_region.insert(name.clone(), rates.clone()).is_some() {
                let message = format!("region `{name}` has a price already");
                findings.add(region.referenced, message, "name each region once");
            }
        }
    }
    (by_region, elsewhere)
}

fn inter_region(document: &SheetDocument, findings: &mut Findings) -> BTreeMap<String, Rates> {
    let mut by_zone = BTreeMap::new();
    for entry in &document.inter_region {
        let zone = entry.zone.value.trim().to_owned();
        if !document.billing_zones.iter().any(|it| it.name.value.trim() == zone) {
            let message = format!("there is no billing zone `{zone}`");
            findings.add(entry.zone.referenced, message, "add it to billingZones");
        }
        let rates = rates(&entry.egress, &entry.ingress, &entry.tiers, findings);
        if by_zone.insert(zone.clone(), rates).is_some() {
            let message = format!("billing zone `{zone}` has a price already");
            findings.add(entry.zone.referenced, message, "name each zone once");
        }
    }
    for zone in &document.billing_zones {
        if !by_zone.contains_key(zone.name.value.trim()) {
            let message = format!("billing zone `{}` has no price", zone.name.value);
            findings.add(zone.name.referenced, message, "add an entry to interRegion");
        }
    }
    by_zone
}

fn rates(
    egress: &Spanned<String>,
    ingress: &Spanned<String>,
    tiers: &[document::Tier],
    findings: &mut Findings,
) -> Rates {
    let first = |price, findings: &mut Findings| {
        vec![Tier { above: 0, unit_price: number(price, findings) }]
    };
    let mut rates = Rates { egress: first(egress, findings), ingress: first(ingress, findings) };
    let mut last = 0;
    for tier in tiers {
        let above = bytes(number(&tier.above, findings));
        if above <= last {
            let message = "this tier does not begin above the one before it";
            findings.add(tier.above.referenced, message, "order the tiers by `above`, from over 0");
        }
        last = above;
        let tier_of = |unit_price| Tier { above, unit_price };
        rates.egress.push(tier_of(number(&tier.egress, findings)));
        rates.ingress.push(tier_of(number(&tier.ingress, findings)));
    }
    rates
}

fn number(text: &Spanned<String>, findings: &mut Findings) -> Decimal {
    let is_plain = |it: char| it.is_ascii_digit() || it == '.';
    let value = Decimal::from_str_exact(&text.value).ok().map(|it| it.normalize());
    let value = value.filter(|it| it.scale() <= DIGITS_MAX && *it < Decimal::from(NUMBER_MAX));
    value.filter(|_| text.value.chars().all(is_plain)).unwrap_or_else(|| {
        let message = format!("`{}` is no price or volume", text.value);
        let help = "write a number from 0 to 999999999 with at most 9 digits after the point";
        findings.add(text.referenced, message, help);
        Decimal::ZERO
    })
}

/// A volume in bytes; with at most nine digits after the point they are whole.
fn bytes(gigabytes: Decimal) -> u128 {
    let bytes = exact::product(gigabytes, Decimal::from(1_000_000_000_u64)).unwrap_or_default();
    bytes.mantissa().unsigned_abs()
}
