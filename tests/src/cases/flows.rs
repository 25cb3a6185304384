//! Flows: what follows an allowed packet, and what pretends to.

use vnetpeer_common::reason::DropReason;

use super::{
    policies::{allow, crosses, defaults, dropped, dropped_from, guard, into_b, syn4},
    received, sent, udp4,
};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{A_TO_B, B_TO_A, Side, TENANT_A_VM1, TENANT_B_VM1, Vm, World},
};

const TCP: Option<u32> = Some(0);
const ICMP: Option<u32> = Some(2);
const ACK: u8 = 0x10;
const SYN_ACK: u8 = 0x12;
const FIN: u8 = 0x11;
const RST: u8 = 0x04;

/// The second machine takes connections to port 443, and the first one nothing at all.
fn web(world: &mut World) {
    into_b(world, [vec![], allow(TCP, Side::port(443)), vec![]]);
    let closed = vec![crate::world::Rule::deny(91, None, Side::ANY, Side::ANY)];
    guard(world, &TENANT_A_VM1, [vec![], vec![], vec![]], [vec![], closed, vec![]]);
}

/// The second machine answers pings, and the first one takes nothing.
fn ping(world: &mut World) {
    into_b(world, [vec![], allow(ICMP, Side::ANY), vec![]]);
    let closed = vec![crate::world::Rule::deny(91, None, Side::ANY, Side::ANY)];
    guard(world, &TENANT_A_VM1, [vec![], vec![], vec![]], [vec![], closed, vec![]]);
}

fn tcp(from: &Vm, to: &Vm, ports: (u16, u16), flags: u8) -> Packet {
    Packet::v4(from.v4, to.v4).tcp_flags(ports.0, ports.1, flags, 10)
}

/// A segment of the first machine to port 443 of the second.
fn there(flags: u8) -> Packet {
    tcp(&TENANT_A_VM1, &TENANT_B_VM1, (40_000, 443), flags)
}

/// A segment in the other direction.
fn back(flags: u8) -> Packet {
    tcp(&TENANT_B_VM1, &TENANT_A_VM1, (443, 40_000), flags)
}

/// A packet of the second machine that must arrive at the first.
fn returns(name: &'static str, packet: Packet, world: fn(&mut World)) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, packet.len());
    Case::from_vm(name, b, &sent(b, packet.clone()))
        .with(world)
        .delivers(a, &received(a, packet))
        .egress(B_TO_A, 1, len)
        .ingress(A_TO_B, 1, len)
}

/// A packet of the second machine that is dropped on the side of `at`.
fn refused(
    name: &'static str,
    at: &Vm,
    packet: Packet,
    reason: DropReason,
    world: fn(&mut World),
) -> Case {
    dropped_from(&TENANT_B_VM1, name, at, packet, reason, world)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [connections(), reuse(), datagrams(), pings(), errors()].concat()
}

fn connections() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let without = DropReason::TcpWithoutFlow;
    vec![
        returns("flows: a reply needs no rule", back(SYN_ACK), web).after_from(a, syn4(443)),
        crosses("flows: a segment of a connection", there(ACK), web)
            .after(&sent(a, syn4(443)))
            .after_from(b, back(SYN_ACK)),
        crosses("flows: a segment served from the cache", there(ACK), web)
            .after(&sent(a, syn4(443)))
            .after_from(b, back(SYN_ACK))
            .after(&sent(a, there(ACK))),
        returns("flows: a reply served from the cache", back(ACK), web)
            .after_from(a, syn4(443))
            .after_from(b, back(SYN_ACK))
            .after_from(b, back(ACK)),
        dropped("flows: a segment without a connection", a, there(ACK), without, web),
        dropped("flows: FIN without a connection", a, there(FIN), without, web),
        dropped("flows: RST without a connection", a, there(RST), without, web),
        dropped("flows: no flags", a, there(0), without, web),
        dropped("flows: SYN and FIN", a, there(0x03), without, web),
        refused("flows: SYN-ACK without SYN", b, back(SYN_ACK), without, web),
        refused(
            "flows: the other way needs a rule",
            a,
            tcp(b, a, (40_000, 443), 0x02),
            DropReason::InboundRuleDenied,
            web,
        )
        .after_from(a, syn4(443)),
        refused(
            "flows: SYN on a known flow from the other side",
            a,
            back(0x02),
            DropReason::InboundRuleDenied,
            web,
        )
        .after_from(a, syn4(443)),
        crosses("flows: where nobody judges, any segment begins one", there(ACK), |_| {}),
    ]
}

