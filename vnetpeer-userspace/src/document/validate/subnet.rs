//! Subnets of one virtual network.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Named, check_name, segment},
        prefixes::overlaps,
        problem::{Finding, Findings},
        types::{Child, SubnetProperties},
    },
    check_region, limit,
    route::Tables,
    security_group::SecurityGroups,
    vnet::{VnetDraft, Vnets},
};

const SUBNETS_PER_VNET_MAX: usize = 3_000;
const IPV4_LENGTH_MIN: u8 = 2;
const IPV4_LENGTH_MAX: u8 = 29;
const IPV6_LENGTH: u8 = 64;

pub(super) struct SubnetDraft {
    pub(super) named: Named,
    pub(super) prefixes: Vec<Spanned<IpNet>>,
    /// Whether every prefix could be read.
    pub(super) prefixes_known: bool,
    pub(super) route_table: Option<usize>,
    pub(super) security_group: Option<usize>,
}

impl SubnetDraft {
    /// The prefix of the family of `address`.
    pub(super) fn prefix_for(&self, ipv4: bool) -> Option<IpNet> {
        self.prefixes.iter().map(|it| it.value).find(|net| net.addr().is_ipv4() == ipv4)
    }

    /// Whether the address is one of those that Azure keeps: the first four, and the last of IPv4.
    pub(super) fn reserves(prefix: &IpNet, address: IpAddr) -> bool {
        match (prefix, address) {
            (IpNet::V4(net), IpAddr::V4(address)) => {
                let place = u32::from(address).wrapping_sub(net.network().into());
                place < 4 || address == net.broadcast()
            }
            (IpNet::V6(net), IpAddr::V6(address)) => {
                u128::from(address).wrapping_sub(net.network().into()) < 4
            }
            _ => false,
        }
    }
}

/// Adds the subnets of the VNet that was added last.
pub(super) fn collect(
    vnets: &mut Vnets,
    list: Option<&List<Child<SubnetProperties>>>,
    tables: &Tables,
    groups: &SecurityGroups,
    findings: &mut Findings,
) {
    if super::incomplete(list) {
        vnets.subnets.set_incomplete();
    }
    let Some(vnet_index) = vnets.list.len().checked_sub(1) else { return };
    let Vnets { list: drafts, subnets, subnet_places, .. } = vnets;
    let Some(vnet) = drafts.get_mut(vnet_index) else { return };
    for (index, child) in list.into_iter().flatten().enumerate() {
        let Some(name) = child.name.as_ref() else {
            subnets.set_incomplete();
            continue;
        };
        if index == SUBNETS_PER_VNET_MAX {
            let what = format!("subnets in virtualNetwork `{}`", vnet.named.id.name());
            let help = "use larger subnets, or another virtualNetwork";
            findings.push(limit(&what, SUBNETS_PER_VNET_MAX, name.span, help));
        }
        check_name(&name.value, name.span, findings);
        let own = segment(&name.value);
        let id = child.known_id.get_or_make(&[vnet.named.id.as_str(), "/subnets/", &own]);
        let named = Named { id, span: name.span };
        subnets.add(&named, findings);
        subnet_places.push((vnet_index, vnet.subnets.len()));
        let draft = subnet(named, child.properties.as_ref(), vnet, tables, groups, findings);
        vnet.subnets.push(draft);
    }
    check_siblings(vnet, findings);
}

fn subnet(
    named: Named,
    properties: Option<&SubnetProperties>,
    vnet: &VnetDraft,
    tables: &Tables,
    groups: &SecurityGroups,
    findings: &mut Findings,
) -> SubnetDraft {
    let list = properties.and_then(|it| it.address_prefixes.as_ref());
    let single = properties.and_then(|it| it.address_prefix.as_ref());
    if let (Some(list), Some(single)) = (list, single) {
        let message = "a subnet has `addressPrefix` or `addressPrefixes`, not both";
        findings.push(
            Finding::error(Code::ConflictingProperties, single.span, message)
                .help("move the prefix into addressPrefixes")
                .note(list.span, "the other one"),
        );
    }
    let mut prefixes: Vec<Spanned<IpNet>> = single.cloned().into_iter().collect();
    prefixes.extend(list.into_iter().flatten().cloned());
    let prefixes_known = !prefixes.is_empty() && !super::incomplete(list);
    if let Some(list) = list.filter(|list| list.items.is_empty() && !list.incomplete) {
        let message = format!("subnet `{}` has no address prefix", named.id.name());
        findings.push(
            Finding::error(Code::MissingProperty, list.span, message)
                .help("add a prefix of the virtualNetwork's address space"),
        );
    }
    check_prefixes(&named, &prefixes, vnet, findings);
    let route_table = properties.and_then(|it| it.route_table.as_ref()?.id.as_ref());
    let route_table = route_table.and_then(|reference| {
        let index = tables.registry.find(reference, Code::InvalidResourceReference, findings)?;
        let table = tables.list.get(index)?;
        check_region(table.location.as_ref(), &table.named, vnet, findings);
        Some(index)
    });
    let security_group = properties.and_then(|it| it.network_security_group.as_ref());
    let security_group = groups.attach(security_group, Some(vnet), findings);
    SubnetDraft { named, prefixes, prefixes_known, route_table, security_group }
}

