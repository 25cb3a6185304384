//! Network security groups with real agents, connections and frames.

mod bypass;
mod change;
mod flood;
mod large;
mod listing;
mod restart;
mod state;

use std::{net::SocketAddr, thread};

use vnetpeer_tests::netns::{Connection, Deployment, EchoServer, Guest};

/// The port that servers' groups let in.
const HTTPS: u16 = 443;

/// The other ends of connections of `red1`: on its own host, and on the other.
const SERVERS: [&str; 2] = ["blue1", "blue2"];

/// A server on a port of several NICs, by both families.
fn serve(deployment: &Deployment, names: &[&str], port: u16) -> Vec<EchoServer> {
    let guests: Vec<Guest> = names.iter().map(|name| deployment.guest(name)).collect();
    let of = |guest| [true, false].map(|is_v4| EchoServer::start(guest, is_v4, port));
    guests.iter().flat_map(of).collect()
}

fn addresses(servers: &[EchoServer]) -> Vec<SocketAddr> {
    servers.iter().map(EchoServer::address).collect()
}

fn received(servers: &[EchoServer]) -> u64 {
    servers.iter().map(EchoServer::received).sum()
}

/// All connections at once: whether each is refused.
fn all_refused(from: &Guest, servers: &[SocketAddr]) -> Vec<bool> {
    thread::scope(|scope| {
        let ask = |server| scope.spawn(move || Connection::is_refused(from, server));
        let asked: Vec<_> = servers.iter().copied().map(ask).collect();
        asked.into_iter().map(|it| it.join().expect("an answer")).collect()
    })
}

/// All connections at once: does something with each.
fn each<T: Send>(
    connections: &mut [Connection],
    action: impl Fn(&mut Connection) -> T + Sync,
) -> Vec<T> {
    let action = &action;
    thread::scope(|scope| {
        let started: Vec<_> =
            connections.iter_mut().map(|it| scope.spawn(move || action(it))).collect();
        started.into_iter().map(|it| it.join().expect("a result")).collect()
    })
}
