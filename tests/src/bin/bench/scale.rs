//! `scale/…`: the time from a changed document to the change in force, in large deployments, split into
//! reading the document, advancing the numbers, compiling, planning and the map operations; and what a packet takes
//! there.

mod hits;
mod memory;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Error, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use vnetpeer_tests::scale::{self, Deployment, HOST};
use vnetpeer_userspace::{
    dataplane::Dataplane,
    document::Kept,
    topology::{
        compile::compile,
        model::Topology,
        plan::{Observed, plan},
        state::{self, State},
    },
};

use self::hits::{Host, To};
use crate::{policy, report::Row};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// Milliseconds, and of memory mebibytes, that are wanted.
const TARGETS: [(&str, f64); 17] = [
    ("scale/hub-1000/rss", 300.0),
    ("scale/mesh-1000/rss", 300.0),
    ("scale/mesh-1000/memory-ratio", 2.2),
    ("scale/meshes-6500/compile", 15_000.0),
    ("scale/meshes-6500/rss", 2_048.0),
    ("scale/meshes-6500/one-vnet-added", 20.0),
    ("scale/meshes-10000/compile", 15_000.0),
    ("scale/meshes-10000/rss-peak", 2_048.0),
    ("scale/meshes-10000/one-vnet-added", 20.0),
    ("scale/meshes-10000/one-vnet-resized", 20.0),
    ("scale/hub-1000/compile", 1_000.0),
    ("scale/hub-1000/one-vnet-added", 20.0),
    ("scale/hub-1000/one-vnet-resized", 20.0),
    ("scale/mesh-1000/compile", 1_000.0),
    ("scale/mesh-1000/one-vnet-added", 20.0),
    ("scale/mesh-1000/one-vnet-resized", 20.0),
    ("scale/rules-1000x1000/one-rule", 10.0),
];

/// How much longer a hit may take than with ten VNets.
const FLAT: f64 = 1.10;
/// Deployments of ten VNets, and those with more.
const FLAT_PAIRS: [(&str, &str); 7] = [
    ("scale/hub-10", "scale/hub-100"),
    ("scale/hub-10", "scale/hub-500"),
    ("scale/hub-10", "scale/hub-1000"),
    ("scale/mesh-10", "scale/mesh-100"),
    ("scale/mesh-10", "scale/mesh-500"),
    ("scale/mesh-10", "scale/mesh-1000"),
    ("scale/mesh-10", "scale/meshes-10000"),
];

/// A change of a deployment.
struct Case {
    /// The deployment, then the change.
    name: &'static str,
    before: Source,
    after: Source,
}

/// What a document is made from.
#[derive(Clone, Copy)]
enum Source {
    Deployment(Deployment),
    /// Rules, of which one has this port.
    Rules(u16),
}

impl Source {
    fn text(self) -> String {
        match self {
            Self::Deployment(it) => it.text(),
            Self::Rules(port) => policy::control_document(port),
        }
    }
}

/// What counts as the time that a step takes.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    /// All of it.
    Wall,
    /// That in which the step had a CPU: comparable on a machine that does other work too.
    Cpu,
}

impl Clock {
    fn now(self) -> Duration {
        let id = match self {
            Self::Wall => ClockId::CLOCK_MONOTONIC,
            Self::Cpu => ClockId::CLOCK_THREAD_CPUTIME_ID,
        };
        clock_gettime(id).expect("the kernel has both clocks").into()
    }
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
            "/map-bytes",
            "/maps-locked",
            "/rss",
            "/rss-peak",
            "/memory-ratio",
            "/hit/local",
            "/hit/encap",
            "/flat/local",
            "/flat/encap",
        ];
        let names = [self.deployment(), self.name];
        names.iter().any(|name| steps.iter().any(|it| format!("{name}{it}").contains(filter)))
    }
}

