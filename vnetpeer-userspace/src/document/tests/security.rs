//! Network security groups, their rules, and service tags.

use ipnet::IpNet;

use super::mistakes;
use crate::{
    document::{Code, load},
    topology::model::{
        Access, ApplicationSecurityGroupIndex, Direction, Endpoints, RuleProtocol,
        SecurityGroupIndex, SecurityRule, ServiceTag, Topology,
    },
};

/// A small document with every kind of security rule and without mistakes.
pub(super) const SECURED: &str = r#"
virtualNetworks:
  - name: hub
    properties:
      addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00:10::/48"]}
      flowTimeoutInMinutes: 10
      subnets:
        - name: web
          properties:
            addressPrefixes: [10.0.1.0/24, "fd00:10:0:1::/64"]
            networkSecurityGroup: {id: front}
  - name: spoke
    properties:
      addressSpace: {addressPrefixes: [10.1.0.0/16]}
      subnets: [{name: app, properties: {addressPrefix: 10.1.1.0/24}}]
networkInterfaces:
  - name: web1
    properties:
      disableTcpStateTracking: true
      ipConfigurations:
        - name: ipv4
          properties: {subnet: {id: web}, applicationSecurityGroups: [{id: web-asg}]}
        - name: ipv6
          properties:
            subnet: {id: web}
            privateIPAddressVersion: IPv6
            applicationSecurityGroups: [{id: WEB-asg}, {id: db-asg}]
  - name: app1
    properties:
      networkSecurityGroup: {id: back}
      ipConfigurations: [{name: ipv4, properties: {subnet: {id: app}}}]
applicationSecurityGroups:
  - {name: web-asg, properties: {}}
  - {name: db-asg, properties: {}}
  - {name: idle-asg, properties: {}}
serviceTags:
  - {name: Backup.West, addressPrefixes: [192.0.2.0/24, "2001:db8::/32"]}
networkSecurityGroups:
  - name: front
    properties:
      flushConnection: true
      securityRules:
        - name: https
          properties:
            description: What the world may see.
            protocol: Tcp
            access: Allow
            direction: Inbound
            priority: 100
            sourceAddressPrefix: internet
            sourcePortRange: "*"
            destinationApplicationSecurityGroups: [{id: web-asg}]
            destinationPortRanges: [80, "443", 8000-8999]
        - name: lists
          properties:
            protocol: "*"
            access: Deny
            direction: Outbound
            priority: 100
            sourceAddressPrefixes: [10.0.1.4, 10.0.2.0/24, "fd00:10:0:1::4"]
            sourcePortRange: 1024-65535
            destinationAddressPrefix: backup.WEST
            destinationPortRange: 0-65535
  - name: back
    properties:
      securityRules:
        - name: ping
          properties: {protocol: Icmp, access: Allow, direction: Inbound, priority: 4096, sourceAddressPrefix: "*", destinationAddressPrefixes: []}
hosts:
  - name: host-a
    underlay: {interface: eth0, addresses: [192.0.2.1]}
    networkInterfaces: [{name: web1}, {name: app1}]
"#;

/// The document with `from` replaced by `to`, each pair once.
pub(super) fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SECURED.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the document has no {from:?}");
        text.replacen(from, to, 1)
    })
}

