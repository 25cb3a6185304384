//! What a trace shows.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use vnetpeer_metering::record::Direction;

use super::route::RouteStage;
use crate::{
    explanation::Explanation,
    simulate::{Packet, Protocol},
    topology::{flow_verify, model::ResourceId},
};

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PacketView {
    /// What it carries.
    pub protocol: Protocol,
    /// Source address.
    pub source_address: IpAddr,
    /// Source port; the identifier of ICMP.
    pub source_port: u16,
    /// Destination address.
    pub destination_address: IpAddr,
    /// Destination port; the identifier of ICMP.
    pub destination_port: u16,
    /// Bytes of the IP packet.
    pub bytes: usize,
}

impl From<&Packet> for PacketView {
    fn from(packet: &Packet) -> Self {
        Self {
            protocol: packet.protocol,
            source_address: packet.source,
            source_port: packet.source_port,
            destination_address: packet.destination,
            destination_port: packet.destination_port,
            bytes: packet.bytes(),
        }
    }
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// It is, and nothing is wrong.
    Connected,
    /// It is, and something should be looked at.
    Degraded,
    /// It is not.
    Disconnected,
}

/// A packet and its answer, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The request.
    pub packet: PacketView,
    /// Whether it is answered.
    pub verdict: Verdict,
    /// One sentence about both ways.
    pub summary: String,
    /// What is wrong and how to mend it, the cause first.
    pub findings: Vec<Found>,
    /// The way of the request.
    pub request: TraceWay,
    /// The way of its answer; null if the request does not arrive.
    pub answer: Option<TraceWay>,
}

/// The way of one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceWay {
    /// From NIC to NIC; the last one is unfinished if the packet is dropped on it.
    pub hops: Vec<TraceHop>,
    /// How it ends.
    pub end: TraceEnd,
}

/// How a packet ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceEnd {
    /// `Delivered`, or the code of what became of it.
    pub code: &'static str,
    /// One sentence about that.
    pub meaning: &'static str,
    /// The NIC at whose side it ends.
    pub network_interface: Option<ResourceId>,
}

/// From one NIC to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceHop {
    /// The NIC, uplink or gateway that sends.
    pub from: ResourceId,
    /// The host that it is on.
    pub from_host: Option<String>,
    /// The one that receives; null if none does.
    pub to: Option<ResourceId>,
    /// The host that it is on.
    pub to_host: Option<String>,
    /// What is decided, in order.
    pub stages: Vec<Stage>,
    /// What this hop is billed on.
    pub billed: Vec<Billed>,
}

/// Which decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StageName {
    /// Whether the NIC may send from this address.
    Source,
    /// Where the packet goes.
    Route,
    /// The rules of the sender.
    OutboundRules,
    /// Whether it is small enough.
    Mtu,
    /// To another host.
    Tunnel,
    /// What the receiver thinks of where it comes from.
    Peering,
    /// Whether the receiver takes this destination.
    Destination,
    /// The rules of the receiver.
    InboundRules,
}

impl StageName {
    /// The maps that decide it.
    pub const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Source => &["IFACES", "NICS", "NIC_ADDRS"],
            Self::Route => &["ROUTES", "TRIE_V4", "TRIE_V6", "NEXT_HOPS", "VNETS"],
            Self::OutboundRules | Self::InboundRules => {
                &["FLOWS_V4", "FLOWS_V6", "FILTERS", "POLICIES", "CLASSIFIERS", "ROWS"]
            }
            Self::Mtu => &["NICS", "VTEPS"],
            Self::Tunnel => &["VTEPS", "VTEP_ADDRS"],
            Self::Peering => &["RELATIONS", "LINKS"],
            Self::Destination => &["NICS", "NIC_ADDRS", "FRONTENDS", "BALANCERS"],
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Route => "route",
            Self::OutboundRules => "outbound rules",
            Self::Mtu => "mtu",
            Self::Tunnel => "tunnel",
            Self::Peering => "peering",
            Self::Destination => "destination",
            Self::InboundRules => "inbound rules",
        }
    }
}

/// One decision about a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// The maps that decide it.
    pub tables: &'static [&'static str],
    /// Whether the packet goes on.
    pub passes: bool,
    /// Why it does not: the code of a drop reason.
    pub code: Option<&'static str>,
    /// What is decided, for people.
    pub text: String,
    /// The route, and those that lost against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteStage>,
    /// What the groups say, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<flow_verify::Stage>,
}

/// What is counted on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Billed {
    /// The peering, or what stands for a connected group.
    pub link: ResourceId,
    /// Which way.
    pub direction: Direction,
    /// Layer-3 bytes.
    pub bytes: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Severity {
    /// The packet does not arrive because of it.
    Error,
    /// It does.
    Warning,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Its code in the catalogue.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: the resource to look at first.
    pub object: Option<ResourceId>,
    /// What is wrong, with names.
    pub message: String,
    /// How to mend it.
    pub fix: &'static str,
    /// Names that belong to it, such as the rule's.
    pub context: BTreeMap<&'static str, String>,
}

impl Found {
    pub(super) fn new(
        explanation: Explanation,
        object: Option<ResourceId>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: explanation.code,
            severity: Severity::Error,
            object,
            message: message.into(),
            fix: explanation.fix,
            context: BTreeMap::new(),
        }
    }

    #[must_use]
    pub(super) fn with(mut self, key: &'static str, value: &impl ToString) -> Self {
        self.context.insert(key, value.to_string());
        self
    }

    #[must_use]
    pub(super) fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// One sentence about both ways.
pub(super) fn summary(
    packet: &Packet,
    verdict: Verdict,
    request: &TraceWay,
    answer: Option<&TraceWay>,
) -> String {
    let (asked, answered) = match packet.protocol {
        Protocol::Tcp => ("SYN", "SYN-ACK"),
        Protocol::Udp => ("datagram", "answer"),
        Protocol::Icmp => ("echo request", "echo reply"),
    };
    let at = |end: &TraceEnd| {
        let nic = end.network_interface.as_ref().map_or("the host", ResourceId::name);
        match end.code {
            "Delivered" => format!("arrives at {nic}"),
            code => format!("ends at {nic}: {code}, {}", end.meaning),
        }
    };
    let arrives = format!("the {asked} {}", at(&request.end));
    match answer {
        None => arrives,
        Some(_) if verdict != Verdict::Disconnected => {
            format!("{arrives}, the {answered} comes back")
        }
        Some(answer) => format!("{arrives}, the {answered} {}", at(&answer.end)),
    }
}
