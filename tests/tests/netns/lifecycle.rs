//! Agents that are killed, and labs that are taken down.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Stream, program, until},
};
use vnetpeer_userspace::lab::process::Process;

const DATAGRAMS: usize = 200_000;
const PER_SECOND: usize = 25_000;
/// 4 bytes in UDP in IPv4.
const DATAGRAM_BYTES: u64 = 32;

fn agent(deployment: &Deployment, host: &str) -> Process {
    let mut hosts = deployment.lab.record().hosts.iter();
    hosts.find(|it| it.name == host).and_then(|host| host.agent).expect("an agent")
}

/// Kills the agent of a host, waits for a share of the stream to pass without it, and starts it
/// again.
pub(crate) async fn kill_and_restart(deployment: &mut Deployment, host: &str, stream: &Stream) {
    let agent = agent(deployment, host);
    kill(Pid::from_raw(agent.pid), Signal::SIGKILL).expect("kill the agent");
    until("the agent is gone", async || !agent.is_alive()).await;
    stream.reach(stream.sent() + DATAGRAMS / 8).await;
    deployment.lab.start_agent(host).await.unwrap_or_else(|error| panic!("{error}"));
    let status = deployment.agent(host).status().await.expect("the agent answers");
    assert!(status.adopted, "the new agent found what the old one left");
}

async fn check_kill(test: &str, mode: &'static str, wire: bool) {
    if !kernel::available() {
        return;
    }
    let mut deployment = Deployment::up(test, &Spec::pair(mode, wire).yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)));
    let key = (String::from("red"), String::from("blue"));
    let back = (String::from("blue"), String::from("red"));
    let before = deployment.meters().await;
    let stream = Stream::start(&red1, &blue2, true, DATAGRAMS, PER_SECOND);
    stream.reach(DATAGRAMS / 8).await;
    kill_and_restart(&mut deployment, "host-a", &stream).await;
    kill_and_restart(&mut deployment, "host-b", &stream).await;
    let report = stream.finish();
    report.assert_whole();
    assert!(report.sent >= DATAGRAMS);
    let after = deployment.meters().await;
    let (packets, bytes) = (report.sent as u64, report.sent as u64 * DATAGRAM_BYTES);
    let (a, b) = (&before[&key], &after[&key]);
    assert_eq!(
        (b.egress_packets - a.egress_packets, b.egress_bytes - a.egress_bytes),
        (packets, bytes)
    );
    let (a, b) = (&before[&back], &after[&back]);
    assert_eq!(
        (b.ingress_packets - a.ingress_packets, b.ingress_bytes - a.ingress_bytes),
        (packets, bytes)
    );
}

#[tokio::test]
async fn a_killed_agent_loses_no_packet_and_no_count() {
    check_kill("kill", "tc", false).await;
}

#[tokio::test]
async fn a_killed_agent_loses_no_packet_and_no_count_with_xdp() {
    check_kill("kill-x", "xdp", true).await;
}

/// Numbers of the maps and links that are pinned below a folder.
fn pinned(folder: &Path) -> BTreeSet<(&'static str, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("read the pins").flatten() {
            let list = if entry.path().is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.iter().filter_map(identify).collect()
}

fn identify(file: &PathBuf) -> Option<(&'static str, u64)> {
    ["map", "link", "prog"].into_iter().find_map(|kind| {
        let mut show = Command::new("bpftool");
        let output = show.args(["-j", kind, "show", "pinned"]).arg(file).output().expect("bpftool");
        let value: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some((kind, value["id"].as_u64()?))
    })
}

/// Numbers of all maps and links that the kernel has.
fn existing() -> BTreeSet<(&'static str, u64)> {
    let list = |kind: &'static str| {
        let output = Command::new("bpftool").args(["-j", kind, "list"]).output().expect("bpftool");
        let value: Value = serde_json::from_slice(&output.stdout).expect("bpftool writes JSON");
        let values = value.as_array().cloned().unwrap_or_default();
        values.into_iter().filter_map(move |value| Some((kind, value["id"].as_u64()?)))
    };
    ["map", "link", "prog"].into_iter().flat_map(list).collect()
}

/// What in the file system has the lab's name.
fn traces(lab: &str) -> Vec<String> {
    let folders = ["/run/netns", "/run/vnetpeer/lab", "/sys/fs/bpf/vnetpeer"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let names = entries.flatten().map(|entry| entry.path().display().to_string());
    names.filter(|path| path.contains(lab)).collect()
}

#[tokio::test]
async fn down_leaves_nothing() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("down", &Spec::pair("tc", false).yaml()).await;
    let record = deployment.lab.record().clone();
    let agents: Vec<Process> = record.hosts.iter().filter_map(|host| host.agent).collect();
    let objects = pinned(&record.pins);
    assert!(agents.len() == 2 && agents.iter().all(|agent| agent.is_alive()));
    assert!(objects.iter().filter(|(kind, _)| *kind == "link").count() >= 6, "{objects:?}");
    assert!(objects.is_subset(&existing()));
    assert_eq!(traces(&record.name).len(), 6 + 1 + 1, "{:?}", traces(&record.name));
    // A process that a user left in a NIC's namespace goes too.
    let lab = record.name.clone();
    let mut leftover = Command::new(program());
    leftover.args(["lab", "exec", "--lab", &lab, "red1", "--", "setsid", "-f", "sleep", "3600"]);
    assert!(leftover.status().expect("run vnetpeer").success());
    let sleeps = || {
        let output =
            Command::new("ip").args(["netns", "pids", &format!("vnp-{lab}-red1")]).output();
        !output.expect("run ip").stdout.is_empty()
    };
    assert!(sleeps());

    let Deployment { lab, .. } = deployment;
    lab.down().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(traces(&record.name), Vec::<String>::new());
    assert!(!agents.iter().any(|agent| agent.is_alive()));
    // The kernel frees what nobody refers to a moment later.
    until("maps and links are gone", async || existing().is_disjoint(&objects)).await;
}

/// Takes a lab down that the test did not build itself.
struct DownAtEnd(String);

impl Drop for DownAtEnd {
    fn drop(&mut self) {
        let _ = Command::new(program()).args(["lab", "down", &self.0]).output();
    }
}

/// However far it came: what is killed while it builds can be taken down.
#[tokio::test]
async fn a_lab_that_was_killed_half_way_is_taken_down() {
    if !kernel::available() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("topology.yaml");
    fs::write(&file, Spec::pair("tc", false).yaml()).expect("write the document");
    let lab = format!("t-half-{}", std::process::id());
    let _guard = DownAtEnd(lab.clone());
    for milliseconds in [20, 60, 100, 150, 220, 300] {
        let mut up = Command::new(program())
            .args(["lab", "up", "--name", &lab, "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run vnetpeer");
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let _ = up.kill();
        up.wait().expect("the end");
        let begun = Path::new("/run/vnetpeer/lab").join(&lab).join("lab.json").exists();
        let down =
            Command::new(program()).args(["lab", "down", &lab]).output().expect("run vnetpeer");
        let message = String::from_utf8_lossy(&down.stderr).into_owned();
        assert_eq!(down.status.success(), begun, "after {milliseconds} ms: {message}");
        let left: Vec<String> =
            traces(&lab).into_iter().filter(|it| !it.starts_with("/run/vnetpeer")).collect();
        assert_eq!(left, Vec::<String>::new(), "after {milliseconds} ms");
    }
}
