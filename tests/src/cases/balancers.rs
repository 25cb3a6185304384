//! Load balancers: the sender's host chooses the backend, the backend's host translates.

mod refused;
mod special;

use std::net::{Ipv4Addr, Ipv6Addr};

use vnetpeer_common::{
    abi::{
        Balancer, FrontendKey, NextHop, address_class::VIRTUAL_NETWORK, balancer_flags,
        distribution, next_hop_kind, protocol_class,
    },
    reason::DropReason,
    types::{Mac, NicId, VtepId},
};

use super::{HOST1, HOST2, policies::allow, policies::into_b, received, sent, tunneled};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_TO_B, A_TO_HUB, B_TO_A, HOST2 as HOST2_ID, HUB, HUB_TO_A, Side, TABLE_A, TABLE_B,
        TABLE_HUB, TENANT_A_VM1, TENANT_A_VM3, TENANT_B, TENANT_B_VM1, TENANT_B_VM2, Vm, World,
    },
};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
/// The frontend's port.
pub const PORT: u16 = 80;
/// The backends' port.
const BACKEND_PORT: u16 = 8080;

/// The frontend in spoke B.
pub const FRONTEND: Vm = Vm {
    nic: NicId(0x0300),
    vnet: TENANT_B,
    mac: Mac([0; 6]),
    v4: Ipv4Addr::new(10, 2, 1, 100),
    v6: Ipv6Addr::new(0xfd00, 2, 0, 1, 0, 0, 0, 0x100),
    host: VtepId::NONE,
    table: TABLE_B,
    flags: 0,
    mtu: 0,
};
/// The frontend before the hub's appliances.
const BEFORE_NVAS: Vm = Vm {
    nic: NicId(0x0301),
    vnet: HUB,
    v4: Ipv4Addr::new(10, 0, 1, 100),
    v6: Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0x100),
    table: TABLE_HUB,
    ..FRONTEND
};

fn key(protocol: u8, port: u16) -> FrontendKey {
    FrontendKey::of_port(FRONTEND.nic, protocol, port)
}

/// Rules for TCP, UDP and one with another distribution, over these backends.
fn over(world: &mut World, flags: u32, members: &[&Vm]) {
    let members: Vec<NicId> = members.iter().map(|vm| vm.nic).collect();
    world.add_frontend(&FRONTEND);
    let rule =
        Balancer { flags, frontend_port: PORT, backend_port: BACKEND_PORT, ..Balancer::default() };
    world.balance(key(TCP, PORT), rule, &members);
    world.balance(key(UDP, PORT), rule, &members);
    let sticky = Balancer { distribution: distribution::SOURCE_IP, frontend_port: 81, ..rule };
    world.balance(key(TCP, 81), sticky, &members);
}

/// The fixed network with a frontend before these backends.
pub fn world_over(members: &[&Vm]) -> World {
    let mut world = World::new();
    over(&mut world, 0, members);
    world
}

/// The backend is on this host.
fn here(world: &mut World) {
    over(world, 0, &[&TENANT_B_VM1]);
}

/// The backend is on host 2.
fn there(world: &mut World) {
    over(world, 0, &[&TENANT_B_VM2]);
}

fn empty(world: &mut World) {
    over(world, 0, &[]);
}

fn floating(world: &mut World) {
    over(world, balancer_flags::FLOATING, &[&TENANT_B_VM1]);
}

/// HA ports, which change no port.
fn all_ports(world: &mut World) {
    world.add_frontend(&FRONTEND);
    let key = FrontendKey::of_all_ports(FRONTEND.nic);
    world.balance(key, Balancer::default(), &[TENANT_B_VM1.nic]);
}

