//! The oracle's memory of flows on cases written by hand.

use vnetpeer_tests::security::{
    Oracle, Probe, Tracker, Upper, Verdict,
    network::{self, JUDGED, address},
    probe::{ACK, FIN, RST, SYN},
    random::attach,
};
use vnetpeer_userspace::topology::model::{
    Access, AdminRules, Direction, Endpoints, RuleProtocol, RuleSide, SecurityRule, Topology,
    VnetIndex,
};

const INTERNET: &str = "8.8.8.8";

/// Only inbound traffic is let pass: all of it.
fn inbound_only() -> Topology {
    let side = || RuleSide { endpoints: Endpoints::Any, ports: vec![0..=u16::MAX] };
    let rule = |direction, access| SecurityRule {
        name: format!("{direction:?}"),
        priority: 100,
        direction,
        access,
        protocol: RuleProtocol::Any,
        source: side(),
        destination: side(),
    };
    let rules =
        vec![rule(Direction::Inbound, Access::Allow), rule(Direction::Outbound, Access::Deny)];
    let mut topology = network::bare();
    let group = attach(&mut topology, "nic", rules);
    topology.nics[JUDGED.0].security_group = Some(group);
    topology
}

fn from_internet(upper: Upper) -> Probe {
    Probe::new(Direction::Inbound, address(INTERNET), address("10.0.1.4"), upper)
}

/// Whether each of the packets passes.
fn run(topology: &Topology, packets: &[Probe]) -> Vec<bool> {
    let mut tracker = Tracker::new(Oracle::new(topology));
    packets.iter().map(|probe| tracker.next(JUDGED, probe) == Verdict::Allow).collect()
}

const SEGMENT: Upper = Upper::Tcp { source: 1_000, destination: 80, flags: SYN };

#[test]
fn replies_need_no_rule() {
    let topology = inbound_only();
    for upper in [
        SEGMENT,
        Upper::Udp { source: 1_000, destination: 53 },
        Upper::Icmp { kind: 8, identifier: 7 },
        Upper::Other(50),
    ] {
        let first = from_internet(upper);
        assert_eq!(run(&topology, &[first, first.reply()]), [true, true], "{upper:?}");
        assert!(!run(&topology, &[first.reply(), first])[0], "{upper:?}");
    }
}

#[test]
fn another_flow_is_no_reply() {
    let first = from_internet(Upper::Udp { source: 1_000, destination: 53 });
    let mut other_port = first.reply();
    other_port.upper = Upper::Udp { source: 53, destination: 1_001 };
    let mut other_address = first.reply();
    other_address.destination = address("8.8.8.9");
    let mut other_protocol = first.reply();
    other_protocol.upper = Upper::Tcp { source: 53, destination: 1_000, flags: ACK };
    let packets = [first, other_port, other_address, other_protocol, first.reply()];
    assert_eq!(run(&inbound_only(), &packets), [true, false, false, false, true]);
}

#[test]
fn a_connection_begins_with_syn() {
    let first = from_internet(SEGMENT);
    for flags in [ACK, SYN | ACK, RST, FIN | ACK, SYN | FIN, SYN | RST, 0] {
        assert_eq!(run(&inbound_only(), &[first.with_flags(flags)]), [false], "{flags:#x}");
        assert_eq!(run(&inbound_only(), &[first, first.with_flags(flags)]), [true, true]);
    }
    let mut topology = inbound_only();
    topology.nics[JUDGED.0].disable_tcp_state_tracking = true;
    assert_eq!(run(&topology, &[first.with_flags(ACK), first.reply()]), [true, true]);
    assert_eq!(run(&topology, &[first.reply().with_flags(ACK)]), [false], "a rule decides");
}

/// Admin rules make a NIC's connections be followed too, but only if there are any.
#[test]
fn an_empty_collection_is_no_policy() {
    let mut topology = network::bare();
    let id = network::resource("networkManagers", "admin");
    let admin = AdminRules { id, vnets: vec![VnetIndex(0)], rules: Vec::new() };
    topology.admin_rules.push(admin);
    let ack = from_internet(SEGMENT).with_flags(ACK);
    assert_eq!(run(&topology, &[ack]), [true]);
    topology.admin_rules[0].rules = inbound_only().security_groups[0].rules.clone();
    assert_eq!(run(&topology, &[ack]), [false]);
}

#[test]
fn syn_is_judged_in_its_own_direction() {
    let first = from_internet(SEGMENT);
    let back = first.reply().with_flags(SYN);
    let packets = [first, back, first.reply(), first];
    assert_eq!(run(&inbound_only(), &packets), [true, false, true, true]);
}

#[test]
fn only_requests_open_flows_of_icmp() {
    let topology = inbound_only();
    for kind in 0..=u8::MAX {
        let probe = from_internet(Upper::Icmp { kind, identifier: 1 });
        assert_eq!(run(&topology, &[probe]), [matches!(kind, 8 | 13 | 15 | 17)], "{kind}");
        let v6 = Probe::new(
            Direction::Inbound,
            address("2001:db8::1"),
            address("fd00:a:0:1::4"),
            Upper::Icmp { kind, identifier: 1 },
        );
        assert_eq!(run(&topology, &[v6]), [kind == 128], "{kind}");
    }
}

#[test]
fn running_flows_outlive_their_rule() {
    let (topology, mut closed) = (inbound_only(), inbound_only());
    for rule in &mut closed.security_groups[0].rules {
        rule.access = Access::Deny;
    }
    let first = from_internet(Upper::Udp { source: 1_000, destination: 53 });
    let mut tracker = Tracker::new(Oracle::new(&topology));
    assert_eq!(tracker.next(JUDGED, &first), Verdict::Allow);
    tracker.replace(Oracle::new(&closed));
    assert_eq!(tracker.next(JUDGED, &first.reply()), Verdict::Allow);
    let other = from_internet(Upper::Udp { source: 1_001, destination: 53 });
    assert_eq!(tracker.next(JUDGED, &other), Verdict::Deny);
}
