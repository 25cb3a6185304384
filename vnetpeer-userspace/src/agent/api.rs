//! What agents and clients say to each other: JSON over HTTP/1.1 on a unix socket.

mod limit;
mod permission;
mod probe;
mod trace;
mod watch;

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use self::permission::{AuditQuery, Head, NicQuery, PermissionQuery, PermissionReply};
pub use self::{limit::LimitStatus, probe::ProbeStatus, trace::*, watch::*};
use crate::topology::{
    facts::NetworkFacts,
    model::Direction,
    state::{PeeringWrite, State},
};

/// Azure's code for a write that met another one, with status 409.
pub const ANOTHER_OPERATION_IN_PROGRESS: &str =
    crate::explanation::ErrorCode::AnotherOperationInProgress.name();

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// The host's name in the document.
    pub host: String,
    /// Whether the document is in force here.
    pub ready: bool,
    /// Version of the program.
    pub version: String,
    /// Version of the map layouts.
    pub abi_version: u32,
    /// Name of the deployment.
    pub deployment: String,
    /// Counts the documents that were put in force.
    pub serial: u64,
    /// Equal on all hosts that gave out the same numbers.
    pub state_digest: String,
    /// Where maps and links are pinned.
    pub pin_directory: String,
    /// Whether the maps were there when the agent started.
    pub adopted: bool,
    /// Interfaces and their programs.
    pub interfaces: Vec<InterfaceStatus>,
    /// Interfaces of the document that the host does not have.
    pub missing_interfaces: Vec<String>,
    /// Limits of the NICs.
    #[serde(default)]
    pub limits: Vec<LimitStatus>,
    /// The other hosts.
    pub vteps: Vec<VtepStatus>,
    /// Fill of the maps.
    pub maps: Vec<MapStatus>,
    /// Flows of the NICs.
    pub flows: Vec<NicFlows>,
    /// What was heard of the other hosts.
    #[serde(default)]
    pub peers: Vec<PeerStatus>,
    /// The gateways of this host that exchange routes with a routing daemon.
    #[serde(default)]
    pub gateways: Vec<GatewayStatus>,
    /// The backends of this host that health probes ask.
    #[serde(default)]
    pub probes: Vec<ProbeStatus>,
    /// Differences between kernel and document that the last check found and mended.
    pub drift_mended: u64,
    /// Why the last attempt to put the document in force failed; null if it did not.
    pub last_error: Option<String>,
    /// Drop events that nobody could read in time.
    pub events_lost: u64,
}

/// An interface and its programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceStatus {
    /// Name.
    pub name: String,
    /// Kernel index.
    pub ifindex: u32,
    /// `workload`, `shaper` (behind the queue that limits a workload) or `underlay`.
    pub role: String,
    /// `tc` or `xdp`.
    pub mode: String,
    /// Programs on it.
    pub programs: Vec<String>,
}

/// Another host as seen from this one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VtepStatus {
    /// The host's name.
    pub host: String,
    /// Its underlay address.
    pub address: String,
    /// Whether its next hop's MAC address is known.
    pub resolved: bool,
}

/// What was heard of another host. What it said last counts until it says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// The host's name.
    pub host: String,
    /// Seconds since it was heard; null if it was not since the agent started.
    pub age_seconds: Option<u64>,
    /// Why it cannot be heard; null if it can.
    pub last_error: Option<String>,
}

/// A gateway of this host that exchanges routes with a routing daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// ARM id.
    pub gateway: String,
    /// The file at which the daemon's network namespace is.
    pub network_namespace: String,
    /// Prefixes that it has learned.
    pub learned: usize,
    /// Prefixes that it has learned beyond its limit, which do not count.
    pub refused: usize,
    /// Prefixes that it advertises.
    pub advertised: usize,
    /// Why the namespace is not as it should be; null if it is.
    pub last_error: Option<String>,
}

/// Fill of a map.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MapStatus {
    /// Name.
    pub name: String,
    /// Entries in use.
    pub used: u64,
    /// Entries in all.
    pub capacity: u64,
}

/// `GET /v1/meters`: one link of this deployment as counted on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkMeter {
    /// ARM id of the peering object.
    pub peering: String,
    /// The VNet that owns it.
    pub virtual_network: String,
    /// The VNet that it points at.
    pub remote_virtual_network: String,
    /// Its number in the datapath.
    pub link: u32,
    /// Packets that left the VNet over the link, after segmentation.
    pub egress_packets: u64,
    /// Their layer-3 bytes.
    pub egress_bytes: u64,
    /// Packets that entered the VNet over the link.
    pub ingress_packets: u64,
    /// Their layer-3 bytes.
    pub ingress_bytes: u64,
}

/// `GET /v1/drops`: drops at one NIC of this host for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NicDrops {
    /// ARM id of the NIC; null for packets that never came to belong to one.
    pub network_interface: Option<String>,
    /// Name of the reason.
    pub reason: String,
    /// What it means.
    pub meaning: String,
    /// Packets; a super-frame counts once.
    pub packets: u64,
    /// Bytes of their IP packets.
    pub bytes: u64,
}

