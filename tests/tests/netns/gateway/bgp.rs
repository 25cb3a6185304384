//! A hub's gateway and a site with BIRD on both sides.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{
        Connection, Deployment, EchoServer, Guest, Meters, Site, Stream, Transfer, transfer, until,
    },
};

use super::{DOCUMENT, SITE};

const HUB: [&str; 2] = ["10.0.0.0/16", "fd00:10::/48"];
const SPOKE: [&str; 2] = ["10.1.0.0/16", "fd00:11::/48"];
const BYTES: usize = 1 << 20;
/// By then a withdrawn route is gone; how long it really takes is printed.
const GONE: Duration = Duration::from_secs(20);
const DATAGRAMS: usize = 2_000;
const RATE: usize = 2_000;
/// Longer than an agent takes for the passes after its start.
const SETTLE: Duration = Duration::from_secs(2);

/// What of the effective routes of a NIC leads to the gateway and is in force.
fn learned(deployment: &Deployment, nic: &str) -> Vec<String> {
    let answer = deployment.ask(&format!("nic effective-routes {nic}"));
    let routes = answer["value"].as_array().expect("routes").iter();
    let by_gateway = routes.filter(|it| {
        let is = |key: &str, value: &str| it[key] == value;
        is("source", "VirtualNetworkGateway")
            && is("state", "Active")
            && is("nextHopType", "VirtualNetworkGateway")
    });
    by_gateway.map(|it| it["addressPrefix"][0].as_str().expect("a prefix").to_owned()).collect()
}

async fn up(test: &str) -> (Deployment, Site) {
    let deployment = Deployment::up(test, DOCUMENT).await;
    let site = Site::join(&deployment, "gateway", &SITE);
    until("the site learns the VNets", || async { site.learned().len() == 4 }).await;
    until("the spoke learns the site", || async { learned(&deployment, "spoke-vm").len() == 2 })
        .await;
    (deployment, site)
}

fn meter(meters: &Meters, from: &str, to: &str) -> [u64; 2] {
    let meter = &meters[&(from.to_owned(), to.to_owned())];
    [meter.egress_bytes, meter.ingress_bytes]
}

fn reach_each_other(one: &Guest, other: &Guest) {
    for is_v4 in [true, false] {
        assert!(one.pings(other.address(is_v4)), "{} to {}", one.name, other.name);
        assert!(other.pings(one.address(is_v4)), "{} to {}", other.name, one.name);
        for (from, to) in [(one, other), (other, one)] {
            transfer(from, to, Transfer { bytes: BYTES, is_v4 });
            let (client, server) = (from.udp(from.address(is_v4)), to.udp(to.address(is_v4)));
            let address = server.local_addr().expect("an address");
            client.send_to(b"datagram", address).expect("send");
            let mut buffer = [0; 16];
            let (length, source) = server.recv_from(&mut buffer).expect("it arrives");
            assert_eq!(&buffer[..length], b"datagram");
            assert_eq!(source, client.local_addr().expect("an address"), "nothing is translated");
        }
    }
}

#[tokio::test]
async fn spokes_and_site_learn_each_other_and_only_the_spoke_is_billed() {
    if !kernel::available() {
        return;
    }
    let (deployment, site) = up("bgp").await;
    let mut told = site.learned();
    told.sort();
    let mut all = [HUB, SPOKE].concat();
    all.sort_unstable();
    assert_eq!(told, all);
    for nic in ["spoke-vm", "hub-vm"] {
        assert_eq!(learned(&deployment, nic), SITE, "{nic}");
    }
    assert_eq!(learned(&deployment, "isolated-vm"), [""; 0], "disableBgpRoutePropagation");
    let shown = deployment.ask("gateway show gateway");
    let prefixes = |list: &str| -> Vec<Value> {
        shown[list].as_array().expect("routes").iter().map(|it| it["network"].clone()).collect()
    };
    assert_eq!(prefixes("learnedRoutes"), SITE);
    assert_eq!(prefixes("advertisedRoutes").len(), 4);
    assert_eq!(shown["state"], "Up");
    let [spoke, hub, isolated] =
        ["spoke-vm", "hub-vm", "isolated-vm"].map(|name| deployment.guest(name));
    let before = deployment.meters().await;
    reach_each_other(&spoke, &site.guest);
    let after = deployment.meters().await;
    let billed = |from, to| {
        let (before, after) = (meter(&before, from, to), meter(&after, from, to));
        [after[0] - before[0], after[1] - before[1]]
    };
    // Two transfers of each family in each direction, with headers.
    let least = 2 * BYTES as u64;
    assert!(billed("spoke", "hub").iter().all(|it| *it > least), "{:?}", billed("spoke", "hub"));
    assert_eq!(billed("hub", "spoke"), [0, 0], "the hub's VNet has the gateway");
    reach_each_other(&hub, &site.guest);
    for is_v4 in [true, false] {
        assert!(isolated.pings_in_vain(site.guest.address(is_v4)));
    }
}

