//! One question to one backend, by a TCP/IP stack of its own: the host's knows nothing of the VNet's
//! addresses, and two VNets may have the same.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::IpAddr,
    time::Duration,
};

use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken},
    socket::tcp::{self, State},
    time::Instant,
    wire::{HardwareAddress, IpAddress, IpCidr},
};
use tokio::{
    io::unix::AsyncFd,
    time::{sleep, timeout},
};
use vnetpeer_common::{
    types::Mac,
    wire::{ETHERNET_LEN, ethertype},
};

use super::socket::Socket;
use crate::topology::{
    balancing::{PROBE_IPV4, PROBE_IPV6},
    model::ProbeProtocol,
};

/// How long an answer may take; shorter than the shortest interval.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);
/// How long the guest may take to end a connection.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long a socket may wait with nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// Bytes that are kept of an answer; the guest cannot send more than that at once.
const BUFFER: usize = 2_048;
/// The smallest that every network carries over IPv6.
const MTU: usize = 1_280;
/// The longest frame that is read; what a guest's stack leaves to the device to cut has no more than
/// the buffer takes.
const FRAME_MAX: usize = 4_096;
/// Ports that a client takes (RFC 6335 §6).
const CLIENT_PORTS: u16 = 49_152;

/// Whom to ask, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The interface before the guest.
    pub(super) interface: String,
    /// The guest's MAC address.
    pub(super) mac: Mac,
    /// The address asked.
    pub(super) address: IpAddr,
    /// The port asked.
    pub(super) port: u16,
    /// What is asked.
    pub(super) protocol: ProbeProtocol,
}

/// Asks. An error says, for people, why the backend counts as unhealthy.
pub(super) async fn ask(question: &Question) -> Result<(), String> {
    match timeout(TIMEOUT, connect(question)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
    }
}

async fn connect(question: &Question) -> Result<(), String> {
    let broken = |error: io::Error| format!("{}: {error}", question.interface);
    let ifindex = nix::net::if_::if_nametoindex(question.interface.as_str())
        .map_err(|error| broken(error.into()))?;
    let asks: IpAddr =
        if question.address.is_ipv4() { PROBE_IPV4.into() } else { PROBE_IPV6.into() };
    let socket = Socket::open(ifindex, asks, question.port).map_err(broken)?;
    let mut call = Call::new(&socket, question, asks)?;
    let result = call.talk(question).await;
    call.end().await;
    result
}

