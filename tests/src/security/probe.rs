//! A packet as security rules see it.

use std::net::IpAddr;

use vnetpeer_userspace::topology::model::Direction;

/// TCP's flag that ends a connection.
pub const FIN: u8 = 0x01;
/// TCP's flag that begins a connection.
pub const SYN: u8 = 0x02;
/// TCP's flag that resets one.
pub const RST: u8 = 0x04;
/// TCP's flag of everything but the first segment.
pub const ACK: u8 = 0x10;

/// A packet that a NIC sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// Seen from the NIC.
    pub direction: Direction,
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// What is above IP.
    pub upper: Upper,
}

/// What is above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upper {
    /// A TCP segment.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The flags, as on the wire.
        flags: u8,
    },
    /// A UDP datagram.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP over IPv4, ICMPv6 over IPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Identifier of requests and replies.
        identifier: u16,
    },
    /// Another protocol, without ports.
    Other(u8),
}

impl Probe {
    /// A packet between two addresses.
    pub fn new(direction: Direction, source: IpAddr, destination: IpAddr, upper: Upper) -> Self {
        Self { direction, source, destination, upper }
    }

    /// The NIC's side.
    pub fn local(&self) -> IpAddr {
        match self.direction {
            Direction::Inbound => self.destination,
            Direction::Outbound => self.source,
        }
    }

    /// The other side.
    pub fn remote(&self) -> IpAddr {
        match self.direction {
            Direction::Inbound => self.source,
            Direction::Outbound => self.destination,
        }
    }

    /// Source and destination port where the protocol has ports.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.upper {
            Upper::Tcp { source, destination, .. } | Upper::Udp { source, destination } => {
                Some((source, destination))
            }
            Upper::Icmp { .. } | Upper::Other(_) => None,
        }
    }

    /// What the other side would answer: the same flow in the other direction. A TCP segment is
    /// answered with SYN and ACK if it has SYN, else with ACK.
    #[must_use]
    pub fn reply(&self) -> Self {
        let upper = match self.upper {
            Upper::Tcp { source, destination, flags } => {
                Upper::Tcp { source: destination, destination: source, flags: ACK | (flags & SYN) }
            }
            Upper::Udp { source, destination } => {
                Upper::Udp { source: destination, destination: source }
            }
            Upper::Icmp { kind, identifier } => Upper::Icmp { kind: reply_to(kind), identifier },
            Upper::Other(protocol) => Upper::Other(protocol),
        };
        let direction = match self.direction {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        };
        Self { direction, source: self.destination, destination: self.source, upper }
    }

    /// The same flow in the same direction, with other TCP flags.
    #[must_use]
    pub fn with_flags(mut self, new: u8) -> Self {
        if let Upper::Tcp { flags, .. } = &mut self.upper {
            *flags = new;
        }
        self
    }
}

/// The type of the reply to an ICMP or ICMPv6 request.
fn reply_to(kind: u8) -> u8 {
    match kind {
        8 => 0,
        128 => 129,
        request => request + 1,
    }
}