#[tokio::test]
async fn prefixes_that_the_site_withdraws_and_advertises_are_followed() {
    if !kernel::available() {
        return;
    }
    let (deployment, site) = up("bgp-follow").await;
    let spoke = deployment.guest("spoke-vm");
    for (advertised, reached) in
        [(&SITE[..1], [true, false]), (&[][..], [false, false]), (&SITE[..], [true, true])]
    {
        let start = Instant::now();
        site.advertise(advertised);
        until("the spoke follows", || async { learned(&deployment, "spoke-vm") == advertised })
            .await;
        println!("{} prefixes followed within {:?}", advertised.len(), start.elapsed());
        for (is_v4, reached) in [true, false].into_iter().zip(reached) {
            let address = site.guest.address(is_v4);
            assert_eq!(!spoke.pings_in_vain(address), reached, "{address}");
        }
    }
}

#[tokio::test]
async fn a_spoke_that_no_longer_uses_the_gateway_is_withdrawn_and_cut_off() {
    if !kernel::available() {
        return;
    }
    let (deployment, site) = up("bgp-clear").await;
    let spoke = deployment.guest("spoke-vm");
    let server = EchoServer::start(&site.guest, true, 4_000);
    let mut held = Connection::open(&spoke, server.address());
    held.exchange().expect("the connection works");
    let start = Instant::now();
    deployment.apply(&DOCUMENT.replace("useRemoteGateways: true", "useRemoteGateways: false"));
    let applied = start.elapsed();
    while site.learned() != HUB {
        assert!(start.elapsed() < GONE, "{:?} after {GONE:?}", site.learned());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("applied after {applied:?}, withdrawn from the site after {:?}", start.elapsed());
    assert!(held.is_dead(), "a connection from before");
    assert_eq!(learned(&deployment, "spoke-vm"), [""; 0]);
    let received = server.received();
    for is_v4 in [true, false] {
        assert!(spoke.pings_in_vain(site.guest.address(is_v4)));
    }
    assert!(Connection::is_refused(&spoke, server.address()));
    assert_eq!(server.received(), received, "nothing arrives any more");
    deployment.apply(DOCUMENT);
    until("the spoke is advertised again", || async { site.learned().len() == 4 }).await;
    assert!(spoke.pings(site.guest.address(true)) && spoke.pings(site.guest.address(false)));
}

/// The routes of a gateway whose NIC is down lead nowhere, and come back with it.
#[tokio::test]
async fn a_gateway_that_is_down_is_known_on_every_host() {
    if !kernel::available() {
        return;
    }
    let (deployment, site) = up("bgp-down").await;
    let spoke = deployment.guest("spoke-vm");
    let interface = |deployment: &Deployment| {
        let topology = deployment.lab.topology();
        let nic = topology.nics.iter().find(|nic| nic.id.name() == "gateway");
        nic.expect("the gateway's NIC").interface.clone()
    };
    let interface = interface(&deployment);
    let state = |deployment: &Deployment| deployment.ask("gateway show gateway")["state"].clone();
    deployment.on_host("host-b", &format!("ip link set {interface} down"));
    until("the gateway is down", || async { state(&deployment) == "Down" }).await;
    assert!(spoke.pings_in_vain(site.guest.address(true)));
    deployment.on_host("host-b", &format!("ip link set {interface} up"));
    until("the gateway is up", || async { state(&deployment) == "Up" }).await;
    until("the spoke reaches the site", || async { spoke.pings(site.guest.address(true)) }).await;
}

fn kill_agent(deployment: &Deployment, host: &str) {
    let mut hosts = deployment.lab.record().hosts.iter();
    let agent = hosts.find(|it| it.name == host).and_then(|it| it.agent).expect("the agent");
    kill(Pid::from_raw(agent.pid), Signal::SIGKILL).expect("end the agent");
}

/// What a host said last counts while its agent does not run, also for an agent that starts meanwhile; and
/// an agent that starts finds out what changed before anybody hears otherwise.
#[tokio::test]
async fn agents_that_end_and_start_interrupt_nothing() {
    if !kernel::available() {
        return;
    }
    let (mut deployment, site) = up("bgp-restart").await;
    let spoke = deployment.guest("spoke-vm");
    let stream = Stream::start(&spoke, &site.guest, true, DATAGRAMS, RATE);
    kill_agent(&deployment, "host-b");
    let hears = async |deployment: &Deployment| {
        let status = deployment.agent("host-a").status().await.expect("the agent answers");
        status.peers.iter().all(|it| it.last_error.is_none())
    };
    until("host-a does not hear host-b", async || !hears(&deployment).await).await;
    kill_agent(&deployment, "host-a");
    deployment.lab.start_agent("host-a").await.expect("the agent starts");
    assert_eq!(learned_on(&deployment, "host-a").await, SITE);
    deployment.lab.start_agent("host-b").await.expect("the agent starts");
    assert_eq!(learned_on(&deployment, "host-b").await, SITE);
    until("host-a hears host-b", || hears(&deployment)).await;
    tokio::time::sleep(SETTLE).await;
    let report = stream.finish();
    report.assert_whole();
    println!("{} datagrams while both agents started again", report.sent);
    for host in ["host-a", "host-b"] {
        assert_eq!(learned_on(&deployment, host).await, SITE);
    }
}

/// What an agent knows that gateways have learned.
async fn learned_on(deployment: &Deployment, host: &str) -> Vec<String> {
    let view = deployment.agent(host).deployment().await.expect("the agent answers");
    view.facts.learned.values().flatten().map(ToString::to_string).collect()
}
