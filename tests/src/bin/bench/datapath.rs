//! `datapath/…`: the programs in networks of two sizes, on packets of flows that are cached.

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use vnetpeer_common::wire::{ETHERNET_LEN, Ipv4, Ipv6, Udp};
use vnetpeer_tests::{kernel::Program, packet::Packet};

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
/// Bytes of the frame of the smallest packet and of the IP packet of the largest, as benchmarks are named.
const SIZES: [(&str, usize); 2] = [("64-bytes", 64), ("1500-bytes", ETHERNET_LEN + 1_500)];
/// Bytes of payload of a segment of a super-frame, and segments.
const SEGMENT: (u32, usize) = (1_400, 2);
/// How much longer a packet to a peered network may take than one within the network.
const PEERED: f64 = 1.03;
/// How much longer a packet of IPv6 may take than one of IPv4.
const V6: f64 = 1.25;

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
    let measured = benches.iter().filter(|bench| !matches!(bench.effect, Effect::Least(_)));
    let mut rows: Vec<Row> = measured.map(|bench| floors.row(bench)).collect();
    rows.extend(ratios(&rows));
    rows.extend(floors.rows());
    for (at, hook) in [(At::Xdp, ""), (At::Tc, "-tc")] {
        let name = format!("datapath/floor/harness{hook}");
        rows.push(Row::new(name, "ns", vec![harness.best(at, false)]));
    }
    Ok(rows)
}

/// What is compared in the same rounds.
fn ratios(rows: &[Row]) -> Vec<Row> {
    let of = |name: &str| rows.iter().find(|row| row.name == name);
    let peered = rows.iter().filter_map(|row| {
        let within = of(&row.name.replace("local/1-routes", "local/1-routes-unmetered"))?;
        let name = row.name.replace("hit/local/1-routes", "peered-to-local");
        (name != row.name).then(|| Row::ratio_of(name, row, within).at_most(Some(PEERED)))
    });
    let v6 = rows.iter().filter(|row| row.name.contains("/hit/")).filter_map(|row| {
        let of_v4 = row.name.replace("-v6", "");
        let name = of_v4.replace("hit/", "v6-to-v4/");
        let v4 = of(&of_v4)?;
        (of_v4 != row.name).then(|| Row::ratio_of(name, row, v4).at_most(Some(V6)))
    });
    peered.chain(v6).collect()
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
            add("drop/no-route", Effect::Drop, out, worlds::to_nowhere(v6, false))?;
            add("drop/route-none", Effect::Drop, out, worlds::to_nowhere(v6, true))?;
            for (name, len) in SIZES {
                let headers =
                    ETHERNET_LEN + size_of::<Udp>() + if v6 { Ipv6::LEN } else { Ipv4::LEN };
                let udp = |packet: Packet| packet.udp(40_000, 53, len - headers);
                let path = |effect: &str| format!("hit/{effect}/{name}");
                add(&path("local"), Effect::Local, out, LOCAL.one_to(v6, udp))?;
                add(&path("encap"), Effect::Encap, out, remote.one_to(v6, udp))?;
                add(&path("decap"), Effect::Decap, into, remote.one_from(v6, len - headers))?;
            }
            if at == At::Tc {
                add("hit/local/super-frame", Effect::Local, out, super_frame(v6))?;
            }
        } else {
            // The routes alone: with one destination, the rest of the tables stays in the cache.
            add(&(path("local") + "-same"), Effect::Local, out, LOCAL.to(v6, 1))?;
            add(&(path("encap") + "-same"), Effect::Encap, out, remote.to(v6, 1))?;
        }
    }
    Ok(benches)
}

/// A packet that the kernel cuts on its way out. Where it has to be encapsulated it has none of what a test run
/// can say about it.
fn super_frame(v6: bool) -> Load {
    let (gso_size, segments) = SEGMENT;
    let tcp = |packet: Packet| packet.tcp(40_000, 53, gso_size as usize * segments);
    Load { gso_size, ..LOCAL.one_to(v6, tcp) }
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

    /// The floors as they are.
    fn rows(&self) -> Vec<Row> {
        let rows = self.benches.iter().filter_map(|bench| {
            let Effect::Least(name) = bench.effect else { return None };
            let shrink = if name == "redirect" { 0.0 } else { self.shrink_tc };
            let (hook, extra) = match (bench.at, name) {
                (At::Xdp, _) => ("", 0.0),
                (At::Tc, "redirect" | "push") => ("-tc", shrink),
                (At::Tc, _) => return None,
            };
            let times = bench.times.iter().map(|time| time - extra).collect();
            Some(Row::new(format!("datapath/floor/{name}{hook}"), "ns", times))
        });
        rows.collect()
    }

    /// The longest time that is wanted, of packets of one flow and of a thousand.
    fn target(bench: &Bench) -> Option<f64> {
        let [of_one, of_thousand] = match (bench.at, bench.effect) {
            (_, Effect::Drop | Effect::Least(_)) => return None,
            (At::Xdp, Effect::Local) => [38.0, 48.0],
            (At::Xdp, Effect::Encap) => [58.0, 68.0],
            (At::Xdp, Effect::Decap) => [55.0, 65.0],
            (At::Tc, Effect::Local) => [90.0; 2],
            (At::Tc, Effect::Encap) => [110.0; 2],
            (At::Tc, Effect::Decap) => [70.0; 2],
        };
        let target = if bench.load.count == 1 { of_one } else { of_thousand };
        let v6 = bench.at == At::Xdp && bench.name.contains("-v6");
        Some(if v6 { target * V6 } else { target })
    }

    fn row(&self, bench: &Bench) -> Row {
        let target = Self::target(bench);
        let extra = self.extra(bench);
        let times = bench.times.iter().map(|time| time - extra).collect();
        Row::new(&bench.name, "ns", times).beside(Some(self.floor(bench)), None).at_most(target)
    }
}
