//! `datapath/…`: the programs in networks of two sizes, on packets of flows that are cached.

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use vnetpeer_tests::kernel::Program;

use crate::{
    harness::{self, At, Harness},
    instance::Instance,
    report::{Row, median},
    worlds::{self, LOCAL, Load, REMOTE, REMOTE_OVER_V6, WITHIN},
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 25;
/// Sizes of the networks.
const ROUTES: [u16; 2] = [1, 1_000];

/// What a program does to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Local,
    Encap,
    Decap,
    Drop,
    /// One of the programs that do as little as can be.
    Least(&'static str),
}

/// One thing to measure.
struct Bench {
    name: String,
    at: At,
    effect: Effect,
    program: ProgramFd,
    load: Load,
    /// Net times, one per round.
    times: Vec<f64>,
    disturbed: usize,
}

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    harness::pin()?;
    let mut harness = Harness::load()?;
    let mut instances = Vec::new();
    for routes in ROUTES {
        instances.push((routes, Instance::load(worlds::world(routes).image())?));
    }
    let mut benches = Vec::new();
    for (routes, instance) in &instances {
        for at in [At::Xdp, At::Tc] {
            benches.extend(benches_of(instance, *routes, at)?);
        }
    }
    benches.retain(|bench| bench.name.contains(filter));
    if benches.is_empty() {
        return Ok(Vec::new());
    }
    benches.extend(least(&harness)?);
    for _ in 0..rounds {
        for bench in &mut benches {
            measure(&mut harness, bench).with_context(|| bench.name.clone())?;
        }
    }
    let shrink_tc =
        harness.measure_shrinking("pull_tc")? - harness.measure_shrinking("empty_tc")?;
    let disturbed: usize = benches.iter().map(|bench| bench.disturbed).sum();
    println!(
        "harness and empty program: XDP {:.0} ns, TC {:.0} ns; {disturbed} of {} measurements \
         disturbed by other load",
        harness.best(At::Xdp, false),
        harness.best(At::Tc, false),
        benches.len() * rounds
    );
    let floors = Floors { benches: &benches, shrink_tc };
    let rows = benches.iter().filter(|bench| !matches!(bench.effect, Effect::Least(_)));
    Ok(rows.map(|bench| floors.row(bench)).collect())
}

/// All benchmarks of one size at one hook.
fn benches_of(instance: &Instance, routes: u16, at: At) -> Result<Vec<Bench>> {
    let (out, into) = match at {
        At::Xdp => (Program::XdpOut, Program::XdpIn),
        At::Tc => (Program::TcOut, Program::TcIn),
    };
    let mut benches = Vec::new();
    for v6 in [false, true] {
        let suffix =
            format!("{}{}", if v6 { "-v6" } else { "" }, if at == At::Tc { "-tc" } else { "" });
        let remote = if v6 { &REMOTE_OVER_V6 } else { &REMOTE };
        let mut add = |path: &str, effect, program: Program, load| -> Result<()> {
            let program = instance.program(program.name())?;
            benches.push(bench(format!("datapath/{path}{suffix}"), at, effect, program, load));
            Ok(())
        };
        let path = |what: &str| format!("hit/{what}/{routes}-routes");
        add(&path("local"), Effect::Local, out, LOCAL.to(v6, routes))?;
        add(&path("encap"), Effect::Encap, out, remote.to(v6, routes))?;
        add(&path("decap"), Effect::Decap, into, remote.from(v6, routes))?;
        if routes == 1 {
            // What metering costs is the difference from `local`.
            add(&(path("local") + "-unmetered"), Effect::Local, out, WITHIN.to(v6, routes))?;
            add("drop/spoof", Effect::Drop, out, worlds::spoofed(v6))?;
        } else {
            // The routes alone: with one destination, the rest of the tables stays in the cache.
            add(&(path("local") + "-same"), Effect::Local, out, LOCAL.to(v6, 1))?;
            add(&(path("encap") + "-same"), Effect::Encap, out, remote.to(v6, 1))?;
        }
    }
    Ok(benches)
}

