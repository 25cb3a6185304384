//! Two VNets, both ends on this host: states, access, forwarded traffic, and no peering at all.

use std::net::Ipv4Addr;

use vnetpeer_common::{
    abi::{NextHop, address_class::VIRTUAL_NETWORK, link_flags, next_hop_kind},
    reason::DropReason,
    types::LinkId,
};

use super::{received, sent, tcp6, udp4};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_TO_B, A_TO_HUB, B_TO_A, B_TO_HUB, FOREIGN, FOREIGN_VM1, HUB_NVA, HUB_TO_A, HUB_TO_B,
        HUB_VM1, LINK_ALL, TABLE_A, TENANT_A_VM1, TENANT_A_VM2, TENANT_B, TENANT_B_VM1, Vm,
    },
};

/// A case between two machines of this host that ends in a drop on the side of `at`.
fn dropped(name: &'static str, from: &Vm, at: &Vm, packet: Packet, reason: DropReason) -> Case {
    let len = packet.len();
    Case::from_vm(name, from, &sent(from, packet)).drops(at.slot(), reason, len)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [connected(), switched_off(), forwarded(), strangers()].concat()
}

fn connected() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let (there, back) = (udp4(a, b), udp4(b, a));
    let (there6, back6) = (tcp6(a, b), tcp6(b, a));
    let (len, len6) = (there.len(), there6.len());
    vec![
        Case::from_vm("peering: A to B, IPv4", a, &sent(a, there.clone()))
            .delivers(b, &received(b, there.clone()))
            .egress(A_TO_B, 1, len)
            .ingress(B_TO_A, 1, len),
        Case::from_vm("peering: B to A, IPv4", b, &sent(b, back.clone()))
            .delivers(a, &received(a, back))
            .egress(B_TO_A, 1, len)
            .ingress(A_TO_B, 1, len),
        Case::from_vm("peering: A to B, IPv6", a, &sent(a, there6.clone()))
            .delivers(b, &received(b, there6))
            .egress(A_TO_B, 1, len6)
            .ingress(B_TO_A, 1, len6),
        Case::from_vm("peering: B to A, IPv6", b, &sent(b, back6.clone()))
            .delivers(a, &received(a, back6))
            .egress(B_TO_A, 1, len6)
            .ingress(A_TO_B, 1, len6),
        Case::from_vm("peering: the hub to A", &HUB_VM1, &sent(&HUB_VM1, udp4(&HUB_VM1, a)))
            .delivers(a, &received(a, udp4(&HUB_VM1, a)))
            .egress(HUB_TO_A, 1, len)
            .ingress(A_TO_HUB, 1, len),
        // The route does not know the other side's link; the relation does.
        Case::from_vm("peering: without the reverse link", a, &sent(a, there.clone()))
            .with(|world| {
                world.add_route(TABLE_A, "10.2.0.0/16", to_b(A_TO_B, LinkId::NONE));
                world.vnets.get_mut(&TENANT_B).expect("B").peers.clear();
                world.set_link(B_TO_A, LINK_ALL);
            })
            .delivers(b, &received(b, there.clone()))
            .egress(A_TO_B, 1, len)
            .ingress(B_TO_A, 1, len),
        // A reverse link of another pair is not believed.
        Case::from_vm("peering: with a wrong reverse link", a, &sent(a, there.clone()))
            .with(|world| world.add_route(TABLE_A, "10.2.0.0/16", to_b(A_TO_B, B_TO_HUB)))
            .delivers(b, &received(b, there))
            .egress(A_TO_B, 1, len)
            .ingress(B_TO_A, 1, len),
    ]
}

fn to_b(link: LinkId, reverse: LinkId) -> NextHop {
    NextHop { kind: next_hop_kind::VNET, class: VIRTUAL_NETWORK, target: TENANT_B.0, link, reverse }
}

