//! A service chain: spokes that reach each other through an appliance in the hub.

use std::path::Path;

use vnetpeer_tests::{
    kernel,
    netns::{Capture, Deployment, Transfer, transfer},
};

const BYTES: usize = 8 << 20;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/service-chain.yaml");
    std::fs::read_to_string(path).expect("read the example")
}

fn key(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

/// Everything between the spokes passes the appliance, and is metered on both peerings that it
/// crosses, on both sides of each.
#[tokio::test]
async fn passes_the_appliance_and_is_metered_on_both_peerings() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("chain", &example()).await;
    let [from, to, nva] = ["spoke1-vm", "spoke2-vm2", "nva"].map(|name| deployment.guest(name));
    for is_v4 in [true, false] {
        let before = deployment.meters().await;
        let source = from.address(is_v4);
        let (at_nva, at_end) = (Capture::start(&nva, source), Capture::start(&to, source));
        transfer(&from, &to, Transfer { bytes: BYTES, is_v4 });
        let (at_nva, at_end) = (at_nva.finish(), at_end.finish());
        let after = deployment.meters().await;
        assert!(at_nva.segmented_bytes > BYTES as u64, "{at_nva:?}");
        assert_eq!(at_nva.segmented_bytes, at_end.segmented_bytes);
        let counted = (at_nva.segments, at_nva.segmented_bytes);
        for (spoke, is_first) in [("spoke1", true), ("spoke2", false)] {
            let (to_hub, from_hub) = (key(spoke, "hub"), key("hub", spoke));
            let egress = |key: &(String, String)| {
                let (a, b) = (&before[key], &after[key]);
                (b.egress_packets - a.egress_packets, b.egress_bytes - a.egress_bytes)
            };
            let ingress = |key: &(String, String)| {
                let (a, b) = (&before[key], &after[key]);
                (b.ingress_packets - a.ingress_packets, b.ingress_bytes - a.ingress_bytes)
            };
            // The data goes up from the first spoke and down to the second.
            let (leaves, enters) =
                if is_first { (&to_hub, &from_hub) } else { (&from_hub, &to_hub) };
            assert_eq!(egress(leaves), counted, "{leaves:?}, IPv4 {is_v4}");
            assert_eq!(ingress(enters), counted, "{enters:?}, IPv4 {is_v4}");
        }
    }
}

#[tokio::test]
async fn is_dropped_when_forwarded_traffic_is_not_allowed() {
    if !kernel::available() {
        return;
    }
    let document = example();
    let deployment = Deployment::up("chain-deny", &document).await;
    let [from, to, hub, nva] =
        ["spoke1-vm", "spoke2-vm", "hub-vm", "nva"].map(|name| deployment.guest(name));
    assert!(from.pings(to.address(true)));
    deployment
        .apply(&document.replace("allowForwardedTraffic: true", "allowForwardedTraffic: false"));
    let forwarded = nva.received().0;
    for is_v4 in [true, false] {
        assert!(!from.pings(to.address(is_v4)), "forwarded by the appliance");
        assert!(hub.pings(to.address(is_v4)), "the hub's own");
        assert!(from.pings(nva.address(is_v4)), "the appliance itself");
    }
    assert!(nva.received().0 >= forwarded + 6, "the appliance received them all the same");
    let drops = deployment.drops("host-b").await;
    let denied = drops.iter().filter(|((_, reason), _)| reason == "ForwardedTrafficDenied");
    assert_eq!(denied.map(|(_, count)| count).sum::<u64>(), 6, "{drops:?}");
    deployment.apply(&document);
    assert!(from.pings(to.address(true)) && from.pings(to.address(false)));
}
