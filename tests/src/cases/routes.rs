//! Where the effective routes lead.

use std::net::{Ipv4Addr, Ipv6Addr};

use vnetpeer_common::{
    abi::{NextHop, next_hop_kind},
    reason::DropReason,
    types::{NicId, TableId},
};

use super::{nowhere, received, sent, tcp6, udp4};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_UPLINK, FOREIGN_VM1, HUB_VM1, TABLE_A, TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, Vm,
    },
};

/// A case that ends in a drop at the machine that sends.
fn dropped(name: &'static str, vm: &Vm, packet: Packet, reason: DropReason) -> Case {
    let len = packet.len();
    Case::from_vm(name, vm, &sent(vm, packet)).drops(vm.slot(), reason, len)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [inside(), uplink(), dead_ends()].concat()
}

fn inside() -> Vec<Case> {
    let (vm, other) = (&TENANT_A_VM1, &TENANT_A_VM2);
    let to_self = udp4(vm, vm);
    vec![
        // Traffic inside a VNet is never metered.
        Case::from_vm("routes: same VNet, IPv4", vm, &sent(vm, udp4(vm, other)))
            .delivers(other, &received(other, udp4(vm, other))),
        Case::from_vm("routes: same VNet, IPv6", vm, &sent(vm, tcp6(vm, other)))
            .delivers(other, &received(other, tcp6(vm, other))),
        Case::from_vm("routes: to itself", vm, &sent(vm, to_self.clone()))
            .delivers(vm, &received(vm, to_self)),
        Case::from_vm(
            "routes: the longest prefix wins",
            vm,
            &sent(vm, Packet::v4(vm.v4, Ipv4Addr::new(10, 2, 0, 4)).ping(8)),
        )
        .with(|world| {
            let unreachable = NextHop { kind: next_hop_kind::UNREACHABLE, ..NextHop::default() };
            world.add_route(TABLE_A, "10.2.0.0/24", unreachable);
            let none = NextHop { kind: next_hop_kind::NONE, ..NextHop::default() };
            world.add_route(TABLE_A, "10.2.0.4/31", none);
        })
        .drops(vm.slot(), DropReason::RouteNone, 20 + 8 + 8),
    ]
}

fn uplink() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let out = Packet::v4(vm.v4, Ipv4Addr::new(198, 51, 100, 7)).udp(5, 6, 7);
    let out6 = Packet::v6(vm.v6, Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, 1)).tcp(5, 6, 7);
    let back = Packet::v4(Ipv4Addr::new(198, 51, 100, 7), vm.v4).udp(6, 5, 7);
    let local = Packet::v4(vm.v4, Ipv4Addr::new(169, 254, 1, 1)).udp(5, 6, 7);
    let local6 = Packet::v6(vm.v6, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9)).udp(5, 6, 7);
    vec![
        // Routers do not forward link-local addresses, whatever the default route says.
        dropped("routes: link-local, IPv4", vm, local, DropReason::NoRoute),
        dropped("routes: link-local, IPv6", vm, local6, DropReason::NoRoute),
        Case::from_vm("routes: Internet, IPv4", vm, &sent(vm, out.clone()))
            .delivers(&A_UPLINK, &received(&A_UPLINK, out)),
        Case::from_vm("routes: Internet, IPv6", vm, &sent(vm, out6.clone()))
            .delivers(&A_UPLINK, &received(&A_UPLINK, out6)),
        Case::from_vm("routes: from the Internet", &A_UPLINK, &sent(&A_UPLINK, back.clone()))
            .delivers(vm, &received(vm, back)),
        // From the Internet into the peer is forwarded traffic.
        Case::from_vm(
            "routes: from the Internet into the peer",
            &A_UPLINK,
            &sent(
                &A_UPLINK,
                Packet::v4(Ipv4Addr::new(198, 51, 100, 7), TENANT_B_VM1.v4).udp(6, 5, 7),
            ),
        )
        .drops(TENANT_B_VM1.slot(), DropReason::ForwardedTrafficDenied, 20 + 8 + 7),
    ]
}

fn dead_ends() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let to = |address| Packet::v4(vm.v4, address).udp(1, 2, 3);
    let none6 = Packet::v6(vm.v6, Ipv6Addr::new(0xfd00, 100, 0, 0, 0, 0, 0, 1)).udp(1, 2, 3);
    let stranger = udp4(&FOREIGN_VM1, &TENANT_B_VM1);
    vec![
        dropped("routes: None", vm, to(nowhere(100)), DropReason::RouteNone),
        dropped("routes: None, IPv6", vm, none6, DropReason::RouteNone),
        dropped("routes: unreachable", vm, to(nowhere(101)), DropReason::NextHopUnreachable),
        dropped("routes: no uplink", vm, to(nowhere(102)), DropReason::InternetUnavailable),
        dropped("routes: nobody there", vm, to(nowhere(2)), DropReason::NoEndpoint),
        dropped("routes: no route", &FOREIGN_VM1, stranger, DropReason::NoRoute),
        dropped(
            "routes: no route, IPv6",
            &FOREIGN_VM1,
            tcp6(&FOREIGN_VM1, &TENANT_B_VM1),
            DropReason::NoRoute,
        ),
        dropped("routes: a table without routes", vm, to(nowhere(2)), DropReason::NoRoute)
            .with(|world| world.nic_mut(&TENANT_A_VM1).table = TableId(9)),
        dropped("routes: no such table", vm, to(nowhere(2)), DropReason::Unconfigured)
            .with(|world| world.nic_mut(&TENANT_A_VM1).table = TableId(u32::MAX)),
        dropped("routes: a NIC that is gone", vm, udp4(vm, &HUB_VM1), DropReason::NoEndpoint)
            .with(|world| world.nic_mut(&HUB_VM1).flags = 0),
        dropped("routes: a NIC that never was", vm, to(nowhere(104)), DropReason::NoEndpoint).with(
            |world| {
                let target = NicId(77).0;
                let next = NextHop { kind: next_hop_kind::NIC, target, ..NextHop::default() };
                world.add_route(TABLE_A, "10.104.0.0/16", next);
            },
        ),
    ]
}
