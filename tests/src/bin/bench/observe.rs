//! `observe/…`: what a drop costs while nobody watches, while somebody watches other packets, and while every
//! one is told.

use anyhow::{Context as _, Result, ensure};
use vnetpeer_common::{
    abi::{Watch, stage},
    reason::DropReason,
    types::Addr,
};
use vnetpeer_tests::kernel::Program;

use crate::{
    harness::{self, ATTEMPTS, At, Harness, REPEAT, Way},
    instance::Instance,
    report::Row,
    worlds,
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 25;

/// Drops that fill the ring.
const FULL: u32 = 60_000;

/// Every drop.
fn all() -> Watch {
    Watch { stages: stage::DROPPED, reasons: u64::MAX, ..Watch::default() }
}

/// What is watched.
fn watches() -> [(&'static str, Watch); 5] {
    let address = Addr::v4([192, 0, 2, 1]);
    let mask = Addr::v6([0xff; 16]);
    [
        ("nobody", Watch::default()),
        ("other-reason", Watch { reasons: 1 << DropReason::NoRoute.number(), ..all() }),
        ("other-address", Watch { by_packet: 1, address, mask, ..all() }),
        ("everything", all()),
        ("everything-lost", all()),
    ]
}

/// Runs the benchmarks whose names contain `filter`.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut cases = Vec::new();
    for (what, watch) in watches() {
        for at in [At::Xdp, At::Tc] {
            for v6 in [false, true] {
                let hook = if at == At::Tc { "-tc" } else { "" };
                let name = format!("observe/{what}{}{hook}", if v6 { "-v6" } else { "" });
                if name.contains(filter) {
                    cases.push((name, what, watch, at, v6));
                }
            }
        }
    }
    if cases.is_empty() {
        return Ok(rows);
    }
    harness::pin()?;
    let mut harness = Harness::load()?;
    let mut instance = Instance::load(worlds::world(1).image())?;
    for (name, ..) in &cases {
        let rounds = Vec::with_capacity(rounds);
        let (name, goals) = (name.clone(), Vec::new());
        rows.push(Row { name, unit: "ns", rounds, floor: None, baseline: None, goals });
    }
    for _ in 0..rounds {
        for ((name, what, watch, at, v6), row) in cases.iter().zip(&mut rows) {
            instance.set_watch(*watch)?;
            let program = if *at == At::Xdp { Program::XdpOut } else { Program::TcOut };
            let program = instance.program(program.name())?;
            let load = worlds::spoofed(*v6);
            let (at, load) = (*at, &load);
            let way =
                Way { at, program: &program, load, repeat: REPEAT, passes: 1, attempts: ATTEMPTS };
            let net = harness.measure_after(&way, |harness| {
                if *what == "everything-lost" {
                    harness.raw(at, &program, load, FULL)?;
                } else {
                    instance.empty_events();
                }
                Ok(())
            });
            let net = net.with_context(|| name.clone())?;
            ensure!(net.action == if at == At::Xdp { 1 } else { 2 }, "{name}: not dropped");
            row.rounds.push(net.time);
        }
    }
    Ok(rows)
}
