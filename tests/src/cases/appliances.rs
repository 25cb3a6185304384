//! Appliances one behind the other, and several for one route.

use vnetpeer_common::{
    abi::{NextHop, address_class::VIRTUAL_NETWORK, next_hop_kind},
    reason::DropReason,
};

use super::{HOST1, HOST2, received, sent, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_TO_HUB, HOST2 as HOST2_ID, HUB_NVA, HUB_NVA2, HUB_TO_A, TABLE_A, TABLE_HUB, TENANT_A_VM1,
        TENANT_A_VM2, TENANT_B_VM1, Vm, World,
    },
};

/// A packet of somebody else, with so many hops left.
fn forwarded(hops: u8) -> Packet {
    udp4(&TENANT_A_VM2, &TENANT_B_VM1).ip4(|ip| ip.ttl = hops)
}

fn forwarded6(hops: u8) -> Packet {
    tcp6(&TENANT_A_VM2, &TENANT_B_VM1).ip6(|ip| ip.hop_limit = hops)
}

fn to(vm: &Vm) -> NextHop {
    let kind = next_hop_kind::NIC;
    NextHop { kind, class: VIRTUAL_NETWORK, target: vm.nic.0, ..NextHop::default() }
}

/// The hub's first appliance hands spoke B's packets to the second one.
fn in_a_row(world: &mut World) {
    for prefix in ["10.2.0.0/16", "fd00:2::/64"] {
        world.add_route(TABLE_HUB, prefix, to(&HUB_NVA2));
    }
}

/// The hub's appliance is its own next hop.
fn to_itself(world: &mut World) {
    for prefix in ["10.2.0.0/16", "fd00:2::/64"] {
        world.add_route(TABLE_HUB, prefix, to(&HUB_NVA));
    }
}

/// Spoke B is reached from spoke A through both appliances.
fn spread(world: &mut World, members: &[&Vm]) {
    let over = |vm: &&Vm| NextHop { link: A_TO_HUB, reverse: HUB_TO_A, ..to(vm) };
    let hop = world.spread_over(&members.iter().map(over).collect::<Vec<_>>());
    for prefix in ["10.2.0.0/16", "fd00:2::/64"] {
        world.add_route(TABLE_A, prefix, hop);
    }
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [in_line(), several()].concat()
}

fn in_line() -> Vec<Case> {
    let (nva, len) = (&HUB_NVA, forwarded(9).len());
    let onward = |packet: Packet| tunneled((HOST1, HOST2), (nva, &HUB_NVA2), packet);
    vec![
        Case::from_vm("appliances: one to another costs a hop", nva, &sent(nva, forwarded(64)))
            .with(in_a_row)
            .transmits(HOST2_ID, &onward(forwarded(63))),
        Case::from_vm("appliances: one to another, IPv6", nva, &sent(nva, forwarded6(64)))
            .with(in_a_row)
            .transmits(HOST2_ID, &onward(forwarded6(63))),
        Case::from_vm("appliances: the flow's next packet", nva, &sent(nva, forwarded(64)))
            .with(in_a_row)
            .after_from(nva, sent(nva, forwarded(64)))
            .after_from(nva, sent(nva, forwarded(64)))
            .transmits(HOST2_ID, &onward(forwarded(63))),
        Case::from_vm("appliances: no hop left, known flow", nva, &sent(nva, forwarded(1)))
            .with(in_a_row)
            .after_from(nva, sent(nva, forwarded(64)))
            .after_from(nva, sent(nva, forwarded(64)))
            .drops(nva.slot(), DropReason::HopLimitExceeded, len),
        Case::from_vm("appliances: no hop left", nva, &sent(nva, forwarded(1)))
            .with(in_a_row)
            .drops(nva.slot(), DropReason::HopLimitExceeded, len),
        Case::from_vm("appliances: no hop left, IPv6", nva, &sent(nva, forwarded6(1)))
            .with(in_a_row)
            .drops(nva.slot(), DropReason::HopLimitExceeded, forwarded6(1).len()),
        Case::from_vm(
            "appliances: its own packet costs none",
            nva,
            &sent(nva, udp4(nva, &TENANT_B_VM1)),
        )
        .with(in_a_row)
        .transmits(HOST2_ID, &onward(udp4(nva, &TENANT_B_VM1))),
        Case::from_vm("appliances: its own next hop", nva, &sent(nva, forwarded(64)))
            .with(to_itself)
            .drops(nva.slot(), DropReason::RouteLoop, len),
        Case::from_vm("appliances: its own next hop, IPv6", nva, &sent(nva, forwarded6(64)))
            .with(to_itself)
            .drops(nva.slot(), DropReason::RouteLoop, forwarded6(1).len()),
    ]
}

fn several() -> Vec<Case> {
    let (a, nva, b) = (&TENANT_A_VM1, &HUB_NVA, &TENANT_B_VM1);
    let (packet, packet6) = (udp4(a, b), tcp6(a, b));
    vec![
        Case::from_vm("appliances: spread, this host's", a, &sent(a, packet.clone()))
            .with(|world| spread(world, &[&HUB_NVA]))
            .delivers(nva, &received(nva, packet.clone()))
            .egress(A_TO_HUB, 1, packet.len())
            .ingress(HUB_TO_A, 1, packet.len()),
        Case::from_vm("appliances: spread, IPv6", a, &sent(a, packet6.clone()))
            .with(|world| spread(world, &[&HUB_NVA]))
            .delivers(nva, &received(nva, packet6.clone()))
            .egress(A_TO_HUB, 1, packet6.len())
            .ingress(HUB_TO_A, 1, packet6.len()),
        Case::from_vm("appliances: spread, another host's", a, &sent(a, packet.clone()))
            .with(|world| spread(world, &[&HUB_NVA2]))
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (a, &HUB_NVA2), packet.clone()))
            .egress(A_TO_HUB, 1, packet.len()),
        Case::from_vm("appliances: spread over nobody", a, &sent(a, packet.clone()))
            .with(|world| {
                spread(world, &[&HUB_NVA]);
                world.spread.clear();
            })
            .drops(a.slot(), DropReason::NextHopUnreachable, packet.len()),
    ]
}
