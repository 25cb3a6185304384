//! Routes to several appliances: each flow takes one of them, there and back.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, EchoServer, Forwarded, Guest, until},
};

const FLOWS: usize = 60;
const PORT: u16 = 4_000;
/// Many of the smallest retransmission timeouts.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Two spokes with a pair of appliances between them, one on each host.
const DOCUMENT: &str = r#"
deployment: {name: ecmp}
virtualNetworks:
  - name: hub
    properties:
      addressSpace: {addressPrefixes: [10.0.0.0/16, "fd00:10::/48"]}
      subnets:
        - {name: hub, properties: {addressPrefixes: [10.0.1.0/24, "fd00:10:0:1::/64"]}}
  - name: spoke1
    properties:
      addressSpace: {addressPrefixes: [10.1.0.0/16, "fd00:11::/48"]}
      subnets:
        - name: spoke1
          properties:
            addressPrefixes: [10.1.1.0/24, "fd00:11:0:1::/64"]
            routeTable: {id: to-spoke2}
  - name: spoke2
    properties:
      addressSpace: {addressPrefixes: [10.2.0.0/16, "fd00:12::/48"]}
      subnets:
        - name: spoke2
          properties:
            addressPrefixes: [10.2.1.0/24, "fd00:12:0:1::/64"]
            routeTable: {id: to-spoke1}
routeTables:
  - name: to-spoke2
    properties:
      routes:
        - name: v4
          properties:
            addressPrefix: 10.2.0.0/16
            nextHopType: VirtualApplianceEcmp
            nextHop: {nextHopIpAddresses: [10.0.1.4, 10.0.1.5]}
        - name: v6
          properties:
            addressPrefix: "fd00:12::/48"
            nextHopType: VirtualApplianceEcmp
            nextHop: {nextHopIpAddresses: ["fd00:10:0:1::4", "fd00:10:0:1::5"]}
  - name: to-spoke1
    properties:
      routes:
        - name: v4
          properties:
            addressPrefix: 10.1.0.0/16
            nextHopType: VirtualApplianceEcmp
            nextHop: {nextHopIpAddresses: [10.0.1.5, 10.0.1.4]}
        - name: v6
          properties:
            addressPrefix: "fd00:11::/48"
            nextHopType: VirtualApplianceEcmp
            nextHop: {nextHopIpAddresses: ["fd00:10:0:1::5", "fd00:10:0:1::4"]}
virtualNetworkPeerings:
  - {name: hub/to-spoke1, properties: {remoteVirtualNetwork: {id: spoke1}}}
  - {name: hub/to-spoke2, properties: {remoteVirtualNetwork: {id: spoke2}}}
  - name: spoke1/to-hub
    properties: {remoteVirtualNetwork: {id: hub}, allowForwardedTraffic: true}
  - name: spoke2/to-hub
    properties: {remoteVirtualNetwork: {id: hub}, allowForwardedTraffic: true}
networkInterfaces:
  - name: nva1
    properties:
      enableIPForwarding: true
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: hub}, privateIPAddress: 10.0.1.4}}
        - {name: v6, properties: {subnet: {id: hub}, privateIPAddress: "fd00:10:0:1::4"}}
  - name: nva2
    properties:
      enableIPForwarding: true
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: hub}, privateIPAddress: 10.0.1.5}}
        - {name: v6, properties: {subnet: {id: hub}, privateIPAddress: "fd00:10:0:1::5"}}
  - name: client
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke1}, privateIPAddress: 10.1.1.4}}
        - {name: v6, properties: {subnet: {id: spoke1}, privateIPAddress: "fd00:11:0:1::4"}}
  - name: server
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke2}, privateIPAddress: 10.2.1.4}}
        - {name: v6, properties: {subnet: {id: spoke2}, privateIPAddress: "fd00:12:0:1::4"}}
hosts:
  - name: host-a
    underlay: {interface: eth0, addresses: [192.0.2.1, "2001:db8::1"]}
    networkInterfaces: [{name: client}, {name: nva1}]
  - name: host-b
    underlay: {interface: eth0, addresses: [192.0.2.2, "2001:db8::2"]}
    networkInterfaces: [{name: server}, {name: nva2}]
"#;

