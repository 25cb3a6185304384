//! Network interfaces: their subnet and their addresses, given or allocated.

use std::{collections::HashSet, net::IpAddr};

use hashbrown::HashMap;
use vnetpeer_common::types::Mac;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry},
        problem::{Finding, Findings},
        source::Span,
        types::{Child, IpConfigurationProperties, NicProperties, Resource},
    },
    PerRegion,
    address::{Addresses, Holder, Wanted},
    application_group::ApplicationGroups,
    check_region, incomplete,
    ip_configuration::{Owner, id_in_vnet},
    limit,
    load_balancer::PoolWish,
    security_group::SecurityGroups,
    vnet::{VnetDraft, Vnets},
};

const KIND: &str = "networkInterfaces";
const ADDRESSES_PER_NIC_MAX: usize = 256;
const NICS_PER_REGION_MAX: usize = 65_536;

const OWNER: Owner = Owner {
    what: "networkInterface",
    help: "name the same subnet, or make it a networkInterface of its own",
};

/// All network interfaces, and behind them those that stand for virtual network gateways.
pub(super) struct Nics {
    pub(super) registry: Registry,
    pub(super) list: Vec<NicDraft>,
    /// Where the list of them is.
    pub(super) span: Span,
}

pub(super) struct NicDraft {
    pub(super) named: Named,
    /// VNet and subnet; `None` if they could not be found.
    pub(super) place: Option<(usize, usize)>,
    /// The primary one first.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) enable_ip_forwarding: bool,
    pub(super) mac: Option<Mac>,
    pub(super) security_group: Option<usize>,
    pub(super) application_groups: Vec<usize>,
    pub(super) disable_tcp_state_tracking: bool,
    /// Whether it stands for a virtual network gateway.
    pub(super) is_gateway: bool,
    /// The backend pools that it wants to be in.
    pub(super) pools: Vec<PoolWish>,
}

type Configurations = List<Child<IpConfigurationProperties>>;

