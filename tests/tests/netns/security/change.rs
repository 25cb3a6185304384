//! One rule of a large group changes while packets flow by another.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, GroupOf, Guest, RuleOf, Spec, Stream, Wire},
    packet::Packet,
};

use super::{HTTPS, serve};

const RULES: usize = 1_000;
const PROBED: u16 = 4_444;
const DATAGRAMS: usize = 30_000;
const PER_SECOND: usize = 10_000;
/// Between two datagrams, each of which is a flow of its own.
const PACE: Duration = Duration::from_millis(3);
/// Fewer than the flows without a reply that a NIC may have.
const CLIENTS: u16 = 4_000;

/// A group of 1,000 rules; the rule for the probed port is in the middle.
fn document(allowed: bool) -> String {
    let probed = RuleOf::allow_in("probed", "Udp", &PROBED.to_string());
    let mut rules: Vec<RuleOf> = (0..RULES - 4)
        .map(|number| {
            let source = format!("sourceAddressPrefix: 203.0.{}.{}/32", number / 250, number % 250);
            let ports = (20_000 + number).to_string();
            RuleOf::allow_in(&format!("partner-{number}"), "Tcp", &ports).denying().from(&source)
        })
        .collect();
    rules.insert(RULES / 2, if allowed { probed } else { probed.denying() });
    rules.push(RuleOf::allow_in("https", "Tcp", "443"));
    rules.push(RuleOf::allow_in("datagrams", "Udp", "*"));
    rules.push(RuleOf::deny_all_in());
    assert_eq!(rules.len(), RULES);
    Spec::pair("tc", false).yaml_with(&[GroupOf::new("blue2", rules)])
}

/// Datagrams from ever other ports to the probed port while `change` runs: when each arrived.
fn probe(wire: &Wire, from: &Guest, to: &Guest, change: impl FnOnce()) -> Vec<Instant> {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (from.address(true), to.address(true)) else {
        return Vec::new();
    };
    let receiver = to.udp_at(SocketAddr::new(target.into(), PROBED));
    receiver.set_read_timeout(Some(20 * PACE)).expect("a timeout");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let mut arrivals = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                if receiver.recv(&mut [0; 64]).is_ok() {
                    arrivals.push(Instant::now());
                }
            }
            arrivals
        });
        let sending = scope.spawn(|| {
            let ports = (10_000..10_000 + CLIENTS).take_while(|_| !stop.load(Ordering::SeqCst));
            for port in ports {
                wire.send(&Packet::v4(source, target).udp(port, PROBED, 5));
                thread::sleep(PACE);
            }
        });
        change();
        thread::sleep(50 * PACE);
        assert!(!sending.is_finished(), "the change took longer than there are probes");
        stop.store(true, Ordering::SeqCst);
        sending.join().expect("the sender");
        receiving.join().expect("the receiver")
    })
}

#[tokio::test]
async fn a_rule_of_a_thousand_changes_and_nothing_is_lost() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("s-thousand", &document(true)).await;
    let [red1, red2, blue2] = ["red1", "red2", "blue2"].map(|name| deployment.guest(name));
    let servers = serve(&deployment, &["blue2"], HTTPS);
    let running: Vec<_> =
        servers.iter().map(|it| Connection::open(&red1, it.address()).run()).collect();
    let stream = Stream::start(&red1, &blue2, true, DATAGRAMS, PER_SECOND);
    stream.reach(DATAGRAMS / 8).await;

    let wire = Wire::open(&deployment, &red2);
    let mut times = (Instant::now(), Instant::now());
    let arrivals = probe(&wire, &red2, &blue2, || {
        times.0 = Instant::now();
        deployment.apply(&document(false));
        times.1 = Instant::now();
    });
    let (start, end) = times;
    let last = *arrivals.last().expect("some pass before the change");
    // What was on its way when the document came into force.
    let late = arrivals.iter().filter(|at| **at > end + 20 * PACE).count();
    assert_eq!(late, 0, "of {} datagrams after the change", arrivals.len());
    let report = stream.finish();
    report.assert_whole();
    let (effect, end) = (last.saturating_duration_since(start), end - start);
    println!("{} passed; in effect after {effect:?}, apply returned after {end:?}", arrivals.len());
    println!("{} datagrams meanwhile", report.sent);
    for running in running {
        println!("longest exchange: {:?}", running.stop().1);
    }
}
