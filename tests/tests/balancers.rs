//! Which backend takes a flow, over time: on the host and through the programs.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics, with the place where")]

use std::collections::BTreeMap;

use vnetpeer_common::{datapath::Verdict, types::Mac};
use vnetpeer_tests::{
    case::Place,
    cases::balancers::{FRONTEND, PORT, world_over},
    frame::{Hook, Skb},
    kernel::{self, Action, Kernel, Program},
    packet::Packet,
    run,
    tables::HostTables,
    world::{HOST2, HOST3, TENANT_A_VM1, TENANT_B_VM2, TENANT_B_VM3, Vm, World},
};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A segment of the client to the frontend.
fn segment(port: u16, flags: u8) -> Vec<u8> {
    let client = &TENANT_A_VM1;
    let packet = Packet::v4(client.v4, FRONTEND.v4).tcp_flags(port, PORT, flags, 0);
    packet.between(client.mac, Mac::ROUTER).bytes()
}

/// What the host and the programs hold alike.
struct Both {
    host: HostTables,
    kernel: Option<Kernel>,
}

impl Both {
    fn new(world: &World) -> Self {
        let image = world.image();
        let mut kernel = kernel::available().then(Kernel::load);
        if let Some(kernel) = &mut kernel {
            kernel.fill(&image);
            kernel.stand_on(Some(TENANT_A_VM1.ifindex()));
        }
        Self { host: HostTables::new(image), kernel }
    }

    /// The flows stay.
    fn change(&mut self, world: &World) {
        let image = world.image();
        if let Some(kernel) = &mut self.kernel {
            kernel.change(&image);
            kernel.stand_on(Some(TENANT_A_VM1.ifindex()));
        }
        self.host.change(image);
    }

    /// More than two seconds of the kernel's clock, as the programs are told it ticks.
    fn wait(&self) {
        std::thread::sleep(std::time::Duration::from_millis(2_100));
        self.host.wait(501);
    }

    /// The interface to the host that the segment is sent to.
    fn send(&mut self, world: &World, segment: &[u8]) -> Option<u32> {
        let place = Place::Workload(TENANT_A_VM1.ifindex());
        let run = run::host(&self.host, place, Hook::Tc(Skb::default()), segment);
        if let Some(kernel) = &self.kernel {
            let outcome = kernel.run(Program::TcOut, segment, 0).expect("a test run");
            assert_eq!(outcome.action, Action::of(Program::TcOut, run.verdict));
            assert_eq!(outcome.bytes, run.bytes);
        }
        let Verdict::Transmit(to) = run.verdict else { return None };
        [HOST2, HOST3].iter().map(|host| world.vteps[host].ifindex).find(|it| *it == to.ifindex)
    }
}

#[test]
fn a_flow_keeps_its_backend_until_that_is_gone() {
    let (two, three) = (&TENANT_B_VM2, &TENANT_B_VM3);
    let before = world_over(&[two]);
    let mut after = world_over(&[three]);
    let [to_two, to_three] = [HOST2, HOST3].map(|host| Some(before.vteps[&host].ifindex));
    let mut both = Both::new(&before);
    assert_eq!(both.send(&before, &segment(1_000, SYN)), to_two);
    both.change(&after);
    assert_eq!(both.send(&after, &segment(1_000, ACK)), to_two, "a known flow");
    assert_eq!(both.send(&after, &segment(1_001, SYN)), to_three, "a new flow");
    assert_eq!(both.send(&after, &segment(1_000, SYN)), to_two, "which the flow cache knows");
    both.wait();
    assert_eq!(both.send(&after, &segment(1_000, SYN)), to_three, "a new connection");
    assert_eq!(both.send(&after, &segment(1_000, ACK)), to_three, "and its next packet");
    after.nics.remove(&three.nic);
    let mut last = world_over(&[two]);
    last.nics.remove(&three.nic);
    both.change(&last);
    assert_eq!(both.send(&last, &segment(1_001, ACK)), to_two, "its backend is gone");
}

#[test]
fn a_rule_without_backends_takes_known_flows_on() {
    let (before, after) = (world_over(&[&TENANT_B_VM2]), world_over(&[]));
    let mut both = Both::new(&before);
    let first = both.send(&before, &segment(1_000, SYN));
    both.change(&after);
    assert_eq!(both.send(&after, &segment(1_000, ACK)), first);
    assert_eq!(both.send(&after, &segment(1_001, SYN)), None);
}

#[test]
fn flows_spread_over_the_backends() {
    let members: [&Vm; 2] = [&TENANT_B_VM2, &TENANT_B_VM3];
    let world = world_over(&members);
    let mut both = Both::new(&world);
    let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
    for port in 0..400 {
        let to = both.send(&world, &segment(10_000 + port, SYN)).expect("a backend");
        *taken.entry(to).or_default() += 1;
    }
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(taken.values().all(|flows| (140..260).contains(flows)), "{taken:?}");
}
