//! Live packets: what is asked for, and what is told of each.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vnetpeer_common::abi::stage;

use super::RuleName;

/// Where a packet is on its way.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
pub enum PacketStage {
    /// Dropped, with the reason
    Dropped,
    /// It opened a flow
    Opened,
    /// As it came from its NIC
    Sent,
    /// After routing and the sender's policies
    Routed,
    /// As it leaves over the underlay, encapsulated
    Encapsulated,
    /// As it is handed to its NIC
    Delivered,
}

impl PacketStage {
    /// All of them, in the order of a packet's way.
    pub const ALL: [Self; 6] = [
        Self::Sent,
        Self::Routed,
        Self::Opened,
        Self::Encapsulated,
        Self::Delivered,
        Self::Dropped,
    ];

    /// Its bit in the datapath.
    pub const fn bit(self) -> u32 {
        match self {
            Self::Dropped => stage::DROPPED,
            Self::Opened => stage::OPENED,
            Self::Sent => stage::SENT,
            Self::Routed => stage::ROUTED,
            Self::Encapsulated => stage::ENCAPSULATED,
            Self::Delivered => stage::DELIVERED,
        }
    }

    /// The stages of a word of the datapath.
    pub fn of(bits: u8) -> Vec<Self> {
        Self::ALL.into_iter().filter(|it| it.bit() & u32::from(bits) != 0).collect()
    }
}

/// `POST /v1/observe` and `POST /v1/capture`: which packets to tell of. All conditions must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WatchRequest {
    /// ARM id of the NIC at whose side the packet is, or that sent it.
    pub network_interface: Option<String>,
    /// ARM id of the VNet of one of them.
    pub virtual_network: Option<String>,
    /// ARM id of the peering that decided, of either side.
    pub peering: Option<String>,
    /// What the source or the destination is in.
    pub address: Option<IpNet>,
    /// Source or destination port.
    pub port: Option<u16>,
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Names of drop reasons; none: all.
    pub reasons: Vec<String>,
    /// Where packets are looked at.
    pub stages: Vec<PacketStage>,
    /// Bytes of the frame that are wanted.
    pub snap: u32,
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WatchLine {
    /// From here on every packet is told or counted as lost.
    Ready(String),
    /// A packet.
    Packet(Box<SeenPacket>),
    /// What could not be told so far.
    Lost(LostPackets),
}

/// Packets that could not be told, since the watch began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostPackets {
    /// The ring was full. While several watch one host this counts what any of them would have seen.
    pub kernel: u64,
    /// The one who watches did not read in time.
    pub agent: u64,
}

impl LostPackets {
    /// Both together.
    pub const fn all(self) -> u64 {
        self.kernel + self.agent
    }
}

/// A packet at a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenPacket {
    /// When, RFC 3339.
    pub time: String,
    /// The host's name.
    pub host: String,
    /// `Dropped`, `Allowed` (it opened a flow) or `Passing`.
    pub verdict: String,
    /// Where it is on its way.
    pub stages: Vec<PacketStage>,
    /// Name of the drop reason; null if it was not dropped.
    pub reason: Option<String>,
    /// ARM id of the NIC at whose side it is; null if unknown.
    pub network_interface: Option<String>,
    /// ARM id of the NIC that sent it; null if unknown.
    pub source_network_interface: Option<String>,
    /// ARM id of the peering that decided; null if none did.
    pub peering: Option<String>,
    /// The security rule that denied; null if none did.
    pub rule: Option<RuleName>,
    /// The effective route of the destination; null if the packet did not come so far.
    pub route: Option<RouteName>,
    /// Source address; null where there is no IP header.
    pub source_address: Option<String>,
    /// Destination address; null where there is no IP header.
    pub destination_address: Option<String>,
    /// IP protocol number; null where there is no IP header.
    pub protocol: Option<u8>,
    /// Source port; null without.
    pub source_port: Option<u16>,
    /// Destination port; null without.
    pub destination_port: Option<u16>,
    /// Bytes of the IP packet.
    pub bytes: u32,
    /// Bytes of the frame; null unless some were asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frame_length: Option<u32>,
    /// The first of them, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frame: Option<String>,
}

/// An effective route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteName {
    /// Name of a user-defined route; null for others.
    pub name: Option<String>,
    /// Its prefix.
    pub address_prefix: String,
    /// Azure's name of where it leads.
    pub next_hop_type: String,
}
