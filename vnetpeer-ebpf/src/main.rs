//! The programs: one per hook and direction. They turn the core's verdict into an action and decide
//! nothing themselves.
//!
//! - `vnp_tc_out`, `vnp_xdp_out`: a workload's interface; what the workload sends. They serve what the
//!   flow cache knows and leave the rest to `…_out_other` and `…_out_v6` by a tail call.
//! - `vnp_tc_in`, `vnp_xdp_in`: the underlay interface; what other hosts send.
//! - `vnp_clock`: no hook; tells user space the time.
//! - `vnp_tc_deliver`: behind an XDP program on the same interface; finishes what XDP cannot, from the
//!   note that the XDP program left beside the packet.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the program macros generate entry points without documentation; the functions have it"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "helpers take lengths as u32 and i32, and every length here is that of a frame"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the program macros hand contexts over by value"
)]

mod capture;
mod frame;
mod functions;
mod helpers;
mod maps;
mod object;
mod stream;
mod tables;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use vnetpeer_common::{
    abi::{nic_flags, vtep_flags},
    datapath::{
        Delivery, Tables, Transmission, Verdict, inbound, is_v6, outbound_cached, outbound_other,
        outbound_v6, reply_interface,
    },
};

use crate::{
    frame::{TcFrame, XdpFrame},
    helpers::Note,
    tables::Maps,
};

/// TC, ingress of a workload's interface.
#[classifier]
#[inline(always)]
pub fn vnp_tc_out(ctx: TcContext) -> i32 {
    let ifindex = helpers::tc_ifindex(&ctx);
    let mut frame = TcFrame::new(ctx);
    if let Some(verdict) = outbound_cached(&mut frame, &Maps, ifindex) {
        return tc_action(&frame, verdict, ifindex);
    }
    helpers::tc_continue(frame.ctx(), is_v6(&frame));
    TC_ACT_SHOT
}

/// Behind [`vnp_tc_out`]: everything but IPv6.
#[classifier]
#[inline(always)]
pub fn vnp_tc_out_other(ctx: TcContext) -> i32 {
    let ifindex = helpers::tc_ifindex(&ctx);
    let mut frame = TcFrame::new(ctx);
    let verdict = outbound_other(&mut frame, &Maps, ifindex);
    tc_action(&frame, verdict, ifindex)
}

/// Behind [`vnp_tc_out`]: IPv6.
#[classifier]
#[inline(always)]
pub fn vnp_tc_out_v6(ctx: TcContext) -> i32 {
    let ifindex = helpers::tc_ifindex(&ctx);
    let mut frame = TcFrame::new(ctx);
    let verdict = outbound_v6(&mut frame, &Maps, ifindex);
    tc_action(&frame, verdict, ifindex)
}

/// TC, ingress of the underlay interface.
#[classifier]
#[inline(always)]
pub fn vnp_tc_in(ctx: TcContext) -> i32 {
    let ifindex = helpers::tc_ifindex(&ctx);
    let mut frame = TcFrame::new(ctx);
    let verdict = inbound(&mut frame, &Maps);
    tc_action(&frame, verdict, ifindex)
}

/// XDP on a workload's interface.
#[xdp]
#[inline(always)]
pub fn vnp_xdp_out(ctx: XdpContext) -> u32 {
    let ifindex = helpers::xdp_ifindex(&ctx);
    let mut frame = XdpFrame::new(ctx);
    if let Some(verdict) = outbound_cached(&mut frame, &Maps, ifindex) {
        return xdp_act(&frame, verdict, ifindex);
    }
    helpers::xdp_continue(frame.ctx(), is_v6(&frame));
    xdp_action::XDP_ABORTED
}

/// Behind [`vnp_xdp_out`]: everything but IPv6.
#[xdp]
#[inline(always)]
pub fn vnp_xdp_out_other(ctx: XdpContext) -> u32 {
    let ifindex = helpers::xdp_ifindex(&ctx);
    let mut frame = XdpFrame::new(ctx);
    let verdict = outbound_other(&mut frame, &Maps, ifindex);
    xdp_act(&frame, verdict, ifindex)
}

