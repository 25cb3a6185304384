//! Health probes: who answers gets new connections, and nobody else.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Calls, Dialogue, Guest, answers, until},
};
use vnetpeer_userspace::topology::balancing::{PROBE_IPV4, PROBE_IPV6};

use super::{BACKENDS, Balanced, STANDARD, WEB, WEB_BEHIND, document, frontend, serve};

const SOME: usize = 120;
/// The probe's `probeThreshold`.
const THRESHOLD: usize = 2;
/// Between two connections of a caller.
const PACE: Duration = Duration::from_millis(20);

/// Clients that connect again and again.
struct Callers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Callers {
    fn start(from: &[Guest], to: [SocketAddr; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let call = |from: &Guest, to| {
            let (from, stopped) = (from.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    let _ = Dialogue::tcp(&from, to);
                    thread::sleep(PACE);
                }
            })
        };
        let threads = from.iter().flat_map(|from| to.map(|to| call(from, to))).collect();
        Self { stop, threads }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How many probes of a family came between a backend's death and the last connection that reached it, out of
/// those who have called it since.
fn probes_until_out(called: &[IpAddr], prober: IpAddr) -> usize {
    let called = called.iter().filter(|it| it.is_ipv4() == prober.is_ipv4());
    let is_probe: Vec<bool> = called.map(|it| *it == prober).collect();
    let last = is_probe.iter().rposition(|it| !it).expect("a connection since it is dead");
    is_probe[..last].iter().filter(|it| **it).count()
}

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

    let calls = Calls::start(&balanced.guest("b2"), WEB_BEHIND);
    let from = ["client", "far"].map(|name| balanced.guest(name));
    let callers = Callers::start(&from, [true, false].map(|v4| frontend(v4, STANDARD, WEB)));
    balanced.servers.retain(|(name, _)| name != "b2");
    let (start, before) = (Instant::now(), calls.callers().len());
    balanced.state("b2", "Down").await;
    let took = start.elapsed();
    println!("{mode}: known to be dead on every host after {took:?}");
    assert!(took < Duration::from_secs(30));
    let probers = [IpAddr::from(PROBE_IPV4), IpAddr::from(PROBE_IPV6)];
    until("one more probe of each family", async || {
        let called = calls.callers().split_off(before);
        probers.iter().all(|it| called.iter().filter(|from| *from == it).count() > THRESHOLD)
    })
    .await;
    drop(callers);
    let called = calls.callers().split_off(before);
    for prober in probers {
        let count = probes_until_out(&called, prober);
        println!("{mode}: {count} probes from {prober} before the last connection");
        assert!(count <= THRESHOLD, "{count} probes, then nobody else");
    }
    drop(calls);
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
