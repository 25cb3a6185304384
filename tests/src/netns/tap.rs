//! The side of a tap device where a virtual machine's NIC is: frames in and out by file.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    thread,
    time::{Duration, Instant},
};

use vnetpeer_userspace::lab::netns;

/// How long a frame may take to come.
const PATIENCE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(1);

/// Ethernet frames, and nothing before them.
const FLAGS: libc::c_int = libc::IFF_TAP | libc::IFF_NO_PI;

/// An open tap device.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Opens the tap device `name` of a namespace; `ip tuntap add` has created it.
    pub fn open(namespace: &str, name: &str) -> Self {
        let tap = netns::within(namespace, || attach(name)).expect("enter").expect("attach");
        Self(tap)
    }

    /// Sends a frame as the machine does.
    pub fn send(&mut self, frame: &[u8]) {
        self.0.write_all(frame).expect("the device takes the frame");
    }

    /// The next frame for the machine; `None` if none comes.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        let mut frame = vec![0; 2048];
        loop {
            match self.0.read(&mut frame) {
                Ok(length) => {
                    frame.truncate(length);
                    return Some(frame);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return None;
                    }
                    thread::sleep(POLL);
                }
                Err(error) => panic!("read from the tap: {error}"),
            }
        }
    }
}

fn attach(name: &str) -> io::Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open("/dev/net/tun")?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: libc::c_short::try_from(FLAGS).map_err(io::Error::other)?,
        },
    };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: the descriptor is open, and the kernel reads and writes no more than an `ifreq`.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(file) }
}
