//! Network managers: what they group, connect and commit.

use super::{BASE, mistakes};
use crate::{
    document::{Code, Loaded, load},
    topology::model::{Comparison, Condition, ConditionField, Peering, Topology, VnetIndex},
};

/// A hub, two spokes and one more VNet, none of them peered, with one manager.
const DOCUMENT: &str = r#"
deployment: {name: base}
virtualNetworks:
  - name: hub
    properties: {addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00::/48"]}}
  - name: one
    tags: {env: prod, Tier: Web}
    properties: {addressSpace: {addressPrefixes: [10.1.0.0/16, "fd00:1::/48"]}}
  - name: two
    location: West Europe
    tags: {ENV: Prod}
    properties: {addressSpace: {addressPrefixes: [10.2.0.0/16, "fd00:2::/48"]}}
  - name: far
    location: northeurope
    tags: {env: test}
    properties: {addressSpace: {addressPrefixes: [10.3.0.0/16, "fd00:3::/48"]}}
virtualNetworkPeerings: []
networkManagers:
  - name: nm
    properties:
      networkManagerScopes:
        subscriptions: [/subscriptions/00000000-0000-0000-0000-000000000001]
      networkManagerScopeAccesses: [Connectivity, SecurityAdmin]
      networkGroups:
        - name: spokes
          properties:
            memberType: VirtualNetwork
            conditions: {field: name, notEquals: hub}
        - name: production
          properties:
            conditions: {field: tags.env, equals: prod}
            staticMembers:
              - {name: hub, properties: {resourceId: hub}}
      connectivityConfigurations:
        - name: star
          properties:
            connectivityTopology: HubAndSpoke
            hubs: [{resourceId: hub, resourceType: Microsoft.Network/virtualNetworks}]
            appliesToGroups:
              - {networkGroupId: spokes, useHubGateway: "False", isGlobal: "False", groupConnectivity: None}
            deleteExistingPeering: "False"
            connectivityCapabilities:
              connectedGroupPrivateEndpointsScale: Standard
              connectedGroupAddressOverlap: Allowed
              peeringEnforcement: Unenforced
        - name: mesh
          properties:
            connectivityTopology: Mesh
            isGlobal: "False"
            appliesToGroups: [{networkGroupId: production, groupConnectivity: DirectlyConnected}]
      commits:
        - name: everywhere
          properties:
            commitType: Connectivity
            targetLocations: [westeurope, northeurope]
            configurationIds: [star, mesh]
"#;

const STAR: &str = r#"{networkGroupId: spokes, useHubGateway: "False", isGlobal: "False", groupConnectivity: None}"#;

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(DOCUMENT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the document has no {from:?}");
        text.replacen(from, to, 1)
    })
}

#[track_caller]
fn expect(changes: &[(&str, &str)], expected: &[(Code, &str)]) {
    let seen = mistakes(&changed(changes));
    let seen: Vec<(Code, &str)> = seen.iter().map(|(code, text)| (*code, text.as_str())).collect();
    assert_eq!(seen, expected, "after {changes:?}");
}

#[track_caller]
fn loaded(changes: &[(&str, &str)]) -> Loaded {
    load("test.yaml", &changed(changes))
        .unwrap_or_else(|problems| panic!("after {changes:?}:\n{problems}"))
}

