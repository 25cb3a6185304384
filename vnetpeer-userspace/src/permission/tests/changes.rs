//! What documents do, as actions.

use super::load;
use crate::{
    document::values,
    permission::changes::{Side, accesses},
    topology::{
        network::Network,
        state::{PeeringWrite, State, advance},
    },
};

const BASE: &str = r#"{
  "deployment": {"name": "test"},
  "virtualNetworks": [
    {"name": "a", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
      "subnets": [{"name": "one", "properties": {"addressPrefixes": ["10.1.1.0/24"]}}]}},
    {"name": "b", "resourceGroup": "other", "properties": {
      "addressSpace": {"addressPrefixes": ["10.2.0.0/16"]}}},
    {"name": "old", "properties": {"deploymentModel": "Classic",
      "addressSpace": {"addressPrefixes": ["10.3.0.0/16"]}}}
  ],
  "virtualNetworkPeerings": [
    {"name": "a/to-b", "properties": {"remoteVirtualNetwork": {"id": "b"}}}
  ],
  "networkInterfaces": [
    {"name": "n", "properties": {"ipConfigurations": [
      {"name": "v4", "properties": {"subnet": {"id": "a/one"}, "privateIPAddress": "10.1.1.4"}}]}}
  ],
  "networkSecurityGroups": [{"name": "web", "properties": {"securityRules": []}}],
  "routeTables": [{"name": "udr", "properties": {"routes": []}}],
  "applicationSecurityGroups": [{"name": "asg", "properties": {}}],
  "managementGroups": [{"name": "m"}],
  "principals": [{"name": "p", "uids": [1000]}],
  "hosts": [{"name": "h", "underlay": {"interface": "eth0", "addresses": ["192.0.2.1"]},
    "networkInterfaces": [{"name": "n"}]}]
}"#;

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer";

/// A change of the document by a JSON pointer, and lines of `action on` and `+ linked action on`. Ids are
/// written without what all of them begin with, actions without `Microsoft.Network/`.
fn changed(pointer: &str, value: &str) -> Vec<String> {
    let mut new = values("new", BASE).unwrap();
    let value: serde_json::Value = serde_json::from_str(value).unwrap();
    match pointer.rsplit_once('/') {
        Some((parent, "-")) => {
            new.pointer_mut(parent).unwrap().as_array_mut().unwrap().push(value);
        }
        Some((parent, name)) if new.pointer(pointer).is_none() => {
            let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            parent.insert(name.to_owned(), value);
        }
        _ => *new.pointer_mut(pointer).unwrap() = value,
    }
    between(&new.to_string(), &[])
}

fn between(new: &str, writes: &[PeeringWrite]) -> Vec<String> {
    let (old_values, new_values) = (values("old", BASE).unwrap(), values("new", new).unwrap());
    let (old, new) = (load(BASE), load(new));
    let before = advance(&State::default(), &old).unwrap();
    let after = advance(&before, &new).unwrap();
    let (old, new) = (Network::new(&old, &before).unwrap(), Network::new(&new, &after).unwrap());
    let old = Side { values: &old_values, network: &old };
    let new = Side { values: &new_values, network: &new };
    let short = |id: &str| {
        let id = id.replace(&format!("{GROUP}/providers/Microsoft.Network/"), "");
        id.replace(GROUP, "").replace("/providers/Microsoft.Network/", "/")
    };
    let action = |it: &str| it.replace("Microsoft.Network/", "");
    let mut lines = Vec::new();
    for access in accesses(&old, &new, writes) {
        lines.push(format!("{} {}", action(&access.action), short(&access.id)));
        let mut linked: Vec<_> = access.links.iter().collect();
        linked.sort();
        for link in linked {
            lines.push(format!("+ {} {}", action(&link.action), short(&link.id)));
        }
    }
    lines
}

