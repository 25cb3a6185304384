//! Virtual appliances that user-defined routes name: single ones, and load balancers' frontends.

use std::net::IpAddr;

use ipnet::IpNet;
use vnetpeer_common::types::LinkId;

use super::{Appliance, ApplianceProblem, Reach, RouteHop};
use crate::topology::{
    balancing::NumberedFrontend,
    model::{LoadBalancerSku, ResourceId, VnetIndex},
};

/// The VNet that an appliance's address is in, and how it is reached.
struct Way {
    vnet: VnetIndex,
    link: LinkId,
    reverse: LinkId,
    /// Whether it is a peer in another region.
    global: bool,
}

impl Reach<'_, '_> {
    /// An appliance, or those behind a load balancer's frontend.
    pub(super) fn appliance(&self, address: IpAddr) -> RouteHop {
        if let Ok(way) = self.way(address)
            && let Some(frontend) = self.network.frontend(way.vnet, address)
        {
            return RouteHop::Balanced { address, members: self.balanced(&way, &frontend) };
        }
        let resolved = self.resolve(address).map(|(appliance, _)| appliance);
        RouteHop::Appliance { address, resolved }
    }

    fn balanced(
        &self,
        way: &Way,
        frontend: &NumberedFrontend<'_>,
    ) -> Result<Vec<Appliance>, ApplianceProblem> {
        if way.global && frontend.balancer.sku == LoadBalancerSku::Basic {
            return Err(ApplianceProblem::BasicOverGlobalPeering);
        }
        let rule = frontend.ha_ports().ok_or(ApplianceProblem::NoHaPorts)?;
        let takers = frontend.takers(self.network, rule).into_iter();
        let Way { link, reverse, .. } = *way;
        let members: Vec<_> = takers.map(|nic| Appliance { nic, link, reverse }).collect();
        if members.is_empty() { Err(ApplianceProblem::NoHealthyMember) } else { Ok(members) }
    }

    fn way(&self, address: IpAddr) -> Result<Way, ApplianceProblem> {
        let covers = |space: &[IpNet]| space.iter().any(|prefix| prefix.contains(&address));
        if covers(&self.vnet.vnet.address_space) {
            let (link, reverse) = (LinkId::NONE, LinkId::NONE);
            return Ok(Way { vnet: self.vnet.index, link, reverse, global: false });
        }
        let peering = self.peerings.iter().find(|peering| covers(peering.space()));
        let peering = peering.ok_or(ApplianceProblem::NotInReach)?;
        let (link, reverse) = (peering.link, peering.reverse);
        Ok(Way { vnet: peering.peering.remote, link, reverse, global: peering.global })
    }

    /// The NIC behind an appliance's address, and its id.
    fn resolve(&self, address: IpAddr) -> Result<(Appliance, &ResourceId), ApplianceProblem> {
        let Way { vnet, link, reverse, .. } = self.way(address)?;
        let owner = self.network.owner(vnet, address).ok_or(ApplianceProblem::NoNic)?;
        Ok((Appliance { nic: owner.id, link, reverse }, &owner.nic.id))
    }

    /// The same for one of several appliances: one that is down takes no flows, others do.
    pub(super) fn resolve_up(&self, address: IpAddr) -> Result<Appliance, ApplianceProblem> {
        let (appliance, id) = self.resolve(address)?;
        if self.network.facts.down.contains(id) {
            Err(ApplianceProblem::Down)
        } else {
            Ok(appliance)
        }
    }
}
