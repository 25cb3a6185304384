//! A peering that comes and goes: what a command did is in force when it returns.

use std::{collections::BTreeMap, time::Instant};

use tokio::runtime::Runtime;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Probes, Span, Spec},
};
use vnetpeer_userspace::agent::rollout::{Proposal, RolloutError, roll_out};

use super::{percentiles, rounds};

const FEW: usize = 20;
/// Between two commands.
const DATAGRAMS: u64 = 50;

/// A peering was made and removed.
struct Round {
    create: Span,
    delete: Span,
}

/// Both families, to the other host and to the same.
fn lanes(deployment: &Deployment) -> Vec<Probes> {
    let [red1, blue1, blue2] = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    vec![Probes::start(&red1, &blue2, true), Probes::start(&blue1, &red1, false)]
}

fn run(deployment: &Deployment, create: impl Fn(), delete: impl Fn()) {
    let lanes = lanes(deployment);
    let more = || lanes.iter().for_each(|lane| lane.send_more(DATAGRAMS));
    let mut all = Vec::new();
    for _ in 0..rounds(FEW) {
        more();
        let create = Span::of(&lanes, &create);
        more();
        let delete = Span::of(&lanes, &delete);
        all.push(Round { create, delete });
    }
    more();
    for (lane, probes) in lanes.into_iter().enumerate() {
        check(lane, &all, &probes.finish());
    }
    for (name, of) in
        [("create", (|it| &it.create) as fn(&Round) -> &Span), ("delete", |it| &it.delete)]
    {
        let mut times: Vec<_> = all.iter().map(|it| of(it).took).collect();
        let (half, most) = percentiles(&mut times);
        println!("{name}: returned after {half:?} (p50), {most:?} (p99)");
    }
}

/// From the return of a create to the next delete everything arrives; from the return of a delete to
/// the next create nothing does.
fn check(lane: usize, all: &[Round], arrivals: &BTreeMap<u64, Instant>) {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for (number, round) in all.iter().enumerate() {
        let Round { create, delete } = round;
        let missing: Vec<u64> = (create.after[lane]..delete.first[lane])
            .filter(|it| !arrivals.contains_key(it))
            .collect();
        assert_eq!(missing, [0; 0], "lane {lane}, round {number}: lost after create had returned");
        let next = all.get(number + 1).map_or(u64::MAX, |next| next.create.first[lane]);
        let delivered: Vec<u64> =
            arrivals.range(delete.after[lane]..next).map(|it| *it.0).collect();
        assert_eq!(
            delivered, [0; 0],
            "lane {lane}, round {number}: delivered after delete had returned"
        );
        let first = arrivals.range(create.first[lane]..).next().expect("one arrives");
        opened.push(first.1.saturating_duration_since(create.start));
        let last = arrivals.range(..delete.after[lane]).next_back().expect("one arrived");
        closed.push(last.1.saturating_duration_since(delete.start));
    }
    for (name, mut times) in [("first packet after create", opened), ("last after delete", closed)]
    {
        let (half, most) = percentiles(&mut times);
        println!("lane {lane}: {name}: {half:?} (p50), {most:?} (p99)");
    }
}

fn without_peering() -> Spec {
    Spec { peered: Vec::new(), ..Spec::pair("tc", false) }
}

#[tokio::test]
async fn packets_pass_exactly_while_a_peering_is_there_by_commands() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("p-cycles", &without_peering().yaml()).await;
    let command = |words: &str| {
        let _ = deployment.ask(words);
    };
    run(
        &deployment,
        || command("peering create red/to-blue --remote-vnet blue --both"),
        || command("peering delete red/to-blue --both"),
    );
}

#[test]
fn packets_pass_exactly_while_a_peering_is_there_by_the_agents_interface() {
    if !kernel::available() {
        return;
    }
    let runtime = Runtime::new().expect("a runtime");
    let (without, with) = (without_peering().yaml(), Spec::pair("tc", false).yaml());
    let deployment = runtime.block_on(Deployment::up("p-cycles-a", &without));
    let agents = deployment.agents();
    let apply = |document: &str| {
        let applied = roll_out(&agents, |newest| {
            let (source, document) = (newest.source, document.to_owned());
            let base = newest.state;
            Ok::<_, RolloutError>(Some(Proposal {
                source,
                document,
                base: Some(base),
                operations: Vec::new(),
            }))
        });
        runtime.block_on(applied).unwrap_or_else(|error| panic!("{error}"));
    };
    run(&deployment, || apply(&with), || apply(&without));
}
