//! One NIC opens as many connections as it can. The others do not notice.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use vnetpeer_tests::{
    kernel,
    netns::{
        Connection, Deployment, GroupOf, Guest, NicOf, RuleOf, Spec, Transfer, Wire, transfer,
    },
    packet::Packet,
};
use vnetpeer_userspace::agent::api::{FlowQuery, FlowRecord};

use super::{HTTPS, each, serve};

const FLOOD: Duration = Duration::from_secs(3);
const BYTES: usize = 64 << 20;
const CONNECTIONS: usize = 20;
/// How often the goodput without a flood is taken.
const TRANSFERS: u128 = 10;
const REFUSED: &str = "HalfOpenQuotaReached";
/// Offset of a TCP header in a frame of IPv4 without options.
const TCP: usize = 34;

/// `red1` floods, `blue1` refuses that in silence, `red2` works with `blue2`. All but the last share a
/// host.
fn document() -> String {
    let nics = vec![
        NicOf("red1", "red", 4, "host-a", "tc"),
        NicOf("red2", "red", 5, "host-a", "tc"),
        NicOf("blue1", "blue", 4, "host-a", "tc"),
        NicOf("blue2", "blue", 5, "host-b", "tc"),
    ];
    let spec = Spec { wire: false, nics, peered: vec![("red", "blue")] };
    let open = vec![RuleOf::allow_in("all", "Tcp", "*"), RuleOf::deny_all_in()];
    let closed = vec![RuleOf::deny_all_in()];
    spec.yaml_with(&[
        GroupOf::new("red1", closed.clone()),
        GroupOf::new("red2", closed.clone()),
        GroupOf::new("blue1", closed),
        GroupOf::new("blue2", open),
    ])
}

/// SYNs with ever other ports until the time is up; says how many.
fn flood(wire: &Wire, from: &Guest, to: &Guest) -> u64 {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (from.address(true), to.address(true)) else {
        return 0;
    };
    let syn = Packet::v4(source, target).tcp_flags(1, 80, 0x02, 0);
    let mut frame = wire.frame(&syn);
    let start = Instant::now();
    let mut sent = 0;
    for number in 0_u32.. {
        // The programs look at ports, and only the receiver at checksums.
        frame[TCP..TCP + 4].copy_from_slice(&number.wrapping_add(1 << 20).to_be_bytes());
        sent += u64::from(wire.try_send(&frame));
        if number % 256 == 0 && start.elapsed() > FLOOD {
            break;
        }
    }
    sent
}

/// Established flows of a NIC by their ports.
async fn flows(deployment: &Deployment, nic: &str) -> Vec<(u16, u16)> {
    let mut nics = deployment.lab.topology().nics.iter();
    let id = nics.find(|it| it.id.name() == nic).expect("the NIC exists").id.to_string();
    let query =
        FlowQuery { network_interface: Some(id), protocol: Some(6), remote: None, limit: 100_000 };
    let list = deployment.agent("host-a").flows(&query).await.expect("the agent answers");
    let open = list.flows.iter().filter(|flow| flow.state == "Established");
    let ports = |flow: &FlowRecord| Some((flow.local_port?, flow.remote_port?));
    let mut found: Vec<(u16, u16)> = open.filter_map(ports).collect();
    found.sort_unstable();
    found
}

/// What a transfer reaches, in Mbit/s.
fn goodput(from: &Guest, to: &Guest) -> u128 {
    let start = Instant::now();
    transfer(from, to, Transfer { bytes: BYTES, is_v4: true });
    8 * BYTES as u128 / start.elapsed().as_micros().max(1)
}

#[tokio::test]
async fn a_flood_harms_only_its_own_nic() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("s-flood", &document()).await;
    let [red1, red2, blue1, blue2] =
        ["red1", "red2", "blue1", "blue2"].map(|name| deployment.guest(name));
    let servers = serve(&deployment, &["blue2"], HTTPS);
    let open = |number: usize| Connection::open(&red2, servers[number % 2].address());
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
    each(&mut connections, |it| it.exchange().expect("an answer"));
    let alone: u128 = (0..TRANSFERS).map(|_| goodput(&red2, &blue2)).sum::<u128>() / TRANSFERS;
    let before: Vec<(u16, u16)> = flows(&deployment, "red2").await;
    let kept = |ports: &&(u16, u16)| ports.1 == HTTPS;
    assert_eq!(before.iter().filter(kept).count(), CONNECTIONS);

    let running: Vec<_> = (0..2).map(|number| open(number).run()).collect();
    let wire = Wire::open(&deployment, &red1);
    let (sent, rates, news) = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&wire, &red1, &blue1));
        thread::sleep(FLOOD / 20);
        let mut news: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
        each(&mut news, |it| it.exchange().expect("an answer"));
        let mut rates = Vec::new();
        while !flooding.is_finished() {
            rates.push(goodput(&red2, &blue2));
        }
        assert!(rates.len() > 1, "new connections worked during the flood, and transfers");
        (flooding.join().expect("the flood"), rates, news.len())
    });
    let longest = running.into_iter().map(|it| it.stop().1).max();
    each(&mut connections, |it| it.exchange().expect("an answer"));
    let after = flows(&deployment, "red2").await;
    let missing: Vec<_> = before.iter().filter(kept).filter(|it| !after.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let refused = deployment.dropped("host-a", "red1", REFUSED).await;
    let passed = deployment.dropped("host-a", "blue1", "InboundRuleDenied").await;
    assert!(refused > 0, "the quota was reached");
    assert_eq!(deployment.dropped("host-a", "red2", REFUSED).await, 0);
    let mean = rates.iter().sum::<u128>() / rates.len() as u128;
    println!(
        "{sent} SYNs in {FLOOD:?}, {passed} of them passed, {refused} refused; goodput of the other \
         {alone} Mbit/s alone, {mean} Mbit/s meanwhile ({} transfers); {news} new connections; \
         longest exchange {longest:?}",
        rates.len()
    );
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    let mut nics = status.flows.iter();
    let own = nics.find(|it| it.network_interface.ends_with("/red1")).expect("the NIC");
    assert_eq!(Some(own.half_open), own.half_open_max.map(u64::from), "{own:?}");
    assert!(passed >= own.half_open && sent >= refused + passed, "{own:?}");
}
