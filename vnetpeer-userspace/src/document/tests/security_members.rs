//! Application security groups and their members, attachments of groups, and limits.

use std::fmt::Write;

use super::{
    mistakes,
    security::{LIST, expect},
};
use crate::document::Code;

#[test]
fn references_to_groups() {
    let unknown = Code::InvalidResourceReference;
    expect(&[("{id: front}", "{id: frond}")], &[(unknown, "frond")]);
    expect(&[("{id: back}", "{id: none}")], &[(unknown, "none")]);
    expect(&[("[{id: web-asg}]}", "[{id: asg}]}")], &[(unknown, "asg")]);
    expect(
        &[(
            "destinationApplicationSecurityGroups: [{id: web-asg}]",
            "destinationApplicationSecurityGroups: [{id: asg}]",
        )],
        &[(unknown, "asg")],
    );
    let elsewhere = |name: &str| format!("- name: {name}\n    location: eastus");
    expect(&[("- name: back", &elsewhere("back"))], &[(unknown, "eastus")]);
    expect(&[("{name: web-asg,", "{name: web-asg, location: eastus,")], &[(unknown, "eastus")]);
    expect(
        &[("name: back", "name: FRONT"), ("{id: back}", "{id: front}")],
        &[(Code::DuplicateResource, "FRONT")],
    );
}

#[test]
fn members_are_in_one_network() {
    let nic = "{subnet: {id: app}}";
    let member = |group: &str| {
        format!("{{subnet: {{id: app}}, applicationSecurityGroups: [{{id: {group}}}]}}")
    };
    let several = Code::ApplicationSecurityGroupInSeveralVnets;
    expect(&[(nic, &member("db-asg"))], &[(several, "db-asg")]);
    expect(&[(nic, &member("idle-asg"))], &[]);
    let rule = |groups: &str| format!("sourceApplicationSecurityGroups: {groups}");
    let same = Code::AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet;
    let app = member("idle-asg");
    let from_app = ("sourceAddressPrefix: internet", &*rule("[{id: idle-asg}]"));
    expect(&[(nic, &app), from_app], &[(same, "web-asg")]);
    // A group without members is in no VNet yet.
    expect(&[from_app], &[]);
    let two = rule("[{id: idle-asg}, {id: db-asg}]");
    expect(&[(nic, &app), (LIST, &two)], &[(same, "db-asg")]);
}

#[test]
fn limits_of_groups() {
    let rule = |index: usize, sources: &str| {
        let (direction, priority) = if index.is_multiple_of(2) {
            ("Inbound", 100 + index)
        } else {
            ("Outbound", 99 + index)
        };
        format!(
            "    - {{name: r{index}, properties: {{protocol: \"*\", access: Deny, direction: {direction}, priority: {priority}, sourceAddressPrefixes: [{sources}], sourcePortRange: \"*\", destinationAddressPrefix: \"*\", destinationPortRange: \"*\"}}}}\n"
        )
    };
    let head = "networkSecurityGroups:\n- name: n\n  properties:\n    securityRules:\n";
    let many: String = (0..=1_000).map(|index| rule(index, "10.0.0.1")).collect();
    assert_eq!(mistakes(&format!("{head}{many}")), [(Code::LimitExceeded, "r1000".to_owned())]);
    let addresses = (0..2_000).fold(String::new(), |mut text, index| {
        write!(text, "10.0.{}.{},", index / 256, index % 256).unwrap();
        text
    });
    let full = format!("{head}{}{}", rule(0, &addresses), rule(1, &addresses));
    assert_eq!(mistakes(&full), []);
    let over = format!("{full}{}", rule(2, "10.0.0.1"));
    assert_eq!(mistakes(&over), [(Code::LimitExceeded, "r2".to_owned())]);
}

#[test]
fn limits_of_application_groups() {
    let names: Vec<String> = (0..=20).map(|index| format!("a{index}")).collect();
    let groups = names.iter().fold(String::new(), |mut text, name| {
        writeln!(text, "  - {{name: {name}, properties: {{}}}}").unwrap();
        text
    });
    let ids: Vec<String> = names.iter().map(|name| format!("{{id: {name}}}")).collect();
    let groups = format!("applicationSecurityGroups:\n{groups}");
    let member = format!("applicationSecurityGroups: [{}]", ids.join(", "));
    expect(
        &[
            ("applicationSecurityGroups:\n", &groups),
            ("applicationSecurityGroups: [{id: WEB-asg}, {id: db-asg}]", &member),
        ],
        &[(Code::LimitExceeded, "a20")],
    );
    let rule = format!("sourceApplicationSecurityGroups: [{}]", ids[..=10].join(", "));
    expect(
        &[
            ("applicationSecurityGroups:\n  - {name: web", &format!("{groups}  - {{name: web")),
            (LIST, &rule),
        ],
        &[(Code::LimitExceeded, "a10")],
    );
}