fn cases() -> Vec<Case> {
    let resized = |it: Deployment| Deployment { resized: Some(it.joined / 2), ..it };
    let case = |name, before, after| Case {
        name,
        before: Source::Deployment(before),
        after: Source::Deployment(after),
    };
    let (hub, mesh) = (Deployment::hub(1_000), Deployment::mesh(1_000));
    let (small_hub, small_mesh) = (Deployment::hub(500), Deployment::mesh(500));
    let (most, all) = (Deployment::meshes(6_500), Deployment::meshes(10_000));
    vec![
        case("scale/hub-10/one-vnet-added", Deployment::hub(9), Deployment::hub(10)),
        case("scale/hub-100/one-vnet-added", Deployment::hub(99), Deployment::hub(100)),
        case("scale/hub-500/one-vnet-added", Deployment::hub(499), small_hub),
        case("scale/hub-500/one-vnet-resized", small_hub, resized(small_hub)),
        case("scale/hub-1000/one-vnet-added", Deployment::hub(999), hub),
        case("scale/hub-1000/one-vnet-resized", hub, resized(hub)),
        case("scale/mesh-10/one-vnet-added", Deployment::mesh(9), Deployment::mesh(10)),
        case("scale/mesh-100/one-vnet-added", Deployment::mesh(99), Deployment::mesh(100)),
        case("scale/mesh-500/one-vnet-added", Deployment::mesh(499), small_mesh),
        case("scale/mesh-1000/one-vnet-added", Deployment::mesh(999), mesh),
        case("scale/mesh-1000/one-vnet-resized", mesh, resized(mesh)),
        Case {
            name: "scale/rules-1000x1000/one-rule",
            before: Source::Rules(443),
            after: Source::Rules(444),
        },
        case("scale/meshes-6500/one-vnet-added", Deployment::meshes(6_499), most),
        case("scale/meshes-6500/one-vnet-resized", most, resized(most)),
        case("scale/meshes-10000/one-vnet-added", Deployment::meshes(9_999), all),
        case("scale/meshes-10000/one-vnet-resized", all, resized(all)),
    ]
}

/// Runs what `filter` selects, so many times.
pub(crate) fn run(filter: &str, rounds: usize, clock: Clock) -> Result<Vec<Row>> {
    let mut results = Results { rows: Vec::new(), clock };
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.is_selected(filter)).collect();
    for _ in 0..rounds {
        for case in &cases {
            round(&mut results, case).with_context(|| case.name.to_owned())?;
        }
    }
    results.add_ratios();
    results.rows.retain(|row| row.name.contains(filter));
    Ok(results.rows)
}

/// Builds a deployment on an empty host, then changes it.
fn round(results: &mut Results, case: &Case) -> Result<()> {
    let pins = format!("/sys/fs/bpf/vnetpeer-bench-{}", std::process::id());
    let pins = Path::new(&pins);
    let mut dataplane = Dataplane::open(pins)?;
    let finished = steps(results, case, &mut dataplane, pins);
    drop(dataplane);
    Dataplane::remove(pins).context("remove the pins")?;
    finished
}

fn steps(results: &mut Results, case: &Case, dataplane: &mut Dataplane, pins: &Path) -> Result<()> {
    let observed = Observed::empty(dataplane.maps.capacities());
    let (state, kept) = (State::default(), Kept::default());
    let mut running = Running { state, kept, observed, dataplane };
    running.apply(results, case.deployment(), &case.before.text())?;
    let topology = running.apply(results, case.name, &case.after.text())?;
    if let Source::Deployment(deployment) = case.after
        && deployment.resized.is_none()
    {
        let Running { state, observed, dataplane, .. } = running;
        let mut host = Host::new(deployment, &topology, &state, &observed, dataplane, pins)?;
        for (to, time) in To::ALL.into_iter().zip(host.measure()?) {
            results.add(&format!("{}/hit/{}", case.deployment(), to.name()), "ns", time);
        }
    }
    Ok(())
}

/// A deployment in force.
struct Running<'d> {
    state: State,
    kept: Kept,
    observed: Observed,
    dataplane: &'d mut Dataplane,
}

