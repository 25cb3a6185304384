//! Security rules, from the model to classifiers of bit vectors.
//!
//! [`Policy`] is one group in one direction with everything resolved: default rules are in it, tags
//! stand for prefixes or for a class of addresses, application security groups for the addresses of
//! their members. It is what `Desired` holds, what effective rules are shown from, and what the
//! classifier is built from.
//!
//! - [`Resolver`]: model → [`Policy`].
//! - `classifier`: [`Policy`] → the rows of bits of every field.
//!
//! The platform's own addresses (168.63.129.16 and 169.254.169.254) pass a group whatever its rules
//! say, unless a rule with a tag of the platform (`AzurePlatformDNS` and the like) denies. So a group's
//! rules with such tags come first, then hidden rules that allow the two addresses, then the others.

mod classifier;
mod defaults;
mod ports;
mod resolve;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

use ipnet::IpNet;
use vnetpeer_common::types::RuleId;

#[cfg(test)]
use self::classifier::Fields;
pub(super) use self::defaults::{DefaultEnd, DefaultRule, default_rules};
pub(super) use self::{
    classifier::{Covered, fields},
    resolve::{ListedName, admin_rule_names, group_rule_names},
};
pub use self::{defaults::CLOSED, resolve::Resolver};
use super::model::{Access, Direction, PortRange, RuleProtocol};

/// The rules of one policy in the order of evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Seen from the NIC.
    pub direction: Direction,
    /// The rules; the first that matches decides. If none does, the packet passes this policy if it is
    /// one of security admin rules, and is denied if it is a group's (whose last rule matches all).
    pub rules: Vec<PolicyRule>,
}

/// A rule with everything resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Its number in the datapath.
    pub id: RuleId,
    /// Its name in listings, e.g. `securityRules/web` or `defaultSecurityRules/AllowVnetInBound`.
    pub name: String,
    /// Its priority.
    pub priority: u16,
    /// What it does.
    pub access: Access,
    /// Which protocol it matches.
    pub protocol: RuleProtocol,
    /// Where a packet comes from.
    pub source: Matched,
    /// Source ports.
    pub source_ports: Vec<PortRange>,
    /// Where it goes.
    pub destination: Matched,
    /// Destination ports.
    pub destination_ports: Vec<PortRange>,
}

/// The addresses that one end of a resolved rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Every address.
    Any,
    /// The addresses in these prefixes.
    Prefixes(BTreeSet<IpNet>),
    /// The addresses of tag `VirtualNetwork`, as the route lookup says.
    VirtualNetwork,
    /// The addresses in these prefixes that are also of tag `VirtualNetwork`.
    VirtualNetworkIn(BTreeSet<IpNet>),
    /// The addresses of tag `Internet`, as the route lookup says.
    Internet,
}
