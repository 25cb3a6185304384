//! A trie from a sorted list of prefixes.

use std::ops::Range;

use vnetpeer_common::abi::{Entry, TRIE_FANOUT};

use super::{Exhausted, Interner, NodeFormat, format::Children};

/// A prefix and its leaf. The order is that of the address, then the shorter prefix first, so that
/// a prefix comes directly before everything inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// Address, in the upper bits, host bits zero.
    pub address: u128,
    /// Length in bits.
    pub len: u32,
    /// What the covered addresses get.
    pub leaf: Entry,
}

/// Builds the trie of `prefixes`, which are sorted and unique, and returns its root.
pub fn build<T: NodeFormat>(
    nodes: &mut Interner<T>,
    prefixes: &[Prefix],
) -> Result<Entry, Exhausted> {
    match prefixes.split_first() {
        Some((default, rest)) if default.len == 0 => node(nodes, rest, 0, default.leaf),
        _ => node(nodes, prefixes, 0, Entry::EMPTY),
    }
}

/// The subtree of `prefixes`, which agree in the first `depth` bytes and are longer than that;
/// addresses outside of them get `inherited`.
pub(super) fn node<T: NodeFormat>(
    nodes: &mut Interner<T>,
    prefixes: &[Prefix],
    depth: u32,
    inherited: Entry,
) -> Result<Entry, Exhausted> {
    let Some(first) = prefixes.first() else { return Ok(inherited) };
    let branch = if T::SKIPS { common_bytes(prefixes) } else { depth };
    let mut children: Children = [inherited; TRIE_FANOUT];
    let mut rest = prefixes;
    while let Some((prefix, others)) = rest.split_first() {
        let slot = byte(prefix.address, branch);
        if prefix.len <= 8 * (branch + 1) {
            fill(&mut children, slots(prefix, branch), prefix.leaf);
            rest = others;
            continue;
        }
        let inside = rest.partition_point(|it| byte(it.address, branch) == slot);
        let (inside, others) = rest.split_at(inside);
        if let Some(child) = children.get_mut(slot) {
            *child = node(nodes, inside, branch + 1, *child)?;
        }
        rest = others;
    }
    let skips_nothing = branch == depth;
    if let Some(same) = all_equal(&children)
        && same.as_node().is_none()
        && (skips_nothing || same == inherited)
    {
        return Ok(same);
    }
    nodes.intern(T::new(depth, branch, first.address, inherited, &children)).map(Entry::node)
}

/// The most bytes that all prefixes share, less if that is needed to make every prefix longer.
pub(super) fn common_bytes(prefixes: &[Prefix]) -> u32 {
    let (Some(first), Some(last)) = (prefixes.first(), prefixes.last()) else { return 0 };
    let shortest = prefixes.iter().map(|prefix| prefix.len).min().unwrap_or_default();
    let agreed = (first.address ^ last.address).leading_zeros();
    agreed.min(shortest.saturating_sub(1)) / 8
}

/// The slots of a node on byte `branch` that a prefix ending in that byte covers.
pub(super) fn slots(prefix: &Prefix, branch: u32) -> Range<usize> {
    let first = byte(prefix.address, branch);
    let free_bits = (8 * (branch + 1)).saturating_sub(prefix.len).min(8);
    first..first + (1 << free_bits)
}

pub(super) fn fill(children: &mut Children, range: Range<usize>, leaf: Entry) {
    if let Some(covered) = children.get_mut(range) {
        covered.fill(leaf);
    }
}

pub(super) fn all_equal(children: &Children) -> Option<Entry> {
    let first = *children.first()?;
    children.iter().all(|child| *child == first).then_some(first)
}

/// Byte `index` of an address, as an index.
pub(super) fn byte(address: u128, index: u32) -> usize {
    let shift = 120_u32.saturating_sub(8 * index);
    usize::try_from(address >> shift & 0xff).unwrap_or_default()
}
