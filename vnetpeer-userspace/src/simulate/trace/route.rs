//! The routes that cover a destination: which one is taken, and why the others are not.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::{
    explanation::Outcome,
    topology::routes::{EffectiveRoutes, Route, RouteSource, RouteState},
};

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteView {
    /// The name of a user-defined route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it comes from.
    pub source: RouteSource,
    /// Its destination.
    pub address_prefix: IpNet,
    /// Azure's name for its type of next hop.
    pub next_hop_type: &'static str,
    /// The appliances' or the gateway's addresses.
    pub next_hop_ip_address: Vec<IpAddr>,
}

/// A route that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostRoute {
    /// The route.
    #[serde(flatten)]
    pub route: RouteView,
    /// `LongerPrefixMatched`, `UserRoutePreferred`, `GatewayRoutePreferred` or `SystemRoutePreferred`.
    pub lost_by: &'static str,
}

/// The routes that cover a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStage {
    /// The one that is taken.
    pub matched: Option<RouteView>,
    /// The others, the longest prefix first.
    pub lost: Vec<LostRoute>,
}

impl From<&Route> for RouteView {
    fn from(route: &Route) -> Self {
        Self {
            name: route.name.clone(),
            source: route.source,
            address_prefix: route.prefix,
            next_hop_type: route.hop.type_name(),
            next_hop_ip_address: route.hop.addresses(),
        }
    }
}

impl RouteView {
    /// Its prefix, where it leads, and its name.
    pub fn text(&self) -> String {
        let hops: Vec<String> = self.next_hop_ip_address.iter().map(ToString::to_string).collect();
        let name = self.name.as_deref().map_or(String::new(), |name| format!(" (`{name}`)"));
        let to = if hops.is_empty() { String::new() } else { format!(" {}", hops.join(", ")) };
        format!("{} → {}{to}{name}", self.address_prefix, self.next_hop_type)
    }
}

/// What the routes say about a destination.
pub(super) fn stage(routes: &EffectiveRoutes, destination: IpAddr) -> RouteStage {
    let matched = routes.lookup(destination);
    let group = routes.group.as_ref().and_then(|it| it.route(&IpNet::from(destination)));
    let covering = routes.routes.iter().filter(|it| it.prefix.contains(&destination));
    let mut lost: Vec<LostRoute> = covering
        .chain(&group)
        .filter(|route| Some(*route) != matched.as_ref())
        .map(|route| LostRoute { route: route.into(), lost_by: lost_by(routes, route) })
        .collect();
    lost.sort_by_key(|it| std::cmp::Reverse(it.route.address_prefix.prefix_len()));
    RouteStage { matched: matched.as_ref().map(RouteView::from), lost }
}

/// Why a route that covers a destination is not taken.
fn lost_by(routes: &EffectiveRoutes, route: &Route) -> &'static str {
    if route.state == RouteState::Active {
        return Outcome::LongerPrefixMatched.name();
    }
    let same = routes.active().find(|it| it.prefix == route.prefix);
    match same.map(|it| it.source) {
        Some(RouteSource::User) => Outcome::UserRoutePreferred.name(),
        Some(RouteSource::VirtualNetworkGateway) => Outcome::GatewayRoutePreferred.name(),
        Some(RouteSource::Default) | None => Outcome::SystemRoutePreferred.name(),
    }
}
