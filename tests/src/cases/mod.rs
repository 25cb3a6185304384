//! The table of cases, by topic. The first word of a name is the area that it belongs to.

pub mod appliances;
pub mod arp;
pub mod balancers;
pub mod decap;
pub mod encap;
pub mod flows;
pub mod fragments;
pub mod gateways;
pub mod groups;
pub mod malformed;
pub mod metering;
pub mod mtu;
pub mod neighbor;
pub mod peering;
pub mod policies;
pub mod routes;
pub mod service_chain;
pub mod shape;
pub mod spoof;
pub mod tunnel_security;

use std::net::{IpAddr, Ipv4Addr};

use vnetpeer_common::types::{Mac, NicId};

use crate::{
    case::Case,
    packet::{Packet, Tunnel},
    world::{HOST1_V4, HOST1_V6, HOST2_V4, HOST3_V6, Vm, host_mac},
};

/// All cases.
pub fn all() -> Vec<Case> {
    [
        appliances::cases(),
        arp::cases(),
        balancers::cases(),
        decap::cases(),
        encap::cases(),
        flows::cases(),
        fragments::cases(),
        gateways::cases(),
        groups::cases(),
        malformed::cases(),
        metering::cases(),
        mtu::cases(),
        neighbor::cases(),
        peering::cases(),
        policies::cases(),
        routes::cases(),
        service_chain::cases(),
        shape::cases(),
        spoof::cases(),
        tunnel_security::cases(),
    ]
    .concat()
}

/// A UDP datagram over IPv4 between two machines.
pub fn udp4(from: &Vm, to: &Vm) -> Packet {
    Packet::v4(from.v4, to.v4).udp(40_000, 53, 64)
}

/// A TCP segment over IPv6 between two machines.
pub fn tcp6(from: &Vm, to: &Vm) -> Packet {
    Packet::v6(from.v6, to.v6).tcp(40_000, 443, 80)
}

/// A packet as its sender hands it to the virtual router.
pub fn sent(by: &Vm, packet: Packet) -> Packet {
    packet.between(by.mac, Mac::ROUTER)
}

/// A packet as the virtual router hands it to a guest.
pub fn received(by: &Vm, packet: Packet) -> Packet {
    packet.between(Mac::ROUTER, by.mac)
}

/// The address by which hosts name a NIC to each other.
pub fn overlay_mac(nic: NicId) -> Mac {
    let [a, b, c, d] = nic.0.to_be_bytes();
    Mac([0x02, 0x76, a, b, c, d])
}

/// A packet as it travels between hosts, inside of the tunnel.
pub fn overlay(from: &Vm, to: &Vm, packet: Packet) -> Packet {
    packet.between(overlay_mac(from.nic), overlay_mac(to.nic))
}

/// A host as tunnels name it.
pub type End = (Mac, IpAddr);

/// This host over IPv4.
pub const HOST1: End = (host_mac(1), IpAddr::V4(HOST1_V4));
/// This host over IPv6.
pub const HOST1_OVER_V6: End = (host_mac(1), IpAddr::V6(HOST1_V6));
/// Host 2.
pub const HOST2: End = (host_mac(2), IpAddr::V4(HOST2_V4));
/// Host 3.
pub const HOST3: End = (host_mac(3), IpAddr::V6(HOST3_V6));

/// A packet in the tunnel from one host to another, in the network of the receiving machine.
pub fn tunneled((src, dst): (End, End), (from, to): (&Vm, &Vm), packet: Packet) -> Packet {
    Tunnel::new(src, dst, to.vnet.0).around(&overlay(from, to, packet).bytes())
}

/// The destination of a route in `World::new` that leads nowhere, by its second byte.
pub const fn nowhere(net: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, net, 0, 9)
}
