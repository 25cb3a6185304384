//! Route tables and their routes.

use std::{collections::HashMap, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Named, Registry, resource_id},
        problem::{Finding, Findings},
        scalar::{DisablePeeringRoute, Location, NextHopType},
        source::Span,
        types::{Child, Resource, RouteProperties, RouteTableProperties},
    },
    PartNames, PerRegion, incomplete, limit,
};
use crate::topology::model::{Route, RouteNextHop};

const KIND: &str = "routeTables";
const TABLES_PER_REGION_MAX: usize = 200;
const ROUTES_PER_TABLE_MAX: usize = 400;
const ECMP_HOPS: RangeInclusive<usize> = 2..=64;

/// All route tables.
pub(super) struct Tables {
    pub(super) registry: Registry,
    pub(super) list: Vec<TableDraft>,
}

pub(super) struct TableDraft {
    pub(super) named: Named,
    /// The region if the document states one.
    pub(super) location: Option<Spanned<Location>>,
    pub(super) routes: Vec<RouteDraft>,
    pub(super) disable_bgp_route_propagation: bool,
    pub(super) disable_peering_routes: bool,
}

pub(super) struct RouteDraft {
    pub(super) route: Route,
    /// Where the type of the next hop is written.
    pub(super) next_hop_span: Span,
    /// Where its addresses are written.
    pub(super) next_hop_spans: Vec<Span>,
}

pub(super) fn collect(
    list: Option<&List<Resource<RouteTableProperties>>>,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Tables {
    let mut tables = Tables { registry: Registry::new(KIND, incomplete(list)), list: Vec::new() };
    let help = "share route tables between subnets, or use another subscription";
    let mut per_region = PerRegion::new("route tables", TABLES_PER_REGION_MAX, help);
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, resource.header(), defaults, findings) else {
            tables.registry.set_incomplete();
            continue;
        };
        let region = resource.location.as_ref().map_or(&defaults.location, |it| &it.value.0);
        per_region.add(&named, region, findings);
        tables.registry.add(&named, findings);
        tables.list.push(table(named, resource, findings));
    }
    tables
}

fn table(
    named: Named,
    resource: &Resource<RouteTableProperties>,
    findings: &mut Findings,
) -> TableDraft {
    let properties = resource.properties.as_ref();
    let children = properties.and_then(|it| it.routes.as_ref());
    let routes = routes(&named, children, findings);
    let bgp = properties.and_then(|it| it.disable_bgp_route_propagation.as_ref());
    let peering = properties.and_then(|it| it.disable_peering_route.as_ref());
    TableDraft {
        named,
        location: resource.location.clone(),
        routes,
        disable_bgp_route_propagation: bgp.is_some_and(|it| it.value),
        disable_peering_routes: peering.is_some_and(|it| it.value == DisablePeeringRoute::All),
    }
}

fn routes(
    table: &Named,
    children: Option<&List<Child<RouteProperties>>>,
    findings: &mut Findings,
) -> Vec<RouteDraft> {
    let mut routes = Vec::new();
    let mut names = PartNames::default();
    let mut prefixes: HashMap<IpNet, Span> = HashMap::new();
    for (index, child) in children.into_iter().flatten().enumerate() {
        let Some(name) = child.name.as_ref() else { continue };
        names.add("route", name, findings);
        if index == ROUTES_PER_TABLE_MAX {
            let what = format!("routes in routeTable `{}`", table.id.name());
            findings.push(limit(&what, ROUTES_PER_TABLE_MAX, name.span, "summarise prefixes"));
        }
        let Some(properties) = child.properties.as_ref() else { continue };
        if let Some(prefix) = properties.address_prefix.as_ref()
            && let Some(first) = prefixes.insert(prefix.value, prefix.span)
        {
            let message = format!(
                "route `{}` has the same address prefix {} as another route of the table",
                name.value, prefix.value
            );
            findings.push(
                Finding::error(Code::RouteConflict, prefix.span, message)
                    .help("remove one of the two routes, or change its prefix")
                    .note(first, "the other route"),
            );
        }
        routes.extend(route(name, properties, findings));
    }
    routes
}

fn route(
    name: &Spanned<String>,
    properties: &RouteProperties,
    findings: &mut Findings,
) -> Option<RouteDraft> {
    let kind = properties.next_hop_type.as_ref()?;
    let hop = Hop { name, kind, properties };
    let next_hop = hop.read(findings)?;
    let prefix = properties.address_prefix.as_ref()?;
    for address in hop.addresses() {
        if address.value.is_ipv4() != prefix.value.addr().is_ipv4() {
            let message =
                format!("the next hop {} is not of the family of {}", address.value, prefix.value);
            findings.push(
                Finding::error(Code::InvalidNextHopIpAddress, address.span, message)
                    .help("give the appliance's address of the prefix's family")
                    .note(prefix.span, "the prefix"),
            );
        }
    }
    let next_hop_spans: Vec<Span> = hop.addresses().map(|it| it.span).collect();
    let route = Route { name: name.value.clone(), prefix: prefix.value, next_hop };
    Some(RouteDraft { route, next_hop_span: kind.span, next_hop_spans })
}

