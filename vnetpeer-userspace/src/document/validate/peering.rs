//! Peerings: which VNets may be peered with which.

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{
            Defaults, Header, IdParts, Named, Registry, arm_id, check_name, explicit_id, segment,
        },
        prefixes::overlaps,
        problem::{Finding, Findings},
        source::Span,
        types::{Peering, PeeringProperties},
    },
    incomplete, limit,
    vnet::{VnetDraft, Vnets},
};
use crate::topology::model::ResourceId;

const KIND: &str = "virtualNetworks/virtualNetworkPeerings";
const PEERINGS_PER_VNET_MAX: usize = 500;

#[expect(clippy::struct_excessive_bools, reason = "these are the properties of the ARM resource")]
pub(super) struct PeeringDraft {
    pub(super) named: Named,
    pub(super) vnet: usize,
    pub(super) remote: usize,
    remote_span: Span,
    pub(super) allow_virtual_network_access: bool,
    pub(super) allow_forwarded_traffic: bool,
    pub(super) allow_gateway_transit: bool,
    pub(super) use_remote_gateways: bool,
}

pub(super) fn collect(
    list: Option<&List<Peering>>,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Vec<PeeringDraft> {
    let mut registry = Registry::new(KIND, incomplete(list));
    let mut drafts = Vec::new();
    for peering in list.into_iter().flatten() {
        if let Some(properties) = peering.properties.as_ref() {
            refuse_flags(properties, findings);
        }
        let Some((vnet, named)) = named(peering, vnets, defaults, findings) else { continue };
        registry.add(&named, findings);
        drafts.extend(draft(named, vnet, peering, vnets, findings));
    }
    check_remotes(&drafts, vnets, findings);
    check_spaces(&drafts, vnets, findings);
    check_third_vnets(&drafts, vnets, findings);
    drafts
}

/// The VNet that owns the peering, and the peering's id.
fn named(
    peering: &Peering,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<(usize, Named)> {
    let (parent, name, span) = match (&peering.id, &peering.name) {
        (Some(id), name) => {
            let header = Header {
                id: Some(id),
                name: name.as_ref(),
                subscription: None,
                resource_group: peering.resource_group.as_ref(),
            };
            explicit_id(KIND, id, header, findings)?;
            let parts = IdParts::parse(&id.value)?;
            let [vnet, name] = parts.names.as_slice() else { return None };
            let parent = arm_id(parts.subscription, parts.resource_group, "virtualNetworks", vnet);
            (parent.to_string(), (*name).to_owned(), id.span)
        }
        (None, Some(name)) => {
            let Some((vnet, own)) = name.value.split_once('/') else {
                findings.push(
                    Finding::error(
                        Code::InvalidResourceName,
                        name.span,
                        format!("the peering name `{}` does not say whose it is", name.value),
                    )
                    .help(format!("write `<virtualNetwork>/{}`", name.value)),
                );
                return None;
            };
            check_name(own, name.span, findings);
            (parent_reference(vnet, peering, defaults), own.to_owned(), name.span)
        }
        (None, None) => return None,
    };
    let parent = Spanned { value: parent, span };
    let vnet = vnets.registry.find(&parent, Code::ParentResourceNotFound, findings)?;
    let owner = &vnets.list.get(vnet)?.named;
    let id = ResourceId::new(format!("{}/virtualNetworkPeerings/{}", owner.id, segment(&name)));
    Some((vnet, Named { id, span }))
}

/// The VNet's name, or its id if the peering says more than a name.
fn parent_reference(vnet: &str, peering: &Peering, defaults: &Defaults) -> String {
    if peering.subscription.is_none() && peering.resource_group.is_none() {
        return vnet.to_owned();
    }
    let subscription = peering.subscription.as_ref();
    let group = peering.resource_group.as_ref();
    let subscription = subscription.map_or(&defaults.subscription, |it| &it.value.0);
    let group = group.map_or(&defaults.resource_group, |it| &it.value);
    arm_id(subscription, group, "virtualNetworks", vnet).to_string()
}

fn draft(
    named: Named,
    vnet: usize,
    peering: &Peering,
    vnets: &Vnets,
    findings: &mut Findings,
) -> Option<PeeringDraft> {
    let properties = peering.properties.as_ref()?;
    let reference = properties.remote_virtual_network.as_ref()?.id.as_ref()?;
    let remote = vnets.registry.find(reference, Code::InvalidResourceReference, findings)?;
    if remote == vnet {
        let message =
            format!("peering `{}` connects its virtualNetwork with itself", named.id.name());
        findings.push(
            Finding::error(Code::VnetCannotPeerWithItself, reference.span, message)
                .help("name another virtualNetwork"),
        );
        return None;
    }
    let set = |flag: &Option<Spanned<bool>>, default| flag.as_ref().map_or(default, |it| it.value);
    Some(PeeringDraft {
        named,
        vnet,
        remote,
        remote_span: reference.span,
        allow_virtual_network_access: set(&properties.allow_virtual_network_access, true),
        allow_forwarded_traffic: set(&properties.allow_forwarded_traffic, false),
        allow_gateway_transit: set(&properties.allow_gateway_transit, false),
        use_remote_gateways: set(&properties.use_remote_gateways, false),
    })
}

fn refuse_flags(properties: &PeeringProperties, findings: &mut Findings) {
    let flags = [
        ("allowGatewayTransit", &properties.allow_gateway_transit, false),
        ("useRemoteGateways", &properties.use_remote_gateways, false),
        ("doNotVerifyRemoteGateways", &properties.do_not_verify_remote_gateways, false),
        ("peerCompleteVnets", &properties.peer_complete_vnets, true),
        ("enableOnlyIPv6Peering", &properties.enable_only_ipv6_peering, false),
    ];
    for (name, flag, only) in flags {
        let Some(flag) = flag.as_ref().filter(|flag| flag.value != only) else { continue };
        let message = format!("not supported yet: {name}: {}", flag.value);
        let help = format!("remove `{name}`, or write {only}");
        findings.push(Finding::error(Code::NotSupportedYet, flag.span, message).help(help));
    }
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

/// A prefix and the VNet that has it.
type Owned<'v> = (&'v Spanned<IpNet>, usize);

/// Overlaps between prefixes of different VNets.
fn conflicts<'v>(
    vnets: &'v Vnets,
    members: impl IntoIterator<Item = usize>,
) -> Vec<(Owned<'v>, Owned<'v>)> {
    let space = |index: usize| vnets.list.get(index).map_or(&[][..], |vnet| &vnet.space);
    let owned: Vec<Owned<'v>> = members
        .into_iter()
        .flat_map(|index| space(index).iter().map(move |prefix| (prefix, index)))
        .collect();
    let values: Vec<IpNet> = owned.iter().map(|(prefix, _)| prefix.value).collect();
    let pairs = overlaps(&values).into_iter();
    pairs
        .filter_map(|(a, b)| Some((*owned.get(a)?, *owned.get(b)?)))
        .filter(|((_, a), (_, b))| a != b)
        .collect()
}

fn name(vnets: &Vnets, index: usize) -> &str {
    vnets.list.get(index).map_or("", |vnet: &VnetDraft| vnet.named.id.name())
}

/// The two VNets of a peering must not share addresses. One error for both directions.
fn check_spaces(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
    let mut judged = HashSet::new();
    for draft in drafts {
        let pair = (draft.vnet.min(draft.remote), draft.vnet.max(draft.remote));
        if !judged.insert(pair) {
            continue;
        }
        let overlapping = conflicts(vnets, [draft.vnet, draft.remote]);
        if overlapping.is_empty() {
            continue;
        }
        let prefixes: Vec<String> = overlapping
            .iter()
            .map(|((local, _), (remote, _))| format!("{} and {}", local.value, remote.value))
            .collect();
        let message = format!(
            "virtualNetworks `{}` and `{}` cannot be peered because their address spaces overlap: \
             {}",
            name(vnets, draft.vnet),
            name(vnets, draft.remote),
            prefixes.join(", ")
        );
        let mut finding =
            Finding::error(Code::VnetAddressSpacesOverlap, draft.remote_span, message)
                .help("give one of the two virtualNetworks other addresses, or remove the peering");
        for (prefix, owner) in overlapping.iter().flat_map(|(a, b)| [a, b]) {
            finding = finding.note(prefix.span, format!("of `{}`", name(vnets, *owner)));
        }
        findings.push(finding);
    }
}

/// Two VNets that one VNet is peered with must not share addresses: it could not tell them apart.
fn check_third_vnets(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
    // By VNet: the first peering with each remote, in the order of the document.
    let mut remotes: HashMap<usize, Vec<&PeeringDraft>> = HashMap::new();
    let mut seen = HashSet::new();
    for draft in drafts {
        if seen.insert((draft.vnet, draft.remote)) {
            remotes.entry(draft.vnet).or_default().push(draft);
        }
    }
    for (vnet, peerings) in remotes {
        let mut judged = HashSet::new();
        for ((one, first), (other, second)) in conflicts(vnets, peerings.iter().map(|it| it.remote))
        {
            if !judged.insert((first, second)) {
                continue;
            }
            let Some(peering) = peerings.iter().find(|it| it.remote == second) else { continue };
            let message = format!(
                "virtualNetworks `{}` and `{}` cannot be peered because the address space of `{}` \
                 overlaps with that of `{}`, which is already peered with `{}`: {} and {}",
                name(vnets, vnet),
                name(vnets, second),
                name(vnets, second),
                name(vnets, first),
                name(vnets, vnet),
                other.value,
                one.value
            );
            findings.push(
                Finding::error(
                    Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet,
                    peering.remote_span,
                    message,
                )
                .help("give one of the two virtualNetworks other addresses, or remove one peering")
                .note(one.span, format!("of `{}`", name(vnets, first)))
                .note(other.span, format!("of `{}`", name(vnets, second))),
            );
        }
    }
}
