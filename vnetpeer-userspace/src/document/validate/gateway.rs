//! Virtual network gateways: one NIC in `GatewaySubnet` each.

mod connection;
pub(super) mod sku;
mod subnet;

use std::collections::HashMap;

pub(super) use self::subnet::{check as check_subnets, is_gateway_subnet};
use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry},
        problem::{Finding, Findings},
        scalar::{Asn, IpVersion, VpnType},
        types::{Child, Document, GatewayIpConfigurationProperties, GatewayProperties},
    },
    address::{Addresses, Holder, Wanted},
    check_region, incomplete,
    ip_configuration::{Owner, id_in_vnet},
    nic::{NicDraft, Nics},
    vnet::Vnets,
};
use crate::topology::model::{ConnectionRemote, GatewayType};

const KIND: &str = "virtualNetworkGateways";

const OWNER: Owner =
    Owner { what: "gateway", help: "name the GatewaySubnet of one virtualNetwork" };

/// The name of the subnet that a gateway must be in.
pub(super) const GATEWAY_SUBNET: &str = "GatewaySubnet";

/// All virtual network gateways.
pub(super) struct Gateways {
    pub(super) registry: Registry,
    pub(super) list: Vec<GatewayDraft>,
    /// By VNet: the first gateway in it.
    by_vnet: HashMap<usize, usize>,
}

pub(super) struct GatewayDraft {
    pub(super) named: Named,
    /// `None` if it could not be read.
    pub(super) gateway_type: Option<GatewayType>,
    pub(super) vpn_type: VpnType,
    pub(super) sku: String,
    pub(super) vnet: Option<usize>,
    /// The NIC that stands for it.
    pub(super) nic: usize,
    pub(super) enable_bgp: bool,
    pub(super) asn: u32,
    pub(super) allow_remote_vnet_traffic: bool,
    pub(super) connections: Vec<ConnectionDraft>,
    /// Whether a connection exchanges routes by BGP.
    pub(super) has_bgp_connection: bool,
}

pub(super) struct ConnectionDraft {
    pub(super) named: Named,
    pub(super) remote: ConnectionRemote,
}

impl Gateways {
    /// The gateway of a VNet.
    pub(super) fn of(&self, vnet: usize) -> Option<&GatewayDraft> {
        self.by_vnet.get(&vnet).and_then(|index| self.list.get(*index))
    }

    /// Whether a gateway may be missing because it could not be read.
    pub(super) fn is_incomplete(&self) -> bool {
        self.registry.is_incomplete() || self.list.iter().any(|it| it.vnet.is_none())
    }
}

type Configurations = List<Child<GatewayIpConfigurationProperties>>;

