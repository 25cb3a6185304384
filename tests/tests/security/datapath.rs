//! The product against the oracle: compiled groups with the core in host memory, and with the loaded
//! programs.

use std::collections::BTreeMap;

use vnetpeer_common::{
    datapath::{Verdict as Outcome, inbound, outbound},
    reason::DropReason,
};
use vnetpeer_tests::{
    case::Place,
    frame::{Frame, Hook},
    kernel::{self, Action, Kernel, Program},
    random::{Random, seed},
    security::{
        Oracle, Probe, Tracker, Upper, Verdict,
        classbench::{Flavour, Headers, network_with},
        network::{self, JUDGED, address, net},
        product::{self, Fate, Product},
        random::{Probes, Sets, attach},
    },
    tables::HostTables,
};
use vnetpeer_userspace::topology::model::{
    Access, Direction, Endpoints, RuleProtocol, RuleSide, SecurityRule, ServiceTag, Topology,
};

/// Packets of one set whose other side gets a machine if it needs one.
const FURNISHED: usize = 800;
/// Packets of one set: fewer than the flow table holds.
const PACKETS: usize = 3_500;
/// Random sets in host memory, and in each of the two tests of the programs. With the realistic sets,
/// the programs judge a million packets.
const HOST_SETS: usize = 6;
const KERNEL_SETS: usize = 125;
/// Rules of the realistic sets.
const SIZES: [usize; 4] = [10, 100, 300, 1_000];
/// Realistic sets of each size that the programs see of every flavour.
const KERNEL_ROUNDS: usize = 6;

/// What runs the frames of one set.
enum Datapath<'a> {
    Host(Box<HostTables>),
    Kernel(&'a mut Kernel),
}

impl Datapath<'_> {
    /// What becomes of a frame.
    fn run(&mut self, place: Place, bytes: &[u8]) -> Fate {
        match self {
            Self::Host(tables) => on_host(tables, place, bytes),
            Self::Kernel(kernel) => in_kernel(kernel, place, bytes),
        }
    }
}

fn on_host(tables: &HostTables, place: Place, bytes: &[u8]) -> Fate {
    let mut frame = Frame::new(Hook::Xdp, bytes);
    let outcome = match place {
        Place::Workload(ifindex) => outbound(&mut frame, tables, ifindex),
        Place::Underlay => inbound(&mut frame, tables),
    };
    match outcome {
        Outcome::Drop(reason) => Fate::Dropped(reason),
        Outcome::Deliver(to) => Fate::Delivered(to.ifindex),
        Outcome::Transmit(_) => Fate::Transmitted,
        Outcome::Pass | Outcome::Reply | Outcome::Shape { .. } => panic!("{outcome:?}"),
    }
}

fn in_kernel(kernel: &mut Kernel, place: Place, bytes: &[u8]) -> Fate {
    let (program, ifindex) = match place {
        Place::Workload(ifindex) => (Program::XdpOut, Some(ifindex)),
        Place::Underlay => (Program::XdpIn, None),
    };
    kernel.stand_on(ifindex);
    let action = kernel.run(program, bytes, 0).expect("a test run").action;
    let events = kernel.take_events();
    match (action, events.as_slice()) {
        (Action::PassWithNote(1, ifindex, _), []) => Fate::Delivered(ifindex),
        (Action::PassWithNote(2, ..) | Action::Redirect, []) => Fate::Transmitted,
        (Action::Drop, [event]) => {
            Fate::Dropped(DropReason::from_number(event.reason).expect("a known reason"))
        }
        other => panic!("{other:?} at {place:?}"),
    }
}

/// How the product compared.
#[derive(Debug, Default)]
struct Tally {
    allowed: usize,
    denied: usize,
    /// What the judged NIC's rules had no say in.
    skipped: BTreeMap<&'static str, usize>,
    disagreements: Vec<String>,
}

impl Tally {
    /// One set on the core in host memory, or in the kernel.
    fn compare(
        &mut self,
        kernel: Option<&mut Kernel>,
        topology: &Topology,
        mut next: impl FnMut() -> Vec<Probe>,
    ) {
        let mut topology = topology.clone();
        let mut probes = Vec::new();
        while probes.len() < FURNISHED {
            probes.extend(next());
        }
        product::furnish(&mut topology, &probes);
        probes.retain(|probe| product::compares(&topology, probe));
        while probes.len() < PACKETS {
            let more = next();
            let is_known = |it: &Probe| product::reaches(&topology, it);
            if more.iter().all(|it| is_known(it) && product::compares(&topology, it)) {
                probes.extend(more);
            }
        }
        let product = Product::new(&topology);
        let mut datapath = match kernel {
            None => Datapath::Host(Box::new(HostTables::new(product.image().clone()))),
            Some(kernel) => {
                kernel.fill(product.image());
                Datapath::Kernel(kernel)
            }
        };
        self.run(&mut datapath, &product, &topology, &probes);
    }

