//! Packets that somebody watches: which they are, and how they are shown.
//!
//! The flow cache knows nothing of this. What it serves is not looked at; while every packet is wanted, nothing
//! is put into it.

use super::{Describe, Packet, Tables, account::Trail};
use crate::{
    abi::{Event, Watch, event_flags, stage},
    types::{Addr, LinkId, NicId, RuleId},
    wire::{ETHERNET_LEN, Ipv4, Ipv6, Ports, ethertype, len_of, protocol},
};

use super::{OUTER_V4_LEN, OUTER_V6_LEN};

/// What is known of a packet at a stage, in plain words: it crosses into a function that the verifier checks
/// on its own.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// From the lowest bits: stages (8), drop reason (8), bytes of outer headers (16), type of the packet (16).
    pub what: u64,
    /// The NIC, and in the upper half the one that sent.
    pub nics: u64,
    /// The link, and in the upper half the rule.
    pub by: u64,
}

impl Sight {
    #[inline(always)]
    pub(super) fn new(stages: u32, reason: u32, outer: usize, trail: &Trail) -> Self {
        let (outer, ethertype) = ((outer as u64) << 16, u64::from(trail.ethertype) << 32);
        Self {
            what: u64::from(stages | reason << 8) | outer | ethertype,
            nics: u64::from(trail.nic.0) | u64::from(trail.source_nic.0) << 32,
            by: u64::from(trail.link.0) | u64::from(trail.rule.0) << 32,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the words are taken apart")]
    fn trail(self) -> Trail {
        Trail {
            slot: 0,
            nic: NicId(self.nics as u32),
            source_nic: NicId((self.nics >> 32) as u32),
            link: LinkId(self.by as u32),
            rule: RuleId((self.by >> 32) as u32),
            ethertype: (self.what >> 32) as u16,
        }
    }

    #[inline(always)]
    const fn stages(self) -> u32 {
        (self.what & 0xff) as u32
    }

    #[inline(always)]
    const fn reason(self) -> u32 {
        (self.what >> 8 & 0xff) as u32
    }
}

/// Shows a packet to whoever watches one of the stages that it is at. `outer` are the bytes of outer headers
/// before it.
#[inline(always)]
pub(super) fn pass_by<P: Packet, T: Tables>(
    p: &P,
    tables: &T,
    stages: u32,
    trail: &Trail,
    packet: (u16, usize),
) {
    if tables.watch().is_some_and(|watch| watch.stages & stages != 0) {
        let (ethertype, outer) = packet;
        let trail = Trail { ethertype, ..*trail };
        p.witness(Sight::new(stages, 0, outer, &trail));
    }
}

/// Whether every packet is looked at, so that none may be served from the flow cache.
#[inline(always)]
pub(super) fn is_every_packet_watched<T: Tables>(tables: &T) -> bool {
    tables.watch().is_some_and(|watch| watch.stages & stage::OF_EVERY_PACKET != 0)
}

/// What [`Packet::witness`] does: an event, if the packet is wanted.
#[inline(always)]
pub fn witness<P: Packet, T: Tables>(p: &P, tables: &T, sight: Sight) -> Option<impl Describe> {
    // Hooks name this stage where the flow table was asked: there is no room to keep its answer.
    let is_v6 = sight.trail().ethertype == ethertype::IPV6;
    let opened = if tables.has_opened(is_v6) { 0 } else { u64::from(stage::OPENED) };
    let sight = Sight { what: sight.what & !opened, ..sight };
    let outer = (sight.what >> 16 & 0xffff) as usize;
    let trail = sight.trail();
    // Constant offsets, which the verifier can follow.
    let (wanted, at) = match outer {
        OUTER_V4_LEN => (is_wanted(p, tables, sight, &trail, OUTER_V4_LEN), 1),
        OUTER_V6_LEN => (is_wanted(p, tables, sight, &trail, OUTER_V6_LEN), 2),
        _ => (is_wanted(p, tables, sight, &trail, 0), 0),
    };
    wanted.then_some(Seen { p, sight, trail, at })
}

/// A packet as its event tells it.
struct Seen<'a, P> {
    p: &'a P,
    sight: Sight,
    trail: Trail,
    at: u32,
}

impl<P: Packet> Describe for Seen<'_, P> {
    #[inline(always)]
    fn describe(self, event: &mut Event) {
        let stages = self.sight.stages();
        match self.at {
            1 => tell(self.p, (stages, self.sight.reason()), &self.trail, OUTER_V4_LEN, event),
            2 => tell(self.p, (stages, self.sight.reason()), &self.trail, OUTER_V6_LEN, event),
            _ => tell(self.p, (stages, self.sight.reason()), &self.trail, 0, event),
        }
        event.flags = event_flags::WATCHED;
    }
}

