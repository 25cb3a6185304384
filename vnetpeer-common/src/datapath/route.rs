//! Longest prefix match in the stride-8 tries of [`crate::abi::Node4`] and [`crate::abi::Node6`].

use super::Nodes;
use crate::{
    abi::Entry,
    types::{V4, V6},
};

/// Bytes of an IPv4 address, so levels of an IPv4 trie.
const LEVELS_V4: u32 = 4;
/// Bytes of a port, so levels of a port trie.
const LEVELS_PORT: u32 = 2;
/// Bytes of an IPv6 address, so the most nodes on a path of an IPv6 trie.
const LEVELS_V6: u32 = 16;

/// The value of the longest prefix that covers `address`; `None` where none does.
#[inline(always)]
pub fn lookup4<T: Nodes>(tables: &T, root: Entry, address: V4) -> Option<u32> {
    let mut key = address.bits();
    let mut entry = root;
    for _ in 0..LEVELS_V4 {
        let Some(index) = entry.as_node() else { break };
        let node = tables.node4(index)?;
        entry = *node.children.get((key >> 24) as usize)?;
        key <<= 8;
    }
    entry.as_leaf()
}

/// As [`lookup4`] for a key of 16 bits in the upper half of `bits`, the rest of which is ignored.
#[inline(always)]
pub(super) fn lookup_port<T: Nodes>(tables: &T, root: Entry, bits: u32) -> Option<u32> {
    let mut entry = root;
    let mut key = bits;
    for _ in 0..LEVELS_PORT {
        let Some(index) = entry.as_node() else { break };
        let node = tables.node4(index)?;
        entry = *node.children.get((key >> 24) as usize)?;
        key <<= 8;
    }
    entry.as_leaf()
}

/// The value of the longest prefix that covers `address`; `None` where none does.
#[inline(always)]
pub fn lookup6<T: Nodes>(tables: &T, root: Entry, address: V6) -> Option<u32> {
    let [high, low] = address.halves();
    let mut entry = root;
    for _ in 0..LEVELS_V6 {
        let Some(index) = entry.as_node() else { break };
        let node = tables.node6(index)?;
        let differs =
            ((high ^ node.prefix[0]) & node.mask[0]) | ((low ^ node.prefix[1]) & node.mask[1]);
        if differs != 0 {
            entry = node.fallback;
            break;
        }
        let half = if node.word == 0 { high } else { low };
        let byte = (half >> (node.shift & 63)) & 0xff;
        entry = *node.children.get(byte as usize)?;
    }
    entry.as_leaf()
}
