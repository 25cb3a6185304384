//! Entries of tables that packets change while other CPUs read them.

use core::cell::Cell;

use crate::{
    abi::{
        Action, CACHE_TAGGED_SETS, CACHE_WAYS, CacheTags, Cached4, Cached6, Flow, FlowKey4,
        FlowKey6, FlowPhase, STAGES, has_ended,
    },
    types::{BalancerId, NicId, RuleId},
};

/// A [`Flow`] in its table. Each field is read and stored on its own.
#[derive(Debug, Default)]
#[repr(C)]
pub struct LiveFlow {
    last_seen: Cell<u64>,
    opened: Cell<u64>,
    rules: Cell<[RuleId; STAGES]>,
    generation: Cell<u32>,
    inbound: Cell<u8>,
    protocol: Cell<u8>,
    reserved: Cell<[u8; 2]>,
    replied: Cell<u8>,
    closed_by_opener: Cell<u8>,
    closed_by_other: Cell<u8>,
    reset: Cell<u8>,
    backend: Cell<NicId>,
    balancer: Cell<BalancerId>,
}

const _: () = assert!(size_of::<LiveFlow>() == size_of::<Flow>());
const _: () = assert!(align_of::<LiveFlow>() == align_of::<Flow>());

impl LiveFlow {
    /// Stores a flow over it.
    #[inline(always)]
    pub fn set(&self, flow: &Flow) {
        self.opened.set(flow.opened);
        self.rules.set(flow.rules);
        self.generation.set(flow.generation);
        self.inbound.set(flow.inbound);
        self.replied.set(flow.replied);
        self.closed_by_opener.set(flow.closed_by_opener);
        self.closed_by_other.set(flow.closed_by_other);
        self.reset.set(flow.reset);
        self.backend.set(flow.backend);
        self.balancer.set(flow.balancer);
        self.protocol.set(flow.protocol);
        self.last_seen.set(flow.last_seen);
    }

    /// The flow as it is.
    #[inline(always)]
    pub fn get(&self) -> Flow {
        Flow {
            last_seen: self.last_seen.get(),
            opened: self.opened.get(),
            rules: self.rules.get(),
            generation: self.generation.get(),
            inbound: self.inbound.get(),
            replied: self.replied.get(),
            closed_by_opener: self.closed_by_opener.get(),
            closed_by_other: self.closed_by_other.get(),
            reset: self.reset.get(),
            protocol: self.protocol.get(),
            reserved: [0; 2],
            backend: self.backend.get(),
            balancer: self.balancer.get(),
        }
    }

    /// Whether it has ended at `now`, see [`Flow::has_ended`].
    #[inline(always)]
    pub(super) fn has_ended(&self, now: u64, idle: u32, tick_rate: u32) -> bool {
        let timeout = self.phase().timeout(self.protocol.get(), idle);
        has_ended(self.last_seen.get(), now, timeout, tick_rate)
    }

    /// Whether nothing that was cached for it is served any more.
    #[inline(always)]
    pub(super) fn has_rested(&self, now: u64, tick_rate: u32) -> bool {
        now.wrapping_sub(self.last_seen.get()) > 2 * u64::from(tick_rate)
    }

    /// Stores the connection that takes its place. If packets passed lately, the cache may still serve replies,
    /// of which nobody would note the first.
    #[inline(always)]
    pub(super) fn renew(&self, flow: &Flow, tick_rate: u32) {
        let replied = self.replied.get() * u8::from(!self.has_rested(flow.last_seen, tick_rate));
        self.set(flow);
        self.replied.set(replied);
    }

    /// Its phase.
    #[inline(always)]
    pub(super) fn phase(&self) -> FlowPhase {
        FlowPhase::of(
            self.replied.get(),
            self.closed_by_opener.get(),
            self.closed_by_other.get(),
            self.reset.get(),
        )
    }

    /// Whether the NIC received its first packet.
    #[inline(always)]
    pub(super) fn is_inbound(&self) -> bool {
        self.inbound.get() != 0
    }

    /// [`Flow::generation`].
    #[inline(always)]
    pub(super) fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// [`Flow::backend`].
    #[inline(always)]
    pub(super) fn backend(&self) -> NicId {
        self.backend.get()
    }

    /// Notes the backend.
    #[inline(always)]
    pub(super) fn set_backend(&self, backend: NicId) {
        self.backend.set(backend);
    }

    /// [`Flow::balancer`].
    #[inline(always)]
    pub(super) fn balancer(&self) -> BalancerId {
        self.balancer.get()
    }

    /// Notes the load balancing rule.
    #[inline(always)]
    pub(super) fn set_balancer(&self, balancer: BalancerId) {
        self.balancer.set(balancer);
    }

