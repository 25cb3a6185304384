//! What security rules are made of: addresses, ports, numbers and words.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use schemars::{Schema, json_schema};

use super::{Keyword, keyword, keywords, refusal, text, words};
use crate::{
    document::{
        code::Code,
        decode::{Refusal, Scalar},
        tree::Value,
    },
    topology::model::{Access, Direction, PortRange, RuleProtocol},
};

/// Longest description of a rule, in characters.
const DESCRIPTION_CHARS_MAX: usize = 140;

/// Longest name of a service tag, in characters.
const TAG_CHARS_MAX: usize = 80;

/// `description` of a rule. It means nothing to the network.
#[derive(Clone, Copy, Debug)]
pub(in crate::document) struct Description;

impl Scalar for Description {
    const EXPECTED: &'static str = "a description of at most 140 characters";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let chars = text(value)?.chars().count();
        if chars <= DESCRIPTION_CHARS_MAX {
            return Ok(Self);
        }
        let message =
            format!("the description has {chars} characters; Azure allows {DESCRIPTION_CHARS_MAX}");
        Err(refusal(Code::InvalidPropertyValue, message, "shorten it, or write a comment"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "maxLength": DESCRIPTION_CHARS_MAX })
    }
}

/// Addresses in a rule: `sourceAddressPrefix` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) enum RulePrefix {
    /// `*`: every address of both families.
    Any,
    /// A prefix, or an address as a prefix of its whole length.
    Net(IpNet),
    /// The name of a service tag, which need not exist.
    Tag(String),
}

impl fmt::Display for RulePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Net(prefix) => prefix.fmt(f),
            Self::Tag(name) => f.write_str(name),
        }
    }
}

impl Scalar for RulePrefix {
    const EXPECTED: &'static str = "an address prefix, an IP address, a service tag or \"*\"";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let code = Code::SecurityRuleInvalidAddressPrefix;
        if let Ok(prefix) = text.parse::<IpNet>() {
            let canonical = prefix.trunc();
            if canonical == prefix {
                return Ok(Self::Net(prefix));
            }
            let message = format!("the address prefix {prefix} has bits set after its length");
            return Err(refusal(code, message, format!("for this length it is {canonical}")));
        }
        if is_tag_name(text) {
            return Ok(Self::Tag(text.to_owned()));
        }
        let message = format!("`{text}` is not {}", Self::EXPECTED);
        let help = if text.contains(',') {
            "write several prefixes as a list, in the property whose name ends in `Prefixes`"
                .to_owned()
        } else {
            format!("write {}", Self::EXPECTED)
        };
        Err(refusal(code, message, help))
    }
}

/// Whether a service tag can have this name: it cannot be taken for an address then.
pub(in crate::document) fn is_tag_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && text.len() <= TAG_CHARS_MAX
}

/// Ports in a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) enum Ports {
    /// `*`: every port, and packets without ports.
    Any,
    /// One port or a range of them.
    Range(PortRange),
}

impl Ports {
    /// Every port.
    pub(in crate::document) const ALL: PortRange = 0..=u16::MAX;

    /// The ports as a range.
    pub(in crate::document) fn range(&self) -> PortRange {
        match self {
            Self::Any => Self::ALL,
            Self::Range(range) => range.clone(),
        }
    }
}

impl Scalar for Ports {
    const EXPECTED: &'static str = "a port such as 443, a range such as 8000-8999, or \"*\"";
    const IS_TEXT: bool = false;

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let code = Code::SecurityRuleInvalidPortRange;
        let text = match value {
            Value::Number(number) => {
                let port = number.and_then(|number| u16::try_from(number).ok());
                return port.map(|port| Self::Range(port..=port)).ok_or_else(|| {
                    refusal(code, "the number is not a port", "a port is from 0 to 65535")
                });
            }
            value => text(value)?,
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self::Range(first..=last)),
            (Some(first), Some(last)) => Err(refusal(
                code,
                format!("the port range {text} ends before it begins"),
                format!("write {last}-{first}"),
            )),
            _ => {
                let message = format!("`{text}` is not {}", Self::EXPECTED);
                let help = if text.contains(',') {
                    "write several ports as a list, in the property whose name ends in `Ranges`"
                } else {
                    "a port is from 0 to 65535; a range is two of them with `-` between them"
                };
                Err(refusal(code, message, help))
            }
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": r"^(\*|[0-9]+(-[0-9]+)?)$",
            "minimum": 0,
            "maximum": u16::MAX,
            "description": format!("Takes {}.", Self::EXPECTED),
        })
    }
}

