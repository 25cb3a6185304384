//! The strings and booleans of the document: what each takes, and what is wrong with the others.

mod balancer;
mod gateway;
mod host;
mod manager;
mod permission;
mod rule;

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{Schema, json_schema};
use uuid::Uuid;
use vnetpeer_common::types::Mac;

pub(super) use self::balancer::{
    BackendPort, BalancerTier, FrontendPort, ProbeInterval, ProbePort, ProbeThreshold, ProbeWord,
};
pub(super) use self::gateway::{Asn, ConnectionType, NamespacePath, VpnType};
pub(super) use self::host::OutboundBandwidth;
pub(super) use self::manager::{
    AddressOverlap, AdminPrefix, CommitTime, ConnectedGroupVnets, ConnectedGroupsOfVnet, Flag,
    GroupConnectivity, HubType, IntentPolicy, ManagementGroupScope, MemberType, PeeringEnforcement,
    PrivateEndpointsScale, SubscriptionScope,
};
pub(super) use self::permission::{ActionPattern, Guid, PrincipalWord, RoleKind, Scope, UnixId};
pub(super) use self::rule::{
    AdminPrefixType, AdminPriority, AdminProtocol, Description, FlowTimeout, Ports, RuleAccess,
    RulePrefix, RulePriority, RuleProtocolWord, is_tag_name,
};
use super::{
    code::Code,
    decode::{Refusal, Scalar},
    suggest::closest,
    tree::Value,
};
use crate::topology::model::HookMode;

/// Longest name of a Linux interface: IFNAMSIZ less the terminating zero.
pub(super) const INTERFACE_NAME_BYTES_MAX: usize = 15;

/// A name that Linux gives a meaning of its own, as an interface or as a directory of settings.
pub(super) const INTERFACE_NAMES_TAKEN: [&str; 5] = ["lo", "all", "default", ".", ".."];

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, Refusal> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Refusal::Type),
    }
}

fn refusal(code: Code, message: impl Into<String>, help: impl Into<String>) -> Refusal {
    Refusal::Value { code, message: message.into(), help: help.into() }
}

fn invalid_value(text: &str, expected: &str) -> Refusal {
    let message = format!("`{text}` is not {expected}");
    refusal(Code::InvalidPropertyValue, message, format!("write {expected}"))
}

impl Scalar for String {
    const EXPECTED: &'static str = "a string";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        match text(value)? {
            "" => Err(refusal(Code::InvalidPropertyValue, "the string is empty", "write a name")),
            text => Ok(text.to_owned()),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";
    const IS_TEXT: bool = false;

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::Bool(value) => Ok(*value),
            _ => Err(Refusal::Type),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl Scalar for IpNet {
    const EXPECTED: &'static str = "an address prefix such as 10.0.0.0/16 or fd00:10::/48";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let Ok(prefix) = text.parse::<IpNet>() else {
            let message = format!("`{text}` is not an address prefix in CIDR notation");
            let help = match text.parse::<IpAddr>() {
                Ok(address) => format!("add a length: {address}/{}", usual_length(address)),
                Err(_) => format!("write {}", Self::EXPECTED),
            };
            return Err(refusal(Code::InvalidAddressPrefixFormat, message, help));
        };
        let canonical = prefix.trunc();
        if canonical == prefix {
            return Ok(prefix);
        }
        Err(refusal(
            Code::InvalidCIDRNotation,
            format!("the address prefix {prefix} has bits set after its length"),
            format!("for this length the prefix is {canonical}"),
        ))
    }
}

/// The length that somebody who left it out probably means.
fn usual_length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) if address.octets()[2..] == [0, 0] => 16,
        IpAddr::V4(address) if address.octets()[3] == 0 => 24,
        IpAddr::V4(_) => 32,
        IpAddr::V6(address) if address.segments()[3..].iter().all(|part| *part == 0) => 48,
        IpAddr::V6(address) if address.segments()[4..].iter().all(|part| *part == 0) => 64,
        IpAddr::V6(_) => 128,
    }
}

impl Scalar for IpAddr {
    const EXPECTED: &'static str = "an IP address such as 10.0.0.4 or fd00:10::4";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        text.parse().map_err(|_| match text.parse::<IpNet>() {
            Ok(prefix) => refusal(
                Code::InvalidPropertyValue,
                format!("`{text}` is a prefix, not an address"),
                format!("write {} without the length", prefix.addr()),
            ),
            Err(_) => invalid_value(text, Self::EXPECTED),
        })
    }
}

impl Scalar for Mac {
    const EXPECTED: &'static str = "a MAC address such as 00-0D-3A-12-34-56";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let mac = parse_mac(text).ok_or_else(|| invalid_value(text, Self::EXPECTED))?;
        let wrong = if mac.is_group() {
            "is a group address"
        } else if mac == Self([0; 6]) {
            "is all zeros"
        } else if mac == Self::ROUTER {
            "belongs to the virtual router"
        } else {
            return Ok(mac);
        };
        let message = format!("the MAC address {text} {wrong}");
        let help = "write the unicast address of the interface; its first byte is even";
        Err(refusal(Code::InvalidMacAddress, message, help))
    }

    fn schema() -> Schema {
        let pattern = "^[0-9A-Fa-f]{2}([-:]?[0-9A-Fa-f]{2}){5}$";
        json_schema!({
            "type": "string",
            "pattern": pattern,
            "description": format!("Takes {}.", Self::EXPECTED),
        })
    }
}

