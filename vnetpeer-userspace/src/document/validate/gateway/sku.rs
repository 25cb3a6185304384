//! SKUs of virtual network gateways.

use super::super::super::{
    code::Code,
    problem::{Finding, Findings},
    scalar::VpnType,
    types::GatewayProperties,
};
use crate::topology::model::GatewayType;

/// The smallest VPN SKU: no BGP, and no transit for peers.
pub(in crate::document::validate) const BASIC: &str = "Basic";

const VPN: [&str; 11] = [
    BASIC, "VpnGw1", "VpnGw2", "VpnGw3", "VpnGw4", "VpnGw5", "VpnGw1AZ", "VpnGw2AZ", "VpnGw3AZ",
    "VpnGw4AZ", "VpnGw5AZ",
];
const EXPRESS_ROUTE: [&str; 7] = [
    "Standard",
    "HighPerformance",
    "UltraPerformance",
    "ErGw1AZ",
    "ErGw2AZ",
    "ErGw3AZ",
    "ErGwScale",
];

/// Judges the SKU of a gateway, and what the gateway wants of it.
pub(super) fn check(properties: &GatewayProperties, findings: &mut Findings) {
    let Some(sku) = properties.sku.as_ref() else { return };
    let Some(name) = sku.name.as_ref() else { return };
    if let Some(tier) = sku.tier.as_ref().filter(|tier| tier.value != name.value) {
        let message = format!("the SKU {} is not of tier {}", name.value, tier.value);
        findings.push(
            Finding::error(Code::ConflictingProperties, tier.span, message)
                .help(format!("write tier: {}, or leave it out", name.value))
                .note(name.span, "the SKU"),
        );
    }
    let Some(kind) = properties.gateway_type.as_ref() else { return };
    let known: &[&str] = match kind.value {
        GatewayType::Vpn => &VPN,
        GatewayType::ExpressRoute => &EXPRESS_ROUTE,
    };
    if !known.contains(&name.value.as_str()) {
        let message = format!("`{}` is not a SKU of such a gateway", name.value);
        findings.push(
            Finding::error(Code::InvalidPropertyValue, name.span, message)
                .help(format!("write one of {}", known.join(", ")))
                .note(kind.span, "its type"),
        );
        return;
    }
    let is_basic = name.value == BASIC;
    if let Some(flag) = properties.enable_bgp.as_ref().filter(|flag| flag.value && is_basic) {
        let message = "a gateway of SKU Basic has no BGP";
        findings.push(
            Finding::error(Code::GatewaySkuNotSupported, flag.span, message)
                .help("write enableBgp: false, or use another SKU such as VpnGw1")
                .note(name.span, "the SKU"),
        );
    }
    let policy_based = properties.vpn_type.as_ref();
    let policy_based = policy_based.filter(|it| it.value == VpnType::PolicyBased && !is_basic);
    if let Some(kind) = policy_based {
        let message = format!("a gateway of SKU {} cannot be PolicyBased", name.value);
        findings.push(
            Finding::error(Code::GatewaySkuNotSupported, kind.span, message)
                .help("write vpnType: RouteBased, or use the SKU Basic")
                .note(name.span, "the SKU"),
        );
    }
}
