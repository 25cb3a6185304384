//! Names, references, virtual networks, subnets, peerings and route tables.

use super::{changed, expect, mistakes};
use crate::document::Code;

const GUID: &str = "00000000-0000-0000-0000-000000000001";

fn id(kind: &str, name: &str) -> String {
    format!(
        "/subscriptions/{GUID}/resourceGroups/vnetpeer/providers/Microsoft.Network/{kind}/{name}"
    )
}

#[test]
fn names() {
    for name in ["-hub", "hub-", "h b", "h/b", "\u{fc}ber"] {
        let changes = [
            ("- name: other", format!("- name: \"{name}\"")),
            ("id: other", format!("id: \"{name}\"")),
        ];
        let seen = mistakes(&changed(&changes.each_ref().map(|(from, to)| (*from, to.as_str()))));
        assert!(
            seen.contains(&(Code::InvalidResourceName, format!("\"{name}\""))),
            "{name}: {seen:?}"
        );
    }
    let long = "x".repeat(81);
    let longest = "x".repeat(80);
    expect(&[("- name: db", &format!("- name: {long}"))], &[(Code::InvalidResourceName, &long)]);
    expect(&[("- name: db", &format!("- name: {longest}"))], &[]);
    expect(&[("- name: db", "- name: 9.d-b_")], &[]);
    expect(&[("{name: base}", "{resourceGroup: a/b}")], &[(Code::InvalidResourceName, "a/b")]);
    expect(&[("{name: base}", "{subscription: mine}")], &[(Code::InvalidPropertyValue, "mine")]);
    expect(&[("{name: base}", "{location: \"West Europe\"}")], &[]);
    expect(&[("{name: base}", "{location: \"we!\"}")], &[(Code::InvalidPropertyValue, "\"we!\"")]);
}

#[test]
fn duplicate_resources() {
    // Names are case-insensitive.
    expect(&[("- name: db", "- name: WEB")], &[(Code::DuplicateResource, "WEB")]);
    expect(
        &[("- name: other", "- name: Spoke"), ("id: other", "id: spoke")],
        &[
            (Code::DuplicateResource, "Spoke"),
            (Code::AnotherPeeringAlreadyReferencesRemoteVnet, "spoke"),
        ],
    );
    expect(
        &[("hub/hub-to-other", "hub/hub-to-spoke")],
        &[(Code::DuplicateResource, "hub/hub-to-spoke")],
    );
}

#[test]
fn references_by_id() {
    let spoke = id("virtualNetworks", "SPOKE");
    expect(&[("{id: spoke}", &format!("{{id: {spoke}}}"))], &[]);
    let subnet = id("virtualNetworks", "spoke/subnets/app");
    expect(&[("{id: app}", &format!("{{id: {subnet}}}"))], &[]);
    let gone = id("virtualNetworks", "gone");
    expect(
        &[("{id: other}", &format!("{{id: {gone}}}"))],
        &[(Code::InvalidResourceReference, &gone)],
    );
    let table = id("routeTables", "to-nva");
    expect(&[("{id: other}", &format!("{{id: {table}}}"))], &[(Code::InvalidResourceId, &table)]);
    expect(&[("{id: other}", "{id: /x/y}")], &[(Code::InvalidResourceId, "/x/y")]);
}

#[test]
fn resources_by_id() {
    let other = id("virtualNetworks", "other");
    expect(&[("- name: other", &format!("- id: {other}"))], &[]);
    expect(
        &[("- name: other", &format!("- id: {other}\n    name: else"))],
        &[(Code::ConflictingProperties, "else")],
    );
    let peering = id("virtualNetworks", "hub/virtualNetworkPeerings/hub-to-other");
    expect(&[("- name: hub/hub-to-other", &format!("- id: {peering}"))], &[]);
    expect(
        &[("- name: hub/hub-to-other", &format!("- id: {other}"))],
        &[(Code::InvalidResourceId, &other)],
    );
}

#[test]
fn short_name_of_several_resources() {
    let group = "- name: spoke\n    resourceGroup: second";
    expect(
        &[("- name: other", group), ("{id: other}", "{id: spoke}"), ("10.2.0.0/16", "10.5.0.0/16")],
        &[
            (Code::AmbiguousResourceReference, "spoke"),
            (Code::AmbiguousResourceReference, "spoke/spoke-to-hub"),
            (Code::AmbiguousResourceReference, "spoke"),
            (Code::NextHopNotReachable, "10.1.1.4"),
        ],
    );
    expect(
        &[("name: db", "name: app")],
        &[(Code::AmbiguousResourceReference, "app"), (Code::NextHopNotReachable, "10.1.1.4")],
    );
}

