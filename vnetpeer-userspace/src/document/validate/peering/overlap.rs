//! Address spaces that cannot be told apart (AZ §1.7, §1.8.2).
//!
//! A subnet peering counts with the whole prefixes of the address space that hold its subnets: these may
//! not be in the other VNet at all, be it peered there or not.

use std::collections::{HashMap, HashSet};

use ipnet::IpNet;

use super::{
    super::{
        super::{
            code::Code,
            decode::Spanned,
            prefixes::overlaps,
            problem::{Finding, Findings},
        },
        vnet::{VnetDraft, Vnets},
    },
    PeeringDraft,
};

/// A prefix of an address space.
#[derive(Clone, Copy)]
struct Owned<'v> {
    prefix: &'v Spanned<IpNet>,
    vnet: usize,
    /// Whether the peering that is judged peers something of it.
    peered: bool,
}

/// The prefixes of a VNet, as the peering sees them from the side that names `subnets`.
fn space<'v>(
    vnets: &'v Vnets,
    draft: &PeeringDraft,
    vnet: usize,
    subnets: &[String],
) -> Vec<Owned<'v>> {
    let Some(owner) = vnets.list.get(vnet) else { return Vec::new() };
    let named = |name: &str| subnets.iter().any(|it| it.eq_ignore_ascii_case(name));
    let within: Vec<IpNet> = owner
        .subnets
        .iter()
        .filter(|subnet| named(subnet.named.id.name()))
        .flat_map(|subnet| subnet.prefixes.iter().map(|prefix| prefix.value))
        .collect();
    let complete = draft.scope.is_complete();
    let holds = |prefix: &IpNet| within.iter().any(|subnet| prefix.contains(subnet));
    let prefixes =
        owner.space.iter().filter(|it| !draft.enable_only_ipv6 || it.value.addr().is_ipv6());
    prefixes
        .map(|prefix| Owned { prefix, vnet, peered: complete || holds(&prefix.value) })
        .collect()
}

/// Overlaps between prefixes of different VNets of which at least one is peered.
fn conflicts<'v>(owned: &[Owned<'v>]) -> Vec<(Owned<'v>, Owned<'v>)> {
    let values: Vec<IpNet> = owned.iter().map(|it| it.prefix.value).collect();
    let pairs = overlaps(&values).into_iter();
    pairs
        .filter_map(|(a, b)| Some((*owned.get(a)?, *owned.get(b)?)))
        .filter(|(a, b)| a.vnet != b.vnet && (a.peered || b.peered))
        .collect()
}

fn name(vnets: &Vnets, index: usize) -> &str {
    vnets.list.get(index).map_or("", |vnet: &VnetDraft| vnet.named.id.name())
}

/// The two VNets of a peering must not share addresses. One error for both directions.
pub(super) fn check_pairs(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
    let mut judged = HashSet::new();
    for draft in drafts {
        let pair = (draft.vnet.min(draft.remote), draft.vnet.max(draft.remote));
        if !judged.insert(pair) {
            continue;
        }
        let mut both = space(vnets, draft, draft.vnet, draft.scope.local_subnets());
        both.extend(space(vnets, draft, draft.remote, draft.scope.remote_subnets()));
        let overlapping = conflicts(&both);
        if overlapping.is_empty() {
            continue;
        }
        let prefixes: Vec<String> = overlapping
            .iter()
            .map(|(local, remote)| format!("{} and {}", local.prefix.value, remote.prefix.value))
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
        for it in overlapping.iter().flat_map(|(a, b)| [a, b]) {
            finding = finding.note(it.prefix.span, format!("of `{}`", name(vnets, it.vnet)));
        }
        findings.push(finding);
    }
}

/// Two VNets that one VNet is peered with must not share addresses: it could not tell them apart.
pub(super) fn check_third_vnets(drafts: &[PeeringDraft], vnets: &Vnets, findings: &mut Findings) {
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
        let peered: Vec<Owned<'_>> = peerings
            .iter()
            .flat_map(|it| {
                let remote = space(vnets, it, it.remote, it.scope.remote_subnets());
                remote.into_iter().filter(|prefix| prefix.peered)
            })
            .collect();
        for (one, other) in conflicts(&peered) {
            if !judged.insert((one.vnet, other.vnet)) {
                continue;
            }
            let Some(peering) = peerings.iter().find(|it| it.remote == other.vnet) else {
                continue;
            };
            findings.push(with_third(vnets, vnet, peering, (one, other)));
        }
    }
}

fn with_third(
    vnets: &Vnets,
    vnet: usize,
    peering: &PeeringDraft,
    (one, other): (Owned<'_>, Owned<'_>),
) -> Finding {
    let own = name(vnets, vnet);
    let (first, second) = (name(vnets, one.vnet), name(vnets, other.vnet));
    let message = format!(
        "virtualNetworks `{own}` and `{second}` cannot be peered because the address space of \
         `{second}` overlaps with that of `{first}`, which is already peered with `{own}`: {} and {}",
        other.prefix.value, one.prefix.value
    );
    Finding::error(
        Code::VnetAddressSpaceOverlapsWithAlreadyPeeredVnet,
        peering.remote_span,
        message,
    )
    .help("give one of the two virtualNetworks other addresses, or remove one peering")
    .note(one.prefix.span, format!("of `{first}`"))
    .note(other.prefix.span, format!("of `{second}`"))
}
