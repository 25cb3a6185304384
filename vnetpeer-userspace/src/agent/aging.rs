//! Which flows have ended, and what the counters of ended flows should be. Nothing here touches the
//! kernel.
//!
//! A NIC has `opened − ended` flows, and the programs compare that with its quota. They raise
//! `opened`, user space raises `ended` by what it removes. Both would drift apart from the tables over
//! time: an agent can be killed between removing a flow and counting it, and a connection that is
//! opened again in the place of an old one is counted once. So every sweep also counts the flows that
//! it sees and corrects what the counters say, as far as flows that come and go meanwhile allow.

use std::collections::BTreeMap;

use vnetpeer_common::{
    abi::{Flow, FlowPhase, FlowsEnded, FlowsOpened},
    types::{NicId, VtepId},
};

use crate::topology::desired::Desired;

/// Seconds without a packet after which flows end of a NIC that says nothing about it: Azure's four
/// minutes.
const IDLE_SECONDS: u32 = 240;

/// A NIC whose flows go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its row of counters.
    pub slot: u32,
    /// Seconds without a packet after which its established flows end.
    pub idle_timeout: u32,
}

/// The local NICs.
pub type Owners = BTreeMap<NicId, Owner>;

/// The NICs of this host.
pub fn owners(desired: &Desired) -> Owners {
    let local = desired.nics.iter().filter(|(_, nic)| nic.vtep == VtepId::NONE);
    local
        .map(|(id, nic)| {
            let filter = desired.filters.get(&nic.slot);
            let idle_timeout = filter.map_or(IDLE_SECONDS, |it| it.idle_timeout);
            (*id, Owner { slot: nic.slot, idle_timeout })
        })
        .collect()
}

/// When a sweep happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Jiffies.
    pub now: u64,
    /// Jiffies per second.
    pub tick_rate: u32,
}

impl Time {
    /// Seconds since then.
    pub fn seconds_since(self, jiffies: u64) -> u64 {
        self.now.saturating_sub(jiffies) / u64::from(self.tick_rate.max(1))
    }

    /// Whether a flow has ended: it was idle for too long, or its NIC is not here any more. Without the
    /// length of a second nothing is too long.
    pub fn has_ended(self, flow: &Flow, owner: Option<&Owner>) -> bool {
        owner.is_none_or(|it| {
            self.tick_rate != 0 && flow.has_ended(self.now, it.idle_timeout, self.tick_rate)
        })
    }
}

/// What a sweep saw of one NIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Flows in the tables, removed ones included.
    pub flows: u64,
    /// Of these, flows without a reply.
    pub half_open: u64,
    /// Flows that the sweep removed.
    pub removed: u64,
    /// Of these, flows that never saw a reply.
    pub removed_half_open: u64,
}

impl Seen {
    /// Counts a flow that is in the table.
    pub fn saw(&mut self, flow: &Flow) {
        self.flows += 1;
        self.half_open += u64::from(is_half_open(flow));
    }

    /// Counts a flow that was removed.
    pub fn removed(&mut self, flow: &Flow) {
        self.removed += 1;
        self.removed_half_open += u64::from(is_half_open(flow));
    }
}

/// Whether the programs count the flow as one without a reply.
fn is_half_open(flow: &Flow) -> bool {
    flow.replied == 0
}

/// What the counter of ended flows should be after a sweep: `ended` is what it is, `before` and
/// `after` what the programs had counted when the sweep began and ended.
///
/// The tables held at least the flows seen less those opened meanwhile, and at most the flows seen.
/// What the counters say is kept if it lies between, so that they do not jump on a busy host.
pub fn settle(
    ended: FlowsEnded,
    before: FlowsOpened,
    after: FlowsOpened,
    seen: &Seen,
) -> FlowsEnded {
    let opened = after.opened.saturating_sub(before.opened);
    let replied = after.replied.saturating_sub(before.replied);
    let flows = before.opened.saturating_sub(ended.ended);
    let flows = flows.clamp(seen.flows.saturating_sub(opened), seen.flows);
    let unanswered = before.opened.saturating_sub(before.replied);
    let half_open = unanswered.saturating_sub(ended.half_open);
    // A flow whose reply came before the sweep saw it was without one when the sweep began.
    let half_open =
        half_open.clamp(seen.half_open.saturating_sub(opened), seen.half_open + replied);
    let gone = before.opened.saturating_sub(flows) + seen.removed;
    let gone_half_open = unanswered.saturating_sub(half_open) + seen.removed_half_open;
    FlowsEnded {
        ended: gone.min(after.opened),
        half_open: gone_half_open.min(after.opened.saturating_sub(after.replied)),
    }
}

/// Flows that the programs believe a NIC to have, and of these those without a reply.
pub fn believed(opened: FlowsOpened, ended: FlowsEnded) -> (u64, u64) {
    let unanswered = opened.opened.saturating_sub(opened.replied);
    (opened.opened.saturating_sub(ended.ended), unanswered.saturating_sub(ended.half_open))
}

/// Azure has no word for the phase of a flow; this is ours.
pub fn phase_name(flow: &Flow) -> &'static str {
    match flow.phase() {
        FlowPhase::HalfOpen => "HalfOpen",
        FlowPhase::Established => "Established",
        FlowPhase::Closing => "Closing",
    }
}

#[cfg(test)]
mod tests;
