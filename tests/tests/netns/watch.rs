//! `observe` and `capture`: what was dropped is told or counted as lost, and a capture holds what was sent.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, SocketAddr},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::timeout;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Guest, Spec, program},
};
use vnetpeer_userspace::agent::{
    api::{LostPackets, PacketStage, SeenPacket, WatchLine, WatchRequest},
    client::Lines,
};

/// Datagrams of each family that are told one by one.
const FEW: u64 = 50;
/// More than the ring and the agent's queue hold together.
const MANY: u64 = 100_000;
/// Nobody listens there.
const PORT: u16 = 4_242;
/// How long a line may take.
const SOON: Duration = Duration::from_secs(10);
/// In no VNet of the document.
const NOWHERE: [&str; 2] = ["10.99.1.5", "fd00:99::5"];

fn send(guest: &Guest, to: IpAddr, datagrams: u64) {
    let socket = guest.udp(guest.address(to.is_ipv4()));
    for _ in 0..datagrams {
        socket.send_to(b"nowhere", SocketAddr::new(to, PORT)).expect("the interface takes it");
    }
}

/// Starts to watch the drops of datagrams to the port.
async fn watch(deployment: &Deployment, request: WatchRequest) -> Lines {
    let request = WatchRequest { stages: vec![PacketStage::Dropped], ..request };
    let mut lines = deployment.agent("host-a").watch(&request).await.expect("the agent answers");
    let first = timeout(SOON, lines.next()).await.expect("in time").expect("a line");
    assert!(matches!(first, Some(WatchLine::Ready(_))), "{first:?}");
    lines
}

/// Packets that were told, and how many were not, as soon as both together are so many.
async fn told(lines: &mut Lines, packets: u64) -> (Vec<SeenPacket>, LostPackets) {
    let (mut seen, mut lost) = (Vec::new(), LostPackets::default());
    while (seen.len() as u64) + lost.all() < packets {
        let line = timeout(SOON, lines.next()).await;
        let line = line.unwrap_or_else(|_| panic!("{} seen, {lost:?} of {packets}", seen.len()));
        match line.expect("a line").expect("the agent goes on") {
            WatchLine::Packet(packet) => seen.push(*packet),
            WatchLine::Lost(now) => lost = now,
            WatchLine::Ready(_) => panic!("ready twice"),
        }
    }
    (seen, lost)
}

/// Drops of a NIC of the first host for a reason.
async fn dropped(deployment: &Deployment, reason: &str) -> u64 {
    deployment.dropped("host-a", "red1", reason).await
}

async fn check_drops(test: &str, mode: &'static str) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, false).yaml()).await;
    let red1 = deployment.guest("red1");
    for to in NOWHERE {
        let to: IpAddr = to.parse().expect("an address");
        let request = WatchRequest { port: Some(PORT), ..WatchRequest::default() };
        let mut lines = watch(&deployment, request).await;
        let before = deployment.drops("host-a").await;
        send(&red1, to, FEW);
        let (seen, lost) = told(&mut lines, FEW).await;
        assert_eq!((seen.len() as u64, lost.all()), (FEW, 0));
        let packet = &seen[0];
        let reason = packet.reason.clone().expect("a reason");
        let counted = dropped(&deployment, &reason).await;
        let old = before.get(&("red1".to_owned(), reason)).copied().unwrap_or(0);
        assert_eq!(counted - old, FEW, "{packet:?}");
        assert_eq!(packet.destination_address, Some(to.to_string()));
        assert_eq!(packet.destination_port, Some(PORT));
        let nic = packet.network_interface.as_deref().expect("a NIC");
        assert!(nic.ends_with("/red1"), "{nic}");
        assert!(seen.iter().all(|it| it.reason == packet.reason && it.verdict == "Dropped"));
    }

    let request = WatchRequest { port: Some(PORT), ..WatchRequest::default() };
    let mut lines = watch(&deployment, request).await;
    let other = WatchRequest { port: Some(PORT + 1), ..WatchRequest::default() };
    let mut others = watch(&deployment, other).await;
    send(&red1, NOWHERE[0].parse().expect("an address"), MANY);
    let (seen, lost) = told(&mut lines, MANY).await;
    println!(
        "{} seen, {} lost in the kernel, {} in the agent",
        seen.len(),
        lost.kernel,
        lost.agent
    );
    assert_eq!(seen.len() as u64 + lost.all(), MANY);
    let line = timeout(Duration::from_millis(200), others.next()).await;
    let seen = matches!(line, Ok(Ok(Some(WatchLine::Packet(_)))));
    assert!(!seen, "a packet to another port was told: {line:?}");
}

