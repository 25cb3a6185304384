//! What a spoke exchanges with a site behind the hub's gateway: metered on the spoke's link, to the byte, and
//! on no other.
//!
//! The receivers are the gateway's interface, where packets leave the virtual networks, and the spoke's.

use std::{fmt::Write as _, thread::sleep, time::Duration};

use vnetpeer_metering::record::Direction::{Egress, Ingress};
use vnetpeer_tests::{
    kernel,
    netns::{Capture, Deployment, Site, on, until, used},
};

use super::matrix::{KINDS, Kind, beyond};
use crate::gateway::{DOCUMENT, SITE};

/// The document of gateways with other modes of both interfaces, and the spoke on the gateway's host or not.
fn document(mode: &str, local: bool) -> String {
    let spoke = format!("{{name: spoke-vm, mode: {mode}}}");
    let document = DOCUMENT.replace("gateways: [{name: gateway}]", "gateways: [GATEWAY]");
    let document = if local {
        let document =
            document.replace("{name: spoke-vm}, {name: isolated-vm}", "{name: isolated-vm}");
        document.replace(
            "networkInterfaces: [{name: hub-vm}]",
            &format!("networkInterfaces: [{{name: hub-vm}}, {spoke}]"),
        )
    } else {
        document.replace(
            "networkInterfaces: [{name: spoke-vm}",
            &format!("networkInterfaces: [{spoke}"),
        )
    };
    document.replace("GATEWAY", &format!("{{name: gateway, mode: {mode}}}"))
}

/// What the ledger has beyond what was received, and the bytes that the site was sent.
async fn cell(deployment: &Deployment, site: &Site, kind: Kind, is_v4: bool) -> (i128, u64) {
    let [spoke, gateway] = ["spoke-vm", "gateway"].map(|name| deployment.guest(name));
    sleep(Duration::from_millis(50));
    let before = deployment.usage().await;
    let forward = Capture::start(&gateway, spoke.address(is_v4));
    let backward = Capture::start(&spoke, site.guest.address(is_v4));
    kind.send(&spoke, &site.guest, is_v4);
    let (forward, backward) = (forward.finish(), backward.finish());
    assert!(forward.segmented_bytes > 30_000, "{kind:?}: {forward:?}");
    let after = deployment.usage().await;
    let of = |a, b, way| used(&before, &after, a, b, way);
    let spoke = [of("spoke", "hub", Egress), of("spoke", "hub", Ingress)];
    let hub = [of("hub", "spoke", Egress), of("hub", "spoke", Ingress)];
    assert_eq!(hub, [(0, 0); 2], "{kind:?}: the hub's VNet has the gateway, and pays nothing");
    (beyond(&[(spoke[0], &forward), (spoke[1], &backward)]), forward.segmented_bytes)
}

async fn check(test: &str, mode: &str, local: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &document(mode, local)).await;
    let site = Site::join(&deployment, "gateway", &SITE);
    let spoke = deployment.guest("spoke-vm");
    until("the spoke reaches the site", async || {
        [true, false].iter().all(|is_v4| spoke.pings(site.guest.address(*is_v4)))
    })
    .await;
    let mut table = format!(
        "{mode}, local {local}: bytes and packets of the ledger beyond those received, through the gateway\n"
    );
    let mut sum = 0;
    for kind in KINDS {
        if kind == Kind::TcpWithoutGso {
            on(&spoke.namespace, "ethtool -K eth0 tso off gso off");
        }
        let _ = write!(table, "{:<16}", format!("{kind:?}"));
        for is_v4 in [true, false] {
            let (difference, bytes) = cell(&deployment, &site, kind, is_v4).await;
            let family = if is_v4 { "v4" } else { "v6" };
            let _ = write!(table, "{family} {difference:>4} of {bytes:>8}  ");
            sum += difference;
        }
        table.push('\n');
    }
    println!("{table}");
    assert_eq!(sum, 0, "{table}");
}

#[tokio::test]
async fn every_cell_is_exact_through_a_gateway_of_another_host() {
    check("u-gw", "tc", false).await;
}

#[tokio::test]
async fn every_cell_is_exact_through_a_gateway_of_another_host_with_xdp() {
    check("u-gw-xdp", "xdp", false).await;
}

#[tokio::test]
async fn every_cell_is_exact_through_a_gateway_of_the_same_host() {
    check("u-gw-l", "tc", true).await;
}

#[tokio::test]
async fn every_cell_is_exact_through_a_gateway_of_the_same_host_with_xdp() {
    check("u-gw-lx", "xdp", true).await;
}
