//! The question to the flow table and its answer.

use super::super::Address;
use crate::{
    abi::{Nic, nic_protocol},
    reason::DropReason,
    types::{NicId, RuleId, TableId},
};

/// Bits of [`FlowQuery::flags`].
pub mod query_flags {
    /// The NIC receives the packet.
    pub const INBOUND: u32 = 1;
    /// The packet is an ICMP error, and the rest of the query describes the packet that it quotes: it
    /// passes if that belongs to a flow.
    pub const RELATED: u32 = 1 << 1;
    /// The address on the NIC's side is the NIC's own.
    pub const OWN: u32 = 1 << 2;
    /// The link that the packet uses does not have `allowVirtualNetworkAccess`.
    pub const NO_ACCESS: u32 = 1 << 3;
    /// The packet has no transport header: a later fragment.
    pub const LATER_FRAGMENT: u32 = 1 << 4;
}

/// A packet as the flow table looks at it, from one NIC.
///
/// In the programs a pointer to it crosses into a function that the verifier checks on its own, so it
/// is plain words without padding.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct FlowQuery<A> {
    /// The address on the NIC's side.
    pub local: A,
    /// The other address.
    pub remote: A,
    /// As in [`crate::abi::FlowKey4::ports`].
    pub ports: u32,
    /// As in [`crate::abi::FlowKey4::nic_protocol`].
    pub nic_protocol: u32,
    /// The NIC's slot.
    pub slot: u32,
    /// The effective routes of the NIC's subnet.
    pub table: TableId,
    /// Bits of [`query_flags`].
    pub flags: u32,
    /// Flags of a TCP header, or type of an ICMP message; else 0.
    pub kind: u32,
}

impl<A: Address> FlowQuery<A> {
    /// Asks from the other side.
    #[inline(always)]
    pub(in crate::datapath) const fn turn(&mut self) {
        (self.local, self.remote) = (self.remote, self.local);
        self.ports = self.ports.rotate_left(16);
        self.flags ^= query_flags::INBOUND;
    }

    /// Asks for a NIC, with flags that depend on it.
    #[inline(always)]
    pub(in crate::datapath) const fn stand_at(&mut self, id: NicId, nic: &Nic, flags: u32) {
        const OF_NIC: u32 = query_flags::OWN | query_flags::NO_ACCESS;
        self.nic_protocol = nic_protocol(id, self.protocol());
        self.slot = nic.slot;
        self.table = nic.table;
        self.flags = self.flags & !OF_NIC | flags;
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub(super) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// IP protocol.
    #[inline(always)]
    pub(super) const fn protocol(&self) -> u8 {
        (self.nic_protocol & 0xff) as u8
    }

    /// The key of its flow.
    #[inline(always)]
    pub(super) fn key(&self) -> A::Key {
        A::key(self.local, self.remote, self.ports, self.nic_protocol)
    }
}

/// Whether a packet may pass: a [`DropReason`] or none in the lowest 8 bits, bit 8 set if the verdict
/// holds for the packets that follow, and the deciding rule in the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Admission(pub u64);

impl Admission {
    const STEADY: u64 = 1 << 8;

    /// The packet may pass, and this was its own case.
    pub(super) const PASS: Self = Self(0);
    /// The packet may pass, and so may those that follow.
    pub(super) const PASS_STEADY: Self = Self(Self::STEADY);

    /// The packet may not pass; `rule` says so, or none.
    #[inline(always)]
    pub const fn refuse(reason: DropReason, rule: RuleId) -> Self {
        Self(reason.number() as u64 | (rule.0 as u64) << 32)
    }

    /// The reason, if the packet may not pass.
    #[inline(always)]
    pub const fn refusal(self) -> Option<DropReason> {
        DropReason::from_number(self.refusal_number())
    }

    #[inline(always)]
    const fn refusal_number(self) -> u32 {
        (self.0 & 0xff) as u32
    }

    /// Whether the packet may pass.
    #[inline(always)]
    pub const fn passes(self) -> bool {
        self.refusal_number() == 0
    }

    /// Whether the verdict holds for the packets that follow.
    #[inline(always)]
    pub const fn is_steady(self) -> bool {
        self.0 & Self::STEADY != 0
    }

    /// The rule that refused, or none.
    #[inline(always)]
    pub const fn rule(self) -> RuleId {
        RuleId((self.0 >> 32) as u32)
    }
}
