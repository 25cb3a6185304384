//! How the routes lie: computed from their numbers, by `vnetpeer-ebpf/src/bin/routes.rs` in the same way.
//!
//! A table has 1,000 routes: an eighth of /20, /22, /26 and /28 each, half of them /24, scattered over
//! `10.0.0.0/8`; those of IPv6 are 32 bits longer and over `fd00::/40`. Each has a next hop of its own, so that
//! tables share no nodes.

use vnetpeer_common::abi::Entry;
use vnetpeer_userspace::topology::trie::Prefix;

/// Routes of one table.
pub(super) const TABLE: u32 = 1_000;
const LENGTHS: [u32; 8] = [20, 22, 24, 24, 24, 24, 26, 28];

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// In names of rows and programs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    /// Bits of an address.
    const fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The route of a number, which is its next hop too.
    pub(super) fn route(self, number: u32) -> Prefix {
        let within = number % TABLE;
        let place = ((within.wrapping_mul(40_503) & 0xfff) << 12) | ((within & 0xf) << 8);
        let length = LENGTHS[(within % 8) as usize];
        let (address, len) = match self {
            Self::V4 => (u128::from(10 << 24 | place) << 96, length),
            Self::V6 => (u128::from(0xfd00_u64 << 48 | u64::from(place)) << 64, length + 32),
        };
        Prefix { address: address & (u128::MAX << (128 - len)), len, leaf: Entry::leaf(number) }
    }

    /// The routes of a table that has those from a number on.
    pub(super) fn table(self, first: u32, count: u32) -> Vec<Prefix> {
        let mut routes: Vec<Prefix> =
            (first..first + count).map(|number| self.route(number)).collect();
        routes.sort_unstable();
        routes
    }

    /// Prefix length and key of a route in the kernel's trie: the table, then the address.
    pub(super) fn key(self, number: u32) -> (u32, Vec<u8>) {
        let Prefix { address, len, .. } = self.route(number);
        let mut key = (number / TABLE).to_be_bytes().to_vec();
        key.extend(&address.to_be_bytes()[..(self.bits() / 8) as usize]);
        (32 + len, key)
    }
}
