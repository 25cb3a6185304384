//! What a guest may not send.

use std::net::{Ipv4Addr, Ipv6Addr};

use vnetpeer_common::{reason::DropReason, types::Mac};

use super::{received, sent, tcp6, udp4};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{A_TO_B, B_TO_A, HUB_NVA, TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1},
};

/// A case that ends in a drop at the first machine.
fn dropped(name: &'static str, packet: &Packet, reason: DropReason) -> Case {
    Case::from_vm(name, &TENANT_A_VM1, packet).drops(TENANT_A_VM1.slot(), reason, packet.len())
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [addresses(), further_addresses(), roles()].concat()
}

fn addresses() -> Vec<Case> {
    let (vm, peer) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let group = Packet::v4(vm.v4, Ipv4Addr::new(239, 1, 1, 1)).udp(1, 2, 8);
    let group6 = Packet::v6(vm.v6, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)).udp(1, 2, 8);
    let limited = Packet::v4(vm.v4, Ipv4Addr::BROADCAST).udp(68, 67, 240);
    vec![
        dropped(
            "spoof: source MAC",
            &udp4(vm, peer).between(TENANT_A_VM2.mac, Mac::ROUTER),
            DropReason::SourceMacSpoofed,
        ),
        dropped(
            "spoof: IPv4 source",
            &sent(vm, udp4(&TENANT_A_VM2, peer)),
            DropReason::SourceAddressSpoofed,
        ),
        dropped(
            "spoof: IPv6 source",
            &sent(vm, tcp6(&TENANT_A_VM2, peer)),
            DropReason::SourceAddressSpoofed,
        ),
        dropped(
            "spoof: unspecified source",
            &sent(vm, Packet::v4(Ipv4Addr::UNSPECIFIED, peer.v4).udp(1, 2, 8)),
            DropReason::SourceAddressSpoofed,
        ),
        dropped(
            "spoof: a neighbour's MAC as destination",
            &udp4(vm, &TENANT_A_VM2).between(vm.mac, TENANT_A_VM2.mac),
            DropReason::DestinationMacUnknown,
        ),
        dropped(
            "spoof: broadcast frame",
            &limited.between(vm.mac, Mac([0xff; 6])),
            DropReason::GroupDestination,
        ),
        dropped("spoof: multicast IPv4", &sent(vm, group), DropReason::GroupDestination),
        dropped("spoof: multicast IPv6", &sent(vm, group6), DropReason::GroupDestination),
        dropped(
            "spoof: broadcast address",
            &sent(vm, Packet::v4(vm.v4, Ipv4Addr::BROADCAST).udp(1, 2, 8)),
            DropReason::GroupDestination,
        ),
        // An interface without addresses must not own the unspecified one.
        dropped(
            "spoof: unspecified source of a NIC without IPv4",
            &sent(vm, Packet::v4(Ipv4Addr::UNSPECIFIED, peer.v4).udp(1, 2, 12)),
            DropReason::SourceAddressSpoofed,
        )
        .with(|world| world.nic_mut(&TENANT_A_VM1).ipv4 = [0; 4]),
    ]
}

fn further_addresses() -> Vec<Case> {
    let (vm, peer) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let second = Packet::v4(Ipv4Addr::new(10, 1, 0, 14), peer.v4).udp(7, 8, 9);
    let second6 = Packet::v6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 14), peer.v6).udp(7, 8, 9);
    let to_second = Packet::v4(peer.v4, Ipv4Addr::new(10, 1, 0, 14)).udp(7, 8, 9);
    let (len, len6) = (second.len(), second6.len());
    vec![
        Case::from_vm("spoof: a further IPv4 address is its own", vm, &sent(vm, second.clone()))
            .delivers(peer, &received(peer, second.clone()))
            .egress(A_TO_B, 1, len)
            .ingress(B_TO_A, 1, len),
        Case::from_vm("spoof: a further IPv6 address is its own", vm, &sent(vm, second6.clone()))
            .delivers(peer, &received(peer, second6))
            .egress(A_TO_B, 1, len6)
            .ingress(B_TO_A, 1, len6),
        Case::from_vm("spoof: to a further address", peer, &sent(peer, to_second.clone()))
            .delivers(vm, &received(vm, to_second))
            .egress(B_TO_A, 1, len)
            .ingress(A_TO_B, 1, len),
        dropped(
            "spoof: a further address that was taken away",
            &sent(vm, second),
            DropReason::SourceAddressSpoofed,
        )
        .with(|world| world.addresses.clear()),
    ]
}

fn roles() -> Vec<Case> {
    let (vm, peer) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let offer = Transport::Udp { src: 67, dst: 68, payload: vec![2; 240], no_checksum: false };
    let offer6 = Transport::Udp { src: 547, dst: 546, payload: vec![2; 40], no_checksum: false };
    let forwarded = udp4(vm, &TENANT_B_VM1);
    let len = forwarded.len();
    vec![
        dropped(
            "spoof: DHCP server",
            &sent(vm, Packet::v4(vm.v4, peer.v4).transport(offer)),
            DropReason::DhcpServer,
        ),
        dropped(
            "spoof: DHCPv6 server",
            &sent(vm, Packet::v6(vm.v6, peer.v6).transport(offer6)),
            DropReason::DhcpServer,
        ),
        Case::from_vm("spoof: an appliance may", &HUB_NVA, &sent(&HUB_NVA, forwarded.clone()))
            .delivers(peer, &received(peer, forwarded.clone()))
            .egress(crate::world::HUB_TO_B, 1, len)
            .ingress(crate::world::B_TO_HUB, 1, len),
        Case::from_vm(
            "spoof: an appliance's MAC must be its own",
            &HUB_NVA,
            &forwarded.clone().between(vm.mac, Mac::ROUTER),
        )
        .drops(HUB_NVA.slot(), DropReason::SourceMacSpoofed, len),
        Case::from_interface(
            "spoof: an interface that belongs to no NIC",
            999,
            sent(vm, forwarded.clone()).bytes(),
        )
        .drops(0, DropReason::InterfaceUnknown, 0),
        Case::from_vm("spoof: a NIC that is not in use", vm, &sent(vm, forwarded))
            .with(|world| world.nic_mut(&TENANT_A_VM1).flags = 0)
            .drops(0, DropReason::InterfaceUnknown, 0),
    ]
}
