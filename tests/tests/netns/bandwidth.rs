//! A NIC with `outboundBandwidthMbps` sends that much and no more, wherever to. Nothing is lost for it:
//! what is too fast waits, and holds its sender back.
//!
//! How much a NIC gets is printed. Demanded is that it is never more than the limit, and half of it at
//! least: how fast a machine is no test decides.

use std::{collections::BTreeMap, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Arrived, Bulk, Deployment, Guest, until},
};

/// Everything that `vm` can send to: its own VNet on both hosts, a VNet of its region, one of another
/// region, and what is behind a gateway. `free` is its neighbour.
const DOCUMENT: &str = r#"
deployment: {name: bandwidth, location: westeurope}
virtualNetworks:
  - name: spoke
    properties:
      addressSpace: {addressPrefixes: [10.1.0.0/16, "fd00:1::/48"]}
      subnets: [{name: spoke, properties: {addressPrefixes: [10.1.1.0/24, "fd00:1:0:1::/64"]}}]
  - name: hub
    properties:
      addressSpace: {addressPrefixes: [10.2.0.0/16, "fd00:2::/48"]}
      subnets:
        - {name: GatewaySubnet, properties: {addressPrefixes: [10.2.255.0/27, "fd00:2:0:ff::/64"]}}
        - {name: hub, properties: {addressPrefixes: [10.2.1.0/24, "fd00:2:0:1::/64"]}}
  - name: abroad
    location: eastus
    properties:
      addressSpace: {addressPrefixes: [10.3.0.0/16, "fd00:3::/48"]}
      subnets: [{name: abroad, properties: {addressPrefixes: [10.3.1.0/24, "fd00:3:0:1::/64"]}}]
virtualNetworkPeerings:
  - {name: hub/to-spoke, properties: {remoteVirtualNetwork: {id: spoke}, allowGatewayTransit: true}}
  - {name: spoke/to-hub, properties: {remoteVirtualNetwork: {id: hub}, useRemoteGateways: true}}
  - {name: spoke/to-abroad, properties: {remoteVirtualNetwork: {id: abroad}}}
  - {name: abroad/to-spoke, properties: {remoteVirtualNetwork: {id: spoke}}}
virtualNetworkGateways:
  - name: gateway
    properties:
      gatewayType: Vpn
      sku: {name: VpnGw1, tier: VpnGw1}
      ipConfigurations: [{name: default, properties: {subnet: {id: hub/GatewaySubnet}}}]
localNetworkGateways:
  - name: office
    properties:
      gatewayIpAddress: 203.0.113.10
      localNetworkAddressSpace: {addressPrefixes: [172.16.0.0/16, "fd00:c0::/48"]}
connections:
  - name: to-office
    properties:
      connectionType: IPsec
      virtualNetworkGateway1: {id: gateway}
      localNetworkGateway2: {id: office}
networkInterfaces:
  - name: vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/spoke}, privateIPAddress: 10.1.1.4}}
        - {name: v6, properties: {subnet: {id: spoke/spoke}, privateIPAddress: "fd00:1:0:1::4"}}
  - name: free
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/spoke}, privateIPAddress: 10.1.1.5}}
  - name: near
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/spoke}, privateIPAddress: 10.1.1.6}}
        - {name: v6, properties: {subnet: {id: spoke/spoke}, privateIPAddress: "fd00:1:0:1::6"}}
  - name: far
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: spoke/spoke}, privateIPAddress: 10.1.1.7}}
        - {name: v6, properties: {subnet: {id: spoke/spoke}, privateIPAddress: "fd00:1:0:1::7"}}
  - name: hub-vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: hub/hub}, privateIPAddress: 10.2.1.4}}
        - {name: v6, properties: {subnet: {id: hub/hub}, privateIPAddress: "fd00:2:0:1::4"}}
  - name: abroad-vm
    properties:
      ipConfigurations:
        - {name: v4, properties: {subnet: {id: abroad/abroad}, privateIPAddress: 10.3.1.4}}
        - {name: v6, properties: {subnet: {id: abroad/abroad}, privateIPAddress: "fd00:3:0:1::4"}}
