//! The ledger against what the interfaces of both ends received, for every kind of traffic and every way.
//!
//! A cell is what the ledger has more or less than the interfaces: over all four figures of a peering,
//! egress and ingress of both links, in bytes and in packets.

use std::{fmt::Write as _, thread::sleep, time::Duration};

use vnetpeer_metering::record::Direction::{self, Egress, Ingress};
use vnetpeer_tests::{
    kernel,
    netns::{Capture, Captured, Deployment, Guest, Spec, Transfer, on, transfer, used},
};

const BYTES: usize = 4 << 20;
const DATAGRAMS: usize = 200;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    TcpWithoutGso,
    Udp,
    Icmp,
    Fragments,
}

pub(super) const KINDS: [Kind; 5] =
    [Kind::Tcp, Kind::Udp, Kind::Icmp, Kind::Fragments, Kind::TcpWithoutGso];

impl Kind {
    pub(super) fn send(self, from: &Guest, to: &Guest, is_v4: bool) {
        match self {
            Self::Tcp | Self::TcpWithoutGso => transfer(from, to, Transfer { bytes: BYTES, is_v4 }),
            Self::Udp => datagrams(from, to, is_v4, 900),
            Self::Fragments => datagrams(from, to, is_v4, 4_000),
            Self::Icmp => {
                let address = to.address(is_v4);
                from.run(&format!("ping -q -c 50 -i 0.01 -s 700 {address}"));
            }
        }
    }
}

/// Datagrams of several sizes, each answered.
fn datagrams(from: &Guest, to: &Guest, is_v4: bool, size: usize) {
    let (client, server) = (from.udp(from.address(is_v4)), to.udp(to.address(is_v4)));
    client.connect(server.local_addr().expect("an address")).expect("connect");
    let mut buffer = vec![0; 2 * size];
    for number in 0..DATAGRAMS {
        client.send(&vec![0x5a; size + number % 50]).expect("send");
        let (length, sender) = server.recv_from(&mut buffer).expect("the datagram arrives");
        assert_eq!(length, size + number % 50);
        server.send_to(&buffer[..number], sender).expect("answer");
        client.recv(&mut buffer).expect("the answer arrives");
    }
}

/// Bytes and packets that the ledger has beyond what was received: figures of the ledger, each with what the
/// interface at the end of that way saw.
pub(super) fn beyond(figures: &[((u64, u64), &Captured)]) -> i128 {
    let both = |(it, seen): &((u64, u64), &Captured)| {
        let packets = i128::from(it.0) - i128::from(seen.segments);
        packets.abs() + (i128::from(it.1) - i128::from(seen.segmented_bytes)).abs()
    };
    figures.iter().map(both).sum()
}

/// The four figures of a peering of `a` and `b`, each with what was received: forward packets at the one end,
/// backward packets at the other.
fn figures<'c>(
    of: impl Fn(&str, &str, Direction) -> (u64, u64),
    (a, b): (&str, &str),
    forward: &'c Captured,
    backward: &'c Captured,
) -> [((u64, u64), &'c Captured); 4] {
    [
        (of(a, b, Egress), forward),
        (of(b, a, Ingress), forward),
        (of(b, a, Egress), backward),
        (of(a, b, Ingress), backward),
    ]
}

async fn cell(deployment: &Deployment, from: &Guest, to: &Guest, is_v4: bool, kind: Kind) -> i128 {
    // What an earlier connection left on its way.
    sleep(Duration::from_millis(50));
    let before = deployment.usage().await;
    let forward = Capture::start(to, from.address(is_v4));
    let backward = Capture::start(from, to.address(is_v4));
    kind.send(from, to, is_v4);
    let (forward, backward) = (forward.finish(), backward.finish());
    assert!(forward.segmented_bytes > 30_000, "{kind:?}: {forward:?}");
    let after = deployment.usage().await;
    let vnet = |guest: &Guest| guest.name.trim_end_matches(char::is_numeric).to_owned();
    let (a, b) = (vnet(from), vnet(to));
    let of = |a: &str, b: &str, way| used(&before, &after, a, b, way);
    beyond(&figures(of, (&a, &b), &forward, &backward))
}

async fn check(test: &str, mode: &'static str, wire: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, wire).yaml()).await;
    let guests = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    let [red1, blue1, blue2] = &guests;
    let mut table =
        format!("{mode}, wire {wire}: bytes and packets of the ledger beyond those received\n");
    let mut sum = 0;
    for kind in KINDS {
        if kind == Kind::TcpWithoutGso {
            for guest in &guests {
                on(&guest.namespace, "ethtool -K eth0 tso off gso off");
            }
        }
        let _ = write!(table, "{:<16}", format!("{kind:?}"));
        for (way, to) in [("local", blue1), ("remote", blue2)] {
            for is_v4 in [true, false] {
                let difference = cell(&deployment, red1, to, is_v4, kind).await;
                let family = if is_v4 { "v4" } else { "v6" };
                let _ = write!(table, "{way:>8} {family} {difference:>4}");
                sum += difference;
            }
        }
        table.push('\n');
    }
    println!("{table}");
    assert_eq!(sum, 0, "{table}");
}

#[tokio::test]
async fn every_cell_is_exact_with_tc() {
    check("u-tc", "tc", false).await;
}

#[tokio::test]
async fn every_cell_is_exact_with_tc_on_a_wire() {
    check("u-tc-w", "tc", true).await;
}

#[tokio::test]
async fn every_cell_is_exact_with_xdp() {
    check("u-xdp", "xdp", false).await;
}

#[tokio::test]
async fn every_cell_is_exact_with_xdp_on_a_wire() {
    check("u-xdp-w", "xdp", true).await;
}

/// Through an appliance, each of the two peerings that a packet crosses has it, on both sides.
#[tokio::test]
async fn every_cell_is_exact_through_an_appliance() {
    if !kernel::available() {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/service-chain.yaml");
    let document = std::fs::read_to_string(path).expect("read the example");
    let deployment = Deployment::up("u-nva", &document).await;
    let [from, to] = ["spoke1-vm", "spoke2-vm2"].map(|name| deployment.guest(name));
    let mut table = "through an appliance: as above, over both peerings\n".to_owned();
    let mut sum = 0;
    for kind in KINDS {
        if kind == Kind::TcpWithoutGso {
            for guest in [&from, &to] {
                on(&guest.namespace, "ethtool -K eth0 tso off gso off");
            }
        }
        for is_v4 in [true, false] {
            sleep(Duration::from_millis(50));
            let before = deployment.usage().await;
            let forward = Capture::start(&to, from.address(is_v4));
            let backward = Capture::start(&from, to.address(is_v4));
            kind.send(&from, &to, is_v4);
            let (forward, backward) = (forward.finish(), backward.finish());
            let after = deployment.usage().await;
            let of = |a: &str, b: &str, way| used(&before, &after, a, b, way);
            let first = figures(of, ("spoke1", "hub"), &forward, &backward);
            let second = figures(of, ("hub", "spoke2"), &forward, &backward);
            let difference = beyond(&first) + beyond(&second);
            let _ = writeln!(table, "{:<16} IPv4 {is_v4:<6} {difference:>4}", format!("{kind:?}"));
            sum += difference;
        }
    }
    println!("{table}");
    assert_eq!(sum, 0, "{table}");
}
