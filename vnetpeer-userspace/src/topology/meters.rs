//! What the records of usage say of a link: whose it is, and where its ends are. Prices are found by it.

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::types::LinkId;
use vnetpeer_metering::{
    price::PriceBook,
    rating::{
        RatingError,
        preview::{Preview, preview},
    },
    record::{Direction, Link, LinkKind},
};

use super::{
    model::{Peering, ResourceId, Topology, Vnet},
    state::{State, group_link_ids},
};

/// Why the cost of a path is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CostError {
    /// A link that the document does not have: it is not the document of the path.
    #[error("link {0} is not in the document; ask for path and cost with one document")]
    UnknownLink(LinkId),
    /// Something on the path has no price.
    #[error(transparent)]
    Rating(#[from] RatingError),
}

/// What `bytes` cost that pass these meters in order, at a time in seconds since 1970 (UTC) and in the lowest
/// tier. A meter bills every byte that passes it.
pub fn cost(
    topology: &Topology,
    state: &State,
    meters: impl IntoIterator<Item = (LinkId, Direction)>,
    bytes: u64,
    book: &PriceBook,
    at: i64,
) -> Result<Preview, CostError> {
    let links = links(topology, state);
    let known = |(number, direction): (LinkId, Direction)| {
        let link = links.get(&number.0).ok_or(CostError::UnknownLink(number))?;
        Ok((link, direction))
    };
    let meters: Vec<_> = meters.into_iter().map(known).collect::<Result<_, CostError>>()?;
    Ok(preview(meters, bytes, book, at)?)
}

/// All links that the document and the state know, by number.
pub fn links(topology: &Topology, state: &State) -> BTreeMap<u32, Link> {
    let peerings = topology.peerings.iter().filter_map(|it| of_peering(topology, state, it));
    let groups = topology.vnets.iter().flat_map(|vnet| {
        let scopes = group_link_ids(&vnet.id).into_iter().zip([false, true]);
        scopes.filter_map(|(link, is_global)| of_group(state, vnet, &link, is_global))
    });
    peerings.chain(groups).collect()
}

/// Links of peerings, of both directions, over which a VNet uses the other one's gateway. What goes through the
/// gateway is metered on the one VNet's link only, so both sides do not count the same.
pub fn transit(topology: &Topology, state: &State) -> BTreeSet<u32> {
    let uses = |it: &Peering| it.use_remote_gateways;
    let reverse = |it: &Peering| it.reverse.and_then(|reverse| topology.peerings.get(reverse.0));
    let with = topology.peerings.iter().filter(|it| uses(it) || reverse(it).is_some_and(uses));
    with.filter_map(|it| Some(state.link(&it.id)?.0)).collect()
}

fn of_peering(topology: &Topology, state: &State, peering: &Peering) -> Option<(u32, Link)> {
    let vnet = topology.vnet(peering.vnet)?;
    let remote = topology.vnet(peering.remote)?;
    let link = Link {
        kind: LinkKind::Peering,
        remote_vnet: Some(text(&remote.id)),
        remote_region: Some(remote.region()),
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
        region: vnet.region(),
        remote_vnet: None,
        remote_region: None,
        global: false,
        tags: vnet.tags.clone(),
    })
}

fn text(id: &ResourceId) -> String {
    id.as_str().to_owned()
}