/// `GET /v1/events`: a sampled drop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DropRecord {
    /// Name of the reason.
    pub reason: String,
    /// Number of the NIC at whose side it happened.
    pub nic: u32,
    /// Number of the sending NIC.
    pub source_nic: u32,
    /// Number of the link that decided.
    pub link: u32,
    /// Source address.
    pub source_address: String,
    /// Destination address.
    pub destination_address: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Bytes of the IP packet.
    pub bytes: u32,
    /// The security rule that denied; null if no rule did.
    pub rule: Option<RuleName>,
}

/// A security rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleName {
    /// Its number in the datapath.
    pub number: u32,
    /// ARM id of its network security group or collection of security admin rules; null if the
    /// number means nothing to the agent.
    pub group: Option<String>,
    /// Seen from the NIC.
    pub direction: Option<Direction>,
    /// Its name in the group, e.g. `securityRules/web`.
    pub name: Option<String>,
}

/// Flows of one NIC of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NicFlows {
    /// ARM id of the NIC.
    pub network_interface: String,
    /// Flows that it has.
    pub flows: u64,
    /// Flows that it may have; null if it is not in force here.
    pub flows_max: Option<u32>,
    /// Of its flows, those without a reply.
    pub half_open: u64,
    /// How many of these it may have.
    pub half_open_max: Option<u32>,
}

/// `POST /v1/flows`: which flows to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowQuery {
    /// ARM id of their NIC; null: of all.
    pub network_interface: Option<String>,
    /// Their IP protocol; null: all.
    pub protocol: Option<u8>,
    /// Addresses that the other side has; null: any.
    pub remote: Option<IpNet>,
    /// At most this many, the last used ones.
    pub limit: usize,
}

/// Answer to [`FlowQuery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowList {
    /// The host's name.
    pub host: String,
    /// How many flows there are, listed or not.
    pub matching: usize,
    /// The flows, the last used first.
    pub flows: Vec<FlowRecord>,
}

/// A flow as seen from one NIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowRecord {
    /// The host's name.
    pub host: String,
    /// ARM id of the NIC; null if it has just been removed.
    pub network_interface: Option<String>,
    /// `Inbound` if the NIC received the first packet.
    pub direction: Direction,
    /// IP protocol number.
    pub protocol: u8,
    /// Address on the NIC's side.
    pub local_address: IpAddr,
    /// Port on the NIC's side; the identifier of an exchange of ICMP messages; null where the protocol
    /// has neither.
    pub local_port: Option<u16>,
    /// The other address.
    pub remote_address: IpAddr,
    /// The other port, likewise.
    pub remote_port: Option<u16>,
    /// `HalfOpen`, `Established` or `Closing`.
    pub state: String,
    /// Seconds since its first packet.
    pub age_seconds: u64,
    /// Seconds since its last packet.
    pub idle_seconds: u64,
    /// The rules that allowed it, in the order of evaluation; empty where no group was asked.
    pub rules: Vec<RuleName>,
}

/// `GET /v1/rule-hits`: how often a rule decided on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleHits {
    /// ARM id of its network security group or collection of security admin rules.
    pub group: String,
    /// Seen from the NIC.
    pub direction: Direction,
    /// Its name in the group.
    pub name: String,
    /// Flows that it decided.
    pub hits: u64,
}

/// `GET /v1/deployment`: what is in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentView {
    /// The host's name.
    pub host: String,
    /// Counts the documents that were put in force.
    pub serial: u64,
    /// Name of the document.
    pub source: String,
    /// The document.
    pub document: String,
    /// Numbers and peering states.
    pub state: State,
    /// What is known besides.
    #[serde(default)]
    pub facts: NetworkFacts,
}

/// `POST /v1/apply`, and in two steps `POST /v1/prepare`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyRequest {
    /// Name of the document, for messages.
    pub source: String,
    /// The document.
    pub document: String,
    /// What all hosts continue from, so that they give out the same numbers; null: what this host has.
    pub base: Option<State>,
    /// The serial that the document gets; null: one more than this host's.
    pub serial: Option<u64>,
    /// The newest serial that the sender knows of: an agent that has a newer one refuses, since
    /// the document was made without that one's changes; null: take it all the same.
    #[serde(default)]
    pub expected_serial: Option<u64>,
    /// The writes of peering objects that the document comes from, in their order; none: it is written
    /// whole.
    #[serde(default)]
    pub operations: Vec<PeeringWrite>,
}

/// Answer to `POST /v1/prepare`: the agent has judged the document and holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrepareReply {
    /// The host's name.
    pub host: String,
    /// What to commit or to abandon.
    pub ticket: u64,
}

/// `POST /v1/commit` puts what the agent holds in force, `POST /v1/abandon` lets go of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDocument {
    /// See [`PrepareReply::ticket`].
    pub ticket: u64,
}

/// Answer to [`ApplyRequest`], sent when the document is in force on the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReply {
    /// The host's name.
    pub host: String,
    /// The document's serial.
    pub serial: u64,
    /// Map operations that it took.
    pub operations: usize,
    /// See [`AgentStatus::state_digest`].
    pub state_digest: String,
}

/// Answer to a request that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReply {
    /// Stable word for the kind of error.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Further values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}
