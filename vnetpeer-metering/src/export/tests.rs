use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    rating::{
        Usage,
        invoice::invoice,
        testing::{link, record, seconds, tiered},
    },
    record::{Direction, merge},
};

const HOUR: i64 = 3_600;
const GRACE: i64 = 72 * HOUR;

/// The second hour of a day in November, both ends of a peering, and one that crosses regions.
fn records(day: &str) -> Vec<Record> {
    let start = seconds(day) + HOUR;
    let one = link("a", "westeurope", "b", "westeurope");
    let mut other = link("b", "westeurope", "a", "westeurope");
    other.tags.insert("team".to_owned(), "red, \"blue\"".to_owned());
    let abroad = link("aa", "westeurope", "z", "brazilsouth");
    merge([
        record(&one, Direction::Egress, start, start + HOUR, 12_345_678_901),
        record(&other, Direction::Ingress, start, start + HOUR, 12_345_678_900),
        record(&abroad, Direction::Egress, start + 60, start + 120, 1),
    ])
}

struct Exports {
    folder: TempDir,
    prices: PriceBook,
}

impl Exports {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), prices: tiered() }
    }

    fn run(&self, format: Format, records: &[Record], day: &str) -> Vec<Outcome> {
        self.try_run(format, records, day).unwrap()
    }

    fn try_run(
        &self,
        format: Format,
        records: &[Record],
        day: &str,
    ) -> Result<Vec<Outcome>, ExportError> {
        let request = Request {
            folder: self.folder.path(),
            format,
            prices: Some(&self.prices),
            from: None,
            to: None,
            now: seconds(day),
            grace: GRACE,
        };
        export(records, &request)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).unwrap()
    }

    /// Every file with its contents.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.path()).unwrap().to_owned();
                    files.push((name, fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

fn formats() -> Vec<Format> {
    let all = [Format::Csv, Format::Focus, Format::Parquet];
    let available = if cfg!(feature = "parquet") { &all[..] } else { &all[..2] };
    available.to_vec()
}

#[test]
fn a_second_run_writes_the_same_bytes() {
    for format in formats() {
        let (one, two) = (Exports::new(), Exports::new());
        let outcomes = one.run(format, &records("2026-11-01"), "2026-11-20");
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].action, Action::Written);
        let mut backwards = records("2026-11-01");
        backwards.reverse();
        two.run(format, &[backwards.clone(), backwards].concat(), "2026-11-28");
        assert_eq!(one.everything(), two.everything(), "{format:?}");
        let again = one.run(format, &records("2026-11-01"), "2026-11-21");
        assert_eq!(again[0].action, Action::Unchanged);
        assert_eq!(one.everything(), two.everything(), "{format:?}");
    }
}

#[test]
fn the_manifest_says_what_is_there() {
    let exports = Exports::new();
    let outcome = exports.run(Format::Focus, &records("2026-11-01"), "2026-11-20").remove(0);
    let text = exports.text("focus/2026-11/manifest.json");
    let manifest: Manifest = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest, outcome.manifest);
    assert_eq!((manifest.records, manifest.rows, manifest.state), (3, 5, PeriodState::Open));
    assert_eq!(manifest.bytes, "24691357802");
    assert_eq!(manifest.period_end, "2026-12-01T00:00:00Z");
    let month = "2026-11".parse().unwrap();
    let invoice = invoice(month, Usage::of(&records("2026-11-01")), &tiered()).unwrap();
    assert_eq!(manifest.cost, Some(invoice.cost.to_string()));
    assert_eq!(manifest.amount, Some(invoice.amount.to_string()));
    let names: Vec<_> = manifest.files.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["records.jsonl", "focus.csv", "prices.yaml"]);
}

#[test]
fn an_open_month_is_replaced_and_keeps_what_was_exported_once() {
    for format in formats() {
        let (steps, at_once) = (Exports::new(), Exports::new());
        steps.run(format, &records("2026-11-01"), "2026-11-02");
        let later = records("2026-11-02");
        assert_eq!(steps.run(format, &later, "2026-11-03")[0].action, Action::Written);
        let all = [records("2026-11-01"), later].concat();
        at_once.run(format, &all, "2026-11-03");
        assert_eq!(steps.everything(), at_once.everything(), "{format:?}");
    }
}

