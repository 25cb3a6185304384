//! As much as a NIC can send for as long as a test wants, over TCP or UDP, and how much of it arrived.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg, setsockopt, sockopt};
use vnetpeer_userspace::lab::netns;

use super::Guest;

/// A connection that stands still for this long has failed.
const STALL: Duration = Duration::from_secs(10);
const CHUNK: usize = 128 * 1024;
/// Payload of a datagram; with IPv6 it still is one packet of 1500 bytes at most.
const DATAGRAM: usize = 1_400;
/// Datagrams of one system call.
const GROUP: usize = 32;
/// Bits per second of datagrams, more than any limit of a test. Faster than that, a busy machine loses some in the
/// kernel's queues before the receiver.
const MOST: u64 = 800_000_000;
/// What a sender that had no time makes up for at once: fewer datagrams than the kernel's queue holds.
const BEHIND: Duration = Duration::from_millis(5);
/// Room for what the receiver has no time for.
const RECEIVE_BUFFER: usize = 512 << 20;
/// After the last datagram, how long others may still be on their way.
const DRAIN: Duration = Duration::from_millis(500);

/// What the sender and the receiver count.
#[derive(Debug, Default)]
struct Counters {
    stop: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Traffic from one NIC to another. It ends with this.
#[derive(Debug)]
pub struct Bulk {
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<()>>,
    overhead: Overhead,
    start: Instant,
}

/// What a packet of full size has beside its payload.
#[derive(Clone, Copy, Debug)]
struct Overhead {
    packet: u64,
    payload: u64,
}

/// What arrived in a time.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Bytes of IP packets, if all of them but the last were of full size: never more than it really was.
    pub bytes: u64,
    /// In this time.
    pub time: Duration,
}

impl Arrived {
    /// Bits per second.
    pub fn bits_per_second(&self) -> u64 {
        let time = self.time.as_nanos().max(1);
        u64::try_from(u128::from(self.bytes) * 8_000_000_000 / time).unwrap_or(u64::MAX)
    }
}

impl Bulk {
    /// Sends over one TCP connection. Packets have 1500 bytes.
    pub fn tcp(from: &Guest, to: &Guest, is_v4: bool) -> Self {
        let address = SocketAddr::new(to.address(is_v4), 0);
        let listen = || TcpListener::bind(address);
        let listener = netns::within(&to.namespace, listen).expect("enter").expect("listen");
        let server = listener.local_addr().expect("an address");
        let connect = || TcpStream::connect_timeout(&server, STALL);
        let start = Instant::now();
        let sender = netns::within(&from.namespace, connect)
            .expect("enter")
            .unwrap_or_else(|error| panic!("{} to {} {server}: {error}", from.name, to.name));
        let (receiver, _) = listener.accept().expect("a connected client");
        sender.set_write_timeout(Some(STALL)).expect("a timeout");
        receiver.set_read_timeout(Some(STALL)).expect("a timeout");
        // IP, TCP and its timestamps.
        let headers = if is_v4 { 52 } else { 72 };
        let overhead = Overhead { packet: 1_500, payload: 1_500 - headers };
        Self::start(
            start,
            overhead,
            move |counters| write(sender, counters),
            move |it| read(receiver, it),
        )
    }

    /// Sends datagrams as fast as the socket takes them, up to 800 Mbit/s.
    pub fn udp(from: &Guest, to: &Guest, is_v4: bool) -> Self {
        let receiver = to.udp(to.address(is_v4));
        setsockopt(&receiver, sockopt::RcvBufForce, &RECEIVE_BUFFER).expect("a large buffer");
        let server = receiver.local_addr().expect("an address");
        let sender = from.udp(from.address(is_v4));
        sender.connect(server).expect("connect");
        sender.set_write_timeout(Some(STALL)).expect("a timeout");
        let headers = if is_v4 { 28 } else { 48 };
        let overhead = Overhead { packet: DATAGRAM as u64 + headers, payload: DATAGRAM as u64 };
        Self::start(
            Instant::now(),
            overhead,
            move |counters| send(&sender, counters),
            move |it| receive(&receiver, it),
        )
    }

