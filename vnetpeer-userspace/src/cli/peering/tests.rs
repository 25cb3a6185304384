//! What commands make of a document and its peerings.

use clap::Parser as _;

use super::{Command, change, full_name, network};
use crate::{
    agent::api::DeploymentView,
    cli::{Cli, Command as Main, draft::Change},
    document,
    topology::{
        facts::NetworkFacts,
        model::ResourceId,
        network::Network,
        state::{State, advance},
    },
};

/// An object by name, one by id, one with its own subscription, and VNets without a peering.
const DOCUMENT: &str = r#"
deployment: {name: test, autoSync: false}
virtualNetworks:
  - {name: hub, properties: {addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00::/48"]}, subnets: [{name: a, properties: {addressPrefix: 10.0.1.0/24}}]}}
  - {name: one, properties: {addressSpace: {addressPrefixes: [10.1.0.0/16]}}}
  - {name: two, subscription: 00000000-0000-0000-0000-000000000002, properties: {addressSpace: {addressPrefixes: [10.2.0.0/16]}}}
  - {name: three, properties: {addressSpace: {addressPrefixes: [10.3.0.0/16]}, subnets: [{name: b, properties: {addressPrefix: 10.3.1.0/24}}]}}
  - {name: twin, properties: {addressSpace: {addressPrefixes: [10.3.0.0/16]}}}
virtualNetworkPeerings:  # a comment
  - {name: hub/to-one, properties: {remoteVirtualNetwork: {id: one}, allowForwardedTraffic: true}}
  - {name: one/to-hub, properties: {remoteVirtualNetwork: {id: hub}}}
  - {name: two/to-hub, subscription: 00000000-0000-0000-0000-000000000002, properties: {remoteVirtualNetwork: {id: hub}}}
  - {id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer/providers/Microsoft.Network/virtualNetworks/hub/virtualNetworkPeerings/to-two, properties: {remoteVirtualNetwork: {id: two}}}
"#;

fn view() -> DeploymentView {
    let topology = document::load("a", DOCUMENT).unwrap().topology;
    view_of(DOCUMENT.to_owned(), advance(&State::default(), &topology).unwrap())
}

fn view_of(document: String, state: State) -> DeploymentView {
    let (host, source) = ("a".to_owned(), "a".to_owned());
    DeploymentView { host, serial: 1, source, document, state, facts: NetworkFacts::default() }
}

fn command(line: &str) -> Command {
    let words = format!("vnetpeer peering {line}");
    match Cli::try_parse_from(words.split_whitespace()).unwrap().command {
        Main::Peering(command) => command,
        other => panic!("{other:?}"),
    }
}

/// What a command makes of what is in force.
fn run(line: &str, view: DeploymentView) -> anyhow::Result<(Vec<String>, Change)> {
    let (ids, change) = change(&command(line), view)?;
    Ok((ids.iter().map(full_name).collect(), change))
}

/// What follows the commands, one after the other.
fn after(lines: &[&str]) -> DeploymentView {
    lines.iter().fold(view(), |view, line| {
        let change = run(line, view).unwrap().1;
        view_of(change.proposal.document, change.state)
    })
}

/// `name state level`, and flags that are not at their default, of all objects.
fn objects(view: &DeploymentView) -> Vec<String> {
    let topology = document::load("a", &view.document).unwrap().topology;
    let network = Network::new(&topology, &view.state).unwrap();
    let text =
        |it: &serde_json::Value, key: &str| it["properties"][key].as_str().map(str::to_owned);
    let object = |it: &serde_json::Value| {
        let mut words = vec![it["name"].as_str().unwrap().to_owned()];
        words.extend(text(it, "peeringState"));
        words.extend(text(it, "peeringSyncLevel"));
        for flag in ["allowForwardedTraffic", "allowGatewayTransit", "useRemoteGateways"] {
            words.extend((it["properties"][flag] == true).then(|| flag.to_owned()));
        }
        words.join(" ")
    };
    let mut all: Vec<String> =
        network::resources(network::Kind::Peering, &network).iter().map(object).collect();
    all.sort();
    all
}

#[test]
fn commands_change_their_objects_and_no_others() {
    let before = [
        "hub/to-one Connected FullyInSync allowForwardedTraffic",
        "hub/to-two Connected FullyInSync",
        "one/to-hub Connected FullyInSync",
        "two/to-hub Connected FullyInSync",
    ];
    assert_eq!(objects(&view()), before);
    for (line, place, expected) in [
        ("update hub/to-one", 0, before[0]),
        (
            "update HUB/To-One --allow-forwarded-traffic false",
            0,
            "hub/to-one Connected FullyInSync",
        ),
        ("create hub/to-one --remote-vnet one", 0, "hub/to-one Connected FullyInSync"),
        (
            "update two/to-hub --allow-forwarded-traffic",
            3,
            "two/to-hub Connected FullyInSync allowForwardedTraffic",
        ),
        (
            "update hub/to-two --allow-gateway-transit true",
            1,
            "hub/to-two Connected FullyInSync allowGatewayTransit",
        ),
        ("sync hub/to-two --both", 1, before[1]),
    ] {
        let mut all = before.map(str::to_owned);
        all[place] = expected.to_owned();
        assert_eq!(objects(&after(&[line])), all, "{line}");
    }
}

#[test]
fn both_sides_come_and_go_together() {
    let all =
        objects(&after(&["create three/mine --remote-vnet hub --both --allow-forwarded-traffic"]));
    assert!(
        all.contains(&"three/mine Connected FullyInSync allowForwardedTraffic".to_owned()),
        "{all:?}"
    );
    let other = "hub/hub-to-three Connected FullyInSync allowForwardedTraffic";
    assert!(all.contains(&other.to_owned()), "{all:?}");
    let all = objects(&after(&["delete hub/to-two --both"]));
    assert_eq!(all.len(), 2, "{all:?}");
    let all = objects(&after(&["delete hub/to-two"]));
    assert_eq!(all[2], "two/to-hub Disconnected RemoteNotInSync", "{all:?}");
    let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer";
    let hub = format!("{group}/providers/Microsoft.Network/virtualNetworks/hub");
    let (ids, _) = run(&format!("delete {hub}/virtualNetworkPeerings/to-one"), view()).unwrap();
    assert_eq!(ids, ["hub/to-one"], "by its ARM id");
    let (ids, _) = run("delete hub/never-was", view()).unwrap();
    assert_eq!(ids, [""; 0], "what is not there has been deleted");
}

#[test]
fn subnets_are_named_the_other_way_round_on_the_other_side() {
    let flags = "--peer-complete-vnets false --local-subnet-names a --remote-subnet-names b";
    let view = after(&[&format!("create hub/part --remote-vnet three --both {flags}")]);
    let topology = document::load("a", &view.document).unwrap().topology;
    let copies: Vec<String> = topology
        .peerings
        .iter()
        .filter(|it| !it.scope.is_complete())
        .map(|it| format!("{:?}", view.state.peering(&it.id).unwrap().remote_address_space))
        .collect();
    assert_eq!(copies, ["[10.0.1.0/24]", "[10.3.1.0/24]"]);
}

#[test]
fn a_gateway_is_offered_by_the_other_side_and_used_by_this_one() {
    let mirrored = |line: &str| match command(line) {
        Command::Create { flags, .. } => flags.mirrored().properties(&ResourceId::new("/other")),
        other => panic!("{other:?}"),
    };
    let other = mirrored("create hub/a --remote-vnet one --use-remote-gateways");
    assert_eq!((&other["allowGatewayTransit"], other.len()), (&true.into(), 2), "{other:?}");
    let other = mirrored("create hub/a --remote-vnet one --allow-gateway-transit");
    assert_eq!(other.len(), 1, "an offer obliges nobody");
}

#[test]
fn a_disconnected_side_is_written_before_the_other_is_made_again() {
    let again = "create hub/to-two --remote-vnet two";
    let error = run(again, after(&["delete hub/to-two"])).unwrap_err();
    assert!(error.to_string().starts_with("RemotePeeringIsDisconnected"), "{error}");
    let all = objects(&after(&["delete hub/to-two", "update two/to-hub", again]));
    assert_eq!(all[3], "two/to-hub Connected FullyInSync");
    let all = objects(&after(&["delete hub/to-two", &format!("{again} --both")]));
    assert_eq!(all[3], "two/to-hub Connected FullyInSync", "both are written");
}

#[test]
fn mistakes_have_azures_codes() {
    for (line, code) in [
        ("create hub/to-one --remote-vnet three", "ChangingRemoteVirtualNetworkNotAllowed"),
        ("create hub/more --remote-vnet one", "AnotherPeeringAlreadyReferencesRemoteVnet"),
        ("create three/to-twin --remote-vnet twin", "VnetAddressSpacesOverlap"),
        ("create hub/self --remote-vnet hub", "VnetCannotPeerWithItself"),
        ("create hub/four --remote-vnet four", "InvalidResourceReference"),
        ("create four/hub --remote-vnet hub", "ParentResourceNotFound"),
        ("create hub --remote-vnet one", "InvalidResourceName"),
        ("create hub/a/b --remote-vnet one", "InvalidResourceName"),
        ("create hub/-three --remote-vnet three", "InvalidResourceName"),
        ("update hub/to-three", "ResourceNotFound"),
        ("sync hub/to-three", "ResourceNotFound"),
        ("delete four/to-hub", "ParentResourceNotFound"),
    ] {
        let error = run(line, view()).err().map(|it| it.to_string());
        assert!(error.as_ref().is_some_and(|it| it.contains(code)), "{line}: {error:?}");
    }
}

#[test]
fn the_document_is_written_back_with_the_same_meaning_and_says_that_it_was_changed() {
    let (_, change) = run("update hub/to-one", view()).unwrap();
    let before = document::load("a", DOCUMENT).unwrap().topology;
    let after = document::load("a", &change.proposal.document).unwrap().topology;
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert_eq!(change.proposal.source, "a (changed by commands)");
    let again = view_of(change.proposal.document, change.state);
    let again = DeploymentView { source: change.proposal.source, ..again };
    assert_eq!(
        run("update hub/to-one", again).unwrap().1.proposal.source,
        "a (changed by commands)"
    );
}
