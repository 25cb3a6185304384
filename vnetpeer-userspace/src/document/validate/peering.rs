//! Peerings: which VNets may be peered with which.

mod addresses;
mod classic;
mod overlap;
mod read;
mod subnets;

use std::collections::HashMap;

pub(super) use self::addresses::warn as warn_addresses;
use super::{
    super::{
        code::Code,
        decode::List,
        names::{Defaults, Named, Registry},
        problem::{Finding, Findings},
        source::Span,
        types::Peering,
    },
    incomplete, limit,
    vnet::Vnets,
};
use crate::topology::model;

const KIND: &str = "virtualNetworks/virtualNetworkPeerings";
/// Peerings of a VNet that the document has.
const PEERINGS_PER_VNET_MAX: usize = 500;
/// The same with those that network managers make.
const MANAGED_PEERINGS_PER_VNET_MAX: usize = 1_000;

/// All peerings.
#[derive(Default)]
pub(super) struct PeeringDrafts {
    /// Those between two VNets of the document.
    pub(super) list: Vec<PeeringDraft>,
    /// Those whose remote VNet is gone.
    pub(super) orphans: Vec<OrphanDraft>,
}

#[expect(clippy::struct_excessive_bools, reason = "these are the properties of the ARM resource")]
pub(super) struct PeeringDraft {
    pub(super) named: Named,
    pub(super) vnet: usize,
    pub(super) remote: usize,
    pub(super) remote_span: Span,
    /// What says whether the complete VNets are peered, else the name.
    pub(super) scope_span: Span,
    pub(super) allow_virtual_network_access: bool,
    pub(super) allow_forwarded_traffic: bool,
    pub(super) allow_gateway_transit: bool,
    pub(super) use_remote_gateways: bool,
    /// What says whether the other VNet's gateway is used, else the name.
    pub(super) use_remote_span: Span,
    pub(super) do_not_verify_remote_gateways: bool,
    pub(super) scope: model::PeeringScope,
    pub(super) enable_only_ipv6: bool,
    /// The connectivity configuration that makes it.
    pub(super) managed_by: Option<model::ResourceId>,
}

/// A peering whose remote VNet is not in the document.
pub(super) struct OrphanDraft {
    pub(super) named: Named,
    pub(super) vnet: usize,
    pub(super) properties: model::PeeringProperties,
}

/// Reads those of the document.
pub(super) fn collect(
    list: Option<&List<Peering>>,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> PeeringDrafts {
    let mut registry = Registry::new(KIND, incomplete(list));
    let mut drafts = PeeringDrafts::default();
    for peering in list.into_iter().flatten() {
        let properties = peering.properties.as_ref();
        let Some((vnet, named)) = read::named(peering, vnets, defaults, findings) else { continue };
        registry.add(&named, findings);
        let Some(properties) = properties else { continue };
        if !classic::refuse_owner(vnet, properties, &named, vnets, findings) {
            read::add(&mut drafts, (vnet, named), properties, vnets, findings);
        }
    }
    drafts
}

/// Judges all of them, with those that network managers make.
pub(super) fn check(drafts: &mut PeeringDrafts, vnets: &Vnets, findings: &mut Findings) {
    subnets::check_mirrors(&drafts.list, findings);
    classic::add_implicit_sides(&mut drafts.list, vnets, findings);
    check_remotes(&drafts.list, vnets, findings);
    overlap::check_pairs(&drafts.list, vnets, findings);
    overlap::check_third_vnets(&drafts.list, vnets, findings);
}

fn check_remotes(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
    let mut seen: HashMap<(usize, usize), &PeeringDraft> = HashMap::new();
    let mut counts: HashMap<usize, Count> = HashMap::new();
    for draft in drafts {
        let Some(vnet) = vnets.list.get(draft.vnet) else { continue };
        if let Some(max) = counts.entry(draft.vnet).or_default().add(draft) {
            let what = format!("peerings of virtualNetwork `{}`", vnet.named.id.name());
            let help = "remove peerings, or reach some virtualNetworks through a hub";
            findings.push(limit(&what, max, draft.named.span, help));
        }
        let Some(first) = seen.get(&(draft.vnet, draft.remote)) else {
            seen.insert((draft.vnet, draft.remote), draft);
            continue;
        };
        let message = format!(
            "peering `{}` already references the remote virtualNetwork; `{}` cannot reference the \
             same one",
            first.named.id.name(),
            draft.named.id.name()
        );
        findings.push(
            Finding::error(
                Code::AnotherPeeringAlreadyReferencesRemoteVnet,
                draft.remote_span,
                message,
            )
            .help("remove one of the two peerings")
            .note(first.remote_span, "referenced here first"),
        );
    }
}

/// How many peerings a VNet has.
#[derive(Default)]
struct Count {
    declared: usize,
    all: usize,
}

impl Count {
    /// Counts a peering; if it is the first that is too many, how many there may be.
    fn add(&mut self, draft: &PeeringDraft) -> Option<usize> {
        let is_declared = draft.managed_by.is_none();
        self.declared += usize::from(is_declared);
        self.all += 1;
        if is_declared && self.declared == PEERINGS_PER_VNET_MAX + 1 {
            return Some(PEERINGS_PER_VNET_MAX);
        }
        let is_managed = self.all > self.declared;
        let too_many = is_managed && self.all == MANAGED_PEERINGS_PER_VNET_MAX + 1;
        too_many.then_some(MANAGED_PEERINGS_PER_VNET_MAX)
    }
}
