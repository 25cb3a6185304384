//! Bytes from one NIC to another over TCP.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
use vnetpeer_userspace::lab::netns;

use super::Guest;

/// A connection that stands still for this long has failed.
const STALL: Duration = Duration::from_secs(10);
const CHUNK: usize = 128 * 1024;
/// The receiver's buffer, which bounds what is on its way: fewer full segments than the 256 slots
/// of a veth's ring. A segment that is lost behind a meter was metered and is sent again, so only
/// without loss do sender, meters and receiver count the same.
const WINDOW: usize = 128 * 1024;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// How many bytes.
    pub bytes: usize,
    /// Over which family.
    pub is_v4: bool,
}

/// Sends bytes from one NIC to another, and returns when both sides have closed the connection.
/// Every byte must arrive.
pub fn transfer(from: &Guest, to: &Guest, what: Transfer) {
    let address = to.address(what.is_v4);
    let listen = || TcpListener::bind(SocketAddr::new(address, 0));
    let listener = netns::within(&to.namespace, listen).expect("enter").expect("listen");
    setsockopt(&listener, sockopt::RcvBuf, &WINDOW).expect("a bounded buffer");
    let server = listener.local_addr().expect("an address");
    let connect = || TcpStream::connect_timeout(&server, STALL);
    let mut sender = netns::within(&from.namespace, connect)
        .expect("enter")
        .unwrap_or_else(|error| panic!("{} to {} {server}: {error}", from.name, to.name));
    let (mut receiver, _) = listener.accept().expect("a connected client");
    for stream in [&sender, &receiver] {
        stream.set_read_timeout(Some(STALL)).expect("a timeout");
        stream.set_write_timeout(Some(STALL)).expect("a timeout");
    }
    thread::scope(|scope| {
        let total = scope.spawn(move || {
            let (mut buffer, mut sum) = (vec![0; CHUNK], 0);
            loop {
                match receiver.read(&mut buffer).expect("bytes before the connection stalls") {
                    0 => break sum,
                    length => sum += length,
                }
            }
        });
        let chunk = vec![0x5a; CHUNK];
        let mut left = what.bytes;
        while left > 0 {
            let length = left.min(CHUNK);
            sender.write_all(&chunk[..length]).expect("the connection takes bytes");
            left -= length;
        }
        sender.shutdown(std::net::Shutdown::Write).expect("close");
        assert_eq!(total.join().expect("the receiver"), what.bytes);
        // The receiver's end is closed by now; this waits for its FIN.
        assert_eq!(sender.read(&mut [0; 1]).expect("the end"), 0);
    });
}
