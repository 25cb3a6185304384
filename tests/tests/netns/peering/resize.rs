//! Address spaces that grow and shrink under load (AZ §1.5): ranges that stay lose nothing.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use ipnet::IpNet;
use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, EchoServer, Guest, Probes, Running, Span, Spec, Stream},
};

use super::{property, rounds, sorted, without_auto_sync};

/// A few times through all spaces of both VNets.
const FEW: usize = 42;
const FEW_WITHDRAWALS: usize = 5;
/// Of one stream; all of them together send more than 100,000 datagrams per second.
const PER_SECOND: usize = 13_000;
const PORT: u16 = 7_777;
const DATAGRAMS: u64 = 50;
/// The discard service; nobody listens.
const DISCARD: u16 = 9;

/// What a VNet has, one after the other, and addresses that are in some of them. The ranges that the
/// streams use are in all of them, and get longer and shorter prefixes.
struct Resizes {
    vnet: &'static str,
    peering: &'static str,
    spaces: [&'static [&'static str]; 7],
    addresses: [&'static str; 7],
}

const RED: Resizes = Resizes {
    vnet: "red",
    peering: "blue/to-red",
    spaces: [
        &["10.1.0.0/16", "fd00:1::/48", "10.50.0.0/16"],
        &["10.0.0.0/15", "fd00:1::/48", "10.50.0.0/16"],
        &["10.0.0.0/15", "fd00:1::/48", "10.50.0.0/16", "fd00:50::/48"],
        &["10.1.0.0/17", "fd00:1::/47", "10.50.0.0/17", "fd00:50::/48"],
        &["10.1.0.0/17", "fd00:1::/56", "10.50.0.0/17"],
        &["10.1.0.0/17", "fd00:1::/56"],
        &["10.1.0.0/16", "fd00:1::/48"],
    ],
    addresses: [
        "10.0.9.9",
        "10.1.200.9",
        "10.50.0.9",
        "10.50.200.9",
        "fd00:1:1::9",
        "fd00:1:0:f000::9",
        "fd00:50::9",
    ],
};

const BLUE: Resizes = Resizes {
    vnet: "blue",
    peering: "red/to-blue",
    spaces: [
        &["10.3.0.0/16", "fd00:3::/48", "10.40.0.0/16"],
        &["10.2.0.0/15", "fd00:3::/48", "10.40.0.0/16"],
        &["10.2.0.0/15", "fd00:3::/48", "10.40.0.0/16", "fd00:40::/48"],
        &["10.3.0.0/17", "fd00:3::/47", "10.40.0.0/17", "fd00:40::/48"],
        &["10.3.0.0/17", "fd00:3::/56", "10.40.0.0/17"],
        &["10.3.0.0/17", "fd00:3::/56"],
        &["10.3.0.0/16", "fd00:3::/48"],
    ],
    addresses: [
        "10.2.9.9",
        "10.3.200.9",
        "10.40.0.9",
        "10.40.200.9",
        "fd00:3:1::9",
        "fd00:3:0:f000::9",
        "fd00:40::9",
    ],
};

impl Resizes {
    /// Packets of a NIC of the other VNet that follow the route to this VNet and find no NIC there.
    async fn followed(&self, deployment: &Deployment, from: &Guest) -> u64 {
        let count = async || deployment.dropped("host-a", &from.name, "NoEndpoint").await;
        let before = count().await;
        for address in self.addresses {
            let address: IpAddr = address.parse().expect("an address");
            let socket = from.udp(from.address(address.is_ipv4()));
            socket
                .send_to(&[0], SocketAddr::new(address, DISCARD))
                .expect("the interface takes it");
        }
        count().await - before
    }

    fn covered(&self, space: &[&str]) -> u64 {
        let space: Vec<IpNet> = space.iter().map(|it| it.parse().expect("a prefix")).collect();
        let addresses = self.addresses.map(|it| it.parse::<IpAddr>().expect("an address"));
        let covered = addresses.iter().filter(|it| space.iter().any(|net| net.contains(*it)));
        covered.count() as u64
    }

    /// The peer keeps the old space until it is synced, and has the new one when that has returned.
    async fn resize(&self, deployment: &Deployment, from: &Guest, step: usize) {
        let old = self.spaces[(step + self.spaces.len() - 1) % self.spaces.len()];
        let new = self.spaces[step % self.spaces.len()];
        deployment.ask(&format!("vnet update {} --address-prefixes {}", self.vnet, new.join(" ")));
        assert_eq!(self.followed(deployment, from).await, self.covered(old), "{old:?} to {new:?}");
        let synced = deployment.ask(&format!("peering sync {}", self.peering));
        assert_eq!(property(&synced, "peeringSyncLevel"), "FullyInSync");
        assert_eq!(property(&synced, "remoteAddressSpace"), sorted(new.iter().copied()));
        assert_eq!(self.followed(deployment, from).await, self.covered(new), "{new:?}");
    }
}

