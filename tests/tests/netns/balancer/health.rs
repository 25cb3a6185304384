//! Health probes: who answers gets new connections, and nobody else.

use std::time::{Duration, Instant};

use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Dialogue, answers},
};

use super::{BACKENDS, Balanced, STANDARD, WEB, document, frontend, serve};

const SOME: usize = 120;

/// How `vnetpeer load-balancer health` has a backend's IPv4 address.
fn listed(balanced: &Balanced, name: &str) -> Value {
    let all = balanced.deployment.ask("load-balancer health large");
    let mut all = all.as_array().expect("a list").iter();
    let is = |it: &&Value| {
        it["networkInterface"].as_str().is_some_and(|id| id.ends_with(&format!("/{name}")))
            && it["address"].as_str().is_some_and(|address| address.contains('.'))
    };
    all.find(is).expect("the backend").clone()
}

fn check_answers(balanced: &Balanced, expected: &[&str]) {
    for from in ["client", "far"] {
        for is_v4 in [true, false] {
            let counts = answers(&balanced.guest(from), frontend(is_v4, STANDARD, WEB), SOME);
            let seen: Vec<&str> = counts.keys().map(String::as_str).collect();
            assert_eq!(seen, expected, "{from}: {counts:?}");
        }
    }
}

async fn check(test: &str, mode: &str) {
    if !kernel::available() {
        return;
    }
    let mut balanced = Balanced::up(test, mode).await;
    check_answers(&balanced, &BACKENDS);
    let up = listed(&balanced, "b2");
    assert_eq!(up["state"].as_str(), Some("Up"), "{up}");
    // A running flow of the others goes on.
    let to = frontend(true, STANDARD, WEB);
    let mut flow = loop {
        let mut flow = Dialogue::tcp(&balanced.guest("client"), to).expect("a connection");
        if flow.who().expect("an answer") != "b2" {
            break flow;
        }
    };

    balanced.servers.retain(|(name, _)| name != "b2");
    let start = Instant::now();
    balanced.state("b2", "Down").await;
    let took = start.elapsed();
    println!("{mode}: known to be dead on every host after {took:?}");
    assert!(took < Duration::from_secs(30));
    check_answers(&balanced, &["b1", "b3", "b4"]);
    let down = listed(&balanced, "b2");
    assert_eq!(down["state"], "Down", "{down}");
    assert_eq!(down["lastError"], "connection refused", "{down}");
    flow.who().expect("it goes on");

    let server = serve(&balanced.guest("b2"));
    balanced.servers.push(("b2".to_owned(), server));
    balanced.state("b2", "Up").await;
    check_answers(&balanced, &BACKENDS);

    let topology = balanced.deployment.lab.topology();
    let interface = topology.nics.iter().find(|nic| nic.id.name() == "b3").expect("the NIC");
    let interface = interface.interface.clone();
    balanced.deployment.on_host("host-b", &format!("ip link set {interface} down"));
    balanced.state("b3", "Down").await;
    check_answers(&balanced, &["b1", "b2", "b4"]);
    balanced.deployment.on_host("host-b", &format!("ip link set {interface} up"));
    balanced.state("b3", "Up").await;
    check_answers(&balanced, &BACKENDS);

    balanced.servers.clear();
    for name in BACKENDS {
        balanced.state(name, "Down").await;
    }
    let counts = answers(&balanced.guest("client"), to, 3);
    assert_eq!(counts.get("-"), Some(&3), "nobody is left: {counts:?}");
    let dropped = balanced.deployment.dropped("host-a", "client", "LoadBalancerNoBackend").await;
    assert!(dropped >= 3, "{dropped}");
}

#[tokio::test]
async fn a_dead_backend_gets_no_new_connections() {
    check("lb-health", "tc").await;
}

#[tokio::test]
async fn a_dead_backend_gets_no_new_connections_with_xdp() {
    check("lb-health-x", "xdp").await;
}

#[tokio::test]
async fn a_group_that_denies_the_platform_makes_a_backend_unhealthy() {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up("lb-denied", "tc").await;
    let group = "networkSecurityGroups:\n  - name: closed\n    properties:\n      securityRules:\n        \
                 - {name: no-probes, properties: {priority: 100, direction: Inbound, access: Deny, \
                 protocol: '*', sourceAddressPrefix: AzureLoadBalancer, sourcePortRange: '*', \
                 destinationAddressPrefix: '*', destinationPortRange: '*'}}\n        - {name: web, \
                 properties: {priority: 200, direction: Inbound, access: Allow, protocol: '*', \
                 sourceAddressPrefix: '*', sourcePortRange: '*', destinationAddressPrefix: '*', \
                 destinationPortRange: '*'}}\nloadBalancers:\n";
    let closed = document("tc", 4).replacen("loadBalancers:\n", group, 1).replacen(
        "  - name: b1\n    properties:\n",
        "  - name: b1\n    properties:\n      networkSecurityGroup: {id: closed}\n",
        1,
    );
    balanced.deployment.apply(&closed);
    balanced.state("b1", "Down").await;
    check_answers(&balanced, &["b2", "b3", "b4"]);
    let down = listed(&balanced, "b1");
    assert_eq!(
        down["lastError"], "denied by security rule closed/securityRules/no-probes",
        "{down}"
    );
    balanced.deployment.apply(&document("tc", 4));
    balanced.state("b1", "Up").await;
    check_answers(&balanced, &BACKENDS);
}
