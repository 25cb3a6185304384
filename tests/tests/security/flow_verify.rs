//! What `ip-flow-verify` says against the oracle: the same verdict, by the same rules.

use vnetpeer_common::wire::protocol;
use vnetpeer_tests::{
    random::seed,
    security::{
        Level, Oracle, Probe, Stage, Upper, Verdict,
        network::JUDGED,
        random::{Probes, Sets},
    },
};
use vnetpeer_userspace::topology::{
    effective_security::effective_name,
    flow_verify::{Packet, verify},
    model::{Direction, Topology},
    network::Network,
    state::{State, advance},
};

/// Random sets of rules.
const SETS: usize = 20;
/// Packets for each of them.
const PACKETS: usize = 1_000;

fn packet(probe: &Probe) -> Packet {
    let (number, source, destination) = match probe.upper {
        Upper::Tcp { source, destination, .. } => (protocol::TCP, source, destination),
        Upper::Udp { source, destination } => (protocol::UDP, source, destination),
        Upper::Icmp { .. } if probe.source.is_ipv4() => (protocol::ICMP, 0, 0),
        Upper::Icmp { .. } => (protocol::ICMPV6, 0, 0),
        Upper::Other(number) => (number, 0, 0),
    };
    let (local_port, remote_port) = match probe.direction {
        Direction::Outbound => (source, destination),
        Direction::Inbound => (destination, source),
    };
    Packet {
        direction: probe.direction,
        protocol: number,
        local: probe.local(),
        local_port,
        remote: probe.remote(),
        remote_port,
    }
}

/// How many packets were allowed and denied, both by the same rules.
fn compare(topology: &Topology, probes: &mut Probes) -> (usize, usize) {
    let state = advance(&State::default(), topology).expect("a numbered network");
    let network = Network::new(topology, &state).expect("a numbered network");
    let oracle = Oracle::new(topology);
    let nic = topology.nic(JUDGED).expect("a numbered network");
    let (mut allowed, mut denied) = (0, 0);
    while allowed + denied < PACKETS {
        for probe in probes.conversation() {
            let expected = oracle.judge(JUDGED, &probe);
            let found = verify(&network, nic, &packet(&probe)).expect("a numbered network");
            assert_eq!(
                found.allows(),
                expected.verdict == Verdict::Allow,
                "{probe:?}: {:?}, oracle {:?}",
                found.stages,
                expected.stages
            );
            let by = found.stages.iter().filter(|it| it.rule_name.is_some());
            let by = by.map(|it| (it.access, name(it.rule_name.as_deref())));
            let expected = expected.stages.iter().filter(|it| decided(it));
            let expected = expected.map(|it| (it.access, name(it.rule.as_deref())));
            assert!(by.eq(expected.clone()), "{probe:?}: {:?}, oracle {expected:?}", found.stages);
            if found.allows() { allowed += 1 } else { denied += 1 }
        }
    }
    (allowed, denied)
}

/// Security admin rules of which none is about the packet decide nothing. The oracle has a stage for them
/// even where all of them are about the other direction.
fn decided(stage: &Stage) -> bool {
    stage.level != Level::Admin || stage.rule.is_some()
}

/// The name in effective listings. The rules that let the platform's addresses pass are in no document,
/// and the oracle has none for them.
fn name(rule: Option<&str>) -> Option<&str> {
    rule.filter(|it| !it.starts_with("platformRules/")).map(effective_name)
}

#[test]
fn ip_flow_verify_agrees_on_random_sets() {
    let mut sets = Sets::new(seed());
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..SETS {
        let topology = sets.one();
        let mut probes = Probes::new(sets.random().next(), &topology);
        let (more_allowed, more_denied) = compare(&topology, &mut probes);
        allowed += more_allowed;
        denied += more_denied;
    }
    println!("{allowed} allowed, {denied} denied, by the same rules");
    assert!(allowed.min(denied) > SETS * PACKETS / 10);
}