#[tokio::test]
async fn every_drop_is_told_or_counted_as_lost() {
    check_drops("watch", "tc").await;
}

#[tokio::test]
async fn every_drop_is_told_or_counted_as_lost_with_xdp() {
    check_drops("watch-x", "xdp").await;
}

/// `vnetpeer capture` of all that a NIC sends and gets.
struct Capture {
    running: Child,
    /// Open until the end, since the command has a last word.
    _errors: BufReader<ChildStderr>,
}

impl Capture {
    fn begin(deployment: &Deployment, file: &Path) -> Self {
        let mut capture = Command::new(program());
        capture.args(["capture", "--nic", "red1", "--lab", &deployment.lab.record().name, "-w"]);
        let mut child = capture.arg(file).stderr(Stdio::piped()).spawn().expect("run vnetpeer");
        let mut line = String::new();
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        errors.read_line(&mut line).expect("a line");
        assert!(line.starts_with("capturing"), "{line}");
        Self { running: child, _errors: errors }
    }

    fn end(mut self) {
        let id = i32::try_from(self.running.id()).expect("a process id");
        kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
        assert!(self.running.wait().expect("it ends").success());
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It has ended unless the test failed.
        drop(self.running.kill());
        drop(self.running.wait());
    }
}

/// What tshark makes of a capture: the fields of packets that a filter lets pass.
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", filter, "-T", "fields", "-E", "separator=|"]);
    let output = tshark.args(fields.iter().flat_map(|it| ["-e", it])).output().expect("run tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

async fn check_capture(test: &str, mode: &'static str) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, true).yaml()).await;
    let [red1, blue2] = ["red1", "blue2"].map(|name| deployment.guest(name));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("all.pcapng");
    let capture = Capture::begin(&deployment, &file);
    for is_v4 in [true, false] {
        assert!(red1.pings(blue2.address(is_v4)));
    }
    for to in NOWHERE {
        send(&red1, to.parse().expect("an address"), 1);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    capture.end();

    assert_eq!(tshark(&file, "_ws.malformed", &["frame.number"]), [""; 0]);
    let echoes = "icmp.type == 8 || icmpv6.type == 128";
    let stages = tshark(&file, echoes, &["frame.interface_name", "frame.protocols"]);
    for stage in ["sent", "routed", "encapsulated", "delivered"] {
        let at = stages.iter().filter(|it| it.to_lowercase().contains(stage));
        assert!(at.count() >= 2, "{stage} of both families: {stages:#?}");
    }
    assert!(stages.iter().any(|it| it.contains("vxlan")), "{stages:#?}");
    let dropped = tshark(&file, "udp.dstport == 4242", &["frame.comment", "ipv6.dst", "ip.dst"]);
    let because = |it: &&String| it.contains("reason=") && it.contains("nic=red1");
    for to in NOWHERE {
        assert!(dropped.iter().filter(because).any(|it| it.contains(to)), "{to}: {dropped:#?}");
    }
}

#[tokio::test]
async fn a_capture_is_read_by_tshark() {
    check_capture("capture", "tc").await;
}

#[tokio::test]
async fn a_capture_is_read_by_tshark_with_xdp() {
    check_capture("capture-x", "xdp").await;
}