impl Running<'_> {
    /// Puts a document in force and adds how long each step takes.
    fn apply(&mut self, results: &mut Results, name: &str, text: &str) -> Result<Topology> {
        memory::forget_peak()?;
        let clock = results.clock;
        let start = clock.now();
        let (topology, kept) = results
            .time(name, "read", || scale::read_after(&self.kept, text).map_err(Error::msg))?;
        let state =
            results.time(name, "advance", || Ok(state::advance(&self.state, &topology)?))?;
        let excluded = clock.now();
        let facts = scale::facts(&topology, self.dataplane.facts);
        let excluded = clock.now().saturating_sub(excluded);
        let desired =
            results.time(name, "compile", || Ok(compile(&topology, &state, HOST, &facts)?))?;
        let next = results.time(name, "plan", || Ok(plan(&desired, &self.observed)?))?;
        results.time(name, "apply", || {
            next.ops.iter().try_for_each(|op| Ok(self.dataplane.maps.execute(op)?))
        })?;
        let total = clock.now().saturating_sub(start).saturating_sub(excluded);
        results.add(name, "ms", total.as_secs_f64() * 1e3);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        results.add(&format!("{name}/operations"), "ops", next.ops.len() as f64);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        results.add(&format!("{name}/nodes"), "nodes", next.next.trie_v4.used() as f64);
        #[expect(clippy::cast_precision_loss, reason = "maps have far less than 2^52 bytes")]
        let bytes = memory::used_map_bytes(&next.next) as f64;
        results.add(&format!("{name}/map-bytes"), "bytes", bytes);
        results.add(&format!("{name}/maps-locked"), "MiB", memory::locked_mebibytes()?);
        let [resident, peak] = memory::resident_mebibytes()?;
        results.add(&format!("{name}/rss"), "MiB", resident);
        results.add(&format!("{name}/rss-peak"), "MiB", peak);
        ensure!(
            plan(&desired, &next.next)?.ops.is_empty(),
            "a plan for what is there has operations"
        );
        (self.state, self.kept, self.observed) = (state, kept, next.next);
        Ok(topology)
    }
}

/// Rows by name, with one value per round.
struct Results {
    rows: Vec<Row>,
    clock: Clock,
}

impl Results {
    /// How deployments grow.
    fn add_ratios(&mut self) {
        self.add_memory_ratio();
        for (small, large) in FLAT_PAIRS {
            for to in To::ALL {
                let find = |deployment: &str| {
                    let name = format!("{deployment}/hit/{}", to.name());
                    self.rows.iter().find(|row| row.name == name)
                };
                let (Some(small), Some(large_row)) = (find(small), find(large)) else { continue };
                let name = format!("{large}/flat/{}", to.name());
                let row = Row::ratio_of(name, large_row, small).at_most(Some(FLAT));
                self.rows.push(row);
            }
        }
    }

    /// How the maps of a mesh grow with its VNets: from 500 to 1,000.
    fn add_memory_ratio(&mut self) {
        let bytes = |name: &str| self.rows.iter().find(|row| row.name == name).map(Row::median);
        let meshes = ["scale/mesh-500/map-bytes", "scale/mesh-1000/map-bytes"].map(bytes);
        if let [Some(half), Some(whole)] = meshes {
            self.add("scale/mesh-1000/memory-ratio", "ratio", whole / half);
        }
    }

    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        let target = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(value),
            None => self.rows.push(Row::new(name, unit, vec![value]).at_most(target)),
        }
    }

    /// Adds the milliseconds that a step takes.
    fn time<T>(&mut self, name: &str, step: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = self.clock.now();
        let result = run().with_context(|| format!("{name}/{step}"))?;
        let took = self.clock.now().saturating_sub(start);
        self.add(&format!("{name}/{step}"), "ms", took.as_secs_f64() * 1e3);
        Ok(result)
    }
}
