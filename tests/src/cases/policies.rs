//! Security rules: which policies are asked in which order, what they match, and who is blamed.

use vnetpeer_common::{
    abi::{Filter, address_class, link_flags, protocol_class},
    reason::DropReason,
    types::PolicyId,
};

use super::{received, sent};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        A_TO_B, B_TO_A, Policy, Rule, Side, TENANT_A_VM1, TENANT_B_VM1, Vm, World, open_filter,
    },
};

const TCP: Option<u32> = Some(protocol_class::TCP);
const ICMP: Option<u32> = Some(protocol_class::ICMP);
const ANY: Side = Side::ANY;

/// Gives a machine policies: for each direction, those of the three stages.
pub(super) fn guard(world: &mut World, vm: &Vm, out: [Policy; 3], into: [Policy; 3]) {
    let mut id = u32::try_from(world.policies.len()).expect("a few policies");
    let mut place = |policies: [Policy; 3], world: &mut World| {
        policies.map(|policy| {
            if policy.is_empty() {
                return PolicyId::NONE;
            }
            id += 1;
            world.policies.insert(PolicyId(id), policy);
            PolicyId(id)
        })
    };
    let outbound = place(out, world);
    let inbound = place(into, world);
    world.filters.insert(vm.slot(), Filter { outbound, inbound, generation: 1, ..open_filter() });
}

/// Inbound policies of the second machine.
pub(super) fn into_b(world: &mut World, policies: [Policy; 3]) {
    guard(world, &TENANT_B_VM1, [vec![], vec![], vec![]], policies);
}

/// Outbound policies of the first machine.
fn out_of_a(world: &mut World, policies: [Policy; 3]) {
    guard(world, &TENANT_A_VM1, policies, [vec![], vec![], vec![]]);
}

/// The default rules, in short: the network may, nobody else.
pub(super) fn defaults() -> Policy {
    vec![Rule::allow(90, None, Side::VNET, Side::VNET), Rule::deny(91, None, ANY, ANY)]
}

fn deny_all() -> Policy {
    vec![Rule::deny(91, None, ANY, ANY)]
}

pub(super) fn allow(protocol: Option<u32>, to: Side) -> Policy {
    vec![Rule::allow(1, protocol, ANY, to), Rule::deny(91, None, ANY, ANY)]
}

pub(super) fn syn4(port: u16) -> Packet {
    Packet::v4(TENANT_A_VM1.v4, TENANT_B_VM1.v4).tcp_flags(40_000, port, 0x02, 0)
}

fn syn6(port: u16) -> Packet {
    Packet::v6(TENANT_A_VM1.v6, TENANT_B_VM1.v6).tcp_flags(40_000, port, 0x02, 0)
}

/// A packet of the first machine that must arrive at the second.
pub(super) fn crosses(name: &'static str, packet: Packet, world: fn(&mut World)) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, packet.len());
    Case::from_vm(name, a, &sent(a, packet.clone()))
        .with(world)
        .delivers(b, &received(b, packet))
        .egress(A_TO_B, 1, len)
        .ingress(B_TO_A, 1, len)
}

/// A packet of the first machine that is dropped on the side of `at`.
pub(super) fn dropped(
    name: &'static str,
    at: &Vm,
    packet: Packet,
    reason: DropReason,
    world: fn(&mut World),
) -> Case {
    dropped_from(&TENANT_A_VM1, name, at, packet, reason, world)
}

/// A packet of a machine that is dropped on the side of `at`.
pub(super) fn dropped_from(
    from: &Vm,
    name: &'static str,
    at: &Vm,
    packet: Packet,
    reason: DropReason,
    world: fn(&mut World),
) -> Case {
    let len = packet.len();
    Case::from_vm(name, from, &sent(from, packet)).with(world).drops(at.slot(), reason, len)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [order(), fields(), tags(), broken()].concat()
}

fn order() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let (inbound, outbound) = (DropReason::InboundRuleDenied, DropReason::OutboundRuleDenied);
    let admin = DropReason::AdminRuleDenied;
    vec![
        crosses("policies: none", syn4(443), |_| {}),
        crosses("policies: allowed by both groups", syn4(443), |world| {
            into_b(world, [vec![], allow(TCP, ANY), allow(TCP, Side::port(443))]);
        }),
        dropped("policies: denied by the first group", b, syn4(443), inbound, |world| {
            into_b(world, [vec![], deny_all(), allow(TCP, ANY)]);
        }),
        dropped("policies: denied by the second group", b, syn4(443), inbound, |world| {
            into_b(world, [vec![], allow(TCP, ANY), deny_all()]);
        }),
        dropped("policies: denied outbound", a, syn4(443), outbound, |world| {
            out_of_a(world, [vec![], deny_all(), vec![]]);
        }),
        dropped("policies: denied outbound, IPv6", a, syn6(443), outbound, |world| {
            out_of_a(world, [vec![], vec![], deny_all()]);
        }),
        dropped("policies: denied by administrators", b, syn4(443), admin, |world| {
            into_b(world, [deny_all(), allow(TCP, ANY), vec![]]);
        }),
        crosses("policies: always allowed by administrators", syn4(443), |world| {
            let rule = Rule::always_allow(1, TCP, ANY, ANY);
            into_b(world, [vec![rule], deny_all(), deny_all()]);
        }),
        dropped("policies: only allowed by administrators", b, syn4(443), inbound, |world| {
            into_b(world, [allow(TCP, ANY), deny_all(), vec![]]);
        }),
        crosses("policies: administrators have no rule for it", syn6(443), |world| {
            let rule = Rule::deny(1, None, ANY, Side::port(22));
            into_b(world, [vec![rule], allow(TCP, ANY), vec![]]);
        }),
        dropped("policies: the first rule that matches decides", b, syn4(443), inbound, |world| {
            let deny = Rule::deny(1, TCP, ANY, Side::port(443));
            into_b(world, [vec![], vec![deny, Rule::allow(2, None, ANY, ANY)], vec![]]);
        }),
    ]
}

