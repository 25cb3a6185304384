//! What another host, or somebody who plays one, may not do.

use std::net::{IpAddr, Ipv6Addr};

use vnetpeer_common::{
    abi::{link_flags, nic_flags},
    reason::DropReason,
    types::{Addr, Mac, NicId, VnetId},
};

use super::{HOST1, HOST1_OVER_V6, HOST2, HOST3, overlay, overlay_mac, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::{Packet, Tunnel},
    world::{
        A_TO_B, A_TO_HUB, FOREIGN_VM1, FOREIGN_VM2, HOST3 as HOST3_ID, OFFSHORE_VM1, TENANT_A_VM1,
        TENANT_A_VM2, TENANT_A_VM3, TENANT_A_VM4, TENANT_B_VM1, TENANT_B_VM2, UNKNOWN_HOST_V4,
        host_mac,
    },
};

/// A packet from the third machine on host 2 to the first one here.
fn inner() -> Packet {
    udp4(&TENANT_A_VM3, &TENANT_A_VM1)
}

/// The tunnel that it comes through.
fn usual() -> Tunnel {
    Tunnel::new(HOST2, HOST1, TENANT_A_VM1.vnet.0)
}

fn around(tunnel: &Tunnel) -> Packet {
    tunnel.around(&overlay(&TENANT_A_VM3, &TENANT_A_VM1, inner()).bytes())
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [sources(), targets(), relations(), headers()].concat()
}

fn sources() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let unknown = Tunnel { src: UNKNOWN_HOST_V4.into(), ..usual() };
    let stranger = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x99);
    let unknown6 = Tunnel::new((host_mac(9), IpAddr::V6(stranger)), HOST1_OVER_V6, a.vnet.0);
    let from_nic = |mac| usual().around(&inner().between(mac, overlay_mac(a.nic)).bytes());
    let of_host3 = tunneled((HOST2, HOST1), (&TENANT_A_VM4, a), udp4(&TENANT_A_VM4, a));
    let of_host2 = tunneled((HOST3, HOST1_OVER_V6), (&TENANT_A_VM3, a), inner());
    let ours = tunneled((HOST2, HOST1), (&TENANT_A_VM2, a), udp4(&TENANT_A_VM2, a));
    let nameless =
        Tunnel::new((host_mac(9), IpAddr::V6(Ipv6Addr::UNSPECIFIED)), HOST1_OVER_V6, a.vnet.0);
    let case = |name, outer: &Packet, reason| Case::from_underlay(name, outer).drops(0, reason, 0);
    vec![
        case("tunnel: unknown outer source", &around(&unknown), DropReason::VtepUnknown),
        case("tunnel: unknown outer source, IPv6", &around(&unknown6), DropReason::VtepUnknown),
        case("tunnel: another host's NIC as source", &of_host3, DropReason::SourceNicElsewhere),
        case("tunnel: the same over IPv6", &of_host2, DropReason::SourceNicElsewhere),
        case("tunnel: a NIC of this host as source", &ours, DropReason::SourceNicElsewhere),
        case(
            "tunnel: no NIC has this number",
            &from_nic(overlay_mac(NicId(99))),
            DropReason::SourceNicUnknown,
        ),
        case(
            "tunnel: a number beyond all NICs",
            &from_nic(overlay_mac(NicId(u32::MAX))),
            DropReason::SourceNicUnknown,
        ),
        case("tunnel: NIC zero", &from_nic(overlay_mac(NicId(0))), DropReason::SourceNicUnknown),
        case("tunnel: a guest's MAC as source", &from_nic(a.mac), DropReason::SourceNicUnknown),
        case("tunnel: a source that was deleted", &around(&usual()), DropReason::SourceNicUnknown)
            .with(|world| world.nic_mut(&TENANT_A_VM3).flags = 0),
        case(
            "tunnel: a source that moved to another host",
            &around(&usual()),
            DropReason::SourceNicElsewhere,
        )
        .with(|world| world.nic_mut(&TENANT_A_VM3).vtep = HOST3_ID),
        // A host in reach without a common family has zeros for an address, which `::` equals.
        case(
            "tunnel: unspecified source and a host without address",
            &nameless.around(&overlay(&TENANT_A_VM4, a, udp4(&TENANT_A_VM4, a)).bytes()),
            DropReason::VtepUnknown,
        )
        .with(|world| world.vtep_mut(HOST3_ID).remote = Addr::default()),
    ]
}

