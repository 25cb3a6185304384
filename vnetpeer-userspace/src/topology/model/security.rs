//! Network security groups, application security groups and security admin rules.

use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{ResourceId, VnetIndex};

/// Index into [`super::Topology::security_groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecurityGroupIndex(pub usize);

/// Index into [`super::Topology::application_security_groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationSecurityGroupIndex(pub usize);

/// Index into [`super::Topology::admin_rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminRulesIndex(pub usize);

/// A network security group. Its default rules are not in here; they are always there.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its own rules; names are unique, and priorities in each direction (100 to 4096).
    pub rules: Vec<SecurityRule>,
    /// `flushConnection`: a change of the rules applies to running flows too.
    pub flush_connection: bool,
}

/// An application security group; its members name it ([`super::Nic::application_security_groups`])
/// and are all in one VNet.
#[derive(Clone, Debug)]
pub struct ApplicationSecurityGroup {
    /// Its ARM id.
    pub id: ResourceId,
}

/// Security admin rules, evaluated before the network security groups of the NICs of some VNets.
#[derive(Clone, Debug)]
pub struct AdminRules {
    /// ARM id of the rule collection.
    pub id: ResourceId,
    /// The VNets that they apply to. A VNet is in at most one collection.
    pub vnets: Vec<VnetIndex>,
    /// The rules; names and, in each direction, priorities (1 to 4096) are unique.
    pub rules: Vec<SecurityRule>,
}

/// A security rule or a security admin rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its name in the group.
    pub name: String,
    /// The lowest is evaluated first.
    pub priority: u16,
    /// Which traffic it looks at, seen from the NIC.
    pub direction: Direction,
    /// What it does.
    pub access: Access,
    /// Which protocol it matches.
    pub protocol: RuleProtocol,
    /// Where a packet comes from.
    pub source: RuleSide,
    /// Where it goes.
    pub destination: RuleSide,
}

/// One end of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSide {
    /// The addresses.
    pub endpoints: Endpoints,
    /// The ports; if `0..=65535` is among them, they are any, also for protocols without ports. Never
    /// empty.
    pub ports: Vec<PortRange>,
}

/// A range of ports.
pub type PortRange = RangeInclusive<u16>;

/// The addresses that one end of a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// `*`: every address of both families.
    Any,
    /// These prefixes; none of them: no address.
    Prefixes(Vec<IpNet>),
    /// A service tag.
    Tag(ServiceTag),
    /// The NICs of these application security groups, all in one VNet; no members: no address.
    Groups(Vec<ApplicationSecurityGroupIndex>),
}

/// A service tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceTag {
    /// `VirtualNetwork`: decided by the routes of the NIC's subnet.
    VirtualNetwork,
    /// `Internet`: likewise.
    Internet,
    /// A tag that stands for fixed prefixes.
    Prefixes {
        /// Its name.
        name: String,
        /// The prefixes, of both families.
        prefixes: Vec<IpNet>,
        /// Whether it is one of `AzurePlatformDNS`, `AzurePlatformIMDS` and `AzurePlatformLKM`: only
        /// rules with these apply to the platform's own addresses.
        platform: bool,
    },
}

/// Seen from the NIC.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub enum Direction {
    /// What the NIC receives.
    Inbound,
    /// What the NIC sends.
    Outbound,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Access {
    /// Let it pass to the next policy.
    Allow,
    /// Drop it.
    Deny,
    /// Let it pass all policies; only a security admin rule may.
    AlwaysAllow,
}

/// Which protocol a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleProtocol {
    /// `*`.
    Any,
    /// `Tcp`.
    Tcp,
    /// `Udp`.
    Udp,
    /// `Icmp`: ICMP over IPv4, ICMPv6 over IPv6.
    Icmp,
    /// `Esp`.
    Esp,
    /// `Ah`.
    Ah,
}
