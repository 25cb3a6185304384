//! What is said of a link in its records: whose it is, and where its ends are.

use std::collections::BTreeMap;

use vnetpeer_metering::record::{Link, LinkKind};

use crate::topology::{
    model::{Peering, ResourceId, Topology, Vnet},
    state::{State, group_link_ids},
};

/// All links that the document and the state know, by number.
pub(super) fn links(topology: &Topology, state: &State) -> BTreeMap<u32, Link> {
    let peerings = topology.peerings.iter().filter_map(|it| of_peering(topology, state, it));
    let groups = topology.vnets.iter().flat_map(|vnet| {
        let scopes = group_link_ids(&vnet.id).into_iter().zip([false, true]);
        scopes.filter_map(|(link, is_global)| of_group(state, vnet, &link, is_global))
    });
    peerings.chain(groups).collect()
}

fn of_peering(topology: &Topology, state: &State, peering: &Peering) -> Option<(u32, Link)> {
    let vnet = topology.vnet(peering.vnet)?;
    let remote = topology.vnet(peering.remote)?;
    let link = Link {
        kind: LinkKind::Peering,
        remote_vnet: Some(text(&remote.id)),
        remote_region: Some(remote.location.clone()),
        global: vnet.region() != remote.region(),
        ..of(state, vnet, &peering.id)?
    };
    Some((state.link(&peering.id)?.0, link))
}

fn of_group(state: &State, vnet: &Vnet, id: &ResourceId, is_global: bool) -> Option<(u32, Link)> {
    Some((state.link(id)?.0, Link { global: is_global, ..of(state, vnet, id)? }))
}

fn of(state: &State, vnet: &Vnet, id: &ResourceId) -> Option<Link> {
    Some(Link {
        guid: state.meter_guid(id)?,
        id: text(id),
        kind: LinkKind::ConnectedGroup,
        vnet: text(&vnet.id),
        region: vnet.location.clone(),
        remote_vnet: None,
        remote_region: None,
        global: false,
        tags: vnet.tags.clone(),
    })
}

fn text(id: &ResourceId) -> String {
    id.as_str().to_owned()
}
