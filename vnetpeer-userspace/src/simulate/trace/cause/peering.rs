//! What is between two virtual networks that do not reach each other.

use std::net::IpAddr;

use super::super::{Found, Tracer};
use crate::{
    explanation::Finding,
    topology::{
        model::{Nic, ResourceId, VnetIndex},
        network::{NumberedPeering, NumberedVnet},
        state::PeeringState,
    },
};

impl<'a> Tracer<'a> {
    pub(super) fn overlap(&self, vnet: VnetIndex, destination: IpAddr) -> Found {
        let mut groups = self.network.topology.connected_groups.iter();
        let group = groups.find(|group| group.members.contains(&vnet)).map(|it| it.id.clone());
        let message =
            format!("{destination} is in the address space of several VNets of the group");
        Found::new(Finding::GroupPrefixOverlap.explanation(), group, message)
    }

    /// What is between a VNet and the one that owns an address, if no route is.
    pub(super) fn not_peered(
        &self,
        nic: &Nic,
        here: &NumberedVnet<'a>,
        owner: &NumberedVnet<'a>,
        destination: IpAddr,
    ) -> Found {
        let (from, to) = (here.vnet.id.name(), owner.vnet.id.name());
        let own = here.peerings.iter().find(|it| it.peering.remote == owner.index);
        let theirs = owner.peerings.iter().find(|it| it.peering.remote == here.index);
        if let Some(peering) = own.or(theirs).filter(|it| !it.connected) {
            let finding = match peering.record.peering_state {
                PeeringState::Disconnected => Finding::PeeringDisconnected,
                _ => Finding::PeeringInitiated,
            };
            let id = peering.peering.id.clone();
            let message = format!(
                "peering `{}` is {:?}: `{from}` and `{to}` are not Connected with each other",
                id.name(),
                peering.record.peering_state
            );
            return Found::new(finding.explanation(), Some(id), message);
        }
        if let Some(peering) = own {
            return self.not_carried(nic, peering, destination);
        }
        let hub = here.peerings.iter().find(|mine| {
            owner.peerings.iter().any(|theirs| theirs.peering.remote == mine.peering.remote)
        });
        let hub = hub.and_then(|it| self.network.vnet(it.peering.remote));
        if let Some(hub) = hub {
            let message = format!(
                "`{from}` and `{to}` are both peered with `{}`, not with each other",
                hub.vnet.id.name()
            );
            let finding = Finding::PeeringNotTransitive.explanation();
            return Found::new(finding, Some(here.vnet.id.clone()), message);
        }
        let message = format!("`{from}` and `{to}` are not peered");
        Found::new(Finding::PeeringMissing.explanation(), Some(here.vnet.id.clone()), message)
    }

    /// Why a Connected peering does not carry an address of its remote VNet.
    fn not_carried(&self, nic: &Nic, it: &NumberedPeering<'_>, destination: IpAddr) -> Found {
        let peering = it.peering;
        let table = self.subnet(nic).and_then(|subnet| subnet.route_table);
        let table = table.and_then(|index| self.network.topology.route_table(index));
        let about = |finding: Finding, id: &ResourceId| {
            let explanation = finding.explanation();
            let message = format!("`{}`: {} ({destination})", id.name(), explanation.meaning);
            Found::new(explanation, Some(id.clone()), message)
        };
        if let Some(table) = table.filter(|table| table.disable_peering_routes) {
            about(Finding::PeeringRoutesDisabled, &table.id)
        } else if peering.enable_only_ipv6 && destination.is_ipv4() {
            about(Finding::PeeringOnlyIpv6, &peering.id)
        } else if !peering.scope.is_complete()
            && !self
                .network
                .topology
                .remote_space(peering)
                .iter()
                .any(|it| it.contains(&destination))
        {
            about(Finding::PeeringSubnetOmitted, &peering.id)
        } else {
            about(Finding::PeeringNotSynced, &peering.id)
        }
    }
}
