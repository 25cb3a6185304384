//! Security admin rules.

use super::{BASE, mistakes};
use crate::{
    document::{Code, load},
    topology::model::{
        Access, Direction, Endpoints, RuleProtocol, ServiceTag, Topology, VnetIndex,
    },
};

/// One collection, to be added to the base document.
const ADMIN: &str = r#"
serviceTags:
  - {name: Scanner, addressPrefixes: [192.0.2.0/24]}
networkManagers:
  - name: nm
    properties:
      networkManagerScopes:
        subscriptions: [/subscriptions/00000000-0000-0000-0000-000000000001]
      networkGroups:
        - name: both
          properties:
            conditions: {field: name, in: [hub, spoke]}
        - name: other
          properties:
            staticMembers: [{name: one, properties: {resourceId: other}}]
      securityAdminConfigurations:
        - name: admin
          properties:
            ruleCollections:
              - name: baseline
                properties:
                  appliesToGroups: [{networkGroupId: both}]
                  rules:
                    - name: no-telnet
                      properties:
                        description: Nobody may.
                        priority: 1
                        direction: Inbound
                        access: Deny
                        protocol: Tcp
                        sources: [{addressPrefixType: IPPrefix, addressPrefix: "*"}]
                        destinations:
                          - {addressPrefixType: IPPrefix, addressPrefix: 10.0.0.0/8}
                          - {addressPrefixType: IPPrefix, addressPrefix: "fd00::4"}
                        sourcePortRanges: ["*"]
                        destinationPortRanges: [23, 2300-2399]
                    - name: scan
                      properties:
                        priority: 4096
                        direction: Inbound
                        access: AlwaysAllow
                        protocol: Any
                        sources: [{addressPrefixType: ServiceTag, addressPrefix: scanner}]
                        destinations: [{addressPrefixType: ServiceTag, addressPrefix: VirtualNetwork}]
                        sourcePortRanges: [0-65535]
                        destinationPortRanges: ["*"]
      commits:
        - name: admin
          properties:
            commitType: SecurityAdmin
            targetLocations: [westeurope]
            configurationIds: [admin]
"#;

