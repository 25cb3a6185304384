//! Route tables and their routes.

use std::collections::HashMap;

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
    /// Where the next hop is written.
    pub(super) next_hop_span: Span,
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
    let kind = properties.next_hop_type.as_ref();
    let address = properties.next_hop_ip_address.as_ref();
    let next_hop = match (kind?.value, address) {
        (NextHopType::VirtualAppliance, Some(address)) => {
            RouteNextHop::VirtualAppliance(address.value)
        }
        (NextHopType::VirtualAppliance, None) => {
            findings.push(
                Finding::error(
                    Code::InvalidNextHopIpAddress,
                    kind?.span,
                    format!("route `{}` to a VirtualAppliance has no nextHopIpAddress", name.value),
                )
                .help("add nextHopIpAddress: the appliance's private IP address"),
            );
            return None;
        }
        (_, Some(address)) => {
            findings.push(
                Finding::error(
                    Code::InvalidNextHopIpAddress,
                    address.span,
                    format!(
                        "route `{}` has a nextHopIpAddress without VirtualAppliance",
                        name.value
                    ),
                )
                .help("remove nextHopIpAddress, or write nextHopType: VirtualAppliance")
                .note(kind?.span, "takes no address"),
            );
            return None;
        }
        (NextHopType::VnetLocal, None) => RouteNextHop::VnetLocal,
        (NextHopType::Internet, None) => RouteNextHop::Internet,
        (NextHopType::None, None) => RouteNextHop::None,
    };
    let prefix = properties.address_prefix.as_ref()?;
    let next_hop_span = address.map_or(kind?.span, |it| it.span);
    if let Some(address) = address.filter(|it| it.value.is_ipv4() != prefix.value.addr().is_ipv4())
    {
        let message =
            format!("the next hop {} is not of the family of {}", address.value, prefix.value);
        findings.push(
            Finding::error(Code::InvalidNextHopIpAddress, address.span, message)
                .help("give the appliance's address of the prefix's family")
                .note(prefix.span, "the prefix"),
        );
    }
    let route = Route { name: name.value.clone(), prefix: prefix.value, next_hop };
    Some(RouteDraft { route, next_hop_span })
}
