//! Frames as bytes, for programs that run elsewhere: made, looked at and forwarded as a guest does.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;

use super::{Packet, frame::Frame};

/// The frame that a guest with this MAC address hands to the virtual router.
pub fn frame(packet: &Packet, guest: Mac) -> Vec<u8> {
    packet.frame(guest).bytes().to_vec()
}

/// Where a frame goes: the address right behind its Ethernet header.
pub fn address(frame: &[u8]) -> Option<IpAddr> {
    Frame::new(&[frame]).destination()
}

/// Address and port to which a packet goes after programs have handled its frame.
pub fn destination(frame: &[u8], packet: &Packet) -> (IpAddr, u16) {
    let frame = Frame::new(&[frame]);
    (
        frame.destination().unwrap_or(packet.destination),
        frame.destination_port().unwrap_or(packet.destination_port),
    )
}

/// The frame as a guest forwards it; `None` if its hops are used up.
pub fn forwarded(frame: &[u8], guest: Mac) -> Option<Vec<u8>> {
    let mut frame = Frame::new(&[frame]);
    frame.forward(guest)?;
    Some(frame.bytes().to_vec())
}
