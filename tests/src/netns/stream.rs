//! A paced stream of numbered UDP datagrams, and which of them arrived. It lasts until it is told to
//! stop, and has then sent a certain number at least.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt};
use vnetpeer_userspace::lab::netns;

use super::Guest;

/// Datagrams are sent in small groups, for a sleep is not shorter than this.
const TICK: Duration = Duration::from_millis(1);
/// Datagrams of one system call: fewer than a veth's ring holds.
const BURST: usize = 64;
/// Room for the whole stream, so that the receiver's own socket loses nothing.
const RECEIVE_BUFFER: usize = 512 << 20;
/// After the last datagram, how long others may still be on their way.
const DRAIN: Duration = Duration::from_millis(500);

/// What a datagram carries: its number.
type Number = [u8; 4];

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
    let mut headers = MultiHeaders::preallocate(BURST, None);
    let mut next = 0;
    while next < at_least || !progress.stop.load(Ordering::Relaxed) {
        // What a late wake-up left over is sent as well, but never as one burst.
        let due = start.elapsed().as_micros() as usize * per_second / 1_000_000;
        let group: Vec<Number> = (next..due.min(next + BURST)).map(number).collect();
        let mut rest = group.as_slice();
        while !rest.is_empty() {
            let sent = send_all(socket, &mut headers, rest);
            rest = &rest[sent..];
            next += sent;
        }
        progress.sent.store(next, Ordering::Relaxed);
        if next >= due {
            thread::sleep(TICK);
        }
    }
    progress.all_sent.store(true, Ordering::Release);
    next
}

fn number(number: usize) -> Number {
    u32::try_from(number).expect("a number of 32 bits").to_be_bytes()
}

/// Sends as many as the interface takes, and returns how many.
fn send_all(socket: &UdpSocket, headers: &mut MultiHeaders<()>, numbers: &[Number]) -> usize {
    let slices: Vec<[IoSlice<'_>; 1]> = numbers.iter().map(|it| [IoSlice::new(it)]).collect();
    let addresses = vec![None; numbers.len()];
    let flags = MsgFlags::empty();
    let sent = sendmmsg(socket.as_raw_fd(), headers, &slices, addresses, [], flags);
    sent.expect("the interface takes the datagrams").count()
}

/// Receives what there is, at least one; nothing after a while without any.
fn receive_some(socket: &UdpSocket, headers: &mut MultiHeaders<()>) -> Vec<usize> {
    let mut numbers = [Number::default(); BURST];
    let count = fill(socket, headers, &mut numbers);
    numbers[..count].iter().map(|it| u32::from_be_bytes(*it) as usize).collect()
}

fn fill(socket: &UdpSocket, headers: &mut MultiHeaders<()>, numbers: &mut [Number]) -> usize {
    let mut slices: Vec<[IoSliceMut<'_>; 1]> =
        numbers.iter_mut().map(|it| [IoSliceMut::new(it)]).collect();
    let flags = MsgFlags::MSG_WAITFORONE;
    recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None).map_or(0, Iterator::count)
}

fn receive(socket: &UdpSocket, progress: &Progress) -> Report {
    let mut seen = Vec::new();
    let mut duplicates = 0;
    let mut last = Instant::now();
    let mut headers = MultiHeaders::preallocate(BURST, None);
    while !(progress.all_sent.load(Ordering::Acquire) && last.elapsed() > DRAIN) {
        for number in receive_some(socket, &mut headers) {
            last = Instant::now();
            if seen.len() <= number {
                seen.resize(number + 1, false);
            }
            duplicates += usize::from(seen[number]);
            seen[number] = true;
        }
    }
    let sent = progress.sent.load(Ordering::Relaxed);
    seen.resize(sent, false);
    let missing = seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(number, _)| number);
    let missing: Vec<usize> = missing.collect();
    Report { sent, received: sent - missing.len(), duplicates, missing }
}
