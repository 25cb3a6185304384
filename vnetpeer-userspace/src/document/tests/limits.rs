//! Azure's limits.

use std::fmt::Write;

use super::mistakes;
use crate::document::Code;

fn network(index: usize, location: &str, subnets: &str) -> String {
    let (a, b) = (index / 256, index % 256);
    format!(
        "- {{name: v{index}, location: {location}, properties: {{addressSpace: {{addressPrefixes: [{}.{b}.0.0/16]}}, subnets: [{subnets}]}}}}\n",
        a + 10
    )
}

#[test]
fn networks_per_region_and_peerings_per_network() {
    let mut text = "virtualNetworks:\n".to_owned();
    for index in 0..=1_000 {
        text.push_str(&network(index, "westeurope", ""));
    }
    text.push_str(&network(1_001, "eastus", ""));
    text.push_str("virtualNetworkPeerings:\n");
    for index in 1..=501 {
        writeln!(
            text,
            "- {{name: v0/to-{index}, properties: {{remoteVirtualNetwork: {{id: v{index}}}}}}}"
        )
        .unwrap();
    }
    assert_eq!(
        mistakes(&text),
        [(Code::LimitExceeded, "v1000".to_owned()), (Code::LimitExceeded, "v0/to-501".to_owned()),]
    );
}

#[test]
fn subnets_per_network() {
    let subnets: Vec<String> = (0..=3_000)
        .map(|index| {
            let (high, low) = (index / 32, index % 32 * 8);
            format!("{{name: s{index}, properties: {{addressPrefix: 10.0.{high}.{low}/29}}}}")
        })
        .collect();
    let text = format!("virtualNetworks:\n{}", network(0, "westeurope", &subnets.join(", ")));
    assert_eq!(mistakes(&text), [(Code::LimitExceeded, "s3000".to_owned())]);
}

#[test]
fn routes_per_table_and_tables_per_region() {
    let mut text = "routeTables:\n".to_owned();
    for index in 0..=200 {
        writeln!(text, "- {{name: t{index}, properties: {{}}}}").unwrap();
    }
    text.push_str("- name: long\n  location: eastus\n  properties:\n    routes:\n");
    for index in 0..=400 {
        let (high, low) = (index / 256, index % 256);
        writeln!(text, "    - {{name: r{index}, properties: {{addressPrefix: 10.{high}.{low}.0/24, nextHopType: None}}}}").unwrap();
    }
    assert_eq!(
        mistakes(&text),
        [(Code::LimitExceeded, "t200".to_owned()), (Code::LimitExceeded, "r400".to_owned()),]
    );
}

#[test]
fn addresses_per_nic() {
    let addresses = |count: usize| -> String {
        (0..count)
            .map(|index| format!("    - {{name: i{index}, properties: {{subnet: {{id: s}}}}}}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    let document = |count: usize| {
        let subnet = "{name: s, properties: {addressPrefix: 10.0.0.0/16}}";
        format!(
            "virtualNetworks:\n{}networkInterfaces:\n- name: n\n  properties:\n    ipConfigurations:\n{}\
             hosts:\n- name: h\n  underlay: {{interface: eth0, addresses: [192.0.2.1]}}\n  \
             networkInterfaces: [{{name: n}}]\n",
            network(0, "westeurope", subnet),
            addresses(count)
        )
    };
    assert_eq!(mistakes(&document(256)), []);
    assert_eq!(mistakes(&document(257)), [(Code::LimitExceeded, "i256".to_owned())]);
}