#[test]
fn a_closed_month_never_changes_and_gets_corrections() {
    for format in formats() {
        let exports = Exports::new();
        let first = records("2026-11-02");
        exports.run(format, &first, "2026-11-20");
        // In the days of grace it is open still; after them it closes, though nothing is new.
        exports.run(format, &[], "2026-12-03");
        let month = || exports.text(&format!("{}/2026-11/manifest.json", format.name()));
        assert!(month().contains("\"Open\""));
        exports.run(format, &[], "2026-12-04");
        assert!(month().contains("\"Closed\""));
        let closed = exports.everything();
        assert_eq!(exports.run(format, &first, "2026-12-05")[0].action, Action::Unchanged);
        assert_eq!(exports.everything(), closed);

        let late = [first.clone(), records("2026-11-01")].concat();
        let outcome = exports.run(format, &late, "2027-01-05").remove(0);
        assert_eq!(outcome.action, Action::Corrected);
        assert_eq!((outcome.manifest.correction, outcome.manifest.records), (Some(1), 3));
        assert_eq!(outcome.manifest.bytes, "24691357802");
        let corrected = exports.everything();
        assert_eq!(corrected.len(), closed.len() + outcome.manifest.files.len() + 1);
        let kept = closed.iter().all(|file| corrected.contains(file));
        assert!(kept, "{format:?}: the closed month is what it was");
        assert_eq!(exports.run(format, &late, "2027-02-05")[0].action, Action::Unchanged);
        assert_eq!(exports.everything(), corrected);
    }
}

/// Columns of a FOCUS file by name, for each row.
fn focus(text: &str, columns: [&str; 4]) -> Vec<[String; 4]> {
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let header = csv.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|it| it == name).unwrap();
    let places = columns.map(place);
    csv.records().map(|row| places.map(|at| row.as_ref().unwrap()[at].to_owned())).collect()
}

#[test]
fn corrections_and_rounding_add_up_to_the_invoices() {
    let exports = Exports::new();
    exports.run(Format::Focus, &records("2026-11-02"), "2026-12-20");
    let late = [records("2026-11-02"), records("2026-11-01")].concat();
    exports.run(Format::Focus, &late, "2027-01-05");
    let columns = ["BilledCost", "ChargeClass", "InvoiceId", "ChargeCategory"];
    let mut total = rust_decimal::Decimal::ZERO;
    let mut exact = rust_decimal::Decimal::ZERO;
    for (folder, class, invoice_id) in [
        ("focus/2026-11", "", "example-account-2026-11"),
        ("focus/2026-11/corrections/0001", "Correction", "example-account-2026-11-correction-1"),
    ] {
        let mut of_invoice = rust_decimal::Decimal::ZERO;
        for [cost, row_class, row_invoice, category] in
            focus(&exports.text(&format!("{folder}/focus.csv")), columns)
        {
            assert_eq!((row_class.as_str(), row_invoice.as_str()), (class, invoice_id));
            let cost: rust_decimal::Decimal = cost.parse().unwrap();
            of_invoice += cost;
            if category == "Usage" {
                exact += cost;
            }
        }
        let manifest: Manifest =
            serde_json::from_str(&exports.text(&format!("{folder}/manifest.json"))).unwrap();
        assert_eq!(Some(of_invoice), manifest.amount.map(|it| it.parse().unwrap()), "{folder}");
        total += of_invoice;
    }
    // Volumes that come late move other usage into other tiers: the corrections say that, too.
    let month = "2026-11".parse().unwrap();
    let whole = invoice(month, Usage::of(&late), &tiered()).unwrap();
    assert_eq!(exact, whole.cost);
    assert!((total - whole.amount).abs() <= rust_decimal::Decimal::new(10, 2), "{total}");
}

#[test]
fn prices_that_change_afterwards_are_a_correction() {
    let mut exports = Exports::new();
    exports.run(Format::Focus, &records("2026-11-02"), "2026-12-20");
    let dearer = tiered().text().replacen("egress: 0.01", "egress: 0.02", 1);
    exports.prices = PriceBook::read("dearer", &dearer).unwrap();
    let outcome = exports.run(Format::Focus, &[], "2026-12-21").remove(0);
    assert_eq!((outcome.action, outcome.manifest.records), (Action::Corrected, 0));
    // 10 GB in the lowest tier, one cent more each.
    assert_eq!(outcome.manifest.cost.as_deref(), Some("0.1"));
    assert_eq!(outcome.manifest.bytes, "0");
}

