//! `policy/…`: the flow cache, the flow table and the classifier, and beside them what other programs
//! need for the same effect.

mod beside;
mod cases;
mod control;
mod flows;
pub(crate) mod rules;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use vnetpeer_tests::world::World;

use self::cases::{Before, Case, List, Subject};
pub(crate) use self::control::text as control_document;
use crate::{
    harness::{self, At, Harness, REPEAT, Way},
    instance::{Instance, SETS},
    report::{Against, Row, median},
    worlds::{self, GUEST, LOCAL, Load},
};

/// Interleaved rounds, of which the median counts, unless asked otherwise.
pub(crate) const ROUNDS: usize = 9;
/// Measurements of which one must be undisturbed.
const ATTEMPTS: usize = 6;
/// What `datapath` asks for besides what has that in its name: with how many flows hits take how long, and floors.
const OF_DATAPATH: [&str; 4] =
    ["policy/hit/", "policy/sketch/", "policy/step/redirect", "policy/step/lookup/"];
const XDP_DROP: u32 = 1;
/// The slot of the receiver on this host.
const RECEIVER_SLOT: u32 = 200;

/// Runs the benchmarks whose names contain `filter`, so many times each.
pub(crate) fn run(filter: &str, rounds: usize) -> Result<Vec<Row>> {
    let mut cases = cases::all();
    let is_asked = |case: &Case| {
        let of_datapath = OF_DATAPATH.iter().any(|name| case.name.starts_with(name));
        case.name.contains(filter) || (filter == "datapath" && of_datapath)
    };
    let compared: Vec<String> =
        cases.iter().filter(|case| is_asked(case)).filter_map(|case| case.beside.clone()).collect();
    cases.retain(|case| is_asked(case) || compared.contains(&case.name));
    if cases.is_empty() {
        return control::run(filter);
    }
    harness::pin()?;
    let mut setup = Setup::new()?;
    let mut benches: Vec<Bench> =
        cases.into_iter().map(|case| setup.bench(case)).collect::<Result<_>>()?;
    for bench in &mut benches {
        setup.check(bench).with_context(|| bench.case.name.clone())?;
    }
    for _ in 0..rounds {
        for bench in &mut benches {
            setup.measure(bench).with_context(|| bench.case.name.clone())?;
        }
    }
    let disturbed: usize = benches.iter().map(|bench| bench.disturbed).sum();
    println!(
        "harness and empty program, flows from lists: XDP {:.0} ns, TC {:.0} ns; {disturbed} of {} \
         measurements disturbed by other load",
        setup.harness.best(At::Xdp, true),
        setup.harness.best(At::Tc, true),
        benches.len() * rounds
    );
    let mut rows = rows(&benches);
    summarise(&rows);
    rows.extend(control::run(filter)?);
    Ok(rows)
}

/// A case, ready to run.
struct Bench {
    case: Case,
    program: ProgramFd,
    load: Load,
    times: Vec<f64>,
    disturbed: usize,
}

/// All that is loaded.
struct Setup {
    harness: Harness,
    /// For packets to NICs of this host and of another. A flow between two NICs of this host takes two
    /// entries, so one table of the default size has no room for all.
    instances: [Instance; 2],
    lists: Lists,
}

/// Where each list starts, and its flows.
type Lists = BTreeMap<List, (u32, Vec<u32>)>;

impl Setup {
    fn new() -> Result<Self> {
        let image = world().image();
        let instances = [Instance::load(image.clone())?, Instance::load(image)?];
        let mut harness = Harness::load()?;
        let mut lists = BTreeMap::new();
        for list in List::ALL {
            let flows = list.flows(SETS);
            lists.insert(list, (harness.keep_list(&flows)?, flows));
        }
        beside::prepare_sketch(&mut harness)?;
        beside::fill_rules(&mut harness)?;
        beside::fill_hash(&mut harness, &lists[&List::Local].1)?;
        Ok(Self { harness, instances, lists })
    }

