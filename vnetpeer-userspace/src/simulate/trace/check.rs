//! A trace in the shape of Azure's `connectivityCheck` (AZ §9).

use std::time::Duration;

use serde::Serialize;
use vnetpeer_common::reason::DropReason;

use super::{Found, Severity, Trace, TraceWay, Tracer, Verdict};
use crate::{
    explanation::{Explanation, Finding, Outcome},
    topology::model::ResourceId,
};

/// Something that is wrong, as Azure tells it, and our code besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// `Local`, `Inbound` or `Outbound`.
    pub origin: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// `NetworkSecurityRule`, `UserDefinedRoute`, `Platform`, `GuestFirewall` or `Unknown`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Names that belong to it, as pairs.
    pub context: Vec<ContextItem>,
    /// Ours: the code, the resource, and how to mend it.
    #[serde(flatten)]
    pub finding: FoundView,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContextItem {
    /// What it names.
    pub key: &'static str,
    /// The name.
    pub value: String,
}

/// What vnetpeer adds to Azure's issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundView {
    /// Its code in the catalogue.
    pub code: &'static str,
    /// The resource to look at first.
    pub object: Option<ResourceId>,
    /// What is wrong, with names.
    pub message: String,
    /// How to mend it.
    pub fix: &'static str,
}

/// One stop of the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckHop {
    /// `Source`, `VirtualAppliance`, `VnetLocal` or `Internet`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its number in this answer.
    pub id: String,
    /// Its address.
    pub address: String,
    /// The NIC, uplink or gateway.
    pub resource_id: ResourceId,
    /// The stops behind it.
    pub next_hop_ids: Vec<String>,
    /// The stops before it.
    pub previous_hop_ids: Vec<String>,
    /// The ways to the stops behind it.
    pub links: Vec<CheckLink>,
    /// What is wrong there.
    pub issues: Vec<Issue>,
}

/// From one stop to the next.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckLink {
    /// The stop behind it.
    pub next_hop_id: String,
    /// `VirtualNetwork` or `Internet`.
    pub link_type: &'static str,
    /// What was measured.
    pub properties: RoundTrip,
}

/// Milliseconds from the source to a stop and back; null where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundTrip {
    /// The fastest.
    pub round_trip_time_min: Option<f64>,
    /// All of them together.
    pub round_trip_time_avg: Option<f64>,
    /// The slowest.
    pub round_trip_time_max: Option<f64>,
}

impl RoundTrip {
    /// Of the probes that were answered.
    pub fn of(times: &[Option<Duration>]) -> Self {
        let answered: Vec<f64> =
            times.iter().flatten().map(|it| it.as_secs_f64() * 1_000.0).collect();
        let count = u32::try_from(answered.len()).map_or(0.0, f64::from);
        Self {
            round_trip_time_min: answered.iter().copied().reduce(f64::min),
            round_trip_time_avg: answered
                .iter()
                .copied()
                .reduce(|a, b| a + b)
                .map(|sum| sum / count),
            round_trip_time_max: answered.iter().copied().reduce(f64::max),
        }
    }
}

/// Azure's answer to `connectivityCheck`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Where the request comes by.
    pub hops: Vec<CheckHop>,
    /// Whether it is answered.
    pub connection_status: Verdict,
    /// Of real probes that were answered; null if there were none.
    pub avg_latency_in_ms: Option<f64>,
    /// The fastest.
    pub min_latency_in_ms: Option<f64>,
    /// The slowest.
    pub max_latency_in_ms: Option<f64>,
    /// Real probes.
    pub probes_sent: u32,
    /// Those without an answer.
    pub probes_failed: u32,
    /// Ours: one sentence.
    pub summary: String,
}

impl Check {
    /// Takes over what real probes of the whole way took, and what those to the stops between did, by their place.
    #[must_use]
    pub fn measured(mut self, times: &[Option<Duration>], between: &[(usize, RoundTrip)]) -> Self {
        let whole = RoundTrip::of(times);
        let count = |is: fn(&Option<Duration>) -> bool| {
            u32::try_from(times.iter().filter(|it| is(it)).count()).unwrap_or(u32::MAX)
        };
        self.probes_failed = count(Option::is_none);
        self.probes_sent = self.probes_failed + count(Option::is_some);
        self.min_latency_in_ms = whole.round_trip_time_min;
        self.avg_latency_in_ms = whole.round_trip_time_avg;
        self.max_latency_in_ms = whole.round_trip_time_max;
        let last = self.hops.len().saturating_sub(1);
        for (place, round_trip) in between.iter().copied().chain([(last, whole)]) {
            let before = place.checked_sub(1).and_then(|it| self.hops.get_mut(it));
            for link in before.into_iter().flat_map(|hop| &mut hop.links) {
                link.properties = round_trip;
            }
        }
        self.contradict(whole.round_trip_time_avg.is_some());
        self
    }

