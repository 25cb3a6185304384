//! VXLAN over IPv4 and IPv6.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;

use super::{Packet, Transport};

/// Where a VXLAN source port may lie (RFC 7348 §5). Which of these it is, is up to the sender.
const SOURCE_PORT: u16 = 0xc000;

/// The outer headers.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Outer MAC addresses.
    pub src_mac: Mac,
    /// See `src_mac`.
    pub dst_mac: Mac,
    /// Outer addresses, of one family.
    pub src: IpAddr,
    /// See `src`.
    pub dst: IpAddr,
    /// UDP source port.
    pub src_port: u16,
    /// UDP destination port.
    pub dst_port: u16,
    /// VXLAN flags, the first byte.
    pub flags: u8,
    /// VNI.
    pub vni: u32,
}

impl Tunnel {
    /// Between two hosts.
    pub fn new((src_mac, src): (Mac, IpAddr), (dst_mac, dst): (Mac, IpAddr), vni: u32) -> Self {
        let (src_port, dst_port, flags) = (SOURCE_PORT, 4789, 0x08);
        Self { src_mac, dst_mac, src, dst, src_port, dst_port, flags, vni }
    }

    /// The outer packet around a frame.
    pub fn around(&self, inner: &[u8]) -> Packet {
        let [_, a, b, c] = self.vni.to_be_bytes();
        let payload = [&[self.flags, 0, 0, 0, a, b, c, 0], inner].concat();
        let (src, dst) = (self.src_port, self.dst_port);
        let udp = Transport::Udp { src, dst, payload, no_checksum: true };
        let outer = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Packet::v4(src, dst).ip4(|ip| {
                ip.id = 0;
                ip.ttl = 64;
            }),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Packet::v6(src, dst).ip6(|ip| ip.hop_limit = 64),
            mixed => panic!("outer addresses of two families: {mixed:?}"),
        };
        outer.transport(udp).between(self.src_mac, self.dst_mac)
    }
}