fn changed(changes: &[(&str, &str)]) -> String {
    let text = format!("{BASE}{ADMIN}");
    changes.iter().fold(text, |text, (from, to)| {
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
fn topology(changes: &[(&str, &str)]) -> Topology {
    match load("test.yaml", &changed(changes)) {
        Ok(loaded) => loaded.topology,
        Err(problems) => panic!("after {changes:?}:\n{problems}"),
    }
}

#[test]
fn rules_of_a_collection() {
    let topology = topology(&[]);
    let [rules] = topology.admin_rules.as_slice() else { panic!("one collection") };
    assert!(rules.id.as_str().ends_with(
        "/networkManagers/nm/securityAdminConfigurations/admin/ruleCollections/baseline"
    ));
    assert_eq!(rules.vnets, [VnetIndex(0), VnetIndex(1)]);
    let [telnet, scan] = rules.rules.as_slice() else { panic!("two rules") };
    assert_eq!((telnet.name.as_str(), telnet.priority, scan.priority), ("no-telnet", 1, 4_096));
    assert_eq!((telnet.access, scan.access), (Access::Deny, Access::AlwaysAllow));
    assert_eq!((telnet.protocol, scan.protocol), (RuleProtocol::Tcp, RuleProtocol::Any));
    assert_eq!(telnet.direction, Direction::Inbound);
    assert_eq!(telnet.source.endpoints, Endpoints::Any);
    let destinations = ["10.0.0.0/8", "fd00::4/128"].map(|text| text.parse().unwrap());
    assert_eq!(telnet.destination.endpoints, Endpoints::Prefixes(destinations.to_vec()));
    assert_eq!(telnet.destination.ports, [23..=23, 2_300..=2_399]);
    assert_eq!(
        (&*telnet.source.ports, &*scan.source.ports),
        (&[0..=65_535][..], &[0..=65_535][..])
    );
    assert_eq!(scan.destination.endpoints, Endpoints::Tag(ServiceTag::VirtualNetwork));
    let Endpoints::Tag(ServiceTag::Prefixes { name, .. }) = &scan.source.endpoints else {
        panic!("{:?}", scan.source)
    };
    assert_eq!(name, "Scanner");
}

#[test]
fn groups_of_collections() {
    let groups = "[{networkGroupId: both}]";
    let unknown = Code::InvalidResourceReference;
    expect(&[(groups, "[{networkGroupId: bot}]")], &[(unknown, "bot")]);
    expect(&[(groups, "[]")], &[(Code::MissingProperty, "[]")]);
    let twice = "[{networkGroupId: both}, {networkGroupId: BOTH}]";
    expect(&[(groups, twice)], &[(Code::DuplicateResource, "BOTH")]);
    let second = "- {name: BASELINE, properties: {appliesToGroups: [{networkGroupId: other}], rules: []}}\n              - name: baseline";
    expect(&[("- name: baseline", second)], &[(Code::DuplicateResource, "baseline")]);
}

#[test]
fn collections_are_in_force_where_they_are_committed() {
    let regions = "targetLocations: [westeurope]";
    assert!(topology(&[(regions, "targetLocations: [northeurope]")]).admin_rules.is_empty());
    assert!(
        topology(&[("configurationIds: [admin]", "configurationIds: []")]).admin_rules.is_empty()
    );
    let moved = topology(&[
        ("  - name: spoke\n", "  - name: spoke\n    location: northeurope\n"),
        ("  - name: hub/hub-to-spoke\n", "  - name: hub/hub-to-spoke\n"),
    ]);
    assert_eq!(moved.admin_rules[0].vnets, [VnetIndex(0)]);
}

#[test]
fn collections_of_one_vnet_are_evaluated_as_one() {
    let all = "[{addressPrefixType: IPPrefix, addressPrefix: \"*\"}]";
    let second = format!(
        "- name: late\n                properties:\n                  appliesToGroups: [{{networkGroupId: other}}, {{networkGroupId: both}}]\n                  rules: [{{name: scan, properties: {{priority: 7, direction: Inbound, access: Deny, protocol: Esp, sources: {all}, destinations: {all}}}}}]\n              - name: baseline"
    );
    let rules = topology(&[("- name: baseline", &second)]).admin_rules;
    let [alone, joined] = rules.as_slice() else { panic!("{rules:?}") };
    assert!(alone.id.as_str().ends_with("/ruleCollections/late"));
    assert_eq!((alone.vnets.as_slice(), alone.rules.len()), (&[VnetIndex(2)][..], 1));
    assert!(joined.id.as_str().ends_with("/ruleCollections/late+baseline"), "{}", joined.id);
    assert_eq!(joined.vnets, [VnetIndex(0), VnetIndex(1)]);
    let names: Vec<&str> = joined.rules.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["late/scan", "baseline/no-telnet", "baseline/scan"]);
}

#[test]
fn addresses_of_network_groups() {
    let sources = "sources: [{addressPrefixType: IPPrefix, addressPrefix: \"*\"}]";
    let group = "sources: [{addressPrefixType: NetworkGroup, addressPrefix: both}, {addressPrefixType: IPPrefix, addressPrefix: 10.9.0.0/16}]";
    let rules = topology(&[(sources, group)]).admin_rules;
    let space = ["10.0.0.0/16", "fd00:10::/48", "10.1.0.0/16", "10.9.0.0/16"];
    let space = space.map(|text| text.parse().unwrap());
    assert_eq!(rules[0].rules[0].source.endpoints, Endpoints::Prefixes(space.to_vec()));
    let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer/providers/Microsoft.Network/networkManagers/nm/networkGroups/other";
    let by_id = group.replace("both", id);
    let rules = topology(&[(sources, &by_id)]).admin_rules;
    let Endpoints::Prefixes(prefixes) = &rules[0].rules[0].source.endpoints else { panic!() };
    assert_eq!(prefixes.len(), 2);
    expect(&[(sources, &group.replace("both", "bot"))], &[(Code::InvalidResourceReference, "bot")]);
}

#[test]
fn addresses() {
    let sources = "[{addressPrefixType: IPPrefix, addressPrefix: \"*\"}]";
    let with = |kind: &str, prefix: &str| {
        format!("[{{addressPrefixType: {kind}, addressPrefix: {prefix}}}]")
    };
    let invalid = Code::SecurityRuleInvalidAddressPrefix;
    expect(&[(sources, &with("IPPrefix", "Internet"))], &[(invalid, "Internet")]);
    expect(&[(sources, &with("ServiceTag", "10.0.0.0/8"))], &[(invalid, "10.0.0.0/8")]);
    expect(&[(sources, &with("ServiceTag", "Storage"))], &[(invalid, "Storage")]);
    expect(&[(sources, &with("IPPrefix", "10.0.0.1/8"))], &[(invalid, "10.0.0.1/8")]);
    expect(&[(sources, &with("NetworkGroup", "x"))], &[(Code::InvalidResourceReference, "x")]);
    expect(&[(sources, &with("NetworkGroup", "10.0.0.0/8"))], &[(invalid, "10.0.0.0/8")]);
    let refused = Code::SecurityRuleParameterContainsUnsupportedValue;
    for tag in ["AzurePlatformDNS", "azureplatformimds", "AzurePlatformLKM"] {
        expect(&[(sources, &with("ServiceTag", tag))], &[(refused, tag)]);
    }
    expect(&[(sources, "[]")], &[(Code::MissingProperty, "[]")]);
    let beside = "[{addressPrefixType: IPPrefix, addressPrefix: 10.0.0.0/8}, {addressPrefixType: ServiceTag, addressPrefix: Internet}]";
    expect(&[(sources, beside)], &[(refused, "Internet")]);
    let tags = "[{addressPrefixType: ServiceTag, addressPrefix: VirtualNetwork}, {addressPrefixType: ServiceTag, addressPrefix: Internet}]";
    expect(&[(sources, tags)], &[(refused, "VirtualNetwork"), (refused, "Internet")]);
    expect(
        &[("addressPrefixType: IPPrefix, addressPrefix: \"*\"", "addressPrefix: \"*\"")],
        &[(Code::MissingProperty, "{addressPrefix: \"*\"}")],
    );
}

#[test]
fn ports_and_priorities() {
    let ports = "destinationPortRanges: [23, 2300-2399]";
    let any = Code::SecurityRuleParameterContainsInvalidPortRanges;
    expect(&[(ports, "destinationPortRanges: [23, \"*\"]")], &[(any, "\"*\"")]);
    expect(&[(ports, "destinationPortRanges: []")], &[(Code::MissingProperty, "[]")]);
    expect(&[("protocol: Tcp", "protocol: Icmp")], &[(Code::ConflictingProperties, "23")]);
    let icmp =
        [("protocol: Tcp", "protocol: Icmp"), (ports, ""), ("sourcePortRanges: [\"*\"]", "")];
    expect(&icmp, &[]);
    expect(&[("protocol: Any", "protocol: \"*\"")], &[(Code::InvalidPropertyValue, "\"*\"")]);
    for priority in ["0", "4097"] {
        let with = format!("priority: {priority}");
        expect(&[("priority: 4096", &with)], &[(Code::SecurityRuleInvalidPriority, priority)]);
    }
    expect(&[("priority: 4096", "priority: 1")], &[(Code::SecurityRuleConflict, "1")]);
    expect(&[("name: scan", "name: No-Telnet")], &[(Code::DuplicateResource, "No-Telnet")]);
}

#[test]
fn rules_of_one_manager() {
    let collection = |name: &str, group: &str, count: usize| {
        let rules: Vec<String> = (1..=count)
            .map(|index| {
                let all = "[{addressPrefixType: IPPrefix, addressPrefix: \"*\"}]";
                format!("{{name: {name}{index}, properties: {{priority: {index}, direction: Inbound, access: Deny, protocol: Esp, sources: {all}, destinations: {all}}}}}")
            })
            .collect();
        format!(
            "            - {{name: {name}, properties: {{appliesToGroups: [{{networkGroupId: {group}}}], rules: [{}]}}}}\n",
            rules.join(", ")
        )
    };
    let document = |count: usize| {
        let (first, second) = (collection("a", "both", 60), collection("b", "other", count));
        let (before, rest) = ADMIN.split_once("              - name: baseline").unwrap();
        let (_, after) = rest.split_once("      commits:").unwrap();
        format!("{BASE}{before}{first}{second}      commits:{after}")
    };
    assert_eq!(mistakes(&document(40)), []);
    assert_eq!(mistakes(&document(41)), [(Code::LimitExceeded, "b41".to_owned())]);
}
