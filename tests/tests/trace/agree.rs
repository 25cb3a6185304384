//! For random networks and packets: what `trace` says, what the loaded programs do, and what the oracle, which
//! reads nothing but the document's text, expects, are the same.

use std::{env, net::IpAddr};

use ipnet::IpNet;
use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    oracle::Oracle,
    random::{Random, seed},
};
use vnetpeer_userspace::{
    document::load,
    simulate::{
        self, Packet, Protocol,
        trace::{Tracer, Verdict},
    },
    topology::{
        facts::NetworkFacts,
        model::Nic,
        network::Network,
        state::{State, advance},
    },
};

use super::{
    document,
    kernel::{End, Hosts},
};

/// Packets of a run, unless `TRACE_PACKETS` says otherwise.
const PACKETS: usize = 3_000;
/// Packets of one network.
const ROUND: usize = 64;

#[test]
fn trace_kernel_and_oracle_agree() {
    if !kernel::available() {
        return;
    }
    let wanted = env::var("TRACE_PACKETS").ok().map(|it| it.parse().expect("a number"));
    let wanted: usize = wanted.unwrap_or(PACKETS);
    let mut random = Random::new(seed());
    let mut hosts = Hosts::load();
    let (mut tried, mut arrived) = (0, 0);
    while tried < wanted {
        let document = document::random(&mut random);
        let (count, came) = round(&mut random, &mut hosts, &document);
        tried += count;
        arrived += came;
    }
    println!("{tried} packets, {arrived} answered, no disagreement");
    assert!(arrived > tried / 10 && arrived < tried * 9 / 10, "one-sided: {arrived} of {tried}");
}

/// Packets in one network: how many, and how many of them were answered.
fn round(random: &mut Random, hosts: &mut Hosts, document: &Value) -> (usize, usize) {
    let text = document.to_string();
    let topology = match load("random.json", &text) {
        Ok(loaded) => loaded.topology,
        Err(problems) => panic!("{problems}\n{text}"),
    };
    let state = advance(&State::default(), &topology).expect("numbers");
    let network = Network::new(&topology, &state).expect("a network");
    let facts = NetworkFacts::default();
    let simulated = simulate::Network::new(&topology, &state, &facts).expect("maps");
    let tracer = Tracer::new(&network, &simulated);
    let oracle = Oracle::new(&text);
    let judged = oracle.nics();
    hosts.fill(&topology, &state);
    let mut arrived = 0;
    for number in 0..ROUND {
        let (from, to) = (random.below(judged.len()), random.below(judged.len()));
        if from == to {
            continue;
        }
        let (sender, receiver) = (&topology.nics[from], &topology.nics[to]);
        let is_v4 = random.one_in(2);
        let address =
            |nic: &Nic| *nic.addresses.iter().find(|it| it.is_ipv4() == is_v4).expect("both");
        let protocol = *random.pick(&[Protocol::Tcp, Protocol::Udp]);
        let port = *random.pick(&document::PORTS);
        let packet = Packet::request(protocol, address(sender), address(receiver), port);
        let packet = packet.of_client(u16::try_from(number).expect("few clients"));
        let trace = tracer.trace(sender, &packet).expect("a numbered network");
        let about = || format!("{packet:?}\n{}\n{:?}\n{text}", trace.summary, trace.findings);

        let disagrees = trace.findings.iter().any(|it| it.code == "TraceDisagreement");
        assert!(!disagrees, "by itself: {}", about());
        let expected = oracle.reaches(&judged[from], &judged[to], packet.destination)
            && allows(document, sender, "Outbound", packet.destination, port)
            && allows(document, receiver, "Inbound", packet.source, port);
        let answered = trace.verdict != Verdict::Disconnected;
        assert_eq!(answered, expected, "the oracle: {}", about());

        let end = hosts.send(&topology, &state, sender, &packet);
        assert_eq!(said(&trace.request.end), end, "the kernel, request: {}", about());
        let delivered = trace.request.end.network_interface.as_ref();
        if let (Some(answer), Some(at)) = (&trace.answer, delivered) {
            let at = topology.nics.iter().find(|nic| nic.id == *at).expect("a NIC");
            let end = hosts.send(&topology, &state, at, &packet.answer());
            assert_eq!(said(&answer.end), end, "the kernel, answer: {}", about());
        }
        arrived += usize::from(answered);
    }
    (ROUND, arrived)
}

/// An end in the kernel's words.
fn said(end: &simulate::trace::TraceEnd) -> End {
    let nic = end.network_interface.as_ref();
    match end.code {
        "Delivered" => End::Delivered(nic.map_or(String::new(), |it| it.name().to_owned())),
        code => End::Dropped(code),
    }
}

/// What a NIC's group says of a flow, rule by rule.
fn allows(document: &Value, nic: &Nic, direction: &str, remote: IpAddr, port: u16) -> bool {
    let named = |list: &str, name: &str| -> Option<Value> {
        document[list].as_array()?.iter().find(|it| it["name"] == name).cloned()
    };
    let nic = named("networkInterfaces", nic.id.name()).expect("a NIC");
    let Some(group) = nic["properties"]["networkSecurityGroup"]["id"].as_str() else { return true };
    let group = named("networkSecurityGroups", group).expect("a group");
    let rules = group["properties"]["securityRules"].as_array().expect("rules").iter();
    let mut rules: Vec<&Value> = rules.map(|rule| &rule["properties"]).collect();
    rules.sort_by_key(|rule| rule["priority"].as_u64());
    let side =
        if direction == "Inbound" { "sourceAddressPrefix" } else { "destinationAddressPrefix" };
    let first = rules.into_iter().filter(|rule| rule["direction"] == direction).find(|rule| {
        let prefix = rule[side].as_str().expect("a prefix");
        let is_in = prefix == "*" || prefix.parse::<IpNet>().expect("a prefix").contains(&remote);
        is_in && (rule["destinationPortRange"] == "*" || rule["destinationPortRange"] == port)
    });
    first.expect("the last rule is about everything")["access"] == "Allow"
}