fn targets() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let to = |mac| usual().around(&inner().between(overlay_mac(TENANT_A_VM3.nic), mac).bytes());
    let vni = |vni| around(&Tunnel { vni, ..usual() });
    let foreign = tunneled((HOST2, HOST1), (&FOREIGN_VM2, &FOREIGN_VM1), inner());
    let case = |name, outer: &Packet, slot, reason| {
        Case::from_underlay(name, outer).drops(slot, reason, 0)
    };
    let other = TENANT_B_VM1.vnet.0;
    vec![
        case("tunnel: VNI not hosted", &vni(OFFSHORE_VM1.vnet.0), 0, DropReason::VniNotHosted),
        case("tunnel: VNI beyond all VNets", &vni(0xff_ffff), 0, DropReason::VniNotHosted),
        case("tunnel: VNI zero", &vni(0), 0, DropReason::VniNotHosted),
        case("tunnel: VNI of another VNet", &vni(other), a.slot(), DropReason::VniMismatch),
        case(
            "tunnel: target on another host",
            &to(overlay_mac(TENANT_A_VM4.nic)),
            0,
            DropReason::NicNotHosted,
        ),
        case("tunnel: no such target", &to(overlay_mac(NicId(99))), 0, DropReason::NicNotHosted),
        case(
            "tunnel: a target beyond all NICs",
            &to(overlay_mac(NicId(u32::MAX))),
            0,
            DropReason::NicNotHosted,
        ),
        case("tunnel: a guest's MAC as target", &to(a.mac), 0, DropReason::NicNotHosted),
        case("tunnel: broadcast inside", &to(Mac([0xff; 6])), 0, DropReason::NicNotHosted),
        case("tunnel: the target was deleted", &around(&usual()), 0, DropReason::NicNotHosted)
            .with(|world| world.nic_mut(&TENANT_A_VM1).flags &= !nic_flags::PRESENT),
        // The foreign network has the same addresses; its packets stay in it.
        Case::from_underlay("tunnel: the foreign network is delivered to itself", &foreign)
            .delivers(&FOREIGN_VM1, &super::received(&FOREIGN_VM1, inner()))
            .with(|world| world.nic_mut(&FOREIGN_VM1).flags |= nic_flags::FORWARDING),
    ]
}

