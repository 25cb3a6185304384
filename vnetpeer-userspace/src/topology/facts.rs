//! What only the host itself knows: indices, MAC addresses and MTUs of its interfaces, and the way
//! to the other hosts. Input of `compile`, read by the agent.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;
use vnetpeer_common::types::Mac;

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

/// Everything that `compile` must know about the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// By interface name; an interface that does not exist yet is missing.
    pub interfaces: BTreeMap<String, InterfaceFacts>,
    /// By name of the remote host, one for each family that both hosts have; a host without a route is
    /// missing.
    pub vteps: BTreeMap<String, Vec<VtepFacts>>,
}
