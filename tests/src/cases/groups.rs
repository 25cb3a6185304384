//! Connected groups: members reach each other, each side pays by its own links, and nothing is forwarded.

use std::net::Ipv4Addr;

use vnetpeer_common::{reason::DropReason, types::LinkId};

use super::{HOST1, HOST2, received, sent, tcp6, tunneled, udp4};
use crate::{
    case::Case,
    packet::Packet,
    world::{
        HOST2 as HOST2_ID, HUB, HUB_NVA, HUB_NVA2, HUB_TO_A, HUB_VM1, Member, TABLE_B, TABLE_HUB,
        TENANT_A_VM1, TENANT_B, TENANT_B_VM1, TENANT_B_VM2, Vm, World,
    },
};

const B_REGION: LinkId = LinkId(10);
const B_OTHERS: LinkId = LinkId(11);
const HUB_REGION: LinkId = LinkId(12);
const HUB_OTHERS: LinkId = LinkId(13);

/// The hub and spoke B are in a connected group in place of their peering.
fn group(world: &mut World, regions: [u32; 2]) {
    let [of_b, of_hub] = regions;
    world.relations.retain(|key, _| {
        !([TENANT_B, HUB].contains(&key.vnet) && [TENANT_B, HUB].contains(&key.remote))
    });
    let b = Member {
        vnet: TENANT_B,
        region: of_b,
        links: [B_REGION, B_OTHERS],
        table: TABLE_B,
        prefixes: ["10.2.0.0/16", "fd00:2::/48"],
    };
    let hub = Member {
        vnet: HUB,
        region: of_hub,
        links: [HUB_REGION, HUB_OTHERS],
        table: TABLE_HUB,
        prefixes: ["10.0.0.0/16", "fd00::/48"],
    };
    world.connect_group(&[b, hub]);
}

fn of_one_region(world: &mut World) {
    group(world, [1, 1]);
}

fn of_two_regions(world: &mut World) {
    group(world, [1, 2]);
}

/// The cases.
pub fn cases() -> Vec<Case> {
    [on_this_host(), on_another_host(), refused()].concat()
}

fn crosses(name: &'static str, (from, to): (&Vm, &Vm), packet: Packet) -> Case {
    Case::from_vm(name, from, &sent(from, packet.clone())).delivers(to, &received(to, packet))
}

fn on_this_host() -> Vec<Case> {
    let (b, hub) = (&TENANT_B_VM1, &HUB_VM1);
    let (v4, v6) = (udp4(b, hub), tcp6(b, hub));
    vec![
        crosses("groups: within a region", (b, hub), v4.clone())
            .with(of_one_region)
            .egress(B_REGION, 1, v4.len())
            .ingress(HUB_REGION, 1, v4.len()),
        crosses("groups: within a region, IPv6", (b, hub), v6.clone())
            .with(of_one_region)
            .egress(B_REGION, 1, v6.len())
            .ingress(HUB_REGION, 1, v6.len()),
        crosses("groups: between regions", (b, hub), v4.clone())
            .with(of_two_regions)
            .egress(B_OTHERS, 1, v4.len())
            .ingress(HUB_OTHERS, 1, v4.len()),
        crosses("groups: between regions, IPv6", (hub, b), tcp6(hub, b))
            .with(of_two_regions)
            .egress(HUB_OTHERS, 1, v6.len())
            .ingress(B_OTHERS, 1, v6.len()),
        crosses("groups: the flow's next packet", (b, hub), v4.clone())
            .with(of_two_regions)
            .after_from(b, v4.clone())
            .after_from(b, v4.clone())
            .egress(B_OTHERS, 1, v4.len())
            .ingress(HUB_OTHERS, 1, v4.len()),
        crosses("groups: inside a member nothing is metered", (&HUB_NVA, hub), udp4(&HUB_NVA, hub))
            .with(of_one_region),
        crosses(
            "groups: a peering of a member with another VNet",
            (hub, &TENANT_A_VM1),
            udp4(hub, &TENANT_A_VM1),
        )
        .with(of_one_region)
        .egress(HUB_TO_A, 1, v4.len())
        .ingress(crate::world::A_TO_HUB, 1, v4.len()),
    ]
}

fn on_another_host() -> Vec<Case> {
    let (b, there) = (&TENANT_B_VM1, &HUB_NVA2);
    let (out, back, back6) = (udp4(b, there), udp4(there, b), tcp6(there, b));
    vec![
        Case::from_vm("groups: out to host 2", b, &sent(b, out.clone()))
            .with(of_two_regions)
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (b, there), out.clone()))
            .egress(B_OTHERS, 1, out.len()),
        Case::from_underlay(
            "groups: in from host 2",
            &tunneled((HOST2, HOST1), (there, b), back.clone()),
        )
        .with(of_one_region)
        .delivers(b, &received(b, back.clone()))
        .ingress(B_REGION, 1, back.len()),
        Case::from_underlay(
            "groups: in from host 2, IPv6, another region",
            &tunneled((HOST2, HOST1), (there, b), back6.clone()),
        )
        .with(of_two_regions)
        .delivers(b, &received(b, back6.clone()))
        .ingress(B_OTHERS, 1, back6.len()),
    ]
}

fn refused() -> Vec<Case> {
    let b = &TENANT_B_VM1;
    // The hub's appliance forwards for somebody who is nowhere, and for somebody of the group.
    let stranger = Packet::v4(Ipv4Addr::new(10, 77, 0, 1), b.v4).udp(40_000, 53, 64);
    let other = udp4(&TENANT_B_VM2, b);
    let len = stranger.len();
    vec![
        Case::from_vm("groups: nothing is forwarded", &HUB_NVA, &sent(&HUB_NVA, stranger.clone()))
            .with(of_one_region)
            .drops(b.slot(), DropReason::NoRelation, len),
        Case::from_underlay(
            "groups: nothing is forwarded from host 2",
            &tunneled((HOST2, HOST1), (&HUB_NVA2, b), stranger),
        )
        .with(of_one_region)
        .drops(b.slot(), DropReason::NoRelation, len),
        Case::from_vm(
            "groups: not with another member's address",
            &HUB_NVA,
            &sent(&HUB_NVA, other.clone()),
        )
        .with(of_one_region)
        .drops(b.slot(), DropReason::NoRelation, len),
        Case::from_underlay(
            "groups: a VNet that is no member",
            &tunneled(
                (HOST2, HOST1),
                (&crate::world::TENANT_A_VM3, &HUB_VM1),
                udp4(&HUB_NVA2, &HUB_VM1),
            ),
        )
        .with(|world| {
            of_one_region(world);
            world.relations.clear();
        })
        .drops(HUB_VM1.slot(), DropReason::NoRelation, len),
    ]
}