fn relations() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let packet = udp4(&TENANT_B_VM2, a);
    let len = packet.len();
    let from_b = tunneled((HOST2, HOST1), (&TENANT_B_VM2, a), packet);
    let from_foreign = tunneled((HOST2, HOST1), (&FOREIGN_VM2, a), udp4(&FOREIGN_VM2, a));
    let from_foreign6 = tunneled((HOST2, HOST1), (&FOREIGN_VM2, a), tcp6(&FOREIGN_VM2, a));
    let from_offshore = tunneled((HOST2, HOST1), (&OFFSHORE_VM1, a), udp4(&OFFSHORE_VM1, a));
    // A source address of the peer's space does not make a stranger a peer.
    let dressed_up = tunneled((HOST2, HOST1), (&OFFSHORE_VM1, a), udp4(&TENANT_B_VM2, a));
    let case = |name, outer: &Packet, reason, bytes| {
        Case::from_underlay(name, outer).drops(a.slot(), reason, bytes)
    };
    let forged = tunneled((HOST2, HOST1), (&TENANT_B_VM2, a), udp4(&OFFSHORE_VM1, a));
    vec![
        case("tunnel: foreign VNet, same addresses", &from_foreign, DropReason::NoRelation, len),
        case("tunnel: foreign VNet, IPv6", &from_foreign6, DropReason::NoRelation, 40 + 32 + 80),
        case("tunnel: no peering with the source", &from_offshore, DropReason::NoRelation, len),
        case("tunnel: a stranger in the peer's clothes", &dressed_up, DropReason::NoRelation, len),
        case("tunnel: link not Connected", &from_b, DropReason::PeeringNotConnected, len)
            .with(|world| world.set_link(A_TO_B, link_flags::ALLOW_ACCESS))
            .blames(A_TO_B),
        case("tunnel: access denied", &from_b, DropReason::VirtualNetworkAccessDenied, len)
            .with(|world| world.set_link(A_TO_B, link_flags::CONNECTED))
            .blames(A_TO_B),
        case("tunnel: forwarded denied", &forged, DropReason::ForwardedTrafficDenied, len)
            .blames(A_TO_B),
        Case::from_underlay("tunnel: forwarded allowed", &forged)
            .with(|world| world.set_link(A_TO_B, crate::world::LINK_ALL))
            .delivers(a, &super::received(a, udp4(&OFFSHORE_VM1, a)))
            .ingress(A_TO_B, 1, len),
        // The source's address is the hub's, its NIC is B's: the link to B decides, not the address.
        Case::from_underlay(
            "tunnel: the hub's address from B",
            &tunneled((HOST2, HOST1), (&TENANT_B_VM2, a), udp4(&crate::world::HUB_VM1, a)),
        )
        .with(|world| world.set_link(A_TO_HUB, 0))
        .drops(a.slot(), DropReason::ForwardedTrafficDenied, len)
        .blames(A_TO_B),
        case("tunnel: the source's VNet is unknown", &from_b, DropReason::NoRelation, len)
            .with(|world| world.nic_mut(&TENANT_B_VM2).vnet = VnetId(4_000)),
    ]
}

fn headers() -> Vec<Case> {
    let a = &TENANT_A_VM1;
    let no_vni = Tunnel { flags: 0, ..usual() };
    let raw = |ethertype, len: usize| {
        let frame = overlay(&TENANT_A_VM3, a, Packet::raw(ethertype, vec![0x45; len]));
        usual().around(&frame.bytes())
    };
    let cut = |len: usize| usual().around(&overlay(&TENANT_A_VM3, a, inner()).bytes()[..len]);
    let slot = a.slot();
    vec![
        Case::from_underlay("tunnel: VNI flag not set", &around(&no_vni)).drops(
            0,
            DropReason::VxlanInvalid,
            0,
        ),
        Case::from_underlay("tunnel: ARP inside", &raw(0x0806, 28)).drops(
            slot,
            DropReason::VxlanInvalid,
            0,
        ),
        Case::from_underlay("tunnel: VLAN tag inside", &raw(0x8100, 60)).drops(
            slot,
            DropReason::VxlanInvalid,
            0,
        ),
        Case::from_underlay("tunnel: nothing inside", &cut(0)).drops(
            0,
            DropReason::VxlanInvalid,
            0,
        ),
        Case::from_underlay("tunnel: half an Ethernet header inside", &cut(13)).drops(
            0,
            DropReason::VxlanInvalid,
            0,
        ),
        // TC's helper refuses to leave less than an IP header, XDP's leaves that to the parser.
        Case::from_underlay("tunnel: half an IP header inside, XDP", &cut(14 + 19))
            .drops(slot, DropReason::Malformed, 0)
            .xdp_only(),
        Case::from_underlay("tunnel: half an IP header inside, TC", &cut(14 + 19))
            .drops(slot, DropReason::DecapFailed, 0)
            .tc_only(),
        Case::from_underlay("tunnel: an inner length beyond the frame", &cut(14 + 20)).drops(
            slot,
            DropReason::Ipv4Invalid,
            0,
        ),
        Case::from_underlay("tunnel: not the version that it says", &raw(0x86dd, 40)).drops(
            slot,
            DropReason::Ipv6Invalid,
            0,
        ),
    ]
}
