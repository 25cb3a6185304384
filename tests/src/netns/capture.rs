//! Counts what a NIC's interface receives, independently of the programs under test: a packet socket
//! in the guest's namespace, which sees every frame with the segment size that the kernel keeps
//! beside it (`PACKET_VNET_HDR`), so that the segments of a super-frame can be told.

use std::{
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    setsockopt_impl, sockopt_impl,
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
            sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};
use vnetpeer_userspace::lab::netns;

use super::Guest;

sockopt_impl!(
    /// Every frame is preceded by a `virtio_net_hdr`.
    PacketVnetHdr, SetOnly, libc::SOL_PACKET, libc::PACKET_VNET_HDR, bool
);

/// `virtio_net_hdr`: flags, type of segmentation, header length, segment size, two checksum offsets.
pub(super) const VNET_HEADER: usize = 10;
pub(super) const ETHERNET: usize = 14;
/// As much of a frame as its headers need.
const SNAP: usize = VNET_HEADER + ETHERNET + 40 + 60;
/// Room for a whole transfer, so that nothing is lost if the reader is late.
const RECEIVE_BUFFER: usize = 1 << 30;
/// The virtual router's MAC address, the source of all that a guest receives.
const ROUTER: [u8; 6] = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Captured>,
}

/// What came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// IP packets from the address that was asked for, as frames; a super-frame is one.
    pub frames: u64,
    /// Their layer-3 bytes.
    pub bytes: u64,
    /// The packets that they would be on a wire.
    pub segments: u64,
    /// The layer-3 bytes that these would have.
    pub segmented_bytes: u64,
    /// Frames from anybody else, ARP and neighbour advertisements above all.
    pub others: u64,
    /// Their bytes behind the Ethernet header.
    pub other_bytes: u64,
}

impl Capture {
    /// Starts to count what `guest` receives from `source`.
    pub fn start(guest: &Guest, source: IpAddr) -> Self {
        let fd = open(guest);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let reader = thread::spawn(move || read(&fd, source, &stopped));
        Self { stop, reader }
    }

    /// Stops when everything that has arrived is counted.
    pub fn finish(self) -> Captured {
        self.stop.store(true, Ordering::Release);
        self.reader.join().expect("the reader")
    }
}

/// A packet socket in the guest's namespace; what it receives begins with a `virtio_net_hdr`.
pub(super) fn open(guest: &Guest) -> OwnedFd {
    let open = || -> nix::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&fd, PacketVnetHdr, &true)?;
        setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(20))?;
        Ok(fd)
    };
    netns::within(&guest.namespace, open).expect("enter").expect("a packet socket")
}

fn read(fd: &OwnedFd, source: IpAddr, stop: &AtomicBool) -> Captured {
    let mut captured = Captured::default();
    let mut buffer = [0; SNAP];
    loop {
        let stopping = stop.load(Ordering::Acquire);
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC) {
            Ok(length) => captured.add(&buffer[..length.min(SNAP)], length, source),
            // The timeout; nothing is left.
            Err(Errno::EAGAIN) if stopping => return captured,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => panic!("packet socket: {error}"),
        }
    }
}

impl Captured {
    fn add(&mut self, message: &[u8], length: usize, source: IpAddr) {
        let (vnet, frame) = message.split_at(VNET_HEADER);
        if frame.len() < ETHERNET || frame[6..12] != ROUTER {
            return;
        }
        let bytes = (length - VNET_HEADER - ETHERNET) as u64;
        let packet = &frame[ETHERNET..];
        if sender(frame) != Some(source) {
            self.others += 1;
            self.other_bytes += bytes;
            return;
        }
        let segment_size = u64::from(u16::from_ne_bytes([vnet[4], vnet[5]]));
        let headers = headers(packet);
        let segments = match segment_size {
            0 => 1,
            size => (bytes - headers).div_ceil(size).max(1),
        };
        self.frames += 1;
        self.bytes += bytes;
        self.segments += segments;
        self.segmented_bytes += bytes + (segments - 1) * headers;
    }
}

/// The source address of an IP packet.
pub(super) fn sender(frame: &[u8]) -> Option<IpAddr> {
    match frame.get(12..14)? {
        [0x08, 0x00] => Some(IpAddr::from(<[u8; 4]>::try_from(frame.get(26..30)?).ok()?)),
        [0x86, 0xdd] => Some(IpAddr::from(<[u8; 16]>::try_from(frame.get(22..38)?).ok()?)),
        _ => None,
    }
}

/// Length of the IP and TCP headers; of the IP header alone where it is not TCP.
fn headers(packet: &[u8]) -> u64 {
    let (ip, protocol) = match packet[0] >> 4 {
        4 => (usize::from(packet[0] & 0x0f) * 4, packet[9]),
        _ => (40, packet[6]),
    };
    let tcp = if protocol == 6 { usize::from(packet[ip + 12] >> 4) * 4 } else { 0 };
    (ip + tcp) as u64
}
