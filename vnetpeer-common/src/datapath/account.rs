//! Meters and drops.

use super::{Describe, Packet, Tables, Verdict, parse::WireSize};
use crate::{
    abi::DropEvent,
    reason::DropReason,
    types::{LinkId, NicId, RuleId},
    wire::{ETHERNET_LEN, Ipv4, Ipv6, Ports, ethertype, len_of, protocol},
};

/// What is known about a packet when it is dropped.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) slot: u32,
    pub(super) nic: NicId,
    pub(super) source_nic: NicId,
    pub(super) link: LinkId,
    /// The security rule that denied; none if no rule did.
    pub(super) rule: RuleId,
    /// Type of the packet behind the first 14 bytes of the frame; 0 while it does not lie there. After
    /// decapsulation those bytes do not tell it.
    pub(super) ethertype: u16,
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

/// Counts a drop, and reports one of every so many. Nothing here looks at the reason: the verifier
/// would follow the rest once for each.
#[inline(always)]
pub(super) fn drop_frame<P: Packet, T: Tables>(
    p: &P,
    tables: &T,
    reason: DropReason,
    trail: &Trail,
) -> Verdict {
    let before = tables.count_drop(trail.slot, reason, packet_len(p, trail.ethertype));
    let sampled = tables.config().is_some_and(|config| before & u64::from(config.event_mask) == 0);
    if sampled {
        tables.report(Dropped { p, reason, trail, jiffies: tables.jiffies() });
    }
    Verdict::Drop(reason)
}

/// A drop as its event tells it.
struct Dropped<'a, P> {
    p: &'a P,
    reason: DropReason,
    trail: &'a Trail,
    jiffies: u64,
}

impl<P: Packet> Describe for Dropped<'_, P> {
    #[inline(always)]
    fn describe(self, event: &mut DropEvent) {
        let trail = self.trail;
        event.jiffies = self.jiffies;
        event.nic = trail.nic;
        event.source_nic = trail.source_nic;
        event.reason = self.reason.number();
        event.link = trail.link;
        event.rule = trail.rule;
        event.len = packet_len(self.p, trail.ethertype);
        describe(self.p, trail.ethertype, event);
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

/// Reads from the frame what an event tells about it. The parser's findings are not kept for this:
/// they would take the stack that a program does not have.
#[inline(always)]
fn describe<P: Packet>(p: &P, ethertype: u16, event: &mut DropEvent) {
    let ports_at = match ethertype {
        ethertype::IPV4 => {
            let Some(ip) = p.get::<Ipv4>(ETHERNET_LEN) else { return };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.protocol;
            let has_ports = ip.version_ihl == 0x45 && !ip.is_later_fragment();
            has_ports.then_some(ETHERNET_LEN + Ipv4::LEN)
        }
        ethertype::IPV6 => {
            let Some(ip) = p.get::<Ipv6>(ETHERNET_LEN) else { return };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.next_header;
            Some(ETHERNET_LEN + Ipv6::LEN)
        }
        _ => None,
    };
    if let Some(at) = ports_at
        && matches!(event.protocol, protocol::TCP | protocol::UDP)
        && let Some(ports) = p.get::<Ports>(at)
    {
        event.src_port = ports.src.get();
        event.dst_port = ports.dst.get();
    }
}
