//! Effective routes of a subnet by Azure's rules: system routes, peering routes, gateways' routes,
//! user-defined routes; the longest prefix wins, then user-defined before gateway before system
//! (AZ §3).
//!
//! The result does not depend on the host. Two choices where Azure's documents are silent:
//!
//! - A `None` route gives way to any VNet or peering route of an equal or larger prefix. Azure says
//!   so for the VNet's own ranges; without it for peers' ranges part of such a peer could not be
//!   reached.
//! - There are no `None` routes for IPv6: Azure lists none, so unknown unique-local addresses follow
//!   `::/0`.
//!
//! An appliance's address is resolved by system routes only, never by another user-defined route. Nothing
//! forwarded is taken over a connected group, so an appliance of another member is not in reach.

mod appliance;
mod effective;
pub mod gateway;
mod group;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vnetpeer_common::types::{LinkId, NicId, VnetId};

use self::gateway::UsedGateway;
pub(in crate::topology) use self::group::Owned;
pub use self::{
    effective::EffectiveRoute,
    gateway::{advertised, connected_gateways, connected_prefixes},
    group::{GroupRoutes, Joined},
};
use super::{
    model::{
        PeeringIndex, Route as UserRoute, RouteNextHop, RouteTable, RouteTableIndex, VnetIndex,
    },
    network::{Network, NumberedPeering, NumberedVnet},
};

/// Destinations that Azure drops unless the VNet or a peer has them.
const NONE_ROUTES: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(100, 64, 0, 0), 10),
];

const DEFAULT_ROUTES: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0)),
];

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteSource {
    /// A system route.
    Default,
    /// A user-defined route.
    User,
    /// A gateway's route: static, learned, or of a connected VNet.
    VirtualNetworkGateway,
}

/// Whether a route is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteState {
    /// In force.
    Active,
    /// Another route is preferred: of the same prefix, or, to a gateway's route, one of the VNet or of a
    /// peer around it.
    Invalid,
}

/// Why a virtual appliance cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ApplianceProblem {
    /// The address is neither in the VNet nor in a `Connected` peer's space as last synced.
    NotInReach,
    /// The address is in reach, and no NIC has it; the gateway has none of the family.
    NoNic,
    /// One of several appliances whose interface is missing or without a carrier.
    Down,
    /// The address is a load balancer's, and no rule of it has HA ports.
    NoHaPorts,
    /// The address is a load balancer's, and none behind it answers its probe.
    NoHealthyMember,
    /// The address is a Basic load balancer's in another region.
    BasicOverGlobalPeering,
}

/// A virtual appliance that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appliance {
    /// Its NIC.
    pub nic: NicId,
    /// The link over which it is reached; none in the own VNet.
    pub link: LinkId,
    /// The other side's link.
    pub reverse: LinkId,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteHop {
    /// The VNet itself.
    VnetLocal,
    /// An uplink, which one depends on the host.
    Internet,
    /// Nowhere: drop.
    None,
    /// A peered VNet.
    Peering {
        /// The peering object.
        index: PeeringIndex,
        /// The peered VNet.
        remote: VnetId,
        /// The own side's link.
        link: LinkId,
        /// The other side's link.
        reverse: LinkId,
        /// Whether the peer is in another region.
        global: bool,
    },
    /// A member of a connected group.
    ConnectedGroup {
        /// Which VNet.
        vnet: VnetIndex,
    },
    /// A virtual appliance.
    Appliance {
        /// `nextHopIpAddress`.
        address: IpAddr,
        /// The NIC behind it, or why there is none.
        resolved: Result<Appliance, ApplianceProblem>,
    },
    /// The frontend of a load balancer; each flow takes one of those behind its rule with HA ports.
    Balanced {
        /// `nextHopIpAddress`.
        address: IpAddr,
        /// Those that take flows, never none, or why there are none.
        members: Result<Vec<Appliance>, ApplianceProblem>,
    },
    /// Several virtual appliances; each flow takes one of those that can be reached.
    Appliances(Vec<(IpAddr, Result<Appliance, ApplianceProblem>)>),
    /// The gateway of this VNet, or of a peered one.
    Gateway {
        /// The gateway's address; `None` where the VNet has no gateway to use.
        address: Option<IpAddr>,
        /// The NIC that stands for it, or why there is none.
        resolved: Result<Appliance, ApplianceProblem>,
    },
}

/// One effective route, winning or losing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The name of a user-defined route.
    pub name: Option<String>,
    /// Where it comes from.
    pub source: RouteSource,
    /// Whether it is in force.
    pub state: RouteState,
    /// Destination, host bits zero.
    pub prefix: IpNet,
    /// Where it leads.
    pub hop: RouteHop,
}

/// Effective routes of the subnets of one VNet that share a route table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveRoutes {
    /// All routes but those to connected groups, losers included: own space, peers, Internet, None, gateway,
    /// user-defined.
    pub routes: Vec<Route>,
    /// Routes to connected groups.
    pub group: Option<GroupRoutes>,
    /// The VNet whose subnets have them.
    vnet: VnetIndex,
    /// `disableBgpRoutePropagation` of the route table.
    pub disable_bgp_route_propagation: bool,
}