    fn bench(&self, case: Case) -> Result<Bench> {
        let (first, _) = self.lists[&case.list];
        let load = if case.is_inbound() {
            flows::load_from(case.spoke(), first, case.count)
        } else {
            flows::load(case.spoke(), case.v6, first, case.count, case.port)
        };
        let instance = &self.instances[usize::from(case.remote)];
        let program = match case.subject {
            Subject::Beside(name) => self.harness.least(case.at, name)?,
            Subject::Product if case.is_inbound() => instance.program("vnp_xdp_in")?,
            Subject::Product if case.at == At::Xdp => instance.program("vnp_xdp_out")?,
            Subject::Product => instance.program("vnp_tc_out")?,
        };
        Ok(Bench { case, program, load, times: Vec::new(), disturbed: 0 })
    }

    /// Shows that the packets go the way that is measured.
    fn check(&mut self, bench: &Bench) -> Result<()> {
        let case = &bench.case;
        let count = u64::from(case.count);
        let Self { harness, instances, lists } = self;
        let instance = &mut instances[usize::from(case.remote)];
        prepare(harness, instance, lists, bench)?;
        match case.before {
            Before::Warm if case.is_inbound() => {
                // A packet that the cache does not know would open its flow anew.
                let (_, flows) = &lists[&case.list];
                instance.forget(flows.iter().map(|flow| flows::arrived(case.spoke(), *flow)))?;
                let earlier = instance.opened(GUEST.slot())?;
                pass(harness, bench)?;
                let missed = instance.opened(GUEST.slot())? - earlier;
                ensure!(missed == 0, "{missed} of {count} packets missed");
            }
            Before::Warm => {
                instance.disconnect(case.at)?;
                let earlier = instance.metered()?;
                pass(harness, bench)?;
                let hits = instance.metered()? - earlier;
                instance.connect()?;
                if case.list == List::AnyEncap {
                    println!("{}: {hits} of {count} packets hit", case.name);
                } else {
                    ensure!(hits == count, "{hits} of {count} packets hit");
                }
            }
            Before::Cache => {
                let earlier = beside::counted(harness)?;
                pass(harness, bench)?;
                let hits = beside::counted(harness)? - earlier;
                ensure!(hits == count, "{hits} of {count} packets hit");
            }
            Before::Forget { .. } => {
                let earlier = [GUEST.slot(), RECEIVER_SLOT].map(|slot| instance.opened(slot));
                let action = pass(harness, bench)?;
                let wanted = if action == XDP_DROP { 0 } else { count };
                let wanted = [wanted, if case.remote { 0 } else { wanted }];
                for ((slot, earlier), wanted) in
                    [GUEST.slot(), RECEIVER_SLOT].into_iter().zip(earlier).zip(wanted)
                {
                    let opened = instance.opened(slot)? - earlier?;
                    ensure!(opened == wanted, "slot {slot}: {opened} flows opened, not {wanted}");
                }
            }
            Before::NewEpoch | Before::Nothing | Before::Empty | Before::Deny => {}
        }
        Ok(())
    }

    fn measure(&mut self, bench: &mut Bench) -> Result<()> {
        let case = &bench.case;
        let way = Way {
            at: case.at,
            program: &bench.program,
            load: &bench.load,
            repeat: if case.once { case.count } else { case.count.max(REPEAT) },
            passes: if case.once { REPEAT.div_ceil(case.count) } else { 1 },
            attempts: ATTEMPTS,
        };
        let (instance, lists) = (&mut self.instances[usize::from(case.remote)], &self.lists);
        let net =
            self.harness.measure_after(&way, |harness| prepare(harness, instance, lists, bench))?;
        let action = case.action;
        ensure!(net.action == action, "action {}, not {action}", net.action);
        bench.times.push(net.time);
        bench.disturbed += usize::from(net.disturbed);
        Ok(())
    }
}

