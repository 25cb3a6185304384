//! IPv6 neighbour discovery: the virtual router answers for every address of the VNet.

use std::net::Ipv6Addr;

use vnetpeer_common::{reason::DropReason, types::Mac};

use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1},
};

/// The virtual router's link-local address.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc);

fn link_local() -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11)
}

fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// A message with a target and options.
fn message(kind: u8, flags: u32, target: Ipv6Addr, options: &[u8]) -> Transport {
    let payload = [&target.octets()[..], options].concat();
    Transport::Icmp { kind, code: 0, rest: flags, payload }
}

/// The source or target link-layer address option.
fn option(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1][..], &mac.0].concat()
}

fn packet(src: Ipv6Addr, dst: Ipv6Addr, transport: Transport) -> Packet {
    Packet::v6(src, dst).transport(transport).ip6(|ip| ip.hop_limit = 255)
}

/// A solicitation of the first machine.
fn solicitation(src: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Packet {
    let dst = solicited_node(target);
    let [.., a, b, c, d] = dst.octets();
    packet(src, dst, message(135, 0, target, options))
        .between(TENANT_A_VM1.mac, Mac([0x33, 0x33, a, b, c, d]))
}

/// The virtual router's answer.
fn advertisement(dst: Ipv6Addr, target: Ipv6Addr, flags: u32, options: &[u8]) -> Packet {
    packet(target, dst, message(136, flags, target, options)).between(Mac::ROUTER, TENANT_A_VM1.mac)
}

const SOLICITED_OVERRIDE: u32 = 0x6000_0000;
const FROM_ROUTER: u32 = 0xe000_0000;

/// The cases.
pub fn cases() -> Vec<Case> {
    [answers(), refusals()].concat()
}

fn answers() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let source = option(1, vm.mac);
    let target = option(2, Mac::ROUTER);
    let neighbour = TENANT_A_VM2.v6;
    let any = Ipv6Addr::new(0xfd00, 1, 0, 7, 8, 9, 10, 11);
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let with_nonce = [source.clone(), nonce.to_vec()].concat();
    let answer_with_nonce = [target.clone(), nonce.to_vec()].concat();
    vec![
        Case::from_vm("neighbor: the router", vm, &solicitation(link_local(), ROUTER, &source))
            .replies(&advertisement(link_local(), ROUTER, FROM_ROUTER, &target)),
        Case::from_vm("neighbor: a neighbour", vm, &solicitation(vm.v6, neighbour, &source))
            .replies(&advertisement(vm.v6, neighbour, SOLICITED_OVERRIDE, &target)),
        Case::from_vm(
            "neighbor: an address that no NIC has",
            vm,
            &solicitation(vm.v6, any, &source),
        )
        .replies(&advertisement(vm.v6, any, SOLICITED_OVERRIDE, &target)),
        Case::from_vm("neighbor: without an option", vm, &solicitation(vm.v6, neighbour, &[]))
            .replies(&advertisement(vm.v6, neighbour, SOLICITED_OVERRIDE, &[])),
        Case::from_vm("neighbor: two options", vm, &solicitation(vm.v6, neighbour, &with_nonce))
            .replies(&advertisement(vm.v6, neighbour, SOLICITED_OVERRIDE, &answer_with_nonce)),
        Case::from_vm("neighbor: another option", vm, &solicitation(vm.v6, neighbour, &nonce))
            .replies(&advertisement(vm.v6, neighbour, SOLICITED_OVERRIDE, &nonce)),
    ]
}

fn refusals() -> Vec<Case> {
    let vm = &TENANT_A_VM1;
    let source = option(1, vm.mac);
    let neighbour = TENANT_A_VM2.v6;
    let case = |name, packet: Packet, reason| {
        Case::from_vm(name, vm, &packet).drops(vm.slot(), reason, packet.len())
    };
    let usual = solicitation(vm.v6, neighbour, &source);
    let code = Transport::Icmp { kind: 135, code: 1, rest: 0, payload: vec![0; 24] };
    let cut = usual.clone().transport(Transport::Raw { protocol: 58, bytes: vec![135; 20] });
    let other_length = usual.clone().ip6(|ip| ip.payload_len = Some(16));
    let of_router =
        |kind| packet(vm.v6, ROUTER, message(kind, 0, vm.v6, &[])).between(vm.mac, Mac::ROUTER);
    let all_routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    let to_all_routers = packet(vm.v6, all_routers, message(133, 0, vm.v6, &[]))
        .between(vm.mac, Mac([0x33, 0x33, 0, 0, 0, 2]));
    vec![
        case(
            "neighbor: duplicate address detection",
            solicitation(Ipv6Addr::UNSPECIFIED, vm.v6, &[]),
            DropReason::NeighborOwnAddress,
        ),
        case(
            "neighbor: the own address",
            solicitation(vm.v6, vm.v6, &source),
            DropReason::NeighborOwnAddress,
        ),
        case(
            "neighbor: spoofed source",
            solicitation(neighbour, ROUTER, &source),
            DropReason::SourceAddressSpoofed,
        ),
        case(
            "neighbor: an address of the peer",
            solicitation(vm.v6, TENANT_B_VM1.v6, &source),
            DropReason::NeighborInvalid,
        ),
        case(
            "neighbor: came through a router",
            usual.clone().ip6(|ip| ip.hop_limit = 254),
            DropReason::NeighborInvalid,
        ),
        case("neighbor: code", usual.clone().transport(code), DropReason::NeighborInvalid),
        case("neighbor: truncated", cut, DropReason::NeighborInvalid),
        Case::from_vm("neighbor: longer than its packet", vm, &other_length).drops(
            vm.slot(),
            DropReason::NeighborInvalid,
            40 + 16,
        ),
        case(
            "neighbor: behind an extension header",
            usual.ip6(|ip| ip.options(60, 8)),
            DropReason::NeighborInvalid,
        ),
        case("neighbor: a guest advertises", of_router(136), DropReason::NeighborInvalid),
        case("neighbor: a guest plays router", of_router(134), DropReason::RouterAdvertisement),
        case("neighbor: a guest redirects", of_router(137), DropReason::RouterAdvertisement),
        case("neighbor: router solicitation", to_all_routers, DropReason::GroupDestination),
    ]
}
