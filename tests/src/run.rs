//! Runs frames and cases on the core in host memory, and compares.

use std::fmt::Write as _;

use vnetpeer_common::{
    abi::Event,
    datapath::{Delivery, Transmission, Verdict, inbound, outbound},
    reason::DropReason,
};

use crate::{
    case::{Case, Expected, Hooks, Place},
    counters::Counters,
    frame::{Frame, Hook, Skb},
    packet::diff,
    tables::HostTables,
    world::World,
};

/// What the core made of a frame.
#[derive(Clone, Debug)]
pub struct HostRun {
    /// The verdict.
    pub verdict: Verdict,
    /// The frame.
    pub bytes: Vec<u8>,
    /// What was counted.
    pub counters: Counters,
    /// Drops that were reported.
    pub events: Vec<Event>,
}

/// Runs the core on one frame.
pub fn host(tables: &HostTables, place: Place, hook: Hook, input: &[u8]) -> HostRun {
    let before = tables.counters();
    let mut frame = Frame::new(hook, input);
    let verdict = match place {
        Place::Workload(ifindex) => outbound(&mut frame, tables, ifindex),
        Place::Underlay => inbound(&mut frame, tables),
    };
    HostRun {
        verdict,
        bytes: frame.bytes().to_vec(),
        counters: tables.counters().since(&before),
        events: tables.take_events(),
    }
}

impl Case {
    /// The hooks that the case is for. TC sees every frame twice: whole, and with nothing but the
    /// Ethernet header in its linear part.
    pub fn hooks(&self) -> Vec<Hook> {
        let tc = |skb: Skb| [Hook::Tc(skb), Hook::Tc(Skb { linear: Some(14), ..skb })];
        match self.hooks {
            Hooks::Both => [vec![Hook::Xdp], tc(Skb::default()).to_vec()].concat(),
            Hooks::Xdp => vec![Hook::Xdp],
            Hooks::Tc(skb) => tc(skb).to_vec(),
        }
    }

    /// Runs the case's frames on these tables and returns what became of the last.
    pub fn run_on(&self, tables: &HostTables, hook: Hook) -> HostRun {
        for (place, frame) in &self.before {
            host(tables, *place, hook, frame);
        }
        host(tables, self.place, hook, &self.input)
    }

    /// Runs the case on the core at one hook; `Err` says what differs.
    pub fn check(&self, hook: Hook) -> Result<(), String> {
        let world = self.world();
        let tables = HostTables::new(world.image());
        let run = self.run_on(&tables, hook);
        let mut text = String::new();
        let expected = self.verdict(&world);
        if run.verdict != expected {
            let _ = writeln!(text, "verdict {:?}, not {expected:?}", run.verdict);
        }
        if let Some(output) = &self.output
            && let Some(difference) = diff(output, &without_hash(self.expected, &run.bytes))
        {
            let _ = write!(text, "{difference}");
        }
        let counters = self.counters_at(hook);
        if run.counters != counters {
            let _ = writeln!(text, "counted {}, not {counters}", run.counters);
        }
        let blamed = run.events.first().map(|event| event.link);
        if self.link.is_some() && blamed != self.link {
            let _ = writeln!(text, "the event blames link {blamed:?}, not {:?}", self.link);
        }
        if text.is_empty() { Ok(()) } else { Err(format!("{} at {hook:?}:\n{text}", self.name)) }
    }

    /// What must be counted. A drop before the IP header was pulled cannot tell its length.
    fn counters_at(&self, hook: Hook) -> Counters {
        const EARLY: [DropReason; 2] = [DropReason::SourceMacSpoofed, DropReason::VlanTagged];
        let mut counters = self.counters.clone();
        if let Hook::Tc(Skb { linear: Some(_), .. }) = hook {
            let early = counters.drops.iter_mut().filter(|((_, it), _)| EARLY.contains(it));
            early.for_each(|(_, counter)| counter.bytes = 0);
        }
        counters
    }

    /// The verdict that the core must return in this world.
    fn verdict(&self, world: &World) -> Verdict {
        match self.expected {
            Expected::Pass => Verdict::Pass,
            Expected::Deliver(id) => {
                let nic = world.nics[&id];
                Verdict::Deliver(Delivery { nic: id, ifindex: nic.ifindex, flags: nic.flags })
            }
            Expected::Transmit(id) => {
                let vtep = world.vteps[&id];
                Verdict::Transmit(Transmission { ifindex: vtep.ifindex, flags: vtep.flags })
            }
            Expected::Shape(ifindex) => Verdict::Shape { ifindex },
            Expected::Reply => Verdict::Reply,
            Expected::Drop(reason) => Verdict::Drop(reason),
        }
    }
}

/// Where the flow's hash is in a packet with these outer headers: the UDP source port.
fn hash_at(frame: &[u8]) -> usize {
    if frame.get(12) == Some(&8) { 34 } else { 54 }
}

/// The UDP source port of an encapsulated frame.
pub fn source_port(frame: &[u8]) -> u16 {
    let at = hash_at(frame);
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

/// An encapsulated frame with the flow's hash taken out, after a look that it is in its range. Which
/// hash a sender uses is its own affair.
fn without_hash(expected: Expected, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let at = hash_at(&frame);
    if !matches!(expected, Expected::Transmit(_)) || frame.len() < at + 2 {
        return frame;
    }
    // 49152 to 65535.
    frame[at] &= 0xc0;
    frame[at + 1] = 0;
    if at == 54 {
        // The flow label.
        frame[15] &= 0xf0;
        frame[16] = 0;
        frame[17] = 0;
    }
    frame
}

/// Runs all cases on the core at all their hooks, and fails with all differences at once.
pub fn check_all(cases: &[Case]) {
    let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "every case has its own name");
    let failures: Vec<String> = cases
        .iter()
        .flat_map(|case| case.hooks().into_iter().map(move |hook| case.check(hook)))
        .filter_map(Result::err)
        .collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