fn port(text: &str) -> Option<u16> {
    // `parse` alone would take a sign.
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Declares a whole number with its least and its greatest value.
macro_rules! number {
    ($(#[$meta:meta])* $name:ident: $type:ty = $range:expr, $expected:literal, $code:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::document) struct $name(pub(in crate::document) $type);

        impl $name {
            const RANGE: std::ops::RangeInclusive<$type> = $range;
        }

        impl Scalar for $name {
            const EXPECTED: &'static str = $expected;
            const IS_TEXT: bool = false;

            fn from_value(value: &Value) -> Result<Self, Refusal> {
                let Value::Number(number) = value else { return Err(Refusal::Type) };
                let valid = number.and_then(|number| <$type>::try_from(number).ok());
                valid.filter(|number| Self::RANGE.contains(number)).map(Self).ok_or_else(|| {
                    let message = match number {
                        Some(number) => format!("{number} is not {}", Self::EXPECTED),
                        None => format!("this is not {}", Self::EXPECTED),
                    };
                    refusal(Code::$code, message, format!("write {}", Self::EXPECTED))
                })
            }

            fn schema() -> Schema {
                json_schema!({
                    "type": "integer",
                    "minimum": Self::RANGE.start(),
                    "maximum": Self::RANGE.end(),
                })
            }
        }
    };
}

pub(super) use number;

number! {
    /// `priority` of a security rule.
    RulePriority: u16 = 100..=4_096, "a priority from 100 to 4096", SecurityRuleInvalidPriority
}
number! {
    /// `priority` of a security admin rule.
    AdminPriority: u16 = 1..=4_096, "a priority from 1 to 4096", SecurityRuleInvalidPriority
}
number! {
    /// `flowTimeoutInMinutes` of a VNet.
    FlowTimeout: u8 = 4..=30, "a number of minutes from 4 to 30", InvalidPropertyValue
}

/// `protocol` of a security rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct RuleProtocolWord(pub(in crate::document) RuleProtocol);

/// `protocol` of a security admin rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct AdminProtocol(pub(in crate::document) RuleProtocol);

/// `access` of a security rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct RuleAccess(pub(in crate::document) Access);

/// `addressPrefixType` in a security admin rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum AdminPrefixType {
    /// An address prefix, an address or `*`.
    IpPrefix,
    /// The name of a service tag.
    ServiceTag,
    /// A network group of the same manager: the addresses of its members.
    NetworkGroup,
}

keywords!(RuleProtocolWord, "a protocol", [
    "Tcp" => Some(Self(RuleProtocol::Tcp)),
    "Udp" => Some(Self(RuleProtocol::Udp)),
    "Icmp" => Some(Self(RuleProtocol::Icmp)),
    "Esp" => Some(Self(RuleProtocol::Esp)),
    "Ah" => Some(Self(RuleProtocol::Ah)),
    "*" => Some(Self(RuleProtocol::Any)),
]);
keywords!(AdminProtocol, "a protocol", [
    "Tcp" => Some(Self(RuleProtocol::Tcp)),
    "Udp" => Some(Self(RuleProtocol::Udp)),
    "Icmp" => Some(Self(RuleProtocol::Icmp)),
    "Esp" => Some(Self(RuleProtocol::Esp)),
    "Ah" => Some(Self(RuleProtocol::Ah)),
    "Any" => Some(Self(RuleProtocol::Any)),
]);
keywords!(RuleAccess, "Allow or Deny", [
    "Allow" => Some(Self(Access::Allow)),
    "Deny" => Some(Self(Access::Deny)),
]);
keywords!(Access, "Allow, Deny or AlwaysAllow", [
    "Allow" => Some(Self::Allow),
    "Deny" => Some(Self::Deny),
    "AlwaysAllow" => Some(Self::AlwaysAllow),
]);
keywords!(Direction, "Inbound or Outbound", [
    "Inbound" => Some(Self::Inbound),
    "Outbound" => Some(Self::Outbound),
]);
keywords!(AdminPrefixType, "IPPrefix, ServiceTag or NetworkGroup", [
    "IPPrefix" => Some(Self::IpPrefix),
    "ServiceTag" => Some(Self::ServiceTag),
    "NetworkGroup" => Some(Self::NetworkGroup),
]);
