//! FOCUS exports before an outside judge, focus-validator of FOCUS's makers. `cargo xtask setup` installs
//! it; the environment says where.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use vnetpeer_metering::{
    export::{Format, Request, export},
    merge,
    price::PriceBook,
    record::Record,
};

/// The validator's program.
const VALIDATOR: &str = "VNETPEER_FOCUS_VALIDATOR";

/// What of FOCUS applies to peering.
const CRITERIA: &str = "ACCOUNT_NAMING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,\
                        UNIT_PRICING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,\
                        REGION_SUPPORTED,TAGGING_SUPPORTED";

/// Seconds since 1970 (UTC) of 2026-11-30, 2026-12-05 and 2027-01-05.
const DAYS: [i64; 3] = [1_796_000_000, 1_796_428_800, 1_799_107_200];

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn records() -> Vec<Record> {
    merge::read([repository("examples/usage.jsonl")]).unwrap()
}

fn export_at(folder: &Path, records: &[Record], now: i64) -> PathBuf {
    let text = fs::read_to_string(repository("examples/prices.yaml")).unwrap();
    let prices = PriceBook::read("prices.yaml", &text).unwrap();
    let request = Request {
        folder,
        format: Format::Focus,
        prices: Some(&prices),
        from: None,
        to: None,
        now,
        grace: 0,
    };
    export(records, &request).unwrap().remove(0).folder.join("focus.csv")
}

/// Rules that a file fails; none without a validator.
fn failing(file: &Path) -> Option<BTreeSet<String>> {
    let Some(validator) = std::env::var_os(VALIDATOR).map(PathBuf::from) else {
        eprintln!("SKIPPED: {VALIDATOR} is not set; `cargo xtask test` sets it");
        return None;
    };
    // The validator finds its rules only from its own folder.
    let lib = validator.parent().unwrap().parent().unwrap().join("lib");
    let python = fs::read_dir(lib).unwrap().next().unwrap().unwrap().path();
    let output = Command::new(&validator)
        .current_dir(python.join("site-packages"))
        .args(["--validate-version", "1.2.0.1", "--block-download"])
        .args(["--applicability-criteria", CRITERIA, "--data-file"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let passed = text.lines().filter(|line| line.contains('✅')).count();
    assert!(passed > 200, "the validator did not judge: {text}{errors}");
    let rule = |line: &str| {
        let words = line.split(|it: char| !(it.is_alphanumeric() || it == '-'));
        words.filter(|word| word.contains("-C-") || word.contains("-D-")).map(str::to_owned).next()
    };
    let failed = text.lines().filter(|line| line.contains('❌'));
    Some(failed.map(|line| rule(line).unwrap_or_else(|| line.to_owned())).collect())
}

/// Rules that the page explains.
fn explained() -> BTreeSet<String> {
    let page = fs::read_to_string(repository("docs/metering.md")).unwrap();
    let (_, rest) = page.split_once("### Validated from outside").unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let rules = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rules.map(str::to_owned).collect()
}

#[test]
fn focus_exports_fail_no_rule_that_is_not_explained() {
    let folder = TempDir::new().unwrap();
    let records = records();
    let (early, late) = records.split_at(16);
    let mut seen = BTreeSet::new();
    // While the month is open, after it was closed, and what comes afterwards.
    for (records, now, is_in) in
        [(early, DAYS[0], "2026-11"), (&[], DAYS[1], "2026-11"), (late, DAYS[2], "0001")]
    {
        let file = export_at(folder.path(), records, now);
        assert!(file.ends_with(Path::new(is_in).join("focus.csv")), "{}", file.display());
        let Some(failing) = failing(&file) else { return };
        assert!(failing.is_subset(&explained()), "{}: {failing:#?}", file.display());
        seen.extend(failing);
    }
    assert_eq!(seen, explained(), "the page explains what fails, and nothing else");
}

#[test]
fn a_focus_export_that_is_broken_on_purpose_fails() {
    let folder = TempDir::new().unwrap();
    let file = export_at(folder.path(), &records(), DAYS[0]);
    let text = fs::read_to_string(&file).unwrap();
    let broken = folder.path().join("broken.csv");
    fs::write(&broken, text.replace(",Usage,", ",usage,")).unwrap();
    let Some(failing) = failing(&broken) else { return };
    let explained = explained();
    let unexplained: Vec<_> = failing.difference(&explained).collect();
    assert!(unexplained.iter().any(|rule| rule.starts_with("ChargeCategory")), "{failing:#?}");
}