/// Both directions, both families, on one host and between two.
fn streams(deployment: &Deployment) -> Vec<Stream> {
    let lanes = [
        ("red1", "blue2", true),
        ("red1", "blue2", false),
        ("blue2", "red1", true),
        ("blue2", "red1", false),
        ("red1", "blue1", true),
        ("blue1", "red1", false),
        ("blue1", "red2", true),
        ("red2", "blue2", false),
    ];
    let start = |(from, to, is_v4)| {
        let (from, to) = (deployment.guest(from), deployment.guest(to));
        Stream::start(&from, &to, is_v4, 0, PER_SECOND)
    };
    lanes.map(start).into_iter().collect()
}

fn connections(deployment: &Deployment, servers: &[EchoServer]) -> Vec<Running> {
    let clients = ["red1", "red2"].map(|name| deployment.guest(name));
    let open =
        |client: &Guest, server: &EchoServer| Connection::open(client, server.address()).run();
    let pairs = clients.iter().flat_map(|client| servers.iter().map(move |it| (client, it)));
    pairs.map(|(client, server)| open(client, server)).collect()
}

#[tokio::test]
async fn ranges_that_stay_lose_nothing_while_others_come_and_go() {
    if !kernel::available() {
        return;
    }
    let document = without_auto_sync(&Spec::pair("tc", false));
    let deployment = Deployment::up("p-resize", &document).await;
    let [red1, blue1, blue2] = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    let servers = [(&blue1, true), (&blue1, false), (&blue2, true), (&blue2, false)];
    let servers = servers.map(|(guest, is_v4)| EchoServer::start(guest, is_v4, PORT));
    let connections = connections(&deployment, &servers);
    let (streams, start) = (streams(&deployment), Instant::now());
    let resizes = rounds(FEW);
    for number in 0..resizes {
        let (vnet, from) = if number % 2 == 0 { (&BLUE, &red1) } else { (&RED, &blue1) };
        vnet.resize(&deployment, from, number / 2).await;
    }
    let lasted = start.elapsed();
    let (mut sent, mut lost, mut longest) = (0, 0, lasted / u32::MAX);
    for stream in streams {
        let report = stream.finish();
        sent += report.sent;
        lost += report.missing.len();
        report.assert_whole();
    }
    for connection in connections {
        longest = longest.max(connection.stop().1);
    }
    let rate = sent * 1_000 / usize::try_from(lasted.as_millis()).expect("a short time").max(1);
    println!("{resizes} resizes, each with a sync, in {lasted:?}");
    println!("{sent} datagrams, {rate} per second, {lost} lost; TCP: longest exchange {longest:?}");
}

/// The document in which `blue` has a further range with a NIC in it.
fn with_extra() -> String {
    let replacements = [
        ("\"fd00:3::/48\"]}", "\"fd00:3::/48\", 10.30.0.0/16, \"fd00:30::/48\"]}"),
        (
            "        - name: blue\n",
            "        - name: extra\n          properties: {addressPrefixes: [10.30.1.0/24, \
             \"fd00:30:0:1::/64\"]}\n        - name: blue\n",
        ),
        (
            "hosts:\n",
            "  - name: extra\n    properties:\n      ipConfigurations:\n        - {name: v4, \
             properties: {subnet: {id: blue/extra}, privateIPAddress: 10.30.1.4}}\n        - {name: \
             v6, properties: {subnet: {id: blue/extra}, privateIPAddress: \"fd00:30:0:1::4\"}}\nhosts:\n",
        ),
    ];
    let mut text = without_auto_sync(&Spec::pair("tc", false));
    for (old, new) in replacements {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    text + "      - {name: extra, mode: tc}\n"
}

/// The range goes with the NIC in it; the NIC comes back, and is not reached before the sync.
#[tokio::test]
async fn a_withdrawn_range_gets_nothing_from_the_return_of_the_sync_on() {
    if !kernel::available() {
        return;
    }
    let (with, without) = (with_extra(), without_auto_sync(&Spec::pair("tc", false)));
    let deployment = Deployment::up("p-withdrawn", &with).await;
    let [red1, red2, extra] = ["red1", "red2", "extra"].map(|name| deployment.guest(name));
    let lanes = [Probes::start(&red1, &extra, true), Probes::start(&red2, &extra, false)];
    let more = || lanes.iter().for_each(|lane| lane.send_more(DATAGRAMS));
    let sync = || _ = deployment.ask("peering sync red/to-blue");
    let mut all = Vec::new();
    for _ in 0..rounds(FEW_WITHDRAWALS) {
        more();
        let removed = Span::of(&lanes, || deployment.apply(&without));
        let withdrawn = Span::of(&lanes, sync);
        more();
        deployment.apply(&with);
        more();
        all.push((removed, withdrawn, Span::of(&lanes, sync)));
    }
    more();
    for (lane, probes) in lanes.into_iter().enumerate() {
        let arrivals = probes.finish();
        let mut from = 0;
        for (number, (removed, withdrawn, again)) in all.iter().enumerate() {
            let lost = (from..removed.first[lane]).filter(|it| !arrivals.contains_key(it)).count();
            assert_eq!(lost, 0, "lane {lane}, round {number}: lost while the range was there");
            let late = arrivals.range(withdrawn.after[lane]..again.first[lane]).count();
            assert_eq!(late, 0, "lane {lane}, round {number}: delivered to the withdrawn range");
            from = again.after[lane];
        }
    }
}
