//! Connected groups: their sizes, how many a VNet is in, and members that overlap.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;

use super::super::{
    super::{
        code::Code,
        prefixes::{overlap, overlaps},
        problem::{Finding, Findings},
        source::Span,
    },
    limit,
    peering::{PeeringDraft, PeeringDrafts},
    vnet::Vnets,
};
use crate::topology::model::{
    ConnectedGroup, ConnectivityConfiguration, NetworkManager, ResourceId, VnetIndex,
};

/// Connected groups while configurations add them.
#[derive(Default)]
pub(super) struct ConnectedGroups(Vec<Draft>);

struct Draft {
    group: ConnectedGroup,
    /// What named the group.
    span: Span,
    disallow_overlap: bool,
    vnets_max: usize,
    groups_per_vnet_max: usize,
}

impl ConnectedGroups {
    /// Adds a group; one VNet alone is none.
    pub(super) fn add(
        &mut self,
        manager: &NetworkManager,
        configuration: &ConnectivityConfiguration,
        id: String,
        members: Vec<VnetIndex>,
        span: Span,
    ) {
        if members.len() < 2 {
            return;
        }
        self.0.push(Draft {
            group: ConnectedGroup { id: ResourceId::new(id), members },
            span,
            disallow_overlap: configuration.disallow_overlap,
            vnets_max: manager.connected_group_vnet_limit,
            groups_per_vnet_max: manager.connected_groups_per_vnet_limit,
        });
    }

    /// The groups as they are in force.
    pub(super) fn finish(
        mut self,
        peerings: &PeeringDrafts,
        vnets: &Vnets,
        findings: &mut Findings,
    ) -> Vec<ConnectedGroup> {
        for draft in self.0.iter_mut().filter(|it| it.disallow_overlap) {
            draft.leave_out(vnets, findings);
            draft.check_peerings(&peerings.list, vnets, findings);
        }
        let mut counts: HashMap<VnetIndex, usize> = HashMap::new();
        for draft in &self.0 {
            if draft.group.members.len() > draft.vnets_max {
                let help = "raise connectedGroupVnetLimit, or connect fewer of them";
                let what = "virtualNetworks in a connected group";
                findings.push(limit(what, draft.vnets_max, draft.span, help));
            }
            for vnet in &draft.group.members {
                let count = counts.entry(*vnet).or_default();
                *count += 1;
                if *count == draft.groups_per_vnet_max + 1 {
                    let name = vnets.list.get(vnet.0).map_or("", |it| it.named.id.name());
                    let what = format!("connected groups with virtualNetwork `{name}`");
                    let help = "raise connectedGroupsPerVnetLimit, or connect it fewer times";
                    findings.push(limit(&what, draft.groups_per_vnet_max, draft.span, help));
                }
            }
        }
        self.0.into_iter().map(|it| it.group).collect()
    }
}

/// A prefix and the VNet that it is of.
type Owned = (IpNet, usize);

impl Draft {
    fn prefixes(&self, vnets: &Vnets) -> Vec<Owned> {
        let members =
            self.group.members.iter().filter_map(|it| Some((it.0, vnets.list.get(it.0)?)));
        members
            .flat_map(|(index, vnet)| vnet.space.iter().map(move |it| (it.value, index)))
            .collect()
    }

    /// Leaves out every member that overlaps an earlier one.
    fn leave_out(&mut self, vnets: &Vnets, findings: &mut Findings) {
        // A round finds for each prefix only the nearest around it.
        loop {
            let mut pairs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for ((_, one), (_, other)) in conflicts(&self.prefixes(vnets)) {
                pairs.entry(one.max(other)).or_default().insert(one.min(other));
            }
            if pairs.is_empty() {
                return;
            }
            let mut out = BTreeSet::new();
            for (later, earlier) in pairs {
                let Some(first) = earlier.into_iter().find(|it| !out.contains(it)) else {
                    continue;
                };
                out.insert(later);
                findings.extend(self.left_out(vnets, later, first));
            }
            self.group.members.retain(|it| !out.contains(&it.0));
        }
    }

    fn left_out(&self, vnets: &Vnets, later: usize, first: usize) -> Option<Finding> {
        let (vnet, first) = (vnets.list.get(later)?, vnets.list.get(first)?);
        let message = format!(
            "virtualNetwork `{}` is not connected: its addresses overlap those of `{}`, and \
             connectedGroupAddressOverlap is Disallowed",
            vnet.named.id.name(),
            first.named.id.name()
        );
        let finding = Finding::warning(Code::ConnectedGroupAddressOverlap, self.span, message);
        let help = "give one of the two other addresses, or take it from the networkGroup";
        Some(finding.help(help).note(vnet.named.span, "not connected"))
    }

    /// No member may be peered with what overlaps another one. The members do not overlap each other.
    fn check_peerings(&self, peerings: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
        let members: BTreeSet<usize> = self.group.members.iter().map(|it| it.0).collect();
        let prefixes = self.prefixes(vnets).into_iter();
        let prefixes: BTreeMap<IpAddr, Owned> = prefixes.map(|it| (it.0.network(), it)).collect();
        let outwards =
            |it: &&PeeringDraft| members.contains(&it.vnet) && !members.contains(&it.remote);
        for draft in peerings.iter().filter(outwards) {
            let Some(remote) = vnets.list.get(draft.remote) else { continue };
            let overlapping = remote.space.iter().find_map(|prefix| {
                let prefix = prefix.value;
                let around = prefixes.range(..=prefix.network()).next_back();
                let within = prefixes.range(prefix.network()..=prefix.broadcast());
                let mut near = around.into_iter().chain(within).map(|(_, it)| *it);
                near.find(|(it, owner)| *owner != draft.vnet && overlap(it, &prefix))
            });
            let Some((_, member)) = overlapping else { continue };
            let Some(member) = vnets.list.get(member) else { continue };
            let message = format!(
                "peering `{}` leads to virtualNetwork `{}`, whose addresses overlap those of `{}`: both \
                 are reached from a connected group with connectedGroupAddressOverlap: Disallowed",
                draft.named.id.name(),
                remote.named.id.name(),
                member.named.id.name()
            );
            findings.push(
                Finding::error(Code::ConnectedGroupAddressOverlap, draft.named.span, message)
                    .help("remove the peering, or give one of the two other addresses")
                    .note(self.span, "the connected group"),
            );
        }
    }
}

/// Overlaps between prefixes of different VNets.
fn conflicts(owned: &[Owned]) -> Vec<(Owned, Owned)> {
    let values: Vec<IpNet> = owned.iter().map(|it| it.0).collect();
    let pairs = overlaps(&values).into_iter();
    let pairs = pairs.filter_map(|(a, b)| Some((*owned.get(a)?, *owned.get(b)?)));
    pairs.filter(|(a, b)| a.1 != b.1).collect()
}
