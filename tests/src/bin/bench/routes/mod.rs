//! `routes/…`: longest prefix match in the datapath's tries and in the kernel's, for 1 to 1,000,000 routes; how
//! fast routes are written, and what they take.

mod layout;
mod tables;

use anyhow::{Context as _, Result};

use self::{
    layout::Family,
    tables::{Order, Tables},
};
use crate::{
    harness,
    report::{Against, Row, median},
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// Numbers of routes, and nanoseconds that a random lookup may take.
const SIZES: [(u32, Option<f64>); 5] = [
    (1, None),
    (1_000, Some(12.0)),
    (10_000, Some(35.0)),
    (100_000, Some(150.0)),
    (1_000_000, Some(350.0)),
];
/// Lookups of one pass.
const RUNS: u32 = 100_000;
/// Fewer routes say nothing of how fast many are written, and what they take.
const MANY: u32 = 1_000;
/// Millions of routes that are wanted in a second, and bytes that each may take.
const WRITES: f64 = 1.0;
const BYTES: f64 = 600.0;

/// One number of routes.
struct Size {
    tables: Tables,
    count: u32,
}

/// Runs what `filter` selects, so many times.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let wanted: Vec<u32> = SIZES.iter().map(|it| it.0).filter(|it| selects(filter, *it)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    harness::pin()?;
    let mut results = Results::default();
    let mut sizes = Vec::new();
    for count in wanted {
        let mut size = Size { tables: Tables::load(count)?, count };
        for family in Family::BOTH {
            fill(&mut results, &mut size, family, rounds)
                .with_context(|| format!("{count} routes of {}", family.name()))?;
        }
        sizes.push(size);
    }
    for _ in 0..rounds {
        for size in &mut sizes {
            for family in Family::BOTH {
                round(&mut results, size, family)?;
            }
        }
    }
    Ok(results.rows(filter))
}

/// Whether a row of a size has `filter` in its name.
fn selects(filter: &str, count: u32) -> bool {
    let names = ["lookup/random", "lookup/same", "fill", "bytes", "change"];
    let families = Family::BOTH.map(Family::name);
    names.iter().any(|name| {
        families.iter().any(|family| format!("routes/{name}/{family}/{count}").contains(filter))
    })
}

fn fill(results: &mut Results, size: &mut Size, family: Family, rounds: usize) -> Result<()> {
    let count = f64::from(size.count);
    let filled = size.tables.fill(family)?;
    let name = |what: &str| format!("routes/{what}/{}/{}", family.name(), size.count);
    if size.count < MANY {
        return Ok(());
    }
    let per_route = filled.bytes.map(|it| it / count);
    results.add(&name("bytes"), "B", per_route, Goal::Most(BYTES));
    let speed = filled.seconds.map(|seconds| count / seconds / 1e6);
    results.add(&name("fill"), "M/s", speed, Goal::Least(WRITES));
    if size.count == MANY {
        for _ in 0..rounds {
            let took = size.tables.change(family)?;
            results.add(&name("change"), "us", took, Goal::None);
        }
        for family in Family::BOTH {
            size.tables.write(family)?;
        }
    }
    Ok(())
}

fn round(results: &mut Results, size: &mut Size, family: Family) -> Result<()> {
    let (count, name) = (size.count, family.name());
    for order in Order::BOTH {
        let mut time = |what: &str| size.tables.time(&format!("{what}_{name}"), order, RUNS);
        let before = time("nothing")?;
        let (trie, lpm) = (time("trie")?, time("lpm")?);
        let nothing = f64::midpoint(before, time("nothing")?);
        let row = format!("routes/lookup/{}/{name}/{count}", order.name());
        let limit = SIZES.iter().find(|it| it.0 == count).and_then(|it| it.1);
        let goal = match (order, limit) {
            (Order::Random, Some(limit)) => Goal::Most(limit),
            _ => Goal::None,
        };
        results.add(&row, "ns", [trie - nothing, lpm - nothing], goal);
    }
    Ok(())
}

/// Rows, each with what the kernel's trie took in every round.
#[derive(Default)]
struct Results(Vec<(Row, Vec<f64>)>);

impl Results {
    /// Adds what ours and the kernel's took in one round. A goal is set with the first.
    fn add(&mut self, name: &str, unit: &'static str, [ours, kernel]: [f64; 2], goal: Goal) {
        let found = self.0.iter_mut().find(|(row, _)| row.name == name);
        if let Some((row, beside)) = found {
            row.rounds.push(ours);
            beside.push(kernel);
            return;
        }
        let row = Row::new(name, unit, vec![ours]);
        let row = match goal {
            Goal::None => row,
            Goal::Least(limit) => row.wanted(Against::Nothing, true, limit),
            Goal::Most(limit) => row.wanted(Against::Nothing, false, limit),
        };
        self.0.push((row, vec![kernel]));
    }

    fn rows(self, filter: &str) -> Vec<Row> {
        let selected = self.0.into_iter().filter(|(row, _)| row.name.contains(filter));
        selected.map(|(row, kernel)| row.beside(None, Some(median(&kernel)))).collect()
    }
}

/// What is wanted of a row.
#[derive(Clone, Copy)]
enum Goal {
    None,
    Least(f64),
    Most(f64),
}