    fn run(
        &mut self,
        datapath: &mut Datapath<'_>,
        product: &Product,
        topology: &Topology,
        probes: &[Probe],
    ) {
        let oracle = Oracle::new(topology);
        let mut tracker = Tracker::new(oracle.clone());
        for (probe, number) in probes.iter().zip(0..) {
            let (place, bytes) = product.frame(probe, number);
            let fate = datapath.run(place, &bytes);
            let Some(found) = product::verdict(probe.direction, fate) else {
                let reason = match fate {
                    Fate::Dropped(reason) => reason.name(),
                    Fate::Delivered(_) | Fate::Transmitted => "passed by",
                };
                *self.skipped.entry(reason).or_default() += 1;
                continue;
            };
            let expected = tracker.next(JUDGED, probe);
            match expected {
                Verdict::Allow => self.allowed += 1,
                Verdict::Deny => self.denied += 1,
            }
            if found != expected {
                let stages = oracle.judge(JUDGED, probe).stages;
                self.disagreements.push(format!(
                    "{probe:?} at {place:?}: {fate:?}, oracle {expected:?} by {stages:?}"
                ));
            }
        }
    }

    /// No disagreement, enough of everything, and little that was not judged.
    fn assert_equal(&self) {
        let shown = self.disagreements.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        let skipped: usize = self.skipped.values().sum();
        let judged = self.allowed + self.denied;
        println!("{} allowed, {} denied, skipped {:?}", self.allowed, self.denied, self.skipped);
        assert!(self.disagreements.is_empty(), "{}:\n{shown}", self.disagreements.len());
        assert!(self.allowed.min(self.denied) > judged / 10, "{self:?}");
        assert!(skipped < judged / 3, "{:?}", self.skipped);
    }
}

fn random_sets(mut kernel: Option<Kernel>, seed: u64, count: usize) -> Tally {
    let mut sets = Sets::new(seed);
    let mut tally = Tally::default();
    for _ in 0..count {
        let topology = sets.one();
        let mut probes = Probes::new(sets.random().next(), &topology);
        tally.compare(kernel.as_mut(), &topology, || probes.conversation());
    }
    tally
}

fn realistic_sets(mut kernel: Option<Kernel>, flavour: Flavour, rounds: usize) -> Tally {
    let mut random = Random::new(seed());
    let mut tally = Tally::default();
    for size in std::iter::repeat_n(SIZES, rounds).flatten() {
        let topology = network_with(&mut random, flavour, size);
        let mut headers = Headers::new(random.next(), &topology);
        tally.compare(kernel.as_mut(), &topology, || vec![headers.one()]);
    }
    tally
}

#[test]
fn the_core_agrees_on_random_sets() {
    random_sets(None, seed(), HOST_SETS).assert_equal();
}

#[test]
fn the_core_agrees_on_realistic_sets() {
    for flavour in Flavour::ALL {
        realistic_sets(None, flavour, 1).assert_equal();
    }
}

#[test]
fn the_programs_agree_on_random_sets() {
    if kernel::available() {
        random_sets(Some(Kernel::load()), seed(), KERNEL_SETS).assert_equal();
    }
}

#[test]
fn the_programs_agree_on_more_random_sets() {
    if kernel::available() {
        random_sets(Some(Kernel::load()), !seed(), KERNEL_SETS).assert_equal();
    }
}

#[test]
fn the_programs_agree_on_access_lists() {
    programs_agree_on(Flavour::AccessList);
}

#[test]
fn the_programs_agree_on_firewalls() {
    programs_agree_on(Flavour::Firewall);
}

#[test]
fn the_programs_agree_on_chains() {
    programs_agree_on(Flavour::Chain);
}

fn programs_agree_on(flavour: Flavour) {
    if kernel::available() {
        realistic_sets(Some(Kernel::load()), flavour, KERNEL_ROUNDS).assert_equal();
    }
}

/// A rule with a tag of the platform comes after one of a lower number. Only for the two addresses that
/// pass by themselves is there no other rule.
#[test]
fn tags_of_the_platform_keep_their_priority() {
    let rule = |priority, access, endpoints| SecurityRule {
        name: format!("rule{priority}"),
        priority,
        direction: Direction::Outbound,
        access,
        protocol: RuleProtocol::Any,
        source: RuleSide { endpoints: Endpoints::Any, ports: vec![0..=u16::MAX] },
        destination: RuleSide { endpoints, ports: vec![0..=u16::MAX] },
    };
    let tag = Endpoints::Tag(ServiceTag::Prefixes {
        name: "AzurePlatformLKM".to_owned(),
        prefixes: vec![net("20.118.99.224/32")],
        platform: true,
    });
    let rules = vec![rule(100, Access::Allow, Endpoints::Any), rule(200, Access::Deny, tag)];
    let mut topology = network::bare();
    topology.nics[JUDGED.0].security_group = Some(attach(&mut topology, "nic", rules));
    let upper = Upper::Udp { source: 1, destination: 2 };
    let [from, to] = ["10.0.1.4", "20.118.99.224"].map(address);
    let mut tally = Tally::default();
    product::furnish(&mut topology, &[]);
    let product = Product::new(&topology);
    let mut core = Datapath::Host(Box::new(HostTables::new(product.image().clone())));
    tally.run(&mut core, &product, &topology, &[Probe::new(Direction::Outbound, from, to, upper)]);
    assert_eq!((tally.allowed, tally.disagreements), (1, Vec::new()));
}
