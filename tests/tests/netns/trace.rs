//! `trace --live`: programs and maps of running hosts say what the trace says, nobody notices that they were asked,
//! and an entry that does not belong there is reported.

mod contradiction;

use std::{net::IpAddr, process::Output};

use aya::maps::{Array, Map, MapData};
use serde_json::Value;
use vnetpeer_common::abi::{ABI_VERSION, Link, maps};
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, GroupOf, NicOf, RuleOf, Spec},
};
use vnetpeer_userspace::{
    agent::api::{FlowList, FlowQuery, TraceFrame, TraceRequest},
    simulate::{FrameEnd, Packet, Protocol, wire},
    topology::compile::guest_mac,
};

/// Frames that nobody is to notice.
const FRAMES: u16 = 100;
const LINK_BYTES: usize = size_of::<Link>();

/// All programs have a part: TC and XDP at guests, XDP on the underlay.
fn document() -> String {
    let spec = Spec {
        nics: vec![
            NicOf("red1", "red", 4, "host-a", "tc"),
            NicOf("blue1", "blue", 4, "host-a", "xdp"),
            NicOf("red2", "red", 5, "host-b", "xdp"),
            NicOf("blue2", "blue", 5, "host-b", "tc"),
        ],
        ..Spec::pair("tc", true)
    };
    let web = RuleOf::allow_in("web", "Tcp", "443");
    spec.yaml_with(&[GroupOf::new("blue2", vec![web, RuleOf::deny_all_in()])])
}

/// The answer of `trace --live` and its exit code.
fn trace(deployment: &Deployment, words: &str) -> (Value, i32) {
    read(&deployment.vnetpeer(&format!("trace --live {words}")))
}

fn read(output: &Output) -> (Value, i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout);
    (answer.unwrap_or_else(|_| panic!("{stderr}")), output.status.code().expect("a code"))
}

fn check(deployment: &Deployment, words: &str, exit: i32, code: &str) {
    for family in ["", " -6"] {
        let (answer, status) = trace(deployment, &format!("{words}{family}"));
        let live = &answer["live"];
        assert_eq!(live["disagreements"], Value::Array(Vec::new()), "{words}{family}: {live:#}");
        assert_eq!((status, live["request"]["code"].as_str()), (exit, Some(code)), "{words}");
        assert_eq!(live["answer"].is_object(), code == "Delivered", "{words}: {live:#}");
    }
}

async fn flows(deployment: &Deployment, host: &str) -> FlowList {
    let query = FlowQuery { network_interface: None, protocol: None, remote: None, limit: 1_000 };
    deployment.agent(host).flows(&query).await.expect("the agent answers")
}

/// Lets `red1` send many frames to another NIC and to nowhere, none of them for real. Returns how many came out.
async fn many(deployment: &Deployment, to: IpAddr) -> usize {
    let lab = &deployment.lab;
    let nic = lab.topology().nics.iter().find(|nic| nic.id.name() == "red1").expect("red1");
    let number = lab.state().nic(&nic.id).expect("a number");
    let red1 = deployment.guest("red1");
    let mac = guest_mac(nic, number);
    let frames = (0..FRAMES).map(|client| {
        let packet = Packet::request(Protocol::Tcp, red1.address(to.is_ipv4()), to, 443);
        TraceFrame { nic: Some(number.0), bytes: wire::frame(&packet.of_client(client), mac) }
    });
    let request = TraceRequest { frames: frames.collect() };
    let reply = deployment.agent("host-a").trace(&request).await.expect("the agent answers");
    assert!(reply.outcomes.iter().all(|it| it.programs == it.maps), "{:?}", reply.outcomes);
    let passed = |end: &FrameEnd| matches!(end, FrameEnd::Delivered(_) | FrameEnd::Transmitted);
    reply.outcomes.iter().filter(|it| passed(&it.programs)).count()
}

/// Takes the flags of all links off a host, behind its agent's back.
pub(crate) fn break_links(deployment: &Deployment, host: &str) {
    let record = deployment.lab.record().hosts.iter().find(|it| it.name == host).expect("a host");
    let pin = record.pins.join(format!("v{ABI_VERSION}/maps/{}", maps::LINKS));
    let map = Map::Array(MapData::from_pin(pin).expect("a pinned map"));
    let mut links = Array::<_, [u8; LINK_BYTES]>::try_from(map).expect("an array");
    for index in 0..8 {
        let mut link: Link = bytemuck::cast(links.get(&index, 0).expect("an entry"));
        link.flags = 0;
        links.set(index, bytemuck::cast::<_, [u8; LINK_BYTES]>(link), 0).expect("set an entry");
    }
}

#[tokio::test]
async fn a_live_trace_is_what_happens_and_leaves_nothing() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("trace", &document()).await;
    check(&deployment, "red1 blue1 --protocol udp", 0, "Delivered");
    check(&deployment, "red1 blue2", 0, "Delivered");
    check(&deployment, "red2 blue1 --protocol icmp", 0, "Delivered");
    check(&deployment, "red1 blue2 --port 80", 3, "InboundRuleDenied");
    for (to, code) in [("10.99.1.5", "RouteNone"), ("fd00:99::5", "InternetUnavailable")] {
        let (answer, status) = trace(&deployment, &format!("red2 {to}"));
        let live = &answer["live"];
        assert_eq!((status, live["request"]["code"].as_str()), (4, Some(code)), "{live:#}");
        assert_eq!(live["disagreements"], Value::Array(Vec::new()), "{live:#}");
    }

    let before = (deployment.meters().await, flows(&deployment, "host-a").await);
    let drops = deployment.dropped("host-a", "red1", "RouteNone").await;
    let hits = deployment.agent("host-a").rule_hits().await.expect("the agent answers");
    for is_v4 in [true, false] {
        for name in ["blue1", "blue2"] {
            let to = deployment.guest(name).address(is_v4);
            assert_eq!(many(&deployment, to).await, usize::from(FRAMES), "{to}");
        }
    }
    assert_eq!(many(&deployment, IpAddr::from([10, 99, 1, 5])).await, 0);
    assert_eq!(before.0, deployment.meters().await);
    assert_eq!(before.1.flows.len(), flows(&deployment, "host-a").await.flows.len());
    assert_eq!(deployment.dropped("host-a", "red1", "RouteNone").await, drops);
    let after = deployment.agent("host-a").rule_hits().await.expect("the agent answers");
    assert_eq!(format!("{hits:?}"), format!("{after:?}"));
    assert!(deployment.guest("red1").pings(deployment.guest("red2").address(true)));

    contradiction::is_told(&deployment);

    break_links(&deployment, "host-b");
    let (answer, status) = trace(&deployment, "red1 blue2");
    let disagreements = answer["live"]["disagreements"].as_array().expect("a list");
    assert_eq!((status, disagreements.len()), (1, 1), "{:#}", answer["live"]);
    let message = disagreements[0]["message"].as_str().expect("a message");
    assert!(message.contains("by the document in force: Delivered at blue2"), "{message}");
    assert_eq!(disagreements[0]["code"], "TraceDisagreement");
}
