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
    abi::{CACHE_WAYS, Cached4, FlowKey4, capacity},
    datapath::Address as _,
    types::{Mac, V4},
};

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

/// Checks the packet and finds its flow.
#[inline(always)]
fn hit(ctx: &XdpContext) -> Option<&'static Cached4> {
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
        let addresses = read::<u64>(data + 26);
        if mac != port.mac
            || !plain
            || (protocol != 6 && protocol != 17)
            || addresses as u32 != port.ipv4
        {
            return None;
        }
        let ports = u32::from_be(read::<u32>(data + 34));
        let nic_protocol = port.nic | u32::from(protocol);
        let key = FlowKey4 {
            local: addresses as u32,
            remote: (addresses >> 32) as u32,
            ports,
            nic_protocol,
        };
        let set = bpf_get_smp_processor_id() * capacity::CACHE_SETS_V4
            + (V4::key_hash(&key) & (capacity::CACHE_SETS_V4 - 1));
        for way in 0..CACHE_WAYS {
            let entry = SKETCH_CACHE.get(set * CACHE_WAYS + way)?;
            if entry.key == key && entry.action.epoch == port.epoch {
                let meter = SKETCH_METERS.get_ptr_mut(entry.action.link.0)?;
                (*meter)[0] += 1;
                (*meter)[1] += u64::from(u16::from_be(read::<u16>(data + 16)));
                return Some(entry);
            }
        }
    }
    None
}

/// Parse, check, find, count, rewrite the MAC addresses, redirect.
#[xdp]
pub fn sketch_local_xdp(ctx: XdpContext) -> u32 {
    let Some(entry) = hit(&ctx) else { return xdp_action::XDP_ABORTED };
    let (data, end) = (ctx.data(), ctx.data_end());
    if data + HEADERS > end {
        return xdp_action::XDP_ABORTED;
    }
    // SAFETY: the offsets are below the bound above; the helper takes any index.
    unsafe {
        write(data, entry.action.mac.0);
        write(data + 6, Mac::ROUTER.0);
        bpf_redirect(entry.action.via, 0) as u32
    }
}

/// Parse, check, find, count, put VXLAN headers before the frame, redirect.
#[xdp]
pub fn sketch_encap_xdp(ctx: XdpContext) -> u32 {
    push(&ctx).unwrap_or(xdp_action::XDP_ABORTED)
}

#[inline(always)]
fn push(ctx: &XdpContext) -> Option<u32> {
    let entry = hit(ctx)?;
    let action = &entry.action;
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
        let len = u32::from(u16::from_be(read::<u16>(inner + 16))) + 30;
        for index in 0..6 {
            write(data + index * 8, outer.words[index]);
        }
        let total = len + 20;
        let sum = outer.sum + total;
        let sum = (sum & 0xffff) + (sum >> 16);
        let hash = entry.key.ports.wrapping_mul(0x9e37_79b1) ^ entry.key.remote;
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
