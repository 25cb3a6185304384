//! What the two address families do differently. The path is compiled once for each, so that no
//! packet pays for the choice twice.

use super::{Tables, lookup4, lookup6};
use crate::{
    abi::{Nic, Roots},
    types::{Addr, V4, V6},
    wire::ethertype,
};

/// An address of one family.
pub trait Address: Copy + PartialEq + Into<Addr> {
    /// Ethernet type of the family's packets.
    const ETHERTYPE: u16;
    /// UDP source port of a DHCP server (RFC 2131, RFC 8415).
    const DHCP_SERVER: u16;

    /// The NIC's first address of this family, zeros if it has none.
    fn primary(nic: &Nic) -> Self;

    /// Whether the address is all zeros.
    fn is_unspecified(self) -> bool;

    /// Whether the address is multicast or the limited broadcast address.
    fn is_group(self) -> bool;

    /// Whether the address is link-local, which no router forwards (RFC 3927 §2.7, RFC 4291 §2.5.6).
    fn is_link_local(self) -> bool;

    /// Longest prefix match in a pair of tries.
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32>;

    /// 32 bits of the address that differ between neighbours.
    fn hash(self) -> u32;
}

impl Address for V4 {
    const ETHERTYPE: u16 = ethertype::IPV4;
    const DHCP_SERVER: u16 = 67;

    #[inline(always)]
    fn primary(nic: &Nic) -> Self {
        Self::new(nic.ipv4)
    }

    #[inline(always)]
    fn is_unspecified(self) -> bool {
        self == Self::UNSPECIFIED
    }

    #[inline(always)]
    fn is_group(self) -> bool {
        self.bits() >> 28 == 0xe || self.bits() == u32::MAX
    }

    #[inline(always)]
    fn is_link_local(self) -> bool {
        self.bits() >> 16 == 0xa9fe
    }

    #[inline(always)]
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        lookup4(tables, roots.v4, self)
    }

    #[inline(always)]
    fn hash(self) -> u32 {
        self.bits()
    }
}

impl Address for V6 {
    const ETHERTYPE: u16 = ethertype::IPV6;
    const DHCP_SERVER: u16 = 547;

    #[inline(always)]
    fn primary(nic: &Nic) -> Self {
        Self::new(nic.ipv6)
    }

    #[inline(always)]
    fn is_unspecified(self) -> bool {
        self == Self::UNSPECIFIED
    }

    #[inline(always)]
    fn is_group(self) -> bool {
        self.halves()[0] >> 56 == 0xff
    }

    #[inline(always)]
    fn is_link_local(self) -> bool {
        Self::is_link_local(self)
    }

    #[inline(always)]
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        lookup6(tables, roots.v6, self)
    }

    #[inline(always)]
    fn hash(self) -> u32 {
        let [high, low] = self.halves();
        let half = high ^ low;
        (half >> 32) as u32 ^ (half & 0xffff_ffff) as u32
    }
}
