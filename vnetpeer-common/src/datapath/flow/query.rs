//! The question to the flow table and its answer.

use super::super::Address;
use crate::{
    abi::{Nic, nic_protocol},
    reason::DropReason,
    types::{BalancerId, NicId, RuleId, TableId, VnetId},
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
    /// The packet is a fragment.
    pub const FRAGMENT: u32 = 1 << 5;
    /// The packet leaves over a link to another region.
    pub const GLOBAL: u32 = 1 << 6;
    /// The NIC has `enableIPForwarding`.
    pub const FORWARDS: u32 = 1 << 7;
    /// The NIC is handed the packet as a backend of the frontend that has the destination address.
    pub const BALANCED: u32 = 1 << 8;
    /// The packet's head is to be changed from or to a frontend's address; the answer says so.
    pub const TRANSLATED: u32 = 1 << 9;
    /// The NIC opens a TCP connection that the flow table does not know.
    pub const NEW: u32 = 1 << 10;
    /// The answer: the packet opened a flow.
    pub const OPENED: u32 = 1 << 11;
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
    /// The virtual network of the NIC.
    pub vnet: VnetId,
    /// The NIC that a packet is handed to which this NIC sends; it may be a frontend.
    pub target: NicId,
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

    /// The packet now comes from another address and port on the NIC's side; port 0: as it was.
    #[inline(always)]
    pub(in crate::datapath) fn come_from(&mut self, address: A, port: u16) {
        self.local = address;
        if port != 0 {
            self.ports = u32::from(port) << 16 | self.ports & 0xffff;
        }
    }

    /// Asks for a NIC, with flags that depend on it.
    #[inline(always)]
    pub(in crate::datapath) const fn stand_at(&mut self, id: NicId, nic: &Nic, flags: u32) {
        const OF_NIC: u32 = query_flags::OWN
            | query_flags::NO_ACCESS
            | query_flags::GLOBAL
            | query_flags::FORWARDS
            | query_flags::BALANCED
            | query_flags::OPENED;
        self.nic_protocol = nic_protocol(id, self.protocol());
        self.slot = nic.slot;
        self.table = nic.table;
        self.vnet = nic.vnet;
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

    /// The NIC.
    #[inline(always)]
    pub(super) const fn nic(&self) -> NicId {
        NicId(self.nic_protocol >> 8)
    }

    /// The key of its flow.
    #[inline(always)]
    pub(super) fn key(&self) -> A::Key {
        A::key(self.local, self.remote, self.ports, self.nic_protocol)
    }
}

/// Whether a packet may pass: a [`DropReason`] or none in the lowest 8 bits, bit 8 set if the verdict
/// holds for the packets that follow, bit 9 set if it is to be translated, the load balancing rule of the packet
/// or none in the upper half of the lower word. The upper word has the deciding rule, or the number of the
/// target NIC if the packet may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Admission(pub u64);

impl Admission {
    const STEADY: u64 = 1 << 8;

    const TRANSLATED: u64 = query_flags::TRANSLATED as u64;
    const BALANCER_SHIFT: u32 = 16;

    /// Nothing speaks against the packet.
    pub(super) const PASS: Self = Self(0);

    /// The packet may pass, and this was its own case.
    #[inline(always)]
    pub(super) const fn pass(target: NicId, balancer: BalancerId, flags: u32) -> Self {
        let balancer = (balancer.0 as u64 & 0xffff) << Self::BALANCER_SHIFT;
        Self((target.0 as u64) << 32 | balancer | flags as u64 & Self::TRANSLATED)
    }

    /// The packet may pass, and so may those that follow, unless each has to be translated.
    #[inline(always)]
    pub(super) const fn steady(self) -> Self {
        Self(self.0 | ((!self.0 & Self::TRANSLATED) / Self::TRANSLATED * Self::STEADY))
    }

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

    /// The load balancing rule by which the packet is to be translated, or none.
    #[inline(always)]
    pub const fn translated_by(self) -> BalancerId {
        let translated = (self.0 & Self::TRANSLATED) / Self::TRANSLATED;
        BalancerId(self.balancer().0 * translated as u32)
    }

    /// The load balancing rule by which the NIC gets the packet, or answers; or none.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits of it")]
    pub(super) const fn balancer(self) -> BalancerId {
        BalancerId((self.0 >> Self::BALANCER_SHIFT) as u32 & 0xffff)
    }

    /// The number of the target NIC of a packet that may pass.
    #[inline(always)]
    pub const fn target(self) -> NicId {
        NicId((self.0 >> 32) as u32)
    }

    /// The rule that refused, or none.
    #[inline(always)]
    pub const fn rule(self) -> RuleId {
        RuleId((self.0 >> 32) as u32)
    }
}
