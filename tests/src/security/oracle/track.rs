//! Judges packets that follow each other: what belongs to a flow needs no rule.

use std::{collections::BTreeSet, net::IpAddr};

use vnetpeer_userspace::topology::model::NicIndex;

use super::{Oracle, Verdict};
use crate::security::probe::{ACK, FIN, Probe, RST, SYN, Upper};

/// A flow of a NIC: local address, remote address, protocol, and both ports or the identifier twice.
type Flow = (usize, IpAddr, IpAddr, u8, u16, u16);

/// An oracle that remembers what it let pass. Flows last for ever.
#[derive(Clone, Debug)]
pub struct Tracker {
    oracle: Oracle,
    flows: BTreeSet<Flow>,
}

impl Tracker {
    /// Without any flow yet.
    pub fn new(oracle: Oracle) -> Self {
        Self { oracle, flows: BTreeSet::new() }
    }

    /// Puts other rules into force; flows that exist go on.
    pub fn replace(&mut self, oracle: Oracle) {
        self.oracle = oracle;
    }

    /// What becomes of the next packet of a NIC.
    pub fn next(&mut self, nic: NicIndex, probe: &Probe) -> Verdict {
        if !self.oracle.has_policy(nic) {
            return Verdict::Allow;
        }
        let flow = flow(nic, probe);
        if self.flows.contains(&flow) && !begins_connection(probe) {
            return Verdict::Allow;
        }
        let free = self.oracle.nic(nic).disable_tcp_state_tracking;
        if !can_open(probe, free) {
            return Verdict::Deny;
        }
        let verdict = self.oracle.judge(nic, probe).verdict;
        if verdict == Verdict::Allow {
            self.flows.insert(flow);
        }
        verdict
    }
}

fn flow(nic: NicIndex, probe: &Probe) -> Flow {
    let (protocol, source, destination) = match probe.upper {
        Upper::Tcp { source, destination, .. } => (6, source, destination),
        Upper::Udp { source, destination } => (17, source, destination),
        Upper::Icmp { identifier, .. } => (1, identifier, identifier),
        Upper::Other(protocol) => (protocol, 0, 0),
    };
    let (ours, theirs) =
        if probe.local() == probe.source { (source, destination) } else { (destination, source) };
    (nic.0, probe.local(), probe.remote(), protocol, ours, theirs)
}

/// A TCP segment with SYN, and without FIN, RST and ACK.
fn begins_connection(probe: &Probe) -> bool {
    matches!(probe.upper, Upper::Tcp { flags, .. } if flags & (FIN | SYN | RST | ACK) == SYN)
}

/// Whether a packet may be the first of its flow, if a rule lets it pass.
fn can_open(probe: &Probe, any_segment: bool) -> bool {
    match probe.upper {
        Upper::Tcp { .. } => any_segment || begins_connection(probe),
        Upper::Icmp { kind, .. } if probe.source.is_ipv4() => matches!(kind, 8 | 13 | 15 | 17),
        Upper::Icmp { kind, .. } => kind == 128,
        Upper::Udp { .. } | Upper::Other(_) => true,
    }
}
