//! Effective routes in the JSON shape of Azure's `effectiveRouteTable` answer (AZ §9).

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{EffectiveRoutes, Route, RouteHop, RouteSource, RouteState, system};

/// One route as Azure prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRoute {
    /// Only user-defined routes have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// `disableBgpRoutePropagation` of the subnet's route table.
    pub disable_bgp_route_propagation: bool,
    /// Where the route comes from.
    pub source: RouteSource,
    /// Whether it is in force.
    pub state: RouteState,
    /// Destinations; several where the members of connected groups are.
    pub address_prefix: Vec<IpNet>,
    /// `VnetLocal`, `VNetPeering`, `VNetGlobalPeering`, `ConnectedGroup`, `Internet`, `VirtualAppliance`,
    /// `VirtualApplianceEcmp`, `VirtualNetworkGateway` or `None`.
    pub next_hop_type: String,
    /// The addresses of appliances or of the gateway, if the next hop is one.
    pub next_hop_ip_address: Vec<IpAddr>,
    /// Whether the route overrides BGP routes whatever their prefix; here never.
    pub has_bgp_override: bool,
    /// Service tags behind the prefix; here none.
    pub destination_service_tags: Vec<String>,
    /// Prefixes of those tags; here none.
    pub tag_map: BTreeMap<String, Vec<IpNet>>,
}

impl RouteHop {
    /// The addresses of the appliances or of the gateway, as Azure lists them; none for other types.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::Appliance { address, .. } | Self::Balanced { address, .. } => vec![*address],
            Self::Appliances(members) => members.iter().map(|(address, _)| *address).collect(),
            Self::Gateway { address, .. } => address.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Azure's name for the type of next hop.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::VnetLocal => "VnetLocal",
            Self::Internet => "Internet",
            Self::None => "None",
            Self::Peering { global: false, .. } => "VNetPeering",
            Self::Peering { global: true, .. } => "VNetGlobalPeering",
            Self::ConnectedGroup { .. } => "ConnectedGroup",
            Self::Appliance { .. } | Self::Balanced { .. } => "VirtualAppliance",
            Self::Appliances(_) => "VirtualApplianceEcmp",
            Self::Gateway { .. } => "VirtualNetworkGateway",
        }
    }
}

impl EffectiveRoutes {
    /// All routes, losers included, as Azure prints them.
    pub fn to_azure(&self) -> Vec<EffectiveRoute> {
        let mut rows: Vec<EffectiveRoute> = self.routes.iter().map(|it| self.one(it)).collect();
        let is_vnet = |it: &Route| matches!(it.hop, RouteHop::VnetLocal | RouteHop::Peering { .. });
        let place = self.routes.iter().take_while(|it| is_vnet(it)).count();
        rows.splice(place..place, self.group_rows());
        rows
    }

    /// What is reached over connected groups in one row, what is withdrawn in another; what the user has
    /// routes for in further ones.
    fn group_rows(&self) -> Vec<EffectiveRoute> {
        let Some(group) = &self.group else { return Vec::new() };
        let user = self.routes.iter().filter(|it| it.source == RouteSource::User);
        let user: HashSet<IpNet> = user.map(|it| it.prefix).collect();
        let (reached, dropped) = group.prefixes(self.vnet);
        let mut rows = Vec::new();
        let hop = RouteHop::ConnectedGroup { vnet: self.vnet };
        for (prefixes, hop) in [(reached, hop), (dropped, RouteHop::None)] {
            let (invalid, active): (Vec<_>, Vec<_>) =
                prefixes.into_iter().partition(|it| user.contains(it));
            for (state, prefixes) in [(RouteState::Active, active), (RouteState::Invalid, invalid)]
            {
                let Some(first) = prefixes.first() else { continue };
                let row = self.one(&Route { state, ..system(*first, hop.clone()) });
                rows.push(EffectiveRoute { address_prefix: prefixes, ..row });
            }
        }
        rows
    }

    fn one(&self, route: &Route) -> EffectiveRoute {
        EffectiveRoute {
            name: route.name.clone(),
            disable_bgp_route_propagation: self.disable_bgp_route_propagation,
            source: route.source,
            state: route.state,
            address_prefix: vec![route.prefix],
            next_hop_type: route.hop.type_name().to_owned(),
            next_hop_ip_address: route.hop.addresses(),
            has_bgp_override: false,
            destination_service_tags: Vec::new(),
            tag_map: BTreeMap::new(),
        }
    }
}
