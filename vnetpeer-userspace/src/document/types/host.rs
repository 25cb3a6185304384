//! Hosts: what Azure hides.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;

use super::super::{
    decode::{List, Spanned},
    names::KnownTarget,
    object::object,
    scalar::{InterfaceName, NamespacePath, OutboundBandwidth},
};
use crate::topology::model::HookMode;

object! {
    /// A Linux host.
    struct Host {
        /// Its name, which the host's agent is started with.
        name as "name" (required): Spanned<String>,
        /// How it reaches the other hosts.
        underlay as "underlay" (required): Underlay,
        /// The network interfaces that it carries.
        network_interfaces as "networkInterfaces": List<PlacedNic>,
        /// The virtual network gateways that it carries.
        gateways as "gateways": List<PlacedGateway>,
        /// Its ways to the Internet, at most one per VNet.
        internet_uplinks as "internetUplinks": List<InternetUplink>,
    }
}

object! {
    /// How a host reaches the other hosts.
    struct Underlay {
        /// The interface that leads to them.
        interface as "interface" (required): Spanned<InterfaceName>,
        /// The host's own addresses there: one of a family, or one of each.
        addresses as "addresses" (required): List<Spanned<IpAddr>>,
        /// The kind of program on the interface. Default: `auto`.
        mode as "mode": Spanned<HookMode>,
    }
}

object! {
    /// A network interface on its host.
    struct PlacedNic {
        /// The network interface's name or ARM id.
        name as "name" (required): Spanned<String>,
        /// The interface on the host behind which the workload sits. Default: made from the name.
        interface as "interface": Spanned<InterfaceName>,
        /// The kind of program on the interface. Default: `auto`.
        mode as "mode": Spanned<HookMode>,
        /// How much it may send, in millions of bits per second of IP packets: what Azure gives every size
        /// of virtual machine. Default: no limit.
        outbound_bandwidth_mbps as "outboundBandwidthMbps": Spanned<OutboundBandwidth>,
    }
    kept: known_nic: KnownTarget,
}

object! {
    /// A virtual network gateway on its host.
    struct PlacedGateway {
        /// The gateway's name or ARM id.
        name as "name" (required): Spanned<String>,
        /// The interface on the host behind which the gateway sits. Default: made from the name.
        interface as "interface": Spanned<InterfaceName>,
        /// The kind of program on the interface. Default: `auto`.
        mode as "mode": Spanned<HookMode>,
        /// The network namespace in which the gateway's routing daemon runs, by name or path. Without
        /// it no routes are exchanged with one; a lab uses the gateway's own.
        network_namespace as "networkNamespace": Spanned<NamespacePath>,
    }
}

object! {
    /// A way to the Internet for one VNet; address translation behind it is the operator's.
    struct InternetUplink {
        /// The VNet's name or ARM id.
        virtual_network as "virtualNetwork" (required): Spanned<String>,
        /// The interface on the host.
        interface as "interface" (required): Spanned<InterfaceName>,
        /// MAC address of the router behind the interface.
        mac_address as "macAddress" (required): Spanned<Mac>,
    }
}
