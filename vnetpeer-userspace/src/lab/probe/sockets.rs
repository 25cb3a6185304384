//! Opens sockets in a NIC's namespace and starts the tasks that use them.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
};
use tokio::{net::TcpSocket, task::JoinSet};

use super::{
    Board, Guest, Probe, Protocol, icmp,
    tasks::{self, Request},
};
use crate::lab::{error::LabError, netns};

/// Lets this process open as many sockets as it may: by default that is 1,024, and every NIC needs
/// about ten.
pub(super) fn allow_many() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, so does the socket that is one too many, and that is told.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Opens sockets in a NIC's namespace.
fn open<T: Send>(
    guest: &Guest,
    what: &'static str,
    action: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, LabError> {
    open_in(&guest.namespace, what, action)
}

/// The same, by the namespace's name.
pub(super) fn open_in<T: Send>(
    namespace: &str,
    what: &'static str,
    action: impl FnOnce() -> io::Result<T> + Send,
) -> Result<T, LabError> {
    let failed = |source| LabError::Socket { what, namespace: namespace.to_owned(), source };
    netns::within(namespace, action)?.map_err(failed)
}

/// Turns a socket into one that tasks can wait for; this needs the runtime, opening it does not.
fn register<S, T>(
    guest: &Guest,
    what: &'static str,
    socket: S,
    convert: impl FnOnce(S) -> io::Result<T>,
) -> Result<T, LabError> {
    register_in(&guest.namespace, what, socket, convert)
}

/// The same, by the namespace's name.
pub(super) fn register_in<S, T>(
    namespace: &str,
    what: &'static str,
    socket: S,
    convert: impl FnOnce(S) -> io::Result<T>,
) -> Result<T, LabError> {
    let failed = |source| LabError::Socket { what, namespace: namespace.to_owned(), source };
    convert(socket).map_err(failed)
}

/// Starts the servers of one NIC.
pub(super) fn serve(
    guest: &Guest,
    services: &BTreeSet<(Protocol, u16)>,
    board: &Board,
    servers: &mut JoinSet<()>,
) -> Result<(), LabError> {
    let of = |protocol| -> Vec<SocketAddr> {
        let ports = services.iter().filter(|it| it.0 == protocol).map(|it| it.1);
        let addresses = |port| guest.addresses.iter().map(move |it| SocketAddr::new(*it, port));
        ports.flat_map(addresses).collect()
    };
    let addresses = of(Protocol::Tcp);
    let listeners = open(guest, "TCP server", || addresses.iter().map(listener).collect())?;
    let listeners: Vec<TcpListener> = listeners;
    for socket in listeners {
        let socket = register(guest, "TCP server", socket, tokio::net::TcpListener::from_std)?;
        servers.spawn(tasks::serve_tcp(socket, guest.nic, board.clone()));
    }
    let addresses = of(Protocol::Udp);
    let sockets = open(guest, "UDP server", || addresses.iter().map(datagram).collect())?;
    let sockets: Vec<UdpSocket> = sockets;
    for socket in sockets {
        let socket = register(guest, "UDP server", socket, tokio::net::UdpSocket::from_std)?;
        servers.spawn(tasks::serve_udp(socket, guest.nic, board.clone()));
    }
    for is_v4 in families(guest) {
        let socket = open(guest, "ICMP socket", || raw(is_v4))?;
        let socket = register(guest, "ICMP socket", socket, tokio::net::UdpSocket::from_std)?;
        servers.spawn(tasks::watch_icmp(socket, is_v4, guest.nic, board.clone()));
    }
    Ok(())
}

/// Starts the clients for probes from one NIC. Their echoes have an identifier of their own, so that they
/// belong to no earlier flow.
pub(super) fn ask(
    guest: &Guest,
    probes: &[(u32, Probe)],
    identifier: u16,
    board: &Board,
    clients: &mut JoinSet<()>,
) -> Result<(), LabError> {
    let of = |protocol| probes.iter().filter(move |(_, probe)| probe.protocol == protocol);
    let sockets = open(guest, "TCP client", || {
        of(Protocol::Tcp)
            .map(|(number, probe)| Ok((*number, *probe, stream_from(probe.source)?)))
            .collect()
    })?;
    let sockets: Vec<(u32, Probe, TcpSocket)> = sockets;
    for (number, probe, socket) in sockets {
        let destination = SocketAddr::new(probe.destination, probe.port);
        clients.spawn(tasks::ask_tcp(socket, number, destination, board.clone()));
    }
    for is_v4 in families(guest) {
        let requests = |protocol, message: &dyn Fn(u32) -> Vec<u8>| {
            let of_family = of(protocol).filter(|(_, probe)| probe.source.is_ipv4() == is_v4);
            of_family
                .map(|(number, probe)| Request {
                    probe: *number,
                    to: SocketAddr::new(probe.destination, probe.port),
                    message: message(*number),
                })
                .collect::<Vec<_>>()
        };
        // All probes of one NIC and family come from the same address.
        let source = probes.iter().find(|(_, probe)| probe.source.is_ipv4() == is_v4);
        let Some(source) = source.map(|(_, probe)| probe.source) else { continue };
        let socket = open(guest, "UDP client", || datagram(&SocketAddr::new(source, 0)))?;
        let socket = register(guest, "UDP client", socket, tokio::net::UdpSocket::from_std)?;
        let datagrams = requests(Protocol::Udp, &|probe| tasks::datagram([probe]));
        clients.spawn(tasks::ask_udp(socket, datagrams, board.clone()));
        let socket = open(guest, "ICMP socket", || raw(is_v4))?;
        let socket = register(guest, "ICMP socket", socket, tokio::net::UdpSocket::from_std)?;
        let echoes =
            requests(Protocol::Icmp, &|probe| icmp::request(probe, is_v4, identifier).into());
        clients.spawn(tasks::ask_icmp(socket, echoes, board.clone()));
    }
    Ok(())
}

fn families(guest: &Guest) -> impl Iterator<Item = bool> {
    let has = |is_v4| guest.addresses.iter().any(|address| address.is_ipv4() == is_v4);
    [true, false].into_iter().filter(move |is_v4| has(*is_v4))
}

pub(super) fn listener(address: &SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(super) fn datagram(address: &SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(super) fn stream_from(source: IpAddr) -> io::Result<TcpSocket> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket)
}

/// A raw socket behaves like a UDP socket whose ports mean nothing. It is not bound: any address of
/// the NIC is as good a source as another.
pub(super) fn raw(is_v4: bool) -> io::Result<UdpSocket> {
    let (family, protocol) = if is_v4 {
        (AddressFamily::Inet, SockProtocol::Icmp)
    } else {
        (AddressFamily::Inet6, SockProtocol::IcmpV6)
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(UdpSocket::from(socket(family, SockType::Raw, flags, protocol)?))
}