/// Spoke B is reached from spoke A through one of the hub's appliances, by their frontend.
fn before_nvas(world: &mut World, members: &[&Vm]) {
    let members: Vec<NicId> = members.iter().map(|vm| vm.nic).collect();
    world.add_frontend(&BEFORE_NVAS);
    world.balance(FrontendKey::of_all_ports(BEFORE_NVAS.nic), Balancer::default(), &members);
    let next = NextHop {
        kind: next_hop_kind::NIC,
        class: VIRTUAL_NETWORK,
        target: BEFORE_NVAS.nic.0,
        link: A_TO_HUB,
        reverse: HUB_TO_A,
    };
    for prefix in ["10.2.0.0/16", "fd00:2::/48"] {
        world.add_route(TABLE_A, prefix, next);
    }
}

/// A NIC's number as hosts tell it to each other where it is to act as a backend.
fn as_backend(vm: &Vm) -> Vm {
    Vm { nic: NicId(vm.nic.0 | 1 << 31), ..*vm }
}

fn syn4(from: &Vm, to: Ipv4Addr, port: u16) -> Packet {
    Packet::v4(from.v4, to).tcp_flags(40_000, port, SYN, 0)
}

fn syn6(from: &Vm, to: Ipv6Addr, port: u16) -> Packet {
    Packet::v6(from.v6, to).tcp_flags(40_000, port, SYN, 0)
}

fn ack4(from: &Vm, to: Ipv4Addr, port: u16) -> Packet {
    Packet::v4(from.v4, to).tcp(40_000, port, 80)
}

fn answer4(from: Ipv4Addr, port: u16, to: &Vm) -> Packet {
    Packet::v4(from, to.v4).tcp_flags(port, 40_000, SYN_ACK, 0)
}

fn answer6(from: Ipv6Addr, port: u16, to: &Vm) -> Packet {
    Packet::v6(from, to.v6).tcp_flags(port, 40_000, SYN_ACK, 0)
}

fn udp4(from: &Vm, to: Ipv4Addr, port: u16) -> Packet {
    Packet::v4(from.v4, to).udp(40_000, port, 65)
}

fn udp6(from: &Vm, to: Ipv6Addr, port: u16) -> Packet {
    Packet::v6(from.v6, to).udp(40_000, port, 65)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [
        to_a_backend_here(),
        answers_here(),
        from_another_host(),
        to_another_host(),
        special::cases(),
        refused::cases(),
    ]
    .concat()
}

/// What spoke A's machine sends to the frontend arrives at spoke B's machine like this.
fn reaches(name: &'static str, sent_so: Packet, seen_so: Packet) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, sent_so.len());
    Case::from_vm(name, a, &sent(a, sent_so))
        .with(here)
        .delivers(b, &received(b, seen_so))
        .egress(A_TO_B, 1, len)
        .ingress(B_TO_A, 1, len)
}

fn to_a_backend_here() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    vec![
        reaches("balancers: TCP", syn4(a, f.v4, PORT), syn4(a, b.v4, BACKEND_PORT)),
        reaches("balancers: TCP, IPv6", syn6(a, f.v6, PORT), syn6(a, b.v6, BACKEND_PORT)),
        reaches("balancers: UDP", udp4(a, f.v4, PORT), udp4(a, b.v4, BACKEND_PORT)),
        reaches("balancers: UDP, IPv6", udp6(a, f.v6, PORT), udp6(a, b.v6, BACKEND_PORT)),
        reaches("balancers: by source", syn4(a, f.v4, 81), syn4(a, b.v4, BACKEND_PORT)),
        reaches(
            "balancers: the connection's fourth packet",
            ack4(a, f.v4, PORT),
            ack4(a, b.v4, BACKEND_PORT),
        )
        .after_from(a, syn4(a, f.v4, PORT))
        .after_from(a, ack4(a, f.v4, PORT))
        .after_from(a, ack4(a, f.v4, PORT)),
        reaches(
            "balancers: rules see the backend's address and port",
            syn4(a, f.v4, PORT),
            syn4(a, b.v4, BACKEND_PORT),
        )
        .with(|world| {
            here(world);
            let to = Side { ports: BACKEND_PORT..=BACKEND_PORT, ..Side::prefix("10.2.0.4/32") };
            into_b(world, [vec![], vec![], allow(Some(protocol_class::TCP), to)]);
        }),
        Case::from_vm(
            "balancers: rules for the frontend's port let nothing in",
            a,
            &sent(a, syn4(a, f.v4, PORT)),
        )
        .with(|world| {
            here(world);
            into_b(world, [vec![], vec![], allow(None, Side::port(PORT))]);
        })
        .drops(b.slot(), DropReason::InboundRuleDenied, syn4(a, f.v4, PORT).len()),
    ]
}

