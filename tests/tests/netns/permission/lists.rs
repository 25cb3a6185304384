//! Lists of resources of every kind: who may not read a resource sees nothing of it.

use serde_json::{Value, json};
use vnetpeer_tests::{kernel, netns::Deployment};

use super::{A, ROOT, User, ask, document, run, stderr};

/// Reads resource group `red`. The one may read whole documents too, the other has nothing else.
const OF_RED: [User; 2] = [User("net-red", 3004), User("net-only", 3008)];

/// A command that lists, what it lists of `red`, and what of `green`.
const LISTS: [(&str, &str, &str); 9] = [
    ("vnet", "red", "green"),
    ("subnet", "red/red", "green/green"),
    ("nic", "red1", "green1"),
    ("peering", "red/hub", "green/hub"),
    ("route-table", "red-routes", "green-routes"),
    ("nsg", "red-rules", "green-rules"),
    ("gateway", "red-gateway", "green-gateway"),
    ("load-balancer", "red-balancer", "green-balancer"),
    ("network-manager", "red-manager", "green-manager"),
];

fn push(document: &mut Value, list: &str, entry: Value) {
    if document[list].is_null() {
        document[list] = json!([]);
    }
    document[list].as_array_mut().expect("a list").push(entry);
}

/// What there is of every kind in a resource group, with connections and members that are `green`'s.
fn add(document: &mut Value, group: &str, number: u8) {
    let subscription = A.rsplit('/').next().unwrap_or_default();
    let placed = |name: &str, properties: Value| {
        json!({ "name": format!("{group}-{name}"), "subscription": subscription, "resourceGroup": group,
            "properties": properties })
    };
    let mut push = |list: &str, entry: Value| push(document, list, entry);
    let subnet = json!({ "id": format!("{group}/{group}") });
    push("routeTables", placed("routes", json!({ "routes": [] })));
    push("networkSecurityGroups", placed("rules", json!({ "securityRules": [] })));
    push(
        "virtualNetworkGateways",
        placed(
            "gateway",
            json!({ "gatewayType": "Vpn", "sku": { "name": "VpnGw1", "tier": "VpnGw1" },
            "ipConfigurations": [{ "name": "v4", "properties": {
                "subnet": { "id": format!("{group}/GatewaySubnet") } } }] }),
        ),
    );
    push(
        "localNetworkGateways",
        placed(
            "site",
            json!({ "gatewayIpAddress": format!("203.0.113.{number}"),
            "localNetworkAddressSpace": { "addressPrefixes": [format!("192.168.{number}.0/24")] } }),
        ),
    );
    // The connection of red's gateway is green's.
    let mut connection = placed(
        "line",
        json!({ "connectionType": "IPsec",
        "virtualNetworkGateway1": { "id": format!("{group}-gateway") },
        "localNetworkGateway2": { "id": format!("{group}-site") } }),
    );
    connection["name"] = json!(format!("green-line{number}"));
    connection["resourceGroup"] = json!("green");
    push("connections", connection);
    push(
        "loadBalancers",
        placed(
            "balancer",
            json!({ "backendAddressPools": [{ "name": "pool" }], "frontendIPConfigurations": [
            { "name": "v4", "properties": { "subnet": subnet,
                "privateIPAddress": format!("10.{number}.1.100") } }] }),
        ),
    );
    push(
        "networkManagers",
        placed(
            "manager",
            json!({ "networkManagerScopes": { "subscriptions": [A] },
            "networkGroups": [{ "name": "all", "properties": { "staticMembers": [
                { "name": "one", "properties": { "resourceId": "red" } },
                { "name": "two", "properties": { "resourceId": "green" } }] } }] }),
        ),
    );
}

/// A peering of each group, and a NIC of `green` in its pool and with its security group.
fn add_guest(document: &mut Value, group: &str, number: u8) {
    let properties = json!({ "remoteVirtualNetwork": { "id": "blue" } });
    let peering = json!({ "name": format!("{group}/hub"), "properties": properties });
    push(document, "virtualNetworkPeerings", peering);
    let nic = json!({
        "name": format!("green-guest{number}"),
        "subscription": A.rsplit('/').next(),
        "resourceGroup": "green",
        "properties": {
            "networkSecurityGroup": { "id": format!("{group}-rules") },
            "ipConfigurations": [{ "name": "v4", "properties": {
                "subnet": { "id": format!("{group}/{group}") },
                "privateIPAddress": format!("10.{number}.1.222"),
                "loadBalancerBackendAddressPools": [{ "id": format!("{group}-balancer/pool") }],
            } }],
        },
    });
    push(document, "networkInterfaces", nic);
    let nics = &mut document["hosts"][0]["networkInterfaces"];
    let guest = json!({ "name": format!("green-guest{number}") });
    nics.as_array_mut().expect("NICs").push(guest);
}

fn with_every_kind() -> Value {
    let mut document = document();
    for (index, group) in ["red", "green"].into_iter().enumerate() {
        let number = u8::try_from(index).expect("small") + 1;
        let subnets = document["virtualNetworks"][index]["properties"]["subnets"].as_array_mut();
        subnets.expect("subnets").push(json!({ "name": "GatewaySubnet", "properties": {
            "addressPrefixes": [format!("10.{number}.0.0/27")] } }));
        // Also red's route table is on a subnet of green.
        document["virtualNetworks"][1]["properties"]["subnets"][0]["properties"]["routeTable"] =
            json!({ "id": "red-routes" });
        add(&mut document, group, number);
        add_guest(&mut document, group, number);
    }
    document["hosts"][0]["gateways"] =
        json!([{ "name": "red-gateway" }, { "name": "green-gateway" }]);
    document
}

#[tokio::test]
async fn nothing_of_what_may_not_be_read_is_in_a_list_of_any_kind() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("perm-kinds", &with_every_kind().to_string()).await;
    let mut wrong = Vec::new();
    for (kind, own, other) in LISTS {
        let list = format!("{kind} list");
        let all = ask(&deployment, ROOT, &list);
        let names = |all: &Value| -> Vec<String> {
            let all = all.as_array().cloned().unwrap_or_default();
            all.iter().filter_map(|it| it["name"].as_str().map(str::to_owned)).collect()
        };
        assert!(names(&all).iter().any(|it| it == own), "root's {list}: {all}");
        let id = all.as_array().into_iter().flatten().find(|it| it["name"] == other);
        let id = id.and_then(|it| it["id"].as_str()).unwrap_or_else(|| panic!("{list}: {all}"));
        for user in OF_RED {
            let listed = ask(&deployment, user, &list);
            let shown = ask(&deployment, user, &format!("{kind} show {own}"));
            if !names(&listed).iter().any(|it| it == own) || shown["name"] != own {
                wrong.push(format!("{} `{list}` has no {own}: {listed}", user.0));
            }
            for told in [&listed, &shown].map(ToString::to_string) {
                // Names of green, and its NIC's address in red's network.
                if ["green", "10.2.", "10.1.1.222"].iter().any(|it| told.contains(it)) {
                    wrong.push(format!("{} `{list}` tells of {other}: {told}", user.0));
                }
            }
            for name in [other, id] {
                let output = run(&deployment, user, &format!("{kind} show {name}"));
                let said = stderr(&output).replace(name, "");
                if output.status.code() != Some(1) || !output.stdout.is_empty() {
                    wrong.push(format!("{} `{kind} show {name}`: {output:?}", user.0));
                }
                if !said.contains("there is no") || said.contains("green") {
                    wrong.push(format!("{} `{kind} show {name}`: {said}", user.0));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
