//! Subnet peering: which subnets of two VNets are peered, and that both sides say the same.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            names::segment,
            problem::{Finding, Findings},
            suggest::closest,
            types::PeeringProperties,
        },
        limit,
        vnet::Vnets,
    },
    PeeringDraft,
};
use crate::{document::source::Span, topology::model::PeeringScope};

const SUBNETS_PER_SIDE_MAX: usize = 200;

/// The two VNets of a peering; the remote one may be gone.
pub(super) struct Ends<'v> {
    pub(super) vnets: &'v Vnets,
    pub(super) local: usize,
    pub(super) remote: Option<usize>,
}

/// What a peering peers.
pub(super) fn scope(
    properties: &PeeringProperties,
    ends: &Ends<'_>,
    findings: &mut Findings,
) -> PeeringScope {
    let sides = [
        ("localSubnetNames", properties.local_subnet_names.as_ref(), Some(ends.local)),
        ("remoteSubnetNames", properties.remote_subnet_names.as_ref(), ends.remote),
    ];
    let Some(partly) = properties.peer_complete_vnets.as_ref().filter(|flag| !flag.value) else {
        for (name, list, _) in sides {
            let Some(list) = list.filter(|list| !list.items.is_empty()) else { continue };
            let message =
                format!("`{name}` says nothing if the complete virtualNetworks are peered");
            findings.push(
                Finding::error(Code::ConflictingProperties, list.span, message)
                    .help(format!("remove `{name}`, or write peerCompleteVnets: false")),
            );
        }
        return PeeringScope::Complete;
    };
    let [local, remote] = sides.map(|(name, list, vnet)| {
        let vnet = vnet.map(|vnet| (ends.vnets, vnet));
        names(name, list, partly.span, vnet, findings)
    });
    PeeringScope::Subnets { local, remote }
}

/// The subnets of one side. `vnet` is none if it is not in the document.
fn names(
    property: &str,
    list: Option<&List<Spanned<String>>>,
    span: Span,
    vnet: Option<(&Vnets, usize)>,
    findings: &mut Findings,
) -> Vec<String> {
    let Some(list) = list.filter(|list| list.incomplete || !list.items.is_empty()) else {
        let message = format!("peerCompleteVnets is false, and `{property}` names no subnet");
        let span = list.map_or(span, |list| list.span);
        findings.push(
            Finding::error(Code::MissingProperty, span, message)
                .help(format!("name the subnets in `{property}`")),
        );
        return Vec::new();
    };
    if let Some(name) = list.items.get(SUBNETS_PER_SIDE_MAX) {
        let what = format!("subnets in `{property}`");
        let help = "use larger subnets, or peer the complete virtualNetworks";
        findings.push(limit(&what, SUBNETS_PER_SIDE_MAX, name.span, help));
    }
    let mut seen = HashMap::new();
    for name in list {
        if let Some(first) = seen.insert(name.value.to_ascii_lowercase(), name.span) {
            let message = format!("subnet `{}` is named twice", name.value);
            findings.push(
                Finding::error(Code::DuplicateResource, name.span, message)
                    .help("remove one of the two")
                    .note(first, "first here"),
            );
        }
        findings.extend(vnet.and_then(|(vnets, vnet)| unknown(name, vnets, vnet)));
    }
    list.into_iter().map(|name| name.value.clone()).collect()
}

fn unknown(name: &Spanned<String>, vnets: &Vnets, vnet: usize) -> Option<Finding> {
    let vnet = vnets.list.get(vnet)?;
    let id = format!("{}/subnets/{}", vnet.named.id, segment(&name.value));
    if !vnets.subnets.lacks(&id) {
        return None;
    }
    let owner = vnet.named.id.name();
    let message = format!("virtualNetwork `{owner}` has no subnet `{}`", name.value);
    let known: Vec<&str> = vnet.subnets.iter().map(|it| it.named.id.name()).collect();
    let help = match closest(&name.value, &known) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("add the subnet to `{owner}`, or name one that it has"),
    };
    Some(Finding::error(Code::InvalidResourceReference, name.span, message).help(help))
}

/// The two objects of a pair must peer the same: what is local to one is remote to the other.
pub(super) fn check_mirrors(drafts: &[PeeringDraft], findings: &mut Findings) {
    let mut earlier: HashMap<(usize, usize), &PeeringDraft> = HashMap::new();
    for draft in drafts {
        earlier.insert((draft.vnet, draft.remote), draft);
        let Some(reverse) = earlier.get(&(draft.remote, draft.vnet)) else { continue };
        if is_mirror(draft, reverse) {
            continue;
        }
        let (own, other) = (draft.named.id.name(), reverse.named.id.name());
        let message = format!("peerings `{own}` and `{other}` do not peer the same");
        findings.push(
            Finding::error(Code::PeeringSidesDiffer, draft.scope_span, message)
                .help(
                    "give both the same peerCompleteVnets and enableOnlyIPv6Peering, and name in \
                     the localSubnetNames of each what the other has in its remoteSubnetNames",
                )
                .note(reverse.scope_span, "the other side"),
        );
    }
}

fn is_mirror(one: &PeeringDraft, other: &PeeringDraft) -> bool {
    let set = |names: &[String]| -> HashSet<String> {
        names.iter().map(|name| name.to_ascii_lowercase()).collect()
    };
    one.scope.is_complete() == other.scope.is_complete()
        && one.enable_only_ipv6 == other.enable_only_ipv6
        && set(one.scope.local_subnets()) == set(other.scope.remote_subnets())
        && set(one.scope.remote_subnets()) == set(other.scope.local_subnets())
}