/// Behind [`vnp_xdp_out`]: IPv6.
#[xdp]
#[inline(always)]
pub fn vnp_xdp_out_v6(ctx: XdpContext) -> u32 {
    let ifindex = helpers::xdp_ifindex(&ctx);
    let mut frame = XdpFrame::new(ctx);
    let verdict = outbound_v6(&mut frame, &Maps, ifindex);
    xdp_act(&frame, verdict, ifindex)
}

/// XDP on the underlay interface.
#[xdp]
#[inline(always)]
pub fn vnp_xdp_in(ctx: XdpContext) -> u32 {
    let ifindex = helpers::xdp_ifindex(&ctx);
    let mut frame = XdpFrame::new(ctx);
    let verdict = inbound(&mut frame, &Maps);
    xdp_act(&frame, verdict, ifindex)
}

/// TC, ingress of an interface that an XDP program handles.
///
/// A frame without a note is the host's own on the underlay, and nobody's on a workload's interface.
#[classifier]
#[inline(always)]
pub fn vnp_tc_deliver(ctx: TcContext) -> i32 {
    let ifindex = helpers::tc_ifindex(&ctx);
    let frame = TcFrame::new(ctx);
    match frame.note() {
        Some(note) => match note.verdict() {
            Some(verdict) => tc_action(&frame, verdict, ifindex),
            None => TC_ACT_SHOT,
        },
        None if Maps.nic_of_interface(ifindex).is_some() => TC_ACT_SHOT,
        None => TC_ACT_UNSPEC,
    }
}

/// Stores the time by which flows are stamped. User space runs it; it is never attached.
#[classifier]
#[inline(always)]
pub fn vnp_clock(_ctx: TcContext) -> i32 {
    if let Some(clock) = maps::CLOCK.get_ptr_mut(0) {
        // SAFETY: a single aligned store into a value that lives as long as the map.
        unsafe { *clock = helpers::jiffies() };
    }
    TC_ACT_UNSPEC
}

#[inline(always)]
fn tc_action(frame: &TcFrame, verdict: Verdict, ifindex: u32) -> i32 {
    match verdict {
        Verdict::Pass => TC_ACT_UNSPEC,
        Verdict::Deliver(to) => deliver(frame, to),
        Verdict::Transmit(to) => transmit(to),
        Verdict::Shape { ifindex } => helpers::redirect(ifindex),
        Verdict::Reply => helpers::redirect(reply_interface(&Maps, ifindex)),
        Verdict::Drop(_) => TC_ACT_SHOT,
    }
}

#[inline(always)]
fn deliver(frame: &TcFrame, to: Delivery) -> i32 {
    frame.address_to_host();
    if to.flags & nic_flags::DELIVER_PEER != 0 {
        helpers::redirect_peer(to.ifindex)
    } else {
        helpers::redirect(to.ifindex)
    }
}

/// While the next hop's MAC address is unknown, the kernel's neighbour table resolves it.
#[inline(always)]
fn transmit(to: Transmission) -> i32 {
    if to.flags & vtep_flags::RESOLVED != 0 {
        helpers::redirect(to.ifindex)
    } else {
        helpers::redirect_neigh(to.ifindex)
    }
}

/// XDP redirects where the target takes such frames; the rest goes up the stack of this interface
/// with a note for [`vnp_tc_deliver`], which also lets GRO merge it first.
#[inline(always)]
fn xdp_act(frame: &XdpFrame, verdict: Verdict, ifindex: u32) -> u32 {
    const TRANSMIT_XDP: u32 = vtep_flags::RESOLVED | vtep_flags::TRANSMIT_XDP;
    match verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Deliver(to) if to.flags & nic_flags::DELIVER_XDP != 0 => {
            helpers::xdp_redirect(to.ifindex)
        }
        Verdict::Transmit(to) if to.flags & TRANSMIT_XDP == TRANSMIT_XDP => {
            helpers::xdp_redirect(to.ifindex)
        }
        Verdict::Shape { ifindex } => frame.pass_with_note(Note::shape(ifindex)),
        Verdict::Deliver(to) => frame.pass_with_note(Note::deliver(to)),
        Verdict::Transmit(to) => frame.pass_with_note(Note::transmit(to)),
        // Not XDP_TX: a veth does not wake its peer for that unless the peer has a program too.
        Verdict::Reply => helpers::xdp_redirect(ifindex),
        Verdict::Drop(_) => xdp_action::XDP_DROP,
    }
}
