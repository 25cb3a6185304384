//! Why traffic is lost: where its packet ends, and the rule, peering or route that decides there.

use std::{cell::RefCell, collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use serde::Serialize;
use vnetpeer_common::{
    reason::DropReason,
    types::{LinkId, NicId, RuleId},
};

use super::probe::Pair;
use crate::{
    explanation::{Explanation, Finding, Outcome, of_drop},
    simulate::{self, End, Exchange},
    topology::{
        model::{NicIndex, ResourceId, RouteTableIndex, VnetIndex},
        network::Network,
        routes::{EffectiveRoutes, effective_routes},
    },
};

/// Which packet is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// The one that the source sends.
    Request,
    /// Its answer.
    Answer,
}

/// Why traffic is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The name of a drop reason, or `SubnetRemoved`, `AnsweredElsewhere`, `LeftNetwork`,
    /// `HopsExhausted`, `HostUnreachable`.
    pub code: &'static str,
    /// One sentence that says what happens.
    pub meaning: &'static str,
    /// Which packet it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// The NIC at whose side it happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<ResourceId>,
    /// The security rule that denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<ReasonRule>,
    /// The peering that does not let it pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peering: Option<ResourceId>,
    /// The effective route that the packet takes there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<ReasonRoute>,
}

/// A security rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonRule {
    /// The group, or the collection of security admin rules.
    pub group: ResourceId,
    /// Its name as in effective rules.
    pub name: String,
}

/// An effective route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonRoute {
    /// The name of a user-defined route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its destination.
    pub address_prefix: IpNet,
    /// Azure's name for its type of next hop.
    pub next_hop_type: &'static str,
}

impl Reason {
    fn new(explanation: Explanation) -> Self {
        Self {
            code: explanation.code,
            meaning: explanation.meaning,
            way: None,
            network_interface: None,
            rule: None,
            peering: None,
            route: None,
        }
    }
}

/// Routes of the subnets of one VNet that share a route table.
type TableOf = (VnetIndex, Option<RouteTableIndex>);

/// Gives what decides its names.
pub(super) struct Reasons<'a> {
    network: &'a Network<'a>,
    simulated: &'a simulate::Network,
    by_id: HashMap<&'a ResourceId, NicIndex>,
    routes: RefCell<HashMap<TableOf, Option<EffectiveRoutes>>>,
}

impl<'a> Reasons<'a> {
    pub(super) fn new(network: &'a Network<'a>, simulated: &'a simulate::Network) -> Self {
        let nics = network.topology.nics.iter().enumerate();
        let by_id = nics.map(|(index, nic)| (&nic.id, NicIndex(index))).collect();
        Self { network, simulated, by_id, routes: RefCell::default() }
    }

    /// Why an exchange between two places fails; without a pair one of them is gone.
    pub(super) fn of(&self, failure: Option<&Exchange>, pair: Option<&Pair>) -> Reason {
        let (Some(failure), Some(pair)) = (failure, pair) else {
            return Reason::new(Outcome::SubnetRemoved.explanation());
        };
        let (way, destination) = match &failure.answer {
            None => (Way::Request, pair.destination),
            Some(_) => (Way::Answer, pair.source),
        };
        let end = failure.end();
        let explanation = match end {
            End::Dropped(drop) => of_drop(drop.reason),
            End::Left(_) => Finding::LeftNetwork.explanation(),
            End::HopsExhausted(_) => Finding::HopsExhausted.explanation(),
            End::Delivered(_) => Finding::AnsweredElsewhere.explanation(),
            End::Lost(_) => Finding::HostUnreachable.explanation(),
        };
        let mut reason = Reason::new(explanation);
        reason.way = Some(way);
        let (sender, at) = match end {
            End::Dropped(drop) => {
                reason.rule = self.rule(drop.rule);
                reason.peering = self.peering(drop.link, drop.reason);
                (Some(drop.sender), drop.nic)
            }
            End::Left(nic) | End::HopsExhausted(nic) | End::Delivered(nic) | End::Lost(nic) => {
                let answer = failure.answer.as_ref();
                let hops = &answer.unwrap_or(&failure.request).hops;
                (hops.last().map(|hop| hop.from), nic)
            }
        };
        reason.network_interface = self.nic(at).and_then(|index| self.id(index));
        if reason.rule.is_none() {
            reason.route = sender.and_then(|sender| self.route(sender, destination));
        }
        reason
    }

    /// The NIC of a number, unless it is a stand-in's.
    fn nic(&self, id: NicId) -> Option<NicIndex> {
        self.by_id.get(self.simulated.nic(id)?).copied()
    }

    fn id(&self, nic: NicIndex) -> Option<ResourceId> {
        let id = &self.network.topology.nic(nic)?.id;
        (id.name() != super::world::STAND_IN).then(|| id.clone())
    }

    fn rule(&self, rule: RuleId) -> Option<ReasonRule> {
        let (key, name) = self.network.state.rule_name(rule).filter(|_| rule.is_some())?;
        Some(ReasonRule { group: key.group, name })
    }

    /// The peering of a link, if it is what decides.
    fn peering(&self, link: LinkId, reason: DropReason) -> Option<ResourceId> {
        let decides = matches!(
            reason,
            DropReason::PeeringNotConnected
                | DropReason::VirtualNetworkAccessDenied
                | DropReason::ForwardedTrafficDenied
        );
        let owner = self.network.state.links().owner(link.0);
        owner.filter(|_| decides && link.is_some()).cloned()
    }

    /// The route by which a NIC sends to an address.
    fn route(&self, nic: NicId, destination: IpAddr) -> Option<ReasonRoute> {
        let nic = self.network.topology.nic(self.nic(nic)?)?;
        let subnet = self.network.topology.subnet(nic.vnet, nic.subnet)?;
        let key = (nic.vnet, subnet.route_table);
        let mut known = self.routes.borrow_mut();
        let routes = known.entry(key);
        let routes =
            routes.or_insert_with(|| effective_routes(self.network, key.0, key.1)).as_ref()?;
        let route = routes.lookup(destination)?;
        Some(ReasonRoute {
            name: route.name.clone(),
            address_prefix: route.prefix,
            next_hop_type: route.hop.type_name(),
        })
    }
}
