//! IPv4 with options and fragments, IPv6 with extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Transport, checksum};

/// An IPv4 packet.
#[derive(Clone, Debug)]
pub struct Ip4 {
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
    /// DSCP and ECN.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// Flags and offset, as on the wire.
    pub fragment: u16,
    /// Time to live.
    pub ttl: u8,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// Above IP.
    pub transport: Transport,
    /// A version and header length that contradicts the packet.
    pub version_ihl: Option<u8>,
    /// A total length that contradicts the packet.
    pub total_len: Option<u16>,
    /// Only these bytes of the transport's: a fragment.
    pub part: Option<std::ops::Range<usize>>,
}

impl Ip4 {
    /// A packet without payload.
    pub(super) fn new(src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        Self {
            src,
            dst,
            tos: 0,
            id: 0x1c46,
            fragment: 0x4000,
            ttl: 63,
            options: Vec::new(),
            transport: Transport::Raw { protocol: 59, bytes: Vec::new() },
            version_ihl: None,
            total_len: None,
            part: None,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let addresses = [self.src.octets(), self.dst.octets()].concat();
        let mut body = self.transport.bytes(&addresses, 1);
        if let Some(part) = &self.part {
            body = body[part.clone()].to_vec();
        }
        let header_len = 20 + self.options.len();
        let words = u8::try_from(header_len / 4).expect("at most 15 words");
        // A super-frame may be too long for the field; the stack writes 0 there.
        let announced = u16::try_from(header_len + body.len()).unwrap_or(0);
        let mut header = vec![self.version_ihl.unwrap_or(0x40 | words), self.tos];
        header.extend(self.total_len.unwrap_or(announced).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.ttl, self.transport.protocol(1), 0, 0]);
        header.extend(addresses);
        header.extend(&self.options);
        let sum = checksum::of(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header.extend(body);
        header
    }
}

/// An IPv6 packet.
#[derive(Clone, Debug)]
pub struct Ip6 {
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
    /// Traffic class.
    pub class: u8,
    /// Flow label.
    pub flow: u32,
    /// Hop limit.
    pub hop_limit: u8,
    /// Extension headers: kind, and the bytes from the second one (the length) on.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Above IP.
    pub transport: Transport,
    /// A version that contradicts the packet.
    pub version: Option<u8>,
    /// A payload length that contradicts the packet.
    pub payload_len: Option<u16>,
}

impl Ip6 {
    /// A packet without payload.
    pub(super) fn new(src: Ipv6Addr, dst: Ipv6Addr) -> Self {
        Self {
            src,
            dst,
            class: 0,
            flow: 0,
            hop_limit: 63,
            extensions: Vec::new(),
            transport: Transport::Raw { protocol: 59, bytes: Vec::new() },
            version: None,
            payload_len: None,
        }
    }

    /// Adds a hop-by-hop, routing or destination-options header of `len` bytes, a multiple of eight.
    pub fn options(&mut self, kind: u8, len: usize) {
        let mut bytes = vec![0; len - 1];
        bytes[0] = u8::try_from(len / 8 - 1).expect("at most 2,048 bytes");
        self.extensions.push((kind, bytes));
    }

    /// Adds a fragment header.
    pub fn fragment(&mut self, offset_flags: u16) {
        let [high, low] = offset_flags.to_be_bytes();
        self.extensions.push((44, vec![0, high, low, 0, 0, 0, 7]));
    }

    /// Adds an authentication header of `len` bytes, a multiple of four.
    pub fn authentication(&mut self, len: usize) {
        let mut bytes = vec![0; len - 1];
        bytes[0] = u8::try_from(len / 4 - 2).expect("at most 1,028 bytes");
        self.extensions.push((51, bytes));
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let addresses = [self.src.octets(), self.dst.octets()].concat();
        let mut body = Vec::new();
        let mut next = self.extensions.iter().map(|(kind, _)| *kind).skip(1);
        let last = self.transport.protocol(58);
        for (_, bytes) in &self.extensions {
            body.push(next.next().unwrap_or(last));
            body.extend(bytes);
        }
        body.extend(self.transport.bytes(&addresses, 58));
        let first = self.extensions.first().map_or(last, |(kind, _)| *kind);
        let version = u32::from(self.version.unwrap_or(6));
        let word = (version << 28) | (u32::from(self.class) << 20) | self.flow;
        let announced = u16::try_from(body.len()).unwrap_or(0);
        let mut bytes = word.to_be_bytes().to_vec();
        bytes.extend(self.payload_len.unwrap_or(announced).to_be_bytes());
        bytes.extend([first, self.hop_limit]);
        bytes.extend(addresses);
        bytes.extend(body);
        bytes
    }
}
