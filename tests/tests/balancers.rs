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
    world::{HOST2, HOST3, HUB_NVA, TENANT_A_VM1, TENANT_B_VM2, TENANT_B_VM3, Vm, World},
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

/// The backends are in turn in the slots, so with two of them each connection goes where the last did not.
#[test]
fn connections_take_their_turns_whatever_their_ports() {
    let members: [&Vm; 2] = [&TENANT_B_VM2, &TENANT_B_VM3];
    let world = world_over(&members);
    let mut both = Both::new(&world);
    let mut last = None;
    for number in 0..400_u16 {
        let port = number.wrapping_mul(40_503) | 1_024;
        let to = both.send(&world, &segment(port, SYN));
        assert!(to.is_some() && to != last, "connection {number}");
        // What is no new connection has no turn.
        assert_eq!(both.send(&world, &segment(port, SYN)), to, "sent again");
        assert_eq!(both.send(&world, &segment(port, ACK)), to);
        last = to;
    }
}

/// By their hash: one that was forgotten finds its backend again.
#[test]
fn datagrams_have_no_turn() {
    let members: [&Vm; 2] = [&TENANT_B_VM2, &TENANT_B_VM3];
    let world = world_over(&members);
    let client = &TENANT_A_VM1;
    let datagram = |port: u16| {
        let packet = Packet::v4(client.v4, FRONTEND.v4).udp(port, PORT, 8);
        packet.between(client.mac, Mac::ROUTER).bytes()
    };
    let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
    let mut first = Vec::new();
    for again in [false, true] {
        let mut both = Both::new(&world);
        if again {
            both.send(&world, &segment(1_000, SYN));
        }
        for port in 0..400 {
            let to = both.send(&world, &datagram(10_000 + port)).expect("a backend");
            *taken.entry(to).or_default() += 1;
            if again {
                assert_eq!(first[usize::from(port)], to, "port {port}");
            } else {
                first.push(to);
            }
        }
    }
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(taken.values().all(|flows| (280..520).contains(flows)), "{taken:?}");
}

/// Where only addresses count, as many neighbours as there are slots have one each.
#[test]
fn neighbours_are_spread_evenly_where_only_addresses_count() {
    let members: [&Vm; 2] = [&TENANT_B_VM2, &TENANT_B_VM3];
    let world = world_over(&members);
    let both = Both { host: HostTables::new(world.image()), kernel: None };
    let place = Place::Workload(HUB_NVA.ifindex());
    let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
    for last in 0..=255 {
        let client = std::net::Ipv4Addr::new(192, 0, 2, last);
        let packet = Packet::v4(client, FRONTEND.v4).tcp_flags(1_000, 81, SYN, 0);
        let bytes = packet.between(HUB_NVA.mac, Mac::ROUTER).bytes();
        let run = run::host(&both.host, place, Hook::Tc(Skb::default()), &bytes);
        let Verdict::Transmit(to) = run.verdict else { panic!("{:?}", run.verdict) };
        *taken.entry(to.ifindex).or_default() += 1;
    }
    assert_eq!(taken.into_values().collect::<Vec<_>>(), [128, 128]);
}
