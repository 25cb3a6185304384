//! Echo requests and replies (RFC 792, RFC 4443) with the number of a probe in them.

use vnetpeer_common::checksum;

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Begins the payload of every probe, ICMP or UDP.
pub(super) const MAGIC: [u8; 8] = *b"vnetpeer";

/// Sequence number of the echoes.
const SEQUENCE: [u8; 2] = [0, 1];
const HEADER_LEN: usize = 8;
const MESSAGE_LEN: usize = HEADER_LEN + 8 + 4;

/// An echo message with a probe's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    Request(u32),
    Reply(u32),
}

/// The request of a probe. The kernel fills in the checksum for IPv6, not for IPv4.
pub(super) fn request(probe: u32, is_v4: bool, identifier: u16) -> [u8; MESSAGE_LEN] {
    let kind = if is_v4 { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    let ([i, d], [n, o]) = (identifier.to_be_bytes(), SEQUENCE);
    let [m, a, g, c, j, k, l, p] = MAGIC;
    let [w, x, y, z] = probe.to_be_bytes();
    let message = |s, t| [kind, 0, s, t, i, d, n, o, m, a, g, c, j, k, l, p, w, x, y, z];
    if !is_v4 {
        return message(0, 0);
    }
    let [s, t] = checksum::finish(checksum::add_bytes(0, &message(0, 0))).to_be_bytes();
    message(s, t)
}

/// The echo message in what a raw socket received: for IPv4 that begins with the IP header.
pub(super) fn read(packet: &[u8], is_v4: bool) -> Option<Echo> {
    let header = if is_v4 { usize::from(packet.first()? & 0x0f) * 4 } else { 0 };
    let message = packet.get(header..)?;
    let payload = message.get(HEADER_LEN..)?.strip_prefix(&MAGIC)?;
    let probe = u32::from_be_bytes(payload.first_chunk().copied()?);
    match (is_v4, *message.first()?) {
        (true, ECHO_REQUEST_V4) | (false, ECHO_REQUEST_V6) => Some(Echo::Request(probe)),
        (true, ECHO_REPLY_V4) | (false, ECHO_REPLY_V6) => Some(Echo::Reply(probe)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back() {
        let mut packet = vec![0x45; 20];
        packet.extend(request(70_000, true, 7));
        assert_eq!(read(&packet, true), Some(Echo::Request(70_000)));
        assert_eq!(read(&request(3, false, 7), false), Some(Echo::Request(3)));
        assert_eq!(read(&[0x45; 20], true), None);
        assert_eq!(read(&[], true), None);
    }

    #[test]
    fn the_checksum_is_valid() {
        let message = request(0x0102_0304, true, 0x7007);
        assert_eq!(checksum::fold(checksum::add_bytes(0, &message)), 0xffff);
    }
}
