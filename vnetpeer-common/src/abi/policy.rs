//! Security rules as a classifier of bit vectors.
//!
//! A policy is one network security group (or the security admin rules of one VNet) in one direction.
//! Its rules are numbered by their order of evaluation, and each field of a packet selects a [`Row`] of
//! one bit per rule: the rules that the field satisfies. The lowest bit that is set in all rows is the
//! rule that decides. So the cost does not depend on how many rules there are, nor on which one
//! matches (T. V. Lakshman and D. Stiliadis, SIGCOMM 1998).

use bytemuck::{Pod, Zeroable};

use super::{Entry, Roots};
use crate::types::{PolicyId, RuleId};

/// Rules of one policy: Azure's 1,000, the default rules and those of the platform's own addresses.
pub const RULES_MAX: usize = 1_024;
/// 64-bit words of a [`Row`].
pub const ROW_WORDS: usize = RULES_MAX / 64;
/// Policies that a packet passes in one direction at most: security admin rules and two groups.
pub const STAGES: usize = 3;

/// One bit per rule of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    /// Bit `n` is set if `words[n]` is not 0; the rest is zero.
    pub summary: u64,
    /// Bit `r % 64` of word `r / 64` belongs to rule `r`.
    pub words: [u64; ROW_WORDS],
}

/// What protocols rules tell apart: index of [`Classifier::kinds`].
pub mod protocol_class {
    /// TCP.
    pub const TCP: u32 = 0;
    /// UDP.
    pub const UDP: u32 = 1;
    /// ICMP and ICMPv6.
    pub const ICMP: u32 = 2;
    /// ESP.
    pub const ESP: u32 = 3;
    /// AH.
    pub const AH: u32 = 4;
    /// Everything else, which only rules for any protocol match.
    pub const OTHER: u32 = 5;
    /// How many there are.
    pub const COUNT: u32 = 6;
}

/// How an address stands to a subnet, for service tags that follow routing: a part of what the
/// subnet's route lookup returns ([`super::NextHop::class`]).
pub mod address_class {
    /// In neither tag.
    pub const NEITHER: u16 = 0;
    /// In `VirtualNetwork`.
    pub const VIRTUAL_NETWORK: u16 = 1;
    /// In `Internet`.
    pub const INTERNET: u16 = 2;
    /// How many there are.
    pub const COUNT: u16 = 3;
}

/// Entries of [`Classifier::kinds`].
pub const KINDS: usize =
    protocol_class::COUNT as usize * address_class::COUNT as usize * address_class::COUNT as usize;

/// Index into [`Classifier::kinds`]; the arguments are a [`protocol_class`] and the
/// [`address_class`] of source and destination.
#[inline(always)]
pub const fn kind_index(protocol: u32, source: u16, destination: u16) -> usize {
    let classes = address_class::COUNT as usize;
    (protocol as usize * classes + source as usize) * classes + destination as usize
}

/// A rule in a [`Classifier`]: its identity and its access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct RuleEntry(u32);

impl RuleEntry {
    const ALLOW: u32 = 1 << 31;
    const ALWAYS: u32 = 1 << 30;

    /// A rule that denies.
    #[inline(always)]
    pub const fn deny(rule: RuleId) -> Self {
        Self(rule.0 & !(Self::ALLOW | Self::ALWAYS))
    }

    /// A rule that allows; the next policy decides further.
    #[inline(always)]
    pub const fn allow(rule: RuleId) -> Self {
        Self(Self::deny(rule).0 | Self::ALLOW)
    }

    /// A rule that allows and ends the evaluation of all policies (`AlwaysAllow` of a security admin
    /// rule).
    #[inline(always)]
    pub const fn always_allow(rule: RuleId) -> Self {
        Self(Self::allow(rule).0 | Self::ALWAYS)
    }

    /// From its bits, as they cross from one program's function to another.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Which rule it is.
    #[inline(always)]
    pub const fn rule(self) -> RuleId {
        RuleId(self.0 & !(Self::ALLOW | Self::ALWAYS))
    }

    /// Whether it allows.
    #[inline(always)]
    pub const fn allows(self) -> bool {
        self.0 & Self::ALLOW != 0
    }

    /// Whether no further policy is asked.
    #[inline(always)]
    pub const fn is_final(self) -> bool {
        self.0 & Self::ALWAYS != 0
    }
}

/// The compiled rules of one policy. Never changed in place: a new version is written elsewhere, then
/// the policy's number is pointed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Classifier {
    /// Source address → index of a [`Row`]; where no prefix covers the address, no rule matches.
    pub source: Roots,
    /// Destination address → index of a [`Row`].
    pub destination: Roots,
    /// Source port of TCP and UDP, in the upper 16 bits of an IPv4 trie's key → index of a [`Row`].
    pub source_port: Entry,
    /// Destination port, likewise.
    pub destination_port: Entry,
    /// Protocol and address classes → index of a [`Row`]; see [`kind_index`].
    pub kinds: [u32; KINDS],
    /// The rules in the order of evaluation.
    pub rules: [RuleEntry; RULES_MAX],
}

/// Bits of [`Filter::flags`].
pub mod filter_flags {
    /// `disableTcpStateTracking`: a TCP segment that belongs to no flow is judged as the first of one.
    pub const LOOSE_TCP: u32 = 1;
}

/// What judges the traffic of one local NIC. Its index is [`super::Nic::slot`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Filter {
    /// For what the NIC sends: security admin rules, the NIC's group, the subnet's group; none where
    /// there is none.
    pub outbound: [PolicyId; STAGES],
    /// For what the NIC receives: security admin rules, the subnet's group, the NIC's group.
    pub inbound: [PolicyId; STAGES],
    /// Bits of [`filter_flags`].
    pub flags: u32,
    /// Flows that were judged under another number are judged again.
    pub generation: u32,
    /// Seconds without a packet after which an established flow ends: `flowTimeoutInMinutes`.
    pub idle_timeout: u32,
    /// Flows that the NIC may have.
    pub flows_max: u32,
    /// Flows that it may have of which no reply was seen.
    pub half_open_max: u32,
    /// Zero.
    pub reserved: [u32; 5],
}

const _: () = assert!(size_of::<Filter>() == 64, "a filter is one cache line");
