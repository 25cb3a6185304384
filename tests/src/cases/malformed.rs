//! Headers that contradict themselves or the frame, options, fragments, extension headers.

use vnetpeer_common::reason::DropReason;

use super::{received, sent, tcp6, udp4};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{A_TO_B, B_TO_A, TENANT_A_VM1, TENANT_B_VM1},
};

/// A packet of the first machine to its peer that is delivered and metered.
fn crosses(name: &'static str, packet: Packet) -> Case {
    let (a, b, len) = (&TENANT_A_VM1, &TENANT_B_VM1, packet.len());
    Case::from_vm(name, a, &sent(a, packet.clone()))
        .delivers(b, &received(b, packet))
        .egress(A_TO_B, 1, len)
        .ingress(B_TO_A, 1, len)
}

/// A packet of the first machine that is dropped; `bytes` is what its IP header announces.
fn dropped(name: &'static str, packet: Packet, reason: DropReason, bytes: u64) -> Case {
    let a = &TENANT_A_VM1;
    Case::from_vm(name, a, &sent(a, packet)).drops(a.slot(), reason, bytes)
}

fn v4() -> Packet {
    udp4(&TENANT_A_VM1, &TENANT_B_VM1)
}

fn v6() -> Packet {
    tcp6(&TENANT_A_VM1, &TENANT_B_VM1)
}

/// Bytes of [`v4`] and [`v6`].
const V4: u64 = 20 + 8 + 64;
const V6: u64 = 40 + 32 + 80;

/// The cases.
pub fn cases() -> Vec<Case> {
    [frames(), ipv4(), ipv6(), extensions()].concat()
}

fn frames() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let cut = |len: usize| {
        let mut bytes = sent(a, v4()).bytes();
        bytes.truncate(len);
        bytes
    };
    let slot = a.slot();
    let tag = [&[0, 5, 0x08, 0x00][..], &v4().network_bytes()].concat();
    let case = |name, packet: Packet, reason| {
        Case::from_vm(name, a, &packet.between(a.mac, vnetpeer_common::types::Mac::ROUTER))
            .drops(slot, reason, 0)
    };
    vec![
        case("malformed: VLAN", Packet::raw(0x8100, tag.clone()), DropReason::VlanTagged),
        case("malformed: QinQ", Packet::raw(0x88a8, tag), DropReason::VlanTagged),
        case("malformed: IPX", Packet::raw(0x8137, vec![0; 46]), DropReason::EtherTypeUnknown),
        case("malformed: a length for a type", Packet::raw(46, vec![0; 46]), ETHER_TYPE),
        Case::from_vm("malformed: a VLAN tag beside the frame", a, &sent(a, v4()))
            .vlan_beside()
            .drops(slot, DropReason::VlanTagged, V4),
        Case::from_interface("malformed: empty frame", a.ifindex(), Vec::new())
            .host_only(SHORT)
            .drops(slot, DropReason::Malformed, 0),
        Case::from_interface("malformed: 13 bytes", a.ifindex(), cut(13)).host_only(SHORT).drops(
            slot,
            DropReason::Malformed,
            0,
        ),
        Case::from_interface("malformed: no IP header", a.ifindex(), cut(14))
            .host_only(SHORT)
            .drops(slot, DropReason::Malformed, 0),
        Case::from_interface("malformed: 19 bytes of an IP header", a.ifindex(), cut(33))
            .host_only(SHORT)
            .drops(slot, DropReason::Malformed, 0),
        Case::from_interface("malformed: a frame that was cut", a.ifindex(), cut(60)).drops(
            slot,
            DropReason::Ipv4Invalid,
            V4,
        ),
    ]
}

const ETHER_TYPE: DropReason = DropReason::EtherTypeUnknown;
const SHORT: &str = "a test run needs whole Ethernet and IP headers";

