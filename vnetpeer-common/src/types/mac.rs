//! MAC addresses: the virtual router's, the overlay's, a guest's.

use bytemuck::{Pod, Zeroable};

use super::NicId;

/// A MAC address in wire order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

/// First two bytes of every overlay MAC: locally administered (bit 1 of the first byte), unicast.
const OVERLAY_PREFIX: [u8; 2] = [0x02, 0x76];

impl Mac {
    /// The virtual router's address, the one that Azure shows to guests as every next hop.
    pub const ROUTER: Self = Self([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]);

    /// The address that names `nic` between hosts. Guests never see it.
    #[inline(always)]
    pub const fn overlay(nic: NicId) -> Self {
        let [a, b, c, d] = nic.0.to_be_bytes();
        Self([OVERLAY_PREFIX[0], OVERLAY_PREFIX[1], a, b, c, d])
    }

    /// The NIC that an overlay address names, or `None` for any other address.
    #[inline(always)]
    pub const fn nic(self) -> Option<NicId> {
        let [p, q, a, b, c, d] = self.0;
        if p == OVERLAY_PREFIX[0] && q == OVERLAY_PREFIX[1] {
            Some(NicId(u32::from_be_bytes([a, b, c, d])))
        } else {
            None
        }
    }

    /// Whether the address is a group address (multicast or broadcast).
    #[inline(always)]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

/// A MAC address inside a packet: the same bytes as [`Mac`], read with two loads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct WireMac {
    first: u32,
    last: u16,
}

impl From<Mac> for WireMac {
    #[inline(always)]
    fn from(mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        Self { first: u32::from_ne_bytes([a, b, c, d]), last: u16::from_ne_bytes([e, f]) }
    }
}

impl From<WireMac> for Mac {
    #[inline(always)]
    fn from(mac: WireMac) -> Self {
        let [a, b, c, d] = mac.first.to_ne_bytes();
        let [e, f] = mac.last.to_ne_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl core::fmt::Display for Mac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_address_carries_the_nic_and_is_local_unicast() {
        let mac = Mac::overlay(NicId(0x0102_0304));
        assert_eq!(mac.0, [0x02, 0x76, 1, 2, 3, 4]);
        assert_eq!(mac.nic(), Some(NicId(0x0102_0304)));
        assert!(!mac.is_group());
        assert_eq!(Mac::ROUTER.nic(), None);
    }
}
