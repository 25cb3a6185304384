//! A gateway in the hub that a spoke uses: what crosses the peering to and from what is behind the
//! gateway is the spoke's to pay, and needs no `allowForwardedTraffic`.

use std::net::{Ipv4Addr, Ipv6Addr};

use vnetpeer_common::{
    abi::{NextHop, address_class::VIRTUAL_NETWORK, link_flags, next_hop_kind, nic_flags},
    reason::DropReason,
};

use super::{HOST1, HOST2, received, sent, tunneled, udp4};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_TO_HUB, HOST2 as HOST2_ID, HUB_NVA, HUB_NVA2, HUB_TO_A, LINK_ALL, TABLE_A, TENANT_A_VM1,
        TENANT_A_VM3, Vm, World,
    },
};

/// A machine behind the gateway.
const ON_PREM: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 7);
/// The same over IPv6.
const ON_PREM_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x192, 0, 0, 0, 0, 0, 7);

/// Spoke A uses the hub's gateway, which is `HUB_NVA`, and takes no forwarded traffic.
fn gateway_here(world: &mut World) {
    gateway(world, &HUB_NVA);
}

/// The same, and the gateway is `HUB_NVA2` on host 2.
fn gateway_there(world: &mut World) {
    gateway(world, &HUB_NVA2);
}

fn gateway(world: &mut World, vm: &Vm) {
    world.nic_mut(vm).flags |= nic_flags::GATEWAY | nic_flags::FORWARDING;
    let flags = LINK_ALL & !link_flags::ALLOW_FORWARDED | link_flags::USE_REMOTE_GATEWAYS;
    world.set_link(A_TO_HUB, flags);
    let (link, reverse) = (A_TO_HUB, HUB_TO_A);
    let (kind, class, target) = (next_hop_kind::NIC, VIRTUAL_NETWORK, vm.nic.0);
    for prefix in ["192.168.0.0/16", "fd00:192::/32"] {
        world.add_route(TABLE_A, prefix, NextHop { kind, class, target, link, reverse });
    }
}

fn out(from: &Vm) -> Packet {
    Packet::v4(from.v4, ON_PREM).udp(40_000, 53, 64)
}

fn out6(from: &Vm) -> Packet {
    Packet::v6(from.v6, ON_PREM_V6).udp(40_000, 53, 64)
}

fn back(to: &Vm) -> Packet {
    Packet::v4(ON_PREM, to.v4).udp(53, 40_000, 64)
}

fn back6(to: &Vm) -> Packet {
    Packet::v6(ON_PREM_V6, to.v6).udp(53, 40_000, 64)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [on_this_host(), on_another_host()].concat()
}

fn on_this_host() -> Vec<Case> {
    let (a, gateway) = (&TENANT_A_VM1, &HUB_NVA);
    let (len, len6) = (out(a).len(), out6(a).len());
    let own = udp4(gateway, a);
    vec![
        Case::from_vm("gateways: out, the spoke pays", a, &sent(a, out(a)))
            .with(gateway_here)
            .delivers(gateway, &received(gateway, out(a)))
            .egress(A_TO_HUB, 1, len),
        Case::from_vm("gateways: out, IPv6", a, &sent(a, out6(a)))
            .with(gateway_here)
            .delivers(gateway, &received(gateway, out6(a)))
            .egress(A_TO_HUB, 1, len6),
        Case::from_vm("gateways: out, the flow's next packet", a, &sent(a, out(a)))
            .with(gateway_here)
            .after_from(a, sent(a, out(a)))
            .after_from(a, sent(a, out(a)))
            .delivers(gateway, &received(gateway, out(a)))
            .egress(A_TO_HUB, 1, len),
        Case::from_vm("gateways: in, the spoke pays", gateway, &sent(gateway, back(a)))
            .with(gateway_here)
            .delivers(a, &received(a, back(a)))
            .ingress(A_TO_HUB, 1, len),
        Case::from_vm("gateways: in, IPv6", gateway, &sent(gateway, back6(a)))
            .with(gateway_here)
            .delivers(a, &received(a, back6(a)))
            .ingress(A_TO_HUB, 1, len6),
        Case::from_vm("gateways: not the spoke's gateway", gateway, &sent(gateway, back(a)))
            .with(|world| {
                gateway_here(world);
                world.set_link(A_TO_HUB, LINK_ALL & !link_flags::ALLOW_FORWARDED);
            })
            .drops(a.slot(), DropReason::ForwardedTrafficDenied, len)
            .blames(A_TO_HUB),
        Case::from_vm("gateways: its own packet", gateway, &sent(gateway, own.clone()))
            .with(gateway_here)
            .delivers(a, &received(a, own.clone()))
            .egress(HUB_TO_A, 1, own.len())
            .ingress(A_TO_HUB, 1, own.len()),
        Case::from_vm("gateways: to its own address", a, &sent(a, udp4(a, gateway)))
            .with(gateway_here)
            .delivers(gateway, &received(gateway, udp4(a, gateway)))
            .egress(A_TO_HUB, 1, own.len())
            .ingress(HUB_TO_A, 1, own.len()),
    ]
}

fn on_another_host() -> Vec<Case> {
    let (a, there, here) = (&TENANT_A_VM1, &HUB_NVA2, &HUB_NVA);
    let len = out(a).len();
    let inward = tunneled((HOST2, HOST1), (there, a), back(a));
    vec![
        Case::from_vm("gateways: out to host 2", a, &sent(a, out(a)))
            .with(gateway_there)
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (a, there), out(a)))
            .egress(A_TO_HUB, 1, len),
        Case::from_underlay("gateways: in from host 2", &inward)
            .with(gateway_there)
            .delivers(a, &received(a, back(a)))
            .ingress(A_TO_HUB, 1, len),
        Case::from_underlay(
            "gateways: out from host 2",
            &tunneled((HOST2, HOST1), (&TENANT_A_VM3, here), out(&TENANT_A_VM3)),
        )
        .with(gateway_here)
        .delivers(here, &received(here, out(&TENANT_A_VM3))),
        Case::from_vm("gateways: in to host 2", here, &sent(here, back(&TENANT_A_VM3)))
            .with(gateway_here)
            .transmits(
                HOST2_ID,
                &tunneled((HOST1, HOST2), (here, &TENANT_A_VM3), back(&TENANT_A_VM3)),
            ),
    ]
}
