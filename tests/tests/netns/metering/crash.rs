//! Agents that are killed at any moment lose nothing and count nothing twice.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aya::programs::links::{FdLink, PinnedLink};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vnetpeer_metering::record::{Direction, Record, merge};
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Guest, Spec, Stream, Usage, program, until, used},
    random::{Random, seed},
};
use vnetpeer_userspace::lab::process::Process;

const RATE: usize = 20_000;
/// 4 bytes in UDP in IPv4 and in IPv6.
const DATAGRAM_BYTES: [u64; 2] = [32, 52];
const HOSTS: [&str; 2] = ["host-a", "host-b"];
/// How often a link goes and comes.
const LINKS: usize = 4;
/// So many kills in a row are of one agent, all but the first while it starts.
const EACH: usize = 3;
/// A reading writes to the ledger's file a dozen times.
const WRITES: usize = 12;

/// A number of the environment.
fn number(name: &str, default: usize) -> usize {
    env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// How often agents are killed: `VNETPEER_TEST_KILLS=100`.
fn kills() -> usize {
    number("VNETPEER_TEST_KILLS", 9)
}

/// For how long at least: `VNETPEER_TEST_SECONDS=600`.
fn seconds() -> u64 {
    number("VNETPEER_TEST_SECONDS", 0) as u64
}

/// Datagrams in a second, of each family.
fn per_second() -> usize {
    number("VNETPEER_TEST_RATE", 10_000)
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

/// Numbered datagrams of both families from red to blue.
struct Streams([Stream; 2]);

impl Streams {
    fn start(from: &Guest, to: &Guest) -> Self {
        Self([true, false].map(|is_v4| Stream::start(from, to, is_v4, 1, per_second())))
    }

    /// Waits for the end, and what was sent must be in the ledgers of both ends, once.
    async fn assert_counted(self, deployment: &Deployment, before: &Usage) {
        let sent = self.0.map(|stream| {
            let report = stream.finish();
            report.assert_whole();
            report.sent as u64
        });
        let bytes =
            sent.iter().zip(DATAGRAM_BYTES).map(|(count, bytes)| count * bytes).sum::<u64>();
        let expected = (sent.iter().sum(), bytes);
        let after = deployment.usage().await;
        let egress = used(before, &after, "red", "blue", Direction::Egress);
        let ingress = used(before, &after, "blue", "red", Direction::Ingress);
        println!("sent {expected:?}, egress {egress:?}, ingress {ingress:?}");
        assert_eq!((egress, ingress), (expected, expected));
    }
}

/// Kills the agent as it writes to its ledger for the nth time from now on, which is in the middle of a
/// transaction.
async fn kill_in_transaction(deployment: &Deployment, host: &str, nth: usize) {
    let agent = agent(deployment, host);
    let mut hosts = deployment.lab.record().hosts.iter();
    let folder = &hosts.find(|it| it.name == host).expect("the host").folder;
    let tracer = Command::new("strace")
        .args(["-f", "-qqq", "-o", "/dev/null", "-e", "trace=pwrite64", "-P"])
        .arg(folder.join("state/ledger.redb"))
        .args(["-e", &format!("inject=pwrite64:signal=KILL:when={nth}")])
        .args(["-p", &agent.pid.to_string()])
        .spawn();
    let mut tracer = tracer.expect("run strace; `cargo xtask setup` installs it");
    until("the agent writes", async || !agent.is_alive()).await;
    tracer.wait().expect("strace ends with it");
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
    let streams = Streams::start(&red1, &blue2);
    let questions = ask_all_the_time(&deployment);
    let mut exports: Vec<Record> = Vec::new();
    let (begin, kills, seconds) = (Instant::now(), kills(), seconds());
    let (mut killed, mut inside, mut starting) = (0, 0, 0);
    while killed < kills {
        let host = HOSTS[killed / EACH % 2];
        let due = Duration::from_millis(seconds * 1_000 * killed as u64 / kills as u64);
        tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
        tokio::time::sleep(Duration::from_millis(random.below(400) as u64)).await;
        exports.extend(deployment.records().await);
        tokio::time::sleep(Duration::from_micros(random.below(30_000) as u64)).await;
        if (killed / (2 * EACH)).is_multiple_of(2) {
            end(&deployment, host, Signal::SIGKILL).await;
        } else {
            kill_in_transaction(&deployment, host, 1 + random.below(WRITES)).await;
            inside += 1;
        }
        killed += 1;
        while killed < kills && killed % EACH != 0 {
            let moment = Duration::from_millis(random.below(1_500) as u64);
            _ = tokio::time::timeout(moment, deployment.lab.start_agent(host)).await;
            end(&deployment, host, Signal::SIGKILL).await;
            (killed, starting) = (killed + 1, starting + 1);
        }
        tokio::time::sleep(Duration::from_millis(random.below(300) as u64)).await;
        start(&mut deployment, host).await;
    }
    tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(begin.elapsed())).await;
    questions.iter().for_each(tokio::task::JoinHandle::abort);
    streams.assert_counted(&deployment, &before).await;
    // Every earlier export, however many versions of a record they have, merges into the last.
    let last = deployment.records().await;
    exports.extend(last.iter().cloned());
    assert_eq!(merge(exports), last);
    let (records, lasted) = (last.len(), begin.elapsed());
    println!(
        "{kills} kills in {lasted:?}, {inside} in a transaction, {starting} of agents that were starting; \
         {records} records"
    );
}

/// An upgrade ends an agent, and the next one's object replaces the programs of the interfaces while they carry
/// packets. `VNETPEER_TEST_UPGRADES=20` makes it 20, and `VNETPEER_TEST_OTHER_PROGRAM` names a program of another
/// version to take turns with this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_agent_and_its_programs_lose_no_byte() {
    if !kernel::available() {
        return;
    }
    let versions = env::var_os("VNETPEER_TEST_OTHER_PROGRAM").map(PathBuf::from);
    let versions: Vec<PathBuf> = [program()].into_iter().chain(versions).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = folder.path().join("vnetpeer");
    symlink(&versions[0], &link).expect("a link");
    let document = Spec::pair("tc", false).yaml();
    let mut deployment = Deployment::up_as("u-up", &document, &link).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)) && red1.pings(blue2.address(false)));
    let before = deployment.usage().await;
    let streams = Streams::start(&red1, &blue2);
    let mut programs = BTreeSet::new();
    let upgrades = number("VNETPEER_TEST_UPGRADES", 4);
    for number in 0..upgrades {
        let host = HOSTS[number % 2];
        programs.extend(attached(&deployment, host));
        end(&deployment, host, Signal::SIGTERM).await;
        fs::remove_file(&link).expect("remove the link");
        symlink(&versions[(number / 2 + 1) % versions.len()], &link).expect("a link");
        start(&mut deployment, host).await;
        assert!(deployment.agent(host).status().await.expect("a status").adopted);
        let now = attached(&deployment, host);
        assert!(now.iter().all(|it| !programs.contains(it)), "{now:?} are new");
    }
    streams.assert_counted(&deployment, &before).await;
    println!("{upgrades} upgrades, {} versions, programs {programs:?}", versions.len());
}

