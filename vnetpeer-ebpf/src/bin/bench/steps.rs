//! Single steps that other designs would take, measured beside the product: a lookup and an insertion
//! in a kernel hash, and a linear scan of rules.

use aya_ebpf::{
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, HashMap},
    programs::XdpContext,
};
use vnetpeer_common::abi::{Flow, FlowKey4, capacity};

/// A rule as masks and ranges. An equal one must match in all fields.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Linear {
    /// Source address and mask, destination address and mask, in wire order.
    addresses: [u32; 4],
    /// First and last source port, first and last destination port.
    ports: [u16; 4],
    /// IP protocol, or 0 for any.
    protocol: u32,
    /// The action.
    action: u32,
}

/// Rules of the longest list.
const RULES: usize = 1_000;

#[map]
static STEP_FLOWS: HashMap<FlowKey4, Flow> = HashMap::with_max_entries(capacity::FLOWS_V4, 0);
#[map]
static STEP_RULES: Array<[Linear; RULES]> = Array::with_max_entries(1, 0);

/// `BPF_NOEXIST`: insert only what is not there.
const NO_EXIST: u64 = 1;

const NEW_FLOW: Flow = Flow {
    last_seen: 0,
    opened: 0,
    rules: [vnetpeer_common::types::RuleId::NONE; vnetpeer_common::abi::STAGES],
    generation: 0,
    inbound: 0,
    protocol: 0,
    reserved: [0; 2],
    replied: 0,
    closed_by_opener: 0,
    closed_by_other: 0,
    reset: 0,
    backend: vnetpeer_common::types::NicId::NONE,
    balancer: vnetpeer_common::types::BalancerId::NONE,
};

/// The flow of a packet, which is IPv4 without options.
#[inline(always)]
fn key(ctx: &XdpContext) -> Option<FlowKey4> {
    let data = ctx.data();
    if data + 42 > ctx.data_end() {
        return None;
    }
    // SAFETY: the offsets are below the bound above.
    unsafe {
        Some(FlowKey4 {
            local: ((data + 26) as *const u32).read_unaligned(),
            remote: ((data + 30) as *const u32).read_unaligned(),
            ports: u32::from_be(((data + 34) as *const u32).read_unaligned()),
            nic_protocol: u32::from(((data + 23) as *const u8).read()),
        })
    }
}

/// One lookup of the packet's flow in a hash of 16-byte keys.
#[xdp]
pub fn lookup_xdp(ctx: XdpContext) -> u32 {
    let Some(key) = key(&ctx) else { return xdp_action::XDP_ABORTED };
    match STEP_FLOWS.get_ptr_mut(&key) {
        Some(flow) => {
            // SAFETY: the value stays mapped while the program runs.
            unsafe { (*flow).last_seen = 1 };
            xdp_action::XDP_DROP
        }
        None => xdp_action::XDP_ABORTED,
    }
}

/// Inserts a flow that is not there, and says whether it could.
#[inline(always)]
pub(crate) fn open(key: &FlowKey4) -> bool {
    let key = FlowKey4 { nic_protocol: key.nic_protocol & 0xff, ..*key };
    STEP_FLOWS.get_ptr(&key).is_none() && STEP_FLOWS.insert(&key, &NEW_FLOW, NO_EXIST).is_ok()
}

/// One insertion of the packet's flow into the hash, where it must not be.
#[xdp]
pub fn insert_xdp(ctx: XdpContext) -> u32 {
    let Some(key) = key(&ctx) else { return xdp_action::XDP_ABORTED };
    match STEP_FLOWS.insert(&key, &NEW_FLOW, NO_EXIST) {
        Ok(()) => xdp_action::XDP_DROP,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

/// One insertion and one removal.
#[xdp]
pub fn insert_delete_xdp(ctx: XdpContext) -> u32 {
    let Some(key) = key(&ctx) else { return xdp_action::XDP_ABORTED };
    if STEP_FLOWS.insert(&key, &NEW_FLOW, 0).is_err() || STEP_FLOWS.remove(&key).is_err() {
        return xdp_action::XDP_ABORTED;
    }
    xdp_action::XDP_DROP
}

/// Scans the first `count` rules. Without a match the packet is dropped.
#[inline(always)]
fn scan(ctx: &XdpContext, count: usize) -> Option<u32> {
    let key = key(ctx)?;
    let (from_port, to_port) = ((key.ports >> 16) as u16, key.ports as u16);
    let rules = STEP_RULES.get(0)?;
    for rule in rules.iter().take(count) {
        let [source, source_mask, destination, destination_mask] = rule.addresses;
        let matches = key.local & source_mask == source
            && key.remote & destination_mask == destination
            && from_port >= rule.ports[0]
            && from_port <= rule.ports[1]
            && to_port >= rule.ports[2]
            && to_port <= rule.ports[3]
            && (rule.protocol == 0 || rule.protocol == key.nic_protocol);
        if matches {
            return Some(rule.action);
        }
    }
    Some(xdp_action::XDP_DROP)
}

/// A scan of 10 rules.
#[xdp]
pub fn scan_10_xdp(ctx: XdpContext) -> u32 {
    scan(&ctx, 10).unwrap_or(xdp_action::XDP_ABORTED)
}

/// A scan of 100 rules.
#[xdp]
pub fn scan_100_xdp(ctx: XdpContext) -> u32 {
    scan(&ctx, 100).unwrap_or(xdp_action::XDP_ABORTED)
}

/// A scan of 1,000 rules.
#[xdp]
pub fn scan_1000_xdp(ctx: XdpContext) -> u32 {
    scan(&ctx, RULES).unwrap_or(xdp_action::XDP_ABORTED)
}
