//! The least that a datapath with a flow cache can do, which the product's hits are compared with.
//!
//! Written by hand for one case: IPv4 without options and fragments, TCP or UDP, no VLAN. It checks the
//! sender's MAC and IP address, finds the flow in a cache of the product's layout, size and hash, counts
//! packets and bytes, rewrites the MAC addresses or puts VXLAN headers before the frame, and redirects.
//! It knows neither time nor MTU, and a miss is not served.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::generated::{bpf_get_smp_processor_id, bpf_redirect, bpf_xdp_adjust_head},
    macros::{map, xdp},
    maps::{Array, PerCpuArray},
    programs::XdpContext,
};
use vnetpeer_common::{
    abi::{Action, CACHE_WAYS, Cached4, FlowKey4, capacity},
    datapath::Address as _,
    types::{Mac, V4},
};

use crate::steps;

/// The NIC behind an interface.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Port {
    /// Its MAC address, and two zeros.
    mac: u64,
    /// Its address.
    ipv4: u32,
    /// Its number, shifted as in the key.
    nic: u32,
    /// Cached flows of another epoch are void.
    epoch: u32,
    /// Zero.
    reserved: u32,
}

/// The way to another host: outer headers with zeros where packets differ.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Outer {
    /// The first 48 bytes.
    words: [u64; 6],
    /// The sum of the outer IP header.
    sum: u32,
    /// The interface that leads there.
    ifindex: u32,
}

#[map]
static SKETCH_PORTS: Array<Port> = Array::with_max_entries(1_024, 0);
// One shard: the loader makes one for each CPU.
#[map]
static SKETCH_CACHE: Array<Cached4> =
    Array::with_max_entries(capacity::CACHE_SETS_V4 * CACHE_WAYS, 0);
/// What becomes of new flows.
#[map]
static SKETCH_NEW: Array<Action> = Array::with_max_entries(1, 0);
#[map]
static SKETCH_METERS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1_024, 0);
#[map]
static SKETCH_OUTERS: Array<Outer> = Array::with_max_entries(1_024, 0);

/// Bytes of Ethernet, IPv4 and UDP.
const HEADERS: usize = 42;
const OUTER: i32 = 50;

/// Reads a number of the packet.
///
/// # Safety
///
/// The bytes at `address` are in the packet, compared with its end before.
#[inline(always)]
unsafe fn read<T: Copy>(address: usize) -> T {
    // SAFETY: see above.
    unsafe { (address as *const T).read_unaligned() }
}

/// Writes a number into the packet.
///
/// # Safety
///
/// As for [`read`].
#[inline(always)]
unsafe fn write<T>(address: usize, value: T) {
    // SAFETY: see above.
    unsafe { (address as *mut T).write_unaligned(value) }
}

/// A packet that was checked.
struct Checked {
    key: FlowKey4,
    epoch: u32,
    /// Bytes of the IP packet.
    len: u16,
}

/// Parses the packet and checks its sender.
#[inline(always)]
fn check(ctx: &XdpContext) -> Option<Checked> {
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + HEADERS > end {
        return None;
    }
    // SAFETY: the context is valid while the program runs; all offsets are below the bound above.
    unsafe {
        let port = SKETCH_PORTS.get((*ctx.ctx).ingress_ifindex)?;
        let mac = u64::from(read::<u32>(data + 6)) | u64::from(read::<u16>(data + 10)) << 32;
        let plain = read::<u16>(data + 12) == 0x0800_u16.to_be()
            && read::<u8>(data + 14) == 0x45
            && read::<u16>(data + 20) & 0x3fff_u16.to_be() == 0;
        let protocol = read::<u8>(data + 23);
        let local = read::<u32>(data + 26);
        let known = protocol == 6 || protocol == 17;
        if mac != port.mac || !plain || !known || local != port.ipv4 {
            return None;
        }
        let key = FlowKey4 {
            local,
            remote: read::<u32>(data + 30),
            ports: u32::from_be(read::<u32>(data + 34)),
            nic_protocol: port.nic | u32::from(protocol),
        };
        Some(Checked { key, epoch: port.epoch, len: u16::from_be(read::<u16>(data + 16)) })
    }
}

/// Index of the first way of a flow's set.
#[inline(always)]
fn first_way(key: &FlowKey4) -> u32 {
    // SAFETY: no arguments.
    let shard = unsafe { bpf_get_smp_processor_id() } * capacity::CACHE_SETS_V4;
    (shard + (V4::key_hash(key) & (capacity::CACHE_SETS_V4 - 1))) * CACHE_WAYS
}

