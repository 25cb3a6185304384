//! Connections of virtual network gateways, and the sites behind them.

use std::collections::HashSet;

use ipnet::IpNet;

use super::{
    super::{
        super::{
            code::Code,
            decode::{List, Spanned},
            names::{Defaults, Header, Named, Registry, arm_id, explicit_id, resource_id},
            problem::{Finding, Findings},
            scalar::{ConnectionType, VpnType},
            types::{
                ConnectionProperties, Document, LocalNetworkGatewayProperties, Reference, Resource,
            },
        },
        incomplete,
    },
    ConnectionDraft, GatewayDraft, Gateways,
};
use crate::topology::model::{ConnectionRemote, GatewayIndex, GatewayType, ResourceId};

const KIND: &str = "connections";
const SITES: &str = "localNetworkGateways";
const CIRCUITS: &str = "expressRouteCircuits";

/// A local network gateway.
struct SiteDraft {
    named: Named,
    prefixes: Vec<IpNet>,
    asn: Option<u32>,
}

struct Sites {
    registry: Registry,
    list: Vec<SiteDraft>,
}

/// What a gateway is connected with at most once.
#[derive(PartialEq, Eq, Hash)]
enum End {
    Site(usize),
    Gateway(usize),
    Circuit(ResourceId),
}

/// A connection that was read: its gateway, and the rest.
struct Link<'d> {
    gateway: usize,
    named: Named,
    properties: &'d ConnectionProperties,
    bgp: bool,
}

/// Gives every gateway its connections.
pub(super) fn collect(
    document: &Document,
    gateways: &mut Gateways,
    defaults: &Defaults,
    findings: &mut Findings,
) {
    let sites = read_sites(document.local_network_gateways.as_ref(), defaults, findings);
    let list = document.connections.as_ref();
    let mut registry = Registry::new(KIND, incomplete(list));
    let mut seen = HashSet::new();
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, resource.header(), defaults, findings) else {
            continue;
        };
        registry.add(&named, findings);
        let Some(properties) = resource.properties.as_ref() else { continue };
        let found =
            find(properties.virtual_network_gateway1.as_ref(), &gateways.registry, findings);
        let Some(gateway) = found else { continue };
        let bgp = properties.enable_bgp.as_ref().is_some_and(|it| it.value);
        let link = Link { gateway, named, properties, bgp };
        let remote = link.remote(gateways, &sites, defaults, findings);
        link.check_bgp(gateways, findings);
        let Some(remote) = remote else { continue };
        let Some(draft) = gateways.list.get_mut(gateway) else { continue };
        let (remote, end) = remote;
        if !seen.insert((gateway, end)) {
            let message = format!("gateway `{}` is connected twice", draft.named.id.name());
            findings.push(
                Finding::error(Code::InvalidConnection, link.named.span, message)
                    .help("remove one of the two connections"),
            );
            continue;
        }
        draft.has_bgp_connection |= bgp;
        draft.connections.push(ConnectionDraft { named: link.named, remote });
    }
    if !incomplete(list) {
        warn_one_sided(gateways, findings);
    }
}

fn find(
    reference: Option<&Reference>,
    registry: &Registry,
    findings: &mut Findings,
) -> Option<usize> {
    registry.find(reference?.id.as_ref()?, Code::InvalidResourceReference, findings)
}

fn read_sites(
    list: Option<&List<Resource<LocalNetworkGatewayProperties>>>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Sites {
    let mut sites = Sites { registry: Registry::new(SITES, incomplete(list)), list: Vec::new() };
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(SITES, resource.header(), defaults, findings) else {
            sites.registry.set_incomplete();
            continue;
        };
        sites.registry.add(&named, findings);
        let properties = resource.properties.as_ref();
        let space = properties.and_then(|it| it.local_network_address_space.as_ref());
        let prefixes = space.and_then(|it| it.address_prefixes.as_ref());
        let asn = properties.and_then(|it| it.bgp_settings.as_ref()?.asn.as_ref());
        sites.list.push(SiteDraft {
            named,
            prefixes: prefixes.into_iter().flatten().map(|it| it.value).collect(),
            asn: asn.map(|it| it.value.0),
        });
    }
    sites
}

