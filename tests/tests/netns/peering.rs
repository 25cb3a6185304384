//! Peerings that are made, resized and removed by commands while packets flow.

mod concurrent;
mod cycles;
mod limits;
mod resize;
mod states;

use std::{env, time::Duration};

use serde_json::Value;
use vnetpeer_tests::netns::{Deployment, Spec};

/// How often something is repeated: `few` times, or as often as `VNETPEER_TEST_ROUNDS` says.
fn rounds(few: usize) -> usize {
    env::var("VNETPEER_TEST_ROUNDS").map_or(few, |text| text.parse().expect("a number of rounds"))
}

/// A document whose peers follow a resize only after a sync.
fn without_auto_sync(spec: &Spec) -> String {
    let text = spec.yaml();
    assert!(text.starts_with("deployment: {"));
    text.replacen("deployment: {", "deployment: {autoSync: false, ", 1)
}

/// `peeringState` and `peeringSyncLevel` of a peering.
fn level(deployment: &Deployment, name: &str) -> (String, String) {
    let peering = deployment.ask(&format!("peering show {name}"));
    (property(&peering, "peeringState"), property(&peering, "peeringSyncLevel"))
}

/// A property of an object in Azure's shape: a string, or the prefixes of an address space in order.
fn property(object: &Value, name: &str) -> String {
    let value = &object["properties"][name];
    match value["addressPrefixes"].as_array() {
        None => value.as_str().unwrap_or_default().to_owned(),
        Some(prefixes) => sorted(prefixes.iter().filter_map(Value::as_str)),
    }
}

fn sorted<'a>(prefixes: impl Iterator<Item = &'a str>) -> String {
    let mut prefixes: Vec<&str> = prefixes.collect();
    prefixes.sort_unstable();
    prefixes.join(" ")
}

/// The median, and what 99 of 100 are below.
fn percentiles(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part).div_ceil(100).max(1) - 1];
    (at(50), at(99))
}
