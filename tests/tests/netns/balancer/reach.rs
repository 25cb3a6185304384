//! Who reaches which frontend: peerings, floating IP, and what a peering's meter counts.

use std::{net::SocketAddr, time::Duration};

use vnetpeer_tests::{
    kernel,
    netns::{Backend, Capture, Dialogue, Guest, answers},
};

use super::{BACKENDS, BASIC, Balanced, FLOATING, STANDARD, WEB, WEB_BEHIND, address, frontend};

const BYTES: usize = 4 << 20;

fn reaches(from: &Guest, to: SocketAddr) -> bool {
    Dialogue::tcp(from, to).and_then(|mut it| it.who()).is_ok()
}

#[tokio::test]
async fn a_basic_frontend_is_not_reached_over_a_global_peering() {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up("lb-sku", "tc").await;
    for is_v4 in [true, false] {
        let seen = ["near", "far"].map(|from| {
            [STANDARD, BASIC].map(|last| {
                let from = balanced.guest(from);
                let own = if last == STANDARD { "b3" } else { "alone" };
                let own = SocketAddr::new(balanced.guest(own).address(is_v4), WEB_BEHIND);
                assert!(reaches(&from, own), "{}: the backend's own address", from.name);
                reaches(&from, frontend(is_v4, last, WEB))
            })
        });
        println!("IPv{}: regional, global x Standard, Basic: {seen:?}", if is_v4 { 4 } else { 6 });
        assert_eq!(seen, [[true, true], [true, false]]);
    }
    let dropped = balanced.deployment.dropped("host-b", "far", "LoadBalancerNotGlobal").await;
    assert!(dropped >= 2, "{dropped}");
}

#[tokio::test]
async fn floating_ip_leaves_the_frontends_address() {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up("lb-float", "tc").await;
    let mut servers = Vec::new();
    for name in BACKENDS {
        let guest = balanced.guest(name);
        let mut addresses = Vec::new();
        for is_v4 in [true, false] {
            let own = address(is_v4, STANDARD);
            let length = if is_v4 { 32 } else { 128 };
            let flag = if is_v4 { "" } else { " nodad" };
            guest.run(&format!("ip addr add {own}/{length} dev lo{flag}"));
            addresses.push(SocketAddr::new(own, FLOATING));
        }
        servers.push(Backend::start(&guest, &addresses));
    }
    for from in ["client", "near", "far"] {
        for is_v4 in [true, false] {
            let to = frontend(is_v4, STANDARD, FLOATING);
            let counts = answers(&balanced.guest(from), to, 60);
            println!("{from}, IPv{}: {counts:?}", if is_v4 { 4 } else { 6 });
            let drops = balanced.deployment.drops("host-a").await;
            assert!(counts.len() >= 3 && !counts.contains_key("-"), "{counts:?}; {drops:?}");
        }
    }
}

/// Longer than Linux delays an acknowledgement.
const DELAYED_ACK: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_peering_to_a_frontend_is_metered_exactly() {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up("lb-meter", "tc").await;
    let (near, alone) = (balanced.guest("near"), balanced.guest("alone"));
    let [out, back] =
        [("green", "red"), ("red", "green")].map(|(from, to)| (from.to_owned(), to.to_owned()));
    for is_v4 in [true, false] {
        let mut flow = Dialogue::tcp(&near, frontend(is_v4, BASIC, WEB)).expect("a connection");
        flow.who().expect("an answer");
        // The client may still have to acknowledge it.
        tokio::time::sleep(DELAYED_ACK).await;
        let before = balanced.deployment.meters().await;
        let data = Capture::start(&alone, near.address(is_v4));
        flow.send(BYTES).expect("an answer");
        let data = data.finish();
        let after = balanced.deployment.meters().await;
        let egress = |key| {
            let (a, b): (&vnetpeer_userspace::agent::api::LinkMeter, _) =
                (&before[key], &after[key]);
            (b.egress_packets - a.egress_packets, b.egress_bytes - a.egress_bytes)
        };
        let ingress = |key| {
            let (a, b): (&vnetpeer_userspace::agent::api::LinkMeter, _) =
                (&before[key], &after[key]);
            (b.ingress_packets - a.ingress_packets, b.ingress_bytes - a.ingress_bytes)
        };
        let seen = (data.segments, data.segmented_bytes);
        println!("IPv{}: {seen:?}", if is_v4 { 4 } else { 6 });
        assert!(data.segmented_bytes > BYTES as u64, "{data:?}");
        assert_eq!(egress(&out), seen, "what leaves the client's network");
        assert_eq!(ingress(&back), seen, "what enters the load balancer's");
        assert_eq!(egress(&back), ingress(&out), "answers");
    }
}
