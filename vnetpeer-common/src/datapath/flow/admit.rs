//! The flow table.
//!
//! A packet of a known flow passes, in either direction. The first packet of a flow is judged by the
//! NIC's policies; only flows that are allowed are kept. Nothing is ever evicted: at its quota a NIC
//! gets no new flows, and its own and everybody else's go on.
//!
//! TCP (RFC 9293) is followed as far as filtering needs: a flow opens with a SYN, a SYN on a known
//! flow is a new connection and is judged in its own direction, FIN of both sides or RST closes. ICMP
//! opens a flow with a request only; errors belong to the flow of the packet that they quote
//! (RFC 5508 §4).

use super::{
    Admission, FlowQuery, LiveFlow, Opened,
    judge::{has_group, is_filtered, judge},
    query_flags,
};
use crate::{
    abi::{Filter, Flow, FlowPhase, STAGES, filter_flags},
    datapath::{Address, Tables},
    reason::DropReason,
    types::RuleId,
    wire::{protocol, tcp_flags},
};

/// Whether the packet of a query may pass its NIC.
#[inline(always)]
pub fn admit<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>) -> Admission {
    let unconfigured = Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
    let Some(filter) = tables.filter(query.slot) else { return unconfigured };
    let Some(config) = tables.config() else { return unconfigured };
    let inbound = query.has(query_flags::INBOUND);
    if query.has(query_flags::NO_ACCESS) && !has_group(filter, inbound) {
        return Admission::refuse(DropReason::VirtualNetworkAccessDenied, RuleId::NONE);
    }
    let now = tables.jiffies();
    let kept = A::flow(tables, query.key());
    let alive = match kept {
        Some(flow) => !flow.has_ended(now, filter.idle_timeout, config.tick_rate),
        None => false,
    };
    if query.has(query_flags::RELATED) {
        return related(filter, alive);
    }
    let opens =
        query.protocol() == protocol::TCP && query.kind & tcp_flags::OPENING == tcp_flags::SYN;
    if !alive && let Some(reason) = cannot_open(filter, query, opens) {
        return Admission::refuse(reason, RuleId::NONE);
    }
    let known = kept.filter(|_| alive);
    let judged = match known {
        Some(flow) if !opens && flow.generation() == filter.generation => None,
        // A SYN is a new connection, in its own direction; a flow is judged again in that of its first
        // packet.
        Some(flow) if !opens => Some(flow.is_inbound()),
        _ => Some(inbound),
    };
    let mut rules = [RuleId::NONE; STAGES];
    if let Some(direction) = judged {
        let refused = judge(tables, filter, query, direction, &mut rules);
        if !refused.passes() {
            return refused;
        }
    }
    match known {
        Some(flow) => {
            let reopened =
                opens && (flow.is_inbound() != inbound || flow.phase() == FlowPhase::Closing);
            if reopened {
                flow.set(&opened(filter, query, rules, now));
                return Admission::PASS;
            }
            if judged.is_some() {
                flow.judged(rules, filter.generation);
            }
            follow(tables, query, flow, now)
        }
        None => open(tables, filter, query, kept, rules, now),
    }
}

/// An ICMP error passes if the packet that it quotes belongs to a flow.
#[inline(always)]
fn related(filter: &Filter, alive: bool) -> Admission {
    if alive || !is_filtered(filter) {
        Admission::PASS
    } else {
        Admission::refuse(DropReason::IcmpWithoutFlow, RuleId::NONE)
    }
}

/// Notes a packet of a flow.
#[inline(always)]
fn follow<T: Tables, A: Address>(
    tables: &T,
    query: &FlowQuery<A>,
    flow: &LiveFlow,
    now: u64,
) -> Admission {
    let by_opener = flow.is_inbound() == query.has(query_flags::INBOUND);
    flow.seen(now);
    if !by_opener && flow.first_reply() {
        tables.count_replied(query.slot);
    }
    if query.protocol() == protocol::TCP {
        if query.kind & tcp_flags::FIN != 0 {
            flow.closed(by_opener);
        }
        if query.kind & tcp_flags::RST != 0 {
            flow.reset();
        }
    }
    if flow.phase() == FlowPhase::Closing { Admission::PASS } else { Admission::PASS_STEADY }
}

/// Keeps a new flow, in place of one with the same key that has `ended`, if there is one. The flow cache is
/// left to flows of more than one packet: to write an entry costs a first packet more than to find its rule.
#[inline(always)]
fn open<T: Tables, A: Address>(
    tables: &T,
    filter: &Filter,
    query: &FlowQuery<A>,
    ended: Option<&LiveFlow>,
    rules: [RuleId; STAGES],
    now: u64,
) -> Admission {
    if let Some(ended) = ended {
        ended.set(&opened(filter, query, rules, now));
        return Admission::PASS;
    }
    if let Some(reason) = quota(tables, filter, query.slot) {
        return Admission::refuse(reason, RuleId::NONE);
    }
    match A::open_flow(tables, query.key(), opened(filter, query, rules, now)) {
        Opened::Kept => {
            tables.count_opened(query.slot);
            Admission::PASS
        }
        Opened::Exists => Admission::PASS,
        Opened::Full => Admission::refuse(DropReason::FlowTableFull, RuleId::NONE),
    }
}

/// Why a packet cannot be the first of a flow. Where no policy judges, everything can be: a
/// connection that began before the tables knew of it goes on.
#[inline(always)]
fn cannot_open<A: Address>(
    filter: &Filter,
    query: &FlowQuery<A>,
    opens: bool,
) -> Option<DropReason> {
    if !is_filtered(filter) {
        return None;
    }
    let protocol = query.protocol();
    if protocol == protocol::TCP {
        // An appliance may see one direction of a connection only.
        let loose = filter.flags & filter_flags::LOOSE_TCP != 0 || !query.has(query_flags::OWN);
        return (!opens && !loose).then_some(DropReason::TcpWithoutFlow);
    }
    if protocol == A::ICMP && !query.has(query_flags::LATER_FRAGMENT) && !A::is_request(query.kind)
    {
        return Some(DropReason::IcmpWithoutFlow);
    }
    None
}

/// Why the NIC may not have another flow.
#[inline(always)]
fn quota<T: Tables>(tables: &T, filter: &Filter, slot: u32) -> Option<DropReason> {
    let (Some(opened), Some(ended)) = (tables.flows_opened(slot), tables.flows_ended(slot)) else {
        return Some(DropReason::Unconfigured);
    };
    let flows = opened.opened.wrapping_sub(ended.ended).cast_signed();
    if flows >= i64::from(filter.flows_max) {
        return Some(DropReason::FlowQuotaReached);
    }
    let half_open =
        opened.opened.wrapping_sub(opened.replied).wrapping_sub(ended.half_open).cast_signed();
    (half_open >= i64::from(filter.half_open_max)).then_some(DropReason::HalfOpenQuotaReached)
}

#[inline(always)]
fn opened<A: Address>(
    filter: &Filter,
    query: &FlowQuery<A>,
    rules: [RuleId; STAGES],
    now: u64,
) -> Flow {
    Flow {
        last_seen: now,
        opened: now,
        rules,
        generation: filter.generation,
        inbound: u8::from(query.has(query_flags::INBOUND)),
        protocol: query.protocol(),
        ..Flow::default()
    }
}
