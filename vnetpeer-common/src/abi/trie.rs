//! Nodes of the route tries: stride 8, leaf-pushed, one array map per family.
//!
//! A stride-8 trie in an array costs 9 ns for 1,000 routes where the kernel's LPM trie costs 91
//! (ADR 0002). Nodes are never changed in place: an update writes new nodes and then one root.

use bytemuck::{Pod, Zeroable};

/// Children of a node: one per value of a byte.
pub const TRIE_FANOUT: usize = 256;

/// What a root or a child slot holds: nothing, a leaf, or the index of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Entry(u32);

/// Set in a leaf.
const LEAF: u32 = 1 << 31;

impl Entry {
    /// No prefix covers the address.
    pub const EMPTY: Self = Self(0);

    /// A leaf that carries `value`, of which 31 bits are kept. What it means depends on the trie:
    /// a next hop, a NIC (0: the address is in the space, but no NIC has it) or a link.
    #[inline(always)]
    pub const fn leaf(value: u32) -> Self {
        Self(LEAF | value)
    }

    /// A reference to the node at `index` (1 to 2^31 − 1).
    #[inline(always)]
    pub const fn node(index: u32) -> Self {
        Self(index & !LEAF)
    }

    /// From its bits, as they cross from one program's function to another.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The value of a leaf.
    #[inline(always)]
    pub const fn as_leaf(self) -> Option<u32> {
        if self.0 & LEAF != 0 { Some(self.0 & !LEAF) } else { None }
    }

    /// The index of a node.
    #[inline(always)]
    pub const fn as_node(self) -> Option<u32> {
        if self.0 != 0 && self.0 & LEAF == 0 { Some(self.0) } else { None }
    }
}

/// A node of an IPv4 trie; the depth (which byte it branches on) is its distance from the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Node4 {
    /// One entry per value of the byte.
    pub children: [Entry; TRIE_FANOUT],
}

/// A node of an IPv6 trie. It may skip bytes: the address must agree with `prefix` under `mask`
/// before the node branches on the byte that `word` and `shift` select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Node6 {
    /// The bytes before the branching byte, as two integers (the address read as big-endian).
    pub prefix: [u64; 2],
    /// Which bits of `prefix` count.
    pub mask: [u64; 2],
    /// The result for addresses that disagree with `prefix`.
    pub fallback: Entry,
    /// Which half of the address holds the branching byte: 0 or 1.
    pub word: u32,
    /// How far to shift that half right: 0, 8 … 56.
    pub shift: u32,
    /// Zero.
    pub reserved: u32,
    /// One entry per value of the byte.
    pub children: [Entry; TRIE_FANOUT],
}
