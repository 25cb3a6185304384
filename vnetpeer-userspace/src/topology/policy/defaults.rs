//! Rules that every network security group has, and the rules of the platform's own addresses.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use vnetpeer_common::{abi::capacity, types::PolicyId};

use super::Matched;
use crate::topology::{
    model::{Access, Direction},
    service_tags::PLATFORM,
};

/// A policy that has no number and is never in force, so it denies everything. Filters name it while
/// more than one thing about a NIC's policies changes.
pub const CLOSED: PolicyId = PolicyId(capacity::POLICIES - 1);

/// Priority that listings show for the hidden rules of the platform's addresses.
pub(super) const PLATFORM_PRIORITY: u16 = 0;

/// The address of the instance metadata service.
const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The hidden rules by name and the address that each lets pass.
pub(super) const PLATFORM_RULES: [(&str, Ipv4Addr); 2] = [
    ("platformRules/AllowPlatformAddress", PLATFORM.addr()),
    ("platformRules/AllowInstanceMetadata", METADATA_ADDRESS),
];

/// A default rule: any protocol, any port.
pub(in crate::topology) struct DefaultRule {
    /// Its name in listings.
    pub(in crate::topology) name: &'static str,
    /// Its priority.
    pub(in crate::topology) priority: u16,
    /// What it does.
    pub(in crate::topology) access: Access,
    /// Where a packet comes from.
    pub(in crate::topology) source: DefaultEnd,
    /// Where it goes.
    pub(in crate::topology) destination: DefaultEnd,
}

/// One end of a default rule.
#[derive(Clone, Copy)]
pub(in crate::topology) enum DefaultEnd {
    /// Every address.
    Any,
    /// Tag `VirtualNetwork`.
    VirtualNetwork,
    /// Tag `Internet`.
    Internet,
    /// Tag `AzureLoadBalancer`: the platform's virtual address, from which probes come.
    LoadBalancer,
}

impl DefaultEnd {
    /// The addresses.
    pub(super) fn matched(self) -> Matched {
        match self {
            Self::Any => Matched::Any,
            Self::VirtualNetwork => Matched::VirtualNetwork,
            Self::Internet => Matched::Internet,
            Self::LoadBalancer => only(PLATFORM.addr()),
        }
    }
}

/// One address and no other.
pub(super) fn only(address: Ipv4Addr) -> Matched {
    Matched::Prefixes(BTreeSet::from([IpNet::from(IpAddr::V4(address))]))
}

/// The default rules of a direction, in the order of evaluation.
pub(in crate::topology) fn default_rules(direction: Direction) -> &'static [DefaultRule] {
    match direction {
        Direction::Inbound => &INBOUND,
        Direction::Outbound => &OUTBOUND,
    }
}

const INBOUND: [DefaultRule; 3] = [
    DefaultRule {
        name: "defaultSecurityRules/AllowVnetInBound",
        priority: 65_000,
        access: Access::Allow,
        source: DefaultEnd::VirtualNetwork,
        destination: DefaultEnd::VirtualNetwork,
    },
    DefaultRule {
        name: "defaultSecurityRules/AllowAzureLoadBalancerInBound",
        priority: 65_001,
        access: Access::Allow,
        source: DefaultEnd::LoadBalancer,
        destination: DefaultEnd::Any,
    },
    DefaultRule {
        name: "defaultSecurityRules/DenyAllInBound",
        priority: 65_500,
        access: Access::Deny,
        source: DefaultEnd::Any,
        destination: DefaultEnd::Any,
    },
];

const OUTBOUND: [DefaultRule; 3] = [
    DefaultRule {
        name: "defaultSecurityRules/AllowVnetOutBound",
        priority: 65_000,
        access: Access::Allow,
        source: DefaultEnd::VirtualNetwork,
        destination: DefaultEnd::VirtualNetwork,
    },
    DefaultRule {
        name: "defaultSecurityRules/AllowInternetOutBound",
        priority: 65_001,
        access: Access::Allow,
        source: DefaultEnd::Any,
        destination: DefaultEnd::Internet,
    },
    DefaultRule {
        name: "defaultSecurityRules/DenyAllOutBound",
        priority: 65_500,
        access: Access::Deny,
        source: DefaultEnd::Any,
        destination: DefaultEnd::Any,
    },
];
