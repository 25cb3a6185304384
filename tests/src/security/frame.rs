//! The bytes of a probe, with a number at their end by which it is known again.

use std::net::IpAddr;

use super::probe::{Probe, Upper};
use crate::packet::{Packet, Transport, checksum_of};

/// What precedes the number.
const MAGIC: [u8; 4] = *b"\xa5NSG";

/// The frame of a probe, without MAC addresses yet.
pub fn of(probe: &Probe, number: u32) -> Packet {
    let tail = [MAGIC, number.to_be_bytes()].concat();
    let packet = match (probe.source, probe.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Packet::v4(source, destination),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Packet::v6(source, destination),
        mixed => panic!("two families: {mixed:?}"),
    };
    packet.transport(match probe.upper {
        Upper::Tcp { source, destination, flags } => Transport::Raw {
            protocol: 6,
            bytes: segment(probe, &segment_header(source, destination, flags), &tail),
        },
        Upper::Udp { source, destination } => {
            Transport::Udp { src: source, dst: destination, payload: tail, no_checksum: false }
        }
        Upper::Icmp { kind, identifier } => {
            let rest = u32::from(identifier) << 16 | 1;
            Transport::Icmp { kind, code: 0, rest, payload: tail }
        }
        Upper::Other(protocol) => Transport::Raw { protocol, bytes: opaque(protocol, &tail) },
    })
}

/// The number of a frame; none if it is not one of ours.
pub fn number(frame: &[u8]) -> Option<u32> {
    let tail = frame.last_chunk::<8>()?;
    let (magic, number) = tail.split_at(4);
    (magic == MAGIC).then(|| u32::from_be_bytes(number.try_into().expect("four bytes")))
}

fn segment_header(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let mut header = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    // Sequence numbers 1 and 2, a header of five words, no checksum yet.
    header.extend([0, 0, 0, 1, 0, 0, 0, 2, 5 << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    header
}

fn segment(probe: &Probe, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [header, payload].concat();
    let addresses = match (probe.source, probe.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            [source.octets(), destination.octets()].concat()
        }
        (source, destination) => [octets(source), octets(destination)].concat(),
    };
    let len = u32::try_from(bytes.len()).expect("a short segment");
    let pseudo = [len.to_be_bytes(), [0, 0, 0, 6]].concat();
    let sum = checksum_of(&[&addresses, &pseudo, &bytes]);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// ESP: an index and a sequence number. AH: a header of six words and nothing behind it but the number.
/// Any other protocol: the number.
fn opaque(protocol: u8, tail: &[u8]) -> Vec<u8> {
    let head: &[u8] = match protocol {
        50 => &[0, 0, 1, 0, 0, 0, 0, 1],
        51 => &[59, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        _ => &[],
    };
    [head, tail].concat()
}
