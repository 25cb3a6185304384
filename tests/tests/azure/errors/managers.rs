//! Network managers.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{
    ErrorCase,
    Problem::{Error, Warning},
};

fn star(group: serde_json::Value, properties: serde_json::Value) -> Document {
    Document::new().managed().star(group, properties)
}

fn capable(name: &str, value: &str) -> serde_json::Value {
    json!({ "connectivityCapabilities": { name: value } })
}

/// So many VNets with a prefix each, in no group yet.
fn crowd(count: usize) -> Document {
    (0..count).fold(Document::new(), |it, number| {
        let space = format!("172.{}.{}.0/24", 16 + number / 256, number % 256);
        it.vnet(&format!("v{number}"), &[&space])
    })
}

fn limits(document: Document, name: &str, value: u32) -> Document {
    document.set("networkManagers", "nm", name, value)
}

pub(super) const CASES: &[ErrorCase] = &[
    ErrorCase::new(
        "6.1",
        "flags_are_strings",
        || star(json!({ "useHubGateway": true }), json!({ "deleteExistingPeering": "true" })),
        &[
            Error("InvalidPropertyValue", "`true` is not one of True, False"),
            Error("InvalidPropertyType", "expected \"True\" or \"False\""),
        ],
    ),
    ErrorCase::new(
        "6.1",
        "members_are_virtual_networks",
        || {
            let group = json!([{ "name": "g", "properties": { "memberType": "Subnet" } }]);
            Document::new().managed().set("networkManagers", "nm", "networkGroups", group)
        },
        &[Error("NotSupportedYet", "Subnet")],
    ),
    ErrorCase::new(
        "6.1",
        "what_has_no_meaning_here_is_refused",
        || {
            let list = json!([{ "name": "routes" }]);
            Document::new().managed().set("networkManagers", "nm", "routingConfigurations", list)
        },
        &[Error("NotSupportedYet", "routingConfigurations")],
    ),
    ErrorCase::new(
        "6.2.1",
        "one_commit_for_a_region_and_type",
        || {
            let commit = json!({
                "commitType": "Connectivity", "targetLocations": ["West Europe"],
            });
            let commits = json!([
                { "name": "a", "properties": commit }, { "name": "b", "properties": commit },
            ]);
            Document::new().managed().set("networkManagers", "nm", "commits", commits)
        },
        &[Error("CommitConflict", "what is deployed in westeurope as Connectivity")],
    ),
    ErrorCase::new(
        "6.2.1",
        "several_connectivity_configurations_in_a_region",
        || star(json!({}), json!({})).mesh("spokes", json!({})),
        &[],
    ),
    ErrorCase::new(
        "6.2.1",
        "one_security_admin_configuration_in_a_region",
        || {
            let empty = json!({ "ruleCollections": [] });
            let configurations = json!([
                { "name": "a", "properties": empty }, { "name": "b", "properties": empty },
            ]);
            let commit = json!({
                "commitType": "SecurityAdmin", "targetLocations": ["westeurope"],
                "configurationIds": ["a", "b"],
            });
            let commits = json!([{ "name": "c", "properties": commit }]);
            Document::new()
                .managed()
                .set("networkManagers", "nm", "securityAdminConfigurations", configurations)
                .set("networkManagers", "nm", "commits", commits)
        },
        &[Error("CommitConflict", "only one security admin configuration")],
    ),
    ErrorCase::new(
        "6.2.1",
        "the_hub_is_in_a_region_of_the_commit",
        || {
            star(json!({ "isGlobal": "True" }), json!({}))
                .located("hub", "northeurope")
                .committed(&["westeurope"], &["star"])
        },
        &[Warning(
            "HubNotInTargetLocations",
            "is not committed to northeurope, where hub `hub` is",
        )],
    ),
    ErrorCase::new(
        "6.2.2",
        "what_is_deleted_is_named",
        || star(json!({}), json!({ "deleteExistingPeering": "True" })).side("one", "two"),
        &[Warning("PeeringDeletedByNetworkManager", "peering `to-two` is deleted by")],
    ),
    ErrorCase::new(
        "6.2.2",
        "spokes_do_not_overlap",
        || star(json!({}), json!({})).space("two", &["10.1.0.0/16", "10.2.0.0/16", "fd00:2::/48"]),
        &[Error("VnetAddressSpaceOverlapsWithAlreadyPeeredVnet", "10.1.0.0/16")],
    ),
    ErrorCase::new(
        "6.2.3",
        "a_hub_without_a_gateway",
        || star(json!({ "useHubGateway": "True" }), json!({})),
        &[Warning("RemoteVnetHasNoGateways", "cannot have UseRemoteGateway flag set to true")],
    ),
    ErrorCase::new(
        "6.2.3",
        "a_spoke_with_a_gateway_of_its_own",
        || {
            star(json!({ "useHubGateway": "True" }), json!({}))
                .gateway("hub", "Vpn", "VpnGw1")
                .gateway("one", "Vpn", "VpnGw1")
        },
        &[Error(
            "VnetWithGatewayCannotUseRemoteGateways",
            "because virtualNetwork `one` has a gateway",
        )],
    ),
    ErrorCase::new(
        "6.2.4",
        "at_most_250_members_of_a_connected_group",
        || crowd(248).managed().mesh("everything", json!({})),
        &[Error("LimitExceeded", "more than 250 virtualNetworks in a connected group")],
    ),
    ErrorCase::new(
        "6.2.4",
        "more_where_the_manager_says_so",
        || {
            limits(
                crowd(997).managed().mesh("everything", json!({})),
                "connectedGroupVnetLimit",
                1_000,
            )
        },
        &[],
    ),
    ErrorCase::new(
        "6.2.4",
        "at_most_two_connected_groups_of_a_vnet",
        || {
            let groups = || json!([{ "networkGroupId": "spokes" }]);
            let mesh = || json!({ "connectivityTopology": "Mesh" });
            ["a", "b", "c"]
                .iter()
                .fold(Document::new().managed(), |it, name| it.deployed(name, groups(), mesh()))
        },
        &[
            Error("LimitExceeded", "more than 2 connected groups with virtualNetwork `one`"),
            Error("LimitExceeded", "more than 2 connected groups with virtualNetwork `two`"),
        ],
    ),
    ErrorCase::new(
        "6.2.6",
        "overlap_is_allowed",
        || {
            Document::new()
                .managed()
                .mesh("everything", json!({}))
                .space("two", &["10.2.0.0/16", "10.1.0.0/16", "fd00:2::/48"])
        },
        &[],
    ),
    ErrorCase::new(
        "6.2.6",
        "a_vnet_that_overlaps_is_not_added",
        || {
            Document::new()
                .managed()
                .mesh("everything", capable("connectedGroupAddressOverlap", "Disallowed"))
                .space("two", &["10.2.0.0/16", "10.1.0.0/16", "fd00:2::/48"])
        },
        &[Warning("ConnectedGroupAddressOverlap", "virtualNetwork `two` is not connected")],
    ),
    ErrorCase::new(
        "6.2.6",
        "no_peering_brings_an_overlap_to_a_group_that_disallows_it",
        || {
            Document::new()
                .managed()
                .mesh("spokes", capable("connectedGroupAddressOverlap", "Disallowed"))
                .vnet("outside", &["10.2.7.0/24"])
                .side("one", "outside")
        },
        &[Error("ConnectedGroupAddressOverlap", "whose addresses overlap those of `two`")],
    ),
    ErrorCase::new(
        "6.2.9",
        "a_peering_that_differs_from_an_enforced_one",
        || star(json!({}), capable("peeringEnforcement", "Enforced")).peered("hub", "one"),
        &[
            Error("PeeringIsEnforced", "peering `to-one` differs"),
            Error("PeeringIsEnforced", "peering `to-hub` differs"),
        ],
    ),
    ErrorCase::new(
        "6.2.9",
        "a_peering_that_is_as_it_would_be_made",
        || {
            star(json!({}), capable("peeringEnforcement", "Enforced")).peered("hub", "one").both(
                "hub",
                "one",
                "allowForwardedTraffic",
                true,
            )
        },
        &[],
    ),
    ErrorCase::new(
        "6.2.10",
        "there_are_no_private_endpoints",
        || star(json!({}), capable("connectedGroupPrivateEndpointsScale", "HighScale")),
        &[Error("NotSupportedYet", "HighScale")],
    ),
    ErrorCase::new(
        "6.2.11",
        "a_vnet_outside_of_the_scope_is_no_member",
        || {
            let other = "00000000-0000-0000-0000-000000000002";
            let member = json!({ "name": "far", "properties": { "resourceId": "far" } });
            let space = json!({ "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] } });
            let vnet = json!({ "name": "far", "subscription": other, "properties": space });
            let groups = json!([{ "name": "g", "properties": { "staticMembers": [member] } }]);
            Document::new().add("virtualNetworks", vnet).managed().set(
                "networkManagers",
                "nm",
                "networkGroups",
                groups,
            )
        },
        &[Error("VnetNotInNetworkManagerScope", "virtualNetwork `far` is not in the scope")],
    ),
    ErrorCase::new(
        "6.2.11",
        "one_of_another_tenant_is_a_member_by_name",
        || {
            let other = "00000000-0000-0000-0000-000000000002";
            let member = json!({ "name": "far", "properties": { "resourceId": "far" } });
            let space = json!({ "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] } });
            let vnet = json!({ "name": "far", "subscription": other, "properties": space });
            let groups = json!([{ "name": "g", "properties": { "staticMembers": [member] } }]);
            Document::new()
                .add("virtualNetworks", vnet)
                .add("subscriptions", json!({ "subscriptionId": other, "tenantId": other }))
                .managed()
                .set("networkManagers", "nm", "networkGroups", groups)
        },
        &[],
    ),
    ErrorCase::new(
        "6.2.12",
        "a_virtual_hub_is_no_hub",
        || {
            let hub =
                json!([{ "resourceId": "hub", "resourceType": "Microsoft.Network/virtualHubs" }]);
            star(json!({}), json!({ "hubs": hub }))
        },
        &[Error("NotSupportedYet", "Microsoft.Network/virtualHubs")],
    ),
    ErrorCase::new(
        "6.3",
        "no_rules_for_services_with_an_intent_policy",
        || {
            let properties = json!({
                "ruleCollections": [],
                "applyOnNetworkIntentPolicyBasedServices": ["AllowRulesOnly"],
            });
            let list = json!([{ "name": "admin", "properties": properties }]);
            Document::new().managed().set(
                "networkManagers",
                "nm",
                "securityAdminConfigurations",
                list,
            )
        },
        &[Error("NotSupportedYet", "AllowRulesOnly")],
    ),
];