    /// What probes show counts more than what was computed.
    fn contradict(&mut self, is_answered: bool) {
        let (finding, message, status) = match (self.connection_status, is_answered) {
            (Verdict::Connected | Verdict::Degraded, false) if self.probes_sent != 0 => (
                Finding::GuestNotListening,
                "the tables let the packets and their answers pass, and no probe was answered",
                Verdict::Disconnected,
            ),
            (Verdict::Disconnected, true) => (
                Finding::TraceDisagreement,
                "probes are answered, and by the tables they should not be",
                Verdict::Degraded,
            ),
            _ => return,
        };
        self.connection_status = status;
        let object = self.hops.last().map(|hop| hop.resource_id.clone());
        let found = Found::new(finding.explanation(), object, message);
        if let Some(hop) = self.hops.last_mut() {
            hop.issues.push(Issue::from(&found));
        }
    }
}

/// The static answer: what the tables say, without a probe.
pub fn check(tracer: &Tracer<'_>, trace: &Trace) -> Check {
    let mut check = Check {
        hops: hops(tracer, trace),
        connection_status: trace.verdict,
        avg_latency_in_ms: None,
        min_latency_in_ms: None,
        max_latency_in_ms: None,
        probes_sent: 0,
        probes_failed: 0,
        summary: trace.summary.clone(),
    };
    // What is wrong on the way back is told where the answer comes from.
    if let Some(hop) = check.hops.last_mut() {
        hop.issues = trace.findings.iter().map(Issue::from).collect();
    }
    check
}

/// Every NIC that the request comes by.
fn hops(tracer: &Tracer<'_>, trace: &Trace) -> Vec<CheckHop> {
    let way: &TraceWay = &trace.request;
    let first = way.hops.first().map(|hop| &hop.from);
    let stops: Vec<&ResourceId> =
        first.into_iter().chain(way.hops.iter().filter_map(|hop| hop.to.as_ref())).collect();
    let last = stops.len().saturating_sub(1);
    let arrives = way.end.code == Outcome::Delivered.name();
    let number = |index: usize| (index + 1).to_string();
    let is_nic = |id: &ResourceId| tracer.by_id.contains_key(id);
    let is_v4 = trace.packet.destination_address.is_ipv4();
    stops
        .iter()
        .enumerate()
        .map(|(index, id)| {
            let nic = tracer.by_id.get(*id).and_then(|at| tracer.network.topology.nic(*at));
            let address = nic.and_then(|nic| nic.addresses.iter().find(|it| it.is_ipv4() == is_v4));
            CheckHop {
                kind: match (index, nic) {
                    (0, _) => "Source",
                    (_, None) => "Internet",
                    (at, _) if at == last && arrives => "VnetLocal",
                    _ => "VirtualAppliance",
                },
                id: number(index),
                address: address.map(ToString::to_string).unwrap_or_default(),
                resource_id: (*id).clone(),
                next_hop_ids: (index < last).then(|| number(index + 1)).into_iter().collect(),
                previous_hop_ids: index.checked_sub(1).map(number).into_iter().collect(),
                links: link(&stops, index, &is_nic),
                issues: Vec::new(),
            }
        })
        .collect()
}

/// The way to the next stop, if there is one.
fn link(
    stops: &[&ResourceId],
    index: usize,
    is_nic: &impl Fn(&ResourceId) -> bool,
) -> Vec<CheckLink> {
    let next = stops.get(index + 1).map(|next| CheckLink {
        next_hop_id: (index + 2).to_string(),
        link_type: if is_nic(next) { "VirtualNetwork" } else { "Internet" },
        properties: RoundTrip::default(),
    });
    next.into_iter().collect()
}

impl From<&Found> for Issue {
    fn from(found: &Found) -> Self {
        let context = found.context.iter();
        Self {
            origin: match found.context.get("Direction").map(String::as_str) {
                Some("Outbound") => "Outbound",
                Some(_) => "Inbound",
                None => "Local",
            },
            severity: found.severity,
            kind: kind(found.code),
            context: context
                .map(|(key, value)| ContextItem { key, value: value.clone() })
                .collect(),
            finding: FoundView {
                code: found.code,
                object: found.object.clone(),
                message: found.message.clone(),
                fix: found.fix,
            },
        }
    }
}

/// Azure's word for what a code is about.
fn kind(code: &str) -> &'static str {
    const RULES: [DropReason; 3] = [
        DropReason::AdminRuleDenied,
        DropReason::OutboundRuleDenied,
        DropReason::InboundRuleDenied,
    ];
    const ROUTES: [DropReason; 5] = [
        DropReason::RouteNone,
        DropReason::RouteLoop,
        DropReason::NextHopUnreachable,
        DropReason::HopLimitExceeded,
        DropReason::InternetUnavailable,
    ];
    const FINDINGS: [Finding; 5] = [
        Finding::NoReturnRoute,
        Finding::AsymmetricPath,
        Finding::PeeringRoutesDisabled,
        Finding::HopsExhausted,
        Finding::GatewayRoutesDisabled,
    ];
    let is = |explanation: Explanation| explanation.code == code;
    if RULES.iter().any(|it| it.name() == code) {
        "NetworkSecurityRule"
    } else if ROUTES.iter().any(|it| it.name() == code)
        || code.starts_with("NextHop")
        || FINDINGS.iter().any(|it| is(it.explanation()))
    {
        "UserDefinedRoute"
    } else if is(Finding::GuestNotListening.explanation()) {
        "GuestFirewall"
    } else {
        "Platform"
    }
}