hosts:
  - name: host-a
    underlay: {interface: eth0, addresses: [192.0.2.1, "2001:db8::1"]}
    networkInterfaces: [{name: vm}, {name: free}, {name: near}]
  - name: host-b
    underlay: {interface: eth0, addresses: [192.0.2.2, "2001:db8::2"]}
    networkInterfaces: [{name: far}, {name: hub-vm}, {name: abroad-vm}]
    gateways: [{name: gateway}]
"#;

const OFFICE: [&str; 2] = ["172.16.0.1", "fd00:c0::1"];
/// How long each stream runs.
const RUN: Duration = Duration::from_millis(1_500);

fn document(limit: Option<u64>) -> String {
    let placed = match limit {
        Some(megabits) => format!("{{name: vm, outboundBandwidthMbps: {megabits}}}"),
        None => "{name: vm}".to_owned(),
    };
    DOCUMENT.replace("{name: vm}", &placed)
}

/// The queue of the limited NIC as the kernel tells it; `None` if there is none.
fn queue(deployment: &Deployment) -> Option<Value> {
    let text = deployment.on_host("host-a", "tc -s -json qdisc show");
    let all: Value = serde_json::from_str(&text).expect("tc writes JSON");
    all.as_array()?.iter().find(|it| it["kind"] == "tbf").cloned()
}

/// Segments that a guest's TCP has sent, and those of them that it has sent again.
fn segments(guest: &Guest) -> (u64, u64) {
    let text = guest.run("cat /proc/net/snmp");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let counters: BTreeMap<_, _> = names.split(' ').zip(values.split(' ')).collect();
    let counter = |name| counters[name].parse().expect("a number");
    (counter("OutSegs"), counter("RetransSegs"))
}

/// Prints what a NIC got, and demands that it is not more than its limit.
fn judge(what: &str, arrived: Arrived, megabits: u64) {
    let limit = megabits * 1_000_000;
    let rate = arrived.bits_per_second();
    let share = rate * 10_000 / limit;
    println!(
        "{what}: {} of {megabits} Mbit/s, {}.{:04}",
        rate / 1_000_000,
        share / 10_000,
        share % 10_000
    );
    // The bucket, and a socket's buffer that is on its way when the clock is stopped.
    let burst = (limit / 100 / 8).max(131_072) + 425_984;
    let time = u64::try_from(arrived.time.as_micros()).expect("a short time");
    let most = megabits * time / 8 + burst;
    assert!(arrived.bytes <= most, "{what}: {} bytes, at most {most}", arrived.bytes);
    assert!(share >= 5_000, "{what}: {share}");
}

/// The queue threw nothing away. What a guest sent twice it sent twice for another reason: TCP does so when
/// an answer is late.
fn assert_nothing_lost(deployment: &Deployment, guest: &Guest) {
    let queue = queue(deployment).expect("a queue");
    assert_eq!(queue["drops"], 0, "{queue}");
    let (sent, again) = segments(guest);
    println!("{again} of {sent} segments were sent again");
    assert!(again <= sent / 200, "{again} of {sent} segments");
}

/// What the egress meter of a peering counted.
async fn metered(deployment: &Deployment, to: &str) -> u64 {
    let meters = deployment.meters().await;
    meters[&("spoke".to_owned(), to.to_owned())].egress_bytes
}