/// The programs that do as little as can be.
fn least(harness: &Harness) -> Result<Vec<Bench>> {
    let mut benches = Vec::new();
    for at in [At::Xdp, At::Tc] {
        for name in ["redirect", "push", "pull", "refused"] {
            if at == At::Xdp && name == "refused" {
                continue;
            }
            let load = if name == "pull" { REMOTE.from(false, 1) } else { LOCAL.to(false, 1) };
            let program = harness.least(at, name)?;
            benches.push(bench(name.to_owned(), at, Effect::Least(name), program, load));
        }
    }
    Ok(benches)
}

fn bench(name: String, at: At, effect: Effect, program: ProgramFd, load: Load) -> Bench {
    Bench { name, at, effect, program, load, times: Vec::new(), disturbed: 0 }
}

fn measure(harness: &mut Harness, bench: &mut Bench) -> Result<()> {
    let net = harness.measure(bench.at, &bench.program, &bench.load)?;
    // The action that proves that the packet went the way that is measured.
    let wanted = match (bench.at, bench.effect) {
        (_, Effect::Least(_)) => net.action,
        (At::Xdp, Effect::Drop) => 1,
        (At::Xdp, _) => 4,
        (At::Tc, Effect::Drop) => 2,
        (At::Tc, _) => 7,
    };
    ensure!(net.action == wanted, "action {}, not {wanted}", net.action);
    bench.times.push(net.time);
    bench.disturbed += usize::from(net.disturbed);
    Ok(())
}

/// What the harness adds to some programs, and what no program can do without.
struct Floors<'a> {
    benches: &'a [Bench],
    shrink_tc: f64,
}

impl Floors<'_> {
    /// The net time of one of the least programs.
    fn least(&self, at: At, name: &'static str) -> f64 {
        let wanted = |bench: &&Bench| bench.at == at && bench.effect == Effect::Least(name);
        self.benches.iter().find(wanted).map_or(f64::NAN, |bench| median(&bench.times))
    }

    /// What the wrapper does for this program and not for the empty one.
    ///
    /// At the TC hook it restores a packet that grew or shrank with a helper call. The call that closes
    /// room is measured apart on a packet that only shrinks; the one that opens it is what is left of a
    /// pair. A packet to another host also keeps the mark of its first run, and from then on the
    /// program's first attempt to open room is refused, which does not happen outside of a test run.
    fn extra(&self, bench: &Bench) -> f64 {
        match (bench.at, bench.effect) {
            (At::Tc, Effect::Encap) => self.shrink_tc + self.least(At::Tc, "refused"),
            (At::Tc, Effect::Decap) => self.least(At::Tc, "push") - self.shrink_tc,
            _ => 0.0,
        }
    }

    fn floor(&self, bench: &Bench) -> f64 {
        let at = bench.at;
        match (at, bench.effect) {
            (At::Xdp, Effect::Encap) => self.least(at, "push"),
            (At::Xdp, Effect::Decap) => self.least(at, "pull"),
            (At::Tc, Effect::Encap) => {
                self.least(at, "push") - self.shrink_tc + self.least(at, "redirect")
            }
            (At::Tc, Effect::Decap) => self.shrink_tc + self.least(at, "redirect"),
            (_, Effect::Local) => self.least(at, "redirect"),
            (_, Effect::Drop | Effect::Least(_)) => 0.0,
        }
    }

    fn row(&self, bench: &Bench) -> Row {
        let target = match bench.effect {
            Effect::Local => Some(90.0),
            Effect::Encap => Some(110.0),
            Effect::Decap => Some(70.0),
            Effect::Drop | Effect::Least(_) => None,
        };
        let extra = self.extra(bench);
        let times = bench.times.iter().map(|time| time - extra).collect();
        Row::new(&bench.name, "ns", times).beside(Some(self.floor(bench)), None).at_most(target)
    }
}