/// Sends every flow once; returns the last action.
fn pass(harness: &mut Harness, bench: &Bench) -> Result<u32> {
    let case = &bench.case;
    Ok(harness.raw(case.at, &bench.program, &bench.load, case.count)?.action)
}

/// Prepares one pass.
fn prepare(
    harness: &mut Harness,
    instance: &mut Instance,
    lists: &Lists,
    bench: &Bench,
) -> Result<()> {
    let case = &bench.case;
    let port = u32::from(case.port) << 16;
    let (_, flows) = &lists[&case.list];
    let flows = &flows[..usize::try_from(case.count)?];
    let spoke = case.spoke();
    match case.before {
        Before::Nothing => {}
        Before::Deny => {
            instance.raise_epoch()?;
            set_filters(instance, 2, 1_000)?;
        }
        Before::Warm => {
            // What was cached before must not expire while it is measured.
            instance.raise_epoch()?;
            set_filters(instance, 0, 10)?;
            // The first packet of a flow is not cached, the second one is.
            pass(harness, bench)?;
            pass(harness, bench)?;
        }
        Before::NewEpoch => {
            // Sent once more, so that the flows are there and alive.
            instance.raise_epoch()?;
            set_filters(instance, 0, 10)?;
            pass(harness, bench)?;
            instance.raise_epoch()?;
        }
        Before::Cache => beside::cache(harness, spoke, flows)?,
        Before::Empty => {
            beside::forget(harness, spoke, flows.iter().map(|flow| flow + port))?;
        }
        Before::Forget { groups, size } => {
            instance.raise_epoch()?;
            set_filters(instance, groups, size)?;
            instance.forget(flows.iter().map(|flow| flows::sent(spoke, flow + port)))?;
            if !case.remote {
                instance.forget(flows.iter().map(|flow| flows::received(spoke, flow + port)))?;
            }
        }
    }
    Ok(())
}

/// Gives the sender and the receiver so many groups of so many rules each.
fn set_filters(instance: &mut Instance, groups: usize, size: u32) -> Result<()> {
    let [sender, receiver] = rules::filters(groups, size);
    instance.set_filter(GUEST.slot(), sender)?;
    instance.set_filter(RECEIVER_SLOT, receiver)
}

/// The benchmark network with one route, and all security groups.
fn world() -> World {
    let mut world = worlds::world(1);
    if let Some(receiver) = world.nics.get_mut(&LOCAL.nic(0)) {
        receiver.slot = RECEIVER_SLOT;
    }
    let [sender, receiver] = rules::filters(0, 10);
    world.filters.extend([(GUEST.slot(), sender), (RECEIVER_SLOT, receiver)]);
    world.policies = rules::all();
    world
}

/// Says what 1,000 rules cost more than 10.
fn summarise(rows: &[Row]) {
    for row in rows.iter().filter(|row| row.name.contains("2-groups/1000-rules")) {
        let few = row.name.replace("1000-rules", "10-rules");
        if let Some(few) = rows.iter().find(|it| it.name == few) {
            let more = (row.median() / few.median() - 1.0) * 100.0;
            println!("{}: {more:+.0} % against 10 rules", row.name);
        }
    }
}

/// The results. Hits stand beside the sketch with as many flows.
fn rows(benches: &[Bench]) -> Vec<Row> {
    let time = |name: &String| {
        let found = benches.iter().find(|bench| bench.case.name == *name);
        found.map(|bench| median(&bench.times))
    };
    let row = |bench: &Bench| {
        let floor = bench.case.beside.as_ref().and_then(time);
        let row = Row::new(&bench.case.name, "ns", bench.times.clone())
            .beside(floor, None)
            .at_most(bench.case.target);
        match bench.case.ratio {
            Some(ratio) => row.wanted(Against::Floor, false, ratio),
            None => row,
        }
    };
    benches.iter().map(row).collect()
}
