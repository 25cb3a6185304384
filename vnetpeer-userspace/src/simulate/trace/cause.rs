//! What a lost packet comes from: the resource to change, and how.

mod next_hop;
mod peering;

use std::net::IpAddr;

use ipnet::IpNet;
use vnetpeer_common::{reason::DropReason, types::NicId};

use super::{Found, Leg, Severity, Tracer, hop::seen_from};
use crate::{
    explanation::{Finding, of_drop},
    simulate::{Drop, End, Exchange, Journey, Packet},
    topology::{
        flow_verify::verify,
        model::{Access, Nic, ResourceId},
        network::{NetworkError, NumberedVnet},
        routes::{Route, RouteHop, RouteSource},
    },
};

/// Everything that is wrong with an exchange, the cause first.
pub(super) fn of(
    tracer: &Tracer<'_>,
    exchange: &Exchange,
    packet: &Packet,
) -> Result<Vec<Found>, NetworkError> {
    let request = Leg { journey: &exchange.request, packet: *packet };
    let Some(answer) = &exchange.answer else { return tracer.causes(&request, exchange.from) };
    let answered_by = exchange.request.delivered().unwrap_or(exchange.from);
    let leg = Leg { journey: answer, packet: packet.answer() };
    match answer.end {
        End::Delivered(nic) if nic == exchange.from => {
            Ok(tracer.asymmetry(exchange, answer).into_iter().collect())
        }
        End::Delivered(nic) => {
            let object = tracer.simulated.nic(nic).cloned();
            let message = format!("{} has the address as well", packet.source);
            Ok(vec![Found::new(Finding::AnsweredElsewhere.explanation(), object, message)])
        }
        _ => {
            let mut found = tracer.causes(&leg, answered_by)?;
            if is_about_routes(answer.end)
                && found.iter().any(|it| it.severity == Severity::Error)
                && let Some(nic) = tracer.nic(answered_by)
            {
                let message = format!(
                    "`{}` gets the request, and its answer to {} is lost",
                    nic.id.name(),
                    packet.source
                );
                let object = tracer.route_object(nic);
                found.insert(0, Found::new(Finding::NoReturnRoute.explanation(), object, message));
            }
            Ok(found)
        }
    }
}

/// Whether a packet is lost for want of a route.
const fn is_about_routes(end: End) -> bool {
    match end {
        End::Dropped(drop) => matches!(
            drop.reason,
            DropReason::NoRoute
                | DropReason::RouteNone
                | DropReason::InternetUnavailable
                | DropReason::NextHopUnreachable
        ),
        End::Left(_) => true,
        _ => false,
    }
}