impl EffectiveRoutes {
    /// The routes in force but those to connected groups; their prefixes are unique.
    pub fn active(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.state == RouteState::Active)
    }

    /// The route that a destination takes.
    pub fn lookup(&self, destination: IpAddr) -> Option<Route> {
        let covering = self.active().filter(|route| route.prefix.contains(&destination));
        let found = covering.max_by_key(|route| route.prefix.prefix_len());
        let group = self.group.as_ref().and_then(|group| group.route(&IpNet::from(destination)));
        let longer = group.filter(|group| {
            found.is_none_or(|found| found.prefix.prefix_len() < group.prefix.prefix_len())
        });
        longer.or_else(|| found.cloned())
    }
}

/// The effective routes of subnets of `vnet` with the route table at `table`; `None` if the network
/// has no such VNet or route table.
pub fn effective_routes(
    network: &Network<'_>,
    vnet: VnetIndex,
    table: Option<RouteTableIndex>,
) -> Option<EffectiveRoutes> {
    let vnet = network.vnet(vnet)?;
    let table = match table {
        Some(index) => Some(network.topology.route_table(index)?),
        None => None,
    };
    let peerings = routed_peerings(vnet, table);
    let group = GroupRoutes::new(network.vnets(), vnet, peerings);
    let mut routes = system_routes(vnet, peerings, group.as_ref());
    let gateway = UsedGateway::of(network, vnet);
    let disable_bgp_route_propagation = table.is_some_and(|it| it.disable_bgp_route_propagation);
    if let Some(used) = gateway.as_ref().filter(|_| !disable_bgp_route_propagation) {
        gateway::add(network, used, &mut routes, group.as_ref());
    }
    if let Some(table) = table {
        let user: HashSet<IpNet> = table.routes.iter().map(|it| it.prefix.trunc()).collect();
        for route in &mut routes {
            if user.contains(&route.prefix) {
                route.state = RouteState::Invalid;
            }
        }
        let reach = Reach { network, vnet, peerings, gateway };
        routes.extend(table.routes.iter().map(|route| reach.user_route(route)));
    }
    let vnet = vnet.index;
    Some(EffectiveRoutes { routes, group, vnet, disable_bgp_route_propagation })
}

/// The peerings that subnets with a route table have routes to.
fn routed_peerings<'v, 'n>(
    vnet: &'v NumberedVnet<'n>,
    table: Option<&RouteTable>,
) -> &'v [NumberedPeering<'n>] {
    if table.is_some_and(|it| it.disable_peering_routes) { &[] } else { &vnet.peerings }
}

fn system_routes(
    vnet: &NumberedVnet<'_>,
    peerings: &[NumberedPeering<'_>],
    group: Option<&GroupRoutes>,
) -> Vec<Route> {
    let own = vnet.vnet.address_space.iter().map(|prefix| system(*prefix, RouteHop::VnetLocal));
    let mut routes: Vec<Route> = own.collect();
    for peering in peerings {
        let hop = RouteHop::Peering {
            index: peering.index,
            remote: peering.remote,
            link: peering.link,
            reverse: peering.reverse,
            global: peering.global,
        };
        routes.extend(peering.space().iter().map(|prefix| system(*prefix, hop.clone())));
    }
    let in_group = |none: &IpNet| group.is_some_and(|group| group.around(none).is_some());
    let none: Vec<Route> = NONE_ROUTES
        .into_iter()
        .map(IpNet::V4)
        .filter(|none| !routes.iter().any(|route| route.prefix.contains(none)) && !in_group(none))
        .map(|none| system(none, RouteHop::None))
        .collect();
    routes.extend(DEFAULT_ROUTES.map(|prefix| system(prefix, RouteHop::Internet)));
    routes.extend(none);
    routes
}

/// The system routes of a VNet that is alone with the members of its connected groups, but those to them.
pub(in crate::topology) fn group_system_routes(joined: &Joined) -> Vec<Route> {
    let none = NONE_ROUTES.into_iter().map(IpNet::V4);
    let none = none.filter(|none| joined.owners().around(none).is_none());
    let none = none.map(|none| system(none, RouteHop::None));
    none.chain(DEFAULT_ROUTES.map(|prefix| system(prefix, RouteHop::Internet))).collect()
}

fn system(prefix: IpNet, hop: RouteHop) -> Route {
    let (source, state) = (RouteSource::Default, RouteState::Active);
    Route { name: None, source, state, prefix: prefix.trunc(), hop }
}

/// What the user-defined routes of a table can lead to.
struct Reach<'a, 'n> {
    network: &'a Network<'n>,
    vnet: &'a NumberedVnet<'n>,
    /// None in a table without peering routes: it does not reach peers' appliances either.
    peerings: &'a [NumberedPeering<'n>],
    gateway: Option<UsedGateway<'n>>,
}

impl Reach<'_, '_> {
    fn user_route(&self, route: &UserRoute) -> Route {
        let is_v4 = route.prefix.addr().is_ipv4();
        Route {
            name: Some(route.name.clone()),
            source: RouteSource::User,
            state: RouteState::Active,
            prefix: route.prefix.trunc(),
            hop: match &route.next_hop {
                RouteNextHop::VnetLocal => RouteHop::VnetLocal,
                RouteNextHop::Internet => RouteHop::Internet,
                RouteNextHop::None => RouteHop::None,
                RouteNextHop::VirtualAppliance(address) => self.appliance(*address),
                RouteNextHop::VirtualApplianceEcmp(addresses) => {
                    let members = addresses.iter().map(|it| (*it, self.resolve_up(*it)));
                    RouteHop::Appliances(members.collect())
                }
                RouteNextHop::VirtualNetworkGateway => match &self.gateway {
                    Some(used) => used.user_hop(is_v4),
                    None => gateway::nowhere(),
                },
            },
        }
    }
}
