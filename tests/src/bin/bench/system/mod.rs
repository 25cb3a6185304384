//! `system/…`: packets, streams and round trips between workloads, with real agents and real sockets; beside
//! them, in the same rounds, the least that any program does and what the kernel does by itself.

mod beside;
pub(crate) mod flood;
mod ours;
mod programs;
mod rows;
mod space;
mod way;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::runtime::{Builder, Runtime};
use vnetpeer_tests::netns::Deployment;

pub(crate) use self::rows::selected;
use self::{
    beside::Hosts,
    rows::{Metric, Subject, Wanted},
    way::Way,
};
use crate::{harness::At, report::Row};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 5;
/// No measurement starts later than this after the first.
const LIMIT: Duration = Duration::from_secs(500);
/// Flows of the packets that are counted.
const FLOWS: u32 = 1;

/// What is measured of whom.
type Measured = (Metric, Subject);
/// One value per round.
type Values = BTreeMap<Measured, Vec<f64>>;

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let rows = selected(filter);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: BTreeSet<Measured> = rows.iter().flat_map(Wanted::needs).collect();
    let runtime = runtime()?;
    let setup = Setup::new(&runtime, &wanted)?;
    let values = setup.measure(&wanted, rounds);
    let rows: Vec<Row> = rows.iter().filter_map(|row| row.with(&values)).collect();
    ensure!(!rows.is_empty(), "nothing could be measured");
    Ok(rows)
}

/// For what agents are asked.
fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("a runtime")
}

/// All that packets go through.
struct Setup {
    ways: BTreeMap<Subject, Way>,
    /// The labs go down with this.
    _labs: Vec<Deployment>,
}

impl Setup {
    /// Builds what `wanted` needs.
    fn new(runtime: &Runtime, wanted: &BTreeSet<Measured>) -> Result<Self> {
        let subjects: BTreeSet<Subject> = wanted.iter().map(|(_, subject)| *subject).collect();
        let (mut ways, mut labs) = (BTreeMap::new(), Vec::new());
        for (at, wire) in [(At::Xdp, false), (At::Tc, false), (At::Tc, true)] {
            let mut here = BTreeMap::new();
            for subject in &subjects {
                if let Subject::Ours(hook, to) = *subject
                    && (hook, to.hosts() == Hosts::Wire) == (at, wire)
                {
                    here.insert(*subject, to.nic());
                }
            }
            if here.is_empty() {
                continue;
            }
            let start = Instant::now();
            let lab = runtime.block_on(ours::up(at, wire));
            println!("lab {}: {:.1} s", lab.lab.record().name, start.elapsed().as_secs_f64());
            for (subject, nic) in here {
                ways.insert(subject, ours::way(&lab, at, nic)?);
            }
            labs.push(lab);
        }
        for subject in subjects {
            let way = match subject {
                Subject::Ours(..) => continue,
                Subject::Least(at, hosts) => beside::least(at, hosts),
                Subject::Kernel(hosts) => beside::kernel(hosts),
                Subject::Veth => beside::veth(),
            };
            ways.insert(subject, way.with_context(|| format!("build {subject:?}"))?);
        }
        Ok(Self { ways, _labs: labs })
    }

    /// Measures all in turn, so many times or until the time is over.
    fn measure(&self, wanted: &BTreeSet<Measured>, rounds: usize) -> Values {
        let start = Instant::now();
        let mut values = Values::new();
        for round in 0..rounds {
            for (metric, subject) in wanted {
                if start.elapsed() > LIMIT {
                    println!("the time is over in round {} of {rounds}", round + 1);
                    return values;
                }
                let Some(way) = self.ways.get(subject) else { continue };
                // A packet or a connection may be lost on a busy machine.
                let measured = metric.of(way).or_else(|_| metric.of(way));
                match measured {
                    Ok(measured) => {
                        for (metric, value) in measured {
                            values.entry((metric, *subject)).or_default().push(value);
                        }
                    }
                    Err(error) => eprintln!("{metric:?} of {subject:?}: {error:#}"),
                }
            }
        }
        println!("system: {} rounds in {:.0} s", rounds, start.elapsed().as_secs_f64());
        values
    }
}

impl Metric {
    /// Measures it, and what comes with it.
    fn of(self, way: &Way) -> Result<Vec<(Self, f64)>> {
        Ok(match self {
            Self::Packets => vec![(self, way.packets(FLOWS)?)],
            Self::BothWays => vec![(self, way.packets_both_ways(FLOWS)?)],
            Self::Stream(count) => vec![(self, way.stream(count)?)],
            Self::RoundTrip | Self::RoundTrip99 => {
                let [middle, slow] = way.round_trip()?;
                vec![(Self::RoundTrip, middle), (Self::RoundTrip99, slow)]
            }
        })
    }
}