/// The peerings, as `from/to`, with their flags that are not the default.
fn peerings(topology: &Topology) -> Vec<String> {
    let name = |index: VnetIndex| topology.vnet(index).unwrap().id.name();
    let told = |it: &Peering| {
        assert!(it.allow_virtual_network_access);
        let flags = [
            (it.allow_forwarded_traffic, " forwarded"),
            (it.allow_gateway_transit, " transit"),
            (it.use_remote_gateways, " uses"),
            (it.managed_by.is_some(), " managed"),
            (it.reverse.is_none(), " alone"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word);
        format!("{}/{}{}", name(it.vnet), name(it.remote), flags.collect::<String>())
    };
    topology.peerings.iter().map(told).collect()
}

/// The connected groups, with the ends of their ids.
fn groups(topology: &Topology) -> Vec<(String, Vec<usize>)> {
    let told = topology.connected_groups.iter().map(|it| {
        let (_, end) = it.id.as_str().split_once("/connectivityConfigurations/").unwrap();
        (end.to_owned(), it.members.iter().map(|vnet| vnet.0).collect())
    });
    told.collect()
}

#[test]
fn a_committed_configuration_makes_peerings_and_groups() {
    let topology = loaded(&[]).topology;
    let made =
        ["hub/one", "one/hub", "hub/two", "two/hub"].map(|it| format!("{it} forwarded managed"));
    assert_eq!(peerings(&topology), made);
    assert_eq!(groups(&topology), [("mesh/regions/westeurope".to_owned(), vec![0, 1, 2])]);
    let [first, second, ..] = topology.peerings.as_slice() else { panic!() };
    assert!(first.id.name().starts_with("ANM_") && first.id.name() == second.id.name());
    assert_eq!(first.managed_by, Some(topology.network_managers[0].connectivity[0].id.clone()));
    assert_eq!(
        first.id,
        loaded(&[("name: star", "name: other"), ("[star, mesh]", "[other]")]).topology.peerings[0]
            .id
    );
}

#[test]
fn nothing_is_in_force_without_a_commit_to_the_region() {
    for (changes, peered, grouped) in [
        (("configurationIds: [star, mesh]", "configurationIds: []"), 0, 0),
        (("configurationIds: [star, mesh]", "configurationIds: [mesh]"), 0, 1),
        (("configurationIds: [star, mesh]", "configurationIds: [nm/star]"), 4, 0),
    ] {
        let topology = loaded(&[changes]).topology;
        assert_eq!((topology.peerings.len(), topology.connected_groups.len()), (peered, grouped));
    }
    let hub = Code::HubNotInTargetLocations;
    expect(&[("[westeurope, northeurope]", "[northeurope]")], &[(hub, "hub")]);
}

#[test]
fn global_configurations_join_regions() {
    let global = STAR.replace(r#"isGlobal: "False""#, r#"isGlobal: "True""#);
    let topology = loaded(&[(STAR, &global)]).topology;
    assert_eq!(topology.peerings.len(), 6);
    let direct = STAR.replace("None}", "DirectlyConnected}");
    let spokes = |region: &str| format!("star/networkGroups/spokes/regions/{region}");
    let topology = loaded(&[(STAR, &direct)]).topology;
    assert_eq!(groups(&topology)[0], (spokes("westeurope"), vec![1, 2]));
    let both = global.replace("None}", "DirectlyConnected}");
    let topology = loaded(&[(STAR, &both)]).topology;
    assert_eq!(groups(&topology)[0], ("star/networkGroups/spokes".to_owned(), vec![1, 2, 3]));
    let everywhere = (
        "[{networkGroupId: production, groupConnectivity: DirectlyConnected}]",
        "[{networkGroupId: production}, {networkGroupId: spokes}]",
    );
    let topology = loaded(&[
        everywhere,
        ("isGlobal: \"False\"\n            appliesTo", "isGlobal: \"True\"\n            appliesTo"),
    ])
    .topology;
    assert_eq!(groups(&topology), [("mesh".to_owned(), vec![0, 1, 2, 3])]);
}

#[test]
fn a_hub_in_a_group_of_its_own_is_no_spoke() {
    let direct = STAR.replace("None}", "DirectlyConnected}");
    let without = loaded(&[(STAR, &direct)]).topology;
    let everybody = ("{field: name, notEquals: hub}", "{field: name, notEquals: nobody}");
    let with = loaded(&[(STAR, &direct), everybody]).topology;
    let members = &with.network_managers[0].groups[0].members;
    assert!(members.contains(&VnetIndex(0)), "the hub is a member: {members:?}");
    assert_eq!(peerings(&with), peerings(&without));
    assert_eq!(groups(&with), groups(&without));
}

#[test]
fn conditions_choose_members() {
    let members = |condition: &str| {
        let topology = loaded(&[("{field: tags.env, equals: prod}", condition)]).topology;
        topology.network_managers[0].groups[1].members.iter().map(|it| it.0).collect::<Vec<_>>()
    };
    assert_eq!(members("{field: tags.env, equals: prod}"), [0, 1, 2]);
    assert_eq!(members("{field: \"tags['tier']\", exists: true}"), [0, 1]);
    assert_eq!(members("{field: location, in: [northeurope]}"), [0, 3]);
    assert_eq!(members("{field: resourceGroup, equals: VNETPEER}"), [0, 1, 2, 3]);
    assert_eq!(members("{field: subscription, notContains: \"0001\"}"), [0]);
    assert_eq!(
        members("{allOf: [{field: name, like: \"*o\"}, {field: tags.env, notEquals: test}]}"),
        [0, 2]
    );
    assert_eq!(
        members("{anyOf: [{field: name, equals: far}, {field: name, contains: ON}]}"),
        [0, 1, 3]
    );
    let topology = loaded(&[]).topology;
    let expected = Condition::Field {
        field: ConditionField::Tag("env".to_owned()),
        comparison: Comparison::Equals("prod".to_owned()),
    };
    assert_eq!(topology.network_managers[0].groups[1].conditions, Some(expected));
}

#[test]
fn conditions_that_say_nothing() {
    let condition = "{field: tags.env, equals: prod}";
    let with = |text: &str, expected: &[(Code, &str)]| expect(&[(condition, text)], expected);
    with("{field: tags.env}", &[(Code::MissingProperty, "tags.env")]);
    with("{equals: prod}", &[(Code::MissingProperty, "{equals: prod}")]);
    with(
        "{equals: prod, anyOf: [{field: name, equals: a}]}",
        &[(Code::ConflictingProperties, "prod")],
    );
    with("{field: name, equals: a, like: b}", &[(Code::ConflictingProperties, "b")]);
    with("{field: name, equals: a, anyOf: []}", &[(Code::ConflictingProperties, "[]")]);
    with("{allOf: []}", &[(Code::MissingProperty, "[]")]);
    with("{field: size, equals: a}", &[(Code::InvalidPropertyValue, "size")]);
    with(
        "{field: name, matches: a}",
        &[(Code::MissingProperty, "name"), (Code::UnknownProperty, "matches")],
    );
}

#[test]
fn members_and_hubs_are_of_the_scope() {
    let scope = "/subscriptions/00000000-0000-0000-0000-000000000001";
    let other = "/subscriptions/00000000-0000-0000-0000-000000000002";
    let outside = Code::VnetNotInNetworkManagerScope;
    expect(&[(scope, other)], &[(outside, "hub"), (outside, "hub")]);
    expect(
        &[(&format!("[{scope}]"), "[]")],
        &[(Code::MissingProperty, "nm"), (outside, "hub"), (outside, "hub")],
    );
    expect(
        &[(scope, "subscription")],
        &[(Code::InvalidPropertyValue, "subscription"), (outside, "hub"), (outside, "hub")],
    );
    let twice = "- {name: again, properties: {resourceId: HUB}}\n              - {name: hub, properties: {resourceId: hub}}";
    expect(
        &[("- {name: hub, properties: {resourceId: hub}}", twice)],
        &[(Code::DuplicateResource, "hub")],
    );
    let classic = (
        "properties: {addressSpace: {addressPrefixes: [10.1.0.0/16, \"fd00:1::/48\"]}}",
        "properties: {deploymentModel: Classic, addressSpace: {addressPrefixes: [10.1.0.0/16, \"fd00:1::/48\"]}}",
    );
    assert_eq!(
        loaded(&[classic]).topology.peerings.len(),
        2,
        "no condition chooses a classic VNet"
    );
    expect(
        &[classic, ("{resourceId: hub}", "{resourceId: one}")],
        &[(Code::ClassicVnetNotManaged, "one")],
    );
}

#[test]
fn configurations_and_commits_that_make_no_sense() {
    let conflict = Code::ConflictingProperties;
    expect(
        &[("connectivityTopology: HubAndSpoke", "connectivityTopology: Mesh")],
        &[(conflict, "[{resourceId: hub, resourceType: Microsoft.Network/virtualNetworks}]")],
    );
    expect(
        &[("hubs: [{resourceId: hub, resourceType: Microsoft.Network/virtualNetworks}]", "")],
        &[(Code::MissingProperty, "star")],
    );
    expect(
        &[(
            "resourceType: Microsoft.Network/virtualNetworks",
            "resourceType: Microsoft.Network/virtualHubs",
        )],
        &[(Code::NotSupportedYet, "Microsoft.Network/virtualHubs")],
    );
    expect(
        &[(
            "{networkGroupId: production, ",
            "{networkGroupId: production, useHubGateway: \"True\", ",
        )],
        &[(conflict, "\"True\"")],
    );
    expect(
        &[("memberType: VirtualNetwork", "memberType: Subnet")],
        &[(Code::NotSupportedYet, "Subnet")],
    );
    expect(
        &[("PrivateEndpointsScale: Standard", "PrivateEndpointsScale: HighScale")],
        &[(Code::NotSupportedYet, "HighScale")],
    );
    expect(
        &[("isGlobal: \"False\"\n            appliesTo", "isGlobal: false\n            appliesTo")],
        &[(Code::InvalidPropertyType, "false")],
    );
    expect(&[("[star, mesh]", "[star, mash]")], &[(Code::InvalidResourceReference, "mash")]);
    expect(&[("[star, mesh]", "[star, STAR]")], &[(Code::DuplicateResource, "STAR")]);
    expect(
        &[("[westeurope, northeurope]", "[westeurope, West Europe]")],
        &[(Code::CommitConflict, "West Europe")],
    );
    expect(&[("[westeurope, northeurope]", "[]")], &[(Code::MissingProperty, "[]")]);
    expect(
        &[("[Connectivity, SecurityAdmin]", "[SecurityAdmin]")],
        &[(Code::NetworkManagerScopeAccessMissing, "Connectivity")],
    );
    expect(
        &[("[Connectivity, SecurityAdmin]", "[Connectivity, Routing]")],
        &[(Code::NotSupportedYet, "Routing")],
    );
    expect(
        &[("      commits:", "      routingConfigurations: [{name: x}]\n      commits:")],
        &[(Code::NotSupportedYet, "routingConfigurations")],
    );
}

#[test]
fn security_admin_configurations_are_one_in_a_region() {
    let security = "      securityAdminConfigurations:\n        - {name: a, properties: {ruleCollections: []}}\n        - {name: b, properties: {ruleCollections: []}}\n      commits:\n        - {name: rules, properties: {commitType: SecurityAdmin, targetLocations: [westeurope], configurationIds: [a, b]}}";
    expect(&[("      commits:", security)], &[(Code::CommitConflict, "b")]);
    expect(&[("      commits:", &security.replace("[a, b]", "[b]"))], &[]);
    let policy = security
        .replace(
            "ruleCollections: []}}",
            "ruleCollections: [], applyOnNetworkIntentPolicyBasedServices: [AllowRulesOnly]}}",
        )
        .replace("[a, b]", "[a]");
    expect(
        &[("      commits:", &policy)],
        &[(Code::NotSupportedYet, "AllowRulesOnly"), (Code::NotSupportedYet, "AllowRulesOnly")],
    );
}

#[test]
fn management_groups_hold_subscriptions() {
    let scope = "subscriptions: [/subscriptions/00000000-0000-0000-0000-000000000001]";
    let above = "managementGroups: [/providers/Microsoft.Management/managementGroups/root]";
    let expected = [
        (Code::InvalidResourceReference, "/providers/Microsoft.Management/managementGroups/root"),
        (Code::VnetNotInNetworkManagerScope, "hub"),
        (Code::VnetNotInNetworkManagerScope, "hub"),
    ];
    expect(&[(scope, above)], &expected);
    let tree = "managementGroups: [{name: root}, {name: leaf, parent: root}]\nsubscriptions: [{subscriptionId: 00000000-0000-0000-0000-000000000001, managementGroup: leaf}]\nvirtualNetworkPeerings: []";
    let topology = loaded(&[(scope, above), ("virtualNetworkPeerings: []", tree)]).topology;
    assert_eq!(topology.network_managers[0].groups[0].members.len(), 3);
}

#[test]
fn other_tenants_are_members_by_name_only() {
    let other = "00000000-0000-0000-0000-000000000002";
    let tenant = format!(
        "subscriptions: [{{subscriptionId: {other}, tenantId: {other}}}]\nvirtualNetworkPeerings: []"
    );
    let moved = ("  - name: one\n", format!("  - name: one\n    subscription: {other}\n"));
    let scope = "[/subscriptions/00000000-0000-0000-0000-000000000001]";
    let both =
        format!("[/subscriptions/00000000-0000-0000-0000-000000000001, /subscriptions/{other}]");
    let changes = [
        ("virtualNetworkPeerings: []", tenant.as_str()),
        (moved.0, moved.1.as_str()),
        (scope, both.as_str()),
    ];
    let topology = loaded(&changes).topology;
    assert_eq!(topology.network_managers[0].groups[0].members, [VnetIndex(2), VnetIndex(3)]);
    let named = [changes.as_slice(), &[("{resourceId: hub}", "{resourceId: one}")]].concat();
    let topology = loaded(&named).topology;
    assert_eq!(topology.network_managers[0].groups[1].members, [VnetIndex(1), VnetIndex(2)]);
}

#[test]
fn documents_without_managers_have_none() {
    assert!(load("test.yaml", BASE).unwrap().topology.network_managers.is_empty());
    expect(
        &[(
            "  - name: nm\n",
            "  - name: nm\n    properties: {networkManagerScopes: {subscriptions: [/subscriptions/00000000-0000-0000-0000-000000000001]}}\n  - name: NM\n",
        )],
        &[(Code::DuplicateResource, "NM")],
    );
}