#[test]
fn unknown_references() {
    expect(
        &[("routeTable: {id: to-nva}", "routeTable: {id: to-nvb}")],
        &[(Code::InvalidResourceReference, "to-nvb")],
    );
    expect(
        &[("hub/hub-to-other", "huh/hub-to-other")],
        &[(Code::ParentResourceNotFound, "huh/hub-to-other")],
    );
    expect(&[("hub/hub-to-other", "hub-to-other")], &[(Code::InvalidResourceName, "hub-to-other")]);
}

#[test]
fn address_prefixes() {
    expect(&[("10.2.0.0/16", "10.2.0.0")], &[(Code::InvalidAddressPrefixFormat, "10.2.0.0")]);
    expect(&[("10.2.0.0/16", "10.2.0.0/33")], &[(Code::InvalidAddressPrefixFormat, "10.2.0.0/33")]);
    expect(&[("10.2.0.0/16", "10.2.1.0/16")], &[(Code::InvalidCIDRNotation, "10.2.1.0/16")]);
    expect(&[("[10.2.0.0/16]", "[]")], &[(Code::MissingProperty, "[]")]);
    for forbidden in [
        "0.0.0.0/0",
        "224.1.0.0/16",
        "255.255.255.255/32",
        "127.0.0.0/16",
        "169.254.1.0/24",
        "168.63.0.0/16",
        "\"ff05::/16\"",
        "\"fe80::/64\"",
        "\"::/64\"",
    ] {
        let seen = mistakes(&changed(&[("10.2.0.0/16", forbidden)]));
        assert!(seen.contains(&(Code::AddressPrefixNotAllowed, forbidden.to_owned())), "{seen:?}");
    }
    expect(
        &[("10.2.0.0/16", "10.2.0.0/16, 10.2.128.0/17")],
        &[(Code::AddressPrefixesOverlap, "10.2.128.0/17")],
    );
}

#[test]
fn subnets() {
    expect(&[("10.0.2.0/29", "10.5.2.0/29")], &[(Code::NetcfgInvalidSubnet, "10.5.2.0/29")]);
    expect(
        &[("10.0.2.0/29", "10.0.1.64/29")],
        &[(Code::NetcfgSubnetRangesOverlap, "10.0.1.64/29")],
    );
    expect(&[("10.0.2.0/29", "10.0.2.0/30")], &[(Code::InvalidSubnetPrefixLength, "10.0.2.0/30")]);
    expect(
        &[
            ("fd00:10:0:1::/64", "fd00:10:0:1::/63"),
            ("fd00:10:0:1::/63", "fd00:10::/63"),
            ("fd00:10:0:1::4", "fd00:10:0::4"),
        ],
        &[(Code::InvalidSubnetPrefixLength, "\"fd00:10::/63\"")],
    );
    expect(
        &[(
            "{addressPrefix: 10.0.2.0/29}",
            "{addressPrefix: 10.0.2.0/29, addressPrefixes: [\"fd00:10:0:2::/64\"]}",
        )],
        &[(Code::ConflictingProperties, "10.0.2.0/29")],
    );
    expect(
        &[("{addressPrefix: 10.0.2.0/29}", "{addressPrefixes: [10.0.2.0/29, 10.0.3.0/29]}")],
        &[(Code::NotSupportedYet, "10.0.3.0/29")],
    );
    expect(
        &[("{addressPrefix: 10.0.2.0/29}", "{addressPrefixes: []}")],
        &[(Code::MissingProperty, "[]")],
    );
}

#[test]
fn unreadable_address_space_judges_no_subnet() {
    expect(&[("10.1.0.0/16", "10.1.0.1/16")], &[(Code::InvalidCIDRNotation, "10.1.0.1/16")]);
}

#[test]
fn peerings_inside_a_vnet() {
    let with = "- name: other\n    properties:\n      virtualNetworkPeerings: [{name: x}]";
    expect(&[("- name: other\n    properties:", with)], &[(Code::ReadOnlyProperty, "[{name: x}]")]);
    let empty = "- name: other\n    properties:\n      virtualNetworkPeerings: []";
    expect(&[("- name: other\n    properties:", empty)], &[]);
}

