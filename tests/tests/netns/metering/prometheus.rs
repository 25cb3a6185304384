//! A real Prometheus scrapes a lab: the shipped rules and the dashboard work on what the agents tell, and its
//! sums are those of the meters.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::net::UnixStream;
use vnetpeer_tests::{
    kernel,
    netns::{Capture, Deployment, Site, Spec, Transfer, transfer, until},
};

use crate::gateway::{DOCUMENT, SITE};

const RULES: &str = "vnetpeer.rules.yml";

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

/// Makes an agent's socket reachable by TCP, as an operator's proxy does.
fn forward(socket: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    listener.set_nonblocking(true).expect("a listener of tokio");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener of tokio");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut agent = UnixStream::connect(&socket).await?;
                tokio::io::copy_bidirectional(&mut client, &mut agent).await
            });
        }
    });
    address
}

struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// One that scrapes all agents.
    fn of(deployment: &Deployment) -> Self {
        let agents = deployment.agents();
        let targets: Vec<SocketAddr> =
            agents.iter().map(|it| forward(it.socket().to_owned())).collect();
        Self::start(&targets)
    }

    fn start(targets: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::copy(shipped(&format!("prometheus/{RULES}")), folder.path().join(RULES)).expect("copy");
        let targets: Vec<String> = targets.iter().map(|it| format!("\"{it}\"")).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{RULES}]\n\
             scrape_configs:\n  - job_name: vnetpeer\n    static_configs: [{{targets: [{}]}}]\n",
            targets.join(", ")
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).expect("write the configuration");
        let address = free_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run prometheus; `cargo xtask setup` installs it");
        Self { child, address, _folder: folder }
    }

    /// An answer of its API; nothing while it does not answer.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// What an expression is now, by the labels of each result.
    fn query(&self, expression: &str) -> Option<Vec<(BTreeMap<String, String>, String)>> {
        let escaped: String = expression.bytes().flat_map(escape).collect();
        let answer = self.get(&format!("/api/v1/query?query={escaped}"))?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let results = answer["data"]["result"].as_array()?;
        let one = |it: &Value| {
            let labels = serde_json::from_value(it["metric"].clone()).ok()?;
            Some((labels, it["value"][1].as_str()?.to_owned()))
        };
        results.iter().map(one).collect()
    }
}

/// A byte in a query string.
fn escape(byte: u8) -> [char; 3] {
    let digit = |it: u8| char::from_digit(u32::from(it), 16).expect("four bits");
    ['%', digit(byte >> 4), digit(byte & 0xf)]
}

/// Bytes by the peering's name and direction.
fn by_name(results: Vec<(BTreeMap<String, String>, String)>) -> BTreeMap<(String, String), u64> {
    let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
    let of = |(labels, value): (BTreeMap<String, String>, String)| {
        let key = (last(&labels["virtual_network"]), labels["direction"].clone());
        (key, value.parse().expect("whole bytes"))
    };
    results.into_iter().map(of).collect()
}

