//! A pair of appliances behind an internal load balancer, to which the spokes' route tables lead.

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, EchoServer, Forwarded, until},
};

const FLOWS: usize = 40;
const PORT: u16 = 4_000;

fn spoke(name: &str, number: u8, other: u8) -> String {
    format!(
        "  - name: {name}\n    properties:\n      addressSpace: {{addressPrefixes: \
         [10.{number}.0.0/16, \"fd00:{number}::/48\"]}}\n      subnets: [{{name: {name}, properties: \
         {{addressPrefixes: [10.{number}.1.0/24, \"fd00:{number}:0:1::/64\"], routeTable: {{id: \
         to-{other}}}}}}}]\n"
    )
}

fn table(number: u8) -> String {
    format!(
        "  - name: to-{number}\n    properties:\n      routes:\n        - {{name: v4, properties: \
         {{addressPrefix: 10.{number}.0.0/16, nextHopType: VirtualAppliance, nextHopIpAddress: \
         10.9.1.100}}}}\n        - {{name: v6, properties: {{addressPrefix: \
         \"fd00:{number}::/48\", nextHopType: VirtualAppliance, nextHopIpAddress: \
         \"fd00:9:0:1::100\"}}}}\n"
    )
}

fn nva(name: &str, last: u8) -> String {
    let pool = "loadBalancerBackendAddressPools: [{id: nvas}]";
    format!(
        "  - name: {name}\n    properties:\n      enableIPForwarding: true\n      \
         ipConfigurations:\n        - {{name: v4, properties: {{subnet: {{id: hub}}, \
         privateIPAddress: 10.9.1.{last}, {pool}}}}}\n        - {{name: v6, properties: {{subnet: \
         {{id: hub}}, privateIPAddress: \"fd00:9:0:1::{last}\", {pool}}}}}\n"
    )
}

fn nic(name: &str, vnet: &str, number: u8) -> String {
    format!(
        "  - name: {name}\n    properties:\n      ipConfigurations:\n        - {{name: v4, \
         properties: {{subnet: {{id: {vnet}}}, privateIPAddress: 10.{number}.1.4}}}}\n        - \
         {{name: v6, properties: {{subnet: {{id: {vnet}}}, privateIPAddress: \
         \"fd00:{number}:0:1::4\"}}}}\n"
    )
}

fn peering(from: &str, to: &str) -> String {
    format!(
        "  - {{name: {from}/to-{to}, properties: {{remoteVirtualNetwork: {{id: {to}}}, \
         allowForwardedTraffic: true}}}}\n"
    )
}

fn rule(family: &str) -> String {
    format!(
        "        - {{name: {family}, properties: {{frontendIPConfiguration: {{id: {family}}}, \
         backendAddressPool: {{id: nvas}}, protocol: All, frontendPort: 0, backendPort: 0}}}}\n"
    )
}

/// A hub with two appliances behind a load balancer, a spoke on each side.
fn document() -> String {
    [
        "deployment: {name: appliances}\nvirtualNetworks:\n",
        "  - name: hub\n    properties:\n      addressSpace: {addressPrefixes: [10.9.0.0/16, \
         \"fd00:9::/48\"]}\n      subnets: [{name: hub, properties: {addressPrefixes: [10.9.1.0/24, \
         \"fd00:9:0:1::/64\"]}}]\n",
        &spoke("spoke1", 1, 2),
        &spoke("spoke2", 2, 1),
        "virtualNetworkPeerings:\n",
        &peering("hub", "spoke1"),
        &peering("spoke1", "hub"),
        &peering("hub", "spoke2"),
        &peering("spoke2", "hub"),
        "routeTables:\n",
        &table(1),
        &table(2),
        "networkInterfaces:\n",
        &nva("nva1", 4),
        &nva("nva2", 5),
        &nic("client", "spoke1", 1),
        &nic("server", "spoke2", 2),
        "loadBalancers:\n  - name: lb\n    properties:\n      frontendIPConfigurations:\n        - {name: \
         v4, properties: {subnet: {id: hub}, privateIPAddress: 10.9.1.100}}\n        - {name: v6, \
         properties: {subnet: {id: hub}, privateIPAddress: \"fd00:9:0:1::100\"}}\n      \
         backendAddressPools: [{name: nvas}]\n      loadBalancingRules:\n",
        &rule("v4"),
        &rule("v6"),
        "hosts:\n  - name: host-a\n    underlay: {interface: eth0, addresses: [192.0.2.1, \
         \"2001:db8::1\"]}\n    networkInterfaces: [{name: client}, {name: nva1}]\n  - name: host-b\n    \
         underlay: {interface: eth0, addresses: [192.0.2.2, \"2001:db8::2\"]}\n    networkInterfaces: \
         [{name: server}, {name: nva2}]\n",
    ]
    .concat()
}

async fn check(test: &str, is_v4: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &document()).await;
    let [client, server, nva1, nva2] =
        ["client", "server", "nva1", "nva2"].map(|name| deployment.guest(name));
    let routes = deployment.ask("nic effective-routes client").to_string();
    assert!(routes.contains("10.9.1.100"), "the frontend is the next hop: {routes}");
    assert!(client.pings(server.address(is_v4)));
    let appliances = [&nva1, &nva2].map(Forwarded::watch);
    let server = EchoServer::start(&server, is_v4, PORT);
    let mut all: Vec<Connection> =
        (0..FLOWS).map(|_| Connection::open(&client, server.address())).collect();
    for connection in &mut all {
        connection.exchange().expect("the connection goes on");
    }
    let mut counts = Vec::new();
    for appliance in &appliances {
        let passed = appliance.take();
        let there = passed.iter().filter(|(_, to)| *to == server.address());
        let there: std::collections::BTreeSet<u16> = there.map(|(from, _)| from.port()).collect();
        let back = passed.iter().filter(|(from, _)| *from == server.address());
        let back: std::collections::BTreeSet<u16> = back.map(|(_, to)| to.port()).collect();
        assert_eq!(there, back, "both directions of a flow meet the same appliance");
        counts.push(there.len());
    }
    println!("flows by each appliance: {counts:?}");
    assert!(counts.iter().all(|count| *count > FLOWS / 5), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), FLOWS);
    // One is gone: the other takes its flows.
    let topology = deployment.lab.topology();
    let interface = topology.nics.iter().find(|nic| nic.id.name() == "nva2").expect("the NIC");
    let interface = interface.interface.clone();
    deployment.on_host("host-b", &format!("ip link set {interface} down"));
    until("the client's host knows", async || {
        let view = deployment.agent("host-a").deployment().await.expect("the agent answers");
        view.facts.down.iter().any(|id| id.name() == "nva2")
    })
    .await;
    for connection in &mut all {
        connection.exchange().expect("the connection goes on");
    }
}

#[tokio::test]
async fn a_route_leads_to_the_appliances_behind_a_frontend() {
    check("lb-nva", true).await;
}

#[tokio::test]
async fn a_route_leads_to_the_appliances_behind_a_frontend_ipv6() {
    check("lb-nva6", false).await;
}
