//! Rows of results, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Path of the benchmark.
    pub(crate) name: String,
    /// Net of the empty program, one value per round.
    pub(crate) rounds: Vec<f64>,
    /// The least that any program with this effect costs, measured beside it.
    pub(crate) floor: Option<f64>,
    /// The largest net value that is wanted, if there is one.
    pub(crate) target: Option<f64>,
}

impl Row {
    /// The middle round.
    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn max(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// For people.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<44} {:>8} {:>8} {:>8} {:>8} {:>8}\n",
        "ns per packet, net of the empty program", "median", "min", "max", "floor", "target"
    );
    let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    for row in rows {
        let mark = match row.target {
            Some(target) if row.median() > target => "  over",
            _ => "",
        };
        let _ = writeln!(
            text,
            "{:<44} {:>8.0} {:>8.0} {:>8.0} {:>8} {:>8}{mark}",
            row.name,
            row.median(),
            row.min(),
            row.max(),
            or_dash(row.floor),
            or_dash(row.target)
        );
    }
    text
}

/// For programs.
pub(crate) fn json(rows: &[Row]) -> String {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "unit": "ns",
                "median": row.median(),
                "min": row.min(),
                "max": row.max(),
                "rounds": row.rounds.len(),
                "floor": row.floor,
                "baseline": Value::Null,
            })
        })
        .collect();
    format!("{:#}\n", Value::from(rows))
}