/// What is changed in the document, into what, and the actions that this is.
const CHANGES: &[(&str, &str, &[&str])] = &[
    (
        "/virtualNetworks/0/properties/addressSpace/addressPrefixes/-",
        r#""10.9.0.0/16""#,
        &["virtualNetworks/write virtualNetworks/a"],
    ),
    (
        "/virtualNetworks/0/properties/subnets/-",
        r#"{"name": "two", "properties": {"addressPrefixes": ["10.1.2.0/24"],
            "networkSecurityGroup": {"id": "web"}, "routeTable": {"id": "udr"}}}"#,
        &[
            "virtualNetworks/subnets/write virtualNetworks/a/subnets/two",
            "+ networkSecurityGroups/join/action networkSecurityGroups/web",
            "+ routeTables/join/action routeTables/udr",
        ],
    ),
    (
        "/virtualNetworkPeerings/0/properties/allowForwardedTraffic",
        "true",
        &[
            "virtualNetworks/virtualNetworkPeerings/write \
             virtualNetworks/a/virtualNetworkPeerings/to-b",
            "+ virtualNetworks/peer/action \
             /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/other/virtualNetworks/b",
        ],
    ),
    (
        "/virtualNetworkPeerings",
        "[]",
        &["virtualNetworks/virtualNetworkPeerings/delete \
             virtualNetworks/a/virtualNetworkPeerings/to-b"],
    ),
    (
        "/virtualNetworkPeerings/-",
        r#"{"name": "a/to-old", "properties": {"remoteVirtualNetwork": {"id": "old"}}}"#,
        &[
            "virtualNetworks/virtualNetworkPeerings/write \
             virtualNetworks/a/virtualNetworkPeerings/to-old",
            "+ Microsoft.ClassicNetwork/virtualNetworks/peer/action virtualNetworks/old",
        ],
    ),
    (
        "/virtualNetworks/2/properties/addressSpace/addressPrefixes/-",
        r#""10.4.0.0/16""#,
        &["Microsoft.ClassicNetwork/virtualNetworks/write virtualNetworks/old"],
    ),
    (
        "/networkInterfaces/0/properties/enableIPForwarding",
        "true",
        &[
            "networkInterfaces/write networkInterfaces/n",
            "+ virtualNetworks/subnets/join/action virtualNetworks/a/subnets/one",
        ],
    ),
    (
        "/networkSecurityGroups/0/properties/securityRules/-",
        r#"{"name": "r", "properties": {"protocol": "Tcp", "access": "Allow", "direction": "Inbound",
            "priority": 100, "sourceAddressPrefix": "*", "sourcePortRange": "*",
            "destinationApplicationSecurityGroups": [{"id": "asg"}], "destinationPortRange": "80"}}"#,
        &[
            "networkSecurityGroups/securityRules/write networkSecurityGroups/web/securityRules/r",
            "+ applicationSecurityGroups/joinNetworkSecurityRule/action applicationSecurityGroups/asg",
        ],
    ),
    (
        "/routeTables/0/properties/routes/-",
        r#"{"name": "r", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "None"}}"#,
        &["routeTables/routes/write routeTables/udr/routes/r"],
    ),
    (
        "/hosts/0/networkInterfaces/0/interface",
        r#""tap7""#,
        &[
            "networkInterfaces/write networkInterfaces/n",
            "+ Vnetpeer.Hosts/hosts/join/action /providers/Vnetpeer.Hosts/hosts/h",
        ],
    ),
    (
        "/hosts/0/underlay/interface",
        r#""eth1""#,
        &["Vnetpeer.Hosts/hosts/write /providers/Vnetpeer.Hosts/hosts/h"],
    ),
    (
        "/serviceTags",
        r#"[{"name": "Office", "addressPrefixes": ["192.0.2.0/24"]}]"#,
        &["Vnetpeer.Deployments/deployments/write /"],
    ),
    ("/deployment/autoSync", "false", &["Vnetpeer.Deployments/deployments/write /"]),
    ("/deployment/name", r#""test""#, &[]),
];

#[test]
fn every_change_is_an_action_on_what_it_changes() {
    for (pointer, value, expected) in CHANGES {
        assert_eq!(changed(pointer, value), *expected, "{pointer}");
    }
}

