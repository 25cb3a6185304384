//! What a frontend does not take.

use vnetpeer_common::{
    abi::{link_flags, nic_flags},
    reason::DropReason,
};

use super::{
    super::sent, BACKEND_PORT, FRONTEND, PORT, answer4, empty, here, reaches, syn4, udp4, udp6,
};
use crate::{
    case::Case,
    packet::Packet,
    world::{A_TO_B, LINK_ALL, TENANT_A_VM1, TENANT_B_VM1},
};

/// The cases.
pub(super) fn cases() -> Vec<Case> {
    [by_rule(), by_kind()].concat()
}

fn refused(name: &'static str, packet: Packet, reason: DropReason) -> Case {
    let (a, len) = (&TENANT_A_VM1, packet.len());
    Case::from_vm(name, a, &sent(a, packet)).with(here).drops(a.slot(), reason, len)
}

fn by_rule() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    let (syn, own) = (syn4(a, f.v4, PORT), syn4(b, f.v4, PORT));
    vec![
        refused(
            "balancers: no rule for the port",
            syn4(a, f.v4, 82),
            DropReason::LoadBalancerNoRule,
        ),
        refused(
            "balancers: no rule for the protocol",
            udp4(a, f.v4, 81),
            DropReason::LoadBalancerNoRule,
        ),
        refused("balancers: no backend", syn.clone(), DropReason::LoadBalancerNoBackend)
            .with(empty),
        refused(
            "balancers: a backend that is gone",
            syn.clone(),
            DropReason::LoadBalancerNoBackend,
        )
        .with(|world| {
            here(world);
            world.nic_mut(&TENANT_B_VM1).flags = 0;
        }),
        Case::from_vm("balancers: a backend does not reach itself", b, &sent(b, own.clone()))
            .with(here)
            .drops(b.slot(), DropReason::LoadBalancerLoop, own.len()),
        refused(
            "balancers: SKU Basic from another region",
            syn.clone(),
            DropReason::LoadBalancerNotGlobal,
        )
        .with(|world| {
            here(world);
            world.nic_mut(&FRONTEND).flags |= nic_flags::BASIC;
            world.set_link(A_TO_B, LINK_ALL | link_flags::GLOBAL);
        }),
        reaches("balancers: SKU Basic in its region", syn.clone(), syn4(a, b.v4, BACKEND_PORT))
            .with(|world| {
                here(world);
                world.nic_mut(&FRONTEND).flags |= nic_flags::BASIC;
            }),
        reaches("balancers: SKU Standard from another region", syn, syn4(a, b.v4, BACKEND_PORT))
            .with(|world| {
                here(world);
                world.set_link(A_TO_B, LINK_ALL | link_flags::GLOBAL);
            }),
    ]
}

fn by_kind() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    let unfit = DropReason::LoadBalancerProtocol;
    let answered = answer4(f.v4, PORT, a).network_bytes();
    let quoted = syn4(a, b.v4, BACKEND_PORT).network_bytes();
    let unreachable = Packet::v4(b.v4, a.v4).icmp_error(3, 3, &quoted);
    vec![
        refused("balancers: no ICMP", Packet::v4(a.v4, f.v4).ping(16), unfit),
        refused("balancers: no ICMPv6", Packet::v6(a.v6, f.v6).ping(16), unfit),
        refused(
            "balancers: no ICMP error to a frontend",
            Packet::v4(a.v4, f.v4).icmp_error(3, 3, &answered),
            unfit,
        )
        .after_from(a, syn4(a, f.v4, PORT)),
        refused(
            "balancers: no first fragment",
            udp4(a, f.v4, PORT).ip4(|ip| ip.fragment = 0x2000),
            unfit,
        ),
        refused(
            "balancers: no fragment over IPv6",
            udp6(a, f.v6, PORT).ip6(|ip| ip.fragment(1)),
            unfit,
        ),
        Case::from_vm("balancers: no ICMP error from a backend", b, &sent(b, unreachable.clone()))
            .with(here)
            .after_from(a, syn4(a, f.v4, PORT))
            .drops(b.slot(), unfit, unreachable.len()),
    ]
}
