//! How long answers take: some requests from one NIC, each with a socket and a clock of its own.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpSocket, UdpSocket},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    IDENTIFIER, Protocol,
    icmp::{self, Echo, MAGIC},
    sockets::{datagram, listener, open_in, raw, register_in, stream_from},
};
use crate::lab::error::LabError;

/// After this a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two requests, so that none waits for the one before.
const PAUSE: Duration = Duration::from_millis(20);
const MESSAGE_MAX: usize = 128;

/// What is asked, and who answers.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// How.
    pub protocol: Protocol,
    /// Namespace of the NIC that asks.
    pub namespace: &'a str,
    /// Its address.
    pub source: IpAddr,
    /// Where to; the port means nothing for ICMP.
    pub destination: SocketAddr,
    /// Namespace of the NIC that is to answer, where servers are started for as long as it takes; none: as it is.
    pub server: Option<&'a str>,
    /// Ports of these servers. One that is taken answers for itself.
    pub ports: &'a [u16],
}

/// The time from each request to its answer; none for those without.
pub async fn measure(
    question: &Question<'_>,
    count: u16,
) -> Result<Vec<Option<Duration>>, LabError> {
    let mut servers = JoinSet::new();
    if let Some(server) = question.server {
        for port in question.ports {
            serve(server, question, *port, &mut servers)?;
        }
    }
    let mut clients = JoinSet::new();
    for number in 0..count {
        ask(question, u32::from(number), &mut clients)?;
        sleep(PAUSE).await;
    }
    let mut times = Vec::new();
    while let Some(time) = clients.join_next().await {
        times.push(time.ok().flatten());
    }
    servers.shutdown().await;
    Ok(times)
}

/// Starts a server on all addresses of a family, unless the guest has one.
fn serve(
    namespace: &str,
    question: &Question<'_>,
    port: u16,
    servers: &mut JoinSet<()>,
) -> Result<(), LabError> {
    let any = SocketAddr::new(unspecified(question.source), port);
    match question.protocol {
        Protocol::Icmp => {}
        Protocol::Tcp => {
            let Some(socket) = free(open_in(namespace, "TCP server", || listener(&any)))? else {
                return Ok(());
            };
            let socket = register_in(namespace, "TCP server", socket, TcpListener::from_std)?;
            servers.spawn(async move { while socket.accept().await.is_ok() {} });
        }
        Protocol::Udp => {
            let Some(socket) = free(open_in(namespace, "UDP server", || datagram(&any)))? else {
                return Ok(());
            };
            let socket = register_in(namespace, "UDP server", socket, UdpSocket::from_std)?;
            servers.spawn(async move {
                let mut buffer = [0; MESSAGE_MAX];
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    // The client counts what is lost.
                    let _ = socket.send_to(buffer.get(..length).unwrap_or_default(), from).await;
                }
            });
        }
    }
    Ok(())
}

/// Nothing if somebody has the port already.
fn free<T>(opened: Result<T, LabError>) -> Result<Option<T>, LabError> {
    match opened {
        Ok(socket) => Ok(Some(socket)),
        Err(LabError::Socket { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) }
}

fn ask(
    question: &Question<'_>,
    number: u32,
    clients: &mut JoinSet<Option<Duration>>,
) -> Result<(), LabError> {
    let Question { protocol, namespace, source, destination, .. } = *question;
    match protocol {
        Protocol::Tcp => {
            let socket: TcpSocket = open_in(namespace, "TCP client", || stream_from(source))?;
            clients.spawn(timed(async move { socket.connect(destination).await.is_ok() }));
        }
        Protocol::Udp => {
            let bind = || datagram(&SocketAddr::new(source, 0));
            let socket = open_in(namespace, "UDP client", bind)?;
            let socket = register_in(namespace, "UDP client", socket, UdpSocket::from_std)?;
            clients.spawn(timed(async move {
                let mut buffer = [0; MESSAGE_MAX];
                socket.send_to(&MAGIC, destination).await.is_ok()
                    && socket.recv_from(&mut buffer).await.is_ok()
            }));
        }
        Protocol::Icmp => {
            let is_v4 = source.is_ipv4();
            let socket = open_in(namespace, "ICMP socket", || raw(is_v4))?;
            let socket = register_in(namespace, "ICMP socket", socket, UdpSocket::from_std)?;
            let request = icmp::request(number, is_v4, IDENTIFIER.fetch_add(1, Ordering::Relaxed));
            clients.spawn(timed(async move {
                let mut buffer = [0; MESSAGE_MAX];
                if socket.send_to(&request, destination).await.is_err() {
                    return false;
                }
                while let Ok((length, _)) = socket.recv_from(&mut buffer).await {
                    let packet = buffer.get(..length).unwrap_or_default();
                    if icmp::read(packet, is_v4) == Some(Echo::Reply(number)) {
                        return true;
                    }
                }
                false
            }));
        }
    }
    Ok(())
}

/// How long something takes that succeeds in time.
async fn timed(action: impl Future<Output = bool>) -> Option<Duration> {
    let start = Instant::now();
    let succeeded = timeout(PATIENCE, action).await.unwrap_or(false);
    succeeded.then(|| start.elapsed())
}
