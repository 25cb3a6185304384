//! `vnetpeer plan` says what a document changes; the lab shows it.

mod network;

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, program},
    random::{Random, seed},
};
use vnetpeer_userspace::{
    document,
    lab::{Matrix, probe::Protocol},
    topology::model::Topology,
};

use self::network::Network;

/// Changes in one run, unless `PLAN_CHANGES` says otherwise.
const CHANGES: usize = 25;

/// What some of the documents have; how many is printed.
const FEATURES: [&str; 6] = [
    "VirtualApplianceEcmp",
    "peerCompleteVnets: false",
    "enableOnlyIPv6Peering: true",
    "allowVirtualNetworkAccess: false",
    "allowForwardedTraffic: false",
    "access: Deny",
];

/// What was tried: from, to, whether by IPv4, how, port.
type Try = (String, String, bool, Protocol, u16);

/// Whether each of them was answered.
type Seen = BTreeMap<Try, bool>;

fn seen(matrix: &Matrix) -> Seen {
    let cells = matrix.cells.iter().map(|cell| {
        let key = (cell.from.clone(), cell.to.clone(), cell.address.is_ipv4());
        ((key.0, key.1, key.2, cell.protocol, cell.port), cell.is_reached())
    });
    cells.collect()
}

/// Whether `plan` lists a try among what is `gained` or `lost`.
fn lists(plan: &Value, kind: &str, subnets: &BTreeMap<String, String>, it: &Try) -> bool {
    let (from, to, is_v4, protocol, port) = it;
    let family = if *is_v4 { "IPv4" } else { "IPv6" };
    let is_end = |end: &Value, nic: &str| {
        let named = end["networkInterfaces"].as_array();
        let is_named = |id: &Value| id.as_str().is_some_and(|id| last(id) == nic);
        let subnet = end["subnet"].as_str().expect("a subnet");
        subnets[nic].eq_ignore_ascii_case(subnet)
            && named.is_none_or(|named| named.iter().any(is_named))
    };
    let covers = |ports: &Value| {
        let ports = ports.as_array().expect("ports");
        ports.iter().any(|range| {
            let range = range.as_str().expect("a range");
            let (start, end) = range.split_once('-').unwrap_or((range, range));
            let bound = |text: &str| text.parse::<u16>().expect("a port");
            (bound(start)..=bound(end)).contains(port)
        })
    };
    let changes = plan[kind].as_array().expect("a list of changes");
    changes.iter().any(|change| {
        let traffic = &change["traffic"];
        change["family"] == family
            && is_end(&change["source"], from)
            && is_end(&change["destination"], to)
            && match protocol {
                Protocol::Icmp => traffic["icmp"] == true,
                Protocol::Tcp => covers(&traffic["tcp"]),
                Protocol::Udp => covers(&traffic["udp"]),
            }
    })
}