fn reuse() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let closed = |case: Case| {
        case.after_from(a, syn4(443))
            .after_from(b, back(SYN_ACK))
            .after_from(a, there(FIN))
            .after_from(b, back(FIN))
    };
    vec![
        closed(crosses("flows: the last acknowledgement", there(ACK), web)),
        closed(crosses("flows: the port is used again", syn4(443), web)),
        closed(returns("flows: the reply to that", back(SYN_ACK), web)).after_from(a, syn4(443)),
        crosses("flows: after a reset", syn4(443), web)
            .after(&sent(a, syn4(443)))
            .after_from(b, back(RST)),
    ]
}

fn datagrams() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let reply = || Packet::v4(b.v4, a.v4).udp(53, 40_000, 64);
    vec![
        crosses("flows: a datagram served from the cache", udp4(a, b), |world| {
            into_b(world, [vec![], defaults(), defaults()]);
        })
        .after(&sent(a, udp4(a, b))),
        returns("flows: a datagram's answer", reply(), |world| {
            let closed = vec![crate::world::Rule::deny(91, None, Side::ANY, Side::ANY)];
            guard(world, &TENANT_A_VM1, [vec![], vec![], vec![]], [vec![], closed, vec![]]);
        })
        .after_from(a, udp4(a, b)),
        refused(
            "flows: an answer to nothing",
            a,
            reply(),
            DropReason::InboundRuleDenied,
            |world| {
                let closed = vec![crate::world::Rule::deny(91, None, Side::ANY, Side::ANY)];
                guard(world, &TENANT_A_VM1, [vec![], vec![], vec![]], [vec![], closed, vec![]]);
            },
        ),
        dropped(
            "flows: the platform's source port",
            a,
            Packet::v4(a.v4, b.v4).udp(65_330, 53, 8),
            DropReason::PortReserved,
            |_| {},
        ),
        dropped(
            "flows: GRE",
            a,
            Packet::v4(a.v4, b.v4).transport(Transport::Raw { protocol: 47, bytes: vec![0; 24] }),
            DropReason::ProtocolBlocked,
            |_| {},
        ),
        dropped(
            "flows: IP in IP",
            a,
            Packet::v6(a.v6, b.v6).transport(Transport::Raw { protocol: 4, bytes: vec![0; 24] }),
            DropReason::ProtocolBlocked,
            |_| {},
        ),
    ]
}

fn pings() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let request = |id| Packet::v4(a.v4, b.v4).icmp(8, 0, id);
    let reply = |id| Packet::v4(b.v4, a.v4).icmp(0, 0, id);
    vec![
        returns("flows: an echo reply", reply(7), ping).after_from(a, request(7)),
        refused("flows: a reply to another", b, reply(8), DropReason::IcmpWithoutFlow, ping)
            .after_from(a, request(7)),
    ]
}

/// An ICMP error of the second machine about a packet of the first.
fn unreachable(about: &Packet) -> Packet {
    let quote: Vec<u8> = about.network_bytes().into_iter().take(28).collect();
    Packet::v4(TENANT_B_VM1.v4, TENANT_A_VM1.v4).icmp_error(3, 3, &quote)
}

fn errors() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let reason = DropReason::IcmpWithoutFlow;
    let other = Packet::v4(a.v4, b.v4).udp(40_001, 53, 64);
    let not_ours = Packet::v4(TENANT_B_VM1.v4, b.v4).udp(40_000, 53, 64);
    let rules = |world: &mut World| {
        into_b(world, [vec![], defaults(), vec![]]);
        // Not even a rule for ICMP lets a forged error in.
        let icmp = allow(ICMP, Side::ANY);
        guard(world, &TENANT_A_VM1, [vec![], vec![], vec![]], [vec![], icmp, vec![]]);
    };
    vec![
        returns("flows: an error about a known flow", unreachable(&udp4(a, b)), rules)
            .after_from(a, udp4(a, b)),
        refused("flows: an error about no flow", b, unreachable(&udp4(a, b)), reason, rules),
        refused("flows: an error about another flow", b, unreachable(&other), reason, rules)
            .after_from(a, udp4(a, b)),
        refused("flows: an error for another", b, unreachable(&not_ours), reason, rules)
            .after_from(a, udp4(a, b)),
        refused(
            "flows: an error that quotes half a header",
            b,
            Packet::v4(b.v4, a.v4).icmp_error(3, 3, &udp4(a, b).network_bytes()[..12]),
            reason,
            rules,
        )
        .after_from(a, udp4(a, b)),
    ]
}
