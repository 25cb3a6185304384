//! The peerings of hub-and-spoke configurations (AZ §6.2).

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::super::{
    super::{
        code::Code,
        names::Named,
        problem::{Finding, Findings},
        source::Span,
    },
    gateway::Gateways,
    peering::{PeeringDraft, PeeringDrafts},
    vnet::Vnets,
};
use crate::topology::model::{ConnectivityConfiguration, PeeringScope, ResourceId};

/// A hub and a spoke that are to be peered.
pub(super) struct Pair {
    pub(super) hub: usize,
    pub(super) spoke: usize,
    pub(super) configuration: ResourceId,
    pub(super) enforced: bool,
    pub(super) use_hub_gateway: bool,
    /// What names the spoke's group.
    pub(super) span: Span,
    /// What says whether the gateway is used.
    pub(super) gateway: Span,
}

/// All pairs that are to be peered; the first that wants a pair decides how.
#[derive(Default)]
pub(super) struct Wanted {
    list: Vec<Pair>,
    /// By the two VNets, the lower one first.
    places: HashMap<(usize, usize), usize>,
}

const fn key(one: usize, other: usize) -> (usize, usize) {
    if one < other { (one, other) } else { (other, one) }
}

impl Wanted {
    /// Adds a pair. Within one configuration a spoke uses the gateway if one of its groups does.
    pub(super) fn add(&mut self, pair: Pair) {
        let place = *self.places.entry(key(pair.hub, pair.spoke)).or_insert(self.list.len());
        match self.list.get_mut(place) {
            None => self.list.push(pair),
            Some(first) => {
                first.enforced |= pair.enforced;
                let same = first.configuration == pair.configuration && first.hub == pair.hub;
                if same && pair.use_hub_gateway && !first.use_hub_gateway {
                    first.use_hub_gateway = true;
                    first.gateway = pair.gateway;
                }
            }
        }
    }

    fn get(&self, one: usize, other: usize) -> Option<&Pair> {
        self.places.get(&key(one, other)).and_then(|place| self.list.get(*place))
    }

    /// Takes away the peerings of members that no deployed configuration asks for, where one deletes
    /// them.
    pub(super) fn delete_others<'m>(
        &self,
        configurations: impl Iterator<Item = &'m ConnectivityConfiguration>,
        peerings: &mut PeeringDrafts,
        findings: &mut Findings,
    ) {
        let mut cleared: HashMap<usize, &ResourceId> = HashMap::new();
        for configuration in configurations.filter(|it| it.delete_existing_peering) {
            for vnet in &configuration.deployed {
                cleared.entry(vnet.0).or_insert(&configuration.id);
            }
        }
        let mut deleted = Vec::new();
        peerings.list.retain(|draft| {
            let by = cleared.get(&draft.vnet).copied();
            let Some(by) = by.filter(|_| self.get(draft.vnet, draft.remote).is_none()) else {
                return true;
            };
            deleted.push((draft.named.clone(), by));
            false
        });
        peerings.orphans.retain(|draft| {
            let Some(by) = cleared.get(&draft.vnet).copied() else { return true };
            deleted.push((draft.named.clone(), by));
            false
        });
        for (named, by) in deleted {
            let message = format!(
                "peering `{}` is deleted by connectivityConfiguration `{}`",
                named.id.name(),
                by.name()
            );
            findings.push(
                Finding::warning(Code::PeeringDeletedByNetworkManager, named.span, message)
                    .help("remove the peering, or write deleteExistingPeering: \"False\""),
            );
        }
    }

    /// Where a configuration enforces its peerings, those of the document must be what it would make.
    pub(super) fn check_enforced(&self, peerings: &PeeringDrafts, findings: &mut Findings) {
        for draft in &peerings.list {
            let pair = self.get(draft.vnet, draft.remote).filter(|pair| pair.enforced);
            let Some(pair) = pair.filter(|pair| !pair.is_as_made(draft)) else { continue };
            let message = format!(
                "peering `{}` differs from what connectivityConfiguration `{}` makes, which enforces \
                 its peerings",
                draft.named.id.name(),
                pair.configuration.name()
            );
            findings.push(
                Finding::error(Code::PeeringIsEnforced, draft.named.span, message)
                    .help("remove the peering, or write peeringEnforcement: Unenforced")
                    .note(pair.span, "the configuration"),
            );
        }
    }

    /// Adds what is missing. Sides that the document has stay as they are, and so does a peering of
    /// subnets.
    pub(super) fn generate(
        &self,
        peerings: &mut PeeringDrafts,
        vnets: &Vnets,
        gateways: &Gateways,
        findings: &mut Findings,
    ) {
        let declared: HashMap<(usize, usize), bool> =
            peerings.list.iter().map(|it| ((it.vnet, it.remote), it.scope.is_complete())).collect();
        let mut ids: HashSet<ResourceId> =
            peerings.list.iter().map(|it| it.named.id.clone()).collect();
        let mut without_gateway = HashSet::new();
        for pair in &self.list {
            let sides = [(pair.hub, pair.spoke), (pair.spoke, pair.hub)];
            if sides.iter().any(|side| declared.get(side) == Some(&false)) {
                continue;
            }
            let Some(name) = pair.name(vnets) else { continue };
            for side in sides.into_iter().filter(|side| !declared.contains_key(side)) {
                let Some(draft) = pair.make(side, &name, vnets) else { continue };
                let lacks_gateway = draft.use_remote_gateways
                    && gateways.of(pair.hub).is_none()
                    && !gateways.is_incomplete();
                if lacks_gateway {
                    if without_gateway.insert(pair.gateway.offset) {
                        findings.extend(pair.without_gateway(&draft, vnets));
                    }
                    continue;
                }
                if !ids.insert(draft.named.id.clone()) {
                    let message = format!("peering `{}` exists twice", draft.named.id);
                    findings.push(
                        Finding::error(Code::DuplicateResource, draft.named.span, message)
                            .help("rename the peering of the document"),
                    );
                }
                peerings.list.push(draft);
            }
        }
    }
}