#[test]
fn what_somebody_changed_is_not_trusted() {
    let exports = Exports::new();
    exports.run(Format::Csv, &records("2026-11-01"), "2026-12-20");
    let path = exports.folder.path().join("csv/2026-11/usage.csv");
    fs::write(&path, exports.text("csv/2026-11/usage.csv").replace("12345678901", "1")).unwrap();
    let error = exports.try_run(Format::Csv, &[], "2026-12-21").unwrap_err().to_string();
    assert!(error.contains("usage.csv was changed after it was exported"), "{error}");
    fs::write(path.with_file_name("manifest.json"), "{}").unwrap();
    let error = exports.try_run(Format::Csv, &[], "2026-12-21").unwrap_err().to_string();
    assert!(error.contains("manifest.json is no manifest of an export: missing field"), "{error}");
}

#[test]
fn a_run_that_was_killed_between_two_renames_is_mended() {
    let exports = Exports::new();
    exports.run(Format::Csv, &records("2026-11-01"), "2026-11-20");
    let before = exports.everything();
    let folder = exports.folder.path().join("csv");
    fs::rename(folder.join("2026-11"), folder.join(".2026-11.old")).unwrap();
    fs::create_dir(folder.join(".2026-11.new")).unwrap();
    // The hidden folder is the month as long as there is no other.
    exports.run(Format::Csv, &records("2026-11-01")[..1], "2026-11-20");
    assert_eq!(exports.everything(), before);
}

#[test]
fn one_export_at_a_time() {
    let exports = Exports::new();
    fs::create_dir(exports.folder.path().join("csv")).unwrap();
    let _lock = directory::lock(&exports.folder.path().join("csv")).unwrap();
    let error = exports.try_run(Format::Csv, &[], "2026-11-20").unwrap_err();
    assert!(matches!(error, ExportError::Busy { .. }), "{error}");
}

#[test]
fn only_the_months_that_were_asked_for() {
    let exports = Exports::new();
    let all: Vec<Record> =
        ["2026-09-30", "2026-10-01", "2026-11-01"].into_iter().flat_map(records).collect();
    let month: Month = "2026-10".parse().unwrap();
    let request = Request {
        folder: exports.folder.path(),
        format: Format::Csv,
        prices: None,
        from: Some(month),
        to: Some(month),
        now: seconds("2026-11-02"),
        grace: GRACE,
    };
    let outcomes = export(&all, &request).unwrap();
    assert_eq!(outcomes.iter().map(|it| it.month).collect::<Vec<_>>(), [month]);
    let costs = Request { format: Format::Focus, ..request };
    assert!(export(&all, &costs).unwrap_err().to_string().contains("--prices FILE"));
}

#[test]
fn usage_rows_have_everything_of_a_record() {
    let exports = Exports::new();
    exports.run(Format::Csv, &records("2026-11-01"), "2026-11-20");
    let text = exports.text("csv/2026-11/usage.csv");
    let rows = focus(&text, ["Start", "QuantityGB", "MeterName", "Tags"]);
    let expected = ["2026-11-01T01:00:00Z", "12.3456789", "Intra-Region Ingress"];
    let row = rows.iter().find(|row| row[..3] == expected).unwrap();
    assert_eq!(row[3], r#"{"team":"red, \"blue\""}"#);
    assert_eq!(rows.len(), 3);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_the_rows_of_the_csv() {
    use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
    let exports = Exports::new();
    exports.run(Format::Parquet, &records("2026-11-01"), "2026-11-20");
    let path = exports.folder.path().join("parquet/2026-11/usage.parquet");
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let rows: Vec<String> =
        reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows.len(), 3);
    let row = rows.iter().find(|row| row.contains("Bytes: 12345678901")).unwrap();
    assert!(row.contains("Start: 2026-11-01 01:00:00.000 +00:00"), "{row}");
    assert!(row.contains("Global: false") && row.contains("LateSince: null"), "{row}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn replayed_shuffled_and_in_parts_an_export_is_the_same(
        shuffled in Just([records("2026-11-01"), records("2026-11-02"), records("2026-10-31")].concat())
            .prop_flat_map(|all| Just([all.clone(), all.clone(), all].concat()).prop_shuffle()),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = [records("2026-11-01"), records("2026-11-02"), records("2026-10-31")].concat();
        let (once, parts) = (Exports::new(), Exports::new());
        once.run(Format::Focus, &all, "2026-11-03");
        let (first, second) = shuffled.split_at(cut.index(shuffled.len()));
        parts.run(Format::Focus, first, "2026-11-03");
        parts.run(Format::Focus, second, "2026-11-03");
        prop_assert_eq!(once.everything(), parts.everything());
    }
}
