//! Numbered datagrams at a steady pace, and when each was sent and arrived: what a command does to
//! them, from its start and from its return.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use vnetpeer_userspace::lab::netns;

use super::Guest;

/// Between two datagrams.
const PACE: Duration = Duration::from_micros(500);
/// How often the receiver looks whether it should end.
const POLL: Duration = Duration::from_millis(20);
/// What is on its way arrives within this time.
const ARRIVAL: Duration = Duration::from_millis(100);

/// A running sender and its receiver.
#[derive(Debug)]
pub struct Probes {
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
    receiver: JoinHandle<BTreeMap<u64, Instant>>,
}

/// A command: what several senders sent next when it began and when it had returned.
#[derive(Clone, Debug)]
pub struct Span {
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub took: Duration,
    /// By sender: number of the first datagram that was sent after it began.
    pub first: Vec<u64>,
    /// By sender: number of the first datagram that was sent after it had returned.
    pub after: Vec<u64>,
}

impl Span {
    /// Runs a command while datagrams are sent.
    pub fn of(senders: &[Probes], command: impl FnOnce()) -> Self {
        let next = || senders.iter().map(Probes::next).collect();
        let (first, start) = (next(), Instant::now());
        command();
        let took = start.elapsed();
        Self { start, took, first, after: next() }
    }
}

impl Probes {
    /// Starts to send from one NIC to another. Unreachable destinations are no error.
    pub fn start(from: &Guest, to: &Guest, is_v4: bool) -> Self {
        let receiver = to.udp(to.address(is_v4));
        receiver.set_read_timeout(Some(POLL)).expect("a timeout");
        let server = receiver.local_addr().expect("an address");
        let source = SocketAddr::new(from.address(is_v4), 0);
        let bind = || UdpSocket::bind(source);
        let sender = netns::within(&from.namespace, bind).expect("enter").expect("bind");
        let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (numbers, stopped) = (Arc::clone(&next), Arc::clone(&stop));
        let sender = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let _ = sender.send_to(&number.to_be_bytes(), server);
                thread::sleep(PACE);
            }
        });
        let stopped = Arc::clone(&stop);
        let receiver = thread::spawn(move || receive(&receiver, &stopped));
        Self { next, stop, sender, receiver }
    }

    /// The number of the datagram that is sent next.
    fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Waits until that many further datagrams were sent.
    pub fn send_more(&self, datagrams: u64) {
        let goal = self.next() + datagrams;
        while self.next() < goal {
            thread::sleep(PACE);
        }
    }

    /// Ends, and tells when each datagram arrived that did.
    pub fn finish(self) -> BTreeMap<u64, Instant> {
        self.send_more(1);
        thread::sleep(ARRIVAL);
        self.stop.store(true, Ordering::SeqCst);
        self.sender.join().expect("the sender");
        self.receiver.join().expect("the receiver")
    }
}

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> BTreeMap<u64, Instant> {
    let mut arrivals = BTreeMap::new();
    let mut number = [0; 8];
    while !stop.load(Ordering::SeqCst) {
        if socket.recv(&mut number).is_ok() {
            arrivals.insert(u64::from_be_bytes(number), Instant::now());
        }
    }
    arrivals
}
