//! Peerings: subnets, classic VNets, VNets that are gone.

use std::fmt::Write;

use super::{changed, expect, loaded, mistakes};
use crate::{
    document::Code,
    topology::{
        model::PeeringScope,
        state::{State, advance},
    },
};

const HUB: &str = "properties: {remoteVirtualNetwork: {id: spoke}}";
const SPOKE: &str = "properties: {remoteVirtualNetwork: {id: hub}}";

fn hub(more: &str) -> String {
    format!("properties: {{remoteVirtualNetwork: {{id: spoke}}, {more}}}")
}

fn spoke(more: &str) -> String {
    format!("properties: {{remoteVirtualNetwork: {{id: hub}}, {more}}}")
}

/// Expects problems after both sides got more properties.
#[track_caller]
fn sides(one: &str, other: &str, expected: &[(Code, &str)]) {
    expect(&[(HUB, &hub(one)), (SPOKE, &spoke(other))], expected);
}

const WEB_APP: &str = "peerCompleteVnets: false, localSubnetNames: [web], remoteSubnetNames: [app]";
const APP_WEB: &str = "peerCompleteVnets: false, localSubnetNames: [APP], remoteSubnetNames: [Web]";

#[test]
fn subnet_peering_is_read() {
    let topology = loaded(&[(HUB, &hub(WEB_APP)), (SPOKE, &spoke(APP_WEB))]).topology;
    let names = |name: &str| vec![name.to_owned()];
    let expected = PeeringScope::Subnets { local: names("web"), remote: names("app") };
    assert_eq!(topology.peerings[0].scope, expected);
    let space: Vec<String> =
        topology.local_space(&topology.peerings[0]).iter().map(ToString::to_string).collect();
    assert_eq!(space, ["10.0.1.0/24", "fd00:10:0:1::/64"]);
    let state = advance(&State::default(), &topology).unwrap();
    let record = state.peering(&topology.peerings[0].id).unwrap();
    assert_eq!(record.remote_address_space, ["10.1.1.0/24".parse().unwrap()]);
}

#[test]
fn both_sides_must_mirror_each_other() {
    sides(WEB_APP, APP_WEB, &[]);
    sides(
        WEB_APP,
        "enableOnlyIPv6Peering: false",
        &[(Code::PeeringSidesDiffer, "spoke/spoke-to-hub")],
    );
    let other = APP_WEB.replace("Web", "db");
    sides(WEB_APP, &other, &[(Code::PeeringSidesDiffer, "false")]);
    sides(
        "enableOnlyIPv6Peering: true",
        "enableOnlyIPv6Peering: false",
        &[(Code::PeeringSidesDiffer, "spoke/spoke-to-hub")],
    );
}

#[test]
fn names_of_subnets() {
    sides(
        "peerCompleteVnets: false, localSubnetNames: [web]",
        APP_WEB,
        &[(Code::MissingProperty, "false"), (Code::PeeringSidesDiffer, "false")],
    );
    sides(
        "localSubnetNames: [web]",
        "remoteSubnetNames: []",
        &[(Code::ConflictingProperties, "[web]")],
    );
    sides(
        &WEB_APP.replace("[web]", "[wev]"),
        &APP_WEB.replace("[Web]", "[wev]"),
        &[(Code::InvalidResourceReference, "wev"), (Code::InvalidResourceReference, "wev")],
    );
    sides(&WEB_APP.replace("[web]", "[web, WEB]"), APP_WEB, &[(Code::DuplicateResource, "WEB")]);
}

#[test]
fn a_subnet_peering_takes_no_forwarded_traffic() {
    sides(
        &format!("{WEB_APP}, allowForwardedTraffic: true"),
        APP_WEB,
        &[(Code::ForwardedTrafficNotTaken, "true")],
    );
}

#[test]
fn subnets_per_side() {
    let subnets = |count: usize, start: usize| -> (String, String) {
        let mut all = String::new();
        for index in 0..count {
            let (high, low) = (start + index / 32, index % 32 * 8);
            write!(
                all,
                "{{name: s{index}, properties: {{addressPrefix: 10.0.{high}.{low}/29}}}}, "
            )
            .unwrap();
        }
        (all, (0..count).map(|index| format!("s{index}")).collect::<Vec<_>>().join(", "))
    };
    for (count, expected) in [(200, 0), (201, 2)] {
        let ((own, names), (other, _)) = (subnets(count, 0), subnets(count, 128));
        let vnet = |name: &str, space: &str, subnets: &str| {
            format!(
                "- {{name: {name}, properties: {{addressSpace: {{addressPrefixes: [{space}]}}, \
                 subnets: [{subnets}]}}}}\n"
            )
        };
        let side = |own: &str, other: &str, names: &str, one: &str| {
            format!(
                "- {{name: {own}/p, properties: {{remoteVirtualNetwork: {{id: {other}}}, \
                 peerCompleteVnets: false, localSubnetNames: [{names}], remoteSubnetNames: [{one}]}}}}\n"
            )
        };
        let text = format!(
            "virtualNetworks:\n{}{}virtualNetworkPeerings:\n{}{}",
            vnet("a", "10.0.0.0/17", &own),
            vnet("b", "10.0.128.0/17", &other),
            side("a", "b", &names, "s0"),
            side("b", "a", "s0", &names),
        );
        let seen = mistakes(&text);
        let all = seen.iter().all(|(code, text)| *code == Code::LimitExceeded && text == "s200");
        assert!(all && seen.len() == expected, "{seen:?}");
    }
}

