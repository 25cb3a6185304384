//! Packets that somebody watches, with the first bytes of their frames. Functions of their own: a program calls
//! them only while somebody watches its stage.

use core::{hint::black_box, slice};

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use vnetpeer_common::{
    abi::{Event, SNAP_MAX, event_flags},
    datapath::{Packet, Sight, Tables, witness},
};

use crate::{
    frame::{TcFrame, XdpFrame},
    helpers, maps,
    tables::Maps,
};

/// A length is masked before it is used, so that the verifier knows its bound.
const SNAP_MASK: u32 = SNAP_MAX - 1;

/// Shows a packet at the TC hook, see [`Packet::witness`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_witness_tc(skb: *mut __sk_buff, what: u64, nics: u64, by: u64) -> u32 {
    let frame = TcFrame::new(TcContext::new(skb));
    // SAFETY: the verifier has checked that this is the context, which is valid while the program runs.
    let len = unsafe { (*skb).len };
    show(&frame, Sight { what, nics, by }, len, |to, size| {
        // SAFETY: the buffer has room for any size that the mask allows.
        unsafe { bpf_skb_load_bytes(skb.cast(), 0, to.cast(), size) }
    })
}

/// Shows a frame at the XDP hook, see [`Packet::witness`].
// SAFETY: nothing else has the name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn vnp_witness_xdp(md: *mut xdp_md, what: u64, nics: u64, by: u64) -> u32 {
    let frame = XdpFrame::new(XdpContext::new(md));
    // SAFETY: the verifier has checked that this is the context, which is valid while the program runs.
    let len = unsafe { bpf_xdp_get_buff_len(md) } as u32;
    show(&frame, Sight { what, nics, by }, len, |to, size| {
        // SAFETY: the buffer has room for any size that the mask allows.
        unsafe { bpf_xdp_load_bytes(md, 0, to.cast(), size) }
    })
}

/// Makes an event of a packet, if it is wanted. 1: it did, or lost it.
#[inline(always)]
fn show<P: Packet>(
    frame: &P,
    sight: Sight,
    len: u32,
    load: impl FnOnce(*mut u8, u32) -> i64,
) -> u32 {
    use vnetpeer_common::datapath::Describe as _;
    let Some(seen) = witness(frame, &Maps, sight) else { return 0 };
    let (Some(watch), Some(place)) = (Maps.watch(), maps::CAPTURED.get_ptr_mut(0)) else {
        return 0;
    };
    // SAFETY: the place is this CPU's, and this program's until it returns.
    let event = unsafe { &mut (*place).event };
    event.time = helpers::time();
    event.frame_len = len;
    seen.describe(event);
    let wanted = watch.snap.min(len).min(SNAP_MAX);
    let mut captured = 0;
    if wanted != 0 {
        let size = (black_box(wanted - 1) & SNAP_MASK) + 1;
        // SAFETY: as above.
        if load(unsafe { (&raw mut (*place).bytes).cast() }, size) == 0 {
            captured = size;
        }
    }
    event.captured = captured;
    let size = size_of::<Event>() + (black_box(captured) & (2 * SNAP_MAX - 1)) as usize;
    // SAFETY: the place has this many bytes, all of which have a value.
    let bytes = unsafe { slice::from_raw_parts(place.cast::<u8>(), size) };
    if maps::EVENTS.output::<[u8]>(bytes, helpers::NO_WAKEUP).is_err() {
        count_lost(event_flags::WATCHED);
    }
    1
}

/// Counts an event that found no room.
#[inline(always)]
pub(crate) fn count_lost(flags: u16) {
    let watched = u32::from((flags / event_flags::WATCHED) & 1);
    if let Some(lost) = maps::EVENTS_LOST.get_ptr_mut(watched) {
        // SAFETY: the pointer is into this CPU's value, which has one writer.
        unsafe { *lost += 1 };
    }
}