    fn start(
        start: Instant,
        overhead: Overhead,
        send: impl FnOnce(&Counters) + Send + 'static,
        receive: impl FnOnce(&Counters) + Send + 'static,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let (ours, theirs) = (Arc::clone(&counters), Arc::clone(&counters));
        let threads =
            vec![thread::spawn(move || send(&ours)), thread::spawn(move || receive(&theirs))];
        Self { counters, threads, overhead, start }
    }

    /// What arrives in a time from now on.
    pub async fn watch(&self, time: Duration) -> Arrived {
        let (start, before) = (Instant::now(), self.counters.received.load(Ordering::SeqCst));
        tokio::time::sleep(time).await;
        let after = self.counters.received.load(Ordering::SeqCst);
        Arrived { bytes: self.overhead.of(after - before), time: start.elapsed() }
    }

    /// Stops the sender, and says what arrived since the start. It must be what was sent.
    pub fn finish(mut self) -> Arrived {
        let arrived = self.stop();
        let sent = self.counters.sent.load(Ordering::SeqCst);
        let received = self.counters.received.load(Ordering::SeqCst);
        assert_eq!(received, sent, "bytes were lost");
        arrived
    }

    fn stop(&mut self) -> Arrived {
        self.counters.stop.store(true, Ordering::SeqCst);
        let mut time = self.start.elapsed();
        for (index, thread) in std::mem::take(&mut self.threads).into_iter().enumerate() {
            thread.join().expect("the traffic was not interrupted");
            if index == 0 {
                time = self.start.elapsed();
            }
        }
        let received = self.counters.received.load(Ordering::SeqCst);
        Arrived { bytes: self.overhead.of(received), time }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.counters.stop.store(true, Ordering::SeqCst);
    }
}

impl Overhead {
    fn of(self, payload: u64) -> u64 {
        payload * self.packet / self.payload
    }
}

fn write(mut stream: TcpStream, counters: &Counters) {
    let chunk = vec![0x5a; CHUNK];
    while !counters.stop.load(Ordering::SeqCst) {
        stream.write_all(&chunk).expect("the connection takes bytes");
        counters.sent.fetch_add(CHUNK as u64, Ordering::SeqCst);
    }
    stream.shutdown(std::net::Shutdown::Write).expect("close");
    // Until the other side has read everything and closes.
    stream.set_read_timeout(Some(STALL)).expect("a timeout");
    assert_eq!(stream.read(&mut [0; 1]).expect("the end"), 0);
}

fn read(mut stream: TcpStream, counters: &Counters) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match stream.read(&mut buffer).expect("bytes before the connection stalls") {
            0 => return,
            length => _ = counters.received.fetch_add(length as u64, Ordering::SeqCst),
        }
    }
}

fn send(socket: &UdpSocket, counters: &Counters) {
    let datagram = vec![0x5a; DATAGRAM];
    let slices = vec![[IoSlice::new(&datagram)]; GROUP];
    let addresses = vec![None; GROUP];
    let mut headers = MultiHeaders::<()>::preallocate(GROUP, None);
    let mut due = Instant::now();
    while !counters.stop.load(Ordering::SeqCst) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let flags = MsgFlags::empty();
        let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &addresses, [], flags)
            .expect("the socket takes datagrams")
            .count();
        let bytes = (sent * DATAGRAM) as u64;
        counters.sent.fetch_add(bytes, Ordering::SeqCst);
        due += Duration::from_nanos(bytes * 8_000_000_000 / MOST);
        let now = Instant::now();
        if due + BEHIND < now {
            due = now;
        }
    }
}

fn receive(socket: &UdpSocket, counters: &Counters) {
    socket.set_read_timeout(Some(DRAIN)).expect("a timeout");
    let mut buffers = vec![[0; DATAGRAM]; GROUP];
    let mut headers = MultiHeaders::<()>::preallocate(GROUP, None);
    loop {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|it| [IoSliceMut::new(it)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Ok(received) => {
                let bytes: usize = received.map(|it| it.bytes).sum();
                counters.received.fetch_add(bytes as u64, Ordering::SeqCst);
            }
            Err(error) => {
                let kind = std::io::Error::from(error).kind();
                assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted), "{error}");
                if counters.stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        }
    }
}
