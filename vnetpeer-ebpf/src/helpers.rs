//! Safe wrappers of the kernel helpers that the programs call, and the note from XDP to TC.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_RB_NO_WAKEUP, TC_ACT_SHOT, xdp_action, xdp_md},
    helpers::generated::{
        bpf_get_smp_processor_id, bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_ktime_get_ns,
        bpf_redirect, bpf_redirect_neigh, bpf_redirect_peer,
    },
    programs::{TcContext, XdpContext},
};
use bytemuck::{Pod, Zeroable};
use vnetpeer_common::{
    abi::{next_program, vtep_flags},
    datapath::{Delivery, Transmission, Verdict},
    types::NicId,
};

use crate::maps;

/// `bpf_skb_adjust_room`: change the room behind the Ethernet header (`BPF_ADJ_ROOM_MAC`).
pub(crate) const ADJUST_BEHIND_ETHERNET: u32 = 1;
/// Bits that `ENCAP_L2` is shifted by, from `BPF_F_ADJ_ROOM_ENCAP_L2` in linux/bpf.h.
pub(crate) const ENCAP_L2_SHIFT: u32 = 56;
/// The kernel's answer where a packet is marked as encapsulated already.
pub(crate) const EALREADY: i64 = -114;
/// `PACKET_HOST` in `linux/if_packet.h`.
pub(crate) const PACKET_HOST: u32 = 0;
/// Largest offset that is compared with the end of an XDP frame; a frame fits in a page.
pub(crate) const XDP_LEN_MAX: usize = 0x3fff;

/// The interface that a packet came in on.
#[inline(always)]
pub(crate) fn tc_ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: the context pointer is valid while the program runs, and `ifindex` is readable.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// The interface that a frame came in on.
#[inline(always)]
pub(crate) fn xdp_ifindex(ctx: &XdpContext) -> u32 {
    // SAFETY: the context pointer is valid while the program runs.
    unsafe { (*ctx.ctx).ingress_ifindex }
}

/// Sends the packet out of an interface.
#[inline(always)]
pub(crate) fn redirect(ifindex: u32) -> i32 {
    // SAFETY: the helper takes any index; an unknown one drops the packet.
    action(unsafe { bpf_redirect(ifindex, 0) })
}

/// Hands the packet to the peer of a veth, in the other namespace.
#[inline(always)]
pub(crate) fn redirect_peer(ifindex: u32) -> i32 {
    // SAFETY: the helper takes any index; one that is no veth drops the packet.
    action(unsafe { bpf_redirect_peer(ifindex, 0) })
}

/// Sends the packet out of an interface, with the MAC address from the kernel's neighbour table.
#[inline(always)]
pub(crate) fn redirect_neigh(ifindex: u32) -> i32 {
    // SAFETY: without parameters the helper looks the destination up itself.
    action(unsafe { bpf_redirect_neigh(ifindex, core::ptr::null_mut(), 0, 0) })
}

#[inline(always)]
fn action(result: i64) -> i32 {
    i32::try_from(result).unwrap_or(TC_ACT_SHOT)
}

/// Sends the frame out of an interface.
#[inline(always)]
pub(crate) fn xdp_redirect(ifindex: u32) -> u32 {
    // SAFETY: the helper takes any index; an unknown one drops the frame.
    u32::try_from(unsafe { bpf_redirect(ifindex, 0) }).unwrap_or(xdp_action::XDP_ABORTED)
}

/// Goes on in the program for the frame's family, and comes back only if that is missing.
#[inline(always)]
pub(crate) fn tc_continue(skb: *mut __sk_buff, is_v6: bool) {
    let ctx = TcContext::new(skb);
    // SAFETY: the programs of the array take the same context. The two calls have constant indices,
    // which the JIT makes direct jumps of.
    unsafe {
        if is_v6 {
            maps::NEXT_TC.tail_call(&ctx, next_program::IPV6);
        } else {
            maps::NEXT_TC.tail_call(&ctx, next_program::OTHER);
        }
    }
}

