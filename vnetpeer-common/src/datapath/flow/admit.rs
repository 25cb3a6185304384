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

use core::hint::black_box;

use super::{
    Admission, FlowQuery, LiveFlow, Opened,
    balance::{answer, nic_of, taken_by, target},
    judge::{has_group, is_filtered, judge},
    query_flags,
};
use crate::{
    abi::{Filter, Flow, FlowPhase, STAGES, filter_flags},
    datapath::{Address, Tables},
    reason::DropReason,
    types::{BalancerId, NicId, RuleId},
    wire::{protocol, tcp_flags},
};

/// Whether the packet of a query may pass its NIC, and where it goes. A packet for a backend is asked about
/// as the backend's guest sees it.
#[inline(always)]
pub fn admit<T: Tables, A: Address>(tables: &T, query: &mut FlowQuery<A>) -> Admission {
    match decide(tables, query) {
        Ok(admission) => admission,
        Err(reason) => Admission::refuse(reason, RuleId::NONE),
    }
}

#[inline(always)]
fn decide<T: Tables, A: Address>(
    tables: &T,
    query: &mut FlowQuery<A>,
) -> Result<Admission, DropReason> {
    let filter = tables.filter(query.slot).ok_or(DropReason::Unconfigured)?;
    let tick_rate = tables.config().ok_or(DropReason::Unconfigured)?.tick_rate;
    let inbound = query.has(query_flags::INBOUND);
    let mut balancer = BalancerId::NONE;
    if inbound {
        balancer = taken_by(tables, query)?;
    }
    if query.has(query_flags::NO_ACCESS) && !has_group(filter, inbound) {
        return Err(DropReason::VirtualNetworkAccessDenied);
    }
    let now = tables.jiffies();
    let kept = A::flow(tables, query.key());
    let alive = match kept {
        Some(flow) => !flow.has_ended(now, filter.idle_timeout, tick_rate),
        None => false,
    };
    let known = kept.filter(|_| alive);
    let opens =
        query.protocol() == protocol::TCP && query.kind & tcp_flags::OPENING == tcp_flags::SYN;
    let mut goes_to = NicId::NONE;
    if !inbound {
        if opens && kept.is_none() {
            query.flags |= query_flags::NEW;
        }
        let keeps = |flow: &&LiveFlow| !opens || !flow.has_rested(now, tick_rate);
        goes_to = target(tables, query, known.filter(keeps))?;
        if let Some(flow) = known {
            balancer = answer(tables, query, flow)?;
        }
    }
    let passes = Admission::pass(goes_to, balancer, query.flags);
    if query.has(query_flags::RELATED) {
        return related(filter, alive).map(|()| passes);
    }
    if !alive && let Some(reason) = cannot_open(filter, query, opens) {
        return Err(reason);
    }
    let judged = judged_in(known, opens, filter, inbound);
    let mut rules = [RuleId::NONE; STAGES];
    if let Some(direction) = judged {
        let refused = judge(tables, filter, query, direction, &mut rules);
        if !refused.passes() {
            return Ok(refused);
        }
    }
    let Some(flow) = known else {
        open(tables, filter, query, kept, opened(filter, query, rules, now, passes))?;
        query.flags |= query_flags::OPENED;
        return Ok(passes);
    };
    let reopened = opens && (flow.is_inbound() != inbound || flow.phase() == FlowPhase::Closing);
    if reopened {
        // Asked again, since there is no room to keep it while policies are asked.
        let tick_rate = tables.config().ok_or(DropReason::Unconfigured)?.tick_rate;
        flow.renew(&opened(filter, query, rules, now, passes), tick_rate);
        query.flags |= query_flags::OPENED;
        return Ok(passes);
    }
    if judged.is_some() {
        flow.judged(rules, filter.generation);
    }
    note(query, flow, passes);
    let goes_on = follow(tables, query, flow, now);
    Ok(if goes_on { passes.steady() } else { passes })
}

/// The direction in which the policies are asked about a packet, if they are. A SYN is a new connection, in
/// its own direction; a flow is judged again in that of its first packet.
#[inline(always)]
fn judged_in(
    known: Option<&LiveFlow>,
    opens: bool,
    filter: &Filter,
    inbound: bool,
) -> Option<bool> {
    match known {
        Some(flow) if !opens && flow.generation() == filter.generation => None,
        Some(flow) if !opens => Some(flow.is_inbound()),
        _ => Some(inbound),
    }
}

/// The backend that a packet goes to, if the route names a frontend.
#[inline(always)]
fn backend<A: Address>(query: &FlowQuery<A>, passes: Admission) -> NicId {
    if passes.target() == query.target { NicId::NONE } else { nic_of(passes.target()) }
}

/// Keeps who is on the other side of a load balancer for the packets that follow.
#[inline(always)]
fn note<A: Address>(query: &FlowQuery<A>, flow: &LiveFlow, passes: Admission) {
    if !query.has(query_flags::INBOUND) {
        flow.set_backend(backend(query, passes));
    } else if flow.is_inbound() {
        flow.set_balancer(passes.balancer());
    }
}

/// An ICMP error passes if the packet that it quotes belongs to a flow.
#[inline(always)]
fn related(filter: &Filter, alive: bool) -> Result<(), DropReason> {
    if alive || !is_filtered(filter) { Ok(()) } else { Err(DropReason::IcmpWithoutFlow) }
}

/// Notes a packet of a flow, and says whether what follows it fares alike.
#[inline(always)]
fn follow<T: Tables, A: Address>(
    tables: &T,
    query: &FlowQuery<A>,
    flow: &LiveFlow,
    now: u64,
) -> bool {
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
    flow.phase() != FlowPhase::Closing
}

/// Keeps a new flow, in place of one with the same key that has `ended`, if there is one. The flow cache is
/// left to flows of more than one packet: to write an entry costs a first packet more than to find its rule.
#[inline(always)]
fn open<T: Tables, A: Address>(
    tables: &T,
    filter: &Filter,
    query: &FlowQuery<A>,
    ended: Option<&LiveFlow>,
    flow: Flow,
) -> Result<(), DropReason> {
    if let Some(ended) = ended {
        ended.set(&flow);
        return Ok(());
    }
    if let Some(reason) = quota(tables, filter, query.slot) {
        return Err(reason);
    }
    match A::open_flow(tables, query.key(), flow) {
        Opened::Kept => {
            tables.count_opened(query.slot);
            Ok(())
        }
        Opened::Exists => Ok(()),
        Opened::Full => Err(DropReason::FlowTableFull),
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
    passes: Admission,
) -> Flow {
    let inbound = query.has(query_flags::INBOUND);
    // Hidden, or the compiler clears the marks by a call, byte by byte.
    let no = black_box(0);
    Flow {
        last_seen: now,
        opened: now,
        rules,
        generation: filter.generation,
        inbound: u8::from(inbound),
        protocol: query.protocol(),
        replied: no,
        closed_by_opener: no,
        closed_by_other: no,
        reset: no,
        backend: if inbound { NicId::NONE } else { backend(query, passes) },
        balancer: if inbound { passes.balancer() } else { BalancerId::NONE },
        ..Flow::default()
    }
}
