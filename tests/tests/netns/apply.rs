//! Documents that change while packets flow.

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Stream},
};

const DATAGRAMS: usize = 200_000;
const APPLIES: usize = 200;

/// A peering comes and goes that is none of the stream's, though one of its two VNets is: so the
/// routes of the stream's own VNet change, and its answers still do not.
async fn check(test: &str, mode: &'static str, wire: bool, is_v4: bool) {
    if !kernel::available() {
        return;
    }
    let without = Spec::pair(mode, wire);
    let mut with = without.clone();
    with.peered.push(("blue", "green"));
    let deployment = Deployment::up(test, &without.yaml()).await;
    let (red1, blue2) = (deployment.guest("red1"), deployment.guest("blue2"));
    assert!(red1.pings(blue2.address(is_v4)));
    let stream = Stream::start(&red1, &blue2, is_v4, DATAGRAMS, 12_000);
    for number in 0..APPLIES {
        let document = if number % 2 == 0 { with.yaml() } else { without.yaml() };
        deployment.apply(&document);
    }
    let report = stream.finish();
    report.assert_whole();
    assert!(report.sent >= DATAGRAMS);
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    assert_eq!(status.serial, 1 + APPLIES as u64);
}

#[tokio::test]
async fn documents_of_many_megabytes_are_applied() {
    if !kernel::available() {
        return;
    }
    let text = Spec::pair("tc", false).yaml();
    let deployment = Deployment::up("apply-l", &text).await;
    deployment.apply(&format!("{text}# {}\n", "x".repeat(24 << 20)));
    let status = deployment.agent("host-a").status().await.expect("the agent answers");
    assert_eq!(status.serial, 2);
}

#[tokio::test]
async fn an_unrelated_peering_loses_no_packet() {
    check("apply", "tc", false, true).await;
}

#[tokio::test]
async fn an_unrelated_peering_loses_no_packet_with_xdp() {
    check("apply-x", "xdp", true, false).await;
}
