//! Ranges of ports as prefixes of the upper 16 bits of an IPv4 trie's key.

use std::collections::BTreeMap;

use super::classifier::{Bits, Covered};
use crate::topology::model::PortRange;

/// Bits of a port number.
const PORT_BITS: u32 = 16;
/// One more than the highest port.
const PORTS: u32 = 1 << PORT_BITS;

/// For every port the rules that match it; ports that no rule matches are left out. `ranges` are the
/// ranges of every rule, by rule. The result is sorted, and its prefixes are disjoint.
pub(super) fn port_rows<'a>(ranges: impl Iterator<Item = &'a [PortRange]>) -> Vec<Covered> {
    // What changes at a port: the rules that begin or cease to match there.
    let mut edges: BTreeMap<u32, Bits> = BTreeMap::new();
    for (rule, ranges) in ranges.enumerate() {
        for (first, end) in merged(ranges) {
            edges.entry(first).or_default().toggle(rule);
            edges.entry(end).or_default().toggle(rule);
        }
    }
    let mut found = Vec::new();
    let mut current = Bits::default();
    let mut start = 0;
    for (port, change) in edges.into_iter().chain([(PORTS, Bits::default())]) {
        if !current.is_empty() {
            cover(start, port, &current, &mut found);
        }
        current.toggle_all(&change);
        start = port;
    }
    found
}

/// Ranges as disjoint pairs of the first port and the one after the last.
fn merged(ranges: &[PortRange]) -> Vec<(u32, u32)> {
    let ends = |range: &PortRange| (u32::from(*range.start()), u32::from(*range.end()) + 1);
    let mut sorted: Vec<(u32, u32)> = ranges.iter().map(ends).filter(|it| it.0 < it.1).collect();
    sorted.sort_unstable();
    let mut disjoint: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
    for (first, end) in sorted {
        match disjoint.last_mut() {
            Some(last) if first <= last.1 => last.1 = last.1.max(end),
            _ => disjoint.push((first, end)),
        }
    }
    disjoint
}

/// Appends the fewest prefixes that cover the ports from `start` to `end`, the latter excluded.
fn cover(start: u32, end: u32, bits: &Bits, found: &mut Vec<Covered>) {
    let row = bits.row();
    let mut first = start;
    while first < end {
        // The largest block that begins here and ends in time.
        let aligned = first.trailing_zeros().min(PORT_BITS);
        let fits = (end - first).ilog2();
        let size = aligned.min(fits);
        let address = u128::from(first) << (128 - PORT_BITS);
        found.push(Covered { address, len: PORT_BITS - size, row });
        first += 1 << size;
    }
}