fn fields() -> Vec<Case> {
    let b = &TENANT_B_VM1;
    let inbound = DropReason::InboundRuleDenied;
    let echo = || Packet::v4(TENANT_A_VM1.v4, TENANT_B_VM1.v4).icmp(8, 0, 7);
    let other = |protocol: u8| {
        let bytes = vec![1; 24];
        let transport = crate::packet::Transport::Raw { protocol, bytes };
        Packet::v4(TENANT_A_VM1.v4, TENANT_B_VM1.v4).transport(transport)
    };
    vec![
        dropped("policies: another port", b, syn4(444), inbound, |world| {
            into_b(world, [vec![], allow(TCP, Side::port(443)), vec![]]);
        }),
        crosses("policies: its source", syn4(443), |world| {
            let from = Side::prefix("10.1.0.0/16");
            let rules = vec![Rule::allow(1, TCP, from, ANY), Rule::deny(2, None, ANY, ANY)];
            into_b(world, [vec![], rules, vec![]]);
        }),
        dropped("policies: another source", b, syn4(443), inbound, |world| {
            let from = Side::prefix("10.3.0.0/16");
            let rules = vec![Rule::allow(1, TCP, from, ANY), Rule::deny(2, None, ANY, ANY)];
            into_b(world, [vec![], rules, vec![]]);
        }),
        dropped("policies: an IPv4 prefix is no IPv6 address", b, syn6(443), inbound, |world| {
            let from = Side::prefix("0.0.0.0/0");
            let rules = vec![Rule::allow(1, TCP, from, ANY), Rule::deny(2, None, ANY, ANY)];
            into_b(world, [vec![], rules, vec![]]);
        }),
        dropped("policies: an empty list is nobody", b, syn4(443), inbound, |world| {
            let rules = vec![Rule::allow(1, None, Side::NONE, ANY), Rule::deny(2, None, ANY, ANY)];
            into_b(world, [vec![], rules, vec![]]);
        }),
        crosses("policies: ICMP", echo(), |world| {
            into_b(world, [vec![], allow(ICMP, ANY), vec![]]);
        }),
        dropped("policies: TCP is no ICMP", b, syn4(443), inbound, |world| {
            into_b(world, [vec![], allow(ICMP, ANY), vec![]]);
        }),
        crosses("policies: ESP", other(50), |world| {
            into_b(world, [vec![], allow(Some(protocol_class::ESP), ANY), vec![]]);
        }),
        crosses("policies: AH", other(51), |world| {
            into_b(world, [vec![], allow(Some(protocol_class::AH), ANY), vec![]]);
        }),
        dropped("policies: AH is no TCP", b, other(51), inbound, |world| {
            into_b(world, [vec![], allow(TCP, ANY), vec![]]);
        }),
        crosses("policies: any protocol", other(132), |world| {
            into_b(world, [vec![], allow(None, ANY), vec![]]);
        }),
        dropped("policies: a port is for TCP and UDP", b, other(132), inbound, |world| {
            into_b(world, [vec![], allow(None, Side::port(0)), vec![]]);
        }),
    ]
}

fn tags() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    vec![
        crosses("policies: the peer is in the network", syn4(443), |world| {
            into_b(world, [vec![], defaults(), defaults()]);
        }),
        crosses("policies: the peer is in the network, IPv6", syn6(443), |world| {
            into_b(world, [vec![], defaults(), defaults()]);
        }),
        dropped(
            "policies: without a group, no access is no access",
            a,
            syn4(443),
            DropReason::VirtualNetworkAccessDenied,
            |world| world.set_link(A_TO_B, link_flags::CONNECTED),
        ),
        crosses("policies: a rule lets in who has no access", syn4(443), |world| {
            world.set_link(B_TO_A, link_flags::CONNECTED);
            into_b(world, [vec![], allow(TCP, ANY), vec![]]);
        }),
        dropped(
            "policies: administrators alone do not",
            b,
            syn4(443),
            DropReason::VirtualNetworkAccessDenied,
            |world| {
                world.set_link(B_TO_A, link_flags::CONNECTED);
                into_b(world, [allow(TCP, ANY), vec![], vec![]]);
            },
        ),
        dropped(
            "policies: whom routes do not class is in no tag",
            b,
            syn4(443),
            DropReason::InboundRuleDenied,
            |world| {
                for (_, next) in world.routes.values_mut().flatten() {
                    next.class = address_class::NEITHER;
                }
                into_b(world, [vec![], defaults(), vec![]]);
            },
        ),
    ]
}

fn broken() -> Vec<Case> {
    let b = &TENANT_B_VM1;
    let reason = DropReason::Unconfigured;
    vec![
        dropped("policies: a policy that is not there", b, syn4(443), reason, |world| {
            into_b(world, [vec![], allow(TCP, ANY), vec![]]);
            world.policies.clear();
        }),
        dropped(
            "policies: no room for flows",
            b,
            syn4(443),
            DropReason::FlowQuotaReached,
            |world| {
                let filter = Filter { flows_max: 0, ..open_filter() };
                world.filters.insert(TENANT_B_VM1.slot(), filter);
            },
        ),
        dropped(
            "policies: no room for unanswered flows",
            b,
            syn6(443),
            DropReason::HalfOpenQuotaReached,
            |world| {
                let filter = Filter { half_open_max: 0, ..open_filter() };
                world.filters.insert(TENANT_B_VM1.slot(), filter);
            },
        ),
    ]
}