/// Asserts that the changes cause exactly these problems, in the order of their places.
#[track_caller]
pub(super) fn expect(changes: &[(&str, &str)], expected: &[(Code, &str)]) {
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

/// The help of the only problem.
#[track_caller]
fn help(changes: &[(&str, &str)]) -> String {
    let problems = load("test.yaml", &changed(changes)).unwrap_err();
    let [problem] = &*problems.iter().collect::<Vec<_>>() else { panic!("{problems}") };
    problem.help.clone()
}

/// The rule `lists` after a change of its source.
#[track_caller]
fn source(text: &str) -> Endpoints {
    topology(&[(LIST, text)]).security_groups[0].rules[1].source.endpoints.clone()
}

/// What the rule `lists` has as its source.
pub(super) const LIST: &str = r#"sourceAddressPrefixes: [10.0.1.4, 10.0.2.0/24, "fd00:10:0:1::4"]"#;

fn prefixes(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn rules_of_a_group() {
    let topology = topology(&[]);
    let [front, back] = topology.security_groups.as_slice() else { panic!("two groups") };
    assert!(front.flush_connection && !back.flush_connection);
    assert!(front.id.as_str().ends_with("/Microsoft.Network/networkSecurityGroups/front"));
    let [https, lists] = front.rules.as_slice() else { panic!("two rules") };
    let heads = |rule: &SecurityRule| {
        (rule.name.clone(), rule.priority, rule.direction, rule.access, rule.protocol)
    };
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    assert_eq!(heads(https), ("https".into(), 100, inbound, Access::Allow, RuleProtocol::Tcp));
    assert_eq!(heads(lists), ("lists".into(), 100, outbound, Access::Deny, RuleProtocol::Any));
    assert_eq!(https.source.endpoints, Endpoints::Tag(ServiceTag::Internet));
    assert_eq!(https.source.ports, [0..=65_535]);
    let members = Endpoints::Groups(vec![ApplicationSecurityGroupIndex(0)]);
    assert_eq!(https.destination.endpoints, members);
    assert_eq!(https.destination.ports, [80..=80, 443..=443, 8_000..=8_999]);
    let sources = prefixes(&["10.0.1.4/32", "10.0.2.0/24", "fd00:10:0:1::4/128"]);
    assert_eq!(lists.source.endpoints, Endpoints::Prefixes(sources));
    assert_eq!(lists.source.ports, [1_024..=65_535]);
    let backup = ServiceTag::Prefixes {
        name: "Backup.West".to_owned(),
        prefixes: prefixes(&["192.0.2.0/24", "2001:db8::/32"]),
        platform: false,
    };
    assert_eq!(lists.destination.endpoints, Endpoints::Tag(backup));
    assert_eq!(lists.destination.ports, [0..=65_535]);
}

#[test]
fn attachments_and_members() {
    let topology = topology(&[]);
    assert_eq!(topology.vnets[0].flow_timeout_minutes, Some(10));
    assert_eq!(topology.vnets[1].flow_timeout_minutes, None);
    assert_eq!(topology.vnets[0].subnets[0].security_group, Some(SecurityGroupIndex(0)));
    assert_eq!(topology.vnets[1].subnets[0].security_group, None);
    let [web, app] = topology.nics.as_slice() else { panic!("two network interfaces") };
    assert_eq!((web.security_group, app.security_group), (None, Some(SecurityGroupIndex(1))));
    assert!(web.disable_tcp_state_tracking && !app.disable_tcp_state_tracking);
    let groups = [ApplicationSecurityGroupIndex(0), ApplicationSecurityGroupIndex(1)];
    assert_eq!(web.application_security_groups, groups);
    assert_eq!(app.application_security_groups, []);
    assert_eq!(topology.application_security_groups.len(), 3);
}

#[test]
fn an_empty_list_matches_nothing() {
    let nothing = Endpoints::Prefixes(Vec::new());
    let ping = &topology(&[]).security_groups[1].rules[0];
    assert_eq!(ping.source.endpoints, Endpoints::Any);
    assert_eq!(ping.destination.endpoints, nothing);
    assert_eq!(
        (&*ping.source.ports, &*ping.destination.ports),
        (&[0..=65_535][..], &[0..=65_535][..])
    );
    assert_eq!(source("sourceAddressPrefixes: []"), nothing);
    assert_eq!(source("sourceApplicationSecurityGroups: []"), nothing);
    // As Azure exports it: lists without elements add nothing to what is given.
    let exported = "sourceAddressPrefix: 0.0.0.0/0\n            sourceAddressPrefixes: []\n            sourcePortRanges: []\n            sourceApplicationSecurityGroups: []";
    assert_eq!(source(exported), Endpoints::Prefixes(prefixes(&["0.0.0.0/0"])));
}

#[test]
fn built_in_tags() {
    let tag = |name: &str| match source(&format!("sourceAddressPrefix: {name}")) {
        Endpoints::Tag(tag) => tag,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(tag("VirtualNetwork"), ServiceTag::VirtualNetwork);
    assert_eq!(tag("INTERNET"), ServiceTag::Internet);
    let fixed = [
        ("AzureLoadBalancer", &["168.63.129.16/32", "fe80::1234:5678:9abc/128"][..], false),
        ("AzurePlatformDNS", &["168.63.129.16/32"], true),
        ("AzurePlatformIMDS", &["169.254.169.254/32"], true),
        ("AzurePlatformLKM", &["20.118.99.224/32", "40.83.235.53/32", "23.102.135.246/32"], true),
    ];
    for (name, addresses, platform) in fixed {
        let (name, prefixes) = (name.to_owned(), prefixes(addresses));
        assert_eq!(tag(&name), ServiceTag::Prefixes { name, prefixes, platform });
    }
}

#[test]
fn tags_that_do_not_exist() {
    let with = |name| [("sourceAddressPrefix: internet", name)];
    let unknown = Code::SecurityRuleInvalidAddressPrefix;
    expect(&with("sourceAddressPrefix: Storage"), &[(unknown, "Storage")]);
    assert!(help(&with("sourceAddressPrefix: Storage")).contains("`serviceTags`"));
    let slip = help(&with("sourceAddressPrefix: Intrenet"));
    assert!(slip.contains("`Internet`") && slip.contains("`serviceTags`"), "{slip}");
    assert_eq!(help(&with("sourceAddressPrefix: Any")), "write \"*\" for any address");
}

#[test]
fn tags_of_the_document() {
    let name = "name: Backup.West";
    expect(
        &[(name, "name: internet"), ("backup.WEST", "\"*\"")],
        &[(Code::DuplicateResource, "internet")],
    );
    expect(&[(name, "name: 9x"), ("backup.WEST", "\"*\"")], &[(Code::InvalidResourceName, "9x")]);
    let second = "serviceTags:\n  - {name: BACKUP.west, addressPrefixes: []}";
    expect(&[("serviceTags:", second)], &[(Code::DuplicateResource, "Backup.West")]);
    expect(&[("192.0.2.0/24, ", "192.0.2.1/24, ")], &[(Code::InvalidCIDRNotation, "192.0.2.1/24")]);
    // What refers to a tag without a name cannot be judged.
    expect(
        &[("{name: Backup.West, addr", "{addr")],
        &[(Code::MissingProperty, "{addressPrefixes: [192.0.2.0/24, \"2001:db8::/32\"]}")],
    );
}

#[test]
fn addresses_of_a_rule() {
    let wrong = Code::SecurityRuleInvalidAddressPrefix;
    for text in ["10.0.0.1/8", "10.0.0.300", "10.0.0.0/33", "-x", "\"10.0.0.0/8,10.1.0.0/16\""] {
        let with = format!("sourceAddressPrefix: {text}");
        expect(&[("sourceAddressPrefix: internet", &with)], &[(wrong, text)]);
        let with = format!("sourceAddressPrefixes: [{text}]");
        expect(&[(LIST, &with)], &[(wrong, text)]);
    }
    let refused = Code::SecurityRuleParameterContainsUnsupportedValue;
    for text in ["Internet", "\"*\""] {
        let alone = format!("sourceAddressPrefixes: [{text}]");
        expect(&[(LIST, &alone)], &[(refused, text)]);
        let beside = format!("sourceAddressPrefixes: [10.0.0.0/8, {text}]");
        expect(&[(LIST, &beside)], &[(refused, text)]);
    }
    expect(
        &[(LIST, "sourceAddressPrefixes: [Internet, VirtualNetwork]")],
        &[(refused, "Internet"), (refused, "VirtualNetwork")],
    );
    let alone = help(&[(LIST, "sourceAddressPrefixes: [Internet]")]);
    assert_eq!(alone, "write `sourceAddressPrefix: \"Internet\"` instead of the list");
}

#[test]
fn two_ways_to_say_one_thing() {
    let both = format!("{LIST}\n            sourceAddressPrefix: \"*\"");
    let list = LIST.strip_prefix("sourceAddressPrefixes: ").unwrap();
    expect(&[(LIST, &both)], &[(Code::ConflictingProperties, list)]);
    let both =
        "sourceAddressPrefix: \"*\"\n            sourceApplicationSecurityGroups: [{id: web-asg}]";
    expect(&[(LIST, both)], &[(Code::ConflictingProperties, "[{id: web-asg}]")]);
    let both = format!("{LIST}\n            sourceApplicationSecurityGroups: [{{id: web-asg}}]");
    expect(&[(LIST, &both)], &[(Code::ConflictingProperties, "[{id: web-asg}]")]);
    let ports = "sourcePortRange: 1024-65535";
    let both = format!("{ports}\n            sourcePortRanges: [80]");
    expect(&[(ports, &both)], &[(Code::ConflictingProperties, "1024-65535")]);
}

#[test]
fn properties_that_a_rule_needs() {
    let properties = "{protocol: Tcp, access: Allow, direction: Inbound, priority: 100}";
    let group = format!(
        "networkSecurityGroups: [{{name: x, properties: {{securityRules: [{{name: r, properties: {properties}}}]}}}}]"
    );
    let seen: Vec<String> = match load("x", &group) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|one| one.message.clone()).collect(),
    };
    let missing = [
        "sourceAddressPrefix",
        "destinationAddressPrefix",
        "sourcePortRange",
        "destinationPortRange",
    ];
    assert_eq!(seen, missing.map(|name| format!("property `{name}` is missing")));
    // A slip of the pen is one mistake.
    expect(
        &[("sourcePortRange: \"*\"", "sourcePortrange: \"*\"")],
        &[(Code::UnknownProperty, "sourcePortrange")],
    );
    expect(
        &[("sourceAddressPrefix: internet", "sourceAdressPrefix: internet")],
        &[(Code::UnknownProperty, "sourceAdressPrefix")],
    );
    expect(
        &[("access: Deny", "access: AlwaysAllow")],
        &[(Code::InvalidPropertyValue, "AlwaysAllow")],
    );
    expect(&[("protocol: Tcp", "protocol: TCP")], &[(Code::InvalidPropertyValue, "TCP")]);
    expect(&[("direction: Outbound", "direction: Out")], &[(Code::InvalidPropertyValue, "Out")]);
    expect(
        &[("flushConnection: true", "flushConnection: true\n      defaultSecurityRules: [{}]")],
        &[(Code::ReadOnlyProperty, "defaultSecurityRules")],
    );
}

#[test]
fn ports() {
    let ranges = "[80, \"443\", 8000-8999]";
    let wrong = Code::SecurityRuleInvalidPortRange;
    for text in ["65536", "-1", "1.5", "\"80,443\"", "90-80", "\"+80\"", "80-", "http", "1-2-3"] {
        expect(&[(ranges, &format!("[{text}]"))], &[(wrong, text)]);
    }
    expect(&[(ranges, "[[80]]")], &[(Code::InvalidPropertyType, "[80]")]);
    expect(&[(ranges, "[]")], &[(Code::MissingProperty, "[]")]);
    let any = Code::SecurityRuleParameterContainsInvalidPortRanges;
    expect(&[(ranges, "[80, \"*\"]")], &[(any, "\"*\"")]);
    expect(&[(ranges, "[\"*\"]")], &[(any, "\"*\"")]);
}

#[test]
fn protocols_without_ports() {
    for protocol in ["Icmp", "Esp", "Ah"] {
        let with = |ports: &str| format!("{{protocol: {protocol}, {ports}access");
        let changes = |ports: &str| changed(&[("{protocol: Icmp, access", &with(ports))]);
        assert_eq!(mistakes(&changes("")), []);
        assert_eq!(mistakes(&changes("sourcePortRange: \"*\", ")), []);
        assert_eq!(mistakes(&changes("destinationPortRanges: [0-65535], ")), []);
        let conflict = (Code::ConflictingProperties, "7".to_owned());
        assert_eq!(mistakes(&changes("destinationPortRange: 7, ")), [conflict]);
    }
}

#[test]
fn priorities_and_names() {
    let invalid = Code::SecurityRuleInvalidPriority;
    for priority in ["99", "4097", "-1", "100.5", "99999999999999999999"] {
        let with = format!("priority: {priority}");
        expect(&[("priority: 4096", &with)], &[(invalid, priority)]);
    }
    expect(&[("priority: 4096", "priority: \"x\"")], &[(Code::InvalidPropertyType, "\"x\"")]);
    expect(
        &[("direction: Outbound", "direction: Inbound")],
        &[(Code::SecurityRuleConflict, "100")],
    );
    expect(&[("name: lists", "name: HTTPS")], &[(Code::DuplicateResource, "HTTPS")]);
    expect(&[("name: lists", "name: -x")], &[(Code::InvalidResourceName, "-x")]);
    let long = "x".repeat(141);
    expect(&[("What the world may see.", &long)], &[(Code::InvalidPropertyValue, &long)]);
    expect(&[("What the world may see.", &long[1..])], &[]);
    for minutes in ["3", "31"] {
        let with = format!("InMinutes: {minutes}");
        expect(&[("InMinutes: 10", &with)], &[(Code::InvalidPropertyValue, minutes)]);
    }
}
