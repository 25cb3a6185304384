//! Under which keys things without an ARM id of their own are numbered, and how the JSON form spells
//! these keys. No ARM name has a vertical bar, so it separates the parts.

use serde::{Deserialize, Serialize};

use crate::topology::model::{Direction, ResourceId};

/// Which table of effective routes: the system routes of a VNet with the routes of one route table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct TableKey {
    /// The VNet.
    pub vnet: ResourceId,
    /// The route table, or none for system routes alone.
    pub route_table: Option<ResourceId>,
}

impl From<TableKey> for String {
    fn from(key: TableKey) -> Self {
        let table = key.route_table.as_ref().map_or("", ResourceId::as_str);
        format!("{}|{table}", key.vnet)
    }
}

impl From<String> for TableKey {
    fn from(text: String) -> Self {
        let (vnet, table) = text.split_once('|').unwrap_or((&text, ""));
        let route_table = (!table.is_empty()).then(|| ResourceId::new(table));
        Self { vnet: ResourceId::new(vnet), route_table }
    }
}

/// The name under which a host's second tunnel endpoint is numbered; no host has a slash in its name.
pub(super) fn other_way(host: &str) -> String {
    format!("{host}/other")
}

/// Which policy: the rules of one network security group, or of one collection of security admin
/// rules, in one direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct PolicyKey {
    /// The network security group or the collection of security admin rules.
    pub group: ResourceId,
    /// Seen from the NIC.
    pub direction: Direction,
}

impl From<PolicyKey> for String {
    fn from(key: PolicyKey) -> Self {
        format!("{}|{}", key.group, direction_name(key.direction))
    }
}

impl From<String> for PolicyKey {
    fn from(text: String) -> Self {
        let (group, direction) = text.rsplit_once('|').unwrap_or((&text, ""));
        Self { group: ResourceId::new(group), direction: direction_of(direction) }
    }
}

/// Which rule of a policy, by the name that it has in listings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct RuleKey {
    /// The policy.
    pub policy: PolicyKey,
    /// The rule's name, e.g. `securityRules/web`.
    pub name: String,
}

impl From<RuleKey> for String {
    fn from(key: RuleKey) -> Self {
        let PolicyKey { group, direction } = key.policy;
        format!("{group}|{}|{}", direction_name(direction), key.name)
    }
}

impl From<String> for RuleKey {
    fn from(text: String) -> Self {
        let mut parts = text.splitn(3, '|');
        let group = ResourceId::new(parts.next().unwrap_or_default());
        let direction = direction_of(parts.next().unwrap_or_default());
        let name = parts.next().unwrap_or_default().to_owned();
        Self { policy: PolicyKey { group, direction }, name }
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "Inbound",
        Direction::Outbound => "Outbound",
    }
}

fn direction_of(name: &str) -> Direction {
    if name == direction_name(Direction::Inbound) {
        Direction::Inbound
    } else {
        Direction::Outbound
    }
}
