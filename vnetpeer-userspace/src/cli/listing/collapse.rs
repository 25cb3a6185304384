//! Rows that differ in numbers only, as one row.

/// As many alike rows are shown as one.
const RUN_MIN: usize = 3;

/// Replaces each run of alike rows by one: `spoke1 … spoke900 (900)`.
pub(super) fn collapse(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let shapes: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| shape(cell)).collect()).collect();
    let mut rows = rows.into_iter();
    let mut collapsed = Vec::new();
    for run in shapes.chunk_by(|a, b| a == b) {
        let alike: Vec<Vec<String>> = rows.by_ref().take(run.len()).collect();
        match alike.as_slice() {
            [first, .., last] if alike.len() >= RUN_MIN => {
                collapsed.push(one(first, last, alike.len()));
            }
            _ => collapsed.extend(alike),
        }
    }
    collapsed
}

/// The text with a mark in place of each number.
fn shape(cell: &str) -> String {
    let mut shape = String::with_capacity(cell.len());
    for char in cell.chars() {
        match char {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            _ => shape.push(char),
        }
    }
    shape
}

/// A row for a run from `first` to `last`, with their number in the first cell in which they differ.
fn one(first: &[String], last: &[String], count: usize) -> Vec<String> {
    let mut counted = false;
    let cells = first.iter().zip(last).map(|(first, last)| {
        if first == last {
            return first.clone();
        }
        let count = if counted { String::new() } else { format!(" ({count})") };
        counted = true;
        format!("{first} … {last}{count}")
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, region: &str) -> Vec<String> {
        vec![name.to_owned(), region.to_owned()]
    }

    #[test]
    fn alike_rows_are_one() {
        let mut rows = vec![row("hub", "westeurope")];
        rows.extend((1..=900).map(|it| row(&format!("spoke{it}"), "westeurope")));
        rows.push(row("spoke901", "northeurope"));
        let expected = [
            row("hub", "westeurope"),
            row("spoke1 … spoke900 (900)", "westeurope"),
            row("spoke901", "northeurope"),
        ];
        assert_eq!(collapse(rows), expected);
    }

    #[test]
    fn few_or_different_rows_stay() {
        let rows = vec![row("a1", "x"), row("a2", "x"), row("b1", "x"), row("a3", "x")];
        assert_eq!(collapse(rows.clone()), rows);
    }

    #[test]
    fn every_cell_that_differs_shows_both_ends() {
        let rows = (1..=5).map(|it| row(&format!("n{it}"), &format!("10.{it}.0.0/16"))).collect();
        assert_eq!(collapse(rows), [row("n1 … n5 (5)", "10.1.0.0/16 … 10.5.0.0/16")]);
    }
}
