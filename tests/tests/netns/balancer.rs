//! Internal load balancers with real sockets.
//!
//! `client` and four backends, two on each host, are in the load balancers' VNet; `near` is in a peer in the
//! same region, `far` in one in another. `alone` is behind a Basic load balancer of its own.

mod appliances;
mod health;
mod reach;
mod spread;
mod sticky;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use vnetpeer_tests::netns::{Backend, Deployment, Guest, until};

pub(super) const BACKENDS: [&str; 4] = ["b1", "b2", "b3", "b4"];
/// Where the frontend listens, and behind it the members.
pub(super) const WEB: u16 = 80;
const WEB_BEHIND: u16 = 8_080;
/// Ports with `SourceIP` and `SourceIPProtocol`.
pub(super) const BY_ADDRESS: u16 = 81;
pub(super) const BY_PROTOCOL: u16 = 82;
/// The port with floating IP.
pub(super) const FLOATING: u16 = 90;
/// The Standard load balancer's frontend, and the Basic one's.
pub(super) const STANDARD: u8 = 100;
pub(super) const BASIC: u8 = 101;

/// An address of the load balancers' VNet.
pub(super) fn address(is_v4: bool, last: u8) -> IpAddr {
    let text = if is_v4 { format!("10.1.1.{last}") } else { format!("fd00:1:0:1::{last}") };
    text.parse().expect("an address")
}

/// A port of a frontend.
pub(super) fn frontend(is_v4: bool, last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(address(is_v4, last), port)
}

fn vnet(name: &str, number: u8, location: &str) -> String {
    format!(
        "  - name: {name}\n    location: {location}\n    properties:\n      addressSpace: \
         {{addressPrefixes: [10.{number}.0.0/16, \"fd00:{number}::/48\"]}}\n      subnets:\n        - \
         {{name: {name}, properties: {{addressPrefixes: [10.{number}.1.0/24, \
         \"fd00:{number}:0:1::/64\"]}}}}\n"
    )
}

fn nic(name: &str, vnet: &str, number: u8, last: u8, pool: Option<&str>) -> String {
    let pool = pool.map_or(String::new(), |pool| {
        format!(", loadBalancerBackendAddressPools: [{{id: {pool}}}]")
    });
    format!(
        "  - name: {name}\n    properties:\n      ipConfigurations:\n        - {{name: v4, properties: \
         {{subnet: {{id: {vnet}}}, privateIPAddress: 10.{number}.1.{last}{pool}}}}}\n        - {{name: \
         v6, properties: {{subnet: {{id: {vnet}}}, privateIPAddress: \
         \"fd00:{number}:0:1::{last}\"{pool}}}}}\n"
    )
}

/// The rules of a load balancer, one for each frontend.
fn rules(ports: &[(&str, u16, u16, &str)]) -> String {
    let mut text = String::new();
    for family in ["v4", "v6"] {
        for (protocol, port, behind, more) in ports {
            let _ = writeln!(
                text,
                "        - {{name: {family}-{protocol}-{port}, properties: {{frontendIPConfiguration: \
                 {{id: {family}}}, backendAddressPool: {{id: pool}}, probe: {{id: alive}}, protocol: \
                 {protocol}, frontendPort: {port}, backendPort: {behind}{more}}}}}"
            );
        }
    }
    text
}

fn balancer(name: &str, sku: &str, last: u8, rules: &str) -> String {
    format!(
        "  - name: {name}\n    sku: {{name: {sku}}}\n    properties:\n      \
         frontendIPConfigurations:\n        - {{name: v4, properties: {{subnet: {{id: red}}, \
         privateIPAddress: 10.1.1.{last}}}}}\n        - {{name: v6, properties: {{subnet: {{id: red}}, \
         privateIPAddress: \"fd00:1:0:1::{last}\"}}}}\n      backendAddressPools: [{{name: pool}}]\n      \
         probes: [{{name: alive, properties: {{protocol: Tcp, port: {WEB_BEHIND}, intervalInSeconds: \
         5, probeThreshold: 2}}}}]\n      loadBalancingRules:\n{rules}"
    )
}

