//! Meters count layer-3 bytes as they are on the wire, every segment of a super-frame with its own
//! headers. Who is metered at all is in the other topics: what a case does not mention must not move.

use vnetpeer_common::reason::DropReason;

use super::{HOST1, HOST1_OVER_V6, HOST2, HOST3, received, sent, tunneled};
use crate::{
    case::Case,
    packet::{Packet, Transport},
    world::{
        A_TO_B, B_TO_A, HOST2 as HOST2_ID, HOST3 as HOST3_ID, TENANT_A_VM1, TENANT_B_VM1,
        TENANT_B_VM2, TENANT_B_VM3,
    },
};

/// Why super-frames to and from other hosts run on the host only.
const NO_TYPE: &str = "a super-frame of a test run has no type, and the kernel moves no head of it";

/// The cases.
pub fn cases() -> Vec<Case> {
    [single(), local(), tunnels()].concat()
}

fn single() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let case = |name, packet: Packet, bytes| {
        Case::from_vm(name, a, &sent(a, packet.clone()))
            .delivers(b, &received(b, packet))
            .egress(A_TO_B, 1, bytes)
            .ingress(B_TO_A, 1, bytes)
    };
    let v4 = |len| Packet::v4(a.v4, b.v4).udp(1, 2, len);
    let v6 = |len| Packet::v6(a.v6, b.v6).udp(1, 2, len);
    vec![
        case("metering: the smallest", Packet::v4(a.v4, b.v4), 20),
        case("metering: Ethernet is not counted", v4(1000), 1028),
        case("metering: padding is not counted", v4(1).with_trailer(17), 29),
        case("metering: options are", v4(8).ip4(|ip| ip.options = vec![1; 8]), 44),
        case("metering: the IPv6 header is", v6(1000), 1048),
        case("metering: extension headers are", v6(8).ip6(|ip| ip.options(0, 16)), 72),
        case("metering: every fragment is", fragment(0x2019, 200..300), 20 + 100)
            .after(&sent(a, fragment(0x2000, 0..200))),
        Case::from_vm("metering: a dropped packet is not", a, &sent(a, v4(8)))
            .with(|world| world.set_link(B_TO_A, 0))
            .drops(b.slot(), DropReason::PeeringNotConnected, 36),
    ]
}

/// A part of a datagram, with this offset and flags.
fn fragment(field: u16, part: std::ops::Range<usize>) -> Packet {
    Packet::v4(TENANT_A_VM1.v4, TENANT_B_VM1.v4).udp(1, 2, 400).ip4(|ip| {
        ip.fragment = field;
        ip.part = Some(part);
    })
}

fn local() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let case = |name, packet: Packet, gso_size, packets, bytes| {
        Case::from_vm(name, a, &sent(a, packet.clone()))
            .gso(gso_size)
            .delivers(b, &received(b, packet))
            .egress(A_TO_B, packets, bytes)
            .ingress(B_TO_A, packets, bytes)
    };
    let v4 = |len| Packet::v4(a.v4, b.v4).tcp(1, 2, len);
    let v6 = |len| Packet::v6(a.v6, b.v6).tcp(1, 2, len);
    let bare =
        Transport::Tcp { src: 1, dst: 2, flags: 0x10, options: Vec::new(), payload: vec![5; 3000] };
    let udp = Packet::v4(a.v4, b.v4).udp(1, 2, 3000);
    let unknown_len = v4(3000).ip4(|ip| ip.total_len = Some(0));
    vec![
        // Headers: IPv4 20 or IPv6 40, TCP 20 and 12 of options, UDP 8.
        case("metering: three full segments", v4(3000), 1000, 3, 3000 + 3 * 52),
        case("metering: a last segment of one byte", v4(3001), 1000, 4, 3001 + 4 * 52),
        case("metering: one segment", v4(900), 1000, 1, 952),
        case("metering: no payload", v4(0), 1000, 1, 52),
        case("metering: segments over IPv6", v6(2500), 1000, 3, 2500 + 3 * 72),
        case(
            "metering: segments without TCP options",
            Packet::v4(a.v4, b.v4).transport(bare),
            1000,
            3,
            3000 + 3 * 40,
        ),
        case("metering: UDP segments", udp, 1000, 3, 3000 + 3 * 28),
        case(
            "metering: segments behind IPv4 options",
            v4(2000).ip4(|ip| ip.options = vec![1; 40]),
            1000,
            2,
            2000 + 2 * 92,
        ),
        case(
            "metering: segments behind extension headers",
            v6(2000).ip6(|ip| ip.options(60, 24)),
            1000,
            2,
            2000 + 2 * 96,
        ),
        case("metering: a length that does not fit its field", unknown_len, 1000, 3, 3000 + 3 * 52),
    ]
}

fn tunnels() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let (b2, b3) = (&TENANT_B_VM2, &TENANT_B_VM3);
    let out = Packet::v4(a.v4, b2.v4).tcp(1, 2, 3000);
    let out6 = Packet::v6(a.v6, b3.v6).tcp(1, 2, 3000);
    let back = Packet::v4(b2.v4, a.v4).tcp(2, 1, 3000);
    let back6 = Packet::v6(b3.v6, a.v6).tcp(2, 1, 3000);
    let huge = Packet::v4(a.v4, b2.v4).tcp(1, 2, 65_500);
    let huge_bytes = 65_500 + 47 * 52;
    // The outer length fields do not fit either; the kernel writes those of the segments.
    let around_huge =
        tunneled((HOST1, HOST2), (a, b2), huge.clone()).ip4(|ip| ip.total_len = Some(u16::MAX));
    vec![
        Case::from_vm("metering: segments to host 2", a, &sent(a, out.clone()))
            .gso(1398)
            .host_only(NO_TYPE)
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (a, b2), out.clone()))
            .egress(A_TO_B, 3, 3000 + 3 * 52),
        Case::from_vm("metering: segments to host 3", a, &sent(a, out6.clone()))
            .gso(1428)
            .host_only(NO_TYPE)
            .transmits(HOST3_ID, &tunneled((HOST1_OVER_V6, HOST3), (a, b3), out6))
            .egress(A_TO_B, 3, 3000 + 3 * 72),
        Case::from_underlay(
            "metering: segments from host 2",
            &tunneled((HOST2, HOST1), (b2, a), back.clone()),
        )
        .gso(1398)
        .host_only(NO_TYPE)
        .delivers(a, &received(a, back))
        .ingress(A_TO_B, 3, 3000 + 3 * 52),
        Case::from_underlay(
            "metering: segments from host 3",
            &tunneled((HOST3, HOST1_OVER_V6), (b3, a), back6.clone()),
        )
        .gso(1428)
        .host_only(NO_TYPE)
        .delivers(a, &received(a, back6))
        .ingress(A_TO_B, 3, 3000 + 3 * 72),
        Case::from_vm("metering: the largest super-frame to host 2", a, &sent(a, huge))
            .gso(1398)
            .host_only(NO_TYPE)
            .transmits(HOST2_ID, &around_huge)
            .egress(A_TO_B, 47, huge_bytes),
    ]
}
