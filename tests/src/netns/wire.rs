//! Frames as a guest's own programs could make them, and what of them arrives: packet sockets on the
//! interfaces of NICs.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::{
        socket::{
            AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recv, sendto,
            setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};
use vnetpeer_common::types::Mac;
use vnetpeer_userspace::{lab::netns, topology::compile::guest_mac};

use super::{Deployment, Guest};
use crate::packet::Packet;

/// A frame that should come does so within this.
const PATIENCE: Duration = Duration::from_secs(5);
const TICK: i64 = 20;
const FRAME_MAX: usize = 65_536;
/// Room for all that comes before it is read.
const RECEIVE_BUFFER: usize = 64 << 20;
const INTERFACE: &str = "eth0";

/// A packet socket on a NIC's interface.
#[derive(Debug)]
pub struct Wire {
    fd: OwnedFd,
    interface: LinkAddr,
    mac: Mac,
}

impl Wire {
    /// Opens it.
    pub fn open(deployment: &Deployment, guest: &Guest) -> Self {
        let lab = &deployment.lab;
        let mut nics = lab.topology().nics.iter();
        let nic = nics.find(|nic| nic.id.name() == guest.name).expect("the NIC exists");
        let mac = guest_mac(nic, lab.state().nic(&nic.id).expect("a number"));
        let attached = netns::within(&guest.namespace, attach).expect("enter");
        let (fd, interface) = attached.expect("a packet socket");
        Self { fd, interface, mac }
    }

    /// Sends a packet to the virtual router.
    pub fn send(&self, packet: &Packet) {
        self.send_bytes(&self.frame(packet));
    }

    /// The frame of a packet to the virtual router.
    pub fn frame(&self, packet: &Packet) -> Vec<u8> {
        packet.clone().between(self.mac, Mac::ROUTER).bytes()
    }

    /// Sends a frame. A device that is full takes it a moment later.
    pub fn send_bytes(&self, frame: &[u8]) {
        while !self.try_send(frame) {
            std::thread::yield_now();
        }
    }

    /// Sends a frame unless the device is full.
    pub fn try_send(&self, frame: &[u8]) -> bool {
        match sendto(self.fd.as_raw_fd(), frame, &self.interface, MsgFlags::empty()) {
            Ok(_) => true,
            Err(Errno::ENOBUFS | Errno::EAGAIN) => false,
            Err(error) => panic!("send a frame: {error}"),
        }
    }

    /// The frames that came from the virtual router up to the one that `is_last` tells.
    pub fn receive_until(&self, is_last: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        let mut frames = Vec::new();
        let mut buffer = vec![0; FRAME_MAX];
        while Instant::now() < deadline {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => {
                    let frame = &buffer[..length];
                    if frame.get(6..12) != Some(&Mac::ROUTER.0) {
                        continue;
                    }
                    if is_last(frame) {
                        return frames;
                    }
                    frames.push(frame.to_vec());
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => panic!("packet socket: {error}"),
            }
        }
        panic!("the last frame did not come within {PATIENCE:?}; {} others did", frames.len());
    }
}

/// A packet socket and the address of the NIC's interface.
fn attach() -> nix::Result<(OwnedFd, LinkAddr)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(TICK))?;
    setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    let mut interfaces = getifaddrs()?.filter(|it| it.interface_name == INTERFACE);
    let address = interfaces.find_map(|it| it.address?.as_link_addr().copied());
    Ok((fd, address.ok_or(Errno::ENODEV)?))
}
