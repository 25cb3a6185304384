//! Who begins TCP connections to a port of a guest, in the order of their first segments: seen by a packet
//! socket in the guest's namespace, whether anybody listens there or not.

use std::{
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv},
};

use super::{
    Guest,
    capture::{ETHERNET, VNET_HEADER, open, sender},
};

/// TCP's number in IP headers.
const TCP: u8 = 6;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// As much of a frame as is looked at.
const SNAP: usize = VNET_HEADER + ETHERNET + 60 + 20;

/// A running witness.
#[derive(Debug)]
pub struct Calls {
    stop: Arc<AtomicBool>,
    callers: Arc<Mutex<Vec<IpAddr>>>,
    reader: Option<JoinHandle<()>>,
}

impl Calls {
    /// Starts to note who calls a port of a guest.
    pub fn start(guest: &Guest, port: u16) -> Self {
        let fd = open(guest);
        let (stop, callers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&callers));
        let reader = Some(thread::spawn(move || read(&fd, port, &noted, &stopped)));
        Self { stop, callers, reader }
    }

    /// Everybody who has called so far.
    pub fn callers(&self) -> Vec<IpAddr> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn read(fd: &OwnedFd, port: u16, callers: &Mutex<Vec<IpAddr>>, stop: &AtomicBool) {
    let mut buffer = [0; SNAP];
    while !stop.load(Ordering::Acquire) {
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => {
                if let Some(caller) = caller(&buffer[VNET_HEADER..length], port) {
                    callers.lock().unwrap_or_else(PoisonError::into_inner).push(caller);
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => panic!("packet socket: {error}"),
        }
    }
}

/// Who sent a frame, if it is the first segment of a connection to the port.
fn caller(frame: &[u8], port: u16) -> Option<IpAddr> {
    let source = sender(frame)?;
    let packet = &frame[ETHERNET..];
    let (protocol, header) = match source {
        IpAddr::V4(_) => (packet.get(9)?, usize::from(packet.first()? & 0x0f) * 4),
        IpAddr::V6(_) => (packet.get(6)?, 40),
    };
    let segment = packet.get(header..)?;
    let is_first = *protocol == TCP
        && segment.get(2..4)? == port.to_be_bytes()
        && segment.get(13)? & (SYN | ACK) == SYN;
    is_first.then_some(source)
}