fn switched_off() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let case = |name, at, reason| dropped(name, a, at, udp4(a, b), reason);
    vec![
        case("peering: own side not Connected", a, DropReason::PeeringNotConnected)
            .with(|world| world.set_link(A_TO_B, link_flags::ALLOW_ACCESS))
            .blames(A_TO_B),
        case("peering: other side not Connected", b, DropReason::PeeringNotConnected)
            .with(|world| world.set_link(B_TO_A, link_flags::ALLOW_ACCESS))
            .blames(B_TO_A),
        case("peering: own side denies access", a, DropReason::VirtualNetworkAccessDenied)
            .with(|world| world.set_link(A_TO_B, link_flags::CONNECTED))
            .blames(A_TO_B),
        case("peering: other side denies access", b, DropReason::VirtualNetworkAccessDenied)
            .with(|world| world.set_link(B_TO_A, link_flags::CONNECTED))
            .blames(B_TO_A),
        case("peering: nothing is left of it", a, DropReason::PeeringNotConnected)
            .with(|world| world.links.clear()),
        dropped("peering: denied, IPv6", a, b, tcp6(a, b), DropReason::VirtualNetworkAccessDenied)
            .with(|world| world.set_link(B_TO_A, link_flags::CONNECTED))
            .blames(B_TO_A),
    ]
}

fn forwarded() -> Vec<Case> {
    let (a, b, nva) = (&TENANT_A_VM1, &TENANT_B_VM1, &HUB_NVA);
    let packet = udp4(a, b);
    let len = packet.len();
    vec![
        Case::from_vm("peering: forwarded traffic allowed", nva, &sent(nva, packet.clone()))
            .delivers(b, &received(b, packet.clone()))
            .egress(HUB_TO_B, 1, len)
            .ingress(B_TO_HUB, 1, len),
        dropped(
            "peering: forwarded traffic denied",
            nva,
            b,
            packet.clone(),
            DropReason::ForwardedTrafficDenied,
        )
        .with(|world| world.set_link(B_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED))
        .blames(B_TO_HUB),
        dropped(
            "peering: forwarded traffic denied, IPv6",
            nva,
            b,
            tcp6(a, b),
            DropReason::ForwardedTrafficDenied,
        )
        .with(|world| world.set_link(B_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED))
        .blames(B_TO_HUB),
        // What the appliance sends for itself is not forwarded.
        Case::from_vm("peering: an appliance's own traffic", nva, &sent(nva, udp4(nva, b)))
            .with(|world| world.set_link(B_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED))
            .delivers(b, &received(b, udp4(nva, b)))
            .egress(HUB_TO_B, 1, len)
            .ingress(B_TO_HUB, 1, len),
        dropped(
            "peering: a source that nobody knows",
            nva,
            b,
            Packet::v4(Ipv4Addr::new(203, 0, 113, 9), b.v4).udp(1, 2, 3),
            DropReason::ForwardedTrafficDenied,
        )
        .with(|world| world.set_link(B_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED)),
    ]
}

fn strangers() -> Vec<Case> {
    let (a, foreign) = (&TENANT_A_VM1, &FOREIGN_VM1);
    vec![
        // The same addresses in both networks: each stays in its own.
        Case::from_vm("peering: A stays in A", a, &sent(a, udp4(a, &TENANT_A_VM2)))
            .delivers(&TENANT_A_VM2, &received(&TENANT_A_VM2, udp4(a, &TENANT_A_VM2))),
        Case::from_vm(
            "peering: a foreign VNet stays in itself",
            foreign,
            &sent(foreign, udp4(foreign, foreign)),
        )
        .delivers(foreign, &received(foreign, udp4(foreign, foreign))),
        // A route that names it does not make it a peer.
        dropped("peering: no relation", a, foreign, udp4(a, foreign), DropReason::NoRelation).with(
            |world| {
                let target = FOREIGN.0;
                let next = NextHop { kind: next_hop_kind::VNET, target, ..NextHop::default() };
                world.add_route(TABLE_A, "10.1.0.4/32", next);
            },
        ),
        // Spokes do not reach each other through the hub's peerings.
        dropped(
            "peering: not transitive",
            &TENANT_B_VM1,
            foreign,
            udp4(&TENANT_B_VM1, foreign),
            DropReason::NoRelation,
        )
        .with(|world| {
            let target = FOREIGN.0;
            let next = NextHop { kind: next_hop_kind::VNET, target, ..NextHop::default() };
            world.add_route(crate::world::TABLE_B, "10.1.0.0/16", next);
        }),
    ]
}
