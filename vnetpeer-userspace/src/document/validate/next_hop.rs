//! Next hops of user-defined routes: what Azure refuses, and what it accepts although packets are lost.

mod loops;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    super::{
        code::Code,
        problem::{Finding, Findings},
        scalar::VpnType,
        source::Span,
    },
    gateway::{GatewayDraft, Gateways, is_gateway_subnet},
    load_balancer::{LoadBalancers, NextHopFrontend},
    nic::{NicDraft, Nics},
    peering::PeeringDraft,
    route::{RouteDraft, TableDraft, Tables},
    subnet::SubnetDraft,
    vnet::{VnetDraft, Vnets},
};
use crate::topology::model::{GatewayType, LoadBalancerSku, RouteNextHop};

/// What next hops can be.
pub(super) struct Reachable<'d> {
    pub(super) nics: &'d Nics,
    pub(super) gateways: &'d Gateways,
    pub(super) balancers: &'d LoadBalancers,
}

/// Judges every route of every attached table, and reports each at most once.
pub(super) fn judge(
    tables: &Tables,
    vnets: &Vnets,
    peerings: &[PeeringDraft],
    reachable: &Reachable<'_>,
    findings: &mut Findings,
) {
    let mut subnets = vnets.list.iter().flat_map(|vnet| &vnet.subnets);
    if !subnets.any(|subnet| subnet.route_table.is_some()) {
        return;
    }
    let reach = Reach::new(tables, vnets, peerings, reachable);
    let mut judged = HashSet::new();
    for (index, vnet) in vnets.list.iter().enumerate() {
        for subnet in &vnet.subnets {
            let Some(table) = subnet.route_table else { continue };
            let Some(draft) = tables.list.get(table) else { continue };
            for (place, route) in draft.routes.iter().enumerate() {
                if judged.contains(&(table, place)) {
                    continue;
                }
                let at = Place { vnet, index, subnet, table: draft };
                if let Some(finding) = reach.judge(route, &at) {
                    judged.insert((table, place));
                    findings.push(finding);
                }
            }
        }
    }
}

/// A subnet whose packets a route leads.
struct Place<'d> {
    vnet: &'d VnetDraft,
    /// The VNet's index.
    index: usize,
    subnet: &'d SubnetDraft,
    table: &'d TableDraft,
}

/// What routes can lead to.
struct Reach<'d> {
    tables: &'d Tables,
    vnets: &'d Vnets,
    nics: &'d Nics,
    gateways: &'d Gateways,
    /// By VNet: those that are peered with it in both directions.
    neighbours: HashMap<usize, Vec<usize>>,
    /// By VNet: those whose gateway it uses.
    remote_gateways: HashMap<usize, usize>,
    /// By VNet and address: the NIC's index.
    owners: HashMap<(usize, IpAddr), usize>,
    /// By VNet and address: the frontends of load balancers.
    frontends: HashMap<(usize, IpAddr), NextHopFrontend<'d>>,
}

impl<'d> Reach<'d> {
    fn new(
        tables: &'d Tables,
        vnets: &'d Vnets,
        peerings: &[PeeringDraft],
        reachable: &Reachable<'d>,
    ) -> Self {
        let Reachable { nics, gateways, balancers } = *reachable;
        let links: HashMap<(usize, usize), &PeeringDraft> =
            peerings.iter().map(|peering| ((peering.vnet, peering.remote), peering)).collect();
        let mut neighbours: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut remote_gateways = HashMap::new();
        for peering in peerings {
            let Some(back) = links.get(&(peering.remote, peering.vnet)) else { continue };
            neighbours.entry(peering.vnet).or_default().push(peering.remote);
            if peering.use_remote_gateways && back.allow_gateway_transit {
                remote_gateways.insert(peering.vnet, peering.remote);
            }
        }
        let mut owners = HashMap::new();
        for (index, nic) in nics.list.iter().enumerate() {
            let Some((vnet, _)) = nic.place else { continue };
            owners.extend(nic.addresses.iter().map(|address| ((vnet, *address), index)));
        }
        let frontends = balancers.next_hops();
        Self { tables, vnets, nics, gateways, neighbours, remote_gateways, owners, frontends }
    }

    fn judge(&self, route: &RouteDraft, at: &Place<'_>) -> Option<Finding> {
        let appliances: &[IpAddr] = match &route.route.next_hop {
            RouteNextHop::VirtualAppliance(address) => std::slice::from_ref(address),
            RouteNextHop::VirtualApplianceEcmp(addresses) => addresses,
            RouteNextHop::VirtualNetworkGateway => return self.judge_gateway(route, at),
            RouteNextHop::VnetLocal | RouteNextHop::Internet | RouteNextHop::None => return None,
        };
        let spans = route.next_hop_spans.iter().copied();
        let lost = appliances
            .iter()
            .zip(spans)
            .find_map(|(address, span)| self.judge_appliance(route, *address, span, at));
        lost.or_else(|| self.judge_loop(route, at))
    }

    /// A VNet and, unless the table has no routes to them, its peers.
    fn around(&self, vnet: usize, table: &TableDraft) -> impl Iterator<Item = usize> {
        let peers = self.neighbours.get(&vnet).filter(|_| !table.disable_peering_routes);
        std::iter::once(vnet).chain(peers.into_iter().flatten().copied())
    }

    /// The NIC with an address in a VNet, or, unless the table has no routes to them, in a peer.
    fn owner(&self, vnet: usize, table: &TableDraft, address: IpAddr) -> Option<usize> {
        let mut vnets = self.around(vnet, table);
        vnets.find_map(|vnet| self.owners.get(&(vnet, address)).copied())
    }

