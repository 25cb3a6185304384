//! IP addresses: of each family as they are in packets, and of either family for keys.

use bytemuck::{Pod, Zeroable};

/// An IPv4 address in wire order, with alignment 1: one 32-bit load from a packet or a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct V4(u32);

impl V4 {
    /// `0.0.0.0`.
    pub const UNSPECIFIED: Self = Self(0);

    /// From octets in wire order.
    #[inline(always)]
    pub const fn new(octets: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(octets))
    }

    /// Octets in wire order.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    /// The octets as they lie in memory, for keys.
    #[inline(always)]
    pub const fn wire(self) -> u32 {
        self.0
    }

    /// From a number, first octet most significant.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits.to_be())
    }

    /// The address as a number, first octet most significant.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        u32::from_be(self.0)
    }

    /// Sum of its 16-bit words, for a checksum.
    #[inline(always)]
    pub const fn sum(self) -> u32 {
        let bits = self.bits();
        (bits >> 16) + (bits & 0xffff)
    }
}

/// An IPv6 address in wire order, with alignment 1: two 64-bit loads from a packet or a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct V6 {
    high: u64,
    low: u64,
}

impl V6 {
    /// `::`.
    pub const UNSPECIFIED: Self = Self { high: 0, low: 0 };

    /// From octets in wire order.
    #[inline(always)]
    pub const fn new(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self {
            high: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    /// Octets in wire order.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The address as two numbers, most significant first.
    #[inline(always)]
    pub const fn halves(self) -> [u64; 2] {
        [u64::from_be(self.high), u64::from_be(self.low)]
    }

    /// From two numbers, most significant first.
    #[inline(always)]
    pub const fn from_halves([high, low]: [u64; 2]) -> Self {
        Self { high: high.to_be(), low: low.to_be() }
    }

    /// Sum of its 16-bit words, for a checksum.
    #[inline(always)]
    pub const fn sum(self) -> u32 {
        let [high, low] = self.halves();
        half_sum(high) + half_sum(low)
    }

    /// Whether the address is link-local, `fe80::/10`.
    #[inline(always)]
    pub const fn is_link_local(self) -> bool {
        self.halves()[0] >> 54 == 0xfe80 >> 6
    }
}

#[inline(always)]
const fn half_sum(half: u64) -> u32 {
    let sum = (half >> 48) + ((half >> 32) & 0xffff) + ((half >> 16) & 0xffff) + (half & 0xffff);
    (sum & 0xffff_ffff) as u32
}

/// An IP address of either family in 16 bytes, wire order; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
/// It is part of map keys, which programs build on their stack: two aligned numbers and not sixteen
/// bytes, which would be written and compared one by one.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Addr {
    high: u64,
    low: u64,
}

impl Addr {
    /// An IPv4 address.
    #[inline(always)]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self { high: 0, low: u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d]) }
    }

    /// An IPv6 address.
    #[inline(always)]
    pub const fn v6(octets: [u8; 16]) -> Self {
        let V6 { high, low } = V6::new(octets);
        Self { high, low }
    }

    /// The address as an IPv6 address, for quick comparison.
    #[inline(always)]
    pub const fn to_v6(self) -> V6 {
        V6 { high: self.high, low: self.low }
    }

    /// The two halves as they lie in memory, for hashes.
    #[inline(always)]
    pub const fn words(self) -> [u64; 2] {
        [self.high, self.low]
    }

    /// Octets in wire order.
    #[inline(always)]
    pub const fn octets(self) -> [u8; 16] {
        self.to_v6().octets()
    }

    /// The last four octets: the IPv4 address, if it is one.
    #[inline(always)]
    pub const fn low_octets(self) -> [u8; 4] {
        let [.., a, b, c, d] = self.low.to_ne_bytes();
        [a, b, c, d]
    }

    /// The IPv4 address, if it is one.
    pub fn to_v4(self) -> Option<[u8; 4]> {
        let ip = core::net::Ipv6Addr::from(self.octets());
        ip.to_ipv4_mapped().map(|v4| v4.octets())
    }
}

impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Addr {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.octets().cmp(&other.octets())
    }
}

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl From<V4> for Addr {
    #[inline(always)]
    fn from(address: V4) -> Self {
        Self::v4(address.octets())
    }
}

impl From<V6> for Addr {
    #[inline(always)]
    fn from(address: V6) -> Self {
        Self { high: address.high, low: address.low }
    }
}

impl From<core::net::IpAddr> for Addr {
    fn from(ip: core::net::IpAddr) -> Self {
        match ip {
            core::net::IpAddr::V4(ip) => Self::v4(ip.octets()),
            core::net::IpAddr::V6(ip) => Self::v6(ip.octets()),
        }
    }
}

impl From<Addr> for core::net::IpAddr {
    fn from(addr: Addr) -> Self {
        match addr.to_v4() {
            Some(octets) => Self::V4(octets.into()),
            None => Self::V6(addr.octets().into()),
        }
    }
}

impl core::fmt::Display for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::net::IpAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_sum_as_the_bytes_do() {
        let octets = [0xfe, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
        assert_eq!(V6::new(octets).sum(), crate::checksum::add_bytes(0, &octets));
        assert_eq!(V6::new(octets).octets(), octets);
        assert_eq!(V4::new([192, 0, 2, 1]).sum(), 0xc000 + 0x0201);
        assert_eq!(V4::new([192, 0, 2, 1]).bits(), 0xc000_0201);
    }

    #[test]
    fn link_local_is_the_ten_bit_prefix() {
        let of = |a, b| V6::new([a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).is_link_local();
        assert!(of(0xfe, 0x80) && of(0xfe, 0xbf));
        assert!(!of(0xfe, 0xc0) && !of(0xfe, 0x7f) && !of(0xfd, 0x80));
    }
}
