//! Routes that lead packets from appliance to appliance and back.
//!
//! Packets for the whole prefix of a route are followed by the routes that cover all of it; a route for
//! a part of it is not looked at.

use ipnet::IpNet;

use super::{
    super::{
        super::{code::Code, problem::Finding},
        route::{RouteDraft, TableDraft},
    },
    Place, Reach,
};
use crate::topology::model::RouteNextHop;

/// Appliances after which packets are not followed any more.
const HOPS_MAX: usize = 8;

impl Reach<'_> {
    /// Warns if an appliance of the route sends packets for its prefix so that they come back to it.
    pub(super) fn judge_loop(&self, route: &RouteDraft, at: &Place<'_>) -> Option<Finding> {
        let prefix = route.route.prefix.trunc();
        let first = self.appliances(&route.route.next_hop, at.index, at.table);
        let (nic, other) = first.into_iter().find_map(|nic| {
            let other = self
                .next(nic, &prefix)
                .into_iter()
                .find(|next| *next == nic || self.leads_to(*next, nic, &prefix, HOPS_MAX))?;
            Some((self.nics.list.get(nic)?, self.nics.list.get(other)?))
        })?;
        let (name, other) = (nic.named.id.name(), other.named.id.name());
        let message = if name == other {
            format!("route `{}` leads what `{name}` sends back to `{name}`", route.route.name)
        } else {
            format!(
                "packets of route `{}` go round between `{name}` and `{other}`",
                route.route.name
            )
        };
        Some(
            Finding::warning(Code::RouteLoop, route.next_hop_span, message)
                .help("put the appliance into a subnet whose routeTable does not lead to it")
                .note(nic.named.span, "the appliance"),
        )
    }

    fn leads_to(&self, from: usize, to: usize, prefix: &IpNet, hops: usize) -> bool {
        let Some(left) = hops.checked_sub(1) else { return false };
        let mut next = self.next(from, prefix).into_iter();
        next.any(|next| next == to || self.leads_to(next, to, prefix, left))
    }

    /// The appliances that a NIC hands packets for a prefix to.
    fn next(&self, nic: usize, prefix: &IpNet) -> Vec<usize> {
        self.next_of(nic, prefix).unwrap_or_default()
    }

    fn next_of(&self, nic: usize, prefix: &IpNet) -> Option<Vec<usize>> {
        let place = self.nics.list.get(nic)?.place?;
        let table = self.tables.list.get(self.vnets.subnet(place)?.route_table?)?;
        let covers = |route: &&RouteDraft| route.route.prefix.contains(prefix);
        let routes = table.routes.iter().filter(covers);
        let route = routes.max_by_key(|route| route.route.prefix.prefix_len())?;
        let is_longer =
            |it: &IpNet| it.contains(prefix) && it.prefix_len() > route.route.prefix.prefix_len();
        if self.system_prefixes(place.0, table).any(|it| is_longer(&it)) {
            return None;
        }
        Some(self.appliances(&route.route.next_hop, place.0, table))
    }

    fn system_prefixes(&self, vnet: usize, table: &TableDraft) -> impl Iterator<Item = IpNet> {
        let peers = self.neighbours.get(&vnet).filter(|_| !table.disable_peering_routes);
        let vnets = std::iter::once(vnet).chain(peers.into_iter().flatten().copied());
        let vnets = vnets.filter_map(|vnet| self.vnets.list.get(vnet));
        vnets.flat_map(|vnet| vnet.space.iter().map(|it| it.value))
    }

    fn appliances(&self, hop: &RouteNextHop, vnet: usize, table: &TableDraft) -> Vec<usize> {
        let owner = |address: &std::net::IpAddr| self.owner(vnet, table, *address);
        match hop {
            RouteNextHop::VirtualAppliance(address) => owner(address).into_iter().collect(),
            RouteNextHop::VirtualApplianceEcmp(addresses) => {
                addresses.iter().filter_map(owner).collect()
            }
            _ => Vec::new(),
        }
    }
}
