//! The flow table and the cache in front of it, over many packets: the cache decides nothing, and the
//! table says the same on the host and in the kernel.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics, with the place where")]

use std::{collections::BTreeMap, sync::Barrier};

use aya::{
    TestRun as _,
    programs::{TestRunOptions, Xdp},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use vnetpeer_common::{
    abi::{Filter, FlowsOpened, protocol_class},
    types::{Mac, PolicyId},
};
use vnetpeer_tests::{
    case::Place,
    frame::{Hook, Skb},
    kernel::{self, Action, Kernel, Program},
    packet::{Packet, diff},
    random::{Random, seed},
    run,
    tables::HostTables,
    world::{
        HUB_VM1, Policy, Rule, Side, TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, Vm, World,
        open_filter,
    },
};

const SYN: u8 = 0x02;
const FLAGS: [u8; 7] = [SYN, 0x12, 0x10, 0x10, 0x18, 0x11, 0x04];
const MACHINES: [Vm; 4] = [TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, HUB_VM1];
const PORTS: [u16; 3] = [443, 53, 40_000];

/// Rule lists of which machines get some.
fn policies() -> Vec<Policy> {
    let any = || Side::ANY;
    let class = |class| Some(class);
    let end = || Rule::deny(99, None, any(), any());
    vec![
        vec![Rule::allow(1, None, any(), any())],
        vec![Rule::allow(2, class(protocol_class::TCP), any(), Side::port(443)), end()],
        vec![Rule::deny(3, class(protocol_class::UDP), any(), Side::port(53)), allow_network(4)],
        vec![allow_network(5), end()],
        vec![Rule::allow(6, class(protocol_class::ICMP), Side::prefix("10.0.0.0/8"), any()), end()],
        vec![end()],
    ]
}

fn allow_network(id: u32) -> Rule {
    Rule::allow(id, None, Side::VNET, Side::VNET)
}

/// The fixed world, whose machines have random policies.
fn world(random: &mut Random) -> World {
    let mut world = World::new();
    world.policies = (1..).map(PolicyId).zip(policies()).collect();
    let count = world.policies.len();
    for vm in &MACHINES {
        let mut stage = |chance| {
            let id = u32::try_from(1 + random.below(count)).expect("a few policies");
            if random.one_in(chance) { PolicyId(id) } else { PolicyId::NONE }
        };
        let outbound = [stage(6), stage(4), stage(4)];
        let inbound = [stage(6), stage(2), stage(2)];
        world.filters.insert(vm.slot(), Filter { outbound, inbound, ..open_filter() });
    }
    world
}

/// A packet between two of the machines, few enough different ones that flows have many packets.
fn packet(random: &mut Random) -> (Place, Vec<u8>) {
    let (from, to) = (*random.pick(&MACHINES), *random.pick(&MACHINES));
    let ports = (*random.pick(&PORTS), *random.pick(&PORTS));
    let packet =
        if random.one_in(3) { Packet::v6(from.v6, to.v6) } else { Packet::v4(from.v4, to.v4) };
    let v6 = packet.len() == 40;
    let packet = match random.below(8) {
        0..=3 => packet.tcp_flags(ports.0, ports.1, *random.pick(&FLAGS), 20),
        4 | 5 => packet.udp(ports.0, ports.1, 20),
        6 => packet.icmp(*random.pick(if v6 { &[128, 129] } else { &[8, 0] }), 0, 7),
        _ if v6 => packet.udp(ports.0, ports.1, 64).ip6(|ip| ip.fragment(1)),
        _ => packet.udp(ports.0, ports.1, 64).ip4(|ip| ip.fragment = 0x2000),
    };
    (Place::Workload(from.ifindex()), packet.between(from.mac, Mac::ROUTER).bytes())
}

/// Flows opened by slot. Replies are noted a second late at most, so they may differ.
fn opened(flows: &BTreeMap<u32, FlowsOpened>) -> Vec<(u32, u64)> {
    flows.iter().map(|(slot, flows)| (*slot, flows.opened)).collect()
}

#[test]
fn the_cache_decides_nothing() {
    let mut random = Random::new(seed());
    let (mut served, mut delivered) = (0, 0);
    for _ in 0..40 {
        let image = world(&mut random).image();
        let [kept, emptied, none] = [(); 3].map(|()| HostTables::new(image.clone()));
        for _ in 0..1_500 {
            let (place, bytes) = packet(&mut random);
            if random.one_in(4) {
                emptied.forget_actions();
            }
            none.forget_actions();
            if random.one_in(50) {
                let jiffies = *random.pick(&[1, 200, 300, 10_000, 70_000]);
                for tables in [&kept, &emptied, &none] {
                    tables.wait(jiffies);
                }
            }
            let runs = [&kept, &emptied, &none].map(|it| run::host(it, place, Hook::Xdp, &bytes));
            let [one, others @ ..] = runs;
            for other in others {
                assert_eq!(one.verdict, other.verdict, "{bytes:02x?}");
                assert_eq!(one.bytes, other.bytes, "{bytes:02x?}");
                assert_eq!(one.counters, other.counters, "{bytes:02x?}");
            }
            delivered += usize::from(one.counters.drops.is_empty());
        }
        assert_eq!(opened(&kept.flows_by_slot()), opened(&none.flows_by_slot()));
        assert_eq!(kept.rule_hits(), none.rule_hits());
        served += kept.actions();
    }
    // A cache that is never used decides nothing either.
    assert!(served > 200, "{served} cached actions");
    assert!(delivered > 5_000, "{delivered} packets delivered");
}

#[test]
fn the_kernel_agrees_with_its_cache_emptied_at_random() {
    if !kernel::available() {
        return;
    }
    let mut random = Random::new(seed());
    let mut kernel = Kernel::load();
    let mut delivered = 0;
    for round in 0..12 {
        let image = world(&mut random).image();
        let tables = HostTables::new(image.clone());
        kernel.fill(&image);
        let hook = if round % 2 == 0 { Hook::Xdp } else { Hook::Tc(Skb::default()) };
        let program = if round % 2 == 0 { Program::XdpOut } else { Program::TcOut };
        let before = kernel.counters();
        for _ in 0..800 {
            let (place, bytes) = packet(&mut random);
            let Place::Workload(ifindex) = place else { continue };
            if random.one_in(40) {
                kernel.forget_actions();
            }
            kernel.stand_on(Some(ifindex));
            let outcome = kernel.run(program, &bytes, 0).expect("the kernel runs the frame");
            let host = run::host(&tables, place, hook, &bytes);
            assert_eq!(outcome.action, Action::of(program, host.verdict), "{bytes:02x?}");
            let difference = diff(&host.bytes, &outcome.bytes);
            assert!(difference.is_none(), "{}", difference.unwrap_or_default());
            assert_eq!(kernel.take_events(), host.events);
            delivered += usize::from(host.counters.drops.is_empty());
        }
        let (counted, expected) = (kernel.counters().since(&before), tables.counters());
        assert_eq!(counted, expected, "{counted}\nnot {expected}\nin round {round}");
        assert_eq!(opened(&kernel.flows_by_slot()), opened(&tables.flows_by_slot()));
    }
    assert!(delivered > 500, "{delivered} packets delivered");
}

/// Two CPUs see the first packet of a flow at once: both let it pass, and there is one flow.
#[test]
fn two_first_packets_at_once_open_one_flow() {
    if !kernel::available() {
        return;
    }
    let mut kernel = Kernel::load();
    kernel.fill(&World::new().image());
    kernel.stand_on(Some(TENANT_A_VM1.ifindex()));
    let program: &Xdp = kernel.program(Program::XdpOut.name()).try_into().expect("an XDP program");
    let rounds = 300_u16;
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut set = CpuSet::new();
                set.set(cpu).expect("a CPU");
                sched_setaffinity(Pid::from_raw(0), &set).expect("run on one CPU");
                for port in 0..rounds {
                    let (from, to) = (TENANT_A_VM1, TENANT_B_VM1);
                    let packet = Packet::v4(from.v4, to.v4).tcp_flags(1_000 + port, 443, SYN, 0);
                    let bytes = packet.between(from.mac, Mac::ROUTER).bytes();
                    barrier.wait();
                    let mut output = vec![0; 4096];
                    let options = TestRunOptions {
                        data_in: Some(&bytes),
                        data_out: Some(&mut output),
                        ..TestRunOptions::new()
                    };
                    let result = program.test_run(options).expect("a test run");
                    // A redirect, or up the stack with a note.
                    assert!(matches!(result.return_value, 2 | 4), "{}", result.return_value);
                }
            });
        }
    });
    let flows = kernel.flows_by_slot();
    for vm in [TENANT_A_VM1, TENANT_B_VM1] {
        assert_eq!(flows.get(&vm.slot()).map(|it| it.opened), Some(u64::from(rounds)));
    }
    assert_eq!(kernel.flows(), usize::from(rounds) * 2);
}