/// The next hop of a route as it is written.
struct Hop<'d> {
    name: &'d Spanned<String>,
    kind: &'d Spanned<NextHopType>,
    properties: &'d RouteProperties,
}

impl<'d> Hop<'d> {
    fn list(&self) -> Option<&'d List<Spanned<IpAddr>>> {
        self.properties.next_hop.as_ref()?.next_hop_ip_addresses.as_ref()
    }

    fn addresses(&self) -> impl Iterator<Item = &'d Spanned<IpAddr>> {
        let one = self.properties.next_hop_ip_address.as_ref();
        one.into_iter().chain(self.list().into_iter().flatten())
    }

    /// The addresses must be there where the type needs them, and nowhere else.
    fn read(&self, findings: &mut Findings) -> Option<RouteNextHop> {
        let kind = self.kind.value;
        let one = self.properties.next_hop_ip_address.as_ref();
        if let Some(address) = one.filter(|_| kind != NextHopType::VirtualAppliance) {
            findings.push(self.superfluous("nextHopIpAddress", "VirtualAppliance", address.span));
            return None;
        }
        let several =
            self.properties.next_hop.as_ref().filter(|_| kind != NextHopType::VirtualApplianceEcmp);
        if several.is_some() {
            let first = self.list().and_then(|list| list.items.first());
            let span = first.map_or(self.kind.span, |it| it.span);
            findings.push(self.superfluous("nextHop", "VirtualApplianceEcmp", span));
            return None;
        }
        match kind {
            NextHopType::VnetLocal => Some(RouteNextHop::VnetLocal),
            NextHopType::Internet => Some(RouteNextHop::Internet),
            NextHopType::None => Some(RouteNextHop::None),
            NextHopType::VirtualNetworkGateway => Some(RouteNextHop::VirtualNetworkGateway),
            NextHopType::VirtualAppliance => {
                if one.is_none() {
                    findings.push(self.missing(
                        "VirtualAppliance",
                        "nextHopIpAddress",
                        "the appliance's private IP address",
                    ));
                }
                one.map(|address| RouteNextHop::VirtualAppliance(address.value))
            }
            NextHopType::VirtualApplianceEcmp => self.several(findings),
        }
    }

    fn several(&self, findings: &mut Findings) -> Option<RouteNextHop> {
        let Some(list) = self.list() else {
            if self.properties.next_hop.is_none() {
                findings.push(self.missing(
                    "VirtualApplianceEcmp",
                    "nextHop",
                    "nextHopIpAddresses with the appliances' private IP addresses",
                ));
            }
            return None;
        };
        let mut seen: HashMap<IpAddr, Span> = HashMap::new();
        for address in list {
            if let Some(first) = seen.insert(address.value, address.span) {
                let message = format!("the next hop {} is given twice", address.value);
                findings.push(
                    Finding::error(Code::InvalidNextHopIpAddress, address.span, message)
                        .help("remove one of the two")
                        .note(first, "first here"),
                );
            }
        }
        let is_number = ECMP_HOPS.contains(&list.items.len());
        if !is_number && !list.incomplete {
            let message = format!(
                "route `{}` has {} next hops, and not 2 to 64",
                self.name.value,
                list.items.len()
            );
            findings.push(
                Finding::error(Code::LimitExceeded, list.span, message)
                    .help("give 2 to 64 appliances, or use nextHopType: VirtualAppliance for one"),
            );
        }
        Some(RouteNextHop::VirtualApplianceEcmp(list.into_iter().map(|it| it.value).collect()))
    }

    fn missing(&self, kind: &str, property: &str, what: &str) -> Finding {
        let message = format!("route `{}` to a {kind} has no {property}", self.name.value);
        Finding::error(Code::InvalidNextHopIpAddress, self.kind.span, message)
            .help(format!("add {property}: {what}"))
    }

    fn superfluous(&self, property: &str, needs: &str, span: Span) -> Finding {
        let message = format!("route `{}` has a {property} without {needs}", self.name.value);
        Finding::error(Code::InvalidNextHopIpAddress, span, message)
            .help(format!("remove {property}, or write nextHopType: {needs}"))
            .note(self.kind.span, "takes no address")
    }
}
