//! Fragments: the first tells ports, the others follow it, and nothing hides behind them.

use vnetpeer_common::reason::DropReason;

use super::{received, sent};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{A_TO_B, B_TO_A, TENANT_A_VM1, TENANT_B_VM1},
};

const MORE: u16 = 0x2000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A packet of the first machine that must arrive.
fn crosses(name: &'static str, packet: Packet) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, packet.len());
    Case::from_vm(name, a, &sent(a, packet.clone()))
        .delivers(b, &received(b, packet))
        .egress(A_TO_B, 1, len)
        .ingress(B_TO_A, 1, len)
}

fn dropped(name: &'static str, packet: Packet, reason: DropReason) -> Case {
    let (a, len) = (&TENANT_A_VM1, packet.len());
    Case::from_vm(name, a, &sent(a, packet)).drops(a.slot(), reason, len)
}

fn v4(protocol: u8, field: u16, bytes: usize) -> Packet {
    // Whatever it is taken for, the ports are 2 and 3.
    let bytes = [0, 2, 0, 3].into_iter().chain([0x50; 60]).take(bytes).collect();
    Packet::v4(TENANT_A_VM1.v4, TENANT_B_VM1.v4)
        .transport(Transport::Raw { protocol, bytes })
        .ip4(|ip| ip.fragment = field)
}

fn v6(protocol: u8, field: u16, bytes: usize) -> Packet {
    let bytes = [0, 2, 0, 3].into_iter().chain([0x50; 60]).take(bytes).collect();
    Packet::v6(TENANT_A_VM1.v6, TENANT_B_VM1.v6)
        .transport(Transport::Raw { protocol, bytes })
        .ip6(|ip| ip.fragment(field))
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [in_order(), hidden(), strangers()].concat()
}

fn in_order() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let first = sent(a, v4(UDP, MORE, 24));
    let first6 = sent(a, v6(UDP, 1, 24));
    vec![
        crosses("fragments: the first", v4(UDP, MORE, 24)),
        crosses("fragments: a later one", v4(UDP, 3, 16)).after(&first),
        crosses("fragments: one of two bytes", v4(UDP, 3, 2)).after(&first),
        crosses("fragments: the last, then one before", v4(UDP, MORE | 3, 8))
            .after(&first)
            .after(&sent(a, v4(UDP, 4, 8))),
        crosses("fragments: the first, IPv6", v6(UDP, 1, 24)),
        crosses("fragments: a later one, IPv6", v6(UDP, 3 << 3, 16)).after(&first6),
        crosses("fragments: a whole packet with a fragment header", v6(UDP, 0, 24)),
        crosses("fragments: TCP", v4(TCP, 3, 16)).after(&sent(a, v4(TCP, MORE, 24))),
    ]
}

fn hidden() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let invalid = DropReason::FragmentInvalid;
    let tcp = sent(a, v4(TCP, MORE, 24));
    let tcp6 = sent(a, v6(TCP, 1, 24));
    vec![
        dropped("fragments: half a UDP header", v4(UDP, MORE, 4), invalid),
        dropped("fragments: a TCP header without flags", v4(TCP, MORE, 8), invalid),
        dropped("fragments: a TCP header without flags, IPv6", v6(TCP, 1, 8), invalid),
        dropped("fragments: over the TCP flags", v4(TCP, 1, 24), invalid).after(&tcp),
        dropped("fragments: over the end of the TCP header", v4(TCP, 2, 24), invalid).after(&tcp),
        dropped("fragments: over the TCP flags, IPv6", v6(TCP, 1 << 3, 24), invalid).after(&tcp6),
    ]
}

fn strangers() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let without = DropReason::FragmentWithoutFirst;
    let first = sent(a, v4(UDP, MORE, 24));
    vec![
        dropped("fragments: no first", v4(UDP, 3, 16), without),
        dropped("fragments: no first, IPv6", v6(UDP, 3 << 3, 16), without),
        dropped("fragments: another packet's", v4(UDP, 3, 16).ip4(|ip| ip.id = 9), without)
            .after(&first),
        dropped("fragments: another protocol's", v4(TCP, 3, 16), without).after(&first),
        dropped("fragments: after a first that was refused", v4(UDP, 3, 16), without)
            .after(&sent(a, v4(UDP, MORE, 4))),
    ]
}
