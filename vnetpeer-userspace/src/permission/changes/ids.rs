//! ARM ids of the entries of a document, and what its short references mean. The document is valid, so what
//! a name means is unambiguous.

use std::collections::HashMap;

use serde_json::Value;

use crate::document::{DEFAULT_RESOURCE_GROUP, DEFAULT_SUBSCRIPTION};

/// A list of resources of one type.
pub(super) struct Section {
    /// The property of the document.
    pub(super) name: &'static str,
    /// The type in ids.
    pub(super) kind: &'static str,
    /// The type in ids that are made from names, where more stands before the name.
    pub(super) made: &'static str,
    /// Parts that have actions of their own: the property and the type.
    pub(super) part: Option<&'static str>,
}

const fn section(name: &'static str) -> Section {
    Section { name, kind: name, made: name, part: None }
}

/// The lists whose entries are ARM resources; peerings and permissions are looked at otherwise.
pub(super) const SECTIONS: [Section; 11] = [
    Section { part: Some("subnets"), ..section("virtualNetworks") },
    section("networkInterfaces"),
    Section { part: Some("routes"), ..section("routeTables") },
    Section { part: Some("securityRules"), ..section("networkSecurityGroups") },
    section("applicationSecurityGroups"),
    Section {
        name: "securityAdminRules",
        kind: "networkManagers/securityAdminConfigurations/ruleCollections",
        made: "networkManagers/vnetpeer/securityAdminConfigurations/vnetpeer/ruleCollections",
        part: None,
    },
    section("virtualNetworkGateways"),
    section("localNetworkGateways"),
    section("connections"),
    section("loadBalancers"),
    section("networkManagers"),
];

/// The ids of a document.
pub(super) struct Ids {
    subscription: String,
    resource_group: String,
    /// By type and name in lower case.
    by_name: HashMap<(&'static str, String), String>,
    /// Classic VNets, in lower case.
    classic: Vec<String>,
}

impl Ids {
    pub(super) fn of(document: &Value) -> Self {
        let default = |name: &str, other: &str| {
            let value = document.get("deployment").and_then(|it| text(it, name));
            value.unwrap_or(other).to_owned()
        };
        let mut ids = Self {
            subscription: default("subscription", DEFAULT_SUBSCRIPTION),
            resource_group: default("resourceGroup", DEFAULT_RESOURCE_GROUP),
            by_name: HashMap::new(),
            classic: Vec::new(),
        };
        for section in &SECTIONS {
            for entry in entries(document, section.name) {
                ids.index(section, entry);
            }
        }
        ids
    }

    fn index(&mut self, section: &Section, entry: &Value) {
        let Some(id) = self.entry(section, entry) else { return };
        let name = id.rsplit('/').next().unwrap_or_default().to_owned();
        let properties = entry.get("properties");
        if properties.and_then(|it| text(it, "deploymentModel")) == Some("Classic") {
            self.classic.push(id.to_ascii_lowercase());
        }
        let parts = match section.name {
            "virtualNetworks" => Some("subnets"),
            "loadBalancers" => Some("backendAddressPools"),
            _ => None,
        };
        if let Some(part) = parts {
            for child in properties.into_iter().flat_map(|it| entries(it, part)) {
                let Some(own) = text(child, "name") else { continue };
                let whole = format!("{name}/{own}").to_ascii_lowercase();
                let child = format!("{id}/{part}/{own}");
                self.by_name.insert((part, whole), child.clone());
                self.by_name.insert((part, own.to_ascii_lowercase()), child);
            }
        }
        self.by_name.insert((section.kind, name.to_ascii_lowercase()), id);
    }

    /// The id of an entry.
    pub(super) fn entry(&self, section: &Section, entry: &Value) -> Option<String> {
        if let Some(id) = text(entry, "id") {
            return Some(id.to_owned());
        }
        let name = text(entry, "name")?;
        Some(format!("{}/{}/{name}", self.group(entry), section.made))
    }

    /// The id of a peering's entry, whose name begins with its VNet's.
    pub(super) fn peering(&self, entry: &Value) -> Option<String> {
        if let Some(id) = text(entry, "id") {
            return Some(id.to_owned());
        }
        let (vnet, own) = text(entry, "name")?.split_once('/')?;
        let is_placed = text(entry, "subscription").or(text(entry, "resourceGroup")).is_some();
        let vnet = if is_placed {
            format!("{}/virtualNetworks/{vnet}", self.group(entry))
        } else {
            self.resolve("virtualNetworks", vnet)
        };
        Some(format!("{vnet}/virtualNetworkPeerings/{own}"))
    }

    fn group(&self, entry: &Value) -> String {
        let subscription = text(entry, "subscription").unwrap_or(&self.subscription);
        let group = text(entry, "resourceGroup").unwrap_or(&self.resource_group);
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network")
    }

    /// What a reference to a resource of a type means: an id as it is, else the resource of that name.
    pub(super) fn resolve(&self, kind: &'static str, reference: &str) -> String {
        if reference.starts_with('/') {
            return reference.to_owned();
        }
        let known = self.by_name.get(&(kind, reference.to_ascii_lowercase()));
        known.cloned().unwrap_or_else(|| {
            format!(
                "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/{kind}/{reference}",
                self.subscription, self.resource_group
            )
        })
    }

    /// The provider of a VNet or a part of one.
    pub(super) fn provider(&self, vnet: &str) -> &'static str {
        let folded = vnet.to_ascii_lowercase();
        let is_classic =
            self.classic.iter().any(|it| folded.strip_prefix(&**it).is_some_and(is_part));
        if is_classic { "Microsoft.ClassicNetwork" } else { "Microsoft.Network" }
    }
}

fn is_part(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// The elements of a list of an object.
pub(super) fn entries<'v>(object: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    object.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A string of an object.
pub(super) fn text<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}
