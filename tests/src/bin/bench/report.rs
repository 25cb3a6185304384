//! Rows of results, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One result.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Path of the benchmark.
    pub(crate) name: String,
    /// Unit of the values: `ns` per packet, net of the empty program, or another.
    pub(crate) unit: &'static str,
    /// One value per round.
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
        "{:<44} {:>5} {:>8} {:>8} {:>8} {:>8} {:>6} {:>8}\n",
        "ns: per packet, net of the empty program",
        "unit",
        "median",
        "min",
        "max",
        "floor",
        "ratio",
        "target"
    );
    let or_dash = |value: Option<f64>, digits| {
        value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
    };
    for row in rows {
        let mark = match row.target {
            Some(target) if row.median() > target => "  over",
            _ => "",
        };
        let digits = usize::from(row.unit == "ms" && row.median() < 100.0) * 2;
        let _ = writeln!(
            text,
            "{:<44} {:>5} {:>8.digits$} {:>8.digits$} {:>8.digits$} {:>8} {:>6} {:>8}{mark}",
            row.name,
            row.unit,
            row.median(),
            row.min(),
            row.max(),
            or_dash(row.floor, 0),
            or_dash(row.floor.filter(|floor| *floor > 0.0).map(|floor| row.median() / floor), 2),
            or_dash(row.target, 0)
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
                "unit": row.unit,
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
