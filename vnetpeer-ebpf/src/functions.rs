//! Functions that the verifier checks once and on their own, and not at each place that calls them.
//! They cost a call; the hit path of the flow cache has none.

use vnetpeer_common::{
    abi::{Entry, RuleEntry},
    datapath::{
        Address, Admission, Case, FlowQuery, Found, admit, arrive, choose, classify, floats,
        keep_fragment, lookup6, resolve, turn,
    },
    reason::DropReason,
    types::{BalancerId, NicId, RuleId, TableId, V4, V6},
};

use crate::tables::Maps;

/// Asks the flow table, see [`admit`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_admit_v4(query: *mut FlowQuery<V4>) -> u64 {
    ask(query)
}

/// Asks the flow table, see [`admit`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_admit_v6(query: *mut FlowQuery<V6>) -> u64 {
    ask(query)
}

/// Chooses a backend, see [`choose`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_choose_v4(query: *const FlowQuery<V4>, kept: u32) -> u64 {
    balance(query, kept)
}

/// Takes a packet to a backend, see [`arrive`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_arrive_v4(query: *mut FlowQuery<V4>) -> u64 {
    take(query)
}

/// Turns a question to the other side, see [`turn`]. 0: something is missing.
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_turn_v4(query: *mut FlowQuery<V4>, id: u32, flags: u32, by: u32) -> u32 {
    prepare(query, id, flags, by)
}

/// Chooses a backend, see [`choose`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_choose_v6(query: *const FlowQuery<V6>, kept: u32) -> u64 {
    balance(query, kept)
}

/// Takes a packet to a backend, see [`arrive`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_arrive_v6(query: *mut FlowQuery<V6>) -> u64 {
    take(query)
}

/// Turns a question to the other side, see [`turn`]. 0: something is missing.
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_turn_v6(query: *mut FlowQuery<V6>, id: u32, flags: u32, by: u32) -> u32 {
    prepare(query, id, flags, by)
}

/// Asks whether a NIC may send from a frontend's address, see [`floats`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_floats_v4(query: *const FlowQuery<V4>) -> u32 {
    ask_floats(query)
}

/// Asks whether a NIC may send from a frontend's address, see [`floats`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_floats_v6(query: *const FlowQuery<V6>) -> u32 {
    ask_floats(query)
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
fn balance<A: Address>(query: *const FlowQuery<A>, kept: u32) -> u64 {
    let missing = Found::refuse(DropReason::Unconfigured);
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    unsafe { query.as_ref() }.map_or(missing, |query| choose(&Maps, query, NicId(kept))).0
}

#[inline(always)]
fn take<A: Address>(query: *mut FlowQuery<A>) -> u64 {
    let missing = Found::refuse(DropReason::Unconfigured);
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query, and nobody else
    // looks at it meanwhile.
    unsafe { query.as_mut() }.map_or(missing, |query| arrive(&Maps, query)).0
}

#[inline(always)]
fn prepare<A: Address>(query: *mut FlowQuery<A>, id: u32, flags: u32, by: u32) -> u32 {
    // SAFETY: as in `take`.
    let query = unsafe { query.as_mut() };
    let turned = query.and_then(|query| turn(&Maps, query, NicId(id), flags, BalancerId(by)));
    u32::from(turned.is_some())
}

#[inline(always)]
fn ask_floats<A: Address>(query: *const FlowQuery<A>) -> u32 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    unsafe { query.as_ref() }.map_or(0, |query| floats(&Maps, query))
}

#[inline(always)]
fn decide<A: Address>(index: u32, query: *const FlowQuery<A>, case: Case) -> u32 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query.
    let query = unsafe { query.as_ref() };
    let none = RuleEntry::deny(RuleId::NONE);
    query.map_or(none, |query| classify(&Maps, index, query, case)).bits()
}

#[inline(always)]
fn ask<A: Address>(query: *mut FlowQuery<A>) -> u64 {
    // SAFETY: the verifier sees to it that the pointer is null or points to a whole query, and nobody else
    // looks at it meanwhile.
    let query = unsafe { query.as_mut() };
    let unconfigured = Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
    query.map_or(unconfigured, |query| admit(&Maps, query)).0
}
