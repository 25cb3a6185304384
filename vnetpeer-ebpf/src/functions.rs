//! Functions that the verifier checks once and on their own, and not at each place that calls them.
//! They cost a call; the hit path of the flow cache has none.

use vnetpeer_common::{
    abi::{Entry, RuleEntry},
    datapath::{
        Address, Admission, Case, FlowQuery, admit, classify, keep_fragment, lookup6, resolve,
    },
    reason::DropReason,
    types::{NicId, RuleId, TableId, V4, V6},
};

use crate::tables::Maps;

/// Asks the flow table, see [`admit`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_admit_v4(query: *const FlowQuery<V4>) -> u64 {
    ask(query)
}

/// Asks the flow table, see [`admit`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_admit_v6(query: *const FlowQuery<V6>) -> u64 {
    ask(query)
}

/// Asks a policy, see [`classify`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_classify_v4(
    index: u32,
    query: *const FlowQuery<V4>,
    inbound: u32,
    kind: u32,
) -> u32 {
    decide(index, query, Case { inbound: inbound != 0, kind })
}

/// Asks a policy, see [`classify`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_classify_v6(
    index: u32,
    query: *const FlowQuery<V6>,
    inbound: u32,
    kind: u32,
) -> u32 {
    decide(index, query, Case { inbound: inbound != 0, kind })
}

/// Keeps what a first fragment tells about the others, see [`keep_fragment`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_keep_fragment_v4(query: *const FlowQuery<V4>, id: u32) -> u32 {
    keep(query, id)
}

/// Keeps what a first fragment tells about the others, see [`keep_fragment`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_keep_fragment_v6(query: *const FlowQuery<V6>, id: u32) -> u32 {
    keep(query, id)
}

/// Looks an address up that is given as two numbers, most significant first, see [`lookup6`]. What it
/// returns is no 32-bit number if no prefix covers the address.
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_lookup_v6(root: u32, high: u64, low: u64) -> u64 {
    let address = V6::from_halves([high, low]);
    lookup6(&Maps, Entry::from_bits(root), address).map_or(u64::MAX, u64::from)
}

/// Follows effective routes, see [`resolve`]; the address as in [`vnp_lookup_v6`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_resolve_v6(table: u32, sender: u32, high: u64, low: u64, flow: u32) -> u64 {
    let destination = V6::from_halves([high, low]);
    resolve(&Maps, TableId(table), NicId(sender), destination, flow).0
}

#[inline(always)]
fn keep<A: Address>(query: *const FlowQuery<A>, id: u32) -> u32 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    if let Some(query) = unsafe { query.as_ref() } {
        keep_fragment(&Maps, query, id);
    }
    0
}

#[inline(always)]
fn decide<A: Address>(index: u32, query: *const FlowQuery<A>, case: Case) -> u32 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    let query = unsafe { query.as_ref() };
    let none = RuleEntry::deny(RuleId::NONE);
    query.map_or(none, |query| classify(&Maps, index, query, case)).bits()
}

#[inline(always)]
fn ask<A: Address>(query: *const FlowQuery<A>) -> u64 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    let query = unsafe { query.as_ref() };
    let unconfigured = Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
    query.map_or(unconfigured, |query| admit(&Maps, query)).0
}
