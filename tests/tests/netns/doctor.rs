//! What looks at a running deployment finds what is wrong there: `doctor`, `connectivity-check`, and the captures of
//! `lab matrix`.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, program, until},
};

use super::trace::break_links;

/// What `doctor` found, and its exit code.
fn doctor(deployment: &Deployment) -> (Vec<Value>, i32) {
    read(&deployment.vnetpeer("doctor"))
}

fn read(output: &Output) -> (Vec<Value>, i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout);
    (found.unwrap_or_else(|_| panic!("{stderr}")), output.status.code().expect("a code"))
}

/// Level and fix of what was found about a host, or about the machine.
fn level(found: &[Value], host: Option<&str>, check: &str) -> (String, String) {
    let is_it = |it: &&Value| it["check"] == check && it["host"].as_str() == host;
    let it = found.iter().filter(is_it).max_by_key(|it| it["level"] != "ok").expect(check);
    let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
    (text("level"), text("fix"))
}

async fn check_doctor(deployment: &Deployment) {
    let (found, code) = doctor(deployment);
    let errors: Vec<&Value> = found.iter().filter(|it| it["level"] == "error").collect();
    assert!(errors.is_empty() && code == 0, "{errors:#?}");
    for check in ["kernel version", "kernel BPF", "bpffs", "BTF", "capabilities"] {
        assert_eq!(level(&found, None, check).0, "ok", "{check}");
    }
    // The machine's, which may be kept by nobody; that breaks nothing.
    assert_ne!(level(&found, None, "clock").0, "error");
    for check in ["agent", "ABI", "interfaces", "MTU", "XDP", "conntrack", "map fill"] {
        for host in ["host-a", "host-b"] {
            assert_eq!(level(&found, Some(host), check).0, "ok", "{check} of {host}");
        }
    }
    assert!(found.iter().all(|it| it["fix"].is_string() == (it["level"] != "ok")));

    deployment.on_host("host-a", "ip link set eth0 mtu 1400");
    deployment.on_host("host-b", "ethtool -K eth0 gro off");
    let (found, _) = doctor(deployment);
    let (mtu, fix) = level(&found, Some("host-a"), "MTU");
    assert_eq!((mtu.as_str(), fix.contains("mtu 1570")), ("warning", true), "{fix}");
    assert_eq!(level(&found, Some("host-b"), "MTU").0, "ok");
    assert_eq!(level(&found, Some("host-b"), "offloads").0, "warning");
    deployment.on_host("host-a", "ip link set eth0 mtu 1300");
    deployment.on_host("host-b", "ethtool -K eth0 gro on");
    let (found, code) = doctor(deployment);
    assert_eq!((level(&found, Some("host-a"), "MTU").0.as_str(), code), ("error", 1));
    assert_ne!(level(&found, Some("host-b"), "offloads").0, "error");
    deployment.on_host("host-a", "ip link set eth0 mtu 1600");

    deployment.on_host("host-b", "ip link set blue2 down");
    deployment.on_host("host-b", "ip link set blue2 name blue2-gone");
    until("the interface is missed", async || {
        !deployment
            .agent("host-b")
            .status()
            .await
            .expect("it answers")
            .missing_interfaces
            .is_empty()
    })
    .await;
    assert_eq!(level(&doctor(deployment).0, Some("host-b"), "interfaces").0, "warning");
    deployment.on_host("host-b", "ip link set blue2-gone name blue2");
    deployment.on_host("host-b", "ip link set blue2 up");
}

/// Without an agent, and without what one needs.
fn check_capabilities() {
    let mut dropped = Command::new("setpriv");
    dropped.args(["--bounding-set", "-bpf,-sys_admin", "--inh-caps", "-all"]);
    let output = dropped.arg(program()).args(["doctor", "--host-only", "-o", "json"]).output();
    let (found, code) = read(&output.expect("run setpriv"));
    assert_eq!(level(&found, None, "capabilities").0, "error");
    assert_eq!((level(&found, None, "kernel BPF").0.as_str(), code), ("error", 1));
    let mut lost = Command::new(program());
    let output =
        lost.args(["doctor", "--socket", "/run/vnetpeer/nobody.sock", "-o", "json"]).output();
    let (found, code) = read(&output.expect("run vnetpeer"));
    assert_eq!((level(&found, None, "agent").0.as_str(), code), ("error", 1));
}

fn check_probes(deployment: &Deployment) {
    for words in ["--protocol tcp", "--protocol udp -6", "--protocol icmp"] {
        let check = deployment.ask(&format!("connectivity-check red1 blue2 --probes 3 {words}"));
        assert_eq!(
            (check["probesSent"].as_u64(), check["probesFailed"].as_u64()),
            (Some(3), Some(0))
        );
        let latency = |name: &str| check[name].as_f64().expect("a latency");
        let [min, avg, max] = ["minLatencyInMs", "avgLatencyInMs", "maxLatencyInMs"].map(latency);
        assert!(0.0 < min && min <= avg && avg <= max && max < 1_000.0, "{check:#}");
        let link = &check["hops"][0]["links"][0];
        assert_eq!(link["properties"]["roundTripTimeMin"], min, "{check:#}");
    }
    let output = deployment.vnetpeer("connectivity-check red1 10.99.1.5 --probes 2");
    let check: Value = serde_json::from_slice(&output.stdout).expect("vnetpeer writes JSON");
    assert_eq!((check["probesSent"].as_u64(), check["probesFailed"].as_u64()), (Some(2), Some(2)));
    assert_eq!((check["avgLatencyInMs"].is_null(), output.status.code()), (true, Some(4)));
}

/// Links of one host are broken: what differs is captured on both.
fn check_captures(deployment: &Deployment) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (captures, junit) = (folder.path().join("captures"), folder.path().join("junit.xml"));
    break_links(deployment, "host-b");
    let command =
        format!("lab matrix --captures {} --junit {}", captures.display(), junit.display());
    let output = deployment.vnetpeer(&command);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    let matrix: Value = serde_json::from_slice(&output.stdout).expect("vnetpeer writes JSON");
    let cells = matrix["cells"].as_array().expect("cells").iter();
    let files: Vec<&str> = cells.filter_map(|cell| cell["capture"].as_str()).collect();
    assert_eq!(files.len(), 10);
    let report = fs::read_to_string(junit).expect("a report");
    for file in files {
        assert!(report.contains(file), "{file}");
        let mut tshark = Command::new("tshark");
        tshark.args([
            "-r",
            file,
            "-T",
            "fields",
            "-e",
            "frame.interface_name",
            "-e",
            "frame.comment",
        ]);
        let packets = tshark.output().expect("run tshark");
        let packets = String::from_utf8_lossy(&packets.stdout).into_owned();
        assert!(packets.contains(":sent"), "{file}: {packets}");
        assert!(packets.contains("Dropped: "), "{file}: {packets}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_found() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("doctor", &Spec::pair("tc", false).yaml()).await;
    check_probes(&deployment);
    check_doctor(&deployment).await;
    check_capabilities();
    check_captures(&deployment);
}
