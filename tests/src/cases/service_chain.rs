//! Traffic from spoke to spoke through the hub's appliance, packet by packet: what one case puts out
//! is what the next one takes in.

use vnetpeer_common::{
    abi::{NextHop, address_class::VIRTUAL_NETWORK, link_flags, next_hop_kind, nic_flags},
    reason::DropReason,
};

use super::{HOST1, HOST2, received, sent, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    world::{
        A_TO_HUB, B_TO_HUB, HOST2 as HOST2_ID, HUB_NVA, HUB_NVA2, HUB_TO_A, HUB_TO_B, LINK_ALL,
        TABLE_A_CHAIN, TENANT_A_VM2, TENANT_B_VM1, TENANT_B_VM2, World,
    },
};

/// The route of the chained subnet leads to the appliance on host 2.
fn through_host2(world: &mut World) {
    let (link, reverse) = (A_TO_HUB, HUB_TO_A);
    let next = NextHop {
        kind: next_hop_kind::NIC,
        class: VIRTUAL_NETWORK,
        target: HUB_NVA2.nic.0,
        link,
        reverse,
    };
    world.add_route(TABLE_A_CHAIN, "10.2.0.0/16", next);
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [local(), remote()].concat()
}

fn local() -> Vec<Case> {
    let (a, nva, b) = (&TENANT_A_VM2, &HUB_NVA, &TENANT_B_VM1);
    let (packet, packet6) = (udp4(a, b), tcp6(a, b));
    let (len, len6) = (packet.len(), packet6.len());
    let first = Case::from_vm("service chain: spoke to appliance", a, &sent(a, packet.clone()));
    let first6 =
        Case::from_vm("service chain: spoke to appliance, IPv6", a, &sent(a, packet6.clone()));
    vec![
        first
            .delivers(nva, &received(nva, packet.clone()))
            .egress(A_TO_HUB, 1, len)
            .ingress(HUB_TO_A, 1, len),
        first6
            .delivers(nva, &received(nva, packet6.clone()))
            .egress(A_TO_HUB, 1, len6)
            .ingress(HUB_TO_A, 1, len6),
        Case::from_vm("service chain: appliance to spoke", nva, &sent(nva, packet.clone()))
            .delivers(b, &received(b, packet.clone()))
            .egress(HUB_TO_B, 1, len)
            .ingress(B_TO_HUB, 1, len),
        Case::from_vm("service chain: appliance to spoke, IPv6", nva, &sent(nva, packet6.clone()))
            .delivers(b, &received(b, packet6))
            .egress(HUB_TO_B, 1, len6)
            .ingress(B_TO_HUB, 1, len6),
        Case::from_vm(
            "service chain: appliance to the other host",
            nva,
            &sent(nva, udp4(a, &TENANT_B_VM2)),
        )
        .transmits(
            HOST2_ID,
            &tunneled((HOST1, HOST2), (nva, &TENANT_B_VM2), udp4(a, &TENANT_B_VM2)),
        )
        .egress(HUB_TO_B, 1, len),
        Case::from_vm("service chain: the appliance does not forward", a, &sent(a, packet.clone()))
            .with(|world| world.nic_mut(&HUB_NVA).flags = nic_flags::PRESENT)
            .drops(nva.slot(), DropReason::ForwardingDisabled, len),
        Case::from_vm("service chain: the way to the hub is closed", a, &sent(a, packet))
            .with(|world| world.set_link(A_TO_HUB, link_flags::ALLOW_ACCESS))
            .drops(a.slot(), DropReason::PeeringNotConnected, len)
            .blames(A_TO_HUB),
    ]
}

fn remote() -> Vec<Case> {
    let (a, nva, nva2, b) = (&TENANT_A_VM2, &HUB_NVA, &HUB_NVA2, &TENANT_B_VM1);
    let packet = udp4(a, b);
    let len = packet.len();
    let from_nva2 = tunneled((HOST2, HOST1), (nva2, b), packet.clone());
    vec![
        Case::from_vm("service chain: to the appliance on host 2", a, &sent(a, packet.clone()))
            .with(through_host2)
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (a, nva2), packet.clone()))
            .egress(A_TO_HUB, 1, len),
        Case::from_underlay("service chain: from the appliance on host 2", &from_nva2)
            .delivers(b, &received(b, packet.clone()))
            .ingress(B_TO_HUB, 1, len),
        Case::from_underlay("service chain: from there, forwarded denied", &from_nva2)
            .with(|world| world.set_link(B_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED))
            .drops(b.slot(), DropReason::ForwardedTrafficDenied, len)
            .blames(B_TO_HUB),
        Case::from_underlay(
            "service chain: to the appliance here",
            &tunneled((HOST2, HOST1), (&crate::world::TENANT_A_VM3, nva), packet.clone()),
        )
        .delivers(nva, &received(nva, packet.clone()))
        .ingress(HUB_TO_A, 1, len),
        Case::from_underlay(
            "service chain: to one here that does not forward",
            &tunneled((HOST2, HOST1), (&crate::world::TENANT_A_VM3, nva), packet),
        )
        .with(|world| world.nic_mut(&HUB_NVA).flags = nic_flags::PRESENT)
        .drops(nva.slot(), DropReason::ForwardingDisabled, len),
    ]
}