/// Two VNets that share 10.9.0.0/16 besides a space of their own.
fn sharing(names: (&str, &str), both: &str) -> String {
    let vnet = |name: &str, own: &str| {
        format!(
            "- name: {name}\n  properties:\n    addressSpace: {{addressPrefixes: [10.9.0.0/16, {own}.0.0/16]}}\n    \
             subnets:\n    - {{name: same, properties: {{addressPrefix: 10.9.{}.0/24}}}}\n    \
             - {{name: own, properties: {{addressPrefixes: [{own}.0.0/24, \"fd00:{name}::/64\"]}}}}\n",
            &own[3..]
        )
        .replace(&format!("{own}.0.0/16]"), &format!("{own}.0.0/16, \"fd00:{name}::/48\"]"))
    };
    let side = |own: &str, other: &str, local: &str, remote: &str| {
        format!(
            "- {{name: {own}/p, properties: {{remoteVirtualNetwork: {{id: {other}}}, peerCompleteVnets: \
             false, localSubnetNames: [{local}], remoteSubnetNames: [{remote}]{both}}}}}\n"
        )
    };
    format!(
        "virtualNetworks:\n{}{}virtualNetworkPeerings:\n{}{}",
        vnet("a", "10.1"),
        vnet("b", "10.2"),
        side("a", "b", names.0, names.1),
        side("b", "a", names.1, names.0),
    )
}

#[test]
fn only_address_spaces_that_hold_named_subnets_must_be_apart() {
    assert_eq!(mistakes(&sharing(("own", "own"), "")), []);
    // The space of subnet `same` exists in the other VNet, be it peered there or not.
    let overlap = [(Code::VnetAddressSpacesOverlap, "b".to_owned())];
    assert_eq!(mistakes(&sharing(("own, same", "own"), "")), overlap);
    assert_eq!(mistakes(&sharing(("own", "same"), "")), overlap);
    assert_eq!(mistakes(&sharing(("own, same", "own"), ", enableOnlyIPv6Peering: true")), []);
}

#[test]
fn a_third_vnet_may_have_what_is_not_peered() {
    let third =
        "virtualNetworks:\n- name: c\n  properties: {addressSpace: {addressPrefixes: [SPACE]}}\n";
    let with = |space: &str| {
        let text = sharing(("own", "own"), "");
        let peering = "- {name: a/c, properties: {remoteVirtualNetwork: {id: c}}}\n";
        text.replace("virtualNetworks:\n", &third.replace("SPACE", space)) + peering
    };
    assert_eq!(mistakes(&with("10.2.5.0/24")).len(), 1, "in the space of a named subnet");
    assert_eq!(mistakes(&with("10.3.0.0/16")), []);
}

#[test]
fn a_classic_vnet_is_peered_from_the_other_side() {
    let model = "- name: other\n    properties:\n      deploymentModel: Classic";
    let classic = ("- name: other\n    properties:", model);
    let topology = loaded(&[classic]).topology;
    assert_eq!((topology.peerings.len(), topology.written_peerings().count()), (4, 3));
    let (hub, other) = (&topology.peerings[2], &topology.peerings[3]);
    assert!(topology.is_implicit(other) && !topology.is_implicit(hub));
    assert_eq!((hub.reverse.map(|it| it.0), other.reverse.map(|it| it.0)), (Some(3), Some(2)));
    let owned = "- name: other/back\n    properties: {remoteVirtualNetwork: {id: hub}}";
    let back = format!("{owned}\n  - name: hub/hub-to-other");
    expect(
        &[classic, ("- name: hub/hub-to-other", &back)],
        &[(Code::ClassicVnetCannotOwnPeering, "other/back")],
    );
    expect(
        &[
            (
                "{id: other}",
                "{id: other}, peerCompleteVnets: false, localSubnetNames: [web], remoteSubnetNames: [x]",
            ),
            classic,
        ],
        &[(Code::ConflictingProperties, "false"), (Code::InvalidResourceReference, "x")],
    );
    expect(
        &[("- name: other\n    properties:", &model.replace("Classic", "classic"))],
        &[(Code::InvalidPropertyValue, "classic")],
    );
}

#[test]
fn two_vnets_of_one_classic_vnet_must_not_overlap() {
    let text = changed(&[(
        "- name: other\n    properties:",
        "- name: other\n    properties:\n      deploymentModel: Classic",
    )]);
    let late = "virtualNetworks:\n  - name: late\n    properties: {addressSpace: {addressPrefixes: [10.0.4.0/24]}}";
    let text = text.replacen("virtualNetworks:", late, 1).replacen(
        "virtualNetworkPeerings:",
        "virtualNetworkPeerings:\n  - name: late/p\n    properties: {remoteVirtualNetwork: {id: other}}",
        1,
    );
    let seen = mistakes(&text);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].0, Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet);
}

#[test]
fn a_peering_may_stay_when_its_remote_vnet_is_gone() {
    let gone = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer/providers/\
                Microsoft.Network/virtualNetworks/gone";
    let topology = loaded(&[("{id: other}", &format!("{{id: {gone}}}"))]).topology;
    assert_eq!(topology.peerings.len(), 2);
    assert_eq!(topology.orphans[0].properties.remote_virtual_network.as_str(), gone);
    let error = advance(&State::default(), &topology).unwrap_err();
    assert_eq!(error.code(), Some("InvalidResourceReference"));
}
