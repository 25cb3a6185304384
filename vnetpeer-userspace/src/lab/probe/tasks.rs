//! What servers and clients do. They go on until they are aborted: a probe's end is decided for all
//! probes together.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    task::JoinSet,
};

use super::{
    Board, RESEND,
    icmp::{self, Echo, MAGIC},
};
use crate::topology::model::NicIndex;

/// Largest message of a probe, with an IPv4 header with options.
const MESSAGE_MAX: usize = 128;

/// A server's answer where there is no NIC of that number, which no document has.
const NOBODY: u32 = u32::MAX;

/// A datagram to send until it is answered.
pub(super) struct Request {
    pub(super) probe: u32,
    pub(super) to: SocketAddr,
    pub(super) message: Vec<u8>,
}

pub(super) async fn serve_tcp(listener: TcpListener, nic: NicIndex, board: Board) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let board = board.clone();
                connections.spawn(async move { answer_tcp(stream, nic, &board).await });
            }
            // A connection that was reset before it was accepted; or no descriptor is free, and
            // then others must end first.
            Err(_) => tokio::time::sleep(RESEND).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer_tcp(mut stream: TcpStream, nic: NicIndex, board: &Board) -> Option<()> {
    let probe = stream.read_u32().await.ok()?;
    board.received(probe, nic);
    stream.write_u32(number(nic)).await.ok()
}

/// One attempt; the kernel repeats the SYN.
pub(super) async fn ask_tcp(socket: TcpSocket, probe: u32, to: SocketAddr, board: Board) {
    let Ok(mut stream) = socket.connect(to).await else { return };
    if stream.write_u32(probe).await.is_ok()
        && let Ok(answer) = stream.read_u32().await
    {
        board.answered(probe, nic(answer));
    }
}

pub(super) async fn serve_udp(socket: UdpSocket, nic: NicIndex, board: Board) {
    let mut buffer = [0; MESSAGE_MAX];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let message = buffer.get(..length).and_then(|message| message.strip_prefix(&MAGIC));
        let Some(probe) = message.and_then(first_u32) else { continue };
        board.received(probe, nic);
        // The client repeats what is lost.
        let _ = socket.send_to(&datagram([probe, number(nic)]), from).await;
    }
}

pub(super) async fn ask_udp(socket: UdpSocket, requests: Vec<Request>, board: Board) {
    let receive = async {
        let mut buffer = [0; MESSAGE_MAX];
        loop {
            let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
            let message = buffer.get(..length).and_then(|message| message.strip_prefix(&MAGIC));
            let probe = message.and_then(first_u32);
            let answer = message.and_then(|message| first_u32(message.get(4..)?));
            if let (Some(probe), Some(answer)) = (probe, answer) {
                board.answered(probe, nic(answer));
            }
        }
    };
    tokio::join!(receive, repeat(&socket, &requests, &board));
}

/// Notes the echoes that a NIC receives: requests of others, which its kernel answers, and replies
/// to its own.
pub(super) async fn watch_icmp(socket: UdpSocket, is_v4: bool, nic: NicIndex, board: Board) {
    let mut buffer = [0; MESSAGE_MAX];
    loop {
        let Ok((length, _)) = socket.recv_from(&mut buffer).await else { continue };
        match buffer.get(..length).and_then(|packet| icmp::read(packet, is_v4)) {
            Some(Echo::Request(probe)) => board.received(probe, nic),
            Some(Echo::Reply(probe)) => board.echoed(probe),
            None => {}
        }
    }
}

/// The replies are noted by [`watch_icmp`] of the same NIC.
pub(super) async fn ask_icmp(socket: UdpSocket, requests: Vec<Request>, board: Board) {
    repeat(&socket, &requests, &board).await;
}

/// Sends what has no answer yet, again and again.
async fn repeat(socket: &UdpSocket, requests: &[Request], board: &Board) {
    loop {
        for request in requests.iter().filter(|request| !board.is_answered(request.probe)) {
            // Unreachable is a result, and what comes of it is that no answer is seen.
            let _ = socket.send_to(&request.message, request.to).await;
        }
        tokio::time::sleep(RESEND).await;
    }
}

/// A datagram of a probe: its number, and in an answer the NIC's.
pub(super) fn datagram<const N: usize>(words: [u32; N]) -> Vec<u8> {
    MAGIC.into_iter().chain(words.into_iter().flat_map(u32::to_be_bytes)).collect()
}

fn first_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn number(nic: NicIndex) -> u32 {
    u32::try_from(nic.0).unwrap_or(NOBODY)
}

fn nic(number: u32) -> NicIndex {
    NicIndex(usize::try_from(number).unwrap_or(usize::MAX))
}
