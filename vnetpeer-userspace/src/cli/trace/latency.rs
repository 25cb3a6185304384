//! Real probes of a connectivity check, where the guests' namespaces are at hand: in a lab.

use std::net::{IpAddr, SocketAddr};

use nix::unistd::geteuid;

use super::super::{Global, target::Source};
use crate::{
    lab::{
        self, Record,
        probe::{
            self,
            latency::{Question, measure as ask},
        },
    },
    simulate::{
        Packet, Protocol,
        trace::{Check, RoundTrip, Trace},
    },
    topology::model::ResourceId,
};

/// Sends probes and takes over what they took; the check as it is where none can be sent.
pub(super) async fn measure(
    source: &Source,
    global: &Global,
    (trace, packet): (&Trace, &Packet),
    check: Check,
    count: u16,
) -> anyhow::Result<Check> {
    if !global.target.is_lab() || !geteuid().is_root() {
        return Ok(check);
    }
    let Ok(lab) = lab::open(global.target.lab.as_deref()) else { return Ok(check) };
    let record = lab.record();
    let first = check.hops.first().map(|hop| &hop.resource_id);
    let Some(from) = first.and_then(|id| namespace(record, id)) else { return Ok(check) };
    let end = &trace.request.end;
    let last = end.network_interface.as_ref().filter(|_| end.code == "Delivered");
    let ports = ports(source, packet);
    let question = Question {
        protocol: match packet.protocol {
            Protocol::Tcp => probe::Protocol::Tcp,
            Protocol::Udp => probe::Protocol::Udp,
            Protocol::Icmp => probe::Protocol::Icmp,
        },
        namespace: from,
        source: packet.source,
        destination: SocketAddr::new(packet.destination, packet.destination_port),
        server: last.and_then(|id| namespace(record, id)),
        ports: &ports,
    };
    let times = ask(&question, count).await?;
    let mut between = Vec::new();
    let stops = check.hops.len().saturating_sub(1);
    for (place, hop) in check.hops.iter().enumerate().take(stops).skip(1) {
        let Ok(address) = hop.address.parse::<IpAddr>() else { continue };
        let destination = SocketAddr::new(address, 0);
        let echo = probe::Protocol::Icmp;
        let question = Question { protocol: echo, destination, server: None, ..question.clone() };
        between.push((place, RoundTrip::of(&ask(&question, count).await?)));
    }
    Ok(check.measured(&times, &between))
}

fn namespace<'a>(record: &'a Record, id: &ResourceId) -> Option<&'a str> {
    let mut guests = record.nics.iter().chain(&record.uplinks);
    guests.find(|guest| guest.id == *id).map(|guest| guest.namespace.as_str())
}

/// Where the one who answers may listen: at the port, and where a load balancer sends what comes to it.
fn ports(source: &Source, packet: &Packet) -> Vec<u16> {
    let rules = source.topology.load_balancers.iter().flat_map(|balancer| {
        let is_asked = |frontend: usize| {
            balancer.frontends.get(frontend).is_some_and(|it| it.address == packet.destination)
        };
        balancer.rules.iter().filter(move |rule| is_asked(rule.frontend))
    });
    let behind = rules.filter(|it| it.frontend_port == packet.destination_port);
    let mut ports: Vec<u16> =
        behind.map(|it| it.backend_port).chain([packet.destination_port]).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// What the probes took, in a line.
pub(super) fn text(check: &Check) -> String {
    let (sent, failed) = (check.probes_sent, check.probes_failed);
    match (check.min_latency_in_ms, check.avg_latency_in_ms, check.max_latency_in_ms) {
        (Some(min), Some(avg), Some(max)) => format!(
            "{sent} probes, {failed} failed; latency min/avg/max {min:.3}/{avg:.3}/{max:.3} ms\n"
        ),
        _ if sent != 0 => format!("{sent} probes, none answered\n"),
        _ => "no real probes were sent: guests are in reach of this command in a lab only\n"
            .to_owned(),
    }
}
