//! To another host: VXLAN over IPv4 and IPv6.

use std::net::{IpAddr, Ipv6Addr};

use vnetpeer_common::{
    abi::{Vtep, link_flags, vtep_flags},
    reason::DropReason,
    types::{Addr, VtepId},
};

use super::{End, HOST1, HOST1_OVER_V6, HOST2, HOST3, received, sent, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{
        A_TO_B, B_TO_A, HOST1_V6, HOST2 as HOST2_ID, HOST3 as HOST3_ID, TENANT_A_VM1, TENANT_A_VM3,
        TENANT_A_VM4, TENANT_B_VM2, TENANT_B_VM3, World, host_mac,
    },
};

/// The cases.
pub fn cases() -> Vec<Case> {
    [families(), contents(), states(), two_ways()].concat()
}

/// Host 2 may be reached over IPv6 as well.
fn over_both(world: &mut World) {
    let v6 = Vtep {
        flags: vtep_flags::PRESENT | vtep_flags::RESOLVED | vtep_flags::IPV6,
        ifindex: 204,
        local: Addr::v6(HOST1_V6.octets()),
        remote: Addr::v6(HOST2_V6.octets()),
        src_mac: host_mac(1),
        dst_mac: host_mac(2),
        mtu: 1430,
        other: HOST2_ID,
        ..Vtep::default()
    };
    world.vteps.insert(HOST2_OVER_V6_ID, v6);
    world.vtep_addresses.insert(v6.remote, HOST2_OVER_V6_ID);
    world.vtep_mut(HOST2_ID).other = HOST2_OVER_V6_ID;
}

/// Host 2 over IPv6.
const HOST2_OVER_V6_ID: VtepId = VtepId(4);
const HOST2_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const HOST2_OVER_V6: End = (host_mac(2), IpAddr::V6(HOST2_V6));

/// A packet goes over an underlay of its own family, and comes over either.
fn two_ways() -> Vec<Case> {
    let (a, a3) = (&TENANT_A_VM1, &TENANT_A_VM3);
    let (v4, v6) = (udp4(a, a3), tcp6(a, a3));
    let (back4, back6) = (udp4(a3, a), tcp6(a3, a));
    let outer6 = tunneled((HOST1_OVER_V6, HOST2_OVER_V6), (a, a3), v6.clone());
    let outer4 = tunneled((HOST1, HOST2), (a, a3), v4.clone());
    let from6 = tunneled((HOST2_OVER_V6, HOST1_OVER_V6), (a3, a), back4.clone());
    let from4 = tunneled((HOST2, HOST1), (a3, a), back6.clone());
    let of_host3 = tunneled((HOST2_OVER_V6, HOST1_OVER_V6), (&TENANT_A_VM4, a), back4.clone());
    vec![
        Case::from_vm("encap: two ways, IPv4 over IPv4", a, &sent(a, v4))
            .with(over_both)
            .transmits(HOST2_ID, &outer4),
        Case::from_vm("encap: two ways, IPv6 over IPv6", a, &sent(a, v6))
            .with(over_both)
            .transmits(HOST2_OVER_V6_ID, &outer6),
        Case::from_underlay("encap: two ways, back over IPv6", &from6)
            .with(over_both)
            .delivers(a, &received(a, back4)),
        Case::from_underlay("encap: two ways, back over IPv4", &from4)
            .with(over_both)
            .delivers(a, &received(a, back6)),
        Case::from_underlay("encap: two ways, not for another host's NIC", &of_host3)
            .with(over_both)
            .drops(0, DropReason::SourceNicElsewhere, 0),
    ]
}