#[test]
fn the_shipped_rules_are_valid_and_alert_when_they_should() {
    if !kernel::available() {
        return;
    }
    for (what, file) in [
        (["check", "rules"], "prometheus/vnetpeer.rules.yml"),
        (["check", "config"], "prometheus/prometheus.yml"),
        // Whether alerts fire when they should, and not before.
        (["test", "rules"], "prometheus/vnetpeer.rules.test.yml"),
    ] {
        let check = Command::new("promtool").args(what).arg(shipped(file)).output();
        let check = check.expect("run promtool; `cargo xtask setup` installs it");
        assert!(check.status.success(), "{file}: {}", String::from_utf8_lossy(&check.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_has_the_sums_of_the_meters() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("u-prom", &Spec::pair("tc", false).yaml()).await;
    let [red1, blue1, blue2] = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    for (to, is_v4) in [(&blue1, true), (&blue2, true), (&blue2, false)] {
        transfer(&red1, to, Transfer { bytes: 1 << 20, is_v4 });
    }
    let prometheus = Prometheus::of(&deployment);
    let mut expected = BTreeMap::new();
    for ((from, _), meter) in deployment.meters().await {
        expected.insert((from.clone(), "egress".to_owned()), meter.egress_bytes);
        expected.insert((from, "ingress".to_owned()), meter.ingress_bytes);
    }
    let sums = || prometheus.query("vnetpeer:link_bytes:total").map(by_name).unwrap_or_default();
    until("prometheus has the sums of the meters", async || sums() == expected).await;
    println!("{:?}", sums());
    let up = prometheus.query("up").expect("an answer");
    assert!(up.len() == 2 && up.iter().all(|it| it.1 == "1"), "{up:?}");
    let differences = prometheus.query("vnetpeer:peering_difference_bytes").expect("an answer");
    assert!(differences.len() == 2 && differences.iter().all(|it| it.1 == "0"), "{differences:?}");
    let created = prometheus.query("vnetpeer_link_bytes_created").expect("an answer");
    assert_eq!(created.len(), 8, "two links and directions on two hosts");

    let rules = prometheus.get("/api/v1/rules").expect("an answer").to_string();
    assert!(
        rules.contains("VnetpeerLedgerBehind") && !rules.contains("\"health\":\"err\""),
        "{rules}"
    );
    let dashboard = fs::read_to_string(shipped("grafana/vnetpeer.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            let results = prometheus.query(expression).expect("an answer");
            // A rate needs a second look.
            let is_rate = expression.contains("rate(");
            assert!(is_rate || !results.is_empty(), "{}: nothing", panel["title"]);
        }
    }
}

/// What goes through a hub's gateway is on the spoke's link alone. The difference of the two sides is that, to the
/// byte, and is told as such.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_sides_of_a_peering_differ_by_what_its_gateway_carried() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("u-prom-gw", DOCUMENT).await;
    let site = Site::join(&deployment, "gateway", &SITE);
    let [spoke, hub, gateway] =
        ["spoke-vm", "hub-vm", "gateway"].map(|name| deployment.guest(name));
    // What is captured is what the hub's side does not count, from the very first packet on.
    let out = [true, false].map(|is_v4| Capture::start(&gateway, spoke.address(is_v4)));
    let back = [true, false].map(|is_v4| Capture::start(&spoke, site.guest.address(is_v4)));
    for is_v4 in [true, false] {
        let reached = async || spoke.pings(site.guest.address(is_v4));
        until("the spoke reaches the site", reached).await;
        transfer(&spoke, &site.guest, Transfer { bytes: 1 << 20, is_v4 });
        // This is on both sides.
        transfer(&spoke, &hub, Transfer { bytes: 1 << 20, is_v4 });
    }
    let bytes = |captures: [Capture; 2]| -> i64 {
        let bytes = captures.map(|it| it.finish().segmented_bytes);
        bytes.iter().sum::<u64>().try_into().expect("a few megabytes")
    };
    // A link's difference is its egress less the other side's ingress.
    let expected = BTreeMap::from([("to-hub", bytes(out)), ("to-spoke", -bytes(back))]);
    let prometheus = Prometheus::of(&deployment);
    let differences = || {
        let results = prometheus.query("vnetpeer:peering_difference_bytes").unwrap_or_default();
        let of = |(labels, value): (BTreeMap<String, String>, String)| {
            assert_eq!(labels["gateway_transit"], "true");
            let name = labels["peering"].rsplit('/').next().unwrap_or_default().to_owned();
            (name, value.parse::<i64>().expect("whole bytes"))
        };
        results.into_iter().map(of).collect::<BTreeMap<String, i64>>()
    };
    let is_expected =
        async || differences().iter().map(|(a, b)| (a.as_str(), *b)).eq(expected.clone());
    until("prometheus has the differences", is_expected).await;
    println!("{:?}", differences());
}
