//! A flow stays where it is when backends come and go.

use vnetpeer_tests::{
    kernel,
    netns::{Dialogue, answers},
};

use super::{Balanced, STANDARD, WEB, document, frontend};

const FLOWS: usize = 40;

async fn check(test: &str, mode: &str) {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up(test, mode).await;
    let mut flows = Vec::new();
    for from in ["client", "near"] {
        let from = balanced.guest(from);
        for is_v4 in [true, false] {
            let to = frontend(is_v4, STANDARD, WEB);
            for open in [Dialogue::tcp, Dialogue::udp] {
                flows.extend((0..FLOWS).map(|_| open(&from, to).expect("a flow")));
            }
        }
    }
    let who = |flows: &mut [Dialogue]| -> Vec<String> {
        flows.iter_mut().map(|flow| flow.who().expect("an answer")).collect()
    };
    let before = who(&mut flows);
    balanced.deployment.apply(&document(mode, 5));
    balanced.state("b5", "Up").await;
    assert_eq!(who(&mut flows), before, "after a backend was added");
    let counts = answers(&balanced.guest("client"), frontend(true, STANDARD, WEB), 200);
    println!("{mode}: with a fifth backend {counts:?}");
    assert!(counts.get("b5").is_some_and(|count| *count > 10), "{counts:?}");
    // The fourth goes: what it has begun it ends.
    balanced.deployment.apply(&document(mode, 3));
    assert_eq!(who(&mut flows), before, "after a backend was removed");
    let counts = answers(&balanced.guest("client"), frontend(true, STANDARD, WEB), 100);
    assert!(!counts.contains_key("b4") && !counts.contains_key("b5"), "{counts:?}");
    assert!(!counts.contains_key("-"), "{counts:?}");
}

#[tokio::test]
async fn flows_keep_their_backend() {
    check("lb-sticky", "tc").await;
}

#[tokio::test]
async fn flows_keep_their_backend_with_xdp() {
    check("lb-sticky-x", "xdp").await;
}
