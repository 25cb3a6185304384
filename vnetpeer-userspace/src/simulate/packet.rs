//! Packets as guests send them, and their frames.

use std::net::IpAddr;

use bytemuck::bytes_of;
use serde::Serialize;
use vnetpeer_common::{
    types::{Mac, V4, V6},
    wire::{
        Ethernet, Icmp, Ipv4, Ipv6, Ports, Tcp, U16, U32, Udp, ethertype, icmp_type, icmpv6_type,
        protocol, tcp_flags,
    },
};

use super::frame::Frame;

/// Hop limit of what a guest sends.
const HOP_LIMIT: u8 = 64;
/// First of the ports that clients take (RFC 6335 §6).
const CLIENT_PORT: u16 = 49_152;
/// Type of an echo reply, ICMP and ICMPv6.
const ECHO_REPLY: [u8; 2] = [0, 129];
/// Bytes of a TCP header without options, in its own notation.
const TCP_DATA_OFFSET: u8 = 5 << 4;
const TCP_WINDOW: u16 = 64_240;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// The first segment of a connection, or its answer.
    Tcp,
    /// A datagram.
    Udp,
    /// An echo request or reply.
    Icmp,
}

/// The first packet of an exchange, or its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Protocol.
    pub protocol: Protocol,
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Source port; the identifier of ICMP.
    pub source_port: u16,
    /// Destination port; the identifier of ICMP.
    pub destination_port: u16,
    /// Whether it answers a request: TCP's SYN and ACK, an echo reply.
    pub is_answer: bool,
    /// Bytes behind the transport header.
    pub payload: u16,
}

impl Packet {
    /// A request to a port, from a port that clients take. ICMP has no ports, and any will do.
    pub fn request(protocol: Protocol, source: IpAddr, destination: IpAddr, port: u16) -> Self {
        let port = if protocol == Protocol::Icmp { CLIENT_PORT } else { port };
        Self {
            protocol,
            source,
            destination,
            source_port: CLIENT_PORT,
            destination_port: port,
            is_answer: false,
            payload: 0,
        }
    }

    /// Bytes of its IP packet.
    pub fn bytes(&self) -> usize {
        let ip = if self.source.is_ipv4() { size_of::<Ipv4>() } else { size_of::<Ipv6>() };
        ip + self.transport().len()
    }

    /// The request of another client of the same host.
    #[must_use]
    pub fn of_client(mut self, number: u16) -> Self {
        self.source_port = CLIENT_PORT.saturating_add(number);
        if self.protocol == Protocol::Icmp {
            self.destination_port = self.source_port;
        }
        self
    }

    /// What answers it.
    #[must_use]
    pub fn answer(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            is_answer: true,
            ..self
        }
    }

    /// The frame that a guest with this MAC address hands to the virtual router.
    pub(super) fn frame(&self, guest: Mac) -> Frame {
        let (ethertype, header) = self.headers();
        let ethernet =
            Ethernet { dst: Mac::ROUTER.into(), src: guest.into(), ethertype: U16::new(ethertype) };
        Frame::new(&[bytes_of(&ethernet), &header, &self.transport()])
    }

    /// The type of the packet and its IP header.
    fn headers(&self) -> (u16, Vec<u8>) {
        let len = U16::new(u16::try_from(self.transport().len()).unwrap_or(u16::MAX));
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut ip = Ipv4 {
                    version_ihl: 0x45,
                    tos: 0,
                    total_len: U16::new(len.get().saturating_add(20)),
                    id: U16::new(0),
                    fragment: U16::new(Ipv4::DONT_FRAGMENT),
                    ttl: HOP_LIMIT,
                    protocol: self.protocol_number(),
                    checksum: U16::new(0),
                    src: V4::new(source.octets()),
                    dst: V4::new(destination.octets()),
                };
                ip.checksum = U16::new(ip.header_checksum());
                (ethertype::IPV4, bytes_of(&ip).to_vec())
            }
            (source, destination) => {
                let ip = Ipv6 {
                    version_class_flow: U32::new(6 << 28),
                    payload_len: len,
                    next_header: self.protocol_number(),
                    hop_limit: HOP_LIMIT,
                    src: V6::new(octets(source)),
                    dst: V6::new(octets(destination)),
                };
                (ethertype::IPV6, bytes_of(&ip).to_vec())
            }
        }
    }

    fn protocol_number(&self) -> u8 {
        match self.protocol {
            Protocol::Tcp => protocol::TCP,
            Protocol::Udp => protocol::UDP,
            Protocol::Icmp if self.source.is_ipv4() => protocol::ICMP,
            Protocol::Icmp => protocol::ICMPV6,
        }
    }

    /// The transport header and the payload, without a checksum: the core looks at none.
    fn transport(&self) -> Vec<u8> {
        let mut bytes = self.transport_header();
        bytes.resize(bytes.len() + usize::from(self.payload), 0);
        bytes
    }

    fn transport_header(&self) -> Vec<u8> {
        let ports = Ports { src: U16::new(self.source_port), dst: U16::new(self.destination_port) };
        match self.protocol {
            Protocol::Tcp => {
                let ack = if self.is_answer { tcp_flags::ACK } else { 0 };
                bytes_of(&Tcp {
                    ports,
                    sequence: U32::new(1),
                    acknowledgement: U32::new(u32::from(self.is_answer)),
                    data_offset: TCP_DATA_OFFSET,
                    flags: u8::try_from(tcp_flags::SYN | ack).unwrap_or_default(),
                    window: U16::new(TCP_WINDOW),
                    checksum: U16::new(0),
                    urgent: U16::new(0),
                })
                .to_vec()
            }
            Protocol::Udp => {
                let len = U16::new(self.payload.saturating_add(8));
                bytes_of(&Udp { ports, len, checksum: U16::new(0) }).to_vec()
            }
            Protocol::Icmp => {
                let [reply4, reply6] = ECHO_REPLY;
                let kind = match (self.source.is_ipv4(), self.is_answer) {
                    (true, false) => icmp_type::ECHO,
                    (true, true) => reply4,
                    (false, false) => icmpv6_type::ECHO,
                    (false, true) => reply6,
                };
                let rest = U32::new(u32::from(self.source_port) << 16 | 1);
                bytes_of(&Icmp { kind, code: 0, checksum: U16::new(0), rest }).to_vec()
            }
        }
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}
