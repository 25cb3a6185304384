//! A trie that is another one with some prefixes of its own: the nodes on the way to these are made, all
//! others are the other one's.

use vnetpeer_common::abi::{Entry, TRIE_FANOUT};

use super::{
    Exhausted, Interner, NodeFormat, Prefix,
    build::{all_equal, byte, common_bytes, fill, node, slots},
    format::Children,
};

/// A part of the other trie.
#[derive(Clone, Copy)]
struct Base<'a> {
    /// Its prefixes, sorted and unique.
    prefixes: &'a [Prefix],
    /// What leads to it, and after how many bytes it was built to be reached.
    entry: Option<(Entry, u32)>,
    /// What its addresses have that none of the prefixes covers.
    inherited: Entry,
}

/// Builds the trie of `base`, of which `root` is one that was built in this generation, with `own` in
/// addition; a prefix of both is `own`'s. It is the trie that [`build`](super::build()) makes of all of them.
pub(in crate::topology) fn build_over<T: NodeFormat>(
    nodes: &mut Interner<T>,
    (base, root): (&[Prefix], Entry),
    own: &[Prefix],
) -> Result<Entry, Exhausted> {
    let (around_base, prefixes) = split_default(base);
    let inherited = around_base.unwrap_or(Entry::EMPTY);
    let (around_own, own) = split_default(own);
    let part = Base { prefixes, entry: Some((root, 0)), inherited };
    over(nodes, part, own, 0, around_own.unwrap_or(inherited))
}

fn split_default(prefixes: &[Prefix]) -> (Option<Entry>, &[Prefix]) {
    match prefixes.split_first() {
        Some((default, rest)) if default.len == 0 => (Some(default.leaf), rest),
        _ => (None, prefixes),
    }
}

fn over<T: NodeFormat>(
    nodes: &mut Interner<T>,
    base: Base<'_>,
    own: &[Prefix],
    depth: u32,
    inherited: Entry,
) -> Result<Entry, Exhausted> {
    let Some(first) = first(base.prefixes, own) else { return Ok(inherited) };
    if own.is_empty() && inherited == base.inherited {
        return untouched(nodes, base, depth);
    }
    let branch = if T::SKIPS { common_of_both(base.prefixes, own) } else { depth };
    let shared = base.entry.and_then(|(entry, at)| children_at(nodes, entry, at, branch));
    let mut parts =
        Parts { base: base.prefixes, own, covered: [base.inherited; TRIE_FANOUT], branch };
    let mut children: Children = [inherited; TRIE_FANOUT];
    while let Some(part) = parts.next(&mut children) {
        let entry = match &shared {
            Some(shared) => shared.get(part.slot).map(|child| (*child, branch + 1)),
            // A node below this one, which all of its prefixes lead to.
            None => base.entry.filter(|_| part.base.len() == base.prefixes.len()),
        };
        let covered = parts.covered.get(part.slot).copied().unwrap_or(Entry::EMPTY);
        let below = Base { prefixes: part.base, entry, inherited: covered };
        if let Some(child) = children.get_mut(part.slot) {
            *child = over(nodes, below, part.own, branch + 1, *child)?;
        }
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

/// A part of the other trie as it is. Where it was built to be reached after other bytes, its first node is
/// made anew.
fn untouched<T: NodeFormat>(
    nodes: &mut Interner<T>,
    base: Base<'_>,
    depth: u32,
) -> Result<Entry, Exhausted> {
    match base.entry {
        Some((entry, at)) if at == depth => Ok(entry),
        _ => node(nodes, base.prefixes, depth, base.inherited),
    }
}

/// The children of the node that `entry` leads to, if it branches on byte `branch`.
fn children_at<T: NodeFormat>(
    nodes: &Interner<T>,
    entry: Entry,
    at: u32,
    branch: u32,
) -> Option<Children> {
    let node = nodes.get(entry.as_node()?)?;
    (node.skipped(at).0 == branch).then(|| *node.children())
}

fn first(base: &[Prefix], own: &[Prefix]) -> Option<Prefix> {
    base.first().into_iter().chain(own.first()).min().copied()
}

/// As [`common_bytes`] of all of them.
fn common_of_both(base: &[Prefix], own: &[Prefix]) -> u32 {
    let (Some(left), Some(right)) = (base.first(), own.first()) else {
        return common_bytes(base).max(common_bytes(own));
    };
    let agreed = (left.address ^ right.address).leading_zeros() / 8;
    agreed.min(common_bytes(base)).min(common_bytes(own))
}

/// The prefixes of both that go on in one slot of a node.
struct Part<'a> {
    slot: usize,
    base: &'a [Prefix],
    own: &'a [Prefix],
}

/// Goes through the prefixes of both in their order.
struct Parts<'a> {
    base: &'a [Prefix],
    own: &'a [Prefix],
    /// What the base alone has in each slot.
    covered: Children,
    branch: u32,
}

impl<'a> Parts<'a> {
    /// Fills in what ends in this node, up to a slot in which something goes on.
    fn next(&mut self, children: &mut Children) -> Option<Part<'a>> {
        loop {
            let (base, own) = (self.base.first(), self.own.first());
            let key = |it: &Prefix| (it.address, it.len);
            let is_own = match (base, own) {
                (Some(base), Some(own)) => key(own) <= key(base),
                (None, None) => return None,
                (base, _) => base.is_none(),
            };
            let prefix = if is_own { *own? } else { *base? };
            if prefix.len > 8 * (self.branch + 1) {
                return Some(self.split(byte(prefix.address, self.branch)));
            }
            fill(children, slots(&prefix, self.branch), prefix.leaf);
            let both = is_own && base.map(key) == own.map(key);
            if is_own {
                self.own = self.own.get(1..).unwrap_or_default();
            }
            if let Some(base) = base.filter(|_| !is_own || both) {
                fill(&mut self.covered, slots(base, self.branch), base.leaf);
                self.base = self.base.get(1..).unwrap_or_default();
            }
        }
    }

    fn split(&mut self, slot: usize) -> Part<'a> {
        let branch = self.branch;
        let take = |prefixes: &'a [Prefix]| {
            prefixes.split_at(prefixes.partition_point(|it| byte(it.address, branch) == slot))
        };
        let (base, own);
        (base, self.base) = take(self.base);
        (own, self.own) = take(self.own);
        Part { slot, base, own }
    }
}

/// Asks for everything that a root leads to. What is asked for already has all below it asked for. Hands the
/// leaves to `found`.
pub(in crate::topology) fn keep_all<T: NodeFormat>(
    nodes: &mut Interner<T>,
    root: Entry,
    mut found: impl FnMut(u32),
) {
    let mut open = vec![root];
    while let Some(entry) = open.pop() {
        if let Some(leaf) = entry.as_leaf() {
            found(leaf);
        }
        let Some(index) = entry.as_node().filter(|index| !nodes.is_kept(*index)) else { continue };
        nodes.keep(index);
        let Some(node) = nodes.get(index) else { continue };
        open.push(node.skipped(0).2);
        let mut last = Entry::EMPTY;
        for child in node.children() {
            if *child != last {
                open.push(*child);
            }
            last = *child;
        }
    }
}
