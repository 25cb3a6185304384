//! Load balancers.

use serde_json::{Value, json};
use vnetpeer_tests::azure::Document;

use super::{ErrorCase, Problem::Error};

/// A load balancer with HA ports.
fn load_balancer(sku: &str, frontend: &Value) -> Document {
    let rule = json!({
        "frontendIPConfiguration": { "id": "front" }, "backendAddressPool": { "id": "pool" },
        "protocol": "All", "frontendPort": 0, "backendPort": 0,
    });
    Document::new().add(
        "loadBalancers",
        json!({ "name": "lb", "sku": { "name": sku }, "properties": {
            "frontendIPConfigurations": [{ "name": "front", "properties": frontend }],
            "backendAddressPools": [{ "name": "pool" }],
            "loadBalancingRules": [{ "name": "all", "properties": rule }],
        }}),
    )
}

pub(super) const CASES: &[ErrorCase] = &[
    ErrorCase::new(
        "10.1",
        "a_public_load_balancer_is_refused",
        || load_balancer("Standard", &json!({ "publicIPAddress": { "id": "ip" } })),
        &[Error("NotSupportedYet", "publicIPAddress")],
    ),
    ErrorCase::new(
        "10.1",
        "a_basic_load_balancer_has_no_ha_ports",
        || load_balancer("Basic", &json!({ "subnet": { "id": "one/default" } })),
        &[Error("InvalidLoadBalancingRule", "HA ports")],
    ),
    ErrorCase::new(
        "10.1",
        "a_standard_one_has",
        || load_balancer("Standard", &json!({ "subnet": { "id": "one/default" } })),
        &[],
    ),
];
