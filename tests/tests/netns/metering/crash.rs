//! Agents that are killed at any moment lose nothing and count nothing twice.

use std::{collections::BTreeSet, env, fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vnetpeer_metering::record::{Direction, Record, merge};
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Stream, Usage, until, used},
    random::{Random, seed},
};
use vnetpeer_userspace::lab::process::Process;

const PER_SECOND: usize = 20_000;
/// 4 bytes in UDP in IPv4.
const DATAGRAM_BYTES: u64 = 32;
const HOSTS: [&str; 2] = ["host-a", "host-b"];

/// How often agents are killed; `VNETPEER_TEST_KILLS=100` takes ten minutes.
fn kills() -> usize {
    env::var("VNETPEER_TEST_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(15)
}

fn agent(deployment: &Deployment, host: &str) -> Process {
    let mut hosts = deployment.lab.record().hosts.iter();
    hosts.find(|it| it.name == host).and_then(|host| host.agent).expect("an agent")
}

async fn end(deployment: &Deployment, host: &str, signal: Signal) {
    let agent = agent(deployment, host);
    kill(Pid::from_raw(agent.pid), signal).expect("end the agent");
    until("the agent is gone", async || !agent.is_alive()).await;
}

async fn start(deployment: &mut Deployment, host: &str) {
    deployment.lab.start_agent(host).await.unwrap_or_else(|error| panic!("{error}"));
}

/// What was sent must be in the ledgers of both ends, once.
fn assert_counted(before: &Usage, after: &Usage, sent: usize) {
    let expected = (sent as u64, sent as u64 * DATAGRAM_BYTES);
    let egress = used(before, after, "red", "blue", Direction::Egress);
    let ingress = used(before, after, "blue", "red", Direction::Ingress);
    println!("sent {expected:?}, egress {egress:?}, ingress {ingress:?}");
    assert_eq!((egress, ingress), (expected, expected));
}

/// Keeps the agent's ledger busy, so that a kill meets a transaction: every question is one.
fn ask_all_the_time(deployment: &Deployment) -> Vec<tokio::task::JoinHandle<()>> {
    let ask = |agent: vnetpeer_userspace::agent::client::Client| async move {
        loop {
            if agent.usage(0, i64::MAX).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    deployment.agents().into_iter().map(|agent| tokio::spawn(ask(agent))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_loses_no_byte_and_counts_none_twice() {
    if !kernel::available() {
        return;
    }
    let seed = seed();
    let mut random = Random::new(seed);
    let mut deployment = Deployment::up("u-kill", &Spec::pair("tc", false).yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)));
    let before = deployment.usage().await;
    let stream = Stream::start(&red1, &blue2, true, 1, PER_SECOND);
    let questions = ask_all_the_time(&deployment);
    let mut exports: Vec<Record> = Vec::new();
    for number in 0..kills() {
        let host = HOSTS[number % 2];
        tokio::time::sleep(Duration::from_millis(random.below(400) as u64)).await;
        exports.extend(deployment.records().await);
        tokio::time::sleep(Duration::from_micros(random.below(30_000) as u64)).await;
        end(&deployment, host, Signal::SIGKILL).await;
        tokio::time::sleep(Duration::from_millis(random.below(300) as u64)).await;
        start(&mut deployment, host).await;
    }
    questions.iter().for_each(tokio::task::JoinHandle::abort);
    let report = stream.finish();
    report.assert_whole();
    assert_counted(&before, &deployment.usage().await, report.sent);
    // Every earlier export, however many versions of a record they have, merges into the last.
    let last = deployment.records().await;
    exports.extend(last.iter().cloned());
    assert_eq!(merge(exports), last);
    println!("{} kills, {} records", kills(), last.len());
}

/// The agent of a new version with another layout of the maps finds the old ones and reads them once more.
#[tokio::test]
async fn what_an_old_layout_counted_is_read_before_it_goes() {
    if !kernel::available() {
        return;
    }
    let mut deployment = Deployment::up("u-abi", &Spec::pair("tc", false).yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)));
    let before = deployment.usage().await;
    let mut sent = 0;
    for round in 0..3 {
        // Killed at once, so that what was counted is in the maps alone.
        let stream = Stream::start(&red1, &blue2, true, 20_000, PER_SECOND);
        stream.reach(10_000).await;
        end(&deployment, "host-a", Signal::SIGKILL).await;
        let report = stream.finish();
        report.assert_whole();
        sent += report.sent;
        let pins = deployment.lab.record().hosts.iter().find(|it| it.name == "host-a");
        let pins = pins.expect("the host").pins.clone();
        become_old(&pins, round);
        start(&mut deployment, "host-a").await;
        assert!(!deployment.agent("host-a").status().await.expect("a status").adopted);
        assert_eq!(versions(&pins).len(), 1, "the old maps are gone");
        until("packets pass again", async || red1.pings(blue2.address(true))).await;
        assert_pings_apart(&before, &deployment.usage().await, sent);
    }
    let epochs: BTreeSet<_> = deployment.records().await.into_iter().map(|it| it.epoch).collect();
    assert_eq!(epochs.len(), 1 + 4, "one of host-b, four of host-a");
}

/// The pings of the rounds are counted too: no datagram may be missing, and none may be there twice.
fn assert_pings_apart(before: &Usage, after: &Usage, sent: usize) {
    let (packets, bytes) = used(before, after, "red", "blue", Direction::Egress);
    let pings = packets - sent as u64;
    assert!(pings < 20, "{packets} packets, {sent} sent");
    assert_eq!(bytes, sent as u64 * DATAGRAM_BYTES + pings * 84);
}

fn versions(pins: &Path) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(pins).expect("read the pins");
    folders.flatten().map(|it| it.path()).filter(|it| it.is_dir()).collect()
}