impl Tracer<'_> {
    /// Why a packet does not arrive.
    fn causes(&self, leg: &Leg<'_>, from: NicId) -> Result<Vec<Found>, NetworkError> {
        let last = leg.journey.hops.last().map_or(from, |hop| hop.to);
        let found = match leg.journey.end {
            End::Delivered(_) => Vec::new(),
            End::Dropped(drop) => self.of_drop(leg, drop)?,
            End::Left(nic) => {
                let sender = leg.journey.hops.last().map_or(from, |hop| hop.from);
                let cause = self.nic(sender).and_then(|it| self.no_way(it, leg.packet.destination));
                let object = self.simulated.nic(nic).cloned();
                let message = format!("{} is outside", leg.packet.destination);
                let left = Found::new(Finding::LeftNetwork.explanation(), object, message);
                let left = if cause.is_none() { left.warning() } else { left };
                cause.into_iter().chain([left]).collect()
            }
            End::HopsExhausted(nic) => vec![self.simple(Finding::HopsExhausted, nic, leg)],
            End::Lost(_) => vec![self.simple(Finding::HostUnreachable, last, leg)],
        };
        Ok(found)
    }

    fn simple(&self, finding: Finding, nic: NicId, leg: &Leg<'_>) -> Found {
        let explanation = finding.explanation();
        let object = self.nic(nic).and_then(|nic| self.route_object(nic));
        let message = format!("{} on the way to {}", explanation.meaning, leg.packet.destination);
        Found::new(explanation, object, message)
    }

    /// The route table of a NIC's subnet, or the subnet where there is none.
    fn route_object(&self, nic: &Nic) -> Option<ResourceId> {
        let subnet = self.subnet(nic)?;
        let table = subnet.route_table.and_then(|index| self.network.topology.route_table(index));
        Some(table.map_or_else(|| subnet.id.clone(), |table| table.id.clone()))
    }

    fn of_drop(&self, leg: &Leg<'_>, drop: Drop) -> Result<Vec<Found>, NetworkError> {
        let Some(sender) = self.nic(drop.sender) else { return Ok(vec![self.plain(drop)]) };
        let destination = leg.packet.destination;
        Ok(match drop.reason {
            DropReason::NoRoute | DropReason::RouteNone | DropReason::InternetUnavailable => {
                let cause = self.no_way(sender, destination);
                let object = self.route_object(sender);
                let plain = Found { object, ..self.plain(drop) };
                cause.into_iter().chain([plain]).collect()
            }
            DropReason::NextHopUnreachable => {
                let cause = self.next_hop(sender, destination);
                let plain = Found { object: self.route_object(sender), ..self.plain(drop) };
                cause.into_iter().chain([plain]).collect()
            }
            DropReason::RouteLoop | DropReason::HopLimitExceeded => {
                vec![Found { object: self.route_object(sender), ..self.plain(drop) }]
            }
            DropReason::AdminRuleDenied
            | DropReason::OutboundRuleDenied
            | DropReason::InboundRuleDenied => vec![self.rule_cause(leg, drop)?],
            DropReason::PeeringNotConnected
            | DropReason::VirtualNetworkAccessDenied
            | DropReason::ForwardedTrafficDenied => {
                let object = self.link(drop.link);
                vec![Found { object, ..self.plain(drop) }]
            }
            DropReason::LoadBalancerNoRule
            | DropReason::LoadBalancerNoBackend
            | DropReason::LoadBalancerNotGlobal
            | DropReason::LoadBalancerProtocol
            | DropReason::LoadBalancerLoop => {
                let object = self.balancer(destination);
                vec![Found { object, ..self.plain(drop) }]
            }
            DropReason::NoEndpoint => {
                let object = self.owning_subnet(sender, destination);
                vec![Found { object, ..self.plain(drop) }]
            }
            _ => vec![self.plain(drop)],
        })
    }

    /// What the catalogue says, about the NIC at whose side it happens.
    fn plain(&self, drop: Drop) -> Found {
        let object = self.simulated.nic(drop.nic).cloned();
        let at = object.as_ref().map_or("the host", ResourceId::name);
        let message = format!("at `{at}`: {}", drop.reason.meaning());
        Found::new(of_drop(drop.reason), object, message)
    }

    fn rule_cause(&self, leg: &Leg<'_>, drop: Drop) -> Result<Found, NetworkError> {
        let plain = self.plain(drop);
        let outbound = drop.nic == drop.sender;
        let Some(nic) = self.nic(drop.nic) else { return Ok(plain) };
        let verdict = verify(self.network, nic, &seen_from(&leg.packet, outbound))?;
        let named = self.rule(drop.rule);
        let denies = verdict.stages.last().filter(|stage| stage.access == Access::Deny);
        let Some((group, name)) = named.or_else(|| {
            denies.map(|stage| {
                (stage.applied_by.clone(), stage.rule_name.clone().unwrap_or_default())
            })
        }) else {
            return Ok(plain);
        };
        let direction = if outbound { "Outbound" } else { "Inbound" };
        let to = denies.map(|stage| stage.applied_to.clone());
        let at = to.as_ref().unwrap_or(&nic.id);
        let message = format!(
            "rule `{name}` of `{}` at `{}` denies it {}",
            group.name(),
            at.name(),
            direction.to_lowercase()
        );
        Ok(Found { object: Some(group), message, ..plain }
            .with("RuleName", &name)
            .with("Direction", &direction)
            .with("AppliedTo", &at))
    }

    /// Why the routes of a NIC's subnet lead nowhere.
    fn no_way(&self, nic: &Nic, destination: IpAddr) -> Option<Found> {
        let routes = self.routes(nic)?;
        let route = routes.lookup(destination);
        if let Some(route) = route.as_ref().filter(|route| route.source == RouteSource::User) {
            return self.by_user(nic, route);
        }
        // It leads to whoever is behind the gateway.
        if route.is_some_and(|route| matches!(route.hop, RouteHop::Gateway { .. })) {
            return None;
        }
        let group = routes.group.as_ref().and_then(|it| it.route(&IpNet::from(destination)));
        if group.is_some_and(|route| route.hop == RouteHop::None) {
            return Some(self.overlap(nic.vnet, destination));
        }
        let here = self.network.vnet(nic.vnet)?;
        let owns = |vnet: &&NumberedVnet<'_>| {
            let mut space = vnet.vnet.address_space.iter();
            vnet.index != nic.vnet && space.any(|it| it.contains(&destination))
        };
        let is_peered = |vnet: &&NumberedVnet<'_>| {
            here.peerings.iter().any(|it| it.peering.remote == vnet.index)
                || vnet.peerings.iter().any(|it| it.peering.remote == nic.vnet)
        };
        let owners = || self.network.vnets().iter().filter(owns);
        if let Some(peer) = owners().find(is_peered) {
            return Some(self.not_peered(nic, here, peer, destination));
        }
        let behind = self.behind_gateway(nic, here, destination);
        behind.or_else(|| Some(self.not_peered(nic, here, owners().next()?, destination)))
    }

    /// A user-defined route leads away.
    fn by_user(&self, nic: &Nic, route: &Route) -> Option<Found> {
        let reason = match route.hop {
            RouteHop::None => DropReason::RouteNone,
            RouteHop::Internet => DropReason::InternetUnavailable,
            _ => return None,
        };
        let name = route.name.clone().unwrap_or_default();
        let message = format!("route `{name}` leads {} to {}", route.prefix, route.hop.type_name());
        Some(Found::new(of_drop(reason), self.route_object(nic), message).with("Route", &name))
    }

    /// The load balancer that has an address.
    fn balancer(&self, address: IpAddr) -> Option<ResourceId> {
        let mut all = self.network.topology.load_balancers.iter();
        let found = all.find(|it| it.frontends.iter().any(|front| front.address == address));
        found.map(|it| it.id.clone())
    }

    /// The subnet that an address is in, in the NIC's VNet or a peer of it.
    fn owning_subnet(&self, nic: &Nic, address: IpAddr) -> Option<ResourceId> {
        let here = self.network.vnet(nic.vnet)?;
        let peers = here.peerings.iter().filter_map(|it| self.network.vnet(it.peering.remote));
        let mut subnets = std::iter::once(here).chain(peers).flat_map(|vnet| &vnet.vnet.subnets);
        let found = subnets.find(|subnet| subnet.prefixes.iter().any(|it| it.contains(&address)));
        found.map(|subnet| subnet.id.clone())
    }

    /// A warning if an answer takes another way than its request.
    fn asymmetry(&self, exchange: &Exchange, answer: &Journey) -> Option<Found> {
        let middle = |journey: &Journey| -> Vec<NicId> {
            let hops = journey.hops.iter().rev().skip(1);
            hops.map(|hop| hop.to).collect()
        };
        let (there, mut back) = (middle(&exchange.request), middle(answer));
        back.reverse();
        if there == back {
            return None;
        }
        let names = |nics: &[NicId]| {
            let names = nics.iter().filter_map(|nic| self.simulated.nic(*nic));
            let names: Vec<&str> = names.map(ResourceId::name).collect();
            if names.is_empty() {
                "directly".to_owned()
            } else {
                format!("over {}", names.join(", "))
            }
        };
        let answered_by = self.nic(exchange.request.delivered()?)?;
        let message = format!("the request goes {}, the answer {}", names(&there), names(&back));
        let object = self.route_object(answered_by);
        Some(Found::new(Finding::AsymmetricPath.explanation(), object, message).warning())
    }
}