/// Reads the gateways and their connections. Every gateway gets a NIC behind those of the document.
pub(super) fn collect(
    document: &Document,
    vnets: &Vnets,
    nics: &mut Nics,
    addresses: &mut Addresses,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Gateways {
    let list = document.virtual_network_gateways.as_ref();
    let mut gateways = Gateways {
        registry: Registry::new(KIND, incomplete(list)),
        list: Vec::new(),
        by_vnet: HashMap::new(),
    };
    for resource in list.into_iter().flatten() {
        let configurations =
            resource.properties.as_ref().and_then(|it| it.ip_configurations.as_ref());
        let place = place(configurations, vnets, findings);
        let Some(named) = id_in_vnet(KIND, resource, place, vnets, defaults, findings) else {
            gateways.registry.set_incomplete();
            continue;
        };
        gateways.registry.add(&named, findings);
        if let Some(vnet) = place.and_then(|(vnet, _)| vnets.list.get(vnet)) {
            check_region(resource.location.as_ref(), &named, vnet, findings);
        }
        if let Some(configurations) = configurations {
            let wishes = Wishes { nic: nics.list.len(), named: &named, place, vnets };
            wishes.add(configurations, addresses, findings);
        }
        let draft = draft(named, resource.properties.as_ref(), place, nics.list.len(), findings);
        nics.list.push(nic(&draft.named, place));
        gateways.add(draft, vnets, findings);
    }
    connection::collect(document, &mut gateways, defaults, findings);
    gateways
}

impl Gateways {
    fn add(&mut self, draft: GatewayDraft, vnets: &Vnets, findings: &mut Findings) {
        let index = self.list.len();
        let first = draft.vnet.and_then(|vnet| self.of(vnet));
        let vnet = draft.vnet.and_then(|vnet| vnets.list.get(vnet));
        if let (Some(first), Some(vnet)) = (first, vnet) {
            let vnet = vnet.named.id.name();
            let same = first.gateway_type == draft.gateway_type;
            let finding = if same {
                let message = format!("more than one gateway in virtualNetwork `{vnet}`");
                Finding::error(Code::LimitExceeded, draft.named.span, message)
                    .help("remove one of them: a virtualNetwork has at most one of each type")
            } else {
                let message = format!(
                    "not supported yet: a VPN and an ExpressRoute gateway in virtualNetwork `{vnet}`"
                );
                Finding::error(Code::NotSupportedYet, draft.named.span, message)
                    .help("remove one of them, or put it into another virtualNetwork")
            };
            findings.push(finding.note(first.named.span, "the other gateway"));
        }
        if let Some(vnet) = draft.vnet {
            self.by_vnet.entry(vnet).or_insert(index);
        }
        self.list.push(draft);
    }
}

/// VNet and subnet of the gateway: those of its first ipConfiguration.
fn place(
    configurations: Option<&Configurations>,
    vnets: &Vnets,
    findings: &mut Findings,
) -> Option<(usize, usize)> {
    let references = configurations?
        .into_iter()
        .filter_map(|child| child.properties.as_ref()?.subnet.as_ref()?.id.as_ref());
    let (subnet, reference) = OWNER.subnet(references.map(|it| (it, None)), vnets, findings)?;
    check_subnet(subnet, reference, vnets, findings);
    vnets.subnet_places.get(subnet).copied()
}

fn check_subnet(index: usize, reference: &Spanned<String>, vnets: &Vnets, findings: &mut Findings) {
    let Some(place) = vnets.subnet_places.get(index).copied() else { return };
    let (Some(vnet), Some(subnet)) = (vnets.list.get(place.0), vnets.subnet(place)) else { return };
    if !is_gateway_subnet(subnet) {
        let message = format!("a gateway cannot be in subnet `{}`", subnet.named.id.name());
        findings.push(
            Finding::error(Code::GatewaySubnetRequired, reference.span, message)
                .help(format!("add a subnet named {GATEWAY_SUBNET} and name it here"))
                .note(subnet.named.span, "the subnet"),
        );
    }
    if vnet.classic {
        let message = format!("virtualNetwork `{}` is classic", vnet.named.id.name());
        findings.push(
            Finding::error(Code::InvalidResourceReference, reference.span, message)
                .help("put the gateway into a virtualNetwork of the Resource Manager model")
                .note(vnet.named.span, "classic"),
        );
    }
}

/// What the addresses of one gateway follow from.
struct Wishes<'d> {
    nic: usize,
    named: &'d Named,
    place: Option<(usize, usize)>,
    vnets: &'d Vnets,
}

