//! What network managers are made of.

use jiff::Timestamp;
use schemars::{Schema, json_schema};
use uuid::Uuid;

use super::{Keyword, RulePrefix, invalid_value, keyword, keywords, rule::number, text, words};
use crate::{
    document::{
        code::Code,
        decode::{Refusal, Scalar},
        scalar::refusal,
        tree::Value,
    },
    topology::model::{CommitType, ConditionField, ConnectivityTopology, ScopeAccess},
};

keywords!(ScopeAccess, "Connectivity or SecurityAdmin", [
    "Connectivity" => Some(Self::Connectivity),
    "SecurityAdmin" => Some(Self::SecurityAdmin),
    "SecurityUser" => None,
    "Routing" => None,
]);
keywords!(CommitType, "Connectivity or SecurityAdmin", [
    "Connectivity" => Some(Self::Connectivity),
    "SecurityAdmin" => Some(Self::SecurityAdmin),
    "SecurityUser" => None,
    "Routing" => None,
]);
keywords!(ConnectivityTopology, "HubAndSpoke or Mesh", [
    "HubAndSpoke" => Some(Self::HubAndSpoke),
    "Mesh" => Some(Self::Mesh),
]);

/// `memberType` of a network group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct MemberType;

keywords!(MemberType, "VirtualNetwork", [
    "VirtualNetwork" => Some(Self),
    "Subnet" => None,
]);

/// A flag that Azure writes as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct Flag(pub(in crate::document) bool);

keywords!(Flag, "\"True\" or \"False\", in quotes", [
    "True" => Some(Self(true)),
    "False" => Some(Self(false)),
]);

/// `groupConnectivity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum GroupConnectivity {
    None,
    DirectlyConnected,
}

keywords!(GroupConnectivity, "None or DirectlyConnected", [
    "None" => Some(Self::None),
    "DirectlyConnected" => Some(Self::DirectlyConnected),
]);

/// `connectedGroupPrivateEndpointsScale`: there are no private endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct PrivateEndpointsScale;

keywords!(PrivateEndpointsScale, "Standard", [
    "Standard" => Some(Self),
    "HighScale" => None,
]);

/// `connectedGroupAddressOverlap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum AddressOverlap {
    Allowed,
    Disallowed,
}

keywords!(AddressOverlap, "Allowed or Disallowed", [
    "Allowed" => Some(Self::Allowed),
    "Disallowed" => Some(Self::Disallowed),
]);

/// `peeringEnforcement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum PeeringEnforcement {
    Unenforced,
    Enforced,
}

keywords!(PeeringEnforcement, "Unenforced or Enforced", [
    "Unenforced" => Some(Self::Unenforced),
    "Enforced" => Some(Self::Enforced),
]);

/// An element of `applyOnNetworkIntentPolicyBasedServices`: there are no such services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct IntentPolicy;

keywords!(IntentPolicy, "None", [
    "None" => Some(Self),
    "All" => None,
    "AllowRulesOnly" => None,
]);

/// `resourceType` of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct HubType;

keywords!(HubType, "Microsoft.Network/virtualNetworks", [
    "Microsoft.Network/virtualNetworks" => Some(Self),
    "Microsoft.Network/virtualHubs" => None,
]);

number! {
    /// How many VNets a connected group may have.
    ConnectedGroupVnets: u32 = 1..=1_000_000, "a number of virtualNetworks", InvalidPropertyValue
}
number! {
    /// How many connected groups a VNet may be in.
    ConnectedGroupsOfVnet: u32 = 1..=1_000, "a number from 1 to 1000", InvalidPropertyValue
}

/// A subscription in a scope, by its GUID.
#[derive(Clone, Debug)]
pub(in crate::document) struct SubscriptionScope(pub(in crate::document) String);

impl Scalar for SubscriptionScope {
    const EXPECTED: &'static str =
        "a subscription such as /subscriptions/00000000-0000-0000-0000-000000000001";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let folded = text.to_ascii_lowercase();
        let guid = folded.strip_prefix("/subscriptions/").filter(|it| it.len() == 36);
        let guid = guid.and_then(|it| Uuid::parse_str(it).ok());
        guid.map(|it| Self(it.to_string())).ok_or_else(|| invalid_value(text, Self::EXPECTED))
    }
}

/// A management group in a scope, by its name.
#[derive(Clone, Debug)]
pub(in crate::document) struct ManagementGroupScope(pub(in crate::document) String);

impl Scalar for ManagementGroupScope {
    const EXPECTED: &'static str =
        "a management group such as /providers/Microsoft.Management/managementGroups/root";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let folded = text.to_ascii_lowercase();
        let name = folded.strip_prefix("/providers/microsoft.management/managementgroups/");
        match name {
            Some(name) if !name.is_empty() && !name.contains('/') => Ok(Self(name.to_owned())),
            _ => Err(invalid_value(text, Self::EXPECTED)),
        }
    }
}

impl Scalar for ConditionField {
    const EXPECTED: &'static str =
        "name, location, resourceGroup, subscription or a tag such as tags.environment";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let quoted = text.strip_prefix("tags['").and_then(|rest| rest.strip_suffix("']"));
        let tag = quoted.or_else(|| text.strip_prefix("tags."));
        match (text.to_ascii_lowercase().as_str(), tag) {
            ("name", _) => Ok(Self::Name),
            ("location", _) => Ok(Self::Location),
            ("resourcegroup", _) => Ok(Self::ResourceGroup),
            ("subscription", _) => Ok(Self::Subscription),
            (_, Some(tag)) if !tag.is_empty() => Ok(Self::Tag(tag.to_owned())),
            _ => Err(invalid_value(text, Self::EXPECTED)),
        }
    }
}

/// `addressPrefix` in a security admin rule.
#[derive(Clone, Debug)]
pub(in crate::document) enum AdminPrefix {
    /// What a security rule may have too.
    Rule(RulePrefix),
    /// The ARM id of a network group.
    Id(String),
}

impl std::fmt::Display for AdminPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rule(prefix) => prefix.fmt(f),
            Self::Id(id) => f.write_str(id),
        }
    }
}

impl Scalar for AdminPrefix {
    const EXPECTED: &'static str =
        "an address prefix, an IP address, a service tag, a network group or \"*\"";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        if text.starts_with('/') {
            return Ok(Self::Id(text.to_owned()));
        }
        if text.is_empty() {
            let message = "the string is empty";
            return Err(refusal(Code::InvalidPropertyValue, message, "write a prefix"));
        }
        RulePrefix::from_value(value).map(Self::Rule)
    }
}

/// When a commit was made.
#[derive(Clone, Debug)]
pub(in crate::document) struct CommitTime(pub(in crate::document) String);

impl Scalar for CommitTime {
    const EXPECTED: &'static str = "a time such as 2026-01-31T12:00:00Z";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let time = text.parse::<Timestamp>();
        time.map(|it| Self(it.to_string())).map_err(|_| invalid_value(text, Self::EXPECTED))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
