//! What agents tell each other over the underlay.

use std::net::{SocketAddr, TcpStream};

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, until},
};
use vnetpeer_userspace::{agent::exchange::DEFAULT_PORT, lab::netns};

/// The peers of a host that it hears.
async fn heard(deployment: &Deployment, host: &str) -> usize {
    let status = deployment.agent(host).status().await.expect("the agent answers");
    status.peers.iter().filter(|it| it.age_seconds.is_some() && it.last_error.is_none()).count()
}

async fn down_on(deployment: &Deployment, host: &str) -> Vec<String> {
    let view = deployment.agent(host).deployment().await.expect("the agent answers");
    view.facts.down.iter().map(|id| id.name().to_owned()).collect()
}

async fn check(test: &str, mode: &'static str, wire: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, wire).yaml()).await;
    for host in ["host-a", "host-b"] {
        until("the hosts hear each other", async || heard(&deployment, host).await == 1).await;
        assert_eq!(down_on(&deployment, host).await, [""; 0]);
    }
    let topology = deployment.lab.topology();
    let red2 = topology.nics.iter().find(|nic| nic.id.name() == "red2").expect("the NIC");
    let interface = &red2.interface;
    // A guest that ends takes the carrier with it.
    let guest = deployment.guest("red2");
    for (command, down) in [("ip link set eth0 down", &["red2"][..]), ("ip link set eth0 up", &[])]
    {
        guest.run(command);
        for host in ["host-a", "host-b"] {
            until("both know", async || down_on(&deployment, host).await == down).await;
        }
    }
    deployment.on_host("host-b", &format!("ip link delete {interface}"));
    until("red2 is gone", async || down_on(&deployment, "host-a").await == ["red2"]).await;
}

#[tokio::test]
async fn hosts_know_which_nics_of_others_are_down() {
    check("down", "tc", false).await;
}

#[tokio::test]
async fn hosts_know_which_nics_of_others_are_down_with_xdp() {
    check("down-x", "xdp", true).await;
}

/// Nobody but the underlay's hosts gets an answer, on no other address than the underlay's.
#[tokio::test]
async fn facts_are_offered_on_underlay_addresses_only() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("facts", &Spec::pair("tc", false).yaml()).await;
    until("the hosts hear each other", async || heard(&deployment, "host-a").await == 1).await;
    let host = deployment.lab.host_namespace("host-b").expect("the host");
    let connects = |address: &str| {
        let address: SocketAddr =
            SocketAddr::new(address.parse().expect("an address"), DEFAULT_PORT);
        netns::within(host, || TcpStream::connect(address).is_ok()).expect("enter")
    };
    assert!(connects("192.0.2.2") && connects("2001:db8::2"), "the underlay's addresses");
    deployment.on_host("host-b", "ip address add 198.51.100.1/32 dev lo");
    assert!(!connects("127.0.0.1") && !connects("::1") && !connects("198.51.100.1"));
}
