//! The policies of a NIC, asked in their order.

use super::{Admission, FlowQuery, query_flags};
use crate::{
    abi::{
        Classifier, Filter, ROW_WORDS, Row, RuleEntry, STAGES, address_class, kind_index,
        protocol_class,
    },
    datapath::{Address, Tables, route::lookup_port},
    reason::DropReason,
    types::{NextHopId, RuleId},
    wire::protocol,
};

/// The stage of security admin rules; the others are groups.
const ADMIN: usize = 0;

/// The policies for one direction.
#[inline(always)]
pub(super) const fn policies(filter: &Filter, inbound: bool) -> &[crate::types::PolicyId; STAGES] {
    if inbound { &filter.inbound } else { &filter.outbound }
}

/// Whether a group is attached in this direction.
#[inline(always)]
pub(super) const fn has_group(filter: &Filter, inbound: bool) -> bool {
    let [_, first, second] = *policies(filter, inbound);
    first.is_some() || second.is_some()
}

/// Whether the NIC has any policy.
#[inline(always)]
pub(super) const fn is_filtered(filter: &Filter) -> bool {
    filter.outbound[ADMIN].is_some()
        || filter.inbound[ADMIN].is_some()
        || has_group(filter, false)
        || has_group(filter, true)
}

/// Asks all policies about the first packet of a flow that goes in the direction `inbound`, and notes
/// the rules that allow it.
#[inline(always)]
pub(super) fn judge<T: Tables, A: Address>(
    tables: &T,
    filter: &Filter,
    query: &FlowQuery<A>,
    inbound: bool,
    rules: &mut [RuleId; STAGES],
) -> Admission {
    let policies = policies(filter, inbound);
    let [admin, first, second] = *policies;
    if !admin.is_some() && !first.is_some() && !second.is_some() {
        return Admission::PASS;
    }
    let kind = kind(tables, query, inbound);
    for stage in 0..STAGES {
        let policy = policies[stage];
        if !policy.is_some() {
            continue;
        }
        let index = tables.policy(policy).unwrap_or(0);
        if index == 0 {
            return Admission::refuse(DropReason::Unconfigured, RuleId::NONE);
        }
        let entry = A::classify(tables, index, query, Case { inbound, kind });
        let rule = entry.rule();
        if rule.is_some() {
            tables.count_rule(rule);
            rules[stage] = rule;
        } else if stage == ADMIN {
            continue;
        }
        if !entry.allows() {
            return Admission::refuse(denied(stage, inbound), rule);
        }
        if entry.is_final() {
            break;
        }
    }
    Admission::PASS
}

#[inline(always)]
const fn denied(stage: usize, inbound: bool) -> DropReason {
    if stage == ADMIN {
        DropReason::AdminRuleDenied
    } else if inbound {
        DropReason::InboundRuleDenied
    } else {
        DropReason::OutboundRuleDenied
    }
}

/// Index into [`Classifier::kinds`]: the protocol, and what only the subnet's routes know of the
/// addresses.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an index below `KINDS`")]
fn kind<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>, inbound: bool) -> u32 {
    let local = if query.has(query_flags::OWN) {
        address_class::VIRTUAL_NETWORK
    } else {
        class(tables, query, query.local)
    };
    let remote = class(tables, query, query.remote);
    let protocol = match query.protocol() {
        protocol::TCP => protocol_class::TCP,
        protocol::UDP => protocol_class::UDP,
        protocol::ESP => protocol_class::ESP,
        protocol::AH => protocol_class::AH,
        other if other == A::ICMP => protocol_class::ICMP,
        _ => protocol_class::OTHER,
    };
    let (source, destination) = if inbound { (remote, local) } else { (local, remote) };
    kind_index(protocol, source, destination) as u32
}

/// The [`address_class`] of an address, as the NIC's subnet sees it.
#[inline(always)]
fn class<T: Tables, A: Address>(tables: &T, query: &FlowQuery<A>, address: A) -> u16 {
    let class = tables
        .routes(query.table)
        .and_then(|roots| address.lookup(tables, roots))
        .and_then(|id| tables.next_hop(NextHopId(id)))
        .map_or(address_class::NEITHER, |next| next.class);
    if class < address_class::COUNT { class } else { address_class::NEITHER }
}

/// What a policy must know beside the query.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Whether the flow's first packet goes to the NIC.
    pub inbound: bool,
    /// Index into [`Classifier::kinds`].
    pub kind: u32,
}

/// The first rule of a classifier that matches; one without a number if none does.
#[inline(always)]
pub fn classify<T: Tables, A: Address>(
    tables: &T,
    index: u32,
    query: &FlowQuery<A>,
    case: Case,
) -> RuleEntry {
    let found = tables.classifier(index).and_then(|it| first_rule(tables, it, query, case));
    found.unwrap_or(RuleEntry::deny(RuleId::NONE))
}

#[inline(always)]
fn first_rule<T: Tables, A: Address>(
    tables: &T,
    classifier: &Classifier,
    query: &FlowQuery<A>,
    case: Case,
) -> Option<RuleEntry> {
    // The port in the upper half, as the keys of port tries.
    let (local_port, remote_port) = (query.ports, query.ports << 16);
    let (source, destination, source_port, destination_port) = if case.inbound {
        (query.remote, query.local, remote_port, local_port)
    } else {
        (query.local, query.remote, local_port, remote_port)
    };
    let kind = tables.row(*classifier.kinds.get(case.kind as usize)?)?;
    let source = tables.row(source.lookup_inline(tables, &classifier.source)?)?;
    let destination = tables.row(destination.lookup_inline(tables, &classifier.destination)?)?;
    let (mut from_port, mut to_port) = (kind, kind);
    if matches!(query.protocol(), protocol::TCP | protocol::UDP) {
        from_port = tables.row(lookup_port(tables, classifier.source_port, source_port)?)?;
        to_port =
            tables.row(lookup_port(tables, classifier.destination_port, destination_port)?)?;
    }
    let bit = first_common(kind, source, destination, from_port, to_port)?;
    classifier.rules.get(bit).copied()
}

/// The lowest bit that is set in all rows.
#[inline(always)]
fn first_common(a: &Row, b: &Row, c: &Row, d: &Row, e: &Row) -> Option<usize> {
    let mut words = a.summary & b.summary & c.summary & d.summary & e.summary;
    for _ in 0..ROW_WORDS {
        if words == 0 {
            return None;
        }
        let index = words.trailing_zeros() as usize & (ROW_WORDS - 1);
        let word =
            a.words[index] & b.words[index] & c.words[index] & d.words[index] & e.words[index];
        if word != 0 {
            return Some(index * 64 + (word.trailing_zeros() as usize & 63));
        }
        words &= words - 1;
    }
    None
}