/// Subnets of NICs, by name.
fn subnets(topology: &Topology) -> BTreeMap<String, String> {
    let nics = topology.nics.iter().map(|nic| {
        let subnet = topology.subnet(nic.vnet, nic.subnet).expect("a subnet");
        (nic.id.name().to_owned(), subnet.id.as_str().to_owned())
    });
    nics.collect()
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// What the plan says and the lab does not show, or the other way round.
fn differences(plan: &Value, topology: &Topology, before: &Seen, after: &Seen) -> Vec<String> {
    let subnets = subnets(topology);
    let mut found = Vec::new();
    for (it, was) in before {
        // A port that only rules of one of the documents name.
        let Some(is) = after.get(it).copied() else { continue };
        for (kind, happened) in [("lost", *was && !is), ("gained", !*was && is)] {
            if lists(plan, kind, &subnets, it) != happened {
                found.push(format!("{it:?}: before {was}, after {is}, {kind} is wrong"));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_plan_is_what_probes_see_before_and_after() {
    if !kernel::available() {
        return;
    }
    let count = env::var("PLAN_CHANGES").ok();
    let count = count.map_or(CHANGES, |text| text.parse().expect("PLAN_CHANGES: a number"));
    let mut random = Random::new(seed());
    let mut network = Network::new();
    let deployment = Deployment::up("plan", &network.yaml()).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("next.yaml");
    let mut before = seen(&deployment.lab.matrix().await.expect("probes"));
    let (mut gained, mut lost, mut partly) = (0, 0, 0);
    let mut features: BTreeMap<&str, usize> = BTreeMap::new();
    let mut refused = 0;
    for number in 0..count {
        let (plan, document, topology) = loop {
            let (changed, document, topology) = next(&network, &mut random);
            fs::write(&file, &document).expect("write the document");
            if let Some(plan) = plan_for(&deployment, &file) {
                network = changed;
                break (plan, document, topology);
            }
            refused += 1;
        };
        deployment.apply(&document);
        let mut after = seen(&deployment.lab.matrix_for(&topology).await.expect("probes"));
        let mut wrong = differences(&plan, &topology, &before, &after);
        if !wrong.is_empty() {
            // A probe may be lost on a busy machine.
            after = seen(&deployment.lab.matrix_for(&topology).await.expect("probes"));
            wrong = differences(&plan, &topology, &before, &after);
        }
        assert!(
            wrong.is_empty(),
            "change {number}: {} of {} tries differ\n{}\n{plan:#}\n{document}",
            wrong.len(),
            before.len(),
            wrong.join("\n")
        );
        for feature in FEATURES.into_iter().filter(|it| document.contains(it)) {
            *features.entry(feature).or_default() += 1;
        }
        let of = |kind: &str| plan[kind].as_array().map_or(0, Vec::len);
        (gained, lost) = (gained + of("gained"), lost + of("lost"));
        let all = serde_json::json!({"icmp": true, "tcp": ["0-65535"], "udp": ["0-65535"]});
        let changes = ["gained", "lost"].iter().filter_map(|kind| plan[kind].as_array());
        partly += changes.flatten().filter(|change| change["traffic"] != all).count();
        before = after;
    }
    println!(
        "{count} changes of {} tries each: {gained} gains and {lost} losses, {partly} of some traffic",
        before.len()
    );
    println!("documents with {features:?}; {refused} changes were refused");
}

/// The network after a change that makes a valid document.
fn next(network: &Network, random: &mut Random) -> (Network, String, Topology) {
    loop {
        let mut changed = network.clone();
        changed.change(random);
        if changed.is_ambiguous() {
            continue;
        }
        let document = changed.yaml();
        if let Ok(loaded) = document::load("next.yaml", &document) {
            return (changed, document, loaded.topology);
        }
    }
}

/// What `vnetpeer plan` says about a document and the one in force; `None` if Azure refuses the change
/// of a peering.
fn plan_for(deployment: &Deployment, file: &Path) -> Option<Value> {
    let mut command = Command::new(program());
    command.args(["plan", "--lab", &deployment.lab.record().name, "-o", "json", "-f"]).arg(file);
    let output = command.output().expect("run vnetpeer plan");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_refused = stderr.contains("NotAllowed") || stderr.contains("Cannot");
    assert!(output.status.success() || is_refused, "{stderr}");
    output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// What `vnetpeer plan` makes of two documents: its output and its exit code.
fn plan(old: &str, new: &str, options: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [before, after] = ["old.yaml", "new.yaml"].map(|name| folder.path().join(name));
    fs::write(&before, old).expect("write a document");
    fs::write(&after, new).expect("write a document");
    let mut command = Command::new(program());
    command.arg("plan").arg("-f").arg(&after).arg("--against").arg(&before).args(options);
    let output = command.output().expect("run vnetpeer plan");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (text, output.status.code())
}

#[test]
fn what_is_cut_off_is_told_by_subnets_and_fails() {
    let joined = Spec::pair("tc", false).yaml();
    let mut cut = Spec::pair("tc", false);
    cut.peered.clear();
    let (text, code) = plan(&joined, &cut.yaml(), &["--fail-if-lost"]);
    assert_eq!(code, Some(6), "{text}");
    let line = "blue/blue 10.3.1.0/24 ⇄ red/red 10.1.1.0/24: all traffic, IPv4 and IPv6";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("RouteNone"), "{text}");
    let (text, code) = plan(&cut.yaml(), &joined, &["--fail-if-lost"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("gains:") && !text.contains("loses:"), "{text}");
    let (text, code) = plan(&joined, &cut.yaml(), &["-o", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let plan: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(plan["lost"].as_array().map(Vec::len), Some(4), "{text}");
    assert_eq!(plan["lost"][0]["source"]["addressPrefix"], "10.3.1.0/24");
}
