//! Internal load balancers: frontends, backend pools and their members, probes and rules.

mod frontend;
mod member;
mod probe;
mod rule;

use std::{collections::HashMap, net::IpAddr};

pub(super) use self::member::PoolWish;
use self::{member::MemberDraft, rule::RuleDraft};
use super::{
    super::{
        code::Code,
        decode::{List, Spanned},
        names::{Defaults, Header, Named, Registry, resource_id, segment},
        problem::{Finding, Findings},
        types::{BackendPool, Child, LoadBalancer, LoadBalancerProperties},
    },
    PartNames,
    address::Addresses,
    check_region, incomplete,
    vnet::Vnets,
};
use crate::topology::model::{self, LoadBalancerSku, Probe, ResourceId, SubnetIndex, VnetIndex};

const KIND: &str = "loadBalancers";
const FRONTENDS: &str = "loadBalancers/frontendIPConfigurations";
const POOLS: &str = "loadBalancers/backendAddressPools";
const PROBES: &str = "loadBalancers/probes";

/// All load balancers.
pub(super) struct LoadBalancers {
    list: Vec<LoadBalancerDraft>,
    /// The backend pools of all of them.
    pools: Registry,
    /// Load balancer and pool by index in `pools`.
    pool_places: Vec<(usize, usize)>,
    /// Load balancer and frontend, in the order of the document.
    frontend_places: Vec<(usize, usize)>,
}

struct LoadBalancerDraft {
    named: Named,
    sku: LoadBalancerSku,
    /// The VNet of its frontends; `None` if it could not be found.
    vnet: Option<usize>,
    frontends: Vec<FrontendDraft>,
    pools: Vec<PoolDraft>,
    probes: Vec<Probe>,
    rules: Vec<RuleDraft>,
}

struct FrontendDraft {
    named: Named,
    /// VNet and subnet.
    place: Option<(usize, usize)>,
    address: Option<IpAddr>,
}

struct PoolDraft {
    named: Named,
    members: Vec<MemberDraft>,
}

/// The parts of one load balancer, to be found by name.
struct Parts {
    frontends: Registry,
    pools: Registry,
    probes: Registry,
}

pub(super) fn collect(
    list: Option<&List<LoadBalancer>>,
    vnets: &Vnets,
    addresses: &mut Addresses,
    defaults: &Defaults,
    findings: &mut Findings,
) -> LoadBalancers {
    let mut balancers = LoadBalancers {
        list: Vec::new(),
        pools: Registry::new(POOLS, incomplete(list)),
        pool_places: Vec::new(),
        frontend_places: Vec::new(),
    };
    let mut registry = Registry::new(KIND, incomplete(list));
    for resource in list.into_iter().flatten() {
        let Some(named) = resource_id(KIND, header(resource), defaults, findings) else {
            balancers.pools.set_incomplete();
            continue;
        };
        registry.add(&named, findings);
        balancers.read(named, resource, vnets, addresses, findings);
    }
    balancers
}

fn header(resource: &LoadBalancer) -> Header<'_> {
    Header {
        id: resource.id.as_ref(),
        name: resource.name.as_ref(),
        subscription: resource.subscription.as_ref().map(|it| it.value.0.as_str()),
        resource_group: resource.resource_group.as_ref(),
        known: None,
    }
}

impl LoadBalancers {
    fn read(
        &mut self,
        named: Named,
        resource: &LoadBalancer,
        vnets: &Vnets,
        addresses: &mut Addresses,
        findings: &mut Findings,
    ) {
        let properties = resource.properties.as_ref();
        let sku = resource.sku.as_ref().and_then(|it| it.name.as_ref());
        let mut draft = LoadBalancerDraft {
            sku: sku.map_or_else(LoadBalancerSku::default, |it| it.value),
            vnet: None,
            frontends: Vec::new(),
            pools: Vec::new(),
            probes: Vec::new(),
            rules: Vec::new(),
            named,
        };
        let configurations = properties.and_then(|it| it.frontend_ip_configurations.as_ref());
        let first = self.frontend_places.len();
        draft.read_frontends(configurations, first, vnets, addresses, findings);
        let index = self.list.len();
        self.frontend_places.extend((0..draft.frontends.len()).map(|place| (index, place)));
        if let Some(vnet) = draft.vnet.and_then(|vnet| vnets.list.get(vnet)) {
            check_region(resource.location.as_ref(), &draft.named, vnet, findings);
        }
        let pools = properties.and_then(|it| it.backend_address_pools.as_ref());
        self.read_pools(&mut draft, index, pools, findings);
        let probes = properties.and_then(|it| it.probes.as_ref());
        draft.probes = probe::read(&draft.named, probes, findings);
        let parts = Parts::of(&draft, properties);
        let rules = properties.and_then(|it| it.load_balancing_rules.as_ref());
        draft.read_rules(rules, &parts, vnets, findings);
        self.list.push(draft);
    }

