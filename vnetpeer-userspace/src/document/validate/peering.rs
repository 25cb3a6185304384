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
const PEERINGS_PER_VNET_MAX: usize = 500;

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
    remote_span: Span,
    /// What says whether the complete VNets are peered, else the name.
    scope_span: Span,
    pub(super) allow_virtual_network_access: bool,
    pub(super) allow_forwarded_traffic: bool,
    pub(super) allow_gateway_transit: bool,
    pub(super) use_remote_gateways: bool,
    /// What says whether the other VNet's gateway is used, else the name.
    pub(super) use_remote_span: Span,
    pub(super) do_not_verify_remote_gateways: bool,
    pub(super) scope: model::PeeringScope,
    pub(super) enable_only_ipv6: bool,
}

/// A peering whose remote VNet is not in the document.
pub(super) struct OrphanDraft {
    pub(super) named: Named,
    pub(super) vnet: usize,
    pub(super) properties: model::PeeringProperties,
}

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
    subnets::check_mirrors(&drafts.list, findings);
    classic::add_implicit_sides(&mut drafts.list, vnets, findings);
    check_remotes(&drafts.list, vnets, findings);
    overlap::check_pairs(&drafts.list, vnets, findings);
    overlap::check_third_vnets(&drafts.list, vnets, findings);
    drafts
}

fn check_remotes(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
    let mut seen: HashMap<(usize, usize), &PeeringDraft> = HashMap::new();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for draft in drafts {
        let Some(vnet) = vnets.list.get(draft.vnet) else { continue };
        let count = counts.entry(draft.vnet).or_default();
        *count += 1;
        if *count == PEERINGS_PER_VNET_MAX + 1 {
            let what = format!("peerings of virtualNetwork `{}`", vnet.named.id.name());
            let help = "remove peerings, or reach some virtualNetworks through a hub";
            findings.push(limit(&what, PEERINGS_PER_VNET_MAX, draft.named.span, help));
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
