//! What virtual network gateways and their connections are made of.

use std::ops::RangeInclusive;

use schemars::{Schema, json_schema};

use super::{Keyword, invalid_value, keyword, keywords, refusal, text, words};
use crate::{
    document::{
        code::Code,
        decode::{Refusal, Scalar},
        tree::Value,
    },
    topology::model::GatewayType,
};

/// Where `ip netns` keeps namespaces.
const NAMESPACES: &str = "/run/netns";

/// Autonomous systems that nobody may use: reserved by IANA, or Azure's own. 65515 is Azure's too, and
/// what its gateways have by default.
const ASN_TAKEN: [RangeInclusive<u32>; 7] = [
    0..=0,
    8_074..=8_075,
    12_076..=12_076,
    23_456..=23_456,
    64_496..=64_511,
    65_517..=65_520,
    65_535..=65_551,
];

/// `vpnType` of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum VpnType {
    RouteBased,
    PolicyBased,
}

/// `connectionType` of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum ConnectionType {
    IPsec,
    Vnet2Vnet,
    ExpressRoute,
}

keywords!(GatewayType, "Vpn or ExpressRoute", [
    "Vpn" => Some(Self::Vpn),
    "ExpressRoute" => Some(Self::ExpressRoute),
    "LocalGateway" => None,
]);
keywords!(VpnType, "RouteBased or PolicyBased", [
    "RouteBased" => Some(Self::RouteBased),
    "PolicyBased" => Some(Self::PolicyBased),
]);
keywords!(ConnectionType, "IPsec, Vnet2Vnet or ExpressRoute", [
    "IPsec" => Some(Self::IPsec),
    "Vnet2Vnet" => Some(Self::Vnet2Vnet),
    "ExpressRoute" => Some(Self::ExpressRoute),
    "VPNClient" => None,
]);

/// `asn`: the number of an autonomous system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) struct Asn(pub(in crate::document) u32);

impl Asn {
    /// What a gateway has unless it says otherwise.
    pub(in crate::document) const DEFAULT: Self = Self(65_515);
}

impl Scalar for Asn {
    const EXPECTED: &'static str = "the number of an autonomous system such as 65010";
    const IS_TEXT: bool = false;

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let Value::Number(number) = value else { return Err(Refusal::Type) };
        let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else {
            let message = "this is not a number from 1 to 4294967295";
            let help = format!("write {}", Self::EXPECTED);
            return Err(refusal(Code::InvalidPropertyValue, message, help));
        };
        if ASN_TAKEN.iter().any(|taken| taken.contains(&number)) {
            let message = format!("{number} is reserved, by IANA or by Azure");
            let help = "write another one, such as 65010";
            return Err(refusal(Code::InvalidPropertyValue, message, help));
        }
        Ok(Self(number))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX })
    }
}

/// The path of a network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::document) struct NamespacePath(pub(in crate::document) String);

impl Scalar for NamespacePath {
    const EXPECTED: &'static str = "the name of a network namespace, or its whole path";

    fn from_value(value: &Value) -> Result<Self, Refusal> {
        let text = text(value)?;
        let is_plain = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '\0');
        match (text.strip_prefix('/'), is_plain) {
            (Some(rest), true) if !rest.is_empty() => Ok(Self(text.to_owned())),
            (None, true) if !text.contains('/') && text != "." && text != ".." => {
                Ok(Self(format!("{NAMESPACES}/{text}")))
            }
            _ => Err(invalid_value(text, Self::EXPECTED)),
        }
    }
}
