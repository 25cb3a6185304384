//! What differs between the nodes of the two families.

use bytemuck::NoUninit;
use vnetpeer_common::abi::{Entry, Node4, Node6, TRIE_FANOUT};

/// Children of a node.
pub type Children = [Entry; TRIE_FANOUT];

/// A node of an IPv4 or an IPv6 trie. Addresses are 128 bits, IPv4 in the upper 32.
pub trait NodeFormat: Eq + NoUninit {
    /// Whether a node may skip bytes on which all of its prefixes agree.
    const SKIPS: bool;

    /// A node that is reached after `depth` bytes and branches on byte `branch`; addresses that do
    /// not agree with `address` in between get `fallback`.
    fn new(depth: u32, branch: u32, address: u128, fallback: Entry, children: &Children) -> Self;

    /// The children.
    fn children(&self) -> &Children;

    /// For a node that is reached after `depth` bytes: the byte that it branches on, the bytes that
    /// it skips (others zero), and the result for addresses that do not agree with them.
    fn skipped(&self, depth: u32) -> (u32, u128, Entry);
}

impl NodeFormat for Node4 {
    const SKIPS: bool = false;

    fn new(_: u32, _: u32, _: u128, _: Entry, children: &Children) -> Self {
        Self { children: *children }
    }

    fn children(&self) -> &Children {
        &self.children
    }

    fn skipped(&self, depth: u32) -> (u32, u128, Entry) {
        (depth, 0, Entry::EMPTY)
    }
}

impl NodeFormat for Node6 {
    const SKIPS: bool = true;

    /// Bytes before `depth` were decided by the nodes above and are not compared again; without
    /// them, equal subtrees at different places are equal nodes.
    fn new(depth: u32, branch: u32, address: u128, fallback: Entry, children: &Children) -> Self {
        let mask = upper(branch) & !upper(depth);
        Self {
            prefix: halves(address & mask),
            mask: halves(mask),
            fallback: if mask == 0 { Entry::EMPTY } else { fallback },
            word: branch / 8,
            shift: 56 - 8 * (branch % 8),
            reserved: 0,
            children: *children,
        }
    }

    fn children(&self) -> &Children {
        &self.children
    }

    fn skipped(&self, _: u32) -> (u32, u128, Entry) {
        let branch = self.word * 8 + (56_u32.saturating_sub(self.shift)) / 8;
        let [high, low] = self.prefix;
        (branch, u128::from(high) << 64 | u128::from(low), self.fallback)
    }
}

/// A mask of the first `bytes` bytes.
fn upper(bytes: u32) -> u128 {
    u128::MAX.checked_shr(bytes * 8).map_or(u128::MAX, |rest| !rest)
}

#[expect(clippy::cast_possible_truncation, reason = "each half is what the cast keeps")]
fn halves(value: u128) -> [u64; 2] {
    [(value >> 64) as u64, value as u64]
}