fn families() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let (to_a3, to_a4) = (udp4(a, &TENANT_A_VM3), udp4(a, &TENANT_A_VM4));
    let (to_a3_v6, to_a4_v6) = (tcp6(a, &TENANT_A_VM3), tcp6(a, &TENANT_A_VM4));
    let (peer_on_2, peer_on_3) = (udp4(a, &TENANT_B_VM2), tcp6(a, &TENANT_B_VM3));
    let over4 = |to, packet: &Packet| tunneled((HOST1, HOST2), (a, to), packet.clone());
    let over6 = |to, packet: &Packet| tunneled((HOST1_OVER_V6, HOST3), (a, to), packet.clone());
    vec![
        Case::from_vm("encap: IPv4 over IPv4", a, &sent(a, to_a3.clone()))
            .transmits(HOST2_ID, &over4(&TENANT_A_VM3, &to_a3)),
        Case::from_vm("encap: IPv6 over IPv4", a, &sent(a, to_a3_v6.clone()))
            .transmits(HOST2_ID, &over4(&TENANT_A_VM3, &to_a3_v6)),
        Case::from_vm("encap: IPv4 over IPv6", a, &sent(a, to_a4.clone()))
            .transmits(HOST3_ID, &over6(&TENANT_A_VM4, &to_a4)),
        Case::from_vm("encap: IPv6 over IPv6", a, &sent(a, to_a4_v6.clone()))
            .transmits(HOST3_ID, &over6(&TENANT_A_VM4, &to_a4_v6)),
        Case::from_vm("encap: peered, over IPv4", a, &sent(a, peer_on_2.clone()))
            .transmits(HOST2_ID, &over4(&TENANT_B_VM2, &peer_on_2))
            .egress(A_TO_B, 1, peer_on_2.len()),
        Case::from_vm("encap: peered, over IPv6", a, &sent(a, peer_on_3.clone()))
            .transmits(HOST3_ID, &over6(&TENANT_B_VM3, &peer_on_3))
            .egress(A_TO_B, 1, peer_on_3.len()),
    ]
}

fn contents() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let to = &TENANT_A_VM3;
    let over4 = |packet: &Packet| tunneled((HOST1, HOST2), (a, to), packet.clone());
    let plain = |protocol, len| {
        Packet::v4(a.v4, to.v4).transport(Transport::Raw { protocol, bytes: vec![9; len] })
    };
    let marked = udp4(a, to).ip4(|ip| ip.tos = 0xb9);
    let marked6 = tcp6(a, to).ip6(|ip| {
        ip.class = 0xb9;
        ip.flow = 0x1_2345;
    });
    let options = udp4(a, to).ip4(|ip| ip.options = vec![1; 40]);
    let empty = Packet::v4(a.v4, to.v4);
    let case = |name, packet: &Packet| {
        Case::from_vm(name, a, &sent(a, packet.clone())).transmits(HOST2_ID, &over4(packet))
    };
    // The padding of a short frame is no part of the packet, and the outer length says so.
    let padded = Packet::v4(a.v4, to.v4).udp(1, 2, 1);
    let around = over4(&padded).with_trailer(17);
    vec![
        case("encap: ESP", &plain(50, 40)),
        case("encap: SCTP", &plain(132, 40)),
        case("encap: nothing above IP", &empty),
        case("encap: options", &options),
        case("encap: echo", &Packet::v4(a.v4, to.v4).ping(56)),
        // Compatibility mode of RFC 6040: the outer class is zero.
        case("encap: traffic class, IPv4", &marked),
        case("encap: traffic class, IPv6", &marked6),
        Case::from_vm("encap: padded frame", a, &sent(a, padded.clone()).with_trailer(17))
            .transmits(HOST2_ID, &around),
    ]
}

fn states() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let packet = udp4(a, &TENANT_B_VM2);
    let len = packet.len();
    let outer = tunneled((HOST1, HOST2), (a, &TENANT_B_VM2), packet.clone());
    vec![
        // The other side's object counts on its own host, not here.
        Case::from_vm("encap: the other side denies", a, &sent(a, packet.clone()))
            .with(|world| world.set_link(B_TO_A, 0))
            .transmits(HOST2_ID, &outer)
            .egress(A_TO_B, 1, len),
        Case::from_vm("encap: own side not Connected", a, &sent(a, packet.clone()))
            .with(|world| world.set_link(A_TO_B, link_flags::ALLOW_ACCESS))
            .drops(a.slot(), DropReason::PeeringNotConnected, len),
        Case::from_vm("encap: a neighbour not resolved yet", a, &sent(a, packet.clone()))
            .with(|world| world.vtep_mut(HOST2_ID).flags &= !vtep_flags::RESOLVED)
            .transmits(HOST2_ID, &outer)
            .egress(A_TO_B, 1, len),
        Case::from_vm("encap: not by XDP", a, &sent(a, packet))
            .with(|world| world.vtep_mut(HOST2_ID).flags &= !vtep_flags::TRANSMIT_XDP)
            .transmits(HOST2_ID, &outer)
            .egress(A_TO_B, 1, len),
    ]
}