    fn read_pools(
        &mut self,
        draft: &mut LoadBalancerDraft,
        index: usize,
        pools: Option<&List<BackendPool>>,
        findings: &mut Findings,
    ) {
        let mut taken = PartNames::default();
        if incomplete(pools) {
            self.pools.set_incomplete();
        }
        for pool in pools.into_iter().flatten() {
            let Some(name) = pool.name.as_ref() else {
                self.pools.set_incomplete();
                continue;
            };
            taken.add("backendAddressPool", name, findings);
            let named = part(&draft.named, "backendAddressPools", name);
            self.pools.add(&named, &mut Findings::default());
            self.pool_places.push((index, draft.pools.len()));
            draft.pools.push(PoolDraft { named, members: Vec::new() });
        }
    }

    /// Gives the frontend at an index its address.
    pub(super) fn give(&mut self, index: usize, address: IpAddr) {
        let Some((balancer, frontend)) = self.frontend_places.get(index).copied() else { return };
        let draft = self.list.get_mut(balancer).and_then(|it| it.frontends.get_mut(frontend));
        if let Some(draft) = draft {
            draft.address = Some(address);
        }
    }

    /// The load balancers for the model. `None` if a draft lacks something, which only an error can
    /// cause.
    pub(super) fn assemble(self) -> Option<Vec<model::LoadBalancer>> {
        self.list.into_iter().map(LoadBalancerDraft::assemble).collect()
    }

    /// By VNet and address: the rule with HA ports of each frontend.
    pub(super) fn next_hops(&self) -> HashMap<(usize, IpAddr), NextHopFrontend<'_>> {
        let mut found = HashMap::new();
        for draft in &self.list {
            for (index, frontend) in draft.frontends.iter().enumerate() {
                let (Some((vnet, _)), Some(address)) = (frontend.place, frontend.address) else {
                    continue;
                };
                let rule = draft.rules.iter().find(|it| it.takes_every_port_of(index));
                let pool = rule.and_then(|rule| draft.pools.get(rule.rule.pool));
                let members = pool.map(|pool| pool.members.iter().map(|it| it.nic).collect());
                let it = NextHopFrontend { named: &frontend.named, sku: draft.sku, members };
                found.insert((vnet, address), it);
            }
        }
        found
    }
}

/// A frontend as a next hop of user-defined routes.
pub(super) struct NextHopFrontend<'d> {
    pub(super) named: &'d Named,
    pub(super) sku: LoadBalancerSku,
    /// The NICs behind its rule with HA ports; `None` if it has no such rule.
    pub(super) members: Option<Vec<usize>>,
}

impl LoadBalancerDraft {
    fn assemble(self) -> Option<model::LoadBalancer> {
        let frontend = |draft: FrontendDraft| {
            Some(model::Frontend {
                id: draft.named.id,
                subnet: SubnetIndex(draft.place?.1),
                address: draft.address?,
            })
        };
        let pools = self.pools.into_iter().map(|pool| model::BackendPool {
            id: pool.named.id,
            members: pool.members.iter().map(MemberDraft::assemble).collect(),
        });
        Some(model::LoadBalancer {
            id: self.named.id,
            sku: self.sku,
            vnet: VnetIndex(self.vnet?),
            frontends: self.frontends.into_iter().map(frontend).collect::<Option<_>>()?,
            pools: pools.collect(),
            probes: self.probes,
            rules: self.rules.into_iter().map(|draft| draft.rule).collect(),
        })
    }
}

impl Parts {
    fn of(draft: &LoadBalancerDraft, properties: Option<&LoadBalancerProperties>) -> Self {
        let lacks = |part: fn(&LoadBalancerProperties) -> bool| properties.is_none_or(part);
        let mut parts = Self {
            frontends: Registry::new(
                FRONTENDS,
                lacks(|it| incomplete_names(it.frontend_ip_configurations.as_ref())),
            ),
            pools: Registry::new(
                POOLS,
                lacks(|it| {
                    let pools = it.backend_address_pools.as_ref();
                    incomplete(pools) || pools.into_iter().flatten().any(|it| it.name.is_none())
                }),
            ),
            probes: Registry::new(PROBES, lacks(|it| incomplete_names(it.probes.as_ref()))),
        };
        // A part that exists twice was reported.
        let mut reported = Findings::default();
        draft.frontends.iter().for_each(|it| parts.frontends.add(&it.named, &mut reported));
        draft.pools.iter().for_each(|it| parts.pools.add(&it.named, &mut reported));
        for probe in &draft.probes {
            let named = Named { id: probe.id.clone(), span: draft.named.span };
            parts.probes.add(&named, &mut reported);
        }
        parts
    }
}

fn incomplete_names<P>(list: Option<&List<Child<P>>>) -> bool {
    incomplete(list) || list.into_iter().flatten().any(|child| child.name.is_none())
}

/// The id of a part of a load balancer.
fn part(parent: &Named, kind: &str, name: &Spanned<String>) -> Named {
    let id = ResourceId::new(format!("{}/{kind}/{}", parent.id, segment(&name.value)));
    Named { id, span: name.span }
}

fn invalid_rule(
    name: &Spanned<String>,
    why: impl std::fmt::Display,
    help: impl Into<String>,
) -> Finding {
    let message = format!("loadBalancingRule `{}` {why}", name.value);
    Finding::error(Code::InvalidLoadBalancingRule, name.span, message).help(help)
}
