//! Builds frames, layer by layer, without any code of the datapath.
//!
//! ```
//! use vnetpeer_tests::packet::Packet;
//! use vnetpeer_common::types::Mac;
//!
//! let frame = Packet::v4([10, 1, 0, 4].into(), [10, 2, 0, 4].into())
//!     .udp(1000, 53, 20)
//!     .between(Mac([2, 0, 0, 0, 0, 1]), Mac::ROUTER)
//!     .bytes();
//! assert_eq!(frame.len(), 14 + 20 + 8 + 20);
//! ```

mod arp;
mod checksum;
mod diff;
mod ip;
mod transport;
mod tunnel;

use std::net::{Ipv4Addr, Ipv6Addr};

use vnetpeer_common::types::Mac;

pub use self::{
    arp::Arp,
    checksum::of as checksum_of,
    diff::diff,
    ip::{Ip4, Ip6},
    transport::Transport,
    tunnel::Tunnel,
};

/// One frame.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Destination MAC address.
    pub dst: Mac,
    /// Source MAC address.
    pub src: Mac,
    /// What the frame carries.
    pub network: Network,
    /// Bytes behind the packet.
    pub trailer: Vec<u8>,
}

/// What an Ethernet frame carries.
#[derive(Clone, Debug)]
pub enum Network {
    /// IPv4.
    V4(Ip4),
    /// IPv6.
    V6(Ip6),
    /// ARP.
    Arp(Arp),
    /// Bytes under an Ethernet type.
    Raw(u16, Vec<u8>),
}

impl Packet {
    fn new(network: Network) -> Self {
        Self { dst: Mac::default(), src: Mac::default(), network, trailer: Vec::new() }
    }

    /// An IPv4 packet without payload.
    pub fn v4(src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        Self::new(Network::V4(Ip4::new(src, dst)))
    }

    /// An IPv6 packet without payload.
    pub fn v6(src: Ipv6Addr, dst: Ipv6Addr) -> Self {
        Self::new(Network::V6(Ip6::new(src, dst)))
    }

    /// An ARP packet.
    pub fn arp(arp: Arp) -> Self {
        Self::new(Network::Arp(arp))
    }

    /// A frame of another protocol.
    pub fn raw(ethertype: u16, bytes: Vec<u8>) -> Self {
        Self::new(Network::Raw(ethertype, bytes))
    }

    /// From one MAC address to another.
    #[must_use]
    pub fn between(mut self, src: Mac, dst: Mac) -> Self {
        self.src = src;
        self.dst = dst;
        self
    }

    /// With bytes behind the packet, as the padding of a short frame.
    #[must_use]
    pub fn with_trailer(mut self, len: usize) -> Self {
        self.trailer = vec![0; len];
        self
    }

    /// Changes the IPv4 header.
    #[must_use]
    pub fn ip4(mut self, change: impl FnOnce(&mut Ip4)) -> Self {
        match &mut self.network {
            Network::V4(ip) => change(ip),
            other => panic!("not IPv4: {other:?}"),
        }
        self
    }

    /// Changes the IPv6 header.
    #[must_use]
    pub fn ip6(mut self, change: impl FnOnce(&mut Ip6)) -> Self {
        match &mut self.network {
            Network::V6(ip) => change(ip),
            other => panic!("not IPv6: {other:?}"),
        }
        self
    }

    /// With this transport header and payload.
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        match &mut self.network {
            Network::V4(ip) => ip.transport = transport,
            Network::V6(ip) => ip.transport = transport,
            other => panic!("not IP: {other:?}"),
        }
        self
    }

    /// A UDP datagram with `len` bytes of payload.
    #[must_use]
    pub fn udp(self, src: u16, dst: u16, len: usize) -> Self {
        self.transport(Transport::Udp { src, dst, payload: payload(len), no_checksum: false })
    }

    /// A TCP segment with `len` bytes of payload and 12 bytes of options.
    #[must_use]
    pub fn tcp(self, src: u16, dst: u16, len: usize) -> Self {
        self.tcp_flags(src, dst, 0x18, len)
    }

    /// A TCP segment with these flags.
    #[must_use]
    pub fn tcp_flags(self, src: u16, dst: u16, flags: u8, len: usize) -> Self {
        let (options, payload) = (vec![1; 12], payload(len));
        self.transport(Transport::Tcp { src, dst, flags, options, payload })
    }

    /// An ICMP message with an identifier.
    #[must_use]
    pub fn icmp(self, kind: u8, code: u8, id: u16) -> Self {
        let rest = u32::from(id) << 16;
        self.transport(Transport::Icmp { kind, code, rest, payload: payload(16) })
    }

    /// An ICMP error that quotes these bytes.
    #[must_use]
    pub fn icmp_error(self, kind: u8, code: u8, quote: &[u8]) -> Self {
        self.transport(Transport::Icmp { kind, code, rest: 0, payload: quote.to_vec() })
    }

    /// An echo request with `len` bytes of payload.
    #[must_use]
    pub fn ping(self, len: usize) -> Self {
        let kind = if matches!(self.network, Network::V4(_)) { 8 } else { 128 };
        self.transport(Transport::Icmp { kind, code: 0, rest: 0x1234_0001, payload: payload(len) })
    }

    /// Bytes of the packet without Ethernet header and trailer.
    pub fn network_bytes(&self) -> Vec<u8> {
        match &self.network {
            Network::V4(ip) => ip.bytes(),
            Network::V6(ip) => ip.bytes(),
            Network::Arp(arp) => arp.bytes(),
            Network::Raw(_, bytes) => bytes.clone(),
        }
    }

    /// Bytes of the IP packet.
    pub fn len(&self) -> u64 {
        self.network_bytes().len() as u64
    }

    /// Whether the frame has nothing behind the Ethernet header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The frame.
    pub fn bytes(&self) -> Vec<u8> {
        let ethertype: u16 = match &self.network {
            Network::V4(_) => 0x0800,
            Network::V6(_) => 0x86dd,
            Network::Arp(_) => 0x0806,
            Network::Raw(ethertype, _) => *ethertype,
        };
        let head = [&self.dst.0[..], &self.src.0, &ethertype.to_be_bytes()].concat();
        [head, self.network_bytes(), self.trailer.clone()].concat()
    }
}

/// Payload that shows a shift by any number of bytes.
pub fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from(index % 251).expect("below 251")).collect()
}
