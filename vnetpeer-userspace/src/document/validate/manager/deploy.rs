//! What the committed connectivity configurations come to: peerings and connected groups.
//!
//! Only VNets of the regions that a commit names take part, and only within a region unless the
//! configuration says that it is global.

use std::collections::BTreeSet;

use super::{
    super::{
        super::{
            code::Code,
            problem::{Finding, Findings},
        },
        gateway::Gateways,
        peering::PeeringDrafts,
        vnet::Vnets,
    },
    ManagerDraft,
    connected::ConnectedGroups,
    connectivity::ConfigurationSpans,
    peerings::{Pair, Wanted},
};
use crate::topology::model::{
    CommitType, ConnectedGroup, ConnectivityConfiguration, ConnectivityTopology, NetworkManager,
    VnetIndex,
};

/// Adds the peerings of all managers to those of the document, takes away what they delete, and gives
/// the connected groups.
pub(in crate::document::validate) fn deploy(
    drafts: &mut [ManagerDraft],
    peerings: &mut PeeringDrafts,
    vnets: &Vnets,
    gateways: &Gateways,
    findings: &mut Findings,
) -> Vec<ConnectedGroup> {
    let mut wanted = Wanted::default();
    let mut groups = ConnectedGroups::default();
    for draft in drafts.iter_mut() {
        let manager = &draft.manager;
        let connectivity = manager.connectivity.iter().zip(&draft.spans);
        let deployed: Vec<BTreeSet<VnetIndex>> = connectivity
            .map(|(configuration, spans)| {
                let it = Deployment { manager, configuration, spans, vnets };
                it.run(&mut wanted, &mut groups, findings)
            })
            .collect();
        for (configuration, deployed) in draft.manager.connectivity.iter_mut().zip(deployed) {
            configuration.deployed = deployed.into_iter().collect();
        }
    }
    let managers = || drafts.iter().flat_map(|it| it.manager.connectivity.iter());
    wanted.delete_others(managers(), peerings, findings);
    wanted.check_enforced(peerings, findings);
    wanted.generate(peerings, vnets, gateways, findings);
    groups.finish(peerings, vnets, findings)
}

/// One configuration that may be deployed somewhere.
struct Deployment<'d> {
    manager: &'d NetworkManager,
    configuration: &'d ConnectivityConfiguration,
    spans: &'d ConfigurationSpans,
    vnets: &'d Vnets,
}

impl Deployment<'_> {
    /// The VNets that take part, without a hub.
    fn run(
        &self,
        wanted: &mut Wanted,
        groups: &mut ConnectedGroups,
        findings: &mut Findings,
    ) -> BTreeSet<VnetIndex> {
        let mut deployed = BTreeSet::new();
        for (place, applied) in self.configuration.groups.iter().enumerate() {
            let members = self.members(applied.group);
            if applied.directly_connected
                && self.configuration.topology == ConnectivityTopology::HubAndSpoke
            {
                let name = self.manager.groups.get(applied.group).map_or("", |it| it.id.name());
                let id = format!("{}/networkGroups/{name}", self.configuration.id);
                self.connect(&id, &members, applied.is_global, place, groups);
            }
            deployed.extend(members);
        }
        if self.configuration.topology == ConnectivityTopology::Mesh {
            let members: Vec<VnetIndex> = deployed.iter().copied().collect();
            let id = self.configuration.id.to_string();
            self.connect(&id, &members, self.configuration.is_global, 0, groups);
        }
        if let Some(hub) = self.configuration.hub.filter(|_| !deployed.is_empty()) {
            self.peer(hub, wanted, findings);
        }
        deployed
    }

    fn location(&self, vnet: VnetIndex) -> &str {
        self.vnets.list.get(vnet.0).map_or("", |it| it.location.as_str())
    }

    fn is_committed(&self, location: &str) -> bool {
        let deployed = self.manager.deployed_in(CommitType::Connectivity, location);
        deployed.contains(&self.configuration.id)
    }

    /// The members of a group where the configuration is deployed.
    fn members(&self, group: usize) -> Vec<VnetIndex> {
        let group = self.manager.groups.get(group);
        let members = group.into_iter().flat_map(|it| it.members.iter().copied());
        let members = members.filter(|vnet| Some(*vnet) != self.configuration.hub);
        members.filter(|vnet| self.is_committed(self.location(*vnet))).collect()
    }

    /// Joins VNets without peerings, those of each region unless they are joined over regions.
    fn connect(
        &self,
        id: &str,
        members: &[VnetIndex],
        is_global: bool,
        place: usize,
        groups: &mut ConnectedGroups,
    ) {
        let span = self.spans.groups.get(place).map_or(self.spans.name, |it| it.0);
        if is_global {
            groups.add(self.manager, self.configuration, id.to_owned(), members.to_vec(), span);
            return;
        }
        let regions: BTreeSet<&str> = members.iter().map(|it| self.location(*it)).collect();
        for region in regions {
            let of_region = members.iter().copied().filter(|it| self.location(*it) == region);
            let id = format!("{id}/regions/{region}");
            groups.add(self.manager, self.configuration, id, of_region.collect(), span);
        }
    }

    /// Wants a peering of the hub with every spoke.
    fn peer(&self, hub: VnetIndex, wanted: &mut Wanted, findings: &mut Findings) {
        let region = self.location(hub);
        if !self.is_committed(region) {
            let name = self.vnets.list.get(hub.0).map_or("", |it| it.named.id.name());
            let message = format!(
                "connectivityConfiguration `{}` is not committed to {region}, where hub `{name}` is: \
                 nothing is peered with it",
                self.configuration.id.name()
            );
            findings.push(
                Finding::warning(Code::HubNotInTargetLocations, self.spans.hub, message)
                    .help(format!("add {region} to the targetLocations of the commit")),
            );
            return;
        }
        for (applied, (group, gateway)) in self.configuration.groups.iter().zip(&self.spans.groups)
        {
            for spoke in self.members(applied.group) {
                if applied.is_global || self.location(spoke) == region {
                    wanted.add(Pair {
                        hub: hub.0,
                        spoke: spoke.0,
                        configuration: self.configuration.id.clone(),
                        enforced: self.configuration.enforced,
                        use_hub_gateway: applied.use_hub_gateway,
                        span: *group,
                        gateway: *gateway,
                    });
                }
            }
        }
    }
}
