//! What surrounds the programs in a benchmark; it is never attached to an interface.
//!
//! A test run repeats a program on one packet, so a program that changes the packet would see its own
//! output. The wrappers put the packet back as it was, to another destination each time if asked to,
//! and tail-call the program under test. What they cost themselves is measured with the empty
//! programs behind them.
#![no_std]
#![no_main]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key or value that is passed by value is copied to the stack"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "helpers take lengths as u32 and i32 and return actions as i64"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the program macros hand contexts over by value"
)]
#![expect(clippy::let_unit_value, reason = "the program macros bind what an entry point returns")]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the program macros generate entry points without documentation; the functions have it"
)]

#[path = "../object.rs"]
mod object;
#[path = "bench/sketch.rs"]
mod sketch;
#[path = "bench/steps.rs"]
mod steps;

use core::hint::black_box;

use aya_ebpf::{
    bindings::{
        BPF_F_ADJ_ROOM_ENCAP_L2_ETH, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
        BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_NO_CSUM_RESET, TC_ACT_SHOT, TC_ACT_UNSPEC,
        xdp_action,
    },
    helpers::generated::{
        bpf_redirect, bpf_skb_adjust_room, bpf_skb_change_type, bpf_xdp_adjust_head,
    },
    macros::{classifier, map, xdp},
    maps::{Array, ProgramArray},
    programs::{TcContext, XdpContext},
};

/// Words of the packet that are restored.
const WORDS: usize = 12;
/// Words that the shortest frame has, of 64 bytes.
const FIRST_WORDS: usize = 8;
/// Outer headers over IPv4.
const OUTER: i32 = 50;
/// `BPF_ADJ_ROOM_MAC`.
const BEHIND_ETHERNET: u32 = 1;
/// Some interface; a test run does not send.
const IFINDEX: u32 = 1;
const KEEP: u64 = (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) as u64;

/// What the packet is before each run.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Template {
    /// Bytes of the packet.
    len: u32,
    /// How many values the varying fields take.
    count: u32,
    /// Runs so far; of a list, since its last end.
    runs: u32,
    /// Where the list of values starts in `LISTS`.
    first: u32,
    /// Where a 16-bit field varies, and its first value.
    at: [u16; 2],
    base: [u16; 2],
    /// How far the counter is shifted left before it is added to the first value.
    shift: [u8; 2],
    /// How the kernel marked the packet: `PACKET_HOST` or `PACKET_OTHERHOST` in `linux/if_packet.h`.
    kind: u16,
    /// 1 if the values come from a list, each half of a number for one field; 0 if they are computed.
    listed: u32,
    /// The first bytes.
    words: [u64; WORDS],
}

#[map]
static TEMPLATE: Array<Template> = Array::with_max_entries(1, 0);
#[map]
static LISTS: Array<u32> = Array::with_max_entries(1 << 20, 0);
#[map]
static NEXT_XDP: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map]
static NEXT_TC: ProgramArray = ProgramArray::with_max_entries(1, 0);
// Arrays of their own for the empty programs: to exchange a program takes the kernel milliseconds, in
// which whatever else runs empties the caches.
#[map]
static EMPTY_XDP: ProgramArray = ProgramArray::with_max_entries(1, 0);
#[map]
static EMPTY_TC: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Writes the first bytes and the fields that vary.
#[inline(always)]
fn restore(template: *mut Template, data: usize, end: usize) -> Option<()> {
    if data + FIRST_WORDS * 8 > end {
        return None;
    }
    // SAFETY: the map's value lives as long as the map, and only this CPU runs the benchmark; the
    // packet has the bytes, compared before each write.
    unsafe {
        for index in 0..FIRST_WORDS {
            ((data + index * 8) as *mut u64).write_unaligned((*template).words[index]);
        }
        if data + WORDS * 8 <= end {
            for index in FIRST_WORDS..WORDS {
                ((data + index * 8) as *mut u64).write_unaligned((*template).words[index]);
            }
        }
        let values = next_values(template)?;
        for (field, value) in values.into_iter().enumerate() {
            let at = usize::from((*template).at[field]) & 127;
            let value = value << ((*template).shift[field] & 15);
            let value = (*template).base[field].wrapping_add(value);
            // Hidden, so that the very pointer that is compared is the one that is written to.
            let field = black_box(data + at);
            if field + size_of::<u16>() > end {
                return None;
            }
            (field as *mut u16).write_unaligned(value.to_be());
        }
    }
    Some(())
}

/// The next values of the two fields.
///
/// # Safety
///
/// `template` is the map's value, and only this CPU runs the benchmark.
#[inline(always)]
unsafe fn next_values(template: *mut Template) -> Option<[u16; 2]> {
    // SAFETY: see above.
    unsafe {
        let runs = (*template).runs;
        if (*template).listed != 0 {
            let value = *LISTS.get((*template).first + runs)?;
            (*template).runs = if runs + 1 < (*template).count { runs + 1 } else { 0 };
            return Some([value as u16, (value >> 16) as u16]);
        }
        let runs = runs.wrapping_add(1);
        (*template).runs = runs;
        // Any order but the ascending one, which prefetching would reward.
        let mixed = u64::from(runs.wrapping_mul(0x9e37_79b1) >> 16);
        let value = ((mixed * u64::from((*template).count)) >> 16) as u16;
        Some([value; 2])
    }
}

