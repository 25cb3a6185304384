//! The core on the host and in the kernel must agree on any frame: action, bytes, counters, events.

use vnetpeer_common::datapath::Verdict;
use vnetpeer_tests::{
    case::Place,
    counters::Counters,
    frame::{Hook, Skb},
    kernel::{self, Action, Kernel, Program},
    packet::diff,
    random::{Frames, seed},
    run,
    tables::HostTables,
    world::{A_TO_B, A_TO_HUB, B_TO_HUB, HUB_TO_A, World},
};

/// Frames that each hook sees.
const FRAMES: usize = 24_000;
/// Frames between two looks at all counters.
const ROUND: usize = 500;
/// Room in the page of a test run: 4,096 bytes less headroom and `skb_shared_info`.
const LEN_MAX: usize = 3_400;

#[test]
fn xdp_agrees_with_the_host() {
    compare(Hook::Xdp);
}

#[test]
fn tc_agrees_with_the_host() {
    compare(Hook::Tc(Skb::default()));
}

fn compare(hook: Hook) {
    if !kernel::available() {
        return;
    }
    let mut frames = Frames::new(seed());
    let mut kernel = Kernel::load();
    let mut seen = Tally::default();
    for round in 0..FRAMES / ROUND {
        let image = world(&mut frames, round).image();
        let (tables, trial) = (HostTables::new(image.clone()), HostTables::new(image.clone()));
        kernel.fill(&image);
        let before = kernel.counters();
        for _ in 0..ROUND {
            let (place, bytes) = frames.next(LEN_MAX);
            let hook = super_frame(&mut frames, hook, place);
            if leaves_as_super_frame(&trial, place, hook, &bytes) {
                seen.skipped += 1;
                continue;
            }
            one(&mut kernel, &tables, place, hook, &bytes, &mut seen);
        }
        let (counted, expected) = (kernel.counters().since(&before), tables.counters());
        assert_eq!(counted, expected, "{counted}\nnot {expected}\nin round {round}");
    }
    println!("{seen:?}");
    seen.assert_all_kinds();
}

/// A world whose links change from round to round.
fn world(frames: &mut Frames, round: usize) -> World {
    let mut world = World::new();
    if round % 3 == 1 {
        for link in [A_TO_B, A_TO_HUB, HUB_TO_A, B_TO_HUB] {
            let flags = u32::from(frames.random().byte() & 7);
            world.set_link(link, flags);
        }
    }
    world
}

/// Some frames of TC's are super-frames. Those that leave for another host are not tried: the kernel
/// refuses to move the head of one that has no type, and a test run gives it none.
fn super_frame(frames: &mut Frames, hook: Hook, place: Place) -> Hook {
    let random = frames.random();
    match (hook, place) {
        (Hook::Tc(skb), Place::Workload(_)) if random.one_in(5) => {
            let gso_size = *random.pick(&[1, 500, 1_400, 1_448, 1_460, 9_000]);
            Hook::Tc(Skb { gso_size, ..skb })
        }
        _ => hook,
    }
}

/// How often each action came up.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    delivered: usize,
    transmitted: usize,
    replied: usize,
    dropped: usize,
    reasons: std::collections::BTreeSet<&'static str>,
    shaped: usize,
    refused: usize,
    skipped: usize,
}

impl Tally {
    /// A test that never reaches a path proves nothing about it.
    fn assert_all_kinds(&self) {
        let rarest = [self.passed, self.delivered, self.transmitted, self.replied, self.dropped];
        assert!(rarest.iter().all(|count| *count >= FRAMES / 200), "{self:?}");
        assert!(self.reasons.len() >= 28, "{} reasons: {self:?}", self.reasons.len());
        assert!(self.refused + self.skipped < FRAMES / 10, "{self:?}");
    }

    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Deliver(_) => self.delivered += 1,
            Verdict::Transmit(_) => self.transmitted += 1,
            Verdict::Reply => self.replied += 1,
            Verdict::Shape { .. } => self.shaped += 1,
            Verdict::Drop(reason) => {
                self.dropped += 1;
                self.reasons.insert(reason.name());
            }
        }
    }
}

/// One frame on both.
fn one(
    kernel: &mut Kernel,
    tables: &HostTables,
    place: Place,
    hook: Hook,
    bytes: &[u8],
    seen: &mut Tally,
) {
    let (program, gso_size) = match (place, hook) {
        (Place::Workload(_), Hook::Xdp) => (Program::XdpOut, 0),
        (Place::Underlay, Hook::Xdp) => (Program::XdpIn, 0),
        (Place::Workload(_), Hook::Tc(skb)) => (Program::TcOut, skb.gso_size),
        (Place::Underlay, Hook::Tc(skb)) => (Program::TcIn, skb.gso_size),
    };
    kernel.stand_on(match place {
        Place::Workload(ifindex) => Some(ifindex),
        Place::Underlay => None,
    });
    let Ok(outcome) = kernel.run(program, bytes, gso_size) else {
        // Frames that end within an IP header cannot be test runs.
        assert!(bytes.len() < 14 + 40, "refused: {bytes:02x?}");
        seen.refused += 1;
        return;
    };
    let before: Counters = tables.counters();
    let host = run::host(tables, place, hook, bytes);
    seen.add(host.verdict);
    let about = || {
        let counters = tables.counters().since(&before);
        format!("{place:?} {hook:?} {:?} {counters}\n{bytes:02x?}", host.verdict)
    };
    assert_eq!(outcome.action, Action::of(program, host.verdict), "{}", about());
    let difference = diff(&host.bytes, &outcome.bytes);
    assert!(difference.is_none(), "{}\n{}", difference.unwrap_or_default(), about());
    assert_eq!(kernel.take_events(), host.events, "{}", about());
}

/// Whether the frame is a super-frame that would be sent to another host. The trial sees every frame,
/// so that it knows at least the flows and fragments that the run knows.
fn leaves_as_super_frame(trial: &HostTables, place: Place, hook: Hook, bytes: &[u8]) -> bool {
    let is_super_frame = matches!(hook, Hook::Tc(skb) if skb.gso_size != 0);
    let verdict = run::host(trial, place, hook, bytes).verdict;
    is_super_frame && matches!(verdict, Verdict::Transmit(_))
}
