//! The two loads, each on a CPU of its own: SYNs, and a stream of bytes.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use vnetpeer_tests::{
    netns::{Guest, Wire},
    packet::Packet,
};
use vnetpeer_userspace::lab::netns;

/// What the flood offers.
pub(super) const SYNS_PER_SECOND: u64 = 100_000;
/// What the stream offers, in bytes: 1 Gbit/s.
pub(super) const OFFERED: u64 = 125_000_000;
const ROUND: Duration = Duration::from_millis(500);
/// No flood lasts longer, whatever the test does.
const FLOOD_MAX: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(1);
const CHUNK: usize = 128 * 1024;
/// A stream that stands still for this long has failed.
const STALL: Duration = Duration::from_secs(10);
const SYN: u8 = 0x02;
/// Where ports are in a frame without options or extension headers.
const PORTS: [usize; 2] = [34, 54];

/// SYNs of one NIC to another, each with other ports.
#[derive(Debug)]
pub(super) struct Flood {
    wire: Wire,
    frame: Vec<u8>,
    ports: usize,
    next: AtomicU64,
}

impl Flood {
    pub(super) fn new(wire: Wire, from: &Guest, to: &Guest, is_v4: bool) -> Self {
        let packet = match (from.address(is_v4), to.address(is_v4)) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Packet::v4(from, to),
            (IpAddr::V6(from), IpAddr::V6(to)) => Packet::v6(from, to),
            mixed => panic!("one family: {mixed:?}"),
        };
        let frame = wire.frame(&packet.tcp_flags(1, 80, SYN, 0));
        Self { wire, frame, ports: PORTS[usize::from(!is_v4)], next: AtomicU64::new(0) }
    }

    /// SYNs sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Floods while `action` runs; says how many SYNs that were.
    pub(super) fn during<T>(&self, action: impl FnOnce() -> T) -> (u64, T) {
        let (before, stop) = (self.sent(), AtomicBool::new(false));
        let result = thread::scope(|scope| {
            scope.spawn(|| self.until(&stop));
            let stopped = Stop(&stop);
            let result = action();
            drop(stopped);
            result
        });
        (self.sent() - before, result)
    }

    /// Floods on the first CPU until it is told to stop.
    pub(super) fn until(&self, stop: &AtomicBool) {
        run_on(cpus().0);
        let mut frame = self.frame.clone();
        let (start, first) = (Instant::now(), self.sent());
        while !stop.load(Ordering::SeqCst) && start.elapsed() < FLOOD_MAX {
            let due = first + due(start, SYNS_PER_SECOND);
            for number in self.sent()..due {
                // The programs look at ports, and only a receiver at checksums.
                let ports = (number + (1 << 20)).to_be_bytes();
                frame[self.ports..self.ports + 4].copy_from_slice(&ports[4..]);
                self.wire.send_bytes(&frame);
            }
            self.next.store(due, Ordering::SeqCst);
            thread::sleep(TICK);
        }
    }
}

/// Stops a flood, also when what it accompanies fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One TCP connection that offers the same in every round.
#[derive(Debug)]
pub(super) struct PacedStream {
    sender: TcpStream,
    receiver: TcpStream,
    /// What all bytes of a round are.
    mark: u8,
}

impl PacedStream {
    pub(super) fn open(from: &Guest, to: &Guest, is_v4: bool) -> Self {
        let listen = || TcpListener::bind(SocketAddr::new(to.address(is_v4), 0));
        let listener = netns::within(&to.namespace, listen).expect("enter").expect("listen");
        let server = listener.local_addr().expect("an address");
        let connect = || TcpStream::connect_timeout(&server, STALL);
        let sender = netns::within(&from.namespace, connect).expect("enter").expect("connect");
        let (receiver, _) = listener.accept().expect("a connected client");
        for stream in [&sender, &receiver] {
            stream.set_read_timeout(Some(STALL)).expect("a timeout");
            stream.set_write_timeout(Some(STALL)).expect("a timeout");
        }
        Self { sender, receiver, mark: 0 }
    }

    /// Sends what is offered in a round, on the last CPU. Every byte must arrive, and the goodput is
    /// bytes per second until the last one did.
    pub(super) fn round(&mut self) -> u64 {
        let bytes = OFFERED * micros(ROUND) / 1_000_000;
        self.mark = self.mark.wrapping_add(1);
        let chunk = vec![self.mark; CHUNK];
        let (sender, receiver, chunk) = (&mut self.sender, &mut self.receiver, &chunk);
        let start = Instant::now();
        let micros = thread::scope(|scope| {
            scope.spawn(move || {
                run_on(cpus().1);
                let mut left = bytes;
                while left > 0 {
                    let ahead = bytes - due(start, OFFERED).min(bytes);
                    while left > ahead {
                        let length =
                            usize::try_from(left - ahead).map_or(CHUNK, |it| it.min(CHUNK));
                        sender.write_all(&chunk[..length]).expect("room");
                        left -= length as u64;
                    }
                    thread::sleep(TICK);
                }
            });
            let reading = scope.spawn(move || {
                run_on(cpus().1);
                let (mut buffer, mut left) = (vec![0; CHUNK], bytes);
                while left > 0 {
                    let length = receiver.read(&mut buffer).expect("bytes before it stalls");
                    assert_ne!(length, 0, "the end, with {left} bytes missing");
                    assert_eq!(buffer[..length], chunk[..length], "bytes of this round");
                    left -= length as u64;
                }
                micros(start.elapsed())
            });
            reading.join().expect("all bytes")
        });
        bytes * 1_000_000 / micros.max(1)
    }
}

/// How much of something is due since `start`.
fn due(start: Instant, per_second: u64) -> u64 {
    micros(start.elapsed()) * per_second / 1_000_000
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("a test is shorter")
}

pub(super) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// The first and the last CPU of this process.
fn cpus() -> (usize, usize) {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("the CPUs");
    let mut own = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    let first = own.next().expect("a CPU");
    (first, own.next_back().unwrap_or(first))
}

/// Keeps this thread on a CPU.
fn run_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &set).expect("run on one CPU");
}
