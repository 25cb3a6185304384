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
securityAdminRules:
  - name: baseline
    properties:
      virtualNetworks: [{id: hub}, {id: spoke}]
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
        "/networkManagers/vnetpeer/securityAdminConfigurations/vnetpeer/ruleCollections/baseline"
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
fn collection_by_its_id() {
    let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/r/providers/Microsoft.Network/networkManagers/m/securityAdminConfigurations/c/ruleCollections/baseline";
    let rules = topology(&[("- name: baseline", &format!("- id: {id}"))]).admin_rules;
    assert_eq!(rules[0].id.as_str(), id);
    let short = id.strip_suffix("/ruleCollections/baseline").unwrap();
    expect(&[("- name: baseline", &format!("- id: {short}"))], &[(Code::InvalidResourceId, short)]);
}

#[test]
fn networks_of_collections() {
    let networks = "[{id: hub}, {id: spoke}]";
    expect(&[(networks, "[{id: hub}, {id: hup}]")], &[(Code::InvalidResourceReference, "hup")]);
    expect(&[(networks, "[]")], &[(Code::MissingProperty, "[]")]);
    let several = Code::VnetInSeveralRuleCollections;
    expect(&[(networks, "[{id: hub}, {id: HUB}]")], &[(several, "HUB")]);
    let second = "securityAdminRules:\n  - {name: first, properties: {virtualNetworks: [{id: spoke}], rules: []}}";
    expect(&[("securityAdminRules:", second)], &[(several, "spoke")]);
    let twice = second.replace("first", "Baseline").replace("spoke", "other");
    expect(&[("securityAdminRules:", &twice)], &[(Code::DuplicateResource, "baseline")]);
    let groups = format!("{networks}\n      appliesToGroups: [{{networkGroupId: x}}]");
    expect(&[(networks, &groups)], &[(Code::NotSupportedYet, "appliesToGroups")]);
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
    expect(&[(sources, &with("NetworkGroup", "x"))], &[(Code::NotSupportedYet, "NetworkGroup")]);
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
    let collection = |name: &str, vnet: &str, count: usize| {
        let rules: Vec<String> = (1..=count)
            .map(|index| {
                let all = "[{addressPrefixType: IPPrefix, addressPrefix: \"*\"}]";
                format!("{{name: {name}{index}, properties: {{priority: {index}, direction: Inbound, access: Deny, protocol: Esp, sources: {all}, destinations: {all}}}}}")
            })
            .collect();
        format!(
            "- {{name: {name}, properties: {{virtualNetworks: [{{id: {vnet}}}], rules: [{}]}}}}\n",
            rules.join(", ")
        )
    };
    let document = |count: usize| {
        let (first, second) = (collection("a", "hub", 60), collection("b", "spoke", count));
        format!("{BASE}securityAdminRules:\n{first}{second}")
    };
    assert_eq!(mistakes(&document(40)), []);
    assert_eq!(mistakes(&document(41)), [(Code::LimitExceeded, "b41".to_owned())]);
}
