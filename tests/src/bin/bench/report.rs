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
    /// The least that any program with this effect costs, or the most that it lets through, measured beside it.
    pub(crate) floor: Option<f64>,
    /// What the kernel takes for the same, measured beside it.
    pub(crate) baseline: Option<f64>,
    /// What is wanted.
    pub(crate) goals: Vec<Goal>,
}

/// What a median is wanted to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// What it is divided by.
    pub(crate) against: Against,
    /// The limit.
    pub(crate) limit: f64,
    /// Whether the limit is the least, else the most.
    pub(crate) is_least: bool,
}

/// What a median is compared with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Against {
    /// Nothing: the limit has the row's unit.
    Nothing,
    /// The row's floor.
    Floor,
    /// The row's baseline.
    Baseline,
}

impl Row {
    /// A result that stands alone.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, rounds: Vec<f64>) -> Self {
        Self { name: name.into(), unit, rounds, floor: None, baseline: None, goals: Vec::new() }
    }

    /// How much longer one took than another, round by round.
    pub(crate) fn ratio_of(name: impl Into<String>, one: &Self, other: &Self) -> Self {
        let rounds = one.rounds.iter().zip(&other.rounds).map(|(one, other)| one / other);
        Self::new(name, "x", rounds.collect())
    }

    /// With what was measured beside it.
    pub(crate) fn beside(mut self, floor: Option<f64>, baseline: Option<f64>) -> Self {
        (self.floor, self.baseline) = (floor, baseline);
        self
    }

    /// Wanted to be this at most, in its unit.
    pub(crate) fn at_most(mut self, limit: Option<f64>) -> Self {
        self.goals.extend(limit.map(|limit| Goal {
            against: Against::Nothing,
            limit,
            is_least: false,
        }));
        self
    }

    /// Wanted to be this as well.
    pub(crate) fn wanted(mut self, against: Against, is_least: bool, limit: f64) -> Self {
        self.goals.push(Goal { against, limit, is_least });
        self
    }

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

    /// Whether a goal that can be judged is not met.
    fn misses(&self, goal: &Goal) -> bool {
        let divisor = match goal.against {
            Against::Nothing => Some(1.0),
            Against::Floor => self.floor,
            Against::Baseline => self.baseline,
        };
        divisor.filter(|divisor| *divisor > 0.0).is_some_and(|divisor| {
            let value = self.median() / divisor;
            if goal.is_least { value < goal.limit } else { value > goal.limit }
        })
    }

    fn ratio(&self, to: Option<f64>) -> Option<f64> {
        to.filter(|to| *to > 0.0).map(|to| self.median() / to)
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
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(40);
    let mut text = format!(
        "{:<width$} {:>6} {:>8} {:>8} {:>8} {:>8} {:>6} {:>8} {:>6}  wanted\n",
        "ns: per packet, net of the empty program",
        "unit",
        "median",
        "min",
        "max",
        "floor",
        "ratio",
        "baseline",
        "ratio",
    );
    let or_dash = |value: Option<f64>| value.unwrap_or(f64::NAN);
    for row in rows {
        let _ = write!(text, "{:<width$} {:>6}", row.name, row.unit);
        for value in [row.median(), row.min(), row.max()] {
            let _ = write!(text, " {:>8}", number(value, row.unit));
        }
        let _ = write!(text, " {:>8}", number(or_dash(row.floor), row.unit));
        let _ = write!(text, " {:>6}", number(or_dash(row.ratio(row.floor)), "x"));
        let _ = write!(text, " {:>8}", number(or_dash(row.baseline), row.unit));
        let _ = write!(text, " {:>6}", number(or_dash(row.ratio(row.baseline)), "x"));
        for goal in &row.goals {
            let _ = write!(text, "  {}", goal.text(row.unit));
            if row.misses(goal) {
                text.push_str(" MISSED");
            }
        }
        text.push('\n');
    }
    text
}

/// A value with as many digits as mean something; a dash if there is none.
fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        _ if value.is_nan() => return "-".to_owned(),
        _ if unit == "ns" => 0,
        size if unit == "x" || size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

impl Goal {
    fn text(&self, unit: &str) -> String {
        let sign = if self.is_least { ">=" } else { "<=" };
        match self.against {
            Against::Nothing => format!("{sign} {}", number(self.limit, unit)),
            Against::Floor => format!("{sign} {} of floor", self.limit),
            Against::Baseline => format!("{sign} {} of baseline", self.limit),
        }
    }
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
                "baseline": row.baseline,
            })
        })
        .collect();
    format!("{:#}\n", Value::from(rows))
}
