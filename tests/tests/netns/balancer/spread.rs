//! Which backend a flow gets.

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_tests::{
    kernel,
    netns::{Dialogue, Guest, answers},
};

use super::{BACKENDS, BY_ADDRESS, BY_PROTOCOL, Balanced, STANDARD, WEB, frontend};

const CONNECTIONS: usize = 1_000;
const FEW: usize = 30;

/// Connections take the slots in turn, so it is not by chance that each backend has its part.
fn check_spread(counts: &BTreeMap<String, usize>) {
    let even = CONNECTIONS / BACKENDS.len();
    for name in BACKENDS {
        let count = counts.get(name).copied().unwrap_or(0);
        assert!(count.abs_diff(even) <= even / 10, "{counts:?}");
    }
    assert_eq!(counts.len(), BACKENDS.len(), "nobody else, and none is lost: {counts:?}");
}

async fn check(test: &str, mode: &str) {
    if !kernel::available() {
        return;
    }
    let balanced = Balanced::up(test, mode).await;
    for from in ["client", "near", "far"] {
        for is_v4 in [true, false] {
            let counts =
                answers(&balanced.guest(from), frontend(is_v4, STANDARD, WEB), CONNECTIONS);
            println!("{mode}, {from}, IPv{}: {counts:?}", if is_v4 { 4 } else { 6 });
            check_spread(&counts);
        }
    }
    check_modes(&balanced);
}

/// Who answers flows from different ports.
fn asked(from: &Guest, is_v4: bool, port: u16, is_tcp: bool) -> BTreeSet<String> {
    let to = frontend(is_v4, STANDARD, port);
    let open = if is_tcp { Dialogue::tcp } else { Dialogue::udp };
    (0..FEW).map(|_| open(from, to).and_then(|mut it| it.who()).expect("an answer")).collect()
}

fn check_modes(balanced: &Balanced) {
    for is_v4 in [true, false] {
        let mut differ = false;
        for from in ["client", "near", "far"] {
            let from = balanced.guest(from);
            let [tcp, udp] = [true, false].map(|is_tcp| asked(&from, is_v4, BY_ADDRESS, is_tcp));
            assert_eq!((tcp.len(), &tcp), (1, &udp), "one for an address, by both protocols");
            let [tcp, udp] = [true, false].map(|is_tcp| asked(&from, is_v4, BY_PROTOCOL, is_tcp));
            assert_eq!((tcp.len(), udp.len()), (1, 1), "one for an address and a protocol");
            differ |= tcp != udp;
            for is_tcp in [true, false] {
                assert!(asked(&from, is_v4, WEB, is_tcp).len() > 2, "ports count by default");
            }
        }
        println!("IPv{}: protocols differ: {differ}", if is_v4 { 4 } else { 6 });
    }
}

#[tokio::test]
async fn a_thousand_connections_are_spread_over_four_backends() {
    check("lb-spread", "tc").await;
}

#[tokio::test]
async fn a_thousand_connections_are_spread_over_four_backends_with_xdp() {
    check("lb-spread-x", "xdp").await;
}