fn check_prefixes(
    subnet: &Named,
    prefixes: &[Spanned<IpNet>],
    vnet: &VnetDraft,
    findings: &mut Findings,
) {
    for (index, prefix) in prefixes.iter().enumerate() {
        let family = prefix.value.addr().is_ipv4();
        let sibling = prefixes.iter().take(index).find(|it| it.value.addr().is_ipv4() == family);
        if let Some(sibling) = sibling {
            let family = if family { "IPv4" } else { "IPv6" };
            let message = format!("not supported yet: two {family} prefixes of one subnet");
            findings.push(
                Finding::error(Code::NotSupportedYet, prefix.span, message)
                    .help("make it a subnet of its own, or use one larger prefix")
                    .note(sibling.span, "the first one"),
            );
        }
        check_length(prefix, findings);
        let inside = vnet.space.iter().any(|space| space.value.contains(&prefix.value));
        if vnet.space_known && !inside {
            findings.push(outside_vnet(subnet, prefix, vnet));
        }
    }
}

fn outside_vnet(subnet: &Named, prefix: &Spanned<IpNet>, vnet: &VnetDraft) -> Finding {
    let space: Vec<String> = vnet.space.iter().map(|it| it.value.to_string()).collect();
    let message = format!(
        "the prefix {} of subnet `{}` is not inside the address space of virtualNetwork `{}`",
        prefix.value,
        subnet.id.name(),
        vnet.named.id.name()
    );
    let finding = Finding::error(Code::NetcfgInvalidSubnet, prefix.span, message).help(format!(
        "choose a prefix inside {}, or add {} to the address space",
        space.join(" or "),
        prefix.value
    ));
    match vnet.space.first() {
        Some(first) => finding.note(first.span, "the address space"),
        None => finding,
    }
}

fn check_length(prefix: &Spanned<IpNet>, findings: &mut Findings) {
    let length = prefix.value.prefix_len();
    let (wrong, rule) = match prefix.value {
        IpNet::V4(_) => (
            !(IPV4_LENGTH_MIN..=IPV4_LENGTH_MAX).contains(&length),
            format!("an IPv4 subnet is from /{IPV4_LENGTH_MIN} to /{IPV4_LENGTH_MAX}"),
        ),
        IpNet::V6(_) => {
            (length != IPV6_LENGTH, format!("an IPv6 subnet is exactly a /{IPV6_LENGTH}"))
        }
    };
    if wrong {
        let nearest = match prefix.value {
            IpNet::V4(net) => {
                IpNet::new(net.network().into(), length.clamp(IPV4_LENGTH_MIN, IPV4_LENGTH_MAX))
            }
            IpNet::V6(net) => IpNet::new(net.network().into(), IPV6_LENGTH),
        };
        let nearest = nearest.map_or(prefix.value, |net| net.trunc());
        findings.push(
            Finding::error(
                Code::InvalidSubnetPrefixLength,
                prefix.span,
                format!("{} cannot be a subnet: {rule}", prefix.value),
            )
            .help(format!("use {nearest}, for instance")),
        );
    }
}

fn check_siblings(vnet: &VnetDraft, findings: &mut Findings) {
    let all: Vec<(&SubnetDraft, &Spanned<IpNet>)> = vnet
        .subnets
        .iter()
        .flat_map(|subnet| subnet.prefixes.iter().map(move |prefix| (subnet, prefix)))
        .collect();
    let values: Vec<IpNet> = all.iter().map(|(_, prefix)| prefix.value).collect();
    for (first, second) in overlaps(&values) {
        let (Some((one, first)), Some((other, second))) = (all.get(first), all.get(second)) else {
            continue;
        };
        let message = format!(
            "the prefix {} of subnet `{}` overlaps {} of subnet `{}`",
            second.value,
            other.named.id.name(),
            first.value,
            one.named.id.name()
        );
        findings.push(
            Finding::error(Code::NetcfgSubnetRangesOverlap, second.span, message)
                .help("make the two prefixes disjoint")
                .note(first.span, "overlaps this one"),
        );
    }
}