#[test]
fn changes_of_permissions_need_rights_over_permissions() {
    let assignment = r#"[{"name": "00000000-0000-0000-0000-00000000000f", "properties": {"principal": "p",
        "roleDefinitionId": "Owner", "scope": "/subscriptions/00000000-0000-0000-0000-000000000001"}}]"#;
    assert_eq!(
        changed("/roleAssignments", assignment),
        ["Microsoft.Authorization/roleAssignments/write \
          /subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.Authorization/\
          roleAssignments/00000000-0000-0000-0000-00000000000f"]
    );
    let role = r#"[{"properties": {"roleName": "r", "permissions": [{"actions": ["*"]}],
        "assignableScopes": ["/subscriptions/00000000-0000-0000-0000-000000000001"]}}]"#;
    assert_eq!(
        changed("/roleDefinitions", role),
        ["Microsoft.Authorization/roleDefinitions/write \
          /subscriptions/00000000-0000-0000-0000-000000000001"]
    );
    assert_eq!(
        changed("/principals/0/uids/-", "1001"),
        ["Microsoft.Authorization/principals/write /"]
    );
    assert_eq!(
        changed("/managementGroups/-", r#"{"name": "below", "parent": "m"}"#),
        [
            "Microsoft.Management/managementGroups/write /",
            "+ Microsoft.Authorization/roleAssignments/write /"
        ]
    );
}

/// The document says nothing new: what is written is in the list of writes alone.
#[test]
fn a_sync_is_a_write_and_needs_the_other_side_too() {
    let id = format!(
        "{GROUP}/providers/Microsoft.Network/virtualNetworks/a/virtualNetworkPeerings/to-b"
    );
    let write = |it: fn(crate::topology::model::ResourceId) -> PeeringWrite| {
        between(BASE, &[it(crate::topology::model::ResourceId::new(id.clone()))])
    };
    let peer = "+ virtualNetworks/peer/action /subscriptions/\
                00000000-0000-0000-0000-000000000001/resourceGroups/other/virtualNetworks/b";
    for lines in [write(PeeringWrite::Sync), write(PeeringWrite::Put)] {
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("virtualNetworks/virtualNetworkPeerings/write "));
        assert_eq!(lines[1], peer);
    }
    assert_eq!(write(PeeringWrite::Delete).len(), 1);
}

/// The network interface that comes first in the document gets the first free address.
#[test]
fn what_follows_for_other_resources_counts_as_theirs() {
    let dynamic = r#"{"name": "NAME", "properties": {"ipConfigurations": [
        {"name": "v4", "properties": {"subnet": {"id": "a/one"}}}]}}"#;
    let one = BASE.replace(
        r#""networkInterfaces": [
    {"name": "n""#,
        &format!(
            r#""networkInterfaces": [{},
    {{"name": "n""#,
            dynamic.replace("NAME", "theirs")
        ),
    );
    let placed = one.replace(r#"[{"name": "n"}]"#, r#"[{"name": "n"}, {"name": "theirs"}]"#);
    let both = placed
        .replace(
            r#"{"name": "theirs", "properties""#,
            &format!(
                "{}, {}",
                dynamic.replace("NAME", "mine"),
                r#"{"name": "theirs", "properties""#
            ),
        )
        .replace(r#"{"name": "theirs"}]"#, r#"{"name": "theirs"}, {"name": "mine"}]"#);
    let (old_values, new_values) = (values("old", &placed).unwrap(), values("new", &both).unwrap());
    let (old, new) = (load(&placed), load(&both));
    let before = advance(&State::default(), &old).unwrap();
    let after = advance(&before, &new).unwrap();
    let (old, new) = (Network::new(&old, &before).unwrap(), Network::new(&new, &after).unwrap());
    let old = Side { values: &old_values, network: &old };
    let new = Side { values: &new_values, network: &new };
    let found = accesses(&old, &new, &[]);
    let names: Vec<&str> = found.iter().filter_map(|it| it.id.rsplit('/').next()).collect();
    assert_eq!(names, ["mine", "theirs"]);
}
