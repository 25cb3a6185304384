//! Virtual networks and their subnets.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id},
        prefixes::{overlap, overlaps},
        problem::{Finding, Findings},
        scalar::DeploymentModel,
        types::{Resource, VnetProperties},
    },
    PerRegion, incomplete,
    route::Tables,
    security_group::SecurityGroups,
    subnet::{self, SubnetDraft},
};

const KIND: &str = "virtualNetworks";
const VNETS_PER_REGION_MAX: usize = 1_000;

/// Ranges that no VNet may have: multicast, broadcast, loopback, link-local, and the address of
/// Azure's platform services; for IPv6 those with the same meanings.
const FORBIDDEN_V4: [([u8; 4], u8, &str); 5] = [
    ([224, 0, 0, 0], 4, "multicast"),
    ([255, 255, 255, 255], 32, "broadcast"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([168, 63, 129, 16], 32, "Azure's platform services"),
];
const FORBIDDEN_V6: [(u128, u8, &str); 3] = [
    (0xff00 << 112, 8, "multicast"),
    (0xfe80 << 112, 10, "link-local"),
    (0, 127, "the unspecified and the loopback address"),
];

/// All virtual networks.
pub(super) struct Vnets {
    pub(super) registry: Registry,
    pub(super) list: Vec<VnetDraft>,
    pub(super) subnets: Registry,
    /// VNet and subnet by index in `subnets`.
    pub(super) subnet_places: Vec<(usize, usize)>,
}

pub(super) struct VnetDraft {
    pub(super) named: Named,
    /// In lower case.
    pub(super) subscription: String,
    pub(super) location: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) space: Vec<Spanned<IpNet>>,
    /// Whether every prefix of the address space could be read.
    pub(super) space_known: bool,
    pub(super) subnets: Vec<SubnetDraft>,
    pub(super) flow_timeout_minutes: Option<u8>,
    /// Whether it is of the classic deployment model.
    pub(super) classic: bool,
}

impl Vnets {
    pub(super) fn subnet(&self, place: (usize, usize)) -> Option<&SubnetDraft> {
        self.list.get(place.0).and_then(|vnet| vnet.subnets.get(place.1))
    }
}

pub(super) fn collect(
    list: Option<&List<Resource<VnetProperties>>>,
    tables: &Tables,
    groups: &SecurityGroups,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Vnets {
    let count = list.map_or(0, |list| list.items.len());
    let mut vnets = Vnets {
        registry: Registry::with_capacity(KIND, incomplete(list), count),
        list: Vec::with_capacity(count),
        subnets: Registry::with_capacity("virtualNetworks/subnets", incomplete(list), count),
        subnet_places: Vec::new(),
    };
    let help = "use another subscription or region";
    let mut per_region = PerRegion::new(KIND, VNETS_PER_REGION_MAX, help);
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, resource.header(), defaults, findings) else {
            vnets.registry.set_incomplete();
            vnets.subnets.set_incomplete();
            continue;
        };
        let vnet = draft(named, resource, defaults, findings);
        per_region.add(&vnet.named, &vnet.location, findings);
        vnets.registry.add(&vnet.named, findings);
        vnets.list.push(vnet);
        let subnets = resource.properties.as_ref().and_then(|it| it.subnets.as_ref());
        subnet::collect(&mut vnets, subnets, tables, groups, findings);
    }
    vnets
}

fn draft(
    named: Named,
    resource: &Resource<VnetProperties>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> VnetDraft {
    let properties = resource.properties.as_ref();
    let nested = properties.and_then(|it| it.virtual_network_peerings.as_ref());
    if let Some(nested) = nested.filter(|list| !list.items.is_empty()) {
        let message = "peerings cannot be declared inside a virtualNetwork, as in Azure";
        findings
            .push(Finding::error(Code::ReadOnlyProperty, nested.span, message).help(
                "move them to the document's `virtualNetworkPeerings`, named `vnet/peering`",
            ));
    }
    let prefixes = properties
        .and_then(|it| it.address_space.as_ref())
        .and_then(|it| it.address_prefixes.as_ref());
    if let Some(list) = prefixes.filter(|list| list.items.is_empty() && !list.incomplete) {
        let message = format!("virtualNetwork `{}` has an empty address space", named.id.name());
        findings.push(
            Finding::error(Code::MissingProperty, list.span, message).help("add an address prefix"),
        );
    }
    let space: Vec<_> = prefixes.into_iter().flatten().cloned().collect();
    check_space(&space, &named, findings);
    let location = resource.location.as_ref();
    let flow_timeout = properties.and_then(|it| it.flow_timeout_in_minutes.as_ref());
    let model = properties.and_then(|it| it.deployment_model.as_ref());
    VnetDraft {
        subscription: named.subscription().into_owned(),
        named,
        location: location.map_or_else(|| defaults.location.clone(), |it| it.value.0.clone()),
        tags: resource.tags.as_ref().map(|it| it.0.clone()).unwrap_or_default(),
        space_known: prefixes.is_some_and(|list| !list.incomplete && !list.items.is_empty()),
        space,
        subnets: Vec::new(),
        flow_timeout_minutes: flow_timeout.map(|it| it.value.0),
        classic: model.is_some_and(|it| it.value == DeploymentModel::Classic),
    }
}

fn check_space(space: &[Spanned<IpNet>], vnet: &Named, findings: &mut Findings) {
    for prefix in space {
        if let Some((range, meaning)) = forbidden(&prefix.value) {
            let message = format!(
                "the address prefix {} shares addresses with {range} ({meaning})",
                prefix.value
            );
            findings
                .push(Finding::error(Code::AddressPrefixNotAllowed, prefix.span, message).help(
                "use private ranges such as 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8",
            ));
        }
    }
    let values: Vec<IpNet> = space.iter().map(|it| it.value).collect();
    for (first, second) in overlaps(&values) {
        let (Some(first), Some(second)) = (space.get(first), space.get(second)) else { continue };
        let message = format!(
            "the address prefixes {} and {} of virtualNetwork `{}` overlap",
            first.value,
            second.value,
            vnet.id.name()
        );
        findings.push(
            Finding::error(Code::AddressPrefixesOverlap, second.span, message)
                .help("remove one of them, or make them disjoint")
                .note(first.span, "overlaps this one"),
        );
    }
}

fn forbidden(prefix: &IpNet) -> Option<(IpNet, &'static str)> {
    let v4 = FORBIDDEN_V4.iter().filter_map(|(address, length, meaning)| {
        Ipv4Net::new((*address).into(), *length).ok().map(|net| (IpNet::V4(net), *meaning))
    });
    let v6 = FORBIDDEN_V6.iter().filter_map(|(address, length, meaning)| {
        Ipv6Net::new((*address).into(), *length).ok().map(|net| (IpNet::V6(net), *meaning))
    });
    v4.chain(v6).find(|(range, _)| overlap(range, prefix))
}
