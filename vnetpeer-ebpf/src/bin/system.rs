//! The ends of whole deployments in benchmarks: a source and a sink of packets; and between them the least
//! that any datapath does, which ours is compared with.
//!
//! One load of this object serves one interface. The loader writes the settings, which are constants from
//! then on.
#![no_std]
#![no_main]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "helpers take lengths as u32 and return actions as i64"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the program macros hand contexts over by value"
)]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the program macros generate entry points without documentation; the functions have it"
)]

#[path = "../object.rs"]
mod object;

use aya_ebpf::{
    Global,
    bindings::{
        BPF_F_ADJ_ROOM_ENCAP_L2_ETH, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L4_UDP,
        BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_NO_CSUM_RESET, TC_ACT_OK, TC_ACT_SHOT, xdp_action,
    },
    helpers::generated::{
        bpf_redirect, bpf_redirect_peer, bpf_skb_adjust_room, bpf_xdp_adjust_head,
    },
    macros::{classifier, map, xdp},
    maps::{Array, PerCpuArray},
    programs::{TcContext, XdpContext},
};

/// Bytes of VXLAN over IPv4.
const OUTER: usize = 50;
/// What the helpers that move it take.
const ROOM: i32 = 50;
/// `BPF_ADJ_ROOM_MAC`.
const BEHIND_ETHERNET: u32 = 1;
const KEEP: u64 = (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) as u64;
const TUNNEL: u64 = KEEP
    | (BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)
        as u64
    | 14 << 56;
/// Port 4789, and port 9 of the packets that a sink counts, as they are read from a frame.
const VXLAN: u16 = 4_789_u16.to_be();
const DISCARD: u16 = 9_u16.to_be();

/// The interface that packets go to.
#[unsafe(no_mangle)]
static TARGET: Global<u32> = Global::new(0);
/// Flows of the source.
#[unsafe(no_mangle)]
static FLOWS: Global<u32> = Global::new(1);

/// The first 64 bytes of a frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Head {
    words: [u64; 8],
}

/// The source: the frame. An encapsulation: outer headers, then the inner Ethernet header; lengths, the
/// checksum and the source port are zero.
#[map]
static HEAD: Array<Head> = Array::with_max_entries(1, 0);
/// Packets that arrived.
#[map]
static ARRIVED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
/// Packets of the source.
#[map]
static SENT: Array<u32> = Array::with_max_entries(1, 0);

/// Writes the head; false where the frame is shorter.
#[inline(always)]
fn write_head(data: usize, end: usize) -> bool {
    let Some(head) = HEAD.get(0) else { return false };
    if data + 64 > end {
        return false;
    }
    for index in 0..8 {
        // SAFETY: compared above.
        unsafe { ((data + index * 8) as *mut u64).write_unaligned(head.words[index]) };
    }
    true
}

#[inline(always)]
fn read16(at: usize) -> u16 {
    // SAFETY: every caller has compared the place with the end of the frame.
    unsafe { (at as *const u16).read_unaligned() }
}

#[inline(always)]
fn write16(at: usize, value: u16) {
    // SAFETY: every caller has compared the place with the end of the frame.
    unsafe { (at as *mut u16).write_unaligned(value) };
}

/// The source. A frame comes back as the path left it, so all that a path may change is written again.
#[xdp]
pub fn source(ctx: XdpContext) -> u32 {
    let (data, end) = (ctx.data(), ctx.data_end());
    if !write_head(data, end) || data + 64 > end {
        return xdp_action::XDP_ABORTED;
    }
    let flows = FLOWS.load();
    if flows > 1 {
        let Some(sent) = SENT.get_ptr_mut(0) else { return xdp_action::XDP_ABORTED };
        // SAFETY: only one CPU runs the source.
        let number = unsafe { *sent };
        let next = if number + 1 < flows { number + 1 } else { 0 };
        // SAFETY: see above.
        unsafe { *sent = next };
        write16(data + 34, (number.wrapping_mul(40_503) as u16) | 0x0400_u16.to_be());
    }
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(TARGET.load(), 0) as u32 }
}

#[inline(always)]
fn count() {
    if let Some(arrived) = ARRIVED.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own.
        unsafe { *arrived += 1 };
    }
}

/// The sink of XDP: counts and drops.
#[xdp]
pub fn sink_xdp(_ctx: XdpContext) -> u32 {
    count();
    xdp_action::XDP_DROP
}