    fn judge_appliance(
        &self,
        route: &RouteDraft,
        address: IpAddr,
        span: Span,
        at: &Place<'_>,
    ) -> Option<Finding> {
        let owner = self.owner(at.index, at.table, address);
        let name = &route.route.name;
        let is_alone = matches!(route.route.next_hop, RouteNextHop::VirtualAppliance(_));
        let mut frontends = self.around(at.index, at.table).filter(|_| is_alone);
        let frontend =
            frontends.find_map(|vnet| Some((vnet, self.frontends.get(&(vnet, address))?)));
        if let Some((vnet, frontend)) = frontend {
            return self.judge_frontend(name, frontend, self.is_global(at.index, vnet), span);
        }
        let Some(owner) = owner.and_then(|index| self.nics.list.get(index)) else {
            let vnet = at.vnet.named.id.name();
            let (or_peer, help) = if at.table.disable_peering_routes {
                let help = "name the address of an appliance in the same virtualNetwork, as \
                            disablePeeringRoute: All needs it";
                ("", help)
            } else {
                let help = "name the address of an appliance's networkInterface, or peer its \
                            virtualNetwork in both directions";
                (" or of one that is connected with it", help)
            };
            let message = format!(
                "packets of route `{name}` are lost: {address} is not a networkInterface of \
                 virtualNetwork `{vnet}`{or_peer}"
            );
            return Some(Finding::warning(Code::NextHopNotReachable, span, message).help(help));
        };
        (!owner.enable_ip_forwarding).then(|| does_not_forward(name, owner, span))
    }

    /// Whether two VNets are in different regions.
    fn is_global(&self, one: usize, two: usize) -> bool {
        let location = |vnet: usize| self.vnets.list.get(vnet).map(|it| &it.location);
        location(one) != location(two)
    }

    /// A load balancer takes what is routed to it by its rule with HA ports.
    fn judge_frontend(
        &self,
        name: &str,
        frontend: &NextHopFrontend<'_>,
        is_global: bool,
        span: Span,
    ) -> Option<Finding> {
        let Some(members) = &frontend.members else {
            let message = format!(
                "packets of route `{name}` are lost: frontend `{}` has no rule with HA ports",
                frontend.named.id.name()
            );
            return Some(
                Finding::warning(Code::NextHopNotReachable, span, message)
                    .help("add a loadBalancingRule with protocol: All and both ports 0")
                    .note(frontend.named.span, "the frontend"),
            );
        };
        if is_global && frontend.sku == LoadBalancerSku::Basic {
            let message = format!(
                "packets of route `{name}` are lost: the Basic loadBalancer of frontend `{}` is in \
                 another region",
                frontend.named.id.name()
            );
            return Some(
                Finding::warning(Code::NextHopNotReachable, span, message)
                    .help("write sku: {name: Standard} at the loadBalancer")
                    .note(frontend.named.span, "the frontend"),
            );
        }
        let members = members.iter().filter_map(|nic| self.nics.list.get(*nic));
        let idle = members.into_iter().find(|nic| !nic.enable_ip_forwarding)?;
        Some(does_not_forward(name, idle, span))
    }

    fn judge_gateway(&self, route: &RouteDraft, at: &Place<'_>) -> Option<Finding> {
        let name = &route.route.name;
        let remote = self.remote_gateways.get(&at.index).copied();
        let used = self.gateways.of(at.index).or_else(|| self.gateways.of(remote?));
        let Some(gateway) = used else {
            if self.gateways.is_incomplete() {
                return None;
            }
            let message = format!(
                "packets of route `{name}` are lost: virtualNetwork `{}` has no gateway, and uses none",
                at.vnet.named.id.name()
            );
            return Some(
                Finding::warning(Code::NextHopNotReachable, route.next_hop_span, message).help(
                    "add a virtualNetworkGateway, or use that of a peer by useRemoteGateways",
                ),
            );
        };
        if is_gateway_subnet(at.subnet) {
            let message =
                format!("route `{name}` leads what the gateway sends back to the gateway");
            return Some(
                Finding::warning(Code::RouteLoop, route.next_hop_span, message)
                    .help("remove the route, or the routeTable from the subnet")
                    .note(gateway.named.span, "the gateway"),
            );
        }
        refused_type(route, gateway)
    }
}

/// What Azure refuses: `ExpressRoute` as a next hop, and a default route to a gateway with policies.
fn refused_type(route: &RouteDraft, gateway: &GatewayDraft) -> Option<Finding> {
    let name = &route.route.name;
    let of = gateway.named.id.name();
    let (message, help) = if gateway.gateway_type == Some(GatewayType::ExpressRoute) {
        let message = format!("route `{name}` cannot lead to the ExpressRoute gateway `{of}`");
        (message, "remove the route: only a VPN gateway can be a next hop")
    } else if gateway.vpn_type == VpnType::PolicyBased && route.route.prefix.prefix_len() == 0 {
        let message = format!("route `{name}` cannot lead everything to the PolicyBased `{of}`");
        (message, "write vpnType: RouteBased at the gateway, or a longer prefix")
    } else {
        return None;
    };
    let finding = Finding::error(Code::InvalidNextHopType, route.next_hop_span, message);
    Some(finding.help(help).note(gateway.named.span, "the gateway"))
}

fn does_not_forward(route: &str, owner: &NicDraft, span: Span) -> Finding {
    let nic = owner.named.id.name();
    let message =
        format!("packets of route `{route}` are lost: networkInterface `{nic}` does not forward");
    Finding::warning(Code::NextHopDoesNotForward, span, message)
        .help(format!("write enableIPForwarding: true at `{nic}`"))
        .note(owner.named.span, "the next hop")
}
