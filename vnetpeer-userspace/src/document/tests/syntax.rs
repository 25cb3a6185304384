//! Syntax, names and types of properties, and what is refused because nothing acts on it yet.

use std::fmt::Write;

use super::{changed, expect, mistakes};
use crate::document::{Code, Style, load};

#[test]
fn base_has_no_mistakes() {
    expect(&[], &[]);
}

#[test]
fn syntax_error_has_its_place() {
    let problems = load("x.yaml", "hosts:\n  - name: [a, b\nvirtualNetworks: 3\n").unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.code, problem.line), (Code::InvalidSyntax, 3));
}

#[test]
fn several_documents_in_one_file_are_refused() {
    let problems = load("x.yaml", "hosts: []\n---\nhosts: []\n").unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.code, problem.line), (Code::InvalidSyntax, 3));
    assert_eq!(problem.message, "more than one YAML document");
}

#[test]
fn whole_document_must_be_an_object() {
    assert_eq!(mistakes("[1, 2]"), [(Code::InvalidPropertyType, "[1, 2]".to_owned())]);
    assert_eq!(mistakes(""), [(Code::InvalidPropertyType, String::new())]);
    assert_eq!(mistakes("hosts"), [(Code::InvalidPropertyType, "hosts".to_owned())]);
}

#[test]
fn unknown_property_is_an_error_with_a_suggestion() {
    // It is one mistake, although a required property is missing now.
    expect(&[("addressSpace", "adressSpace")], &[(Code::UnknownProperty, "adressSpace")]);
    let problems =
        load("x", &changed(&[("enableIPForwarding", "enableIpForwarding")])).unwrap_err();
    assert_eq!(problems.iter().next().unwrap().help, "did you mean `enableIPForwarding`?");
}

#[test]
fn property_twice() {
    expect(&[("{name: base}", "{name: base, name: base2}")], &[(Code::DuplicateProperty, "name")]);
}

#[test]
fn merge_key_is_no_property() {
    expect(&[("{name: base}", "{name: base, <<: {wire: true}}")], &[(Code::UnknownProperty, "<<")]);
}

#[test]
fn wrong_types() {
    expect(
        &[("{name: base}", "{name: 7, wire: 1, autoSync: [], location: {}}")],
        &[
            (Code::InvalidPropertyType, "7"),
            (Code::InvalidPropertyType, "1"),
            (Code::InvalidPropertyType, "[]"),
            (Code::InvalidPropertyType, "{}"),
        ],
    );
    expect(&[("{name: base}", "base")], &[(Code::InvalidPropertyType, "base")]);
    expect(&[("{name: base}", "{1: base}")], &[(Code::InvalidPropertyType, "1")]);
}

#[test]
fn missing_properties() {
    expect(
        &[("subnet: {id: app}, ", "")],
        &[
            (Code::MissingProperty, "{privateIPAddress: 10.1.1.4}"),
            (Code::NextHopNotReachable, "10.1.1.4"),
        ],
    );
    expect(
        &[("{remoteVirtualNetwork: {id: spoke}}", "{remoteVirtualNetwork: {}}")],
        &[(Code::MissingProperty, "{}"), (Code::NextHopNotReachable, "10.1.1.4")],
    );
    expect(
        &[("{addressPrefix: 10.0.2.0/29}", "{addressPrefixes: null}")],
        &[(Code::MissingProperty, "addressPrefixes")],
    );
}

#[test]
fn resource_without_a_name_is_one_mistake() {
    // What refers to it may be right: that cannot be known.
    expect(
        &[("- name: other\n    properties", "- properties")],
        &[(Code::MissingProperty, "properties:")],
    );
}

#[test]
fn read_only_properties_are_refused() {
    expect(
        &[(
            "{remoteVirtualNetwork: {id: spoke}}",
            "{remoteVirtualNetwork: {id: spoke}, peeringState: Connected}",
        )],
        &[(Code::ReadOnlyProperty, "peeringState")],
    );
}