/// The sink of TC: counts and drops the source's packets, and lets others in.
#[classifier]
pub fn sink_tc(ctx: TcContext) -> i32 {
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + 42 <= end && read16(data + 22) >> 8 == 17 && read16(data + 36) == DISCARD {
        count();
        return TC_ACT_SHOT;
    }
    TC_ACT_OK
}

/// No local delivery by XDP does less.
#[xdp]
pub fn local_xdp(_ctx: XdpContext) -> u32 {
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(TARGET.load(), 0) as u32 }
}

/// No local delivery by TC does less.
#[classifier]
pub fn local_tc(_ctx: TcContext) -> i32 {
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect_peer(TARGET.load(), 0) as i32 }
}

/// Fills in what differs from packet to packet. `len` is that of the inner frame.
#[inline(always)]
fn finish(data: usize, len: u32, port: u16) {
    write16(data + 16, ((len + 36) as u16).to_be());
    let mut sum = 0;
    for index in 0..10 {
        sum += u32::from(read16(data + 14 + index * 2));
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    write16(data + 24, !(sum as u16));
    write16(data + 34, port | 0x00c0);
    write16(data + 38, ((len + 16) as u16).to_be());
}

/// No encapsulation by XDP does less: room, headers, a source port, a redirect.
#[xdp]
pub fn encap_xdp(ctx: XdpContext) -> u32 {
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + 38 > end {
        return xdp_action::XDP_ABORTED;
    }
    let (len, port) = ((end - data) as u32, read16(data + 34));
    // SAFETY: the helper checks the room; the pointers are read again.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -ROOM) } != 0 {
        return xdp_action::XDP_ABORTED;
    }
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + OUTER + 14 > end || !write_head(data, end) {
        return xdp_action::XDP_ABORTED;
    }
    finish(data, len, port);
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(TARGET.load(), 0) as u32 }
}

/// Whether it is a frame of the tunnel.
#[inline(always)]
fn is_tunnel(data: usize, end: usize) -> bool {
    data + OUTER + 14 <= end
        && read16(data + 12) == 0x0800_u16.to_be()
        && read16(data + 22) >> 8 == 17
        && read16(data + 36) == VXLAN
}

/// No decapsulation by XDP does less.
#[xdp]
pub fn decap_xdp(ctx: XdpContext) -> u32 {
    if !is_tunnel(ctx.data(), ctx.data_end()) {
        return xdp_action::XDP_PASS;
    }
    // SAFETY: the helpers check what they are given.
    unsafe {
        if bpf_xdp_adjust_head(ctx.ctx, ROOM) != 0 {
            return xdp_action::XDP_ABORTED;
        }
        bpf_redirect(TARGET.load(), 0) as u32
    }
}

/// No encapsulation by TC does less.
#[classifier]
pub fn encap_tc(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + 38 > end {
        return TC_ACT_SHOT;
    }
    let port = read16(data + 34);
    let len = ctx.len();
    // SAFETY: the helper checks the room; the pointers are read again.
    if unsafe { bpf_skb_adjust_room(skb, ROOM, BEHIND_ETHERNET, TUNNEL) } != 0 {
        return TC_ACT_SHOT;
    }
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + OUTER + 14 > end || !write_head(data, end) {
        return TC_ACT_SHOT;
    }
    finish(data, len, port);
    // SAFETY: the helper takes any index.
    unsafe { bpf_redirect(TARGET.load(), 0) as i32 }
}

/// No decapsulation by TC does less: the outer Ethernet header stays and becomes the inner one, which the
/// head has.
#[classifier]
pub fn decap_tc(ctx: TcContext) -> i32 {
    if !is_tunnel(ctx.data(), ctx.data_end()) {
        return TC_ACT_OK;
    }
    let skb = ctx.skb.skb;
    // SAFETY: the helper checks what remains; the pointers are read again.
    if unsafe { bpf_skb_adjust_room(skb, -ROOM, BEHIND_ETHERNET, KEEP) } != 0 {
        return TC_ACT_SHOT;
    }
    let (data, end) = (ctx.data(), ctx.data_end());
    let Some(head) = HEAD.get(0) else { return TC_ACT_SHOT };
    if data + 14 > end {
        return TC_ACT_SHOT;
    }
    // SAFETY: compared above; both addresses are the first 12 bytes.
    unsafe {
        (data as *mut u64).write_unaligned(head.words[0]);
        ((data + 8) as *mut u32).write_unaligned(head.words[1] as u32);
        bpf_redirect_peer(TARGET.load(), 0) as i32
    }
}