/// A flow that nobody used for its time has ended, whether or not it was removed.
#[test]
fn an_ended_flow_is_judged_anew() {
    let mut world = World::new();
    let closed = vec![Rule::deny(1, None, Side::ANY, Side::ANY)];
    world.policies.insert(PolicyId(1), closed);
    let inbound = [PolicyId::NONE, PolicyId(1), PolicyId::NONE];
    world.filters.insert(TENANT_A_VM1.slot(), Filter { inbound, ..open_filter() });
    let tables = HostTables::new(world.image());
    let (a, b) = (TENANT_A_VM1, TENANT_B_VM1);
    let there = Packet::v4(a.v4, b.v4).udp(1_000, 53, 8).between(a.mac, Mac::ROUTER).bytes();
    let back = Packet::v4(b.v4, a.v4).udp(53, 1_000, 8).between(b.mac, Mac::ROUTER).bytes();
    let send = |vm: &Vm, bytes: &[u8]| {
        let run = run::host(&tables, Place::Workload(vm.ifindex()), Hook::Xdp, bytes);
        run.counters.drops.is_empty()
    };
    let second = 250;
    assert!(send(&a, &there));
    tables.wait(30 * second);
    assert!(send(&b, &back), "within 30 seconds of the question");
    tables.wait(240 * second);
    assert!(send(&b, &back), "within the idle timeout");
    tables.wait(242 * second);
    assert!(!send(&b, &back), "after the idle timeout");
    assert!(send(&a, &there));
    tables.wait(32 * second);
    assert!(!send(&b, &back), "no answer came for 30 seconds");
}