    /// Notes that the rules were asked again.
    #[inline(always)]
    pub(super) fn judged(&self, rules: [RuleId; STAGES], generation: u32) {
        self.rules.set(rules);
        self.generation.set(generation);
    }

    /// Notes a packet.
    #[inline(always)]
    pub(super) fn seen(&self, now: u64) {
        self.last_seen.set(now);
    }

    /// Notes a reply and says whether it is the first.
    #[inline(always)]
    pub(super) fn first_reply(&self) -> bool {
        let first = self.replied.get() == 0;
        if first {
            self.replied.set(1);
        }
        first
    }

    /// Notes that the sender of a packet closed the connection.
    #[inline(always)]
    pub(super) fn closed(&self, by_opener: bool) {
        if by_opener {
            self.closed_by_opener.set(1);
        } else {
            self.closed_by_other.set(1);
        }
    }

    /// Notes a reset.
    #[inline(always)]
    pub(super) fn reset(&self) {
        self.reset.set(1);
    }
}

/// What became of a flow that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It is kept.
    Kept,
    /// Another packet of the flow was faster.
    Exists,
    /// The table is full.
    Full,
}

/// An entry of the flow cache: [`Cached4`] or [`Cached6`]. Only the CPU that it belongs to uses it.
#[derive(Default)]
#[repr(C)]
pub struct LiveCached<K> {
    key: Cell<K>,
    action: Cell<Action>,
}

const _: () = assert!(size_of::<LiveCached<FlowKey4>>() == size_of::<Cached4>());
const _: () = assert!(size_of::<LiveCached<FlowKey6>>() <= size_of::<Cached6>());
const _: () = assert!(core::mem::offset_of!(Cached6, action) == size_of::<FlowKey6>());

impl<K: Copy> LiveCached<K> {
    /// The key.
    #[inline(always)]
    pub fn key(&self) -> K {
        self.key.get()
    }

    /// The action.
    #[inline(always)]
    pub fn action(&self) -> Action {
        self.action.get()
    }

    /// Stores another flow's action.
    #[inline(always)]
    pub fn set(&self, key: K, action: Action) {
        self.key.set(key);
        self.action.set(action);
    }
}

/// A [`CacheTags`] that programs change. Only the CPU that the sets belong to uses them; a wrong tag costs a
/// miss and no more.
#[derive(Default)]
#[repr(C, align(8))]
pub struct LiveTags([Cell<[u8; CACHE_WAYS as usize]>; CACHE_TAGGED_SETS as usize]);

const _: () = assert!(size_of::<LiveTags>() == size_of::<CacheTags>());

impl LiveTags {
    /// Whether the set that `hash` selects may have an entry of that hash.
    #[inline(always)]
    pub(super) fn may_have(&self, hash: u32) -> bool {
        // One branch for both ways. A byte of the difference is 0 where a tag is equal, and taking 1 from
        // it sets its upper bit; where no byte is 0, none borrows from the next.
        let tags = u16::from_ne_bytes(self.of(hash).get());
        let difference = tags ^ u16::from_ne_bytes([tag(hash); CACHE_WAYS as usize]);
        difference.wrapping_sub(0x0101) & !difference & 0x8080 != 0
    }

    /// Stores the tag of `hash` for a way of its set.
    #[inline(always)]
    pub(super) fn set(&self, hash: u32, way: u32) {
        let tags = self.of(hash);
        let [first, second] = tags.get();
        tags.set(if way == 0 { [tag(hash), second] } else { [first, tag(hash)] });
    }

    /// The tags of the set that `hash` selects.
    #[inline(always)]
    const fn of(&self, hash: u32) -> &Cell<[u8; CACHE_WAYS as usize]> {
        &self.0[(hash & (CACHE_TAGGED_SETS - 1)) as usize]
    }
}

/// The upper 8 bits of a hash, of which lower ones select the set; never 0.
#[inline(always)]
const fn tag(hash: u32) -> u8 {
    let [upper, ..] = hash.to_be_bytes();
    upper | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_may_have_what_was_stored_there_and_nothing_else() {
        let (one, other, third) = (0x1234_0006, 0xab34_0006, 0x1634_0006);
        let tags = LiveTags::default();
        assert!(!tags.may_have(one) && !tags.may_have(0));
        tags.set(one, 0);
        assert!(tags.may_have(one) && !tags.may_have(other) && !tags.may_have(third));
        assert!(!tags.may_have(one | 1), "the set beside it");
        tags.set(other, 1);
        assert!(tags.may_have(one) && tags.may_have(other) && !tags.may_have(third));
        tags.set(third, 0);
        assert!(!tags.may_have(one) && tags.may_have(other) && tags.may_have(third));
    }
}