/// Finds a flow in the cache.
#[inline(always)]
fn find(checked: &Checked) -> Option<&'static Cached4> {
    let first = first_way(&checked.key);
    for way in 0..CACHE_WAYS {
        let entry = SKETCH_CACHE.get(first + way)?;
        if entry.key == checked.key && entry.action.epoch == checked.epoch {
            return Some(entry);
        }
    }
    None
}

/// Counts the packet and its bytes.
#[inline(always)]
fn count(checked: &Checked, action: &Action) -> Option<()> {
    let meter = SKETCH_METERS.get_ptr_mut(action.link.0)?;
    // SAFETY: the pointer is into this CPU's value, which has one writer.
    unsafe {
        (*meter)[0] += 1;
        (*meter)[1] += u64::from(checked.len);
    }
    Some(())
}

/// Parse, check, find, count, rewrite the MAC addresses, redirect.
#[xdp]
pub fn sketch_local_xdp(ctx: XdpContext) -> u32 {
    local(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

#[inline(always)]
fn local(ctx: &XdpContext) -> Option<u32> {
    let checked = check(ctx)?;
    let action = &find(&checked)?.action;
    count(&checked, action)?;
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + HEADERS > end {
        return None;
    }
    // SAFETY: the offsets are below the bound above; the helper takes any index.
    unsafe {
        write(data, action.mac.0);
        write(data + 6, Mac::ROUTER.0);
        Some(bpf_redirect(action.via, 0) as u32)
    }
}

/// Parse, check, find, count, put VXLAN headers before the frame, redirect.
#[xdp]
pub fn sketch_encap_xdp(ctx: XdpContext) -> u32 {
    let checked = check(&ctx);
    let sent = checked.and_then(|it| push(&ctx, &it, &find(&it)?.action));
    sent.unwrap_or(xdp_action::XDP_ABORTED)
}

/// The first packet of a flow without any policy: parse, check, miss the cache, miss a kernel hash,
/// insert there and into the cache, count, put VXLAN headers before the frame, redirect.
#[xdp]
pub fn sketch_first_xdp(ctx: XdpContext) -> u32 {
    let checked = check(&ctx);
    let sent = checked.and_then(|it| push(&ctx, &it, open(&it)?));
    sent.unwrap_or(xdp_action::XDP_ABORTED)
}

#[inline(always)]
fn open(checked: &Checked) -> Option<&'static Action> {
    let action = SKETCH_NEW.get(0)?;
    if find(checked).is_some() || !steps::open(&checked.key) {
        return None;
    }
    let entry = SKETCH_CACHE.get_ptr_mut(first_way(&checked.key))?;
    // SAFETY: only this CPU uses its shard, and this program runs to its end.
    unsafe { *entry = Cached4 { key: checked.key, action: *action } };
    Some(action)
}

/// Counts the packet and sends it to another host.
#[inline(always)]
fn push(ctx: &XdpContext, checked: &Checked, action: &Action) -> Option<u32> {
    count(checked, action)?;
    let outer = SKETCH_OUTERS.get(action.via)?;
    // SAFETY: the helper checks the room; all offsets are below the bound.
    unsafe {
        if bpf_xdp_adjust_head(ctx.ctx, -OUTER) != 0 {
            return None;
        }
        let (data, end) = (ctx.data(), ctx.data_end());
        if data + OUTER as usize + HEADERS > end {
            return None;
        }
        let inner = data + OUTER as usize;
        let len = u32::from(checked.len) + 30;
        for index in 0..6 {
            write(data + index * 8, outer.words[index]);
        }
        let total = len + 20;
        let sum = outer.sum + total;
        let sum = (sum & 0xffff) + (sum >> 16);
        let hash = checked.key.ports.wrapping_mul(0x9e37_79b1) ^ checked.key.remote;
        write(data + 16, (total as u16).to_be());
        write(data + 24, (!((sum & 0xffff) + (sum >> 16)) as u16).to_be());
        write(data + 34, (0xc000 | (hash >> 16) as u16 & 0x3fff).to_be());
        write(data + 38, (len as u16).to_be());
        write(data + 46, (action.detail << 8).to_be());
        write(inner, Mac::overlay(action.target).0);
        write(inner + 6, Mac::overlay(action.source).0);
        Some(bpf_redirect(outer.ifindex, 0) as u32)
    }
}
