//! `datapath/…`: the programs on packets for which there is no flow table yet.

use anyhow::{Context as _, Result};
use aya::programs::ProgramFd;
use vnetpeer_tests::kernel::{Kernel, Program};

use crate::{
    harness::{self, At, Harness},
    report::{Row, median},
    worlds::{self, GUEST_IFINDEX, LOCAL, Load, REMOTE, REMOTE_OVER_V6},
};

/// Interleaved rounds, of which the median counts: neighbours on the machine come and go.
const ROUNDS: usize = 51;
/// Sizes of the networks.
const ROUTES: [u16; 2] = [1, 1_000];

/// What a benchmark does to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Local,
    Encap,
    Decap,
    Drop,
}

/// One benchmark.
struct Bench {
    name: String,
    at: At,
    effect: Effect,
    program: ProgramFd,
    load: Load,
    count: u16,
    /// Raw times, one per round.
    times: Vec<f64>,
}

/// What the harness and the least possible programs cost in one round.
#[derive(Default)]
struct Least {
    empty: Vec<f64>,
    redirect: Vec<f64>,
    push: Vec<f64>,
    pull: Vec<f64>,
    refused: Vec<f64>,
}

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str) -> Result<Vec<Row>> {
    harness::pin()?;
    let mut harness = Harness::load()?;
    let mut kernels = Vec::new();
    for routes in ROUTES {
        let mut kernel = Kernel::load();
        kernel.fill(&worlds::world(routes).image());
        kernel.stand_on(Some(GUEST_IFINDEX));
        kernels.push((routes, kernel));
    }
    let mut benches = Vec::new();
    for (routes, kernel) in &kernels {
        for at in [At::Xdp, At::Tc] {
            benches.extend(benches_of(kernel, *routes, at)?);
        }
    }
    benches.retain(|bench| bench.name.contains(filter));
    let mut least = [Least::default(), Least::default()];
    for _ in 0..ROUNDS {
        for (at, least) in [At::Xdp, At::Tc].into_iter().zip(&mut least) {
            measure_least(&mut harness, at, least)?;
        }
        for bench in &mut benches {
            let wanted = Some(wanted(bench.at, bench.effect));
            let Bench { at, program, load, count, .. } = &*bench;
            let time = harness
                .measure(*at, program, load, *count, wanted)
                .with_context(|| bench.name.clone())?;
            bench.times.push(time);
        }
    }
    let shrink_tc = harness.measure_shrinking("pull_tc")? - harness.measure_shrinking("empty_tc")?;
    let [xdp, tc] = &least;
    Ok(benches.iter().map(|bench| row(bench, xdp, tc, shrink_tc)).collect())
}

/// All benchmarks of one size at one hook.
fn benches_of(kernel: &Kernel, routes: u16, at: At) -> Result<Vec<Bench>> {
    let (out, into) = match at {
        At::Xdp => (Program::XdpOut, Program::XdpIn),
        At::Tc => (Program::TcOut, Program::TcIn),
    };
    let mut benches = Vec::new();
    for v6 in [false, true] {
        let suffix = format!(
            "{}{}",
            if v6 { "-v6" } else { "" },
            if at == At::Tc { "-tc" } else { "" }
        );
        let remote = if v6 { &REMOTE_OVER_V6 } else { &REMOTE };
        let mut add = |path: &str, effect, program: Program, load, count| -> Result<()> {
            let program = harness::fd(kernel.program(program.name()))?;
            let name = format!("datapath/{path}{suffix}");
            benches.push(Bench { name, at, effect, program, load, count, times: Vec::new() });
            Ok(())
        };
        let path = |what: &str| format!("miss/{what}/{routes}-routes");
        add(&path("local"), Effect::Local, out, LOCAL.to(v6), routes)?;
        add(&path("encap"), Effect::Encap, out, remote.to(v6), routes)?;
        add(&path("decap"), Effect::Decap, into, remote.from(v6), routes)?;
        if routes == ROUTES[0] {
            add("drop/spoof", Effect::Drop, out, worlds::spoofed(v6), 1)?;
        }
    }
    Ok(benches)
}

fn measure_least(harness: &mut Harness, at: At, least: &mut Least) -> Result<()> {
    let load = LOCAL.to(false);
    let tunnel = REMOTE.from(false);
    let suffix = if at == At::Xdp { "xdp" } else { "tc" };
    let mut time = |name: &str, load: &Load| -> Result<f64> {
        let program = harness.least(&format!("{name}_{suffix}"))?;
        harness.measure(at, &program, load, 1, None).with_context(|| name.to_owned())
    };
    least.empty.push(time("empty", &load)?);
    least.redirect.push(time("redirect", &load)?);
    least.push.push(time("push", &load)?);
    least.pull.push(time("pull", &tunnel)?);
    if at == At::Tc {
        least.refused.push(time("refused", &load)?);
    }
    Ok(())
}

/// The action that proves that the packet went the way that is measured.
fn wanted(at: At, effect: Effect) -> u32 {
    match (at, effect) {
        (At::Xdp, Effect::Drop) => 1,
        (At::Xdp, _) => 4,
        (At::Tc, Effect::Drop) => 2,
        (At::Tc, _) => 7,
    }
}

/// Takes from the raw times what the harness costs.
///
/// At the TC hook the wrapper restores a packet that grew or shrank with a helper call of its own,
/// which the empty program does not need. The call that closes room is measured apart on a packet that
/// only shrinks; the one that opens it is what is left of a pair. A packet to another host keeps the
/// mark of its first run, and the program's first attempt is refused for it from then on; that call
/// would not happen outside of a test run and is taken off as well.
fn row(bench: &Bench, xdp: &Least, tc: &Least, shrink_tc: f64) -> Row {
    let least = if bench.at == At::Xdp { xdp } else { tc };
    let empty = median(&least.empty);
    let pair = median(&tc.push) - median(&tc.empty);
    let extra = match (bench.at, bench.effect) {
        (At::Tc, Effect::Encap) => shrink_tc + (median(&tc.refused) - median(&tc.empty)),
        (At::Tc, Effect::Decap) => pair - shrink_tc,
        _ => 0.0,
    };
    let redirect = median(&least.redirect) - empty;
    let floor = match (bench.at, bench.effect) {
        (At::Xdp, Effect::Encap) => median(&least.push) - empty,
        (At::Xdp, Effect::Decap) => median(&least.pull) - empty,
        (At::Tc, Effect::Encap) => pair - shrink_tc + redirect,
        (At::Tc, Effect::Decap) => shrink_tc + redirect,
        (_, Effect::Local) => redirect,
        (_, Effect::Drop) => 0.0,
    };
    let target = match bench.effect {
        Effect::Local => Some(90.0),
        Effect::Encap => Some(110.0),
        Effect::Decap => Some(70.0),
        Effect::Drop => None,
    };
    let rounds = bench.times.iter().zip(&least.empty).map(|(time, empty)| time - empty - extra);
    Row { name: bench.name.clone(), rounds: rounds.collect(), floor: Some(floor), target }
}
