//! Records from files: any number of them, from any hosts, in any order and as often as they come.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    rating::{Month, time},
    record::{Record, merge},
};

/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// The file with records in every folder that an export makes.
pub const RECORDS_FILE: &str = "records.jsonl";

/// Folders are searched to this depth; an export's corrections are at the fourth.
const DEPTH_MAX: usize = 6;

/// Records that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without records.
    #[error("{} holds no {RECORDS_FILE}; name a file of records or a folder of exports", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A record that is none.
    #[error("{file}:{line}: {message}")]
    Record {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// A file may hold one record, a list of them, or an agent's answer.
#[derive(Deserialize)]
struct Answer {
    records: Vec<Record>,
}

/// The records of files and folders, one for each id. In a folder every `records.jsonl` is read.
pub fn read(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Vec<Record>, MergeError> {
    let mut records = Vec::new();
    for path in paths {
        for file in files(path.as_ref())? {
            let text = read_to_string(&file)?;
            records.extend(parse(&file.display().to_string(), &text)?);
        }
    }
    Ok(merge(records))
}

fn read_to_string(path: &Path) -> Result<String, MergeError> {
    fs::read_to_string(path).map_err(|source| MergeError::Io { path: path.to_owned(), source })
}

/// A file itself; of a folder, its files with records.
fn files(path: &Path) -> Result<Vec<PathBuf>, MergeError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |source| MergeError::Io { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            if is_folder && depth < DEPTH_MAX {
                folders.push((entry.path(), depth + 1));
            } else if !is_folder && entry.file_name() == RECORDS_FILE {
                found.push(entry.path());
            }
        }
    }
    if found.is_empty() {
        return Err(MergeError::Empty { path: path.to_owned() });
    }
    found.sort();
    Ok(found)
}

/// The records of a text: JSON lines, a JSON list, or an object with a list `records`. `file` names it in
/// messages.
pub fn parse(file: &str, text: &str) -> Result<Vec<Record>, MergeError> {
    let wrong = |line: usize, message: String| {
        let file = file.to_owned();
        MergeError::Record { file, line, message }
    };
    let whole = |error: serde_json::Error| wrong(error.line(), error.to_string());
    let numbered: Vec<(usize, Record)> = if text.trim_start().starts_with('[') {
        let all: Vec<Record> = serde_json::from_str(text).map_err(whole)?;
        all.into_iter().map(|record| (1, record)).collect()
    } else if let Ok(answer) = serde_json::from_str::<Answer>(text) {
        answer.records.into_iter().map(|record| (1, record)).collect()
    } else {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let record = |(index, line)| match serde_json::from_str(line) {
            Ok(record) => Ok((index + 1, record)),
            Err(error) => Err(wrong(index + 1, format!("this is no usage record: {error}"))),
        };
        lines.map(record).collect::<Result<_, _>>()?
    };
    for (line, record) in &numbered {
        check(record)
            .map_err(|message| wrong(*line, format!("record {}: {message}", record.id)))?;
    }
    Ok(numbered.into_iter().map(|(_, record)| record).collect())
}

/// What must be true of every record, whoever made it.
fn check(record: &Record) -> Result<(), String> {
    let Record { start, end, .. } = *record;
    if Month::of(start).is_none() {
        return Err(format!("it begins at second {start} since 1970, which is in no month"));
    }
    if end < start {
        return Err(format!("it ends at {} before it begins at {}", time(end), time(start)));
    }
    let next_hour = start.div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR);
    if end > next_hour {
        return Err(format!("it goes on until {} over the end of an hour", time(end)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        rating::testing::{link, record},
        record::Direction,
    };

    fn example() -> Record {
        let link = link("a", "westeurope", "b", "westeurope");
        record(&link, Direction::Egress, 7_200, 7_260, 1_000)
    }

    fn json(record: &Record) -> String {
        serde_json::to_string(record).unwrap()
    }

    #[test]
    fn records_come_as_lines_lists_and_answers() {
        let line = json(&example());
        for text in [
            line.clone(),
            format!("{line}\n\n{line}\n"),
            format!(" [{line}, {line}]"),
            format!("{{\"host\": \"h\", \"records\": [{line}]}}"),
        ] {
            assert_eq!(merge(parse("usage", &text).unwrap()), [example()], "{text}");
        }
        assert_eq!(parse("usage", "").unwrap(), []);
    }

    #[test]
    fn a_closed_record_is_final() {
        let open = Record { ended_by: None, bytes: 2_000, packets: 2, ..example() };
        for both in [[open.clone(), example()], [example(), open]] {
            assert_eq!(merge(both), [example()]);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let changed = |change: fn(&mut Record)| {
            let mut record = example();
            change(&mut record);
            json(&record)
        };
        for (second, message) in [
            ("{}".to_owned(), "usage:2: this is no usage record: missing field `id`"),
            ("oops".to_owned(), "usage:2: this is no usage record: expected"),
            (json(&example()).replace("1000}", "-1}"), "usage:2: this is no usage record: invalid"),
            (changed(|it| it.end = 7_199), "it ends at 1970-01-01T01:59:59Z before it begins"),
            (changed(|it| it.end = 10_801), "goes on until 1970-01-01T03:00:01Z over the end of"),
            (changed(|it| it.start = i64::MIN), "which is in no month"),
        ] {
            let error = parse("usage", &format!("{}\n{second}", json(&example()))).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn folders_are_searched_for_records() {
        let folder = tempfile::tempdir().unwrap();
        let error = read([folder.path()]).unwrap_err().to_string();
        assert!(error.contains("holds no records.jsonl"), "{error}");
        let deep = folder.path().join("csv/2026-11");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join(RECORDS_FILE), json(&example())).unwrap();
        fs::write(deep.join("manifest.json"), "{}").unwrap();
        assert_eq!(read([folder.path(), folder.path()]).unwrap(), [example()]);
        assert!(read([folder.path().join("none")]).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse("usage", &text);
        }

        #[test]
        fn no_mutilated_record_makes_it_panic(at in 0..400_usize, len in 0..20_usize, with in "[-0-9a-z{}\\[\\]\",:.]{0,6}") {
            let text = json(&example());
            let (at, end) = (at.min(text.len()), (at + len).min(text.len()));
            let _ = parse("usage", &format!("{}{with}{}", &text[..at], &text[end..]));
        }
    }
}
