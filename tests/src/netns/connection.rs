//! TCP connections that carry numbered blocks there and back for as long as a test wants.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use vnetpeer_userspace::lab::netns;

use super::Guest;

/// A connection that stands still for this long has failed.
const STALL: Duration = Duration::from_secs(5);
/// Longer than the first retransmission of a SYN takes.
const REFUSED: Duration = Duration::from_millis(1_300);
/// Longer than several retransmissions of a segment take.
const SILENCE: Duration = Duration::from_millis(1_500);
/// How often a server looks whether it should end.
const POLL: Duration = Duration::from_millis(20);
/// Between two blocks of a connection that is held.
const PACE: Duration = Duration::from_millis(10);
const BLOCK: usize = 1_024;

/// A server that returns what it receives.
#[derive(Debug)]
pub struct EchoServer {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl EchoServer {
    /// Serves a port of a NIC's first address of a family.
    pub fn start(guest: &Guest, is_v4: bool, port: u16) -> Self {
        let address = SocketAddr::new(guest.address(is_v4), port);
        let listen = || TcpListener::bind(address);
        let listener = netns::within(&guest.namespace, listen).expect("enter").expect("listen");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (Arc::clone(&received), Arc::clone(&stop));
        let acceptor = thread::spawn(move || accept(&listener, &count, &stopped));
        Self { address, received, stop, acceptor: Some(acceptor) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that it has received over all connections.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, received: &AtomicU64, stop: &AtomicBool) {
    thread::scope(|scope| {
        while !stop.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => _ = scope.spawn(move || echo(stream, received, stop)),
                Err(_) => thread::sleep(POLL / 4),
            }
        }
    });
}

fn echo(mut stream: TcpStream, received: &AtomicU64, stop: &AtomicBool) {
    let prepared = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_nodelay(true))
        .and_then(|()| stream.set_write_timeout(Some(STALL)))
        .and_then(|()| stream.set_read_timeout(Some(POLL)));
    let mut buffer = [0; BLOCK];
    while prepared.is_ok() && !stop.load(Ordering::SeqCst) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                received.fetch_add(length as u64, Ordering::SeqCst);
                if stream.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The client's side of a connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    next: u64,
}

impl Connection {
    /// Connects from a NIC, which must work.
    pub fn open(from: &Guest, server: SocketAddr) -> Self {
        let stream = connect(from, server, STALL)
            .unwrap_or_else(|error| panic!("{} to {server}: {error}", from.name));
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(STALL)).expect("a timeout");
        stream.set_write_timeout(Some(STALL)).expect("a timeout");
        Self { stream, next: 0 }
    }

    /// Whether a new connection stays without an answer.
    pub fn is_refused(from: &Guest, server: SocketAddr) -> bool {
        match connect(from, server, REFUSED) {
            Ok(_) => false,
            Err(error) if is_timeout(&error) => true,
            Err(error) => panic!("{} to {server}: {error}", from.name),
        }
    }

    /// The client's own address and port.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Sends a block and waits until it comes back. It must be the same.
    pub fn exchange(&mut self) -> io::Result<()> {
        let block = self.next.to_be_bytes().repeat(BLOCK / 8);
        self.next += 1;
        self.stream.write_all(&block)?;
        let mut answer = vec![0; BLOCK];
        self.stream.read_exact(&mut answer)?;
        assert_eq!(answer, block, "block {} came back otherwise", self.next - 1);
        Ok(())
    }

    /// Exchanges blocks for so long; all must come back.
    pub fn hold(&mut self, duration: Duration) -> u64 {
        let (start, first) = (Instant::now(), self.next);
        while start.elapsed() < duration {
            self.exchange().unwrap_or_else(|error| panic!("block {}: {error}", self.next));
            thread::sleep(PACE);
        }
        self.next - first
    }

    /// Whether nothing comes back any more.
    pub fn is_dead(&mut self) -> bool {
        self.stream.set_read_timeout(Some(SILENCE)).expect("a timeout");
        self.exchange().is_err()
    }

    /// Exchanges blocks on a thread of its own until it is stopped.
    pub fn run(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Running { stop, thread: Some(thread::spawn(move || self.until(&stopped))) }
    }

    fn until(mut self, stop: &AtomicBool) -> (Self, Duration) {
        let mut longest = Duration::ZERO;
        while !stop.load(Ordering::SeqCst) {
            let start = Instant::now();
            self.exchange().unwrap_or_else(|error| panic!("block {}: {error}", self.next));
            longest = longest.max(start.elapsed());
            thread::sleep(PACE / 10);
        }
        (self, longest)
    }
}

/// A connection that is in use.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(Connection, Duration)>>,
}

impl Running {
    /// Stops it, and says what the longest exchange took. No block may have been lost.
    pub fn stop(mut self) -> (Connection, Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("the connection was not interrupted")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn connect(from: &Guest, server: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let connect = || TcpStream::connect_timeout(&server, timeout);
    netns::within(&from.namespace, connect).expect("enter")
}
