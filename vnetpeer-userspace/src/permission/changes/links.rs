//! What Azure asks for on the resources that a written resource refers to.

use serde_json::Value;

use super::{
    super::access::Access,
    ids::{Ids, text},
};

/// A property that refers to a resource, the resource's type, and the action on it.
const JOINS: [(&str, &str, &str); 9] = [
    ("subnet", "subnets", "Microsoft.Network/virtualNetworks/subnets/join/action"),
    (
        "networkSecurityGroup",
        "networkSecurityGroups",
        "Microsoft.Network/networkSecurityGroups/join/action",
    ),
    ("routeTable", "routeTables", "Microsoft.Network/routeTables/join/action"),
    (
        "loadBalancerBackendAddressPools",
        "backendAddressPools",
        "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    ),
    (
        "applicationSecurityGroups",
        "applicationSecurityGroups",
        "Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action",
    ),
    (
        "sourceApplicationSecurityGroups",
        "applicationSecurityGroups",
        "Microsoft.Network/applicationSecurityGroups/joinNetworkSecurityRule/action",
    ),
    (
        "destinationApplicationSecurityGroups",
        "applicationSecurityGroups",
        "Microsoft.Network/applicationSecurityGroups/joinNetworkSecurityRule/action",
    ),
    // The VNets to which security admin rules apply.
    ("virtualNetworks", "virtualNetworks", "Microsoft.Network/virtualNetworks/write"),
    (
        "virtualNetworkGateway1",
        "virtualNetworkGateways",
        "Microsoft.Network/virtualNetworkGateways/write",
    ),
];

/// What a network manager manages, as it names its scopes.
const MANAGED: [&str; 2] = ["managementGroups", "subscriptions"];
const MANAGE: &str = "Microsoft.Network/networkManagers/write";

/// Adds what a write of `value` asks for elsewhere.
pub(super) fn add(value: &Value, ids: &Ids, access: &mut Access) {
    match value {
        Value::Array(items) => items.iter().for_each(|it| add(it, ids, access)),
        Value::Object(members) => {
            for (name, value) in members {
                if name == "networkManagerScopes" {
                    managed(value, access);
                }
                for (_, kind, action) in JOINS.iter().filter(|(property, ..)| property == name) {
                    referred(value, kind, action, ids, access);
                }
                add(value, ids, access);
            }
        }
        _ => {}
    }
}

/// One reference or a list of them.
fn referred(value: &Value, kind: &'static str, action: &str, ids: &Ids, access: &mut Access) {
    let one = std::slice::from_ref(value);
    let all = value.as_array().map_or(one, Vec::as_slice);
    for id in all.iter().filter_map(|it| text(it, "id")) {
        *access =
            std::mem::replace(access, Access::new("", "")).linked(action, ids.resolve(kind, id));
    }
}

fn managed(scopes: &Value, access: &mut Access) {
    let lists = MANAGED.iter().filter_map(|name| scopes.get(name)?.as_array());
    for scope in lists.flatten().filter_map(Value::as_str) {
        let scope = if scope.starts_with('/') {
            scope.to_owned()
        } else {
            format!("/subscriptions/{scope}")
        };
        *access = std::mem::replace(access, Access::new("", "")).linked(MANAGE, scope);
    }
}
