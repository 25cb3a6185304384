//! 500 peerings of one VNet, and not one more.

use std::{fmt::Write as _, fs};

use vnetpeer_tests::{kernel, netns::Deployment};

const PEERINGS_MAX: usize = 500;
/// Spokes that have a NIC; the others are only peered.
const SAMPLED: [usize; 4] = [0, 1, 249, 499];

fn range(spoke: usize) -> (String, String) {
    (format!("10.{}.{}", 64 + spoke / 256, spoke % 256), format!("fd00:1{spoke:03x}:0:0"))
}

/// A hub with its spokes, of which so many are peered.
fn document(peered: usize) -> String {
    let mut vnets = String::from("deployment: {name: test}\nvirtualNetworks:\n");
    let (mut peerings, mut nics) = (String::new(), String::new());
    let mut vnet = |name: &str, v4: &str, v6: &str| {
        let _ = writeln!(
            vnets,
            "  - {{name: {name}, properties: {{addressSpace: {{addressPrefixes: [{v4}.0/24, \
             \"{v6}::/64\"]}}, subnets: [{{name: all, properties: {{addressPrefixes: [{v4}.0/24, \
             \"{v6}::/64\"]}}}}]}}}}"
        );
    };
    vnet("hub", "10.0.0", "fd00:0:0:0");
    for spoke in 0..=PEERINGS_MAX {
        let (v4, v6) = range(spoke);
        vnet(&format!("s{spoke}"), &v4, &v6);
    }
    for spoke in 0..peered {
        for (from, to) in
            [("hub".to_owned(), format!("s{spoke}")), (format!("s{spoke}"), "hub".to_owned())]
        {
            let _ = writeln!(
                peerings,
                "  - {{name: {from}/to-{to}, properties: {{remoteVirtualNetwork: {{id: {to}}}}}}}"
            );
        }
    }
    let mut nic = |name: &str, vnet: &str, last: u8, (v4, v6): (String, String)| {
        let _ = writeln!(
            nics,
            "  - {{name: {name}, properties: {{ipConfigurations: [{{name: v4, properties: {{subnet: \
             {{id: {vnet}/all}}, privateIPAddress: {v4}.{last}}}}}, {{name: v6, properties: {{subnet: \
             {{id: {vnet}/all}}, privateIPAddress: \"{v6}::{last}\"}}}}]}}}}"
        );
    };
    let hub = || (String::from("10.0.0"), String::from("fd00:0:0:0"));
    nic("hub1", "hub", 4, hub());
    nic("hub2", "hub", 5, hub());
    let mut hosts = [String::from("[{name: hub1}"), String::from("[{name: hub2}")];
    for (host, spoke) in SAMPLED.into_iter().enumerate() {
        let name = format!("nic{spoke}");
        nic(&name, &format!("s{spoke}"), 4, range(spoke));
        let _ = write!(hosts[host % 2], ", {{name: {name}}}");
    }
    let [a, b] = hosts;
    format!(
        "{vnets}virtualNetworkPeerings:\n{peerings}networkInterfaces:\n{nics}hosts:\n  - {{name: host-a, \
         underlay: {{interface: eth0, addresses: [192.0.2.1, \"2001:db8::1\"]}}, networkInterfaces: \
         {a}]}}\n  - {{name: host-b, underlay: {{interface: eth0, addresses: [192.0.2.2, \
         \"2001:db8::2\"]}}, networkInterfaces: {b}]}}\n"
    )
}

#[tokio::test]
async fn a_vnet_has_500_peerings_and_not_one_more() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("p-500", &document(PEERINGS_MAX)).await;
    let peerings = deployment.ask("peering list");
    let connected = |it: &&serde_json::Value| it["properties"]["peeringState"] == "Connected";
    let count = peerings.as_array().map(|all| all.iter().filter(connected).count());
    assert_eq!(count, Some(2 * PEERINGS_MAX));
    for hub in ["hub1", "hub2"].map(|name| deployment.guest(name)) {
        for spoke in SAMPLED.map(|spoke| deployment.guest(&format!("nic{spoke}"))) {
            for is_v4 in [true, false] {
                assert!(hub.pings(spoke.address(is_v4)), "{} to {}", hub.name, spoke.name);
                assert!(spoke.pings(hub.address(is_v4)), "{} to {}", spoke.name, hub.name);
            }
        }
    }
    let (first, last) = (deployment.guest("nic0"), deployment.guest("nic499"));
    assert!(first.pings_in_vain(last.address(true)), "spokes are not peered with each other");

    let refusal = deployment.refused("peering create hub/to-s500 --remote-vnet s500");
    assert!(refusal.contains("LimitExceeded"), "{refusal}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("one-more.yaml");
    fs::write(&file, document(PEERINGS_MAX + 1)).expect("write the document");
    for command in ["plan", "apply"] {
        let refusal = deployment.refused(&format!("{command} -f {}", file.display()));
        assert!(refusal.contains("LimitExceeded"), "{refusal}");
    }
    assert_eq!(deployment.ask("peering list"), peerings);
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    assert_eq!(status.serial, 1, "nothing was changed");
}