/// A connection to a guest.
struct Call<'a> {
    link: Link<'a>,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl<'a> Call<'a> {
    fn new(socket: &'a AsyncFd<Socket>, question: &Question, asks: IpAddr) -> Result<Self, String> {
        let seed = RandomState::new().hash_one(question.port);
        let mut link = Link { socket, guest: question.mac, error: None };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut link, Instant::now());
        // Everything is on the link.
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(IpCidr::new(IpAddress::from(asks), 0));
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut tcp = tcp::Socket::new(buffer(), buffer());
        let port = CLIENT_PORTS + u16::try_from(seed % 16_384).unwrap_or_default();
        tcp.connect(
            interface.context(),
            (IpAddress::from(question.address), question.port),
            (IpAddress::from(asks), port),
        )
        .map_err(|error| error.to_string())?;
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(tcp);
        Ok(Self { link, interface, sockets, handle })
    }

    async fn talk(&mut self, question: &Question) -> Result<(), String> {
        self.until(|socket| !matches!(socket.state(), State::SynSent | State::SynReceived)).await?;
        if !self.socket().may_send() {
            return Err("connection refused".to_owned());
        }
        let ProbeProtocol::Http(path) = &question.protocol else { return Ok(()) };
        let host = match question.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: Load Balancer Agent\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n",
            question.port
        );
        let mut left = request.as_bytes();
        while !left.is_empty() {
            self.until(|socket| socket.can_send() || !socket.may_send()).await?;
            let sent = self.socket().send_slice(left).map_err(|error| error.to_string())?;
            left = left.get(sent..).unwrap_or_default();
        }
        let mut answer = Vec::new();
        while !answer.contains(&b'\n') && answer.len() < BUFFER {
            self.until(|socket| socket.can_recv() || !socket.may_recv()).await?;
            let mut part = [0; BUFFER];
            let Ok(len) = self.socket().recv_slice(&mut part) else { break };
            answer.extend(part.iter().take(len));
        }
        judge(&answer)
    }

    /// Ends the connection as a client does; a guest that does not agree in time gets a reset.
    async fn end(&mut self) {
        self.socket().close();
        let is_over = |socket: &mut tcp::Socket<'_>| {
            matches!(socket.state(), State::Closed | State::TimeWait)
        };
        if timeout(GOODBYE, self.until(is_over)).await.is_err() {
            self.socket().abort();
            self.poll();
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn poll(&mut self) {
        self.interface.poll(Instant::now(), &mut self.link, &mut self.sockets);
    }

    /// Sends and receives until something is so.
    async fn until(
        &mut self,
        is_so: impl Fn(&mut tcp::Socket<'static>) -> bool,
    ) -> Result<(), String> {
        loop {
            self.poll();
            if let Some(error) = self.link.error.take() {
                return Err(error.to_string());
            }
            if is_so(self.socket()) {
                return Ok(());
            }
            let delay = self.interface.poll_delay(Instant::now(), &self.sockets);
            let delay = delay.map_or(IDLE, |it| Duration::from_micros(it.total_micros())).min(IDLE);
            tokio::select! {
                ready = self.link.socket.readable() => match ready {
                    Ok(mut guard) => guard.clear_ready(),
                    Err(error) => return Err(error.to_string()),
                },
                () = sleep(delay) => {}
            }
        }
    }
}

/// What an HTTP server says in its first line.
fn judge(answer: &[u8]) -> Result<(), String> {
    let line = String::from_utf8_lossy(answer);
    let line = line.lines().next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(version), Some("200")) if version.starts_with("HTTP/1.") => Ok(()),
        (Some(version), Some(status)) if version.starts_with("HTTP/1.") => {
            Err(format!("HTTP status {}", status.chars().take(8).collect::<String>()))
        }
        _ => Err("no answer by HTTP".to_owned()),
    }
}

/// IP packets between the stack and the guest.
struct Link<'a> {
    socket: &'a AsyncFd<Socket>,
    guest: Mac,
    /// Why the last packet could not be sent.
    error: Option<io::Error>,
}

/// A packet that came.
struct Received(Vec<u8>);

/// Leave to send one.
struct Sending<'l, 'a>(&'l mut Link<'a>);

impl Link<'_> {
    /// The next packet. A frame that ends inside its Ethernet header is none.
    fn packet(&mut self) -> Option<Received> {
        let mut frame = vec![0; FRAME_MAX];
        match self.socket.get_ref().receive(&mut frame) {
            Ok(len) => Some(Received(frame.get(ETHERNET_LEN..len)?.to_vec())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

impl<'a> Device for Link<'a> {
    type RxToken<'l>
        = Received
    where
        Self: 'l;
    type TxToken<'l>
        = Sending<'l, 'a>
    where
        Self: 'l;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_, 'a>)> {
        let packet = self.packet()?;
        Some((packet, Sending(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_, 'a>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // A guest may leave checksums to its device.
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_packet: F) -> R {
        use_packet(&self.0)
    }
}

impl TxToken for Sending<'_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, make: F) -> R {
        let mut packet = vec![0; len];
        let result = make(&mut packet);
        let is_v4 = packet.first().is_some_and(|first| first >> 4 == 4);
        let kind = if is_v4 { ethertype::IPV4 } else { ethertype::IPV6 };
        let header = [&self.0.guest.0[..], &Mac::ROUTER.0, &kind.to_be_bytes()].concat();
        if let Err(error) = self.0.socket.get_ref().send(&[header, packet].concat()) {
            self.0.error = Some(error);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn only_status_200_is_healthy() {
        assert_eq!(judge(b"HTTP/1.1 200 OK\r\n"), Ok(()));
        assert_eq!(judge(b"HTTP/1.0 200\r\n"), Ok(()));
        for other in ["HTTP/1.1 204 No Content", "HTTP/1.1 503 x", "HTTP/2 200", "200", "", "\n"] {
            assert!(judge(other.as_bytes()).is_err(), "{other}");
        }
    }
}
