//! `scale/…`: the time from a changed document to the change in force, in large deployments, split into
//! reading the document, advancing the numbers, compiling, planning and the map operations.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Error, Result, ensure};
use vnetpeer_tests::scale::{self, Deployment, HOST};
use vnetpeer_userspace::{
    dataplane::Dataplane,
    topology::{
        compile::compile,
        plan::{Observed, plan},
        state::{self, State},
    },
};

use crate::{policy, report::Row};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// Milliseconds that are wanted.
const TARGETS: [(&str, f64); 7] = [
    ("scale/hub-1000/compile", 1_000.0),
    ("scale/hub-1000/one-vnet-added", 20.0),
    ("scale/hub-1000/one-vnet-resized", 20.0),
    ("scale/mesh-1000/compile", 1_000.0),
    ("scale/mesh-1000/one-vnet-added", 20.0),
    ("scale/mesh-1000/one-vnet-resized", 20.0),
    ("scale/rules-1000x1000/one-rule", 10.0),
];

/// A change of a deployment.
struct Case {
    /// The deployment, then the change.
    name: &'static str,
    before: String,
    after: String,
}

impl Case {
    fn deployment(&self) -> &'static str {
        self.name.rsplit_once('/').map_or(self.name, |(deployment, _)| deployment)
    }

    /// Whether a row of it has `filter` in its name.
    fn is_selected(&self, filter: &str) -> bool {
        let steps = [
            "",
            "/read",
            "/advance",
            "/compile",
            "/plan",
            "/apply",
            "/operations",
            "/nodes",
            "/rss",
        ];
        let names = [self.deployment(), self.name];
        names.iter().any(|name| steps.iter().any(|it| format!("{name}{it}").contains(filter)))
    }
}

fn cases() -> Vec<Case> {
    let resized = |it: Deployment| Deployment { resized: Some(it.joined / 2), ..it };
    let case = |name, before: Deployment, after: Deployment| Case {
        name,
        before: before.text(),
        after: after.text(),
    };
    let (hub, mesh) = (Deployment::hub(1_000), Deployment::mesh(1_000));
    let (small_hub, small_mesh) = (Deployment::hub(500), Deployment::mesh(500));
    vec![
        case("scale/hub-500/one-vnet-added", Deployment::hub(499), small_hub),
        case("scale/hub-1000/one-vnet-added", Deployment::hub(999), hub),
        case("scale/hub-1000/one-vnet-resized", hub, resized(hub)),
        case("scale/mesh-500/one-vnet-added", Deployment::mesh(499), small_mesh),
        case("scale/mesh-1000/one-vnet-added", Deployment::mesh(999), mesh),
        case("scale/mesh-1000/one-vnet-resized", mesh, resized(mesh)),
        Case {
            name: "scale/rules-1000x1000/one-rule",
            before: policy::control_document(443),
            after: policy::control_document(444),
        },
    ]
}

/// Runs what `filter` selects, so many times.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let mut results = Results::default();
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.is_selected(filter)).collect();
    for _ in 0..rounds {
        for case in &cases {
            round(&mut results, case).with_context(|| case.name.to_owned())?;
        }
    }
    results.0.retain(|row| row.name.contains(filter));
    Ok(results.0)
}

/// Builds a deployment on an empty host, then changes it.
fn round(results: &mut Results, case: &Case) -> Result<()> {
    let pins = format!("/sys/fs/bpf/vnetpeer-bench-{}", std::process::id());
    let pins = Path::new(&pins);
    let mut dataplane = Dataplane::open(pins)?;
    let finished = steps(results, case, &mut dataplane);
    drop(dataplane);
    Dataplane::remove(pins).context("remove the pins")?;
    finished
}

fn steps(results: &mut Results, case: &Case, dataplane: &mut Dataplane) -> Result<()> {
    let observed = Observed::empty(dataplane.maps.capacities());
    let mut running = Running { state: State::default(), observed, dataplane };
    running.apply(results, case.deployment(), &case.before)?;
    running.apply(results, case.name, &case.after)
}

/// A deployment in force.
struct Running<'d> {
    state: State,
    observed: Observed,
    dataplane: &'d mut Dataplane,
}

impl Running<'_> {
    /// Puts a document in force and adds how long each step takes.
    fn apply(&mut self, results: &mut Results, name: &str, text: &str) -> Result<()> {
        let start = Instant::now();
        let topology = results.time(name, "read", || scale::read(text).map_err(Error::msg))?;
        let state =
            results.time(name, "advance", || Ok(state::advance(&self.state, &topology)?))?;
        let excluded = Instant::now();
        let facts = scale::facts(&topology, self.dataplane);
        let excluded = excluded.elapsed();
        let desired =
            results.time(name, "compile", || Ok(compile(&topology, &state, HOST, &facts)?))?;
        let next = results.time(name, "plan", || Ok(plan(&desired, &self.observed)?))?;
        results.time(name, "apply", || {
            next.ops.iter().try_for_each(|op| Ok(self.dataplane.maps.execute(op)?))
        })?;
        let total = start.elapsed().saturating_sub(excluded);
        results.add(name, "ms", total.as_secs_f64() * 1e3);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        results.add(&format!("{name}/operations"), "ops", next.ops.len() as f64);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        results.add(&format!("{name}/nodes"), "nodes", next.next.trie_v4.used() as f64);
        results.add(&format!("{name}/rss"), "MiB", resident_mebibytes()?);
        ensure!(
            plan(&desired, &next.next)?.ops.is_empty(),
            "a plan for what is there has operations"
        );
        (self.state, self.observed) = (state, next.next);
        Ok(())
    }
}

/// Memory that this process has in use: that of the agent, and what earlier cases left.
fn resident_mebibytes() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let number = line.split_whitespace().next().context("no number")?;
    Ok(number.parse::<f64>().context("no number")? / 1_024.0)
}

/// Rows by name, with one value per round.
#[derive(Default)]
struct Results(Vec<Row>);

impl Results {
    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        let target = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
        match self.0.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(value),
            None => self.0.push(Row::new(name, unit, vec![value]).at_most(target)),
        }
    }

    /// Adds the milliseconds that a step takes.
    fn time<T>(&mut self, name: &str, step: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = run().with_context(|| format!("{name}/{step}"))?;
        self.add(&format!("{name}/{step}"), "ms", start.elapsed().as_secs_f64() * 1e3);
        Ok(result)
    }
}