#[test]
fn peerings() {
    expect(&[("{id: other}", "{id: hub}")], &[(Code::VnetCannotPeerWithItself, "hub")]);
    expect(
        &[("{id: other}", "{id: spoke}")],
        &[(Code::AnotherPeeringAlreadyReferencesRemoteVnet, "spoke")],
    );
    expect(&[("10.2.0.0/16", "10.0.128.0/17")], &[(Code::VnetAddressSpacesOverlap, "other")]);
    expect(
        &[("10.2.0.0/16", "10.0.0.0/8")],
        &[
            (Code::VnetAddressSpacesOverlap, "other"),
            (Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet, "other"),
        ],
    );
    expect(
        &[("10.2.0.0/16", "10.1.128.0/17")],
        &[(Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet, "other")],
    );
}

#[test]
fn overlap_of_a_pair_is_one_mistake_for_both_directions() {
    expect(
        &[("[10.1.0.0/16]", "[10.1.0.0/16, 10.0.64.0/18]")],
        &[(Code::VnetAddressSpacesOverlap, "spoke")],
    );
}

#[test]
fn same_addresses_without_a_peering_are_legal() {
    let peering =
        "  - name: hub/hub-to-other\n    properties: {remoteVirtualNetwork: {id: other}}\n";
    expect(&[(peering, ""), ("10.2.0.0/16", "10.0.0.0/16")], &[]);
}

#[test]
fn routes() {
    let route =
        "{addressPrefix: 10.9.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.1.1.4}";
    expect(
        &[(", nextHopIpAddress: 10.1.1.4", "")],
        &[(Code::InvalidNextHopIpAddress, "VirtualAppliance")],
    );
    expect(&[("VirtualAppliance", "Internet")], &[(Code::InvalidNextHopIpAddress, "10.1.1.4")]);
    expect(&[("10.9.0.0/16", "\"fd00:9::/48\"")], &[(Code::InvalidNextHopIpAddress, "10.1.1.4")]);
    expect(&[("10.9.0.0/16", "10.9.1.0/16")], &[(Code::InvalidCIDRNotation, "10.9.1.0/16")]);
    let second = format!(
        "{route}\n        - name: two\n          properties: {{addressPrefix: 10.9.0.0/16, nextHopType: None}}"
    );
    expect(&[(route, &second)], &[(Code::RouteConflict, "10.9.0.0/16")]);
    let second = format!(
        "{route}\n        - name: ALL\n          properties: {{addressPrefix: 10.8.0.0/16, nextHopType: None}}"
    );
    expect(&[(route, &second)], &[(Code::DuplicateResource, "ALL")]);
}

#[test]
fn lost_next_hops_are_warnings() {
    expect(
        &[("nextHopIpAddress: 10.1.1.4", "nextHopIpAddress: 10.1.1.99")],
        &[(Code::NextHopNotReachable, "10.1.1.99")],
    );
    // The other direction of the peering is missing, so nothing passes.
    let back = "  - name: spoke/spoke-to-hub\n    properties: {remoteVirtualNetwork: {id: hub}}\n";
    expect(&[(back, "")], &[(Code::NextHopNotReachable, "10.1.1.4")]);
    expect(
        &[("enableIPForwarding: true", "enableIPForwarding: false")],
        &[(Code::NextHopDoesNotForward, "10.1.1.4")],
    );
    assert!(crate::document::load("x", &changed(&[(back, "")])).is_ok());
}

#[test]
fn regions_and_subscriptions_must_be_the_vnets() {
    expect(
        &[("- name: nva\n", "- name: nva\n    location: eastus\n")],
        &[(Code::InvalidResourceReference, "eastus")],
    );
    expect(&[("- name: nva\n", "- name: nva\n    location: \"West Europe\"\n")], &[]);
    expect(
        &[("- name: to-nva\n", "- name: to-nva\n    location: eastus\n")],
        &[(Code::InvalidResourceReference, "eastus")],
    );
    let other = "00000000-0000-0000-0000-000000000002";
    expect(
        &[("- name: nva\n", &format!("- name: nva\n    subscription: {other}\n"))],
        &[(Code::InvalidResourceReference, other)],
    );
}