pub(super) fn collect(
    list: Option<&List<Resource<NicProperties>>>,
    vnets: &Vnets,
    security_groups: &SecurityGroups,
    application_groups: &mut ApplicationGroups,
    addresses: &mut Addresses,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Nics {
    let span = list.map(|list| list.span).unwrap_or_default();
    let count = list.map_or(0, |list| list.items.len());
    let registry = Registry::with_capacity(KIND, incomplete(list), count);
    let mut nics = Nics { registry, list: Vec::with_capacity(count), span };
    let mut macs = HashMap::new();
    let help = "use another subscription or region";
    let mut per_region = PerRegion::new(KIND, NICS_PER_REGION_MAX, help);
    for resource in list.into_iter().flatten() {
        let place = place(resource.properties.as_ref(), vnets, findings);
        let Some(named) = named(resource, place, vnets, defaults, findings) else {
            nics.registry.set_incomplete();
            continue;
        };
        nics.registry.add(&named, findings);
        let vnet = place.and_then(|(vnet, _)| vnets.list.get(vnet));
        if let Some(vnet) = vnet {
            check_region(resource.location.as_ref(), &named, vnet, findings);
            per_region.add(&named, &vnet.location, findings);
        }
        let properties = resource.properties.as_ref();
        let configurations = properties.and_then(|it| it.ip_configurations.as_ref());
        let index = nics.list.len();
        let pools = configurations.map(|configurations| {
            want_addresses(index, &named, configurations, place, addresses, findings)
        });
        let mac = properties.and_then(|it| it.mac_address.as_ref());
        check_mac(mac, place, &mut macs, findings);
        let forwarding = properties.and_then(|it| it.enable_ip_forwarding.as_ref());
        let untracked = properties.and_then(|it| it.disable_tcp_state_tracking.as_ref());
        let security_group = properties.and_then(|it| it.network_security_group.as_ref());
        let home = place.map(|(vnet, _)| vnet);
        nics.list.push(NicDraft {
            named,
            security_group: security_groups.attach(security_group, vnet, findings),
            application_groups: application_groups.join(configurations, home, vnets, findings),
            disable_tcp_state_tracking: untracked.is_some_and(|it| it.value),
            place,
            addresses: Vec::new(),
            enable_ip_forwarding: forwarding.is_some_and(|it| it.value),
            mac: mac.map(|it| it.value),
            is_gateway: false,
            pools: pools.unwrap_or_default(),
        });
    }
    nics
}

/// The NIC's id. Without a subscription of its own it belongs to its VNet's, as in Azure it must.
fn named(
    resource: &Resource<NicProperties>,
    place: Option<(usize, usize)>,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<Named> {
    let named = id_in_vnet(KIND, resource, place, vnets, defaults, findings)?;
    if resource.id.is_none() && resource.subscription.is_none() {
        return Some(named);
    }
    let vnet = place.and_then(|(vnet, _)| vnets.list.get(vnet));
    let is_elsewhere = |vnet: &&VnetDraft| {
        let own = vnet.named.written_subscription();
        !own.eq_ignore_ascii_case(named.written_subscription())
    };
    if let Some(vnet) = vnet.filter(is_elsewhere) {
        let message = format!(
            "networkInterface `{}` is not in the subscription of its virtualNetwork `{}`",
            named.id.name(),
            vnet.named.id.name()
        );
        let span = resource.subscription.as_ref().map_or(named.span, |it| it.span);
        findings.push(
            Finding::error(Code::InvalidResourceReference, span, message)
                .help(format!("put it into subscription {}", vnet.named.subscription()))
                .note(vnet.named.span, "the virtualNetwork"),
        );
    }
    Some(named)
}

/// The subnet that all ipConfigurations name.
fn place(
    properties: Option<&NicProperties>,
    vnets: &Vnets,
    findings: &mut Findings,
) -> Option<(usize, usize)> {
    let configurations = properties?.ip_configurations.as_ref()?;
    let references = configurations
        .into_iter()
        .filter_map(|child| child.properties.as_ref())
        .filter_map(|it| Some((it.subnet.as_ref()?.id.as_ref()?, Some(&it.known_subnet))));
    let (subnet, _) = OWNER.subnet(references, vnets, findings)?;
    vnets.subnet_places.get(subnet).copied()
}

/// Notes which addresses the NIC wants, the primary one first, and returns the pools that they want to
/// be in.
fn want_addresses(
    nic: usize,
    named: &Named,
    configurations: &Configurations,
    place: Option<(usize, usize)>,
    addresses: &mut Addresses,
    findings: &mut Findings,
) -> Vec<PoolWish> {
    check_names(named, configurations, findings);
    let primary = primary(named, configurations, findings);
    let mut ordered: Vec<_> = configurations.into_iter().collect();
    // The primary one goes to the front, the others stay in their order.
    if let Some(before) = ordered.get_mut(..=primary) {
        before.rotate_right(1);
    }
    for child in &ordered {
        let (Some(properties), Some(place)) = (child.properties.as_ref(), place) else { continue };
        let span = child.name.as_ref().map_or(named.span, |name| name.span);
        let wanted = Wanted {
            holder: Holder::Nic(nic),
            place,
            address: properties.private_ip_address.as_ref(),
            version: properties.private_ip_address_version.as_ref(),
            allocation: properties.private_ip_allocation_method.as_ref(),
            span,
        };
        addresses.want(&wanted, findings);
    }
    PoolWish::of(&ordered)
}

fn check_names(named: &Named, configurations: &Configurations, findings: &mut Findings) {
    OWNER.check_list(named, configurations, findings);
    if let Some(beyond) = configurations.items.get(ADDRESSES_PER_NIC_MAX) {
        let what = format!("private IP addresses of networkInterface `{}`", named.id.name());
        let span = beyond.name.as_ref().map_or(configurations.span, |name| name.span);
        findings.push(limit(&what, ADDRESSES_PER_NIC_MAX, span, "use another networkInterface"));
    }
}

/// The index of the primary ipConfiguration: the one that says so, or else the first.
fn primary(named: &Named, configurations: &Configurations, findings: &mut Findings) -> usize {
    let children = configurations.into_iter().enumerate();
    let flags =
        children.filter_map(|(index, it)| Some((index, it.properties.as_ref()?.primary.as_ref()?)));
    let flags: Vec<(usize, &Spanned<bool>)> = flags.collect();
    if flags.is_empty() {
        return 0;
    }
    let mut chosen = flags.iter().filter(|(_, flag)| flag.value);
    let first = chosen.next();
    if let (Some((_, first)), Some((_, second))) = (first, chosen.next()) {
        let message =
            format!("networkInterface `{}` has several primary ipConfigurations", named.id.name());
        findings.push(
            Finding::error(Code::PrimaryIpConfigurationRequired, second.span, message)
                .help("keep `primary: true` in one of them only")
                .note(first.span, "the first primary one"),
        );
    }
    let declined: HashSet<usize> =
        flags.iter().filter(|(_, flag)| !flag.value).map(|(index, _)| *index).collect();
    if !declined.is_empty() && declined.len() == configurations.items.len() {
        let message =
            format!("networkInterface `{}` has no primary ipConfiguration", named.id.name());
        findings.push(
            Finding::error(Code::PrimaryIpConfigurationRequired, named.span, message)
                .help("write `primary: true` in one of them"),
        );
    }
    first.map_or_else(
        || (0..configurations.items.len()).find(|index| !declined.contains(index)).unwrap_or(0),
        |(index, _)| *index,
    )
}

fn check_mac(
    mac: Option<&Spanned<Mac>>,
    place: Option<(usize, usize)>,
    macs: &mut HashMap<(usize, Mac), Span>,
    findings: &mut Findings,
) {
    let (Some(mac), Some((vnet, _))) = (mac, place) else { return };
    if let Some(first) = macs.insert((vnet, mac.value), mac.span) {
        let message =
            format!("two networkInterfaces of a virtualNetwork have the MAC address {}", mac.value);
        findings.push(
            Finding::error(Code::InvalidMacAddress, mac.span, message)
                .help("give each its own, or leave it out")
                .note(first, "the other one"),
        );
    }
}
