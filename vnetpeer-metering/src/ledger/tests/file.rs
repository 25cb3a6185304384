//! Tests of the ledger's file: formats, who has it, and how it is kept.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use redb::{Database, TableDefinition};

use super::*;

const FORMAT_TABLE: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
/// Where the file of every format is kept as its first version wrote it.
const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ledger/tests/format-1.txt");
const LINE: usize = 32;

/// Lines of what is not zero: offset, bytes.
fn dump(bytes: &[u8]) -> String {
    let mut text = format!("{}\n", bytes.len());
    for (line, chunk) in bytes.chunks(LINE).enumerate() {
        if chunk.iter().any(|byte| *byte != 0) {
            let _ = write!(text, "{} ", line * LINE);
            for byte in chunk {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
    }
    text
}

fn restore(text: &str) -> Vec<u8> {
    let (length, lines) = text.split_once('\n').unwrap();
    let mut bytes = vec![0; length.parse().unwrap()];
    for line in lines.lines() {
        let (offset, digits) = line.split_once(' ').unwrap();
        let offset: usize = offset.parse().unwrap();
        for (index, pair) in digits.as_bytes().chunks(2).enumerate() {
            let pair = std::str::from_utf8(pair).unwrap();
            bytes[offset + index] = u8::from_str_radix(pair, 16).unwrap();
        }
    }
    bytes
}

/// A ledger with a closed window, an open one, one that is late, a link that is gone and two epochs.
fn fill(path: &Path) -> Vec<Record> {
    let mut host = Host::new();
    host.ledger = Ledger::open(path, "host-a", 90).unwrap();
    let links = std::mem::take(&mut host.in_force);
    host.put_in_force(links);
    host.count(1, 10);
    host.pass(HOUR);
    host.read();
    host.count(1, 5);
    host.count(2, 7);
    host.pass(2 * HOUR);
    host.in_force.pop();
    host.read();
    host.pass(2_000);
    host.read();
    host.counters.insert(1, counts(3));
    host.read();
    host.records()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    (folder, path)
}

#[test]
fn every_format_is_read() {
    let (_folder, path) = folder();
    let expected = {
        let (_folder, path) = folder();
        let records = fill(&path);
        if std::env::var_os("UPDATE_LEDGER_FORMAT").is_some() {
            fs::write(STORED, dump(&fs::read(&path).unwrap())).unwrap();
        }
        records
    };
    let stored = fs::read_to_string(STORED).unwrap_or_else(|error| {
        panic!("{STORED}: {error}; UPDATE_LEDGER_FORMAT=1 writes the file of a new format")
    });
    fs::write(&path, restore(&stored)).unwrap();
    let ledger = Ledger::open(&path, "host-a", 90).unwrap();
    let records = merge(ledger.records(0, i64::MAX).unwrap());
    assert_eq!(records, merge(expected));
    assert_eq!(ledger.numbers(), BTreeSet::from([1]));
}

#[test]
fn a_later_format_is_refused_and_stays_as_it_is() {
    let (_folder, path) = folder();
    drop(Ledger::open(&path, "host-a", 90).unwrap());
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(FORMAT_TABLE).unwrap().insert("version", FORMAT + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let error = Ledger::open(&path, "host-a", 90).err().unwrap();
        assert!(matches!(error, LedgerError::Newer { found, .. } if found == FORMAT + 1));
        assert!(error.to_string().contains("has format 2, and this version reads formats up to 1"));
    }
}

#[test]
fn a_ledger_has_one_writer() {
    let (_folder, path) = folder();
    let first = Ledger::open(&path, "host-a", 90).unwrap();
    let error = Ledger::open(&path, "host-a", 90).err().unwrap();
    assert!(matches!(error, LedgerError::Taken { .. }), "{error}");
    drop(first);
    Ledger::open(&path, "host-a", 90).unwrap();
}

#[test]
fn what_is_no_ledger_is_told_and_not_overwritten() {
    let (_folder, path) = folder();
    fs::write(&path, vec![7; 8_192]).unwrap();
    let error = Ledger::open(&path, "host-a", 90).err().unwrap();
    assert!(error.to_string().contains("move it away"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), vec![7; 8_192]);
}

#[test]
fn an_opened_file_goes_on_where_it_was() {
    let (_folder, path) = folder();
    let before = fill(&path);
    let ledger = Ledger::open(&path, "host-a", 90).unwrap();
    assert_eq!(merge(ledger.records(0, i64::MAX).unwrap()), merge(before));
}
