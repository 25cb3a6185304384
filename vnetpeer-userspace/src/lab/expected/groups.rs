//! Who reaches whom over connected groups, by looking at every address of every member: shared tables and
//! what is cut out of them are the compiler's.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use crate::topology::{
    model::VnetIndex,
    network::{Network, NumberedPeering},
};

/// Whether an address of VNet `to` is reached from VNet `from` over a connected group, and taken as a source
/// there.
pub(super) fn reaches(
    network: &Network<'_>,
    from: VnetIndex,
    to: VnetIndex,
    address: IpAddr,
) -> bool {
    let groups = network.topology.connected_groups.iter();
    let of_from = groups.filter(|group| group.members.contains(&from));
    let members: BTreeSet<VnetIndex> = of_from.flat_map(|group| &group.members).copied().collect();
    let has = |space: &[IpNet]| space.iter().any(|prefix| prefix.contains(&address));
    let owns = |vnet: VnetIndex| network.vnet(vnet).is_some_and(|it| has(&it.vnet.address_space));
    let peers = |vnet: VnetIndex| {
        let all = network.vnet(vnet).map_or(&[][..], |it| &it.peerings);
        all.iter().filter(|it| it.connected)
    };
    // A peering beats the group: the one with that VNet, and any that has the address.
    let is_peered = |it: &NumberedPeering<'_>| it.peering.remote == to || has(it.space());
    // What a VNet outside has in common with a member is withdrawn.
    let is_outside =
        |it: &NumberedPeering<'_>| !members.contains(&it.peering.remote) && has(it.space());
    members.contains(&to)
        && owns(to)
        && !members.iter().any(|other| *other != to && owns(*other))
        && !peers(from).any(is_peered)
        && !members.iter().any(|member| peers(*member).any(is_outside))
}
