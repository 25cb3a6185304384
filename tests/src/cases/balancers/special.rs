//! Unusual heads, floating IP, HA ports, and frontends that are next hops.

use std::net::Ipv4Addr;

use vnetpeer_common::reason::DropReason;

use super::{
    super::{HOST1, HOST2, arp, received, sent, tunneled},
    BACKEND_PORT, FRONTEND, PORT, all_ports, answer4, answer6, before_nvas, floating, here,
    reaches, returns, syn4, syn6, udp4, udp6,
};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{
        A_TO_B, A_TO_HUB, B_TO_A, HOST2 as HOST2_ID, HUB_NVA, HUB_NVA2, HUB_TO_A, TENANT_A_VM1,
        TENANT_B_VM1,
    },
};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    [heads(), floating_ip(), all_the_ports(), next_hops()].concat()
}

/// Heads of unusual shape.
fn heads() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    let bare = |to: Ipv4Addr, port: u16| {
        let payload = vec![7; 33];
        let udp = Transport::Udp { src: 40_000, dst: port, payload, no_checksum: true };
        Packet::v4(a.v4, to).transport(udp)
    };
    let options = |packet: Packet| packet.ip4(|ip| ip.options = vec![1; 8]);
    let extended =
        |packet: Packet| packet.ip6(|ip| ip.extensions = vec![(60, vec![0, 1, 4, 0, 0, 0, 0])]);
    let big = |to: Ipv4Addr, port: u16| Packet::v4(a.v4, to).tcp(40_000, port, 2_800);
    let len = big(f.v4, PORT).len() + 52;
    vec![
        reaches("balancers: UDP without a checksum", bare(f.v4, PORT), bare(b.v4, BACKEND_PORT)),
        reaches(
            "balancers: IPv4 with options",
            options(udp4(a, f.v4, PORT)),
            options(udp4(a, b.v4, BACKEND_PORT)),
        ),
        reaches(
            "balancers: IPv6 with an extension header",
            extended(udp6(a, f.v6, PORT)),
            extended(udp6(a, b.v6, BACKEND_PORT)),
        ),
        reaches("balancers: a super-frame", big(f.v4, PORT), big(b.v4, BACKEND_PORT))
            .gso(1_400)
            .egress(A_TO_B, 2, len)
            .ingress(B_TO_A, 2, len),
    ]
}

fn floating_ip() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    let same = |name, packet: Packet| reaches(name, packet.clone(), packet).with(floating);
    let back = |name, packet: Packet| returns(name, packet.clone(), packet).with(floating);
    let answer = answer4(f.v4, PORT, a);
    let spoofed = DropReason::SourceAddressSpoofed;
    vec![
        same("balancers: floating IP", syn4(a, f.v4, PORT)),
        same("balancers: floating IP, IPv6", syn6(a, f.v6, PORT)),
        same("balancers: floating IP, the flow's third packet", udp4(a, f.v4, PORT))
            .after_from(a, udp4(a, f.v4, PORT))
            .after_from(a, udp4(a, f.v4, PORT)),
        back("balancers: floating IP, the answer", answer.clone())
            .after_from(a, syn4(a, f.v4, PORT)),
        back("balancers: floating IP, the answer over IPv6", answer6(f.v6, PORT, a))
            .after_from(a, syn6(a, f.v6, PORT)),
        Case::from_vm(
            "balancers: floating IP, a backend asks for a neighbour",
            b,
            &arp::request(b, f.v4, b.gateway()),
        )
        .with(floating)
        .replies(&arp::reply(b, f.v4, b.gateway())),
        Case::from_vm("balancers: floating IP, no answer", b, &sent(b, answer.clone()))
            .with(floating)
            .drops(b.slot(), spoofed, answer.len()),
        Case::from_vm("balancers: floating IP, another flow", b, &sent(b, answer4(f.v4, 81, a)))
            .with(floating)
            .after_from(a, syn4(a, f.v4, PORT))
            .drops(b.slot(), spoofed, answer.len()),
        Case::from_vm(
            "balancers: without floating IP nobody has its address",
            b,
            &sent(b, answer.clone()),
        )
        .with(here)
        .after_from(a, syn4(a, f.v4, PORT))
        .drops(b.slot(), spoofed, answer.len()),
    ]
}

fn all_the_ports() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    vec![
        reaches("balancers: HA ports, TCP", syn4(a, f.v4, 9), syn4(a, b.v4, 9)).with(all_ports),
        reaches("balancers: HA ports, UDP over IPv6", udp6(a, f.v6, 4_242), udp6(a, b.v6, 4_242))
            .with(all_ports),
        returns("balancers: HA ports, the answer", answer4(b.v4, 9, a), answer4(f.v4, 9, a))
            .with(all_ports)
            .after_from(a, syn4(a, f.v4, 9)),
    ]
}

/// A frontend as the next hop of a route.
fn next_hops() -> Vec<Case> {
    let (a, b, nva) = (&TENANT_A_VM1, &TENANT_B_VM1, &HUB_NVA);
    let (packet, packet6) = (syn4(a, b.v4, 443), udp6(a, b.v6, 53));
    vec![
        Case::from_vm("balancers: as a next hop", a, &sent(a, packet.clone()))
            .with(|world| before_nvas(world, &[&HUB_NVA]))
            .delivers(nva, &received(nva, packet.clone()))
            .egress(A_TO_HUB, 1, packet.len())
            .ingress(HUB_TO_A, 1, packet.len()),
        Case::from_vm("balancers: as a next hop on host 2, IPv6", a, &sent(a, packet6.clone()))
            .with(|world| before_nvas(world, &[&HUB_NVA2]))
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (a, &HUB_NVA2), packet6.clone()))
            .egress(A_TO_HUB, 1, packet6.len()),
        Case::from_vm(
            "balancers: as a next hop for ICMP",
            a,
            &sent(a, Packet::v4(a.v4, b.v4).ping(16)),
        )
        .with(|world| before_nvas(world, &[&HUB_NVA]))
        .drops(a.slot(), DropReason::LoadBalancerProtocol, 44),
    ]
}