impl Wishes<'_> {
    /// One address of each family of the subnet: the given one, or the next free one.
    fn add(
        &self,
        configurations: &Configurations,
        addresses: &mut Addresses,
        findings: &mut Findings,
    ) {
        OWNER.check_list(self.named, configurations, findings);
        let Some(subnet) = self.place.and_then(|place| self.vnets.subnet(place)) else { return };
        let mut left: Vec<bool> =
            [true, false].into_iter().filter(|v4| subnet.prefix_for(*v4).is_some()).collect();
        let given = configurations.into_iter().filter(|it| address(it).is_some());
        let others = configurations.into_iter().filter(|it| address(it).is_none());
        for child in given.chain(others) {
            let family = address(child).map_or(left.first().copied(), |it| Some(it.is_ipv4()));
            let known = family.filter(|_| !left.is_empty());
            let Some(v4) = known.filter(|v4| left.contains(v4) || subnet.prefix_for(*v4).is_none())
            else {
                findings.push(self.several_instances(child));
                continue;
            };
            left.retain(|it| *it != v4);
            self.want(child.properties.as_ref(), v4, child.name.as_ref(), addresses, findings);
        }
        for v4 in left {
            self.want(None, v4, None, addresses, findings);
        }
    }

    fn want(
        &self,
        properties: Option<&GatewayIpConfigurationProperties>,
        v4: bool,
        name: Option<&Spanned<String>>,
        addresses: &mut Addresses,
        findings: &mut Findings,
    ) {
        let Some(place) = self.place else { return };
        let span = name.map_or(self.named.span, |it| it.span);
        let given = properties.and_then(|it| it.private_ip_address.as_ref());
        let allocation = properties.and_then(|it| it.private_ip_allocation_method.as_ref());
        let version = if v4 { IpVersion::V4 } else { IpVersion::V6 };
        let version = Spanned { value: version, span };
        addresses.want(
            &Wanted {
                holder: Holder::Nic(self.nic),
                place,
                address: given,
                version: Some(&version),
                allocation,
                span,
            },
            findings,
        );
    }

    fn several_instances(&self, child: &Child<GatewayIpConfigurationProperties>) -> Finding {
        let span = child.name.as_ref().map_or(self.named.span, |it| it.span);
        let message = "not supported yet: a second address of one family, or several instances";
        Finding::error(Code::NotSupportedYet, span, message)
            .help("keep one ipConfiguration for each family of the subnet")
    }
}

fn address(child: &Child<GatewayIpConfigurationProperties>) -> Option<std::net::IpAddr> {
    child.properties.as_ref()?.private_ip_address.as_ref().map(|it| it.value)
}

fn draft(
    named: Named,
    properties: Option<&GatewayProperties>,
    place: Option<(usize, usize)>,
    nic: usize,
    findings: &mut Findings,
) -> GatewayDraft {
    let kind = properties.and_then(|it| it.gateway_type.as_ref()).map(|it| it.value);
    let vpn_type = properties.and_then(|it| it.vpn_type.as_ref());
    let asn = properties.and_then(|it| it.bgp_settings.as_ref()?.asn.as_ref());
    let is_set = |flag: Option<&Spanned<bool>>, default| flag.map_or(default, |it| it.value);
    if let Some(properties) = properties {
        sku::check(properties, findings);
        check_instances(properties, findings);
    }
    if let Some(asn) =
        asn.filter(|it| kind == Some(GatewayType::ExpressRoute) && it.value != Asn::DEFAULT)
    {
        let message = format!("an ExpressRoute gateway cannot have asn {}", asn.value.0);
        findings.push(
            Finding::error(Code::InvalidPropertyValue, asn.span, message)
                .help(format!("write {}, or leave it out", Asn::DEFAULT.0)),
        );
    }
    let sku = properties.and_then(|it| it.sku.as_ref()?.name.as_ref());
    let remote = properties.and_then(|it| it.allow_remote_vnet_traffic.as_ref());
    GatewayDraft {
        named,
        gateway_type: kind,
        vpn_type: vpn_type.map_or(VpnType::RouteBased, |it| it.value),
        sku: sku.map(|it| it.value.clone()).unwrap_or_default(),
        vnet: place.map(|(vnet, _)| vnet),
        nic,
        enable_bgp: is_set(properties.and_then(|it| it.enable_bgp.as_ref()), false),
        asn: asn.map_or(Asn::DEFAULT, |it| it.value).0,
        allow_remote_vnet_traffic: is_set(remote, true),
        connections: Vec::new(),
        has_bgp_connection: false,
    }
}

fn check_instances(properties: &GatewayProperties, findings: &mut Findings) {
    if let Some(flag) = properties.active.as_ref().filter(|flag| flag.value) {
        let message = "not supported yet: activeActive: true";
        findings.push(
            Finding::error(Code::NotSupportedYet, flag.span, message)
                .help("remove `activeActive`, or write false"),
        );
    }
}

/// A gateway forwards and has no policies of its own.
fn nic(named: &Named, place: Option<(usize, usize)>) -> NicDraft {
    NicDraft {
        named: named.clone(),
        place,
        addresses: Vec::new(),
        enable_ip_forwarding: true,
        mac: None,
        security_group: None,
        application_groups: Vec::new(),
        disable_tcp_state_tracking: false,
        is_gateway: true,
        pools: Vec::new(),
    }
}
