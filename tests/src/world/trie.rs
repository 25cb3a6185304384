//! Route tries from prefix lists, the naive way: no sharing, no order of updates, nothing freed.
//!
//! It is written apart from the control program's builder, so that the datapath's walk is judged by
//! two of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytemuck::Zeroable as _;
use ipnet::IpNet;
use vnetpeer_common::abi::{Entry, Node4, Node6, Roots};

/// Prefixes with the value that a lookup returns.
pub type Prefixes = Vec<(IpNet, u32)>;

/// Nodes of both families. Node 0 is never used.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// IPv4.
    pub v4: Vec<Node4>,
    /// IPv6.
    pub v6: Vec<Node6>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { v4: vec![Node4::zeroed()], v6: vec![Node6::zeroed()] }
    }
}

/// A prefix as bytes.
#[derive(Clone)]
struct Prefix<const N: usize> {
    bytes: [u8; N],
    bits: usize,
    value: u32,
}

impl<const N: usize> Prefix<N> {
    /// Whether the prefix covers every address whose byte at `depth` is `byte` and that agrees with
    /// it before.
    fn covers_child(&self, depth: usize, byte: u8) -> bool {
        let free = (8 * (depth + 1)).saturating_sub(self.bits).min(8);
        self.bits <= 8 * (depth + 1) && (u16::from(self.bytes[depth] ^ byte) >> free) == 0
    }
}

/// The value of the longest prefix that covers the address: the definition, without a trie.
pub fn linear_scan(prefixes: &Prefixes, address: std::net::IpAddr) -> Option<u32> {
    let covering = prefixes.iter().filter(|(prefix, _)| prefix.contains(&address));
    covering.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, value)| *value)
}

impl Nodes {
    /// Adds the tries of a table.
    pub fn add(&mut self, prefixes: &Prefixes) -> Roots {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, value) in prefixes {
            let (bits, value) = (usize::from(prefix.prefix_len()), *value);
            match prefix.trunc() {
                IpNet::V4(net) => v4.push(Prefix { bytes: net.addr().octets(), bits, value }),
                IpNet::V6(net) => v6.push(Prefix { bytes: net.addr().octets(), bits, value }),
            }
        }
        Roots { v4: self.entry4(&v4, 0, None), v6: self.entry6(&v6, 0, None) }
    }

    fn entry4(&mut self, prefixes: &[Prefix<4>], depth: usize, outer: Option<u32>) -> Entry {
        let outer = inherited(prefixes, depth).or(outer);
        let longer = longer_than(prefixes, depth);
        if longer.is_empty() {
            return leaf(outer);
        }
        let index = self.v4.len();
        self.v4.push(Node4::zeroed());
        for byte in 0..=u8::MAX {
            let below: Vec<Prefix<4>> = under(&longer, depth, byte);
            self.v4[index].children[usize::from(byte)] = self.entry4(&below, depth + 1, outer);
        }
        node(index)
    }

    /// As for IPv4, but bytes in which all prefixes agree are skipped.
    fn entry6(&mut self, prefixes: &[Prefix<16>], depth: usize, outer: Option<u32>) -> Entry {
        let outer = inherited(prefixes, depth).or(outer);
        let longer = longer_than(prefixes, depth);
        let Some(first) = longer.first().cloned() else { return leaf(outer) };
        let agree = |at: usize| {
            longer.iter().all(|it| it.bytes[at] == first.bytes[at] && it.bits > 8 * (at + 1))
        };
        let branch = (depth..16).find(|at| !agree(*at)).expect("no prefix is longer than 128 bits");
        let mut node6 = Node6::zeroed();
        let mut mask = [0_u8; 16];
        mask[..branch].fill(0xff);
        let mut skipped = first.bytes;
        skipped[branch..].fill(0);
        (node6.prefix, node6.mask) = (halves(skipped), halves(mask));
        node6.fallback = leaf(outer);
        node6.word = u32::from(branch >= 8);
        node6.shift = u32::try_from(56 - 8 * (branch % 8)).expect("below 64");
        let index = self.v6.len();
        self.v6.push(node6);
        for byte in 0..=u8::MAX {
            let below: Vec<Prefix<16>> = under(&longer, branch, byte);
            self.v6[index].children[usize::from(byte)] = self.entry6(&below, branch + 1, outer);
        }
        node(index)
    }
}

/// The longest prefix that ends at or before `depth` bytes; all in the list cover this place.
fn inherited<const N: usize>(prefixes: &[Prefix<N>], depth: usize) -> Option<u32> {
    let ended = prefixes.iter().filter(|it| it.bits <= 8 * depth);
    ended.max_by_key(|it| it.bits).map(|it| it.value)
}

fn longer_than<const N: usize>(prefixes: &[Prefix<N>], depth: usize) -> Vec<Prefix<N>> {
    prefixes.iter().filter(|it| it.bits > 8 * depth).cloned().collect()
}

/// The prefixes that matter below the child for `byte`. One that ends within this byte covers some
/// children wholly; it keeps its length, so that the longest of them wins there.
fn under<const N: usize>(prefixes: &[Prefix<N>], depth: usize, byte: u8) -> Vec<Prefix<N>> {
    let matters = |it: &&Prefix<N>| {
        it.covers_child(depth, byte) || (it.bits > 8 * (depth + 1) && it.bytes[depth] == byte)
    };
    prefixes.iter().filter(matters).cloned().collect()
}

fn leaf(value: Option<u32>) -> Entry {
    value.map_or(Entry::EMPTY, Entry::leaf)
}

fn node(index: usize) -> Entry {
    Entry::node(u32::try_from(index).expect("fewer nodes than 2^31"))
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let [high, low] = [0, 8].map(|at| bytes[at..at + 8].try_into().expect("eight bytes"));
    [u64::from_be_bytes(high), u64::from_be_bytes(low)]
}

/// A network that every address of a family is in.
pub fn everything(v6: bool) -> IpNet {
    if v6 {
        IpNet::new(Ipv6Addr::UNSPECIFIED.into(), 0).expect("a prefix length of 0")
    } else {
        IpNet::new(Ipv4Addr::UNSPECIFIED.into(), 0).expect("a prefix length of 0")
    }
}