/// Fills in what is known, or not, of a packet whose IP header is `outer` bytes further than usual.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "there are fewer than 8 stages")]
pub(super) fn tell<P: Packet>(
    p: &P,
    (stages, reason): (u32, u32),
    trail: &Trail,
    outer: usize,
    event: &mut Event,
) {
    event.nic = trail.nic;
    event.source_nic = trail.source_nic;
    event.reason = reason;
    event.stages = stages as u8;
    event.link = trail.link;
    event.rule = trail.rule;
    // Written from the frame at once: what is kept meanwhile takes the stack that a program does not have.
    let ports_at = match trail.ethertype {
        ethertype::IPV4 => {
            let Some(ip) = p.get::<Ipv4>(ETHERNET_LEN + outer) else { return not_parsed(event) };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.protocol;
            event.len = u32::from(ip.total_len.get());
            has_ports_v4(ip).then_some(ETHERNET_LEN + outer + Ipv4::LEN)
        }
        ethertype::IPV6 => {
            let Some(ip) = p.get::<Ipv6>(ETHERNET_LEN + outer) else { return not_parsed(event) };
            event.src = ip.src.into();
            event.dst = ip.dst.into();
            event.protocol = ip.next_header;
            event.len = u32::from(ip.payload_len.get()) + len_of::<Ipv6>();
            Some(ETHERNET_LEN + outer + Ipv6::LEN)
        }
        _ => return not_parsed(event),
    };
    (event.src_port, event.dst_port) = (0, 0);
    if let Some(at) = ports_at
        && matches!(event.protocol, protocol::TCP | protocol::UDP)
        && let Some(ports) = p.get::<Ports>(at)
    {
        event.src_port = ports.src.get();
        event.dst_port = ports.dst.get();
    }
}

/// There is no IP header.
#[inline(always)]
fn not_parsed(event: &mut Event) {
    (event.src, event.dst) = (Addr::default(), Addr::default());
    (event.protocol, event.len) = (0, 0);
    (event.src_port, event.dst_port) = (0, 0);
}

/// Whether ports follow the header where they usually do.
#[inline(always)]
fn has_ports_v4(ip: &Ipv4) -> bool {
    ip.version_ihl == 0x45 && !ip.is_later_fragment()
}

/// Whether a packet fits everything that the one who watches asks for.
#[inline(always)]
pub(super) fn is_wanted<P: Packet, T: Tables>(
    p: &P,
    tables: &T,
    sight: Sight,
    trail: &Trail,
    outer: usize,
) -> bool {
    let Some(watch) = tables.watch() else { return false };
    if watch.stages & sight.stages() == 0 || (watch.reasons >> (sight.reason() & 63)) & 1 == 0 {
        return false;
    }
    if watch.nic.is_some() && watch.nic != trail.nic && watch.nic != trail.source_nic {
        return false;
    }
    if watch.link.is_some() && watch.link != trail.link && watch.reverse != trail.link {
        return false;
    }
    if watch.vnet.is_some()
        && !is_in(tables, watch, trail.nic)
        && !is_in(tables, watch, trail.source_nic)
    {
        return false;
    }
    watch.by_packet == 0 || fits(p, watch, trail.ethertype, outer)
}

#[inline(always)]
fn is_in<T: Tables>(tables: &T, watch: &Watch, nic: NicId) -> bool {
    nic.is_some() && tables.nic(nic).is_some_and(|it| it.vnet == watch.vnet)
}

/// Whether addresses, protocol and ports fit.
#[inline(always)]
fn fits<P: Packet>(p: &P, watch: &Watch, ethertype: u16, outer: usize) -> bool {
    let (of_protocol, ports_at) = match ethertype {
        ethertype::IPV4 => {
            let Some(ip) = p.get::<Ipv4>(ETHERNET_LEN + outer) else { return false };
            if differs(watch, ip.src.into()) && differs(watch, ip.dst.into()) {
                return false;
            }
            if watch.port != 0 && !has_ports_v4(ip) {
                return false;
            }
            (ip.protocol, ETHERNET_LEN + outer + Ipv4::LEN)
        }
        ethertype::IPV6 => {
            let Some(ip) = p.get::<Ipv6>(ETHERNET_LEN + outer) else { return false };
            if differs(watch, ip.src.into()) && differs(watch, ip.dst.into()) {
                return false;
            }
            (ip.next_header, ETHERNET_LEN + outer + Ipv6::LEN)
        }
        _ => return false,
    };
    let counts = watch.protocol >> 8;
    if (u32::from(of_protocol) ^ watch.protocol) & counts & 0xff != 0 {
        return false;
    }
    if watch.port == 0 {
        return true;
    }
    matches!(of_protocol, protocol::TCP | protocol::UDP)
        && p.get::<Ports>(ports_at).is_some_and(|ports| {
            u32::from(ports.src.get()) == watch.port || u32::from(ports.dst.get()) == watch.port
        })
}

#[inline(always)]
const fn differs(watch: &Watch, address: Addr) -> bool {
    let [high, low] = address.words();
    let [wanted_high, wanted_low] = watch.address.words();
    let [mask_high, mask_low] = watch.mask.words();
    ((high ^ wanted_high) & mask_high) | ((low ^ wanted_low) & mask_low) != 0
}