impl Link<'_> {
    /// What it connects with; what is wrong with that is reported.
    fn remote(
        &self,
        gateways: &Gateways,
        sites: &Sites,
        defaults: &Defaults,
        findings: &mut Findings,
    ) -> Option<(ConnectionRemote, End)> {
        let kind = self.properties.connection_type.as_ref()?;
        let gateway = gateways.list.get(self.gateway)?;
        let (needed, fits) = match kind.value {
            ConnectionType::IPsec => ("localNetworkGateway2", GatewayType::Vpn),
            ConnectionType::Vnet2Vnet => ("virtualNetworkGateway2", GatewayType::Vpn),
            ConnectionType::ExpressRoute => ("peer", GatewayType::ExpressRoute),
        };
        if gateway.gateway_type.is_some_and(|it| it != fits) {
            let message = format!("gateway `{}` is not of this type", gateway.named.id.name());
            findings.push(
                Finding::error(Code::InvalidConnection, kind.span, message)
                    .help("write another connectionType, or name another gateway")
                    .note(gateway.named.span, "the gateway"),
            );
        }
        self.check_ends(kind, needed, findings)?;
        match kind.value {
            ConnectionType::IPsec => {
                let site = self.properties.local_network_gateway2.as_ref();
                let index = find(site, &sites.registry, findings)?;
                let site = sites.list.get(index)?;
                self.check_asn(gateway.asn, site.asn, &site.named, findings);
                Some((ConnectionRemote::LocalNetwork(site.prefixes.clone()), End::Site(index)))
            }
            ConnectionType::Vnet2Vnet => self.other_gateway(gateway, gateways, findings),
            ConnectionType::ExpressRoute => {
                let circuit = self.properties.peer.as_ref()?.id.as_ref()?;
                let id = circuit_id(circuit, defaults, findings)?;
                Some((ConnectionRemote::Circuit(id.clone()), End::Circuit(id)))
            }
        }
    }

    /// Exactly the end that its type has must be given.
    fn check_ends(
        &self,
        kind: &Spanned<ConnectionType>,
        needed: &str,
        findings: &mut Findings,
    ) -> Option<()> {
        let ends = [
            ("virtualNetworkGateway2", &self.properties.virtual_network_gateway2),
            ("localNetworkGateway2", &self.properties.local_network_gateway2),
            ("peer", &self.properties.peer),
        ];
        for (name, end) in ends {
            if let Some(end) = end.as_ref().filter(|_| name != needed) {
                let span = end.id.as_ref().map_or(self.named.span, |it| it.span);
                let message = format!("such a connection has no `{name}`");
                findings.push(
                    Finding::error(Code::InvalidConnection, span, message)
                        .help(format!("remove `{name}`, or write another connectionType"))
                        .note(kind.span, "its type"),
                );
            }
        }
        let given = ends.iter().any(|(name, end)| *name == needed && end.is_some());
        if !given {
            let message = format!("connection `{}` has no `{needed}`", self.named.id.name());
            findings.push(
                Finding::error(Code::InvalidConnection, self.named.span, message)
                    .help(format!("add `{needed}`"))
                    .note(kind.span, "its type needs it"),
            );
        }
        given.then_some(())
    }

    fn other_gateway(
        &self,
        gateway: &GatewayDraft,
        gateways: &Gateways,
        findings: &mut Findings,
    ) -> Option<(ConnectionRemote, End)> {
        let reference = self.properties.virtual_network_gateway2.as_ref()?;
        let span = reference.id.as_ref()?.span;
        let index = find(Some(reference), &gateways.registry, findings)?;
        let other = gateways.list.get(index)?;
        let name = other.named.id.name();
        let refused = |message: String| Finding::error(Code::InvalidConnection, span, message);
        if index == self.gateway {
            let message = format!("gateway `{name}` cannot be connected with itself");
            findings.push(refused(message).help("name the gateway of another virtualNetwork"));
            return None;
        }
        if other.gateway_type == Some(GatewayType::ExpressRoute) {
            let message = format!("gateway `{name}` is not a VPN gateway");
            findings.push(refused(message).help("name a VPN gateway").note(other.named.span, "it"));
        }
        let policy_based =
            [gateway, other].into_iter().find(|it| it.vpn_type == VpnType::PolicyBased);
        if let Some(it) = policy_based {
            let message = format!("gateway `{}` is PolicyBased", it.named.id.name());
            findings.push(
                refused(message)
                    .help("write vpnType: RouteBased: only such gateways connect virtualNetworks")
                    .note(it.named.span, "the gateway"),
            );
        }
        self.check_asn(gateway.asn, Some(other.asn), &other.named, findings);
        Some((ConnectionRemote::Gateway(GatewayIndex(index)), End::Gateway(index)))
    }

    /// BGP is between autonomous systems that differ.
    fn check_asn(&self, own: u32, theirs: Option<u32>, other: &Named, findings: &mut Findings) {
        if self.bgp && theirs == Some(own) {
            let message = format!("`{}` has the same asn {own}", other.id.name());
            findings.push(
                Finding::error(Code::InvalidConnection, self.named.span, message)
                    .help("give one of the two another asn in its bgpSettings")
                    .note(other.span, "the other end"),
            );
        }
    }

    fn check_bgp(&self, gateways: &Gateways, findings: &mut Findings) {
        let flag = self.properties.enable_bgp.as_ref().filter(|flag| flag.value);
        let gateway = gateways
            .list
            .get(self.gateway)
            .filter(|it| it.gateway_type == Some(GatewayType::Vpn) && !it.enable_bgp);
        if let (Some(flag), Some(gateway)) = (flag, gateway) {
            let message = format!("gateway `{}` has no BGP", gateway.named.id.name());
            findings.push(
                Finding::error(Code::InvalidConnection, flag.span, message)
                    .help("write enableBgp: true at the gateway, or false here")
                    .note(gateway.named.span, "the gateway"),
            );
        }
    }
}

/// Circuits are not in the document, so a name is taken as it is.
fn circuit_id(
    reference: &Spanned<String>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<ResourceId> {
    if reference.value.starts_with('/') {
        let header = Header {
            id: Some(reference),
            name: None,
            subscription: None,
            resource_group: None,
            known: None,
        };
        return explicit_id(CIRCUITS, reference, header, findings).map(|it| it.id);
    }
    let Defaults { subscription, resource_group, .. } = defaults;
    Some(arm_id(subscription, resource_group, CIRCUITS, &reference.value))
}

/// Two VNets are connected if both gateways have a connection to each other.
fn warn_one_sided(gateways: &Gateways, findings: &mut Findings) {
    for (index, gateway) in gateways.list.iter().enumerate() {
        let back = ConnectionRemote::Gateway(GatewayIndex(index));
        for connection in &gateway.connections {
            let ConnectionRemote::Gateway(other) = connection.remote else { continue };
            let Some(other) = gateways.list.get(other.0) else { continue };
            if other.connections.iter().any(|it| it.remote == back) {
                continue;
            }
            let message = format!(
                "connection `{}` carries nothing: gateway `{}` has none to `{}`",
                connection.named.id.name(),
                other.named.id.name(),
                gateway.named.id.name()
            );
            findings.push(
                Finding::warning(Code::ConnectionNotConnected, connection.named.span, message)
                    .help("add the connection of the other direction"),
            );
        }
    }
}
