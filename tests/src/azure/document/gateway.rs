//! Gateways.

use serde_json::json;

use super::{Document, VNETS};

impl Document {
    /// A virtual network gateway with its `GatewaySubnet`, on a host.
    #[must_use]
    pub fn gateway(self, vnet: &str, kind: &str, sku: &str) -> Self {
        let number = VNETS.iter().position(|it| it.0 == vnet).expect("a VNet");
        let subnet = format!("{vnet}/GatewaySubnet");
        let configuration = |name: &str, address: String| {
            let properties = json!({ "subnet": { "id": subnet }, "privateIPAddress": address });
            json!({ "name": name, "properties": properties })
        };
        let name = format!("gw-{vnet}");
        let gateway = json!({
            "name": name,
            "properties": {
                "gatewayType": kind,
                "sku": { "name": sku },
                "enableBgp": sku != "Basic",
                "ipConfigurations": [
                    configuration("v4", format!("10.{number}.255.4")),
                    configuration("v6", format!("fd00:{number}:0:ff::4")),
                ],
            },
        });
        let prefixes = [format!("10.{number}.255.0/24"), format!("fd00:{number}:0:ff::/64")];
        let mut document = self
            .subnet(vnet, "GatewaySubnet", &prefixes.each_ref().map(String::as_str))
            .add("virtualNetworkGateways", gateway);
        let host = &mut document.0["hosts"][0];
        let placed = host.as_object_mut().expect("a host").entry("gateways");
        let placed = placed.or_insert_with(|| json!([])).as_array_mut().expect("a list");
        placed.push(json!({ "name": name }));
        document
    }

    /// A site behind the VPN gateway of a VNet, with its prefixes.
    #[must_use]
    pub fn site(self, vnet: &str, prefixes: &[&str]) -> Self {
        let space = json!({ "localNetworkAddressSpace": { "addressPrefixes": prefixes } });
        let connection = json!({
            "connectionType": "IPsec",
            "virtualNetworkGateway1": { "id": format!("gw-{vnet}") },
            "localNetworkGateway2": { "id": "site" },
        });
        self.add("localNetworkGateways", json!({ "name": "site", "properties": space }))
            .add("connections", json!({ "name": "to-site", "properties": connection }))
    }

    /// The spoke `user` uses the gateway of the hub.
    #[must_use]
    pub fn transit(self, user: &str) -> Self {
        self.peering(&format!("hub/to-{user}"), "allowGatewayTransit", true).peering(
            &format!("{user}/to-hub"),
            "useRemoteGateways",
            true,
        )
    }
}
