//! The commands about usage and costs, as they are typed. They need no agent: records come from files.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn meter(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vnetpeer"))
        .current_dir(repository())
        .arg("meter")
        .args(arguments)
        .args(["--records", "examples/usage.jsonl", "--as-of", "2026-11-16T00:00:00Z"])
        .output()
        .unwrap()
}

const PRICES: [&str; 2] = ["--prices", "examples/prices.yaml"];

/// What a command prints that succeeds.
fn printed(command: &[&str]) -> String {
    let output = meter(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the message of a command that fails.
fn failed(command: &[&str]) -> (Option<i32>, String) {
    let output = meter(command);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Compares with a committed file; `UPDATE_SNAPSHOTS=1` writes it instead.
fn assert_committed(name: &str, current: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/meter").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, current).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "run with UPDATE_SNAPSHOTS=1 and look at {name}:\n{current}");
}

#[test]
fn costs_are_told_as_a_table_and_as_json() {
    let by_tag = ["cost", PRICES[0], PRICES[1], "--by", "tag:team"];
    assert_committed("cost.txt", &printed(&by_tag));
    assert_committed("cost.json", &printed(&[&by_tag[..], &["-o", "json"]].concat()));
}

#[test]
fn invoices_are_told_as_a_table_and_as_csv() {
    let invoice = ["invoice", PRICES[0], PRICES[1], "--month", "2026-11"];
    assert_committed("invoice.txt", &printed(&invoice));
    assert_committed("invoice.csv", &printed(&[&invoice[..], &["--csv"]].concat()));
    let query = [&invoice[..], &["--query", "amount", "-o", "json"]].concat();
    assert_eq!(printed(&query), "\"1.48\"\n");
}

#[test]
fn an_export_of_an_export_is_the_same() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let export = |format: &str, out: &Path| {
        let out = out.to_str().unwrap().to_owned();
        printed(&["export", "--format", format, "--out", &out, PRICES[0], PRICES[1]])
    };
    for (format, file) in
        [("csv", "usage.csv"), ("parquet", "usage.parquet"), ("focus", "focus.csv")]
    {
        assert!(export(format, first.path()).contains("Written"));
        assert!(export(format, first.path()).contains("Unchanged"));
        let records = first.path().join(format);
        let out = second.path().to_str().unwrap().to_owned();
        let records = records.to_str().unwrap();
        printed(&[
            "export",
            "--format",
            format,
            "--out",
            &out,
            PRICES[0],
            PRICES[1],
            "--records",
            records,
        ]);
        let read = |folder: &TempDir| {
            fs::read(folder.path().join(format).join("2026-11").join(file)).unwrap()
        };
        assert!(read(&first) == read(&second), "{format}");
    }
}

/// What `trace --cost` says of the chain of `docs/metering.md`, with prices that hold whenever this runs.
fn traced(more: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let prices = folder.path().join("prices.yaml");
    let example = fs::read_to_string(repository().join("examples/prices.yaml")).unwrap();
    let from = "effectiveFrom: 2026-01-01";
    assert!(example.contains(from));
    fs::write(&prices, example.replace(from, "effectiveFrom: 2000-01-01")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_vnetpeer"))
        .current_dir(repository())
        .args(["trace", "spoke1-vm", "spoke2-vm", "-f", "examples/service-chain.yaml", "--cost"])
        .arg(&prices)
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_trace_through_an_appliance_costs_four_times_the_byte_on_each_way() {
    for family in [&[][..], &["--ipv6"]] {
        let text = traced(family);
        for way in ["request", "answer"] {
            let line = format!("{way}: this path bills each byte 4 times; 1 GB cost 0.04 USD");
            assert!(text.contains(&line), "{text}");
        }
        let trace: Value =
            serde_json::from_str(&traced(&[family, &["-o", "json"]].concat())).unwrap();
        for (way, ends) in [("request", ["spoke1", "spoke2"]), ("answer", ["spoke2", "spoke1"])] {
            let cost = &trace["cost"][way];
            assert_eq!((&cost["cost"], &cost["quantity"]), (&"0.04".into(), &"1".into()), "{cost}");
            let charges = cost["charges"].as_array().unwrap().iter().map(|it| {
                assert_eq!((&it["unitPrice"], &it["cost"]), (&"0.01".into(), &"0.01".into()));
                let pays = it["virtualNetwork"].as_str().unwrap().rsplit('/').next().unwrap();
                let meter = it["meter"].as_str().unwrap().rsplit(' ').next().unwrap();
                format!("{pays} {meter}")
            });
            let [from, to] = ends;
            let expected =
                [(from, "Egress"), ("hub", "Ingress"), ("hub", "Egress"), (to, "Ingress")];
            let expected = expected.map(|(pays, meter)| format!("{pays} {meter}"));
            assert_eq!(charges.collect::<Vec<_>>(), expected, "{way}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let folder = TempDir::new().unwrap();
    let prices = folder.path().join("prices.yaml");
    let example = fs::read_to_string(repository().join("examples/prices.yaml")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(example.contains(from));
        fs::write(&prices, example.replace(from, to)).unwrap();
        failed(&["cost", "--prices", prices.to_str().unwrap()])
    };
    for (from, to, message) in [
        ("currency: USD", "currency: DUCAT", "prices.yaml:7:11: there is no currency `DUCAT`"),
        ("brazilsouth, ", "", "region `brazilsouth` is in no billing zone of price sheet"),
        ("effectiveFrom: 2026-01-01", "effectiveFrom: 2026-11-10", "in force at 2026-11-03"),
    ] {
        let (code, error) = with(from, to);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(message), "{error}");
    }
    let (code, error) = failed(&["cost", "--prices", "none.yaml"]);
    assert!(code == Some(1) && error.contains("examples/prices.yaml is one"), "{error}");
    for usage in [
        &["export", "--format", "focus", "--out", "x"][..],
        &["cost", "--prices", "p", "--by", "colour"],
        &["cost", "--prices", "p", "--month", "2026-13"],
        &["cost"],
    ] {
        assert_eq!(failed(usage).0, Some(2), "{usage:?}");
    }
}
