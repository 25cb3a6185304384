//! The stream of drops: in order, none twice, and those that find no room are counted.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics, with the place where")]

use std::{ops::Range, thread};

use aya::{
    TestRun as _,
    programs::{Program, TestRunOptions, Xdp},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use vnetpeer_common::{
    abi::{Event, Watch, capacity, event_flags, stage},
    reason::DropReason,
    types::Mac,
};
use vnetpeer_tests::{
    kernel::{self, Kernel},
    packet::Packet,
    world::{TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, World},
};
use vnetpeer_userspace::dataplane::events::Events;

/// On a workload's interface.
const PROGRAM: &str = "vnp_xdp_out";
/// Events of one CPU.
const ROOM: u16 = 16_384;
const _: () = assert!(ROOM as u32 == capacity::STREAM);

/// Programs that are about to drop what the first machine sends from another's address, and tell all of it.
fn watched() -> Kernel {
    let mut kernel = Kernel::load();
    let mut world = World::new();
    world.config.event_mask = u32::MAX;
    kernel.fill(&world.image());
    kernel.stand_on(Some(TENANT_A_VM1.ifindex()));
    kernel.set_watch(Watch { stages: stage::DROPPED, reasons: u64::MAX, ..Watch::default() });
    kernel
}

fn run_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("run on one CPU");
}

/// Sends one packet from each of these ports, with an address that is not the sender's.
fn spoof(program: &Program, ports: Range<u16>, to_port: u16) {
    let program: &Xdp = program.try_into().expect("an XDP program");
    for port in ports {
        let packet = Packet::v4(TENANT_A_VM2.v4, TENANT_B_VM1.v4).udp(port, to_port, 64);
        let bytes = packet.between(TENANT_A_VM1.mac, Mac::ROUTER).bytes();
        let options = TestRunOptions { data_in: Some(&bytes), ..TestRunOptions::new() };
        program.test_run(options).expect("a test run");
    }
}

fn ports(events: &[Event]) -> Vec<u16> {
    events.iter().map(|event| event.src_port).collect()
}

/// A CPU's part has its room and no more, and what is read makes room again, also across its end.
#[test]
fn none_is_overwritten_and_those_without_room_are_counted() {
    if !kernel::available() {
        return;
    }
    run_on(0);
    let mut kernel = watched();
    spoof(kernel.program(PROGRAM), 0..ROOM + 100, 53);
    let events = kernel.take_events();
    assert_eq!(ports(&events), (0..ROOM).collect::<Vec<_>>());
    assert_eq!(kernel.events_lost(), 100);
    for event in events {
        assert_eq!(event.reason, DropReason::SourceAddressSpoofed.number());
        assert_eq!(event.flags & event_flags::WATCHED, event_flags::WATCHED);
        assert_eq!(u32::from(event.stages), stage::DROPPED);
        assert_eq!((event.dst_port, event.frame_len, event.captured), (53, 0, 0));
    }
    for round in 0..3 {
        let sent = round..round + 10_000;
        spoof(kernel.program(PROGRAM), sent.clone(), 53);
        assert_eq!(ports(&kernel.take_events()), sent.collect::<Vec<_>>());
    }
    assert_eq!(kernel.events_lost(), 100);
}

/// Two CPUs write side by side while both parts are read: in the order of each CPU, none twice, all seen or counted.
#[test]
fn what_is_written_meanwhile_is_read_whole() {
    const SENT: u16 = 50_000;
    if !kernel::available() {
        return;
    }
    let mut kernel = watched();
    let mut seen = [Vec::new(), Vec::new()];
    let (program, events) = kernel.program_and_events(PROGRAM);
    thread::scope(|scope| {
        let senders = [0, 1].map(|cpu: u16| {
            scope.spawn(move || {
                run_on(cpu.into());
                spoof(program, 0..SENT, cpu);
            })
        });
        let mut read = |events: &mut Events| {
            events.read(64, |event, _| {
                assert_eq!(event.reason, DropReason::SourceAddressSpoofed.number());
                seen[usize::from(event.dst_port)].push(event.src_port);
            })
        };
        while senders.iter().any(|sender| !sender.is_finished()) {
            read(events);
        }
        while read(events) > 0 {}
    });
    let total: usize = seen.iter().map(Vec::len).sum();
    assert_eq!(total as u64 + kernel.events_lost(), 2 * u64::from(SENT));
    for ports in seen {
        assert!(ports.len() >= usize::from(ROOM), "{} events", ports.len());
        assert!(ports.is_sorted_by(|a, b| a < b), "out of order");
    }
}
