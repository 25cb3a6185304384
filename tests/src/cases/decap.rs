//! From another host, and what is not for the overlay at all.

use vnetpeer_common::reason::DropReason;

use super::{HOST1, HOST1_OVER_V6, HOST2, HOST3, overlay, received, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::{Packet, Tunnel},
    world::{
        A_TO_B, B_TO_A, HOST1_V4, HOST2_V4, TENANT_A_VM1, TENANT_A_VM2, TENANT_A_VM3, TENANT_A_VM4,
        TENANT_B_VM1, TENANT_B_VM2, TENANT_B_VM3, host_mac,
    },
};

/// The cases.
pub fn cases() -> Vec<Case> {
    [families(), outer_details(), not_ours()].concat()
}

fn families() -> Vec<Case> {
    let (a, b) = (&TENANT_A_VM1, &TENANT_B_VM1);
    let over4 = |from, to, packet: &Packet| tunneled((HOST2, HOST1), (from, to), packet.clone());
    let over6 =
        |from, to, packet: &Packet| tunneled((HOST3, HOST1_OVER_V6), (from, to), packet.clone());
    let a3 = udp4(&TENANT_A_VM3, a);
    let a3_v6 = tcp6(&TENANT_A_VM3, a);
    let a4 = udp4(&TENANT_A_VM4, &TENANT_A_VM2);
    let a4_v6 = tcp6(&TENANT_A_VM4, a);
    let b2 = udp4(&TENANT_B_VM2, a);
    let b3 = tcp6(&TENANT_B_VM3, a);
    let a3_to_b = udp4(&TENANT_A_VM3, b);
    vec![
        Case::from_underlay("decap: IPv4 over IPv4", &over4(&TENANT_A_VM3, a, &a3))
            .delivers(a, &received(a, a3)),
        Case::from_underlay("decap: IPv6 over IPv4", &over4(&TENANT_A_VM3, a, &a3_v6))
            .delivers(a, &received(a, a3_v6)),
        Case::from_underlay("decap: IPv4 over IPv6", &over6(&TENANT_A_VM4, &TENANT_A_VM2, &a4))
            .delivers(&TENANT_A_VM2, &received(&TENANT_A_VM2, a4)),
        Case::from_underlay("decap: IPv6 over IPv6", &over6(&TENANT_A_VM4, a, &a4_v6))
            .delivers(a, &received(a, a4_v6)),
        Case::from_underlay("decap: peered, over IPv4", &over4(&TENANT_B_VM2, a, &b2))
            .delivers(a, &received(a, b2.clone()))
            .ingress(A_TO_B, 1, b2.len()),
        Case::from_underlay("decap: peered, over IPv6", &over6(&TENANT_B_VM3, a, &b3))
            .delivers(a, &received(a, b3.clone()))
            .ingress(A_TO_B, 1, b3.len()),
        Case::from_underlay("decap: to a workload in XDP mode", &over4(&TENANT_A_VM3, b, &a3_to_b))
            .delivers(b, &received(b, a3_to_b.clone()))
            .ingress(B_TO_A, 1, a3_to_b.len()),
    ]
}

fn outer_details() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let inner = udp4(&TENANT_A_VM3, a);
    let frame = overlay(&TENANT_A_VM3, a, inner.clone()).bytes();
    let usual = Tunnel::new(HOST2, HOST1, a.vnet.0);
    let reserved = Tunnel { flags: 0xff, ..usual.clone() };
    let mut checked = usual.around(&frame);
    if let crate::packet::Network::V4(ip) = &mut checked.network
        && let crate::packet::Transport::Udp { no_checksum, .. } = &mut ip.transport
    {
        *no_checksum = false;
    }
    let fragmentable = usual.around(&frame).ip4(|ip| ip.fragment = 0);
    let port = Tunnel { src_port: 1, ..usual.clone() };
    let case = |name, outer: &Packet| {
        Case::from_underlay(name, outer).delivers(a, &received(a, inner.clone()))
    };
    let padded = Packet::v4(TENANT_A_VM3.v4, a.v4);
    let trailer = usual.around(&overlay(&TENANT_A_VM3, a, padded.clone()).bytes());
    vec![
        case("decap: reserved VXLAN bits are ignored", &reserved.around(&frame)),
        case("decap: with a UDP checksum", &checked),
        case("decap: without \"don't fragment\"", &fragmentable),
        case("decap: any source port", &port.around(&frame)),
        Case::from_underlay("decap: bytes behind the packet", &trailer.with_trailer(4))
            .delivers(a, &received(a, padded).with_trailer(4)),
    ]
}

fn not_ours() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let inner = overlay(&TENANT_A_VM3, a, udp4(&TENANT_A_VM3, a)).bytes();
    let usual = Tunnel::new(HOST2, HOST1, a.vnet.0);
    let outer = usual.around(&inner);
    let other_port = Tunnel { dst_port: 4790, ..usual.clone() }.around(&inner);
    let other_host = Tunnel { dst: HOST2_V4.into(), ..usual.clone() }.around(&inner);
    let fragment = outer.clone().ip4(|ip| ip.fragment = 0x2000);
    let later = outer.clone().ip4(|ip| ip.fragment = 0x0010);
    let options = outer.clone().ip4(|ip| ip.options = vec![1; 4]);
    let tcp = Packet::v4(HOST2_V4, HOST1_V4).tcp(49_152, 4789, 100);
    let v6 = Tunnel::new(HOST3, HOST1_OVER_V6, a.vnet.0).around(&inner);
    let extension = v6.ip6(|ip| ip.options(60, 8));
    let ssh = Packet::v4(HOST2_V4, HOST1_V4).tcp(5000, 22, 0);
    let lldp = Packet::raw(0x88cc, vec![2; 46]);
    let mut short = outer.bytes();
    short.truncate(49);
    let of_host = |packet: Packet| packet.between(host_mac(2), host_mac(1));
    vec![
        Case::from_underlay("decap: another port is the host's", &other_port).passes(),
        Case::from_underlay("decap: another address is the host's", &other_host).passes(),
        Case::from_underlay("decap: a first fragment is the host's", &fragment).passes(),
        Case::from_underlay("decap: a later fragment is the host's", &later).passes(),
        Case::from_underlay("decap: outer options are the host's", &options).passes(),
        Case::from_underlay("decap: outer extension headers are the host's", &extension).passes(),
        Case::from_underlay("decap: TCP to the port is the host's", &of_host(tcp)).passes(),
        Case::from_underlay("decap: SSH is the host's", &of_host(ssh)).passes(),
        Case::from_underlay("decap: LLDP is the host's", &of_host(lldp)).passes(),
        Case::from_underlay_bytes("decap: too short for VXLAN", short).passes(),
        Case::from_underlay_bytes("decap: too short for Ethernet", vec![0; 13])
            .host_only("a test run needs 14 bytes")
            .passes(),
        Case::from_underlay("decap: no endpoint of that family here", &outer)
            .with(|world| world.config.vtep[0] = vnetpeer_common::types::Addr::default())
            .passes(),
        Case::from_underlay(
            "decap: a tagged outer frame is the host's",
            &Packet::raw(0x8100, inner),
        )
        .passes(),
        // Decided after the outer headers are off.
        Case::from_underlay(
            "decap: to an address that the NIC does not have",
            &tunneled((HOST2, HOST1), (&TENANT_A_VM3, a), udp4(&TENANT_A_VM3, &TENANT_A_VM2)),
        )
        .drops(a.slot(), DropReason::ForwardingDisabled, 20 + 8 + 64),
    ]
}
