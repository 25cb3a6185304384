//! Packets that are too large for their path, and the errors that say so.

use std::net::Ipv6Addr;

use vnetpeer_common::{reason::DropReason, types::Mac};

use super::{HOST1_OVER_V6, HOST3, received, sent, tunneled};
use crate::{
    case::Case,
    packet::{Network, Packet, Transport},
    world::{
        A_TO_B, B_TO_A, HOST3 as HOST3_ID, HUB_NVA, TENANT_A_VM1, TENANT_A_VM2, TENANT_A_VM3,
        TENANT_A_VM4, TENANT_B_VM1, TENANT_B_VM2, TENANT_B_VM3, Vm,
    },
};

/// The virtual router's link-local address.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc);
/// Bytes of the packet that an error quotes.
const QUOTE_V4: usize = 68;
/// See [`QUOTE_V4`].
const QUOTE_V6: usize = 128;

/// A UDP packet of `len` bytes in all.
fn v4(from: &Vm, to: &Vm, len: usize) -> Packet {
    Packet::v4(from.v4, to.v4).udp(40_000, 53, len - 28)
}

fn v6(from: &Vm, to: &Vm, len: usize) -> Packet {
    Packet::v6(from.v6, to.v6).udp(40_000, 53, len - 48)
}

/// The virtual router's answer to `packet` that `vm` sent.
fn too_big(vm: &Vm, packet: &Packet, mtu: u32) -> Packet {
    let bytes = packet.network_bytes();
    let error = match &packet.network {
        Network::V4(ip) => {
            let payload = bytes[..QUOTE_V4].to_vec();
            let icmp = Transport::Icmp { kind: 3, code: 4, rest: mtu, payload };
            Packet::v4(vm.gateway(), ip.src).transport(icmp).ip4(|ip| {
                ip.id = 0;
                ip.ttl = 64;
            })
        }
        Network::V6(ip) => {
            let payload = bytes[..QUOTE_V6].to_vec();
            let icmp = Transport::Icmp { kind: 2, code: 0, rest: mtu, payload };
            Packet::v6(ROUTER, ip.src).transport(icmp).ip6(|ip| ip.hop_limit = 64)
        }
        other => panic!("not IP: {other:?}"),
    };
    error.between(Mac::ROUTER, vm.mac)
}

/// A case that is answered with an error.
fn refused(name: &'static str, vm: &Vm, packet: Packet, mtu: u32) -> Case {
    let (error, len) = (too_big(vm, &packet, mtu), packet.len());
    Case::from_vm(name, vm, &sent(vm, packet)).replies(&error).counts_drop(
        vm.slot(),
        DropReason::MtuExceeded,
        len,
    )
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [limits(), errors(), super_frames()].concat()
}

fn limits() -> Vec<Case> {
    let (a, jumbo, b) = (&TENANT_A_VM1, &TENANT_A_VM2, &TENANT_B_VM1);
    let fits = v4(jumbo, a, 1500);
    let large = v4(a, jumbo, 3000);
    let over_peering = v4(a, b, 1500);
    let to_host3 = v4(a, &TENANT_A_VM4, 3000);
    let outer = tunneled((HOST1_OVER_V6, HOST3), (a, &TENANT_A_VM4), to_host3.clone());
    vec![
        Case::from_vm("mtu: exactly the interface's", jumbo, &sent(jumbo, fits.clone()))
            .delivers(a, &received(a, fits)),
        Case::from_vm("mtu: a large one inside the VNet", a, &sent(a, large.clone()))
            .delivers(jumbo, &received(jumbo, large)),
        Case::from_vm("mtu: exactly a peering's", a, &sent(a, over_peering.clone()))
            .delivers(b, &received(b, over_peering))
            .egress(A_TO_B, 1, 1500)
            .ingress(B_TO_A, 1, 1500),
        Case::from_vm("mtu: a large underlay", a, &sent(a, to_host3)).transmits(HOST3_ID, &outer),
        refused("mtu: one byte over the interface's", jumbo, v4(jumbo, a, 1501), 1500),
        refused("mtu: one byte over a peering's", a, v4(a, b, 1501), 1500),
        refused("mtu: one byte over the underlay's", a, v4(a, &TENANT_A_VM3, 1451), 1450),
        refused("mtu: one byte over the underlay's, IPv6", a, v6(a, &TENANT_A_VM3, 1451), 1450),
        refused("mtu: a peering over a large underlay", a, v4(a, &TENANT_B_VM3, 1501), 1500),
        refused("mtu: a peering over a small underlay", a, v4(a, &TENANT_B_VM2, 1451), 1450),
    ]
}

fn errors() -> Vec<Case> {
    let (a, jumbo, b) = (&TENANT_A_VM1, &TENANT_A_VM2, &TENANT_B_VM1);
    let options = v4(jumbo, a, 1600).ip4(|ip| ip.options = vec![1; 40]);
    let may_fragment = v4(jumbo, a, 1600).ip4(|ip| ip.fragment = 0);
    let extensions = v6(jumbo, a, 1600).ip6(|ip| ip.options(60, 64));
    let tcp = Packet::v4(jumbo.v4, a.v4).tcp(1, 2, 2000);
    let odd = Packet::v6(jumbo.v6, a.v6).ping(2001);
    // The error of a forwarded packet is for its sender, and goes by way of the appliance.
    let forwarded = v4(a, b, 1501);
    let padded = v4(jumbo, a, 1501).with_trailer(7);
    let error = too_big(jumbo, &v4(jumbo, a, 1501), 1500);
    vec![
        refused("mtu: error quotes options", jumbo, options, 1500),
        refused("mtu: error without \"don't fragment\"", jumbo, may_fragment, 1500),
        refused("mtu: error quotes extension headers", jumbo, extensions, 1500),
        refused("mtu: error for TCP", jumbo, tcp, 1500),
        refused("mtu: error for an odd length", jumbo, odd, 1500),
        refused("mtu: error for a forwarded packet", &HUB_NVA, forwarded, 1500),
        Case::from_vm("mtu: error without the bytes behind", jumbo, &sent(jumbo, padded))
            .replies(&error)
            .counts_drop(jumbo.slot(), DropReason::MtuExceeded, 1501),
    ]
}

fn super_frames() -> Vec<Case> {
    let (a, jumbo) = (&TENANT_A_VM1, &TENANT_A_VM2);
    let tcp = |to: &Vm, len| Packet::v4(jumbo.v4, to.v4).tcp(1, 2, len);
    let tcp6 = |to: &Vm, len| Packet::v6(jumbo.v6, to.v6).tcp(1, 2, len);
    let fits = tcp(a, 3000);
    let fits6 = tcp6(a, 3000);
    vec![
        // 52 and 72 bytes of headers in every segment.
        Case::from_vm("mtu: segments that fit", jumbo, &sent(jumbo, fits.clone()))
            .gso(1448)
            .delivers(a, &received(a, fits)),
        Case::from_vm("mtu: segments that fit, IPv6", jumbo, &sent(jumbo, fits6.clone()))
            .gso(1428)
            .delivers(a, &received(a, fits6)),
        refused("mtu: segments one byte too large", jumbo, tcp(a, 3000), 1500).gso(1449),
        refused("mtu: segments too large, IPv6", jumbo, tcp6(a, 3000), 1500).gso(1429),
        refused("mtu: segments too large for the underlay", jumbo, tcp(&TENANT_A_VM3, 3000), 1450)
            .gso(1399),
    ]
}
