//! Counters, records and invoices of running agents are the same bytes, and records that were collected often
//! and in any order make the same invoice.

use std::{fs, path::Path};

use serde_json::Value;
use vnetpeer_metering::record::Record;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Stream},
    random::{Random, seed},
};

const RATE: usize = 10_000;
const COPIES: usize = 3;

fn prices() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/prices.yaml").to_owned()
}

/// How many figures `meter reconcile` compared; all must agree.
fn reconciled(deployment: &Deployment) -> u64 {
    let outcome = deployment.ask(&format!("meter reconcile --prices {}", prices()));
    assert_eq!(outcome["agree"], true, "{outcome}");
    assert_eq!(outcome["differences"], Value::Array(Vec::new()));
    outcome["compared"].as_u64().expect("a number")
}

/// Writes each record some times over several files, in a random order.
fn scatter(random: &mut Random, records: &[Vec<Record>], folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for it in records.iter().flatten() {
        let line = serde_json::to_string(it).expect("JSON");
        lines.extend((0..=random.below(COPIES)).map(|_| line.clone()));
    }
    let mut files = vec![String::new(); COPIES];
    while !lines.is_empty() {
        let line = lines.swap_remove(random.below(lines.len()));
        files[random.below(COPIES)].push_str(&(line + "\n"));
    }
    let write = |(number, text): (usize, &String)| {
        let path = folder.join(format!("{number}.jsonl"));
        fs::write(&path, text).expect("write records");
        path.display().to_string()
    };
    files.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(write).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_records_and_invoices_agree_while_packets_flow_and_after() {
    if !kernel::available() {
        return;
    }
    let mut random = Random::new(seed());
    let deployment = Deployment::up("u-rec", &Spec::pair("tc", false).yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(true)) && red1.pings(blue2.address(false)));
    let mut exports = Vec::new();
    for is_v4 in [true, false] {
        let stream = Stream::start(&red1, &blue2, is_v4, 1, RATE);
        for datagrams in [2_000, 4_000] {
            stream.reach(datagrams).await;
            exports.push(deployment.records().await);
            println!("{} figures agree while packets flow", reconciled(&deployment));
        }
        stream.finish().assert_whole();
    }
    println!("{} figures agree afterwards", reconciled(&deployment));
    exports.push(deployment.records().await);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let invoice = deployment.ask(&format!("meter invoice --prices {}", prices()));
    assert_eq!(invoice["lines"].as_array().map(Vec::len), Some(4), "{invoice}");
    for round in 0..COPIES {
        let files = scatter(&mut random, &exports, folder.path());
        let files: Vec<String> = files.iter().map(|it| format!("--records {it}")).collect();
        let command = format!("meter invoice --prices {} {}", prices(), files.join(" "));
        assert_eq!(deployment.ask(&command), invoice, "round {round}");
    }
}
