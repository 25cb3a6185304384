//! What lies above IP: UDP, TCP, ICMP, or any bytes.

use super::checksum;

/// A transport header with its payload.
#[derive(Clone, Debug)]
pub enum Transport {
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// What follows the header.
        payload: Vec<u8>,
        /// Whether the checksum is left out (zero).
        no_checksum: bool,
    },
    /// TCP.
    Tcp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Flags.
        flags: u8,
        /// Bytes of options, a multiple of four.
        options: Vec<u8>,
        /// What follows the header.
        payload: Vec<u8>,
    },
    /// ICMP over IPv4, ICMPv6 over IPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The four bytes after the checksum.
        rest: u32,
        /// What follows.
        payload: Vec<u8>,
    },
    /// Bytes under a protocol number.
    Raw {
        /// Protocol number.
        protocol: u8,
        /// Everything above IP.
        bytes: Vec<u8>,
    },
}

impl Transport {
    /// The protocol number, which for ICMP depends on the family.
    pub(super) fn protocol(&self, icmp: u8) -> u8 {
        match self {
            Self::Udp { .. } => 17,
            Self::Tcp { .. } => 6,
            Self::Icmp { .. } => icmp,
            Self::Raw { protocol, .. } => *protocol,
        }
    }

    /// The bytes, with the checksum over `addresses` (source and destination, as on the wire).
    pub(super) fn bytes(&self, addresses: &[u8], icmp: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Udp { src, dst, payload, .. } => {
                // Only the tunnel around a super-frame is longer than its field.
                let len = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
                for field in [*src, *dst, len, 0] {
                    bytes.extend(field.to_be_bytes());
                }
                bytes.extend(payload);
            }
            Self::Tcp { src, dst, flags, options, payload } => {
                bytes.extend(src.to_be_bytes());
                bytes.extend(dst.to_be_bytes());
                bytes.extend([0, 0, 0, 1, 0, 0, 0, 2]);
                let words = u8::try_from((20 + options.len()) / 4).expect("at most 15 words");
                bytes.extend([words << 4, *flags, 0x20, 0, 0, 0, 0, 0]);
                bytes.extend(options);
                bytes.extend(payload);
            }
            Self::Icmp { kind, code, rest, payload } => {
                bytes.extend([*kind, *code, 0, 0]);
                bytes.extend(rest.to_be_bytes());
                bytes.extend(payload);
            }
            Self::Raw { bytes: raw, .. } => bytes.extend(raw),
        }
        self.fill_checksum(&mut bytes, addresses, icmp);
        bytes
    }

    fn fill_checksum(&self, bytes: &mut [u8], addresses: &[u8], icmp: u8) {
        let at = match self {
            Self::Udp { no_checksum: false, .. } => 6,
            Self::Tcp { .. } => 16,
            Self::Icmp { .. } => 2,
            _ => return,
        };
        let len = u32::try_from(bytes.len()).expect("a packet's length");
        let pseudo = [len.to_be_bytes(), [0, 0, 0, self.protocol(icmp)]].concat();
        // ICMP over IPv4 has no pseudo-header.
        let without = matches!(self, Self::Icmp { .. }) && icmp == 1;
        let sum = if without {
            checksum::of(&[bytes])
        } else {
            checksum::of(&[addresses, &pseudo, bytes])
        };
        let is_udp = matches!(self, Self::Udp { .. });
        let sum = if is_udp && sum == 0 { 0xffff } else { sum };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}
