//! Next hops that cannot be reached, and gateways that are not used.

use std::net::IpAddr;

use super::super::{Found, Tracer};
use crate::{
    explanation::Finding,
    topology::{
        model::{Gateway, Nic, ResourceId},
        network::NumberedVnet,
        routes::{ApplianceProblem, RouteHop, connected_prefixes},
    },
};

impl<'a> Tracer<'a> {
    /// Why a VNet does not reach what is behind a gateway.
    pub(super) fn behind_gateway(
        &self,
        nic: &Nic,
        here: &NumberedVnet<'a>,
        destination: IpAddr,
    ) -> Option<Found> {
        let table = self.subnet(nic)?.route_table;
        let table = table.and_then(|index| self.network.topology.route_table(index));
        let disabled = |gateway: &ResourceId| {
            let table = table.filter(|it| it.disable_bgp_route_propagation)?;
            let message = format!(
                "route table `{}` does not take routes of gateway `{}`",
                table.id.name(),
                gateway.name()
            );
            let explanation = Finding::GatewayRoutesDisabled.explanation();
            Some(Found::new(explanation, Some(table.id.clone()), message))
        };
        if let Some(gateway) = self.gateway_to(here, destination) {
            return disabled(&gateway.id);
        }
        here.peerings.iter().find_map(|it| {
            let gateway = self.gateway_to(self.network.vnet(it.peering.remote)?, destination)?;
            let reverse = it.peering.reverse.and_then(|at| self.network.topology.peering(at))?;
            let (finding, id) = if !it.peering.use_remote_gateways {
                (Finding::RemoteGatewayNotUsed, &it.peering.id)
            } else if !reverse.allow_gateway_transit {
                (Finding::GatewayTransitNotAllowed, &reverse.id)
            } else {
                return disabled(&gateway.id);
            };
            let explanation = finding.explanation();
            let message = format!("`{}`: {} ({destination})", id.name(), explanation.meaning);
            Some(Found::new(explanation, Some(id.clone()), message))
        })
    }

    /// The gateway of a VNet, if an address is behind it.
    fn gateway_to(&self, vnet: &NumberedVnet<'a>, address: IpAddr) -> Option<&'a Gateway> {
        let gateway = vnet.gateway?;
        let prefixes = connected_prefixes(self.network, gateway.index);
        prefixes.iter().any(|it| it.contains(&address)).then_some(gateway.gateway)
    }

    /// Why the next hop of a route cannot be reached.
    pub(super) fn next_hop(&self, nic: &Nic, destination: IpAddr) -> Option<Found> {
        let route = self.routes(nic)?.lookup(destination)?;
        let (problem, address) = match &route.hop {
            RouteHop::Appliance { address, resolved: Err(problem) }
            | RouteHop::Balanced { address, members: Err(problem) } => {
                (*problem, address.to_string())
            }
            RouteHop::Appliances(all) => {
                let (address, resolved) = all.first()?;
                (resolved.err()?, address.to_string())
            }
            RouteHop::Gateway { .. } => {
                let name = route.name.clone().unwrap_or_default();
                let message =
                    format!("route `{name}` leads to a gateway, and there is none to use");
                let explanation = Finding::GatewayMissing.explanation();
                let found = Found::new(explanation, self.route_object(nic), message);
                return Some(found.with("Route", &name));
            }
            _ => return None,
        };
        let finding = match problem {
            ApplianceProblem::NotInReach => Finding::NextHopNotInReach,
            ApplianceProblem::NoNic => Finding::NextHopWithoutNic,
            ApplianceProblem::Down => Finding::NextHopDown,
            ApplianceProblem::NoHaPorts => Finding::NextHopNoHaPorts,
            ApplianceProblem::NoHealthyMember => Finding::NextHopNoHealthyMember,
            ApplianceProblem::BasicOverGlobalPeering => Finding::NextHopBasicOverGlobalPeering,
        };
        let explanation = finding.explanation();
        let name = route.name.clone().unwrap_or_default();
        let message = format!("route `{name}`: {} ({address})", explanation.meaning);
        let found = Found::new(explanation, self.route_object(nic), message);
        Some(found.with("Route", &name).with("NextHopIpAddress", &address))
    }
}
