//! ARP: the virtual router answers for every address of the VNet.

use std::net::Ipv4Addr;

use vnetpeer_common::{reason::DropReason, types::Mac};

use crate::{
    case::Case,
    packet::{Arp, Packet},
    world::{HUB_NVA, TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, Vm},
};

const BROADCAST: Mac = Mac([0xff; 6]);

/// A request by `vm`.
pub(super) fn request(vm: &Vm, sender: Ipv4Addr, target: Ipv4Addr) -> Packet {
    Packet::arp(Arp::request(vm.mac, sender, target)).between(vm.mac, BROADCAST)
}

/// The virtual router's answer to it.
pub(super) fn reply(vm: &Vm, asker: Ipv4Addr, target: Ipv4Addr) -> Packet {
    Packet::arp(Arp::reply(Mac::ROUTER, target, vm.mac, asker)).between(Mac::ROUTER, vm.mac)
}

/// A case that ends in a drop at the first machine.
fn dropped(name: &'static str, packet: &Packet, reason: DropReason) -> Case {
    Case::from_vm(name, &TENANT_A_VM1, packet).drops(TENANT_A_VM1.slot(), reason, 0)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [answers(), refusals()].concat()
}

fn answers() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let second = Ipv4Addr::new(10, 1, 0, 14);
    let any = Ipv4Addr::new(10, 1, 99, 99);
    let padded = request(vm, vm.v4, vm.gateway()).with_trailer(18);
    vec![
        Case::from_vm("arp: the gateway", vm, &request(vm, vm.v4, vm.gateway())).replies(&reply(
            vm,
            vm.v4,
            vm.gateway(),
        )),
        Case::from_vm("arp: a neighbour", vm, &request(vm, vm.v4, TENANT_A_VM2.v4))
            .replies(&reply(vm, vm.v4, TENANT_A_VM2.v4)),
        Case::from_vm("arp: an address that no NIC has", vm, &request(vm, vm.v4, any))
            .replies(&reply(vm, vm.v4, any)),
        Case::from_vm("arp: from a further address", vm, &request(vm, second, vm.gateway()))
            .replies(&reply(vm, second, vm.gateway())),
        Case::from_vm("arp: padded to the shortest frame", vm, &padded)
            .replies(&reply(vm, vm.v4, vm.gateway()).with_trailer(18)),
        Case::from_vm(
            "arp: an appliance asks with a foreign address",
            &HUB_NVA,
            &request(&HUB_NVA, TENANT_A_VM1.v4, HUB_NVA.gateway()),
        )
        .replies(&reply(&HUB_NVA, TENANT_A_VM1.v4, HUB_NVA.gateway())),
    ]
}

fn refusals() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let other = TENANT_A_VM2.mac;
    let with = |change: fn(&mut Arp)| {
        let mut arp = Arp::request(vm.mac, vm.v4, vm.gateway());
        change(&mut arp);
        Packet::arp(arp).between(vm.mac, BROADCAST)
    };
    let mut short = request(vm, vm.v4, vm.gateway()).bytes();
    short.truncate(14 + 27);
    let unspecified = Ipv4Addr::UNSPECIFIED;
    vec![
        dropped("arp: probe of the own address", &request(vm, unspecified, vm.v4), ARP_OWN),
        dropped("arp: announcement", &request(vm, vm.v4, vm.v4), ARP_OWN),
        dropped("arp: probe of another address", &request(vm, unspecified, vm.gateway()), ARP_OWN),
        dropped(
            "arp: an address of the peer",
            &request(vm, vm.v4, TENANT_B_VM1.v4),
            DropReason::ArpInvalid,
        ),
        dropped(
            "arp: spoofed sender address",
            &request(vm, TENANT_A_VM2.v4, vm.gateway()),
            DropReason::SourceAddressSpoofed,
        ),
        dropped(
            "arp: spoofed sender MAC",
            &with(|arp| arp.sender_mac = TENANT_A_VM2.mac),
            DropReason::SourceMacSpoofed,
        ),
        dropped(
            "arp: spoofed Ethernet source",
            &request(vm, vm.v4, vm.gateway()).between(other, BROADCAST),
            DropReason::SourceMacSpoofed,
        ),
        dropped("arp: a reply", &with(|arp| arp.operation = 2), DropReason::ArpInvalid),
        dropped("arp: not Ethernet", &with(|arp| arp.hardware = 6), DropReason::ArpInvalid),
        Case::from_interface("arp: one byte short", vm.ifindex(), short).drops(
            vm.slot(),
            DropReason::Malformed,
            0,
        ),
    ]
}

const ARP_OWN: DropReason = DropReason::ArpOwnAddress;