/// The kernel's numbers of the programs that a host's links lead to.
fn attached(deployment: &Deployment, host: &str) -> BTreeSet<u32> {
    let mut hosts = deployment.lab.record().hosts.iter();
    let pins = &hosts.find(|it| it.name == host).expect("the host").pins;
    let [version] = versions(pins).try_into().expect("one version");
    let links = fs::read_dir(version.join("links")).expect("read the links");
    let program = |link: PathBuf| {
        let link = PinnedLink::from_pin(link).expect("a pinned link");
        FdLink::from(link).info().expect("what it is").program_id()
    };
    links.flatten().map(|it| program(it.path())).collect()
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
        let stream = Stream::start(&red1, &blue2, true, 20_000, RATE);
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
    assert_eq!(bytes, sent as u64 * DATAGRAM_BYTES[0] + pings * 84);
}

fn versions(pins: &Path) -> Vec<PathBuf> {
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
    for _ in 0..LINKS {
        let stream = Stream::start(&red1, &blue2, true, 1, RATE);
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
    assert_eq!(ingress, (received, received * DATAGRAM_BYTES[0]));
    assert_eq!(egress.0, ingress.0 + between);
    let links: BTreeSet<_> =
        deployment.records().await.into_iter().map(|it| it.link.guid).collect();
    assert_eq!(links.len(), 2 * LINKS, "each time they are other links");
}

/// Drops of what guests send on their own.
fn is_usual(reason: &str) -> bool {
    ["ArpOwnAddress", "GroupDestination", "NeighborOwnAddress", "NoRoute"].contains(&reason)
}