/// What spoke B's machine answers arrives at spoke A's like this.
fn returns(name: &'static str, sent_so: Packet, seen_so: Packet) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, sent_so.len());
    Case::from_vm(name, b, &sent(b, sent_so))
        .with(here)
        .delivers(a, &received(a, seen_so))
        .egress(B_TO_A, 1, len)
        .ingress(A_TO_B, 1, len)
}

fn answers_here() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM1, &FRONTEND);
    let part = |field: u16, range: std::ops::Range<usize>, src: Ipv4Addr, port: u16| {
        Packet::v4(src, a.v4).udp(port, 40_000, 64).ip4(move |ip| {
            ip.fragment = field;
            ip.part = Some(range);
        })
    };
    vec![
        returns(
            "balancers: an answer comes from the frontend",
            answer4(b.v4, BACKEND_PORT, a),
            answer4(f.v4, PORT, a),
        )
        .after_from(a, syn4(a, f.v4, PORT)),
        returns(
            "balancers: an answer over IPv6",
            answer6(b.v6, BACKEND_PORT, a),
            answer6(f.v6, PORT, a),
        )
        .after_from(a, syn6(a, f.v6, PORT)),
        returns(
            "balancers: an answer by UDP",
            Packet::v4(b.v4, a.v4).udp(BACKEND_PORT, 40_000, 9),
            Packet::v4(f.v4, a.v4).udp(PORT, 40_000, 9),
        )
        .after_from(a, udp4(a, f.v4, PORT)),
        returns(
            "balancers: the client has rules, and knows the answer",
            answer4(b.v4, BACKEND_PORT, a),
            answer4(f.v4, PORT, a),
        )
        .with(|world| {
            here(world);
            super::policies::guard(
                world,
                &TENANT_A_VM1,
                [vec![], vec![], allow(None, Side::port(PORT))],
                [vec![], vec![], super::policies::defaults()],
            );
        })
        .after_from(a, syn4(a, f.v4, PORT)),
        returns(
            "balancers: the first fragment of an answer",
            part(0x2000, 0..24, b.v4, BACKEND_PORT),
            part(0x2000, 0..24, f.v4, PORT),
        )
        .after_from(a, udp4(a, f.v4, PORT)),
        returns(
            "balancers: a later fragment of an answer",
            part(3, 24..72, b.v4, BACKEND_PORT),
            part(3, 24..72, f.v4, PORT),
        )
        .after_from(a, udp4(a, f.v4, PORT))
        .after(&sent(b, part(0x2000, 0..24, b.v4, BACKEND_PORT))),
        returns(
            "balancers: what the backend sends by itself is its own",
            Packet::v4(b.v4, a.v4).udp(BACKEND_PORT, 40_000, 9),
            Packet::v4(b.v4, a.v4).udp(BACKEND_PORT, 40_000, 9),
        ),
        returns(
            "balancers: what was for the backend itself is answered by itself",
            answer4(b.v4, BACKEND_PORT, a),
            answer4(b.v4, BACKEND_PORT, a),
        )
        .after_from(a, syn4(a, f.v4, PORT))
        .after_from(a, syn4(a, b.v4, BACKEND_PORT)),
    ]
}