async fn check(test: &str, megabits: u64, segmentation: bool, tcp: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &document(Some(megabits))).await;
    let vm = deployment.guest("vm");
    if !segmentation {
        vm.run("ethtool -K eth0 tso off gso off");
    }
    // A lab's gateway has the first addresses of what is behind it.
    let behind = OFFICE.map(|it| it.parse().expect("an address")).to_vec();
    let office = Guest { addresses: behind, ..deployment.guest("gateway") };
    let places = [
        ("within the VNet, same host", deployment.guest("near"), None),
        ("within the VNet, other host", deployment.guest("far"), None),
        ("regional peering", deployment.guest("hub-vm"), Some("hub")),
        ("global peering", deployment.guest("abroad-vm"), Some("abroad")),
        ("gateway", office, None),
    ];
    for (what, to, peer) in places {
        for is_v4 in [true, false] {
            let before = match peer {
                Some(peer) => metered(&deployment, peer).await,
                None => 0,
            };
            let send = if tcp { Bulk::tcp } else { Bulk::udp };
            let stream = send(&vm, &to, is_v4);
            tokio::time::sleep(RUN).await;
            let mut arrived = stream.finish();
            if let Some(peer) = peer {
                arrived.bytes = metered(&deployment, peer).await - before;
            }
            let kind = if tcp { "TCP" } else { "UDP" };
            judge(&format!("{what}, {kind}/IPv{}", if is_v4 { 4 } else { 6 }), arrived, megabits);
        }
    }
    assert_nothing_lost(&deployment, &vm);
}

#[tokio::test]
async fn a_limit_holds_wherever_packets_go() {
    check("bw", 1_000, true, true).await;
}

#[tokio::test]
async fn a_limit_holds_without_super_frames() {
    check("bw-nogso", 400, false, true).await;
}

#[tokio::test]
async fn a_limit_holds_back_datagrams_without_losing_any() {
    check("bw-udp", 200, true, false).await;
}

#[tokio::test]
async fn a_low_limit_holds() {
    check("bw-low", 10, true, true).await;
}

#[tokio::test]
async fn a_neighbour_is_not_limited() {
    if !kernel::available() {
        return;
    }
    let limit = 100;
    let deployment = Deployment::up("bw-free", &document(Some(limit))).await;
    let [vm, free, near, hub] = ["vm", "free", "near", "hub-vm"].map(|it| deployment.guest(it));
    let (limited, unlimited) = (Bulk::tcp(&vm, &near, true), Bulk::tcp(&free, &hub, true));
    // What is sent to the limited NIC is not limited, only what it answers.
    let towards = Bulk::tcp(&free, &vm, true);
    tokio::time::sleep(RUN).await;
    let (unlimited, towards) = (unlimited.finish(), towards.finish());
    judge("beside a neighbour", limited.finish(), limit);
    for (what, arrived) in [("the neighbour", unlimited), ("towards the limited", towards)] {
        let megabits = arrived.bits_per_second() / 1_000_000;
        println!("{what}: {megabits} Mbit/s");
        assert!(megabits > 2 * limit, "{what}: {megabits} Mbit/s");
    }
    assert_nothing_lost(&deployment, &vm);
}

type Start = fn(&Guest, &Guest, bool) -> Bulk;

/// No datagram is lost while the limit changes and goes; a socket holds fewer than the queue.
async fn check_change(test: &str, start: Start) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &document(Some(50))).await;
    let (vm, hub) = (deployment.guest("vm"), deployment.guest("hub-vm"));
    let stream = start(&vm, &hub, true);
    judge("before", stream.watch(RUN).await, 50);
    let index = |queue: Option<Value>| queue.expect("a queue")["dev"].clone();
    let before = index(queue(&deployment));
    for megabits in [100, 30] {
        deployment.apply(&document(Some(megabits)));
        judge("after a change", stream.watch(RUN).await, megabits);
    }
    assert_eq!(index(queue(&deployment)), before);
    deployment.apply(&document(None));
    let free = stream.watch(RUN).await.bits_per_second() / 1_000_000;
    println!("without: {free} Mbit/s");
    assert!(free > 60, "{free} Mbit/s");
    assert!(queue(&deployment).is_none());
    let links = deployment.on_host("host-a", "ip -o link show");
    assert!(!links.contains("vnps"), "{links}");
    deployment.apply(&document(Some(40)));
    judge("again", stream.watch(RUN).await, 40);
    stream.finish();
}