/// The ports of the client's connections that an appliance has forwarded both ways.
fn ports(appliance: &Forwarded, server: SocketAddr) -> BTreeSet<u16> {
    let passed = appliance.take();
    let there = passed.iter().filter(|(_, to)| *to == server).map(|(from, _)| from.port());
    let back = passed.iter().filter(|(from, _)| *from == server).map(|(_, to)| to.port());
    let (there, back): (BTreeSet<u16>, BTreeSet<u16>) = (there.collect(), back.collect());
    assert_eq!(there, back, "both directions of a flow meet the same appliance");
    there
}

fn exchange(connections: &mut [Connection]) {
    for connection in connections {
        connection.exchange().expect("the connection goes on");
    }
}

struct Chain {
    deployment: Deployment,
    client: Guest,
    server: EchoServer,
    appliances: [Forwarded; 2],
}

async fn up(test: &str, is_v4: bool) -> Chain {
    let deployment = Deployment::up(test, DOCUMENT).await;
    let [client, server, nva1, nva2] =
        ["client", "server", "nva1", "nva2"].map(|name| deployment.guest(name));
    assert!(client.pings(server.address(is_v4)));
    let appliances = [&nva1, &nva2].map(Forwarded::watch);
    let server = EchoServer::start(&server, is_v4, PORT);
    Chain { deployment, client, server, appliances }
}

/// Whether an appliance is down, as the host of the client knows.
async fn is_down(deployment: &Deployment, nic: &str) -> bool {
    let view = deployment.agent("host-a").deployment().await.expect("the agent answers");
    view.facts.down.iter().any(|id| id.name() == nic)
}

async fn check(test: &str, is_v4: bool) {
    if !kernel::available() {
        return;
    }
    let Chain { deployment, client, server, appliances } = up(test, is_v4).await;
    let open = |_| Connection::open(&client, server.address());
    let mut all: Vec<Connection> = (0..FLOWS).map(open).collect();
    exchange(&mut all);
    let [first, second] = [0, 1].map(|at: usize| ports(&appliances[at], server.address()));
    println!("{} flows by the first, {} by the second", first.len(), second.len());
    assert!(first.len() > FLOWS / 5 && second.len() > FLOWS / 5, "both carry flows");
    assert!(first.is_disjoint(&second) && first.len() + second.len() == FLOWS);
    exchange(&mut all);
    assert_eq!(ports(&appliances[0], server.address()), first, "a flow stays where it is");
    assert_eq!(ports(&appliances[1], server.address()), second);
    let (mut moving, staying): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|it| second.contains(&it.local().port()));
    let running: Vec<_> = staying.into_iter().map(Connection::run).collect();
    let topology = deployment.lab.topology();
    let interface = topology.nics.iter().find(|nic| nic.id.name() == "nva2").expect("the NIC");
    let interface = interface.interface.clone();
    let start = Instant::now();
    deployment.on_host("host-b", &format!("ip link set {interface} down"));
    until("the client's host knows", || is_down(&deployment, "nva2")).await;
    println!("known on the other host after {:?}", start.elapsed());
    // The connections are the same ones: they send again what was lost.
    exchange(&mut moving);
    println!("moved flows go on after {:?}", start.elapsed());
    thread::sleep(SETTLE);
    assert!(ports(&appliances[0], server.address()).is_superset(&second), "they moved");
    deployment.on_host("host-b", &format!("ip link set {interface} up"));
    until("the client's host knows", async || !is_down(&deployment, "nva2").await).await;
    thread::sleep(SETTLE);
    for appliance in &appliances {
        appliance.take();
    }
    exchange(&mut moving);
    assert_eq!(ports(&appliances[1], server.address()), second, "they are back");
    assert_eq!(ports(&appliances[0], server.address()), first, "and the others never left");
    let longest = running.into_iter().map(|it| it.stop().1).max().expect("connections");
    println!("longest pause of a flow by the other appliance: {longest:?}");
}

#[tokio::test]
async fn flows_keep_their_appliance_and_only_those_of_a_failed_one_move() {
    check("ecmp", true).await;
}

#[tokio::test]
async fn flows_keep_their_appliance_and_only_those_of_a_failed_one_move_ipv6() {
    check("ecmp6", false).await;
}
