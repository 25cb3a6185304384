//! Lookups of routes in a benchmark: by the datapath's own function in its tries, and in the kernel's LPM trie.
//!
//! Every run makes the address of one route, and looks it up. How the routes lie is computed from their
//! numbers, by user space in the same way (`tests/src/bin/bench/routes/layout.rs`), so that the choice of an
//! address reads no memory; the programs that look nothing up tell what it costs.
#![no_std]
#![no_main]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the program macros generate entry points without documentation; the functions have it"
)]

#[path = "../object.rs"]
mod object;

use core::hint::black_box;

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_SHOT},
    macros::{classifier, map},
    maps::{
        Array,
        lpm_trie::{Key, LpmTrie},
    },
    programs::TcContext,
};
use vnetpeer_common::{
    abi::{Node4, Node6, Roots},
    datapath::{Nodes, lookup4, lookup6},
    types::{V4, V6},
};

/// Routes of one table.
const TABLE: u32 = 1_000;

/// Which address comes next.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Choice {
    /// Chooses the route.
    state: u64,
    /// How it changes: by this factor and this addend.
    factor: u64,
    addend: u64,
    /// Routes of all tables.
    count: u32,
    /// Lookups that did not find their route.
    missed: u32,
}

/// A table, and an IPv4 address as it is in packets.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Key4 {
    table: u32,
    address: u32,
}

/// A table, and an IPv6 address as it is in packets.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Key6 {
    table: u32,
    address: [[u8; 8]; 2],
}

// The loader makes all of them as large as the routes need.
#[map]
static CHOICE: Array<Choice> = Array::with_max_entries(1, 0);
#[map]
static ROUTES: Array<Roots> = Array::with_max_entries(1, 0);
#[map]
static TRIE_V4: Array<Node4> = Array::with_max_entries(2, 0);
#[map]
static TRIE_V6: Array<Node6> = Array::with_max_entries(2, 0);
#[map]
static LPM_V4: LpmTrie<Key4, u32> = LpmTrie::with_max_entries(1, 0);
#[map]
static LPM_V6: LpmTrie<Key6, u32> = LpmTrie::with_max_entries(1, 0);

/// The nodes, as the product's programs read them.
struct Maps;

impl Nodes for Maps {
    #[inline(always)]
    fn node4(&self, index: u32) -> Option<&Node4> {
        TRIE_V4.get(index)
    }

    #[inline(always)]
    fn node6(&self, index: u32) -> Option<&Node6> {
        TRIE_V6.get(index)
    }
}

/// The number of a route.
#[inline(always)]
fn choose() -> Option<(*mut Choice, u32)> {
    let choice = CHOICE.get_ptr_mut(0)?;
    // SAFETY: the map's value lives as long as the map, and only this CPU runs the benchmark.
    unsafe {
        let state = (*choice).state.wrapping_mul((*choice).factor).wrapping_add((*choice).addend);
        (*choice).state = state;
        let number = ((state >> 32) * u64::from((*choice).count)) >> 32;
        Some((choice, number as u32))
    }
}

/// 24 bits of an address that the route of a number covers.
#[inline(always)]
const fn place(number: u32) -> u32 {
    let within = number % TABLE;
    ((within.wrapping_mul(40_503) & 0xfff) << 12) | ((within & 0xf) << 8) | 1
}

#[inline(always)]
const fn address4(number: u32) -> V4 {
    V4::from_bits((10 << 24) | place(number))
}

#[inline(always)]
const fn address6(number: u32) -> V6 {
    V6::from_halves([(0xfd00 << 48) | place(number) as u64, 1])
}

/// What a lookup must find.
#[inline(always)]
fn judge(choice: *mut Choice, number: u32, found: Option<u32>) -> i32 {
    if found == Some(number) {
        return TC_ACT_OK;
    }
    // SAFETY: as in `choose`.
    unsafe { (*choice).missed += 1 };
    TC_ACT_SHOT
}

/// Makes an address and looks nothing up.
#[classifier]
pub fn nothing_v4(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    black_box((number / TABLE, address4(number).wire()));
    judge(choice, number, Some(black_box(number)))
}

/// Makes an address and looks nothing up.
#[classifier]
pub fn nothing_v6(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    black_box((number / TABLE, address6(number).halves()));
    judge(choice, number, Some(black_box(number)))
}

/// The datapath's lookup.
#[classifier]
pub fn trie_v4(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    let roots = ROUTES.get(number / TABLE);
    let found = roots.and_then(|roots| lookup4(&Maps, roots.v4, address4(number)));
    judge(choice, number, found)
}

/// The datapath's lookup.
#[classifier]
pub fn trie_v6(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    let roots = ROUTES.get(number / TABLE);
    let found = roots.and_then(|roots| lookup6(&Maps, roots.v6, address6(number)));
    judge(choice, number, found)
}

/// The kernel's.
#[classifier]
pub fn lpm_v4(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    let key = Key4 { table: (number / TABLE).to_be(), address: address4(number).wire() };
    let found = LPM_V4.get(Key::new(64, key));
    judge(choice, number, found.copied())
}

/// The kernel's.
#[classifier]
pub fn lpm_v6(_ctx: TcContext) -> i32 {
    let Some((choice, number)) = choose() else { return TC_ACT_SHOT };
    let [high, low] = address6(number).halves();
    let key =
        Key6 { table: (number / TABLE).to_be(), address: [high.to_be_bytes(), low.to_be_bytes()] };
    let found = LPM_V6.get(Key::new(160, key));
    judge(choice, number, found.copied())
}