#[tokio::test]
async fn a_limit_changes_under_a_running_stream_and_goes() {
    check_change("bw-change", Bulk::tcp).await;
}

#[tokio::test]
async fn no_datagram_is_lost_while_a_limit_changes_and_goes() {
    check_change("bw-change-u", Bulk::udp).await;
}

#[tokio::test]
async fn a_limit_outlives_the_agent() {
    if !kernel::available() {
        return;
    }
    let mut deployment = Deployment::up("bw-kill", &document(Some(200))).await;
    let (vm, hub) = (deployment.guest("vm"), deployment.guest("hub-vm"));
    let stream = Bulk::tcp(&vm, &hub, true);
    judge("before", stream.watch(RUN).await, 200);
    let links = || {
        let text = deployment.on_host("host-a", "ip -o link show");
        let ours = text.lines().filter(|line| line.contains("vnps"));
        ours.filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = links();
    assert_eq!(before.len(), 2, "{before:?}");
    let mut hosts = deployment.lab.record().hosts.iter();
    let agent = hosts.find(|it| it.name == "host-a").and_then(|it| it.agent).expect("an agent");
    kill(Pid::from_raw(agent.pid), Signal::SIGKILL).expect("kill the agent");
    until("the agent is gone", async || !agent.is_alive()).await;
    judge("without an agent", stream.watch(RUN).await, 200);
    deployment.lab.start_agent("host-a").await.unwrap_or_else(|error| panic!("{error}"));
    judge("with the next", stream.watch(RUN).await, 200);
    let text = deployment.on_host("host-a", "ip -o link show");
    assert!(before.iter().all(|it| text.contains(it.as_str())), "{text}");
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    assert!(status.ready && status.limits.len() == 1, "{status:?}");
    assert_nothing_lost(&deployment, &vm);
    stream.finish();
}

/// Somebody takes the queue away: the agent finds that out and makes another.
#[tokio::test]
async fn a_queue_that_was_removed_is_made_again() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("bw-mend", &document(Some(100))).await;
    let (vm, near) = (deployment.guest("vm"), deployment.guest("near"));
    let name = queue(&deployment).expect("a queue")["dev"].as_str().expect("a name").to_owned();
    deployment.on_host("host-a", &format!("ip link delete {name}"));
    until("another queue", async || queue(&deployment).is_some()).await;
    until("packets pass", async || vm.pings(near.address(true))).await;
    let stream = Bulk::tcp(&vm, &near, true);
    judge("mended", stream.watch(RUN).await, 100);
}

/// What is in the way of a queue costs the limit, not the packets, and everybody says so.
#[tokio::test]
async fn a_limit_that_cannot_be_kept_is_reported_and_kept_when_it_can_be() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("bw-fail", &document(None)).await;
    let (vm, near) = (deployment.guest("vm"), deployment.guest("near"));
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    let interface = status.interfaces.iter().find(|it| it.name == "vm").expect("the interface");
    let taken = format!("vnps{}a", interface.ifindex);
    deployment.on_host("host-a", &format!("ip link add {taken} type ifb"));
    let said = deployment.apply_fails(&document(Some(100)));
    assert!(said.contains(&taken) && said.contains("is not kept"), "{said}");
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    let limit = &status.limits[0];
    assert!(!status.ready && limit.interface.is_none(), "{status:?}");
    assert!(limit.last_error.as_ref().is_some_and(|it| it.contains(&taken)), "{limit:?}");
    assert!(vm.pings(near.address(true)));
    // Longer than the agent waits before it tries again.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    deployment.on_host("host-a", &format!("ip link delete {taken}"));
    until("the limit is kept", async || {
        deployment.agent("host-a").status().await.is_ok_and(|it| it.ready)
    })
    .await;
    let stream = Bulk::tcp(&vm, &near, true);
    judge("at last", stream.watch(RUN).await, 100);
}