fn ipv4() -> Vec<Case> {
    let invalid = |name, change: fn(&mut crate::packet::Ip4), bytes| {
        dropped(name, v4().ip4(change), DropReason::Ipv4Invalid, bytes)
    };
    let short_tcp = Transport::Raw { protocol: 6, bytes: vec![1; 3] };
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    vec![
        invalid("malformed: version 5", |ip| ip.version_ihl = Some(0x55), V4),
        invalid("malformed: version 6 in IPv4", |ip| ip.version_ihl = Some(0x65), V4),
        invalid("malformed: header of 16 bytes", |ip| ip.version_ihl = Some(0x44), V4),
        invalid("malformed: header of 0 bytes", |ip| ip.version_ihl = Some(0x40), V4),
        invalid("malformed: total length 0", |ip| ip.total_len = Some(0), 0),
        invalid("malformed: shorter than its header", |ip| ip.total_len = Some(19), 19),
        invalid("malformed: longer than the frame", |ip| ip.total_len = Some(93), 93),
        invalid("malformed: the largest length", |ip| ip.total_len = Some(65_535), 65_535),
        // 24 bytes in all, of which the header claims 60.
        dropped(
            "malformed: header beyond the packet",
            Packet::v4(a.v4, b.v4)
                .transport(Transport::Raw { protocol: 6, bytes: vec![1; 4] })
                .ip4(|ip| ip.version_ihl = Some(0x4f)),
            DropReason::Ipv4Invalid,
            24,
        ),
        dropped(
            "malformed: no room for ports",
            Packet::v4(a.v4, b.v4).transport(short_tcp).with_trailer(40),
            DropReason::Malformed,
            23,
        ),
        crosses(
            "malformed: not at all, 4 bytes of options",
            v4().ip4(|ip| ip.options = vec![1; 4]),
        ),
        crosses("malformed: not at all, all options", v4().ip4(|ip| ip.options = vec![1; 40])),
        crosses(
            "malformed: not at all, an unknown protocol",
            Packet::v4(a.v4, b.v4).transport(Transport::Raw { protocol: 253, bytes: vec![1; 3] }),
        ),
        dropped(
            "malformed: a DHCP server behind options",
            Packet::v4(a.v4, b.v4).udp(67, 68, 8).ip4(|ip| ip.options = vec![1; 12]),
            DropReason::DhcpServer,
            20 + 12 + 16,
        ),
    ]
}

fn ipv6() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let invalid = |name, change: fn(&mut crate::packet::Ip6), bytes| {
        dropped(name, v6().ip6(change), DropReason::Ipv6Invalid, bytes)
    };
    let short_udp = Transport::Raw { protocol: 17, bytes: vec![1; 3] };
    let mut cut = sent(a, v6()).bytes();
    cut.truncate(14 + 39);
    vec![
        invalid("malformed: version 4 in IPv6", |ip| ip.version = Some(4), V6),
        invalid("malformed: IPv6 longer than the frame", |ip| ip.payload_len = Some(113), 153),
        invalid("malformed: the largest IPv6 length", |ip| ip.payload_len = Some(65_535), 65_575),
        dropped(
            "malformed: IPv6 without room for ports",
            Packet::v6(a.v6, b.v6).transport(short_udp).with_trailer(40),
            DropReason::Malformed,
            43,
        ),
        Case::from_interface("malformed: 39 bytes of an IPv6 header", a.ifindex(), cut)
            .host_only(SHORT)
            .drops(a.slot(), DropReason::Malformed, 0),
        crosses("malformed: not at all, no next header", Packet::v6(a.v6, b.v6)),
    ]
}

fn extensions() -> Vec<Case> {
    let many = |count: usize| {
        v6().ip6(|ip| {
            ip.options(0, 8);
            (1..count).for_each(|_| ip.options(60, 8));
        })
    };
    let dhcp = Packet::v6(TENANT_A_VM1.v6, TENANT_B_VM1.v6).udp(547, 546, 8);
    let long = |len: usize| v6().ip6(|ip| ip.options(60, len));
    let beyond = v6().ip6(|ip| ip.extensions.push((60, vec![200, 0, 0, 0, 0, 0, 0])));
    let cut = Packet::v6(TENANT_A_VM1.v6, TENANT_B_VM1.v6)
        .transport(Transport::Raw { protocol: 60, bytes: vec![6, 0, 0] });
    vec![
        crosses("malformed: not at all, one extension header", many(1)),
        crosses("malformed: not at all, six extension headers", many(6)),
        dropped(
            "malformed: seven extension headers",
            many(7),
            DropReason::Ipv6ExtensionsTooMany,
            V6 + 56,
        ),
        crosses("malformed: not at all, a routing header", v6().ip6(|ip| ip.options(43, 24))),
        crosses("malformed: not at all, AH", v6().ip6(|ip| ip.authentication(24))),
        crosses(
            "malformed: not at all, fragment and options",
            v6().ip6(|ip| {
                ip.fragment(1);
                ip.options(60, 16);
            }),
        ),
        // 14 + 40 + 1,992 is the last offset that is looked at less one step.
        crosses("malformed: not at all, long options", long(1_232)),
        dropped(
            "malformed: options beyond the bound",
            long(2_000),
            DropReason::Ipv6Invalid,
            V6 + 2_000,
        ),
        dropped("malformed: options beyond the packet", beyond, DropReason::Ipv6Invalid, V6 + 8),
        dropped("malformed: half an extension header", cut, DropReason::Malformed, 43),
        dropped(
            "malformed: a DHCPv6 server behind options",
            dhcp.ip6(|ip| ip.options(60, 32)),
            DropReason::DhcpServer,
            40 + 32 + 16,
        ),
    ]
}