/// Azure writes dashes, Linux colons, and Azure's own API has been seen without either.
fn parse_mac(text: &str) -> Option<Mac> {
    let digits: String = match text.len() {
        12 => text.to_owned(),
        17 => {
            let separator = text.chars().nth(2).filter(|c| matches!(c, ':' | '-'))?;
            let parts: Vec<&str> = text.split(separator).collect();
            parts.iter().all(|part| part.len() == 2).then(|| parts.concat())?
        }
        _ => return None,
    };
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()?;
    let [_, _, bytes @ ..] = value.to_be_bytes();
    Some(Mac(bytes))
}

/// An Azure subscription.
#[derive(Clone, Debug)]
pub(super) struct SubscriptionId(pub(super) String);

impl Scalar for SubscriptionId {
    const EXPECTED: &'static str = "a GUID such as 00000000-0000-0000-0000-000000000001";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let guid = (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten();
        guid.map(|guid| Self(guid.to_string())).ok_or_else(|| invalid_value(text, Self::EXPECTED))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

/// An Azure region in its short spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location(pub(super) String);

impl Scalar for Location {
    const EXPECTED: &'static str = "an Azure region such as westeurope";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        // "West Europe" and "westeurope" are the same region.
        let short = text.replace(' ', "").to_ascii_lowercase();
        if short.is_empty() || !short.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid_value(text, Self::EXPECTED));
        }
        Ok(Self(short))
    }
}

/// A Linux interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InterfaceName(pub(super) String);

impl Scalar for InterfaceName {
    const EXPECTED: &'static str = "an interface name of at most 15 bytes";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        if text.len() > INTERFACE_NAME_BYTES_MAX {
            let shorter = text.get(..INTERFACE_NAME_BYTES_MAX).unwrap_or("another name");
            return Err(refusal(
                Code::InvalidPropertyValue,
                format!(
                    "the interface name `{text}` has {} bytes; Linux allows {}",
                    text.len(),
                    INTERFACE_NAME_BYTES_MAX
                ),
                format!("shorten it, to `{shorter}` for instance"),
            ));
        }
        let well_formed =
            text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:%".contains(&byte));
        if text.is_empty() || !well_formed || INTERFACE_NAMES_TAKEN.contains(&text) {
            return Err(refusal(
                Code::InvalidPropertyValue,
                format!("`{text}` cannot be the name of this interface"),
                "write an interface name such as eth0, without spaces, `/`, `:` or `%`",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": INTERFACE_NAME_BYTES_MAX,
            "description": format!("Takes {}.", Self::EXPECTED),
        })
    }
}

/// One of a few words.
trait Keyword: Copy + 'static {
    /// Every word and its meaning; `None` for one that Azure knows and vnetpeer cannot do yet.
    const WORDS: &'static [(&'static str, Option<Self>)];
}

fn keyword<T: Keyword>(value: &Value) -> Result<T, Refusal> {
    let text = text(value)?;
    match T::WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, Some(meaning))) => Ok(*meaning),
        Some((word, None)) => Err(refusal(
            Code::NotSupportedYet,
            format!("not supported yet: {word}"),
            format!("write one of {}", words::<T>().join(", ")),
        )),
        None => {
            let known = words::<T>();
            let message = format!("`{text}` is not one of {}", known.join(", "));
            let help = match closest(text, &known) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => format!("write one of {}", known.join(", ")),
            };
            Err(refusal(Code::InvalidPropertyValue, message, help))
        }
    }
}

fn words<T: Keyword>() -> Vec<&'static str> {
    T::WORDS.iter().filter(|(_, meaning)| meaning.is_some()).map(|(word, _)| *word).collect()
}

macro_rules! keywords {
    ($type:ty, $expected:literal, [$($word:literal => $meaning:expr,)*]) => {
        impl Keyword for $type {
            const WORDS: &'static [(&'static str, Option<Self>)] = &[$(($word, $meaning),)*];
        }

        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &Value) -> Result<Self, Refusal> {
                keyword(value)
            }

            fn schema() -> Schema {
                json_schema!({ "type": "string", "enum": words::<Self>() })
            }
        }
    };
}

use keywords;

/// `privateIPAddressVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IpVersion {
    V4,
    V6,
}

/// `privateIPAllocationMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allocation {
    Static,
    Dynamic,
}

/// `nextHopType` of a user-defined route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHopType {
    VnetLocal,
    Internet,
    VirtualAppliance,
    VirtualApplianceEcmp,
    VirtualNetworkGateway,
    None,
}

/// `disablePeeringRoute` of a route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DisablePeeringRoute {
    None,
    All,
}

/// `deploymentModel` of a virtual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeploymentModel {
    ResourceManager,
    Classic,
}

keywords!(HookMode, "auto, tc or xdp", [
    "auto" => Some(Self::Auto),
    "tc" => Some(Self::Tc),
    "xdp" => Some(Self::Xdp),
]);
keywords!(IpVersion, "IPv4 or IPv6", [
    "IPv4" => Some(Self::V4),
    "IPv6" => Some(Self::V6),
]);
keywords!(Allocation, "Static or Dynamic", [
    "Static" => Some(Self::Static),
    "Dynamic" => Some(Self::Dynamic),
]);
keywords!(NextHopType, "a next hop type", [
    "VnetLocal" => Some(Self::VnetLocal),
    "Internet" => Some(Self::Internet),
    "VirtualAppliance" => Some(Self::VirtualAppliance),
    "None" => Some(Self::None),
    "VirtualNetworkGateway" => Some(Self::VirtualNetworkGateway),
    "VirtualApplianceEcmp" => Some(Self::VirtualApplianceEcmp),
]);
keywords!(DeploymentModel, "ResourceManager or Classic", [
    "ResourceManager" => Some(Self::ResourceManager),
    "Classic" => Some(Self::Classic),
]);
keywords!(DisablePeeringRoute, "None or All", [
    "None" => Some(Self::None),
    "All" => Some(Self::All),
]);
