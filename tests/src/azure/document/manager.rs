//! Network managers.

use serde_json::{Map, Value, json};

use super::Document;

/// Every region that cases use.
const REGIONS: [&str; 2] = ["westeurope", "northeurope"];

#[expect(clippy::needless_pass_by_value, reason = "`json!` at the call reads better")]
impl Document {
    /// A network manager of everything, with the groups `spokes` (`one` and `two`) and `everything` (found by
    /// a condition). Nothing is deployed.
    #[must_use]
    pub fn managed(self) -> Self {
        let member = |name: &str| json!({ "name": name, "properties": { "resourceId": name } });
        let everything = json!({ "field": "resourceGroup", "equals": "vnetpeer" });
        let scope = "/subscriptions/00000000-0000-0000-0000-000000000001";
        let groups = json!([
            { "name": "spokes", "properties": { "staticMembers": [member("one"), member("two")] } },
            { "name": "everything", "properties": { "conditions": everything } },
        ]);
        let commit = json!({
            "commitType": "Connectivity",
            "targetLocations": REGIONS,
            "configurationIds": [],
        });
        let properties = json!({
            "networkManagerScopes": { "subscriptions": [scope] },
            "networkGroups": groups,
            "connectivityConfigurations": [],
            "commits": [{ "name": "commit", "properties": commit }],
        });
        self.add("networkManagers", json!({ "name": "nm", "properties": properties }))
    }

    /// A connectivity configuration of some groups with further properties, deployed.
    #[must_use]
    pub fn deployed(mut self, name: &str, groups: Value, properties: Value) -> Self {
        let manager = self.properties("networkManagers", "nm");
        let mut all = properties.as_object().cloned().expect("properties");
        all.insert("appliesToGroups".to_owned(), groups);
        let configuration = json!({ "name": name, "properties": all });
        let list = |value: Option<&mut Value>, element: Value| {
            value.and_then(Value::as_array_mut).expect("a list").push(element);
        };
        list(manager.get_mut("connectivityConfigurations"), configuration);
        list(manager["commits"][0]["properties"].get_mut("configurationIds"), name.into());
        self
    }

    /// A mesh of a group with further properties, deployed.
    #[must_use]
    pub fn mesh(self, group: &str, properties: Value) -> Self {
        let groups = json!([{ "networkGroupId": group, "groupConnectivity": "DirectlyConnected" }]);
        let mut all = Map::from_iter([("connectivityTopology".to_owned(), "Mesh".into())]);
        all.extend(properties.as_object().cloned().expect("properties"));
        self.deployed("mesh", groups, all.into())
    }

    /// The hub with the group `spokes`, deployed; with properties of the group and of the configuration.
    #[must_use]
    pub fn star(self, group: Value, properties: Value) -> Self {
        let mut groups = Map::from_iter([("networkGroupId".to_owned(), "spokes".into())]);
        groups.extend(group.as_object().cloned().expect("properties"));
        let mut all = Map::from_iter([
            ("connectivityTopology".to_owned(), "HubAndSpoke".into()),
            ("hubs".to_owned(), json!([{ "resourceId": "hub" }])),
        ]);
        all.extend(properties.as_object().cloned().expect("properties"));
        self.deployed("star", json!([groups]), all.into())
    }

    /// What is deployed.
    #[must_use]
    pub fn committed(mut self, regions: &[&str], configurations: &[&str]) -> Self {
        let commit = &mut self.properties("networkManagers", "nm")["commits"][0]["properties"];
        commit["targetLocations"] = regions.into();
        commit["configurationIds"] = configurations.into();
        self
    }

    /// Security admin rules for the group `everything`, deployed.
    #[must_use]
    pub fn admin_rules(mut self, rules: Value) -> Self {
        let manager = self.properties("networkManagers", "nm");
        let groups = json!([{ "networkGroupId": "everything" }]);
        let collection = json!({ "appliesToGroups": groups, "rules": rules });
        let collections = json!([{ "name": "baseline", "properties": collection }]);
        let properties = json!({ "ruleCollections": collections });
        let configurations = json!([{ "name": "admin", "properties": properties }]);
        manager.insert("securityAdminConfigurations".to_owned(), configurations);
        let commit = json!({
            "commitType": "SecurityAdmin",
            "targetLocations": REGIONS,
            "configurationIds": ["admin"],
        });
        let commits = manager["commits"].as_array_mut().expect("a list");
        commits.push(json!({ "name": "admin", "properties": commit }));
        self
    }
}
