//! A trace in the shape of Azure's `connectivityCheck` (AZ §9).

use serde::Serialize;
use vnetpeer_common::reason::DropReason;

use super::{Found, Severity, Trace, TraceWay, Tracer, Verdict};
use crate::{
    explanation::{Explanation, Finding},
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// What is wrong there.
    pub issues: Vec<Issue>,
}

/// Azure's answer to `connectivityCheck`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Where the request comes by.
    pub hops: Vec<CheckHop>,
    /// Whether it is answered.
    pub connection_status: Verdict,
    /// Of real probes that were answered; null, as none is sent.
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
    let arrives = way.end.code == "Delivered";
    let number = |index: usize| (index + 1).to_string();
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
                issues: Vec::new(),
            }
        })
        .collect()
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