/// The deployment, with so many backends.
pub(super) fn document(mode: &str, backends: usize) -> String {
    let mut text = "deployment: {name: balancer}\nvirtualNetworks:\n".to_owned();
    text += &vnet("red", 1, "westeurope");
    text += &vnet("green", 2, "westeurope");
    text += &vnet("blue", 3, "northeurope");
    text += "virtualNetworkPeerings:\n";
    for peer in ["green", "blue"] {
        for (from, to) in [("red", peer), (peer, "red")] {
            let _ = writeln!(
                text,
                "  - {{name: {from}/to-{to}, properties: {{remoteVirtualNetwork: {{id: {to}}}}}}}"
            );
        }
    }
    text += "networkInterfaces:\n";
    text += &nic("client", "red", 1, 4, None);
    text += &nic("near", "green", 2, 4, None);
    text += &nic("far", "blue", 3, 4, None);
    text += &nic("alone", "red", 1, 5, Some("small/pool"));
    for number in 1..=5_u8 {
        let pool = (usize::from(number) <= backends).then_some("large/pool");
        text += &nic(&format!("b{number}"), "red", 1, 10 + number, pool);
    }
    let by = |word: &str| format!(", loadDistribution: {word}");
    let large = rules(&[
        ("Tcp", WEB, WEB_BEHIND, ""),
        ("Udp", WEB, WEB_BEHIND, ""),
        ("Tcp", BY_ADDRESS, BY_ADDRESS, &by("SourceIP")),
        ("Udp", BY_ADDRESS, BY_ADDRESS, &by("SourceIP")),
        ("Tcp", BY_PROTOCOL, BY_PROTOCOL, &by("SourceIPProtocol")),
        ("Udp", BY_PROTOCOL, BY_PROTOCOL, &by("SourceIPProtocol")),
        ("Tcp", FLOATING, FLOATING, ", enableFloatingIP: true"),
    ]);
    text += "loadBalancers:\n";
    text += &balancer("large", "Standard", STANDARD, &large);
    text += &balancer("small", "Basic", BASIC, &rules(&[("Tcp", WEB, WEB_BEHIND, "")]));
    text += "hosts:\n";
    for (number, host, nics) in [
        (1, "host-a", ["client", "near", "alone", "b1", "b2"]),
        (2, "host-b", ["far", "b3", "b4", "b5", ""]),
    ] {
        let _ = writeln!(
            text,
            "  - name: {host}\n    underlay: {{interface: eth0, addresses: [192.0.2.{number}, \
             \"2001:db8::{number}\"]}}\n    networkInterfaces:"
        );
        for nic in nics.iter().filter(|nic| !nic.is_empty()) {
            let _ = writeln!(text, "      - {{name: {nic}, mode: {mode}}}");
        }
    }
    text
}

/// Serves everything that a load balancer leads to a backend.
pub(super) fn serve(guest: &Guest) -> Backend {
    let mut addresses = Vec::new();
    for is_v4 in [true, false] {
        let own = guest.address(is_v4);
        addresses
            .extend([WEB_BEHIND, BY_ADDRESS, BY_PROTOCOL].map(|port| SocketAddr::new(own, port)));
    }
    Backend::start(guest, &addresses)
}

/// The deployment with servers behind the load balancers, all of them healthy.
pub(super) struct Balanced {
    pub(super) deployment: Deployment,
    pub(super) servers: Vec<(String, Backend)>,
}

impl Balanced {
    pub(super) async fn up(test: &str, mode: &str) -> Self {
        let deployment = Deployment::up(test, &document(mode, 4)).await;
        let names = ["b1", "b2", "b3", "b4", "b5", "alone"];
        let servers = names.map(|name| (name.to_owned(), serve(&deployment.guest(name))));
        let balanced = Self { deployment, servers: servers.into_iter().collect() };
        for name in ["b1", "b2", "b3", "b4", "alone"] {
            balanced.state(name, "Up").await;
        }
        balanced
    }

    pub(super) fn guest(&self, name: &str) -> Guest {
        self.deployment.guest(name)
    }

    /// Waits until every host knows that a backend is healthy, or is not.
    pub(super) async fn state(&self, name: &str, state: &str) {
        let is_so = async || {
            for agent in self.deployment.agents() {
                let facts = agent.deployment().await.expect("the agent answers").facts;
                let silent = facts.unhealthy.values().flatten();
                let silent = silent.filter(|(id, _)| id.name() == name).map(|(_, it)| it.len());
                let is_down = facts.down.iter().any(|id| id.name() == name);
                // An address of each family is asked.
                let addresses = if is_down { 2 } else { silent.sum() };
                if addresses != if state == "Down" { 2 } else { 0 } {
                    return false;
                }
            }
            true
        };
        for _ in 0..2 {
            if is_so().await {
                return;
            }
            // Two probes take longer than one wait.
            tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        }
        until(&format!("{name} is {state}"), is_so).await;
    }
}
