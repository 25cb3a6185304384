//! To another host: VXLAN over IPv4 and IPv6.

use vnetpeer_common::{
    abi::{link_flags, vtep_flags},
    reason::DropReason,
};

use super::{HOST1, HOST1_OVER_V6, HOST2, HOST3, sent, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{
        A_TO_B, B_TO_A, HOST2 as HOST2_ID, HOST3 as HOST3_ID, TENANT_A_VM1, TENANT_A_VM3,
        TENANT_A_VM4, TENANT_B_VM2, TENANT_B_VM3,
    },
};

/// The cases.
pub fn cases() -> Vec<Case> {
    [families(), contents(), states()].concat()
}

fn families() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let (to_a3, to_a4) = (udp4(a, &TENANT_A_VM3), udp4(a, &TENANT_A_VM4));
    let (to_a3_v6, to_a4_v6) = (tcp6(a, &TENANT_A_VM3), tcp6(a, &TENANT_A_VM4));
    let (to_b2, to_b3) = (udp4(a, &TENANT_B_VM2), tcp6(a, &TENANT_B_VM3));
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
        Case::from_vm("encap: peered, over IPv4", a, &sent(a, to_b2.clone()))
            .transmits(HOST2_ID, &over4(&TENANT_B_VM2, &to_b2))
            .egress(A_TO_B, 1, to_b2.len()),
        Case::from_vm("encap: peered, over IPv6", a, &sent(a, to_b3.clone()))
            .transmits(HOST3_ID, &over6(&TENANT_B_VM3, &to_b3))
            .egress(A_TO_B, 1, to_b3.len()),
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
