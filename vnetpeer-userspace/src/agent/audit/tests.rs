use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn event(operation: &str) -> Event {
    Event { operation: operation.to_owned(), uid: 1000, ..Event::default() }
}

/// A log with as many records, and its folder.
fn filled(records: usize) -> (tempfile::TempDir, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), "host-a").unwrap();
    for number in 0..records {
        log.append(vec![event(&format!("write/{number}"))]).unwrap();
    }
    (folder, log)
}

fn intact(folder: &Path) -> bool {
    verify(folder, "host-a").unwrap().intact
}

fn rewrite(folder: &Path, change: impl FnOnce(Vec<String>) -> Vec<String>) {
    let file = folder.join(FILE);
    let lines = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    let text: String = change(lines).iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    fs::write(file, text).unwrap();
}

#[test]
fn what_was_added_is_read_back() {
    let (folder, log) = filled(3);
    log.append(vec![event("a"), event("b")]).unwrap();
    let records = read(folder.path()).unwrap();
    assert_eq!(records.iter().map(|it| it.sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(records[4].event.operation, "b");
    let report = verify(folder.path(), "host-a").unwrap();
    assert_eq!((report.records, report.first, report.last, report.intact), (5, 1, 5, true));
    let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_log_goes_on_after_it_was_closed() {
    let (folder, log) = filled(2);
    drop(log);
    let log = Log::open(folder.path(), "host-a").unwrap();
    log.append(vec![event("later")]).unwrap();
    assert!(intact(folder.path()));
    assert_eq!(read(folder.path()).unwrap().len(), 3);
}

#[test]
fn a_changed_removed_moved_or_cut_line_is_noticed() {
    type Change = fn(Vec<String>) -> Vec<String>;
    let changes: [(&str, Change); 6] = [
        ("changed", |mut lines| {
            lines[1] = lines[1].replace("write/1", "write/9");
            lines
        }),
        ("removed", |mut lines| {
            lines.remove(2);
            lines
        }),
        ("moved", |mut lines| {
            lines.swap(1, 2);
            lines
        }),
        ("first cut off", |lines| lines[..0].to_vec()),
        ("end cut off", |lines| lines[..4].to_vec()),
        ("last changed", |mut lines| {
            lines[4] = lines[4].replace("write/4", "write/9");
            lines
        }),
    ];
    for (what, change) in changes {
        let (folder, _log) = filled(5);
        assert!(intact(folder.path()));
        rewrite(folder.path(), change);
        assert!(!intact(folder.path()), "{what}");
    }
}

#[test]
fn half_a_line_of_a_crash_is_taken_away() {
    let (folder, log) = filled(2);
    drop(log);
    let mut file = OpenOptions::new().append(true).open(folder.path().join(FILE)).unwrap();
    file.write_all(b"{\"sequence\":3,\"ti").unwrap();
    let log = Log::open(folder.path(), "host-a").unwrap();
    log.append(vec![event("later")]).unwrap();
    assert!(intact(folder.path()));
    assert_eq!(read(folder.path()).unwrap().len(), 3);
}

/// The line was on disk, the head was not.
#[test]
fn a_head_that_is_one_line_behind_is_no_cut() {
    let (folder, log) = filled(2);
    let behind = fs::read(folder.path().join(HEAD)).unwrap();
    log.append(vec![event("third")]).unwrap();
    fs::write(folder.path().join(HEAD), behind).unwrap();
    assert!(intact(folder.path()));
    drop(log);
    Log::open(folder.path(), "host-a").unwrap().append(vec![event("fourth")]).unwrap();
    assert!(intact(folder.path()));
}

#[test]
fn the_chain_goes_through_files_that_were_put_aside() {
    let (folder, log) = filled(0);
    let large = "x".repeat(1 << 20);
    for _ in 0..40 {
        log.append(vec![event(&large)]).unwrap();
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 4, "two put aside, the present one and the head");
    let report = verify(folder.path(), "host-a").unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.records, 40);
    let aside = folder.path().join(chain::aside(15));
    assert!(aside.exists(), "{:?}", fs::read_dir(folder.path()).unwrap().collect::<Vec<_>>());
    fs::remove_file(aside).unwrap();
    let report = verify(folder.path(), "host-a").unwrap();
    assert!(report.intact && report.first == 16, "the oldest may be taken away: {report:?}");
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let (folder, log) = filled(2);
    // Every write to it fails as if the disk were full.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let kept = {
        let mut inner = log.inner.lock().unwrap();
        std::mem::replace(&mut inner.file, full)
    };
    log.append(vec![event("lost")]).unwrap_err();
    log.inner.lock().unwrap().file = kept;
    log.append(vec![event("kept")]).unwrap();
    assert!(intact(folder.path()));
    let operations = read(folder.path()).unwrap().into_iter().map(|it| it.event.operation);
    assert_eq!(operations.collect::<Vec<_>>(), ["write/0", "write/1", "kept"]);
}
