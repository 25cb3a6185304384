//! Servers behind a load balancer: each says who it is.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use vnetpeer_userspace::lab::netns;

use super::Guest;

const POLL: Duration = Duration::from_millis(10);
/// Longer than the first retransmission of a SYN takes.
const PATIENCE: Duration = Duration::from_millis(1_400);
/// What a client waits for an answer.
const ANSWER: Duration = Duration::from_secs(3);

/// A server that answers every line and every datagram with its name, by TCP and UDP.
#[derive(Debug)]
pub struct Backend {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Backend {
    /// Serves these addresses of a NIC, by both protocols.
    pub fn start(guest: &Guest, addresses: &[SocketAddr]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for address in addresses.iter().copied() {
            let bind =
                || Ok::<_, io::Error>((TcpListener::bind(address)?, UdpSocket::bind(address)?));
            let (tcp, udp) = netns::within(&guest.namespace, bind).expect("enter").expect("bind");
            tcp.set_nonblocking(true).expect("a listener that does not block");
            udp.set_read_timeout(Some(POLL)).expect("a timeout");
            let (name, stopped) = (guest.name.clone(), Arc::clone(&stop));
            threads.push(thread::spawn(move || accept(&tcp, &name, &stopped)));
            let (name, stopped) = (guest.name.clone(), Arc::clone(&stop));
            threads.push(thread::spawn(move || answer(&udp, &name, &stopped)));
        }
        Self { stop, threads }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, name: &str, stop: &AtomicBool) {
    thread::scope(|scope| {
        while !stop.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => _ = scope.spawn(move || talk(stream, name, stop)),
                Err(_) => thread::sleep(POLL),
            }
        }
    });
}

fn talk(mut stream: TcpStream, name: &str, stop: &AtomicBool) {
    let prepared = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(POLL)));
    let mut buffer = vec![0; 65_536];
    while prepared.is_ok() && !stop.load(Ordering::SeqCst) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let lines = buffer.iter().take(length).filter(|byte| **byte == b'\n').count();
                let answer = format!("{name}\n").repeat(lines);
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

fn answer(socket: &UdpSocket, name: &str, stop: &AtomicBool) {
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::SeqCst) {
        if let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(name.as_bytes(), from);
        }
    }
}

/// A flow of a client to a load balancer.
#[derive(Debug)]
pub enum Dialogue {
    /// A connection.
    Tcp(TcpStream),
    /// A connected UDP socket.
    Udp(UdpSocket),
}

impl Dialogue {
    /// Connects; an error if nobody answers in time.
    pub fn tcp(from: &Guest, to: SocketAddr) -> io::Result<Self> {
        let connect = || TcpStream::connect_timeout(&to, PATIENCE);
        let stream = netns::within(&from.namespace, connect).expect("enter")?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// A socket of its own.
    pub fn udp(from: &Guest, to: SocketAddr) -> io::Result<Self> {
        let socket = from.udp(from.address(to.is_ipv4()));
        socket.connect(to)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::Udp(socket))
    }

    /// Asks who is at the other end.
    pub fn who(&mut self) -> io::Result<String> {
        let mut buffer = [0; 64];
        let length = match self {
            Self::Tcp(stream) => {
                stream.write_all(b"who\n")?;
                stream.read(&mut buffer)?
            }
            Self::Udp(socket) => {
                socket.send(b"who")?;
                socket.recv(&mut buffer)?
            }
        };
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).trim().to_owned())
    }

    /// Sends so many bytes and reads one answer.
    pub fn send(&mut self, bytes: usize) -> io::Result<()> {
        if let Self::Tcp(stream) = self {
            let block = vec![b'x'; bytes];
            stream.write_all(&block)?;
        }
        self.who().map(drop)
    }
}

/// Who answers so many connections, one after the other; under `-` those that nobody answered.
pub fn answers(from: &Guest, to: SocketAddr, count: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let who = Dialogue::tcp(from, to).and_then(|mut it| it.who());
        *counts.entry(who.unwrap_or_else(|_| "-".to_owned())).or_default() += 1;
    }
    counts
}
