//! What a trie says, as a list of disjoint prefixes, and what two tries both say.

use vnetpeer_common::abi::Entry;

use super::{Interner, NodeFormat, Prefix};

/// Every address that gets a leaf is in exactly one prefix of the result, which is sorted.
pub(in crate::topology) fn flatten<T: NodeFormat>(nodes: &Interner<T>, root: Entry) -> Vec<Prefix> {
    let mut found = Vec::new();
    walk(nodes, root, 0, 0, &mut found);
    found.sort_unstable();
    found
}

fn walk<T: NodeFormat>(
    nodes: &Interner<T>,
    entry: Entry,
    depth: u32,
    address: u128,
    found: &mut Vec<Prefix>,
) {
    if entry.as_leaf().is_some() {
        found.push(Prefix { address, len: 8 * depth, leaf: entry });
    }
    let Some(node) = entry.as_node().and_then(|index| nodes.get(index)) else { return };
    let (branch, skipped, fallback) = node.skipped(depth);
    // A node that leads back up can only be somebody else's; do not follow it.
    if branch < depth || branch > 15 {
        return;
    }
    if fallback.as_leaf().is_some() {
        for bit in 8 * depth..8 * branch {
            let agreed = address | skipped & !(u128::MAX >> bit);
            let address = agreed | (!skipped & (1 << (127 - bit)));
            found.push(Prefix { address, len: bit + 1, leaf: fallback });
        }
    }
    let base = address | skipped;
    for (value, child) in (0_u128..).zip(node.children()) {
        walk(nodes, *child, branch + 1, base | value << (120 - 8 * branch), found);
    }
}

/// Where two flat lists agree; where both have a leaf and do not agree, `conflict` (nothing, if it
/// is empty).
pub(in crate::topology) fn meet(left: &[Prefix], right: &[Prefix], conflict: Entry) -> Vec<Prefix> {
    let (mut left, mut right) = (left, right);
    let mut both = Vec::new();
    while let (Some((a, after_a)), Some((b, after_b))) = (left.split_first(), right.split_first()) {
        let inner = if contains(a, b) {
            Some(b)
        } else if contains(b, a) {
            Some(a)
        } else {
            None
        };
        if let Some(inner) = inner {
            let leaf = if a.leaf == b.leaf { a.leaf } else { conflict };
            if leaf != Entry::EMPTY {
                both.push(Prefix { leaf, ..*inner });
            }
        }
        // The one that ends first has nothing more to meet.
        if end(a) < end(b) {
            left = after_a;
        } else {
            right = after_b;
        }
    }
    both
}

fn contains(outer: &Prefix, inner: &Prefix) -> bool {
    outer.len <= inner.len && inner.address >= outer.address && inner.address <= end(outer)
}

fn end(prefix: &Prefix) -> u128 {
    prefix.address | u128::MAX.checked_shr(prefix.len).unwrap_or_default()
}
