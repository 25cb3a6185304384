//! Tries against a linear scan.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use vnetpeer_common::abi::{Entry, Node4, Node6};

use super::{Interner, NodeFormat, Pool, Prefix, build, build_over, flatten, meet};
use crate::topology::testing::Random;

/// What a trie answers, by a walk like the kernel's.
pub(in crate::topology) fn lookup<T: NodeFormat>(
    node: impl Fn(u32) -> Option<T>,
    root: Entry,
    address: u128,
) -> Option<u32> {
    let (mut entry, mut depth) = (root, 0);
    for _ in 0..=16 {
        let Some(index) = entry.as_node() else { break };
        let node = node(index).expect("a node that is referred to exists");
        let (branch, skipped, fallback) = node.skipped(depth);
        if skipped != address & mask(depth, branch) {
            entry = fallback;
            break;
        }
        entry = node.children()[usize::try_from(address >> (120 - 8 * branch) & 0xff).unwrap()];
        depth = branch + 1;
    }
    entry.as_leaf()
}

fn mask(from: u32, to: u32) -> u128 {
    (from * 8..to * 8).map(|bit| 1 << (127 - bit)).sum()
}

fn scan(prefixes: &[Prefix], address: u128) -> Option<u32> {
    let covers = |it: &&Prefix| it.len == 0 || (it.address ^ address) >> (128 - it.len) == 0;
    let longest = prefixes.iter().filter(covers).max_by_key(|it| it.len);
    longest.and_then(|it| it.leaf.as_leaf())
}

/// Prefixes that share bytes, nest, and have every length.
fn random_prefixes(random: &mut Random, count: usize, bits: u32, values: usize) -> Vec<Prefix> {
    let mut found = BTreeMap::new();
    for _ in 0..count {
        let len = if random.percent(30) {
            bits
        } else {
            u32::try_from(random.below(33)).unwrap() * bits / 32
        };
        let mut address: u128 = 0;
        for _ in 0..16 {
            let byte = [0, 10, 0x80, 0xff, random.below(256)][random.below(5)];
            address = address << 8 | u128::try_from(byte).unwrap();
        }
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
        let leaf = Entry::leaf(u32::try_from(random.below(values)).unwrap());
        found.insert((address & mask, len), leaf);
    }
    found.into_iter().map(|((address, len), leaf)| Prefix { address, len, leaf }).collect()
}

/// Addresses at and around the edges of prefixes, and others.
fn probes(random: &mut Random, prefixes: &[Prefix], bits: u32, count: usize) -> Vec<u128> {
    let wide = |random: &mut Random| u128::from(random.next()) << 64 | u128::from(random.next());
    let step = 1_u128 << (128 - bits);
    let mut found = vec![0, u128::MAX];
    while found.len() < count {
        let any = wide(random);
        let Some(prefix) = prefixes.get(random.below(prefixes.len().max(1))) else {
            found.push(any);
            continue;
        };
        let inside = u128::MAX.checked_shr(prefix.len).unwrap_or_default();
        found.extend([
            any,
            prefix.address | any & inside,
            prefix.address | inside,
            prefix.address.wrapping_sub(step),
            (prefix.address | inside).wrapping_add(step),
        ]);
    }
    found
}

fn check<T: NodeFormat>(seed: u64, bits: u32, lookups: usize) {
    let mut random = Random(seed);
    let count = random.below(60);
    let prefixes = random_prefixes(&mut random, count, bits, 6);
    let mut nodes = Interner::<T>::new(Pool::new(100_000), 1);
    let root = build(&mut nodes, &prefixes).unwrap();
    let flat = flatten(&nodes, root);
    for pair in flat.windows(2) {
        assert!(pair[0].address < pair[1].address, "flat lists are disjoint and sorted");
    }
    if !T::SKIPS {
        assert_eq!(build(&mut nodes, &flat).unwrap(), root, "the same table is the same trie");
    }
    let (pool, _) = nodes.finish();
    for (count, address) in probes(&mut random, &prefixes, bits, lookups).into_iter().enumerate() {
        let expected = scan(&prefixes, address);
        assert_eq!(lookup(|it| pool.get(it).copied(), root, address), expected, "{address:032x}");
        if count < 200 {
            assert_eq!(scan(&flat, address), expected, "{address:032x}");
        }
    }
}

