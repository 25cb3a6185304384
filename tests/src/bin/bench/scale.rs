//! `scale/…`: the time from a changed document to the change in force, in large deployments, split into
//! reading the document, advancing the numbers, compiling, planning and the map operations.

mod documents;

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use vnetpeer_userspace::{
    dataplane::Dataplane,
    document,
    topology::{
        compile::compile,
        facts::{Delivery, Hook, HostFacts, InterfaceFacts},
        model::Topology,
        plan::{Observed, plan},
        state::{self, State},
    },
};

use self::documents::{HOST, Hub};
use crate::{policy, report::Row};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// Milliseconds that are wanted.
const TARGETS: [(&str, f64); 4] = [
    ("scale/hub-500/compile", 500.0),
    ("scale/hub-500/one-vnet-added", 20.0),
    ("scale/hub-500/one-vnet-resized", 20.0),
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
        let steps = ["", "/read", "/advance", "/compile", "/plan", "/apply", "/operations"];
        let names = [self.deployment(), self.name];
        names.iter().any(|name| steps.iter().any(|it| format!("{name}{it}").contains(filter)))
    }
}

fn cases() -> [Case; 3] {
    let hub = Hub { spokes: 500, resized: None };
    let smaller = Hub { spokes: 499, resized: None };
    let resized = Hub { spokes: 500, resized: Some(250) };
    let case = |name, before, after| Case { name, before, after };
    [
        case("scale/hub-500/one-vnet-added", smaller.text(), hub.text()),
        case("scale/hub-500/one-vnet-resized", hub.text(), resized.text()),
        case(
            "scale/rules-1000x1000/one-rule",
            policy::control_document(443),
            policy::control_document(444),
        ),
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
        let topology = results.time(name, "read", || read(text))?;
        let state =
            results.time(name, "advance", || Ok(state::advance(&self.state, &topology)?))?;
        let excluded = Instant::now();
        let facts = facts(&topology, self.dataplane);
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
        ensure!(
            plan(&desired, &next.next)?.ops.is_empty(),
            "a plan for what is there has operations"
        );
        (self.state, self.observed) = (state, next.next);
        Ok(())
    }
}

fn read(text: &str) -> Result<Topology> {
    match document::load("bench.yaml", text) {
        Ok(loaded) => Ok(loaded.topology),
        Err(problems) => anyhow::bail!("the document has problems: {problems:?}"),
    }
}

/// What the agent would find on the host: every interface that the document names.
fn facts(topology: &Topology, dataplane: &Dataplane) -> HostFacts {
    let interface = |number: u32| InterfaceFacts {
        ifindex: 1_000 + number,
        mtu_bytes: 1_500,
        delivery: Delivery::Transmit,
        hook: Hook::Xdp,
    };
    let host = topology.hosts.iter().position(|host| host.name == HOST);
    let local = topology.nics.iter().filter(|nic| Some(nic.host.0) == host);
    HostFacts {
        interfaces: local.zip(0..).map(|(nic, n)| (nic.interface.clone(), interface(n))).collect(),
        datapath: dataplane.facts,
        ..HostFacts::default()
    }
}

/// Rows by name, with one value per round.
#[derive(Default)]
struct Results(Vec<Row>);

impl Results {
    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        let target = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
        match self.0.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(value),
            None => self.0.push(Row {
                name: name.to_owned(),
                unit,
                rounds: vec![value],
                floor: None,
                target,
            }),
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
