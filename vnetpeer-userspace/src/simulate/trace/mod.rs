//! One packet and its answer, explained: every stage on the way, what decided there, what lost against it, what is
//! billed, and what is to be done if it does not arrive.
//!
//! The datapath core says what becomes of the packet. Routes and rules as the document has them say why, each
//! found anew without the core's tables. Where the two differ the trace says so
//! ([`Finding::TraceDisagreement`]).

mod cause;
mod check;
mod hop;
mod route;
mod view;

use std::collections::HashMap;

use vnetpeer_common::types::{LinkId, NicId, RuleId};

pub use self::{
    check::{Check, CheckHop, CheckLink, Issue, RoundTrip, check},
    route::{LostRoute, RouteStage, RouteView},
    view::{
        Billed, Found, PacketView, Severity, Stage, StageName, Trace, TraceEnd, TraceHop, TraceWay,
        Verdict,
    },
};
use super::{Exchange, Journey, Packet, Session};
use crate::{
    explanation::{Finding, Outcome},
    topology::{
        model::{Nic, NicIndex, ResourceId, Subnet},
        network::{Network, NetworkError},
        routes::{EffectiveRoutes, effective_routes},
    },
};

/// Explains packets in one network.
pub struct Tracer<'a> {
    network: &'a Network<'a>,
    simulated: &'a super::Network,
    by_id: HashMap<&'a ResourceId, NicIndex>,
}

/// One of the two ways of an exchange.
struct Leg<'j> {
    journey: &'j Journey,
    packet: Packet,
}

impl<'a> Tracer<'a> {
    /// Both views of the same network: as it is declared, and as its hosts have it.
    pub fn new(network: &'a Network<'a>, simulated: &'a super::Network) -> Self {
        let nics = network.topology.nics.iter().enumerate();
        let by_id = nics.map(|(index, nic)| (&nic.id, NicIndex(index))).collect();
        Self { network, simulated, by_id }
    }

    /// Follows a packet from a NIC, and its answer back.
    pub fn trace(&self, from: &Nic, packet: &Packet) -> Result<Trace, NetworkError> {
        let not_numbered = || NetworkError::NotNumbered { id: from.id.to_string() };
        let id = self.network.state.nic(&from.id).ok_or_else(not_numbered)?;
        let exchange = Session::new(self.simulated).exchange(id, packet);
        self.explain(&exchange, packet)
    }

    /// Explains an exchange that has taken place in this network.
    pub fn explain(&self, exchange: &Exchange, packet: &Packet) -> Result<Trace, NetworkError> {
        let request = Leg { journey: &exchange.request, packet: *packet };
        let answer = exchange.answer.as_ref();
        let answer = answer.map(|journey| Leg { journey, packet: packet.answer() });
        let mut findings = cause::of(self, exchange, packet)?;
        let request = self.way(&request, &mut findings)?;
        let answer = answer.map(|leg| self.way(&leg, &mut findings)).transpose()?;
        let has_error = findings.iter().any(|it| it.severity == Severity::Error);
        // What left by a route that leads there is as far as can be told.
        let may_work = matches!(exchange.end(), super::End::Left(_)) && !has_error;
        let verdict = match (exchange.is_complete(), findings.is_empty()) {
            (true, true) => Verdict::Connected,
            (complete, _) if complete || may_work => Verdict::Degraded,
            _ => Verdict::Disconnected,
        };
        let summary = view::summary(packet, verdict, &request, answer.as_ref());
        Ok(Trace { packet: packet.into(), verdict, summary, findings, request, answer })
    }

    fn way(&self, leg: &Leg<'_>, findings: &mut Vec<Found>) -> Result<TraceWay, NetworkError> {
        let journey = leg.journey;
        let mut hops = Vec::new();
        for hop in journey.hops.iter().chain(&journey.unfinished) {
            let (hop, disagrees) = self.hop(leg, hop)?;
            if let Some(message) = disagrees {
                let object = Some(hop.from.clone());
                findings.push(Found::new(
                    Finding::TraceDisagreement.explanation(),
                    object,
                    message,
                ));
            }
            hops.push(hop);
        }
        Ok(TraceWay { end: self.end(journey), hops })
    }

    fn end(&self, journey: &Journey) -> TraceEnd {
        let id = |nic| self.simulated.nic(nic).cloned();
        let (code, meaning, nic) = match journey.end {
            super::End::Delivered(nic) => {
                let it = Outcome::Delivered.explanation();
                (it.code, it.meaning, nic)
            }
            super::End::Dropped(drop) => (drop.reason.name(), drop.reason.meaning(), drop.nic),
            super::End::Left(nic) => of(Finding::LeftNetwork, nic),
            super::End::HopsExhausted(nic) => of(Finding::HopsExhausted, nic),
            super::End::Lost(nic) => of(Finding::HostUnreachable, nic),
        };
        TraceEnd { code, meaning, network_interface: id(nic) }
    }

    /// The NIC with a number; `None` for uplinks.
    fn nic(&self, id: NicId) -> Option<&'a Nic> {
        let index = self.by_id.get(self.simulated.nic(id)?)?;
        self.network.topology.nic(*index)
    }

    fn subnet(&self, nic: &Nic) -> Option<&'a Subnet> {
        self.network.topology.subnet(nic.vnet, nic.subnet)
    }

    /// The routes of a NIC's subnet.
    fn routes(&self, nic: &Nic) -> Option<EffectiveRoutes> {
        effective_routes(self.network, nic.vnet, self.subnet(nic)?.route_table)
    }

    /// The peering, or the connected group, that a link stands for.
    fn link(&self, link: LinkId) -> Option<ResourceId> {
        self.network.state.links().owner(link.0).filter(|_| link.is_some()).cloned()
    }

    /// A rule's group and name.
    fn rule(&self, rule: RuleId) -> Option<(ResourceId, String)> {
        let (key, name) = self.network.state.rule_name(rule).filter(|_| rule.is_some())?;
        Some((key.group, name))
    }
}

fn of(finding: Finding, nic: NicId) -> (&'static str, &'static str, NicId) {
    let explanation = finding.explanation();
    (explanation.code, explanation.meaning, nic)
}