impl Pair {
    /// The name of both sides.
    fn name(&self, vnets: &Vnets) -> Option<String> {
        let (hub, spoke) = (vnets.list.get(self.hub)?, vnets.list.get(self.spoke)?);
        Some(name(&hub.named.id, &spoke.named.id))
    }

    /// One side as the configuration makes it.
    fn make(
        &self,
        (vnet, remote): (usize, usize),
        name: &str,
        vnets: &Vnets,
    ) -> Option<PeeringDraft> {
        let owner = vnets.list.get(vnet)?;
        let id = ResourceId::new(format!("{}/virtualNetworkPeerings/{name}", owner.named.id));
        Some(PeeringDraft {
            named: Named { id, span: self.span },
            vnet,
            remote,
            remote_span: self.span,
            scope_span: self.span,
            allow_virtual_network_access: true,
            allow_forwarded_traffic: true,
            allow_gateway_transit: self.use_hub_gateway && vnet == self.hub,
            use_remote_gateways: self.use_hub_gateway && vnet == self.spoke,
            use_remote_span: self.gateway,
            do_not_verify_remote_gateways: false,
            scope: PeeringScope::Complete,
            enable_only_ipv6: false,
            managed_by: Some(self.configuration.clone()),
        })
    }

    /// Whether a side of the document says what the configuration would.
    fn is_as_made(&self, draft: &PeeringDraft) -> bool {
        draft.scope.is_complete()
            && draft.allow_virtual_network_access
            && draft.allow_forwarded_traffic
            && draft.allow_gateway_transit == (self.use_hub_gateway && draft.vnet == self.hub)
            && draft.use_remote_gateways == (self.use_hub_gateway && draft.vnet == self.spoke)
            && !draft.enable_only_ipv6
    }

    fn without_gateway(&self, draft: &PeeringDraft, vnets: &Vnets) -> Option<Finding> {
        let (hub, spoke) = (vnets.list.get(self.hub)?, vnets.list.get(self.spoke)?);
        let message = format!(
            "peering `{}/{}` cannot have UseRemoteGateway flag set to true because remote \
             virtualNetwork `{}` referenced by the peering does not have any gateways: spokes of this \
             group are not connected",
            spoke.named.id.name(),
            draft.named.id.name(),
            hub.named.id.name()
        );
        let finding = Finding::warning(Code::RemoteVnetHasNoGateways, self.gateway, message)
            .help("add a virtualNetworkGateway to the hub, or write useHubGateway: \"False\"");
        Some(finding.note(hub.named.span, "the hub"))
    }
}

/// The name of both sides, which does not depend on the configuration: another that makes the same
/// peering keeps it.
fn name(hub: &ResourceId, spoke: &ResourceId) -> String {
    let text = format!("{hub}|{spoke}").to_ascii_lowercase();
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes());
    format!("ANM_{}", hash.simple().to_string().to_ascii_uppercase())
}