/// As [`tc_continue`] for XDP.
#[inline(always)]
pub(crate) fn xdp_continue(md: *mut xdp_md, is_v6: bool) {
    let ctx = XdpContext::new(md);
    // SAFETY: see `tc_continue`.
    unsafe {
        if is_v6 {
            maps::NEXT_XDP.tail_call(&ctx, next_program::IPV6);
        } else {
            maps::NEXT_XDP.tail_call(&ctx, next_program::OTHER);
        }
    }
}

/// Adds one to a counter that CPUs share. The target has the instruction, but Rust's atomic types lack
/// the operation there.
///
/// # Safety
///
/// `counter` is a counter in a map's value, which nobody changes otherwise.
#[inline(always)]
pub(crate) unsafe fn atomic_increment(counter: *mut u64) {
    // SAFETY: the caller's pointer is valid and aligned; the instruction touches nothing else.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({counter} + 0) += {one}",
            counter = in(reg) counter,
            one = in(reg) 1_u64,
            options(nostack),
        );
    }
}

/// Adds one to a counter that CPUs share, and returns what it was.
///
/// # Safety
///
/// See [`atomic_increment`].
#[inline(always)]
pub(crate) unsafe fn atomic_fetch_increment(counter: *mut u64) -> u64 {
    let mut one = 1_u64;
    // SAFETY: the caller's pointer is valid and aligned; the instruction touches nothing else.
    unsafe {
        core::arch::asm!(
            "{one} = atomic_fetch_add((u64 *)({counter} + 0), {one})",
            counter = in(reg) counter,
            one = inout(reg) one,
            options(nostack),
        );
    }
    one
}

/// The CPU that runs the program.
#[inline(always)]
pub(crate) fn cpu() -> u32 {
    // SAFETY: no arguments.
    unsafe { bpf_get_smp_processor_id() }
}

/// Flag of an event that nobody is to be woken for: its reader looks by itself.
pub(crate) const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

/// Nanoseconds of the monotonic clock.
#[inline(always)]
pub(crate) fn time() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Nanoseconds of the monotonic clock at the last tick, for a fraction of the price.
#[inline(always)]
pub(crate) fn coarse_time() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// Kernel jiffies.
#[inline(always)]
pub(crate) fn jiffies() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_jiffies64() }
}

/// What an XDP program decided, left beside the packet for `vnp_tc_deliver`. Packets of one flow have
/// equal notes, so GRO merges them.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Note {
    magic: u32,
    action: u32,
    ifindex: u32,
    flags: u32,
}

impl Note {
    /// Bytes beside the packet.
    pub(crate) const LEN: usize = size_of::<Self>();
    const MAGIC: u32 = u32::from_be_bytes(*b"VnP1");
    const DELIVER: u32 = 1;
    const TRANSMIT: u32 = 2;

    /// Hand it to a workload.
    #[inline(always)]
    pub(crate) const fn deliver(to: Delivery) -> Self {
        Self { magic: Self::MAGIC, action: Self::DELIVER, ifindex: to.ifindex, flags: to.flags }
    }

    /// Send it to another host.
    #[inline(always)]
    pub(crate) const fn transmit(to: Transmission) -> Self {
        Self { magic: Self::MAGIC, action: Self::TRANSMIT, ifindex: to.ifindex, flags: to.flags }
    }

    /// Send it out of an interface as it is.
    #[inline(always)]
    pub(crate) const fn shape(ifindex: u32) -> Self {
        Self::transmit(Transmission { ifindex, flags: vtep_flags::RESOLVED })
    }

    /// Whether this is a note and not somebody else's metadata.
    #[inline(always)]
    pub(crate) const fn is_ours(&self) -> bool {
        self.magic == Self::MAGIC
    }

    /// The verdict that it carries.
    #[inline(always)]
    pub(crate) const fn verdict(&self) -> Option<Verdict> {
        let (ifindex, flags) = (self.ifindex, self.flags);
        match self.action {
            Self::DELIVER => Some(Verdict::Deliver(Delivery { nic: NicId::NONE, ifindex, flags })),
            Self::TRANSMIT => Some(Verdict::Transmit(Transmission { ifindex, flags })),
            _ => None,
        }
    }
}
