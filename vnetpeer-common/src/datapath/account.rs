//! Meters and drops.

use super::{
    Describe, Packet, Tables, Verdict,
    parse::WireSize,
    watch::{Sight, is_wanted, tell},
};
use crate::{
    abi::{Event, event_flags, stage},
    reason::DropReason,
    types::{LinkId, NicId, RuleId},
    wire::{ETHERNET_LEN, Ipv4, Ipv6, ethertype, len_of},
};

/// What is known about a packet when it is dropped. Merged stores must stay aligned: hence the order.
#[derive(Default)]
#[repr(C, align(8))]
pub(super) struct Trail {
    pub(super) link: LinkId,
    /// The security rule that denied; none if no rule did.
    pub(super) rule: RuleId,
    /// Type of the packet behind the first 14 bytes of the frame; 0 while it does not lie there. After
    /// decapsulation those bytes do not tell it.
    pub(super) ethertype: u16,
    pub(super) slot: u32,
    pub(super) nic: NicId,
    pub(super) source_nic: NicId,
}

/// Egress of the link that the packet leaves over, ingress of the one that it enters over.
#[inline(always)]
pub(super) fn meter<T: Tables>(tables: &T, out: LinkId, into: LinkId, size: &WireSize) {
    if out.is_some() {
        tables.meter_egress(out, size.packets, size.bytes);
    }
    if into.is_some() {
        tables.meter_ingress(into, size.packets, size.bytes);
    }
}

/// Counts a drop, and reports it if somebody watches, and one of every so many in any case. Nothing here
/// decides by the reason: the verifier would follow the rest once for each.
#[inline(always)]
pub(super) fn drop_frame<P: Packet, T: Tables>(
    p: &P,
    tables: &T,
    reason: DropReason,
    trail: &Trail,
) -> Verdict {
    let before = tables.count_drop(trail.slot, reason, packet_len(p, trail.ethertype));
    let sampled = tables.config().is_some_and(|config| before & u64::from(config.event_mask) == 0);
    let mut flags = if sampled { event_flags::SAMPLED } else { 0 };
    if let Some(watch) = tables.watch()
        && watch.stages & stage::DROPPED != 0
    {
        let sight = Sight::new(stage::DROPPED, reason.number(), 0, trail);
        if watch.snap != 0 {
            p.witness(sight);
        } else if is_wanted(p, tables, sight, trail, 0) {
            flags |= event_flags::WATCHED;
        }
    }
    if flags != 0 {
        tables.report(Dropped { p, reason, trail, flags }, flags);
    }
    Verdict::Drop(reason)
}

/// A drop as its event tells it.
struct Dropped<'a, P> {
    p: &'a P,
    reason: DropReason,
    trail: &'a Trail,
    flags: u16,
}

impl<P: Packet> Describe for Dropped<'_, P> {
    #[inline(always)]
    fn describe(self, event: &mut Event) {
        tell(self.p, (stage::DROPPED, self.reason.number()), self.trail, 0, event);
        event.flags = self.flags;
    }
}

/// Bytes of the IP packet as its header says, 0 if there is none.
#[inline(always)]
fn packet_len<P: Packet>(p: &P, ethertype: u16) -> u32 {
    let len = match ethertype {
        ethertype::IPV4 => p.get::<Ipv4>(ETHERNET_LEN).map(|ip| u32::from(ip.total_len.get())),
        ethertype::IPV6 => {
            p.get::<Ipv6>(ETHERNET_LEN).map(|ip| u32::from(ip.payload_len.get()) + len_of::<Ipv6>())
        }
        _ => None,
    };
    len.unwrap_or(0)
}
