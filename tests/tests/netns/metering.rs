//! Meters count exactly what the receiver's own interface counted.
//!
//! A meter counts the layer-3 bytes of packets as they are on a wire. What the receiver's interface
//! counted differs from that in two ways, and both are known: it counts 14 bytes of Ethernet header
//! with every frame, and a super-frame as one frame with one set of headers. How many segments each
//! super-frame stands for is seen by a packet socket in the receiver's namespace.

mod crash;
mod gateway;
mod matrix;
mod prometheus;
mod reconcile;

use vnetpeer_tests::{
    kernel,
    netns::{Capture, Captured, Deployment, Guest, Spec, Transfer, on, transfer},
};

const BYTES: usize = 48 << 20;
const ETHERNET: u64 = 14;

/// The layer-3 bytes that an interface received while `seen` was captured, after segmentation, from
/// its own counters.
fn layer3(before: (u64, u64), after: (u64, u64), seen: &Captured) -> u64 {
    let (frames, bytes) = (after.0 - before.0, after.1 - before.1);
    let layer3 = bytes - ETHERNET * frames - seen.other_bytes;
    if frames == seen.frames + seen.others {
        return layer3 + seen.segmented_bytes - seen.bytes;
    }
    // The interface counted before GRO merged: every frame was one segment.
    assert_eq!(frames, seen.segments + seen.others, "{seen:?}");
    layer3
}

async fn check_pair(deployment: &Deployment, from: &Guest, to: &Guest, is_v4: bool) -> Captured {
    let before = deployment.meters().await;
    let counters = (to.received(), from.received());
    let data = Capture::start(to, from.address(is_v4));
    let acknowledgements = Capture::start(from, to.address(is_v4));
    transfer(from, to, Transfer { bytes: BYTES, is_v4 });
    let (data, acknowledgements) = (data.finish(), acknowledgements.finish());
    let data_bytes = layer3(counters.0, to.received(), &data);
    let acknowledgement_bytes = layer3(counters.1, from.received(), &acknowledgements);
    let after = deployment.meters().await;
    let what = format!("{} to {}, IPv{}", from.name, to.name, if is_v4 { 4 } else { 6 });
    println!("{what}: {data:?}, acknowledgements {acknowledgements:?}");
    assert!(data_bytes > BYTES as u64, "{what}");

    let vnet = |guest: &Guest| guest.name.trim_end_matches(char::is_numeric).to_owned();
    let link = |from: &Guest, to: &Guest| {
        let key = (vnet(from), vnet(to));
        let (before, after) = (&before[&key], &after[&key]);
        (
            (
                after.egress_packets - before.egress_packets,
                after.egress_bytes - before.egress_bytes,
            ),
            (
                after.ingress_packets - before.ingress_packets,
                after.ingress_bytes - before.ingress_bytes,
            ),
        )
    };
    let (sent, received) = link(from, to);
    assert_eq!(sent, (data.segments, data_bytes), "egress, {what}");
    assert_eq!(received, (acknowledgements.segments, acknowledgement_bytes), "ingress, {what}");
    let (sent, received) = link(to, from);
    assert_eq!(received, (data.segments, data_bytes), "ingress at the receiver, {what}");
    assert_eq!(sent, (acknowledgements.segments, acknowledgement_bytes), "egress of it, {what}");
    data
}

async fn check(test: &str, mode: &'static str, wire: bool, segmentation: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, wire).yaml()).await;
    let guests = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    if !segmentation {
        for guest in &guests {
            on(&guest.namespace, "ethtool -K eth0 tso off gso off");
        }
    }
    let [red1, blue1, blue2] = &guests;
    for is_v4 in [true, false] {
        for to in [blue1, blue2] {
            let data = check_pair(&deployment, red1, to, is_v4).await;
            let merged = data.segments > data.frames;
            assert!(merged || !segmentation || mode == "xdp", "no super-frames: {data:?}");
            assert!(!merged || segmentation || wire, "super-frames: {data:?}");
        }
    }
}

#[tokio::test]
async fn exact_with_tc_and_super_frames() {
    check("m-tc", "tc", false, true).await;
}

#[tokio::test]
async fn exact_with_tc_and_super_frames_on_a_wire() {
    check("m-tc-w", "tc", true, true).await;
}

#[tokio::test]
async fn exact_with_tc_without_segmentation() {
    check("m-nogso", "tc", false, false).await;
}

#[tokio::test]
async fn exact_with_tc_without_segmentation_on_a_wire() {
    check("m-nogso-w", "tc", true, false).await;
}

#[tokio::test]
async fn exact_with_xdp() {
    check("m-xdp", "xdp", false, true).await;
}

#[tokio::test]
async fn exact_with_xdp_on_a_wire() {
    check("m-xdp-w", "xdp", true, true).await;
}
