//! One NIC opens as many connections as it can. The others do not notice.
//!
//! The flood has a CPU and a rate, and so has the stream whose goodput is compared: far less than the
//! machine carries, so that what is missing of it was taken by the flood and not by the measurement.

mod load;

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, EchoServer, GroupOf, Guest, NicOf, RuleOf, Spec, Wire, until},
};
use vnetpeer_userspace::agent::api::{FlowQuery, FlowRecord, NicFlows};

use self::load::{Flood, OFFERED, PacedStream, SYNS_PER_SECOND, median};
use super::{HTTPS, each, serve};

const CONNECTIONS: usize = 20;
/// With and without a flood, in turns; the median of each counts.
const ROUNDS: usize = 7;
const QUOTA: &str = "HalfOpenQuotaReached";
/// Why a NIC that does nothing wrong could lose packets to a flood.
const NEVER: [&str; 3] = [QUOTA, "FlowQuotaReached", "FlowTableFull"];

/// `red1` floods by IPv4 and `red3` by IPv6, `blue1` refuses that in silence, and `red2` works with
/// `blue2`. All but the last share a host.
fn document() -> String {
    let nics = vec![
        NicOf("red1", "red", 4, "host-a", "tc"),
        NicOf("red2", "red", 5, "host-a", "tc"),
        NicOf("red3", "red", 6, "host-a", "tc"),
        NicOf("blue1", "blue", 4, "host-a", "tc"),
        NicOf("blue2", "blue", 5, "host-b", "tc"),
    ];
    let spec = Spec { wire: false, nics, peered: vec![("red", "blue")] };
    let open = vec![RuleOf::allow_in("all", "Tcp", "*"), RuleOf::deny_all_in()];
    let closed = |nic| GroupOf::new(nic, vec![RuleOf::deny_all_in()]);
    spec.yaml_with(&[
        closed("red1"),
        closed("red2"),
        closed("red3"),
        closed("blue1"),
        GroupOf::new("blue2", open),
    ])
}

/// Established flows of a NIC to the servers' port, by their own and the other port.
async fn established(deployment: &Deployment, nic: &str) -> Vec<(u16, u16)> {
    let mut nics = deployment.lab.topology().nics.iter();
    let id = nics.find(|it| it.id.name() == nic).expect("the NIC exists").id.to_string();
    let query =
        FlowQuery { network_interface: Some(id), protocol: Some(6), remote: None, limit: 100_000 };
    let list = deployment.agent("host-a").flows(&query).await.expect("the agent answers");
    let ports = |flow: &FlowRecord| Some((flow.local_port?, flow.remote_port?));
    let open = list.flows.iter().filter(|flow| flow.state == "Established").filter_map(ports);
    let mut found: Vec<(u16, u16)> = open.filter(|ports| ports.1 == HTTPS).collect();
    found.sort_unstable();
    found
}

/// How many flows a NIC has, and may have.
async fn quota(deployment: &Deployment, nic: &str) -> NicFlows {
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    let mut nics = status.flows.into_iter();
    nics.find(|it| it.network_interface.ends_with(&format!("/{nic}"))).expect("the NIC")
}

/// Goodput of a stream from `red2` to `blue2` by one family, with and without a flood.
fn measure(deployment: &Deployment, flood: &Flood, is_v4: bool) {
    let [from, to] = ["red2", "blue2"].map(|name| deployment.guest(name));
    let mut stream = PacedStream::open(&from, &to, is_v4);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut sent = 0;
    for _ in 0..ROUNDS {
        alone.push(stream.round());
        let (count, goodput) = flood.during(|| stream.round());
        sent += count;
        beside.push(goodput);
    }
    let [alone, beside] = [alone, beside].map(median);
    let percent = |part: u64, whole: u64| {
        let mille = part * 1_000 / whole.max(1);
        format!("{}.{} %", mille / 10, mille % 10)
    };
    println!(
        "{}: goodput of {OFFERED} bytes/s offered: {} alone, {} beside {sent} SYNs at up to \
         {SYNS_PER_SECOND}/s; ratio {}",
        if is_v4 { "IPv4" } else { "IPv6" },
        percent(alone, OFFERED),
        percent(beside, OFFERED),
        percent(beside, alone)
    );
}

/// Opens connections while the flood goes on and its NIC has no flow left.
async fn connect_beside(deployment: &Deployment, attacker: &str, flood: &Flood, to: &[EchoServer]) {
    let red2 = deployment.guest("red2");
    let (sent, ()) = flood.during(|| {
        let open = |number: usize| Connection::open(&red2, to[number % to.len()].address());
        let mut news: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
        each(&mut news, |it| it.exchange().expect("an answer"));
    });
    assert!(sent > 0, "the flood went on meanwhile");
    let full = async || {
        let own = quota(deployment, attacker).await;
        Some(own.half_open) == own.half_open_max.map(u64::from)
    };
    until("the flood's NIC is at its quota", full).await;
}

#[tokio::test]
async fn a_flood_harms_only_its_own_nic() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("s-flood", &document()).await;
    let [red2, blue1] = ["red2", "blue1"].map(|name| deployment.guest(name));
    let servers = serve(&deployment, &["blue2"], HTTPS);
    let open = |number: usize| Connection::open(&red2, servers[number % 2].address());
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
    each(&mut connections, |it| it.exchange().expect("an answer"));
    let before = established(&deployment, "red2").await;
    assert_eq!(before.len(), CONNECTIONS);
    let running: Vec<_> = (0..2).map(|number| open(number).run()).collect();

    let mut sent = 0;
    for (attacker, is_v4) in [("red1", true), ("red3", false)] {
        let from: Guest = deployment.guest(attacker);
        let flood = Flood::new(Wire::open(&deployment, &from), &from, &blue1, is_v4);
        measure(&deployment, &flood, is_v4);
        connect_beside(&deployment, attacker, &flood, &servers).await;
        let refused = deployment.dropped("host-a", attacker, QUOTA).await;
        assert!(refused > 0, "{attacker} was refused flows beyond its quota");
        sent += flood.sent();
        println!("{attacker}: {refused} SYNs refused of {}", flood.sent());
    }

    let longest = running.into_iter().map(|it| it.stop().1).max();
    each(&mut connections, |it| it.exchange().expect("an answer"));
    let after = established(&deployment, "red2").await;
    let missing: Vec<_> = before.iter().filter(|it| !after.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let drops = deployment.drops("host-a").await;
    for reason in NEVER {
        assert_eq!(drops.get(&("red2".to_owned(), reason.to_owned())), None, "{drops:?}");
    }
    let count = |nic: &str, reason: &str| {
        drops.get(&(nic.to_owned(), reason.to_owned())).copied().unwrap_or(0)
    };
    let refused = count("red1", QUOTA) + count("red3", QUOTA);
    let passed = count("blue1", "InboundRuleDenied");
    assert!(sent >= refused + passed, "{sent} SYNs: {drops:?}");
    println!("{sent} SYNs, {passed} passed, {refused} refused; longest exchange {longest:?}");
}
