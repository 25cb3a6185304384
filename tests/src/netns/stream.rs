//! A paced stream of numbered UDP datagrams, and which of them arrived. It lasts until it is told to
//! stop, and has then sent a certain number at least.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt};
use vnetpeer_userspace::lab::netns;

use super::Guest;

/// Datagrams are sent in small groups, for a sleep is not shorter than this.
const TICK: Duration = Duration::from_millis(1);
/// Fewer than a veth's ring holds.
const BURST: usize = 64;
/// Room for the whole stream, so that the receiver's own socket loses nothing.
const RECEIVE_BUFFER: usize = 512 << 20;
/// After the last datagram, how long others may still be on their way.
const DRAIN: Duration = Duration::from_millis(500);

/// A running stream.
#[derive(Debug)]
pub struct Stream {
    progress: Arc<Progress>,
    sender: JoinHandle<usize>,
    receiver: JoinHandle<Report>,
}

/// What both threads and the test know of each other.
#[derive(Debug, Default)]
struct Progress {
    sent: AtomicUsize,
    stop: AtomicBool,
    all_sent: AtomicBool,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Datagrams that were sent.
    pub sent: usize,
    /// Datagrams that arrived at least once.
    pub received: usize,
    /// Datagrams that arrived again.
    pub duplicates: usize,
    /// Numbers of those that did not arrive.
    pub missing: Vec<usize>,
}

impl Stream {
    /// Starts to send: `at_least` datagrams, `per_second` of them in a second.
    pub fn start(
        from: &Guest,
        to: &Guest,
        is_v4: bool,
        at_least: usize,
        per_second: usize,
    ) -> Self {
        let receiver = to.udp(to.address(is_v4));
        setsockopt(&receiver, sockopt::RcvBufForce, &RECEIVE_BUFFER).expect("a large buffer");
        receiver.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let server = receiver.local_addr().expect("an address");
        let source = SocketAddr::new(from.address(is_v4), 0);
        let connect = || {
            let socket = UdpSocket::bind(source)?;
            socket.connect(server).map(|()| socket)
        };
        let sender = netns::within(&from.namespace, connect).expect("enter").expect("connect");
        let progress = Arc::new(Progress::default());
        let (ours, theirs) = (Arc::clone(&progress), Arc::clone(&progress));
        let sender = thread::spawn(move || send(&sender, at_least, per_second, &ours));
        let receiver = thread::spawn(move || receive(&receiver, &theirs));
        Self { progress, sender, receiver }
    }

    /// Datagrams sent so far.
    pub fn sent(&self) -> usize {
        self.progress.sent.load(Ordering::Relaxed)
    }

    /// Waits until that many datagrams were sent.
    pub async fn reach(&self, datagrams: usize) {
        while self.sent() < datagrams && !self.sender.is_finished() {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits until enough was sent, and for what is still on its way.
    pub fn finish(self) -> Report {
        self.progress.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().expect("the sender");
        let report = self.receiver.join().expect("the receiver");
        assert_eq!(report.sent, sent);
        report
    }
}

impl Report {
    /// Fails unless every datagram arrived exactly once.
    pub fn assert_whole(&self) {
        let (from, to) = (self.missing.first(), self.missing.last());
        assert_eq!(self.missing.len(), 0, "lost of {} datagrams, {from:?} to {to:?}", self.sent);
        assert_eq!(self.duplicates, 0, "duplicates of {}", self.sent);
    }
}

fn send(socket: &UdpSocket, at_least: usize, per_second: usize, progress: &Progress) -> usize {
    let start = Instant::now();
    let mut next = 0;
    while next < at_least || !progress.stop.load(Ordering::Relaxed) {
        // What a late wake-up left over is sent as well, but never as one burst.
        let due = start.elapsed().as_micros() as usize * per_second / 1_000_000;
        let group = due.min(next + BURST);
        while next < group {
            let number = u32::try_from(next).expect("a number of 32 bits");
            socket.send(&number.to_be_bytes()).expect("the interface takes the datagram");
            next += 1;
        }
        progress.sent.store(next, Ordering::Relaxed);
        if next >= due {
            thread::sleep(TICK);
        }
    }
    progress.all_sent.store(true, Ordering::Release);
    next
}

fn receive(socket: &UdpSocket, progress: &Progress) -> Report {
    let mut seen = Vec::new();
    let mut duplicates = 0;
    let mut last = Instant::now();
    let mut buffer = [0; 64];
    while !(progress.all_sent.load(Ordering::Acquire) && last.elapsed() > DRAIN) {
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        last = Instant::now();
        let number = u32::from_be_bytes(buffer[..length].try_into().expect("four bytes")) as usize;
        if seen.len() <= number {
            seen.resize(number + 1, false);
        }
        duplicates += usize::from(seen[number]);
        seen[number] = true;
    }
    let sent = progress.sent.load(Ordering::Relaxed);
    seen.resize(sent, false);
    let missing = seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(number, _)| number);
    let missing: Vec<usize> = missing.collect();
    Report { sent, received: sent - missing.len(), duplicates, missing }
}