fn check_meet<T: NodeFormat>(seed: u64, bits: u32) {
    let mut random = Random(seed);
    let left = random_prefixes(&mut random, 12, bits, 3);
    let mut right = random_prefixes(&mut random, 6, bits, 3);
    right.extend(left.iter().skip(6).filter(|it| !right.contains(it)).copied().collect::<Vec<_>>());
    right.sort_unstable();
    right.dedup_by_key(|it| (it.address, it.len));
    let mut nodes = Interner::<T>::new(Pool::new(100_000), 1);
    let a = build(&mut nodes, &left).unwrap();
    let b = build(&mut nodes, &right).unwrap();
    let conflict = [Entry::EMPTY, Entry::leaf(77)][random.below(2)];
    let both = meet(&flatten(&nodes, a), &flatten(&nodes, b), conflict);
    let root = build(&mut nodes, &both).unwrap();
    let (pool, _) = nodes.finish();
    let all: Vec<Prefix> = left.iter().chain(&right).copied().collect();
    for address in probes(&mut random, &all, bits, 1_000) {
        let expected = match (scan(&left, address), scan(&right, address)) {
            (Some(a), Some(b)) if a == b => Some(a),
            (Some(_), Some(_)) => conflict.as_leaf(),
            _ => None,
        };
        assert_eq!(lookup(|it| pool.get(it).copied(), root, address), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn an_ipv4_trie_answers_as_a_linear_scan(seed: u64) {
        check::<Node4>(seed, 32, 10_000);
    }

    #[test]
    fn an_ipv6_trie_answers_as_a_linear_scan(seed: u64) {
        check::<Node6>(seed, 128, 10_000);
    }

    #[test]
    fn tries_meet_where_they_agree(seed: u64) {
        check_meet::<Node4>(seed, 32);
        check_meet::<Node6>(seed, 128);
    }
}

fn v4(address: [u8; 4], len: u32, value: u32) -> Prefix {
    let address = u128::from(u32::from_be_bytes(address)) << 96;
    Prefix { address, len, leaf: Entry::leaf(value) }
}

#[test]
fn a_root_may_be_empty_or_a_leaf() {
    let mut nodes = Interner::<Node4>::new(Pool::new(10), 1);
    assert_eq!(build(&mut nodes, &[]).unwrap(), Entry::EMPTY);
    assert_eq!(build(&mut nodes, &[v4([0; 4], 0, 5)]).unwrap(), Entry::leaf(5));
    let halves = [v4([0; 4], 1, 5), v4([128, 0, 0, 0], 1, 5)];
    assert_eq!(build(&mut nodes, &halves).unwrap(), Entry::leaf(5));
    assert_eq!(nodes.finish().0.used(), 0);
}

#[test]
fn a_host_route_takes_four_ipv4_nodes_and_one_ipv6_node() {
    let mut v4_nodes = Interner::<Node4>::new(Pool::new(10), 1);
    build(&mut v4_nodes, &[v4([10, 1, 2, 3], 32, 5)]).unwrap();
    assert_eq!(v4_nodes.finish().0.used(), 4);
    let mut v6_nodes = Interner::<Node6>::new(Pool::new(10), 1);
    build(&mut v6_nodes, &[Prefix { address: 1, len: 128, leaf: Entry::leaf(5) }]).unwrap();
    assert_eq!(v6_nodes.finish().0.used(), 1);
}

#[test]
fn a_change_writes_only_the_nodes_on_its_path() {
    let mut prefixes: Vec<Prefix> = (0..200)
        .flat_map(|b| (0..10).map(move |c| v4([10, b, c, 0], 24, u32::from(b) + 1)))
        .collect();
    let mut first = Interner::<Node4>::new(Pool::new(1_000), 1);
    build(&mut first, &prefixes).unwrap();
    let (pool, _) = first.finish();
    prefixes[77].leaf = Entry::leaf(999);
    let mut second = Interner::new(pool, 2);
    build(&mut second, &prefixes).unwrap();
    assert_eq!(second.finish().1.len(), 3, "the nodes of bytes 0, 1 and 2");
}

#[test]
fn a_freed_item_is_overwritten_two_generations_later_and_comes_back_before_that() {
    let mut pool = Arc::new(Pool::<u32>::new(4));
    let mut step = |generation: u64, wanted: &[u32]| -> (Vec<u32>, Vec<u32>) {
        let mut items = Interner::new(Arc::clone(&pool), generation);
        let numbers = wanted.iter().map(|it| items.intern(*it).unwrap()).collect();
        let (next, written) = items.finish();
        pool = next;
        (numbers, written.iter().map(|it| it.0).collect())
    };
    assert_eq!(step(1, &[70, 71]), (vec![1, 2], vec![1, 2]));
    assert_eq!(step(2, &[71]), (vec![2], vec![]), "70 is freed by generation 2");
    assert_eq!(step(3, &[71, 72]), (vec![2, 3], vec![3]), "1 may still be read");
    assert_eq!(step(4, &[71, 72, 73]), (vec![2, 3, 1], vec![1]), "1 is overwritten");
    assert_eq!(step(5, &[71, 73]), (vec![2, 1], vec![]));
    assert_eq!(step(6, &[71, 72, 73]), (vec![2, 3, 1], vec![]), "72 comes back unwritten");
}

#[test]
fn a_full_pool_is_an_error() {
    let mut items = Interner::new(Pool::<u32>::new(3), 1);
    assert_eq!((items.intern(1), items.intern(2), items.intern(1)), (Ok(1), Ok(2), Ok(1)));
    assert_eq!(items.intern(3).unwrap_err().capacity, 3);
}

#[test]
fn adopting_keeps_what_is_in_use_and_offers_the_rest() {
    let live = BTreeSet::from([2, 4]);
    let pool = Pool::adopt(6, vec![(1, 70_u32), (2, 71), (4, 70)], &live);
    assert_eq!(pool.used(), 2);
    let mut items = Interner::new(pool, 3);
    assert_eq!(items.intern(70), Ok(4), "the one in use, not its equal");
    assert_eq!((items.intern(80), items.intern(81), items.intern(82)), (Ok(1), Ok(3), Ok(5)));
    assert!(items.intern(83).is_err());
}

/// A trie over another one is the trie of all prefixes, and makes no node that is not in it.
fn check_over<T: NodeFormat>(seed: u64, bits: u32) {
    let mut random = Random(seed);
    let (many, few) = (random.below(60), random.below(8));
    let mut base = random_prefixes(&mut random, many, bits, 6);
    if random.percent(50) {
        // All in one place, as the spaces of one deployment are.
        base.retain(|it| it.address >> 120 == 10);
    }
    let own = random_prefixes(&mut random, few, bits, 6);
    let all = base.iter().map(|it| ((it.address, it.len), *it));
    let mut all: BTreeMap<_, _> = all.collect();
    all.extend(own.iter().map(|it| ((it.address, it.len), *it)));
    let all: Vec<Prefix> = all.into_values().collect();
    let mut nodes = Interner::<T>::new(Pool::new(100_000), 1);
    let root = build(&mut nodes, &base).unwrap();
    let over = build_over(&mut nodes, (&base, root), &own).unwrap();
    let (pool, written) = nodes.finish();
    let mut again = Interner::<T>::new(pool, 2);
    assert_eq!(build(&mut again, &all).unwrap(), over);
    assert_eq!(build(&mut again, &base).unwrap(), root);
    let (pool, _) = again.finish();
    assert_eq!(pool.used(), written.len(), "nodes that no root leads to");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_trie_over_another_is_that_of_all_prefixes(seed: u64) {
        check_over::<Node4>(seed, 32);
        check_over::<Node6>(seed, 128);
    }
}

#[test]
fn a_prefix_over_a_large_trie_costs_the_nodes_on_its_way() {
    let base: Vec<Prefix> =
        (0..200).flat_map(|b| (0..200).map(move |c| v4([10, b, c, 0], 24, 7))).collect();
    let mut nodes = Interner::<Node4>::new(Pool::new(1_000), 1);
    let root = build(&mut nodes, &base).unwrap();
    assert_eq!(build_over(&mut nodes, (&base, root), &[]).unwrap(), root);
    build_over(&mut nodes, (&base, root), &[v4([10, 77, 7, 0], 24, 9)]).unwrap();
    build_over(&mut nodes, (&base, root), &[v4([192, 168, 0, 0], 16, 9)]).unwrap();
    // Equal subtrees of the base are one node.
    assert_eq!(nodes.finish().0.used(), 3 + 3 + 2);
}