fn from_another_host() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM3, &TENANT_B_VM1, &FRONTEND);
    let inward = |packet: Packet| tunneled((HOST2, HOST1), (a, &as_backend(b)), packet);
    let outward = |packet: Packet| tunneled((HOST1, HOST2), (b, a), packet);
    let arrives = |name, packet: Packet, seen: Packet| {
        Case::from_underlay(name, &inward(packet.clone()))
            .with(here)
            .delivers(b, &received(b, seen))
            .ingress(B_TO_A, 1, packet.len())
    };
    let answers = |name, first: Packet, packet: Packet, seen: Packet| {
        let mut case = Case::from_vm(name, b, &sent(b, packet.clone()))
            .with(here)
            .transmits(HOST2_ID, &outward(seen))
            .egress(B_TO_A, 1, packet.len());
        case.before.push((crate::case::Place::Underlay, inward(first).bytes()));
        case
    };
    vec![
        arrives("balancers: in from host 2", syn4(a, f.v4, PORT), syn4(a, b.v4, BACKEND_PORT)),
        arrives(
            "balancers: in from host 2, IPv6",
            syn6(a, f.v6, PORT),
            syn6(a, b.v6, BACKEND_PORT),
        ),
        arrives("balancers: in from host 2, UDP", udp4(a, f.v4, PORT), udp4(a, b.v4, BACKEND_PORT)),
        arrives(
            "balancers: in from host 2, the third",
            udp4(a, f.v4, PORT),
            udp4(a, b.v4, BACKEND_PORT),
        )
        .after(&inward(udp4(a, f.v4, PORT)))
        .after(&inward(udp4(a, f.v4, PORT))),
        answers(
            "balancers: an answer to host 2",
            syn4(a, f.v4, PORT),
            answer4(b.v4, BACKEND_PORT, a),
            answer4(f.v4, PORT, a),
        ),
        answers(
            "balancers: an answer to host 2, IPv6",
            syn6(a, f.v6, PORT),
            answer6(b.v6, BACKEND_PORT, a),
            answer6(f.v6, PORT, a),
        ),
        Case::from_underlay(
            "balancers: not as a backend",
            &tunneled((HOST2, HOST1), (a, b), syn4(a, f.v4, PORT)),
        )
        .with(here)
        .drops(b.slot(), DropReason::ForwardingDisabled, syn4(a, f.v4, PORT).len()),
        Case::from_underlay("balancers: as a backend of nobody", &inward(syn4(a, b.v4, PORT)))
            .with(here)
            .drops(b.slot(), DropReason::LoadBalancerNoRule, syn4(a, f.v4, PORT).len()),
    ]
}

fn to_another_host() -> Vec<Case> {
    let (a, b, f) = (&TENANT_A_VM1, &TENANT_B_VM2, &FRONTEND);
    let outward = |packet: Packet| tunneled((HOST1, HOST2), (a, &as_backend(b)), packet);
    let goes = |name, packet: Packet| {
        Case::from_vm(name, a, &sent(a, packet.clone()))
            .with(there)
            .transmits(HOST2_ID, &outward(packet.clone()))
            .egress(A_TO_B, 1, packet.len())
    };
    let answer = answer4(f.v4, PORT, a);
    vec![
        goes("balancers: out to host 2, unchanged", syn4(a, f.v4, PORT)),
        goes("balancers: out to host 2, IPv6", syn6(a, f.v6, PORT)),
        goes("balancers: out to host 2, UDP", udp4(a, f.v4, PORT)),
        goes("balancers: out to host 2, the flow's third packet", udp4(a, f.v4, PORT))
            .after_from(a, udp4(a, f.v4, PORT))
            .after_from(a, udp4(a, f.v4, PORT)),
        Case::from_underlay(
            "balancers: an answer from host 2",
            &tunneled((HOST2, HOST1), (b, a), answer.clone()),
        )
        .with(there)
        .after_from(a, syn4(a, f.v4, PORT))
        .delivers(a, &received(a, answer.clone()))
        .ingress(A_TO_B, 1, answer.len()),
    ]
}