#[test]
fn properties_that_are_not_supported_yet() {
    let subnet = "{addressPrefix: 10.1.1.0/24}";
    let with = "{addressPrefix: 10.1.1.0/24, natGateway: {id: x}, serviceEndpoints: [{}]}";
    expect(
        &[(subnet, with)],
        &[(Code::NotSupportedYet, "natGateway"), (Code::NotSupportedYet, "serviceEndpoints")],
    );
    // Without default outbound access less would pass than without the property.
    let private = "{addressPrefix: 10.1.1.0/24, defaultOutboundAccess: false}";
    expect(&[(subnet, private)], &[(Code::NotSupportedYet, "defaultOutboundAccess")]);
    let nic = "enableIPForwarding: true";
    let with = "enableIPForwarding: true\n      privateLinkService: {id: x}";
    expect(&[(nic, with)], &[(Code::NotSupportedYet, "privateLinkService")]);
    // Stated as unused, it changes nothing.
    let unused = "{addressPrefix: 10.1.1.0/24, natGateway: null, serviceEndpoints: []}";
    expect(&[(subnet, unused)], &[]);
}

#[test]
fn next_hop_types_are_spelt_as_azures() {
    let route = "nextHopType: VirtualAppliance, nextHopIpAddress: 10.1.1.4";
    expect(&[(route, "nextHopType: Vnetlocal")], &[(Code::InvalidPropertyValue, "Vnetlocal")]);
}

#[test]
fn aliases_bombs_and_deep_nesting_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let deep_block = (0..3_000).map(|level| " ".repeat(level)).collect::<Vec<_>>().join("a:\n");
    let deep_flow = "[".repeat(100_000);
    let deep_json = "{\"a\":".repeat(100_000);
    for text in [bomb, deep_block, deep_flow, deep_json] {
        let seen = mistakes(&text);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, Code::InvalidSyntax);
    }
}

#[test]
fn aliases_may_be_used_with_measure() {
    let to_other = "{remoteVirtualNetwork: {id: other}}";
    expect(
        &[("{remoteVirtualNetwork: {id: spoke}}", "&p {remoteVirtualNetwork: {id: spoke}}")],
        &[],
    );
    expect(
        &[
            ("{remoteVirtualNetwork: {id: spoke}}", "&p {remoteVirtualNetwork: {id: spoke}}"),
            (to_other, "*p"),
        ],
        &[(Code::AnotherPeeringAlreadyReferencesRemoteVnet, "*p")],
    );
}

#[test]
fn places_count_characters() {
    let text = "# héllo\ndeployment: {resourceGroup: \"ü\", wir: true}\n";
    let problems = load("x.yaml", text).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!((problem.line, problem.column, problem.text.as_str()), (2, 34, "wir"));
}

#[test]
fn byte_order_mark_is_skipped() {
    let text = format!("\u{feff}{}", super::BASE);
    assert_eq!(mistakes(&text), []);
}

#[test]
fn very_long_line_is_not_drawn_whole() {
    let padding = " ".repeat(100_000);
    let text =
        format!("{{\"deployment\": {{\"name\": \"x\",{padding}\"wir\": true}}, \"hosts\": []}}");
    let problems = load("x.json", &text).unwrap_err();
    let problem = problems.iter().next().unwrap();
    let drawn = problems.render(Style::Plain);
    assert!(drawn.len() < 1_000, "{} bytes", drawn.len());
    assert!(drawn.contains(&format!("[x.json:1:{}]", problem.column)), "{drawn}");
    assert!(drawn.contains("\"wir\": true"), "{drawn}");
}

#[test]
fn both_styles_say_everything() {
    let text = changed(&[("10.0.2.0/29", "10.0.2.0/30"), ("10.2.0.0/16", "10.2.0.1/16")]);
    let problems = load("x.yaml", &text).unwrap_err();
    for style in [Style::Fancy, Style::Plain] {
        let drawn = problems.render(style);
        for problem in &problems {
            assert!(drawn.contains(&problem.code.to_string()), "{drawn}");
        }
        assert!(drawn.contains("x.yaml: 2 errors"), "{drawn}");
    }
    assert!(problems.render(Style::Plain).is_ascii());
    assert!(problems.render(Style::Fancy).contains('\u{1b}'));
}
