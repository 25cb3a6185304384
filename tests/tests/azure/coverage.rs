//! `docs/azure-coverage.md` against the tables of cases.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use super::tables;

/// Set it to write the column of cases anew.
const UPDATE: &str = "UPDATE_AZURE_COVERAGE";
const COLUMNS: usize = 4;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/azure-coverage.md")
}

/// Cases by rule, as the page lists them.
fn cases() -> BTreeMap<String, String> {
    let mut cases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, rows) in tables() {
        for (rule, name) in rows {
            cases.entry(rule.to_owned()).or_default().push(format!("`{table}/{name}`"));
        }
    }
    cases.into_iter().map(|(rule, names)| (rule, names.join(", "))).collect()
}

/// Rule, meaning, cases and decision of a line of the page, if it is one of a rule.
fn columns(line: &str) -> Option<[&str; COLUMNS]> {
    let cells: Vec<&str> =
        line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let cells: [&str; COLUMNS] = cells.try_into().ok()?;
    cells[0].starts_with(|first: char| first.is_ascii_digit()).then_some(cells)
}

/// The page with the cases that there are.
fn rewritten(text: &str) -> String {
    let cases = cases();
    let line = |line: &str| match columns(line) {
        Some([rule, meaning, _, decision]) => {
            let cases = cases.get(rule).map_or("", String::as_str);
            format!("| {rule} | {meaning} | {cases} | {decision} |\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_page_names_every_rule_with_its_cases() {
    let text = fs::read_to_string(file()).expect("read the page");
    let expected = rewritten(&text);
    if env::var_os(UPDATE).is_some() {
        // The other tests read it meanwhile.
        let whole = file().with_extension("new");
        fs::write(&whole, &expected).expect("write the page");
        fs::rename(&whole, file()).expect("replace the page");
    } else {
        let differs = |(seen, expected): &(&str, &str)| seen != expected;
        let first = text.lines().zip(expected.lines()).find(differs);
        assert_eq!(first, None, "the cases of a rule changed; set {UPDATE}=1 to write them anew");
    }
    let rows: Vec<_> = expected.lines().filter_map(columns).collect();
    let rules: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(rules.len(), rows.len(), "a rule is listed once");
    let missing: Vec<String> =
        cases().into_keys().filter(|rule| !rules.contains(&**rule)).collect();
    assert!(missing.is_empty(), "rules with cases that the page does not list: {missing:?}");
    let bare =
        rows.iter().filter(|[_, _, cases, decision]| cases.is_empty() && decision.is_empty());
    let bare: Vec<&str> = bare.map(|row| row[0]).collect();
    assert!(bare.is_empty(), "rules with neither a case nor a decision: {bare:?}");
}

/// The sections whose rules are numbered: none may be left out.
#[test]
fn the_page_has_every_number() {
    let text = fs::read_to_string(file()).expect("read the page");
    let rules: BTreeSet<&str> = text.lines().filter_map(columns).map(|row| row[0]).collect();
    let sections = [
        ("1.4", 9),
        ("1.5", 8),
        ("1.8", 8),
        ("3.2", 9),
        ("3.3", 10),
        ("4.7", 5),
        ("5", 9),
        ("6.2", 12),
        ("10", 8),
    ];
    let numbers = sections
        .into_iter()
        .flat_map(|(section, last)| (1..=last).map(move |number| format!("{section}.{number}")));
    let single = ["1.1", "1.2", "1.6", "3.3", "4.5", "4.6", "4.8", "6.1", "6.3"].map(str::to_owned);
    let missing: Vec<String> =
        numbers.chain(single).filter(|rule| !rules.contains(&**rule)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Tests elsewhere that the page names, by the paths of their modules.
#[test]
fn the_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [
        ("netns::", "tests/tests/netns"),
        ("cases::", "tests/src/cases"),
        ("document::tests::", "vnetpeer-userspace/src/document/tests"),
    ];
    let text = fs::read_to_string(file()).expect("read the page");
    let mut named = 0;
    for word in text.split('`') {
        for (prefix, folder) in folders {
            let Some(module) = word.strip_prefix(prefix) else { continue };
            let path = root.join(folder).join(module.replace("::", "/")).with_extension("rs");
            assert!(path.exists(), "{word}: {}", path.display());
            named += 1;
        }
    }
    assert!(named > 0, "some are named");
}