/// Restores the packet, then runs what is in the array.
#[inline(always)]
fn run_xdp(ctx: &XdpContext, next: &ProgramArray) -> u32 {
    let Some(template) = TEMPLATE.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
    // SAFETY: see `restore`.
    let len = unsafe { (*template).len };
    let change = (ctx.data_end() - ctx.data()) as i32 - len as i32;
    // Called without a change as well, so that every wrapped program pays for one call.
    // SAFETY: the helper checks the bounds; the pointers are read again.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, change) } != 0 {
        return xdp_action::XDP_ABORTED;
    }
    if restore(template, ctx.data(), ctx.data_end()).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the program in the array takes the same context.
    let _missing = unsafe { next.tail_call(ctx, 0) };
    xdp_action::XDP_ABORTED
}

/// As [`run_xdp`] for TC.
#[inline(always)]
fn run_tc(ctx: &TcContext, next: &ProgramArray) -> i32 {
    let Some(template) = TEMPLATE.get_ptr_mut(0) else { return TC_ACT_SHOT };
    let skb = ctx.skb.skb;
    // SAFETY: see `restore`; the context pointer is valid while the program runs, the helpers check.
    let restored = unsafe {
        let change = (*template).len as i32 - (*skb).len as i32;
        bpf_skb_change_type(skb, u32::from((*template).kind));
        change == 0 || bpf_skb_adjust_room(skb, change, BEHIND_ETHERNET, KEEP) == 0
    };
    if !restored || restore(template, ctx.data(), ctx.data_end()).is_none() {
        return TC_ACT_SHOT;
    }
    // SAFETY: the program in the array takes the same context.
    let _missing = unsafe { next.tail_call(ctx, 0) };
    TC_ACT_SHOT
}

/// Restores the packet, then runs what is in `NEXT_XDP`.
#[xdp]
pub fn wrap_xdp(ctx: XdpContext) -> u32 {
    run_xdp(&ctx, &NEXT_XDP)
}

/// Restores the packet, then runs what is in `NEXT_TC`.
#[classifier]
pub fn wrap_tc(ctx: TcContext) -> i32 {
    run_tc(&ctx, &NEXT_TC)
}

/// The same around the empty program.
#[xdp]
pub fn wrap_empty_xdp(ctx: XdpContext) -> u32 {
    run_xdp(&ctx, &EMPTY_XDP)
}

/// The same around the empty program.
#[classifier]
pub fn wrap_empty_tc(ctx: TcContext) -> i32 {
    run_tc(&ctx, &EMPTY_TC)
}

/// The empty program.
#[xdp]
pub fn empty_xdp(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// The empty program.
#[classifier]
pub fn empty_tc(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// No delivery can do with less: one redirect.
#[xdp]
pub fn redirect_xdp(_ctx: XdpContext) -> u32 {
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(IFINDEX, 0) as u32 }
}

/// No delivery can do with less: one redirect.
#[classifier]
pub fn redirect_tc(_ctx: TcContext) -> i32 {
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(IFINDEX, 0) as i32 }
}

/// No encapsulation can do with less: room, headers, redirect.
#[xdp]
pub fn push_xdp(ctx: XdpContext) -> u32 {
    // SAFETY: the helper checks the room; the bounds are compared before the writes.
    unsafe {
        if bpf_xdp_adjust_head(ctx.ctx, -OUTER) != 0 {
            return xdp_action::XDP_ABORTED;
        }
        let data = ctx.data();
        if data + 64 > ctx.data_end() {
            return xdp_action::XDP_ABORTED;
        }
        for index in 0..8 {
            ((data + index * 8) as *mut u64).write_unaligned(index as u64);
        }
        bpf_redirect(IFINDEX, 0) as u32
    }
}

/// No decapsulation can do with less: the head moves, a redirect.
#[xdp]
pub fn pull_xdp(ctx: XdpContext) -> u32 {
    // SAFETY: the helper checks that an Ethernet header remains.
    unsafe {
        if bpf_xdp_adjust_head(ctx.ctx, OUTER) != 0 {
            return xdp_action::XDP_ABORTED;
        }
        bpf_redirect(IFINDEX, 0) as u32
    }
}

/// Room for the outer headers and nothing else.
#[classifier]
pub fn push_tc(ctx: TcContext) -> i32 {
    // SAFETY: the helper checks the room.
    let result = unsafe { bpf_skb_adjust_room(ctx.skb.skb, OUTER, BEHIND_ETHERNET, KEEP) };
    if result == 0 { TC_ACT_UNSPEC } else { TC_ACT_SHOT }
}

/// Takes the room away and does nothing else.
#[classifier]
pub fn pull_tc(ctx: TcContext) -> i32 {
    // SAFETY: the helper checks what remains.
    let result = unsafe { bpf_skb_adjust_room(ctx.skb.skb, -OUTER, BEHIND_ETHERNET, KEEP) };
    if result == 0 { TC_ACT_UNSPEC } else { TC_ACT_SHOT }
}

/// A call that the kernel refuses from the second run on, because the packet is marked as a tunnel's
/// already. A test run's packet keeps that mark, and the programs under test pay for it.
#[classifier]
pub fn refused_tc(ctx: TcContext) -> i32 {
    const TUNNEL: u64 = KEEP
        | (BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4)
            as u64
        | 14 << 56;
    // SAFETY: the helper checks the room.
    unsafe { bpf_skb_adjust_room(ctx.skb.skb, OUTER, BEHIND_ETHERNET, TUNNEL) };
    TC_ACT_UNSPEC
}
