//! One case per rule: a document without mistakes, one change, and exactly the problems that the
//! change causes.

mod accepted;
mod addresses;
mod again;
mod balancers;
mod connections;
mod gateways;
mod hosts;
mod limits;
mod managers;
mod networks;
mod next_hops;
mod peerings;
mod random;
mod security;
mod security_admin;
mod security_members;
mod syntax;

use super::{Code, Loaded, Problems, load};

/// A small document without mistakes. Rules are tested by changing it.
pub(super) const BASE: &str = r#"
deployment: {name: base}
virtualNetworks:
  - name: hub
    properties:
      addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00:10::/48"]}
      subnets:
        - name: web
          properties: {addressPrefixes: [10.0.1.0/24, "fd00:10:0:1::/64"], routeTable: {id: to-nva}}
        - name: db
          properties: {addressPrefix: 10.0.2.0/29}
  - name: spoke
    properties:
      addressSpace: {addressPrefixes: [10.1.0.0/16]}
      subnets:
        - name: app
          properties: {addressPrefix: 10.1.1.0/24}
  - name: other
    properties:
      addressSpace: {addressPrefixes: [10.2.0.0/16]}
virtualNetworkPeerings:
  - name: hub/hub-to-spoke
    properties: {remoteVirtualNetwork: {id: spoke}}
  - name: spoke/spoke-to-hub
    properties: {remoteVirtualNetwork: {id: hub}}
  - name: hub/hub-to-other
    properties: {remoteVirtualNetwork: {id: other}}
networkInterfaces:
  - name: web1
    properties:
      ipConfigurations:
        - name: ipv4
          properties: {subnet: {id: hub/web}, privateIPAddress: 10.0.1.4}
        - name: ipv6
          properties: {subnet: {id: hub/web}, privateIPAddress: "fd00:10:0:1::4"}
  - name: nva
    properties:
      enableIPForwarding: true
      ipConfigurations:
        - name: ipv4
          properties: {subnet: {id: app}, privateIPAddress: 10.1.1.4}
routeTables:
  - name: to-nva
    properties:
      routes:
        - name: all
          properties: {addressPrefix: 10.9.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: 10.1.1.4}
hosts:
  - name: host-a
    underlay: {interface: eth0, addresses: [192.0.2.1, "2001:db8::1"]}
    networkInterfaces: [{name: web1}]
  - name: host-b
    underlay: {interface: eth0, addresses: [192.0.2.2]}
    networkInterfaces: [{name: nva, interface: tap0}]
"#;

/// The base document with `from` replaced by `to`, each pair once.
pub(super) fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(BASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the base document has no {from:?}");
        text.replacen(from, to, 1)
    })
}

/// What is wrong with `text`: code and offending text.
pub(super) fn mistakes(text: &str) -> Vec<(Code, String)> {
    match load("test.yaml", text) {
        Ok(loaded) => pairs(&loaded.warnings),
        Err(problems) => pairs(&problems),
    }
}

fn pairs(problems: &Problems) -> Vec<(Code, String)> {
    for problem in problems {
        assert!(!problem.help.is_empty(), "{} has no fix", problem.message);
    }
    problems.iter().map(|problem| (problem.code, problem.text.clone())).collect()
}

/// Asserts that the changes cause exactly these problems, in the order of their places.
#[track_caller]
pub(super) fn expect(changes: &[(&str, &str)], expected: &[(Code, &str)]) {
    let seen = mistakes(&changed(changes));
    let seen: Vec<(Code, &str)> = seen.iter().map(|(code, text)| (*code, text.as_str())).collect();
    assert_eq!(seen, expected, "after {changes:?}");
}

/// Loads the base document with changes that are no mistakes.
#[track_caller]
pub(super) fn loaded(changes: &[(&str, &str)]) -> Loaded {
    match load("test.yaml", &changed(changes)) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("after {changes:?}:\n{problems}"),
    }
}