/// Takes the programs off and makes the maps those of another version.
fn become_old(pins: &Path, round: usize) {
    let [version] = versions(pins).try_into().expect("one version");
    fs::remove_dir_all(version.join("links")).expect("take the programs off");
    fs::rename(&version, pins.join(format!("old{round}"))).expect("rename the pins");
}

/// A link goes while packets are on their way, and comes back: every packet that arrived is counted, for
/// the link that it came over.
#[tokio::test]
async fn a_link_that_goes_under_traffic_is_read_to_the_last_packet() {
    if !kernel::available() {
        return;
    }
    let both = Spec::pair("tc", false);
    let without = Spec { peered: Vec::new(), ..both.clone() };
    let deployment = Deployment::up("u-gone", &both.yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)));
    let before = deployment.usage().await;
    let mut received = 0;
    for _ in 0..4 {
        let stream = Stream::start(&red1, &blue2, true, 1, PER_SECOND);
        stream.reach(4_000).await;
        deployment.apply(&without.yaml());
        stream.reach(8_000).await;
        let report = stream.finish();
        assert!(report.received > 3_000 && report.received < report.sent, "{report:?}");
        received += report.received as u64;
        deployment.apply(&both.yaml());
    }
    let after = deployment.usage().await;
    // Double entry: what host-a let out and host-b did not let in is what host-b dropped.
    let egress = used(&before, &after, "red", "blue", Direction::Egress);
    let ingress = used(&before, &after, "blue", "red", Direction::Ingress);
    let drops = deployment.drops("host-b").await;
    let between: u64 = drops.iter().filter(|it| !is_usual(&it.0.1)).map(|it| it.1).sum();
    println!("received {received}, egress {egress:?}, ingress {ingress:?}, {drops:?}");
    assert_eq!(ingress, (received, received * DATAGRAM_BYTES));
    assert_eq!(egress.0, ingress.0 + between);
    let links: BTreeSet<_> =
        deployment.records().await.into_iter().map(|it| it.link.guid).collect();
    assert_eq!(links.len(), 2 * 4, "each time they are other links");
}

/// Drops of what guests send on their own.
fn is_usual(reason: &str) -> bool {
    ["ArpOwnAddress", "GroupDestination", "NeighborOwnAddress", "NoRoute"].contains(&reason)
}
