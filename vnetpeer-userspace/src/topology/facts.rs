//! What only the host itself knows: indices, MAC addresses and MTUs of its interfaces, and the way
//! to the other hosts. Input of `compile`, read by the agent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vnetpeer_common::{abi::capacity, types::Mac};

use super::model::ResourceId;

/// Flows that Azure lets a virtual machine have.
const FLOWS_AZURE: u32 = 500_000;
/// Flows that a NIC may have where nothing else is said.
const FLOWS_PER_NIC: u32 = 65_536;
/// Flows without a reply that a NIC may have where nothing else is said.
const HALF_OPEN_PER_NIC: u32 = 8_192;
/// Jiffies per second of most kernels.
const TICK_RATE: u32 = 250;

/// How frames reach the workload behind an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// Transmit on the interface (a tap, a physical port).
    #[default]
    Transmit,
    /// The interface is a veth whose peer is in another namespace: straight into the peer.
    Peer,
}

/// The program that handles an interface, after `HookMode::Auto` was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// TC only.
    #[default]
    Tc,
    /// XDP, with TC behind it.
    Xdp,
}

/// One interface of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceFacts {
    /// Kernel interface index.
    pub ifindex: u32,
    /// Largest IP packet, in bytes.
    pub mtu_bytes: u16,
    /// How to deliver to the workload behind it.
    pub delivery: Delivery,
    /// The program that handles it.
    pub hook: Hook,
    /// The queue that limits what comes in on it, if there is one.
    pub shaper: Option<ShaperFacts>,
}

/// A pair of interfaces with a queue in between: what goes out of one comes in on the other, not faster
/// than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShaperFacts {
    /// Index of the interface that frames are sent out of.
    pub enters: u32,
    /// Index of the interface that they come in on.
    pub leaves: u32,
    /// Whether frames take this way; otherwise only those that are still in it do.
    pub in_use: bool,
}

/// The way to another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VtepFacts {
    /// This host's address that packets leave with.
    pub local: IpAddr,
    /// The other host's address.
    pub remote: IpAddr,
    /// Underlay interface index.
    pub ifindex: u32,
    /// The underlay interface's MAC address.
    pub src_mac: Mac,
    /// MAC address of the next hop on the underlay; `None` while unknown.
    pub dst_mac: Option<Mac>,
    /// MTU of the underlay interface, in bytes.
    pub underlay_mtu_bytes: u16,
    /// Whether the underlay interface takes frames that XDP redirects to it.
    pub transmit_xdp: bool,
}

/// How many flows a NIC may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Flows of one NIC.
    pub flows_per_nic: u32,
    /// Flows of one NIC of which no reply was seen.
    pub half_open_per_nic: u32,
    /// Flows of one uplink.
    pub flows_per_uplink: u32,
    /// Flows of one uplink of which no reply was seen.
    pub half_open_per_uplink: u32,
}

impl FlowLimits {
    /// The limits for a flow table of `capacity` entries: no NIC takes more than a quarter of it, no
    /// uplink more than half.
    pub fn of_table(capacity: u32) -> Self {
        let flows_per_nic = FLOWS_PER_NIC.min(FLOWS_AZURE).min(capacity / 4);
        Self {
            flows_per_nic,
            half_open_per_nic: HALF_OPEN_PER_NIC.min(flows_per_nic),
            flows_per_uplink: capacity / 2,
            half_open_per_uplink: capacity / 4,
        }
    }
}

/// What the kernel side of the host is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatapathFacts {
    /// Jiffies per second.
    pub tick_rate: u32,
    /// Sets of the flow cache per CPU, powers of two: IPv4, IPv6.
    pub cache_sets: [u32; 2],
    /// How many flows a NIC may have.
    pub flow_limits: FlowLimits,
}

impl Default for DatapathFacts {
    fn default() -> Self {
        Self {
            tick_rate: TICK_RATE,
            cache_sets: [capacity::CACHE_SETS_V4, capacity::CACHE_SETS_V6],
            flow_limits: FlowLimits::of_table(capacity::FLOWS_V4),
        }
    }
}

/// What is known about the network and is in no document: hosts tell each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkFacts {
    /// By gateway: the prefixes that its routing daemon learned.
    pub learned: BTreeMap<ResourceId, BTreeSet<IpNet>>,
    /// NICs whose interface is missing or without a carrier.
    pub down: BTreeSet<ResourceId>,
    /// By health probe of a load balancer: who does not answer it.
    #[serde(default)]
    pub unhealthy: BTreeMap<ResourceId, Silent>,
}

/// By NIC: the addresses that do not answer a health probe. A NIC may answer by one family only, and takes the
/// flows of that.
pub type Silent = BTreeMap<ResourceId, BTreeSet<IpAddr>>;

impl NetworkFacts {
    /// Whether an address of a NIC does not answer a probe.
    pub fn is_silent(&self, probe: &ResourceId, nic: &ResourceId, address: IpAddr) -> bool {
        let silent = self.unhealthy.get(probe).and_then(|nics| nics.get(nic));
        silent.is_some_and(|addresses| addresses.contains(&address))
    }
}

/// Everything that `compile` must know about the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// By interface name; an interface that does not exist yet is missing.
    pub interfaces: BTreeMap<String, InterfaceFacts>,
    /// By name of the remote host, one for each family that both hosts have; a host without a route is
    /// missing.
    pub vteps: BTreeMap<String, Vec<VtepFacts>>,
    /// The kernel side.
    pub datapath: DatapathFacts,
    /// What the hosts tell each other.
    pub network: NetworkFacts,
}
