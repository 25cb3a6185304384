//! Azure's rules, and those of the hosts. Each submodule judges one group of resources and hands on
//! a draft of it; if nothing is wrong at the end, the drafts are a [`Topology`].
//!
//! A rule is applied only to values that could be read. What refers to a resource that could not be
//! read is passed over in silence, so that one mistake is one error.

mod address;
mod application_group;
mod assemble;
mod gateway;
mod host;
mod ip_configuration;
mod load_balancer;
mod manager;
mod next_hop;
mod nic;
mod peering;
mod permission;
mod placement;
mod route;
mod rule;
mod security_group;
mod service_tag;
mod subnet;
mod transit;
mod vnet;

use std::collections::HashMap;

use self::{
    address::{Addresses, Holder},
    assemble::Drafts,
    gateway::Gateways,
    load_balancer::LoadBalancers,
    manager::{AdminRulesDraft, ManagerDraft},
    nic::Nics,
    peering::PeeringDrafts,
    security_group::Nameable,
    vnet::Vnets,
};
use super::{
    code::Code,
    decode::{List, Spanned},
    names::{Defaults, Named, check_name},
    problem::{Finding, Findings},
    scalar::Location,
    source::Span,
    types::Document,
};
use crate::topology::model::{ConnectedGroup, Topology};

/// Judges a document that was read.
pub(super) fn validate(document: &Document, findings: &mut Findings) -> Option<Topology> {
    let deployment = document.deployment.as_ref();
    if let Some(name) = deployment.and_then(|it| it.name.as_ref()) {
        check_name(&name.value, name.span, findings);
    }
    let defaults = Defaults::new(deployment, findings);
    let permissions = permission::collect(document, findings);
    let tables = route::collect(document.route_tables.as_ref(), &defaults, findings);
    let tags = service_tag::collect(document.service_tags.as_ref(), findings);
    let mut application_groups = application_group::collect(
        document.application_security_groups.as_ref(),
        &defaults,
        findings,
    );
    let security_groups = security_group::collect(
        document.network_security_groups.as_ref(),
        &Nameable { tags: &tags, groups: &application_groups },
        &defaults,
        findings,
    );
    let list = document.virtual_networks.as_ref();
    let vnets = vnet::collect(list, &tables, &security_groups, &defaults, findings);
    let mut addresses = Addresses::default();
    let mut nics = nic::collect(
        document.network_interfaces.as_ref(),
        &vnets,
        &security_groups,
        &mut application_groups,
        &mut addresses,
        &defaults,
        findings,
    );
    let gateways =
        gateway::collect(document, &vnets, &mut nics, &mut addresses, &defaults, findings);
    let list = document.load_balancers.as_ref();
    let mut balancers = load_balancer::collect(list, &vnets, &mut addresses, &defaults, findings);
    give_addresses(addresses, &mut nics, &mut balancers, &vnets, findings);
    balancers.join(&nics, &vnets, findings);
    gateway::check_subnets(&vnets, &nics, &tables, &gateways, findings);
    let named = manager::Nameable { tags: &tags, permissions: &permissions, vnets: &vnets };
    let connections = connect(document, &named, &gateways, &defaults, findings);
    let peerings = &connections.peerings.list;
    security_groups.check_members(&application_groups, &vnets, findings);
    let mut hosts = host::collect(document.hosts.as_ref(), &vnets, findings);
    let placements =
        placement::collect(document.hosts.as_ref(), &mut hosts, &nics, &gateways, findings);
    peering::warn_addresses(peerings, &vnets, &nics, findings);
    let reachable = next_hop::Reachable { nics: &nics, gateways: &gateways, balancers: &balancers };
    next_hop::judge(&tables, &vnets, peerings, &reachable, findings);
    if findings.has_errors() {
        return None;
    }
    let drafts = Drafts {
        tables,
        vnets,
        connections,
        nics,
        gateways,
        balancers,
        security_groups,
        application_groups,
        hosts,
        placements,
        permissions,
    };
    assemble::assemble(deployment, drafts)
}

/// What connects VNets, and the rules of those who connect them.
struct Connections {
    peerings: PeeringDrafts,
    managers: Vec<ManagerDraft>,
    connected_groups: Vec<ConnectedGroup>,
    admin_rules: Vec<AdminRulesDraft>,
}

/// Reads peerings and network managers, lets these add theirs, and judges all of it.
fn connect(
    document: &Document,
    named: &manager::Nameable<'_>,
    gateways: &Gateways,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Connections {
    let vnets = named.vnets;
    let list = document.virtual_network_peerings.as_ref();
    let mut peerings = peering::collect(list, vnets, defaults, findings);
    let list = document.network_managers.as_ref();
    let mut managers = manager::collect(list, named, defaults, findings);
    let connected_groups = manager::deploy(&mut managers, &mut peerings, vnets, gateways, findings);
    peering::check(&mut peerings, vnets, findings);
    transit::check(&peerings.list, vnets, gateways, findings);
    let admin_rules = manager::deploy_rules(&managers, vnets, findings);
    Connections { peerings, managers, connected_groups, admin_rules }
}

/// Gives every NIC and every frontend the addresses that it wants.
fn give_addresses(
    addresses: Addresses,
    nics: &mut Nics,
    balancers: &mut LoadBalancers,
    vnets: &Vnets,
    findings: &mut Findings,
) {
    for (holder, address) in addresses.resolve(vnets, findings) {
        match holder {
            Holder::Nic(index) => {
                if let Some(nic) = nics.list.get_mut(index) {
                    nic.addresses.push(address);
                }
            }
            Holder::Frontend(index) => balancers.give(index, address),
        }
    }
}

/// Whether a list of the document lacks elements that could not be read.
fn incomplete<T>(list: Option<&List<T>>) -> bool {
    list.is_some_and(|list| list.incomplete)
}

/// Whether a list was written without elements.
fn is_empty<T>(list: &List<T>) -> bool {
    list.items.is_empty() && !list.incomplete
}

/// The names of the parts of one resource, which are unique whatever their case.
#[derive(Default)]
struct PartNames(HashMap<String, Span>);

impl PartNames {
    /// Judges the name of a part; `what` is `route` for instance.
    fn add(&mut self, what: &str, name: &Spanned<String>, findings: &mut Findings) {
        check_name(&name.value, name.span, findings);
        if let Some(first) = self.0.insert(name.value.to_ascii_lowercase(), name.span) {
            let message = format!("{what} `{}` exists twice", name.value);
            findings.push(
                Finding::error(Code::DuplicateResource, name.span, message)
                    .help("rename one of them")
                    .note(first, "first here"),
            );
        }
    }
}

/// Counts the resources of one type by subscription and region.
struct PerRegion {
    what: &'static str,
    max: usize,
    help: &'static str,
    counts: HashMap<(String, String), usize>,
    /// What is counted now: resources of a region often stand together.
    last: Option<(String, String, usize)>,
}

impl PerRegion {
    fn new(what: &'static str, max: usize, help: &'static str) -> Self {
        Self { what, max, help, counts: HashMap::new(), last: None }
    }

    /// Counts a resource; reports the first that is too many.
    fn add(&mut self, named: &Named, region: &str, findings: &mut Findings) {
        let subscription = named.written_subscription();
        let is_last = |(it, at, _): &mut (String, String, usize)| {
            it.eq_ignore_ascii_case(subscription) && at == region
        };
        if self.last.as_mut().is_none_or(|last| !is_last(last)) {
            if let Some((subscription, region, count)) = self.last.take() {
                self.counts.insert((subscription, region), count);
            }
            let key = (subscription.to_ascii_lowercase(), region.to_owned());
            let count = self.counts.get(&key).copied().unwrap_or_default();
            self.last = Some((key.0, key.1, count));
        }
        let Some((_, _, count)) = &mut self.last else { return };
        *count += 1;
        if *count == self.max + 1 {
            let what = format!("{} of one subscription in {region}", self.what);
            findings.push(limit(&what, self.max, named.span, self.help));
        }
    }
}

/// Reports more of something than Azure allows.
fn limit(what: &str, max: usize, span: Span, help: &str) -> Finding {
    Finding::error(Code::LimitExceeded, span, format!("more than {max} {what}")).help(help)
}

/// Reports a resource that states another region than the VNet that it works in.
fn check_region(
    location: Option<&Spanned<Location>>,
    named: &Named,
    vnet: &vnet::VnetDraft,
    findings: &mut Findings,
) {
    let Some(location) = location.filter(|it| it.value.0 != vnet.location) else { return };
    let message = format!(
        "`{}` is in {}, but virtualNetwork `{}` is in {}",
        named.id.name(),
        location.value.0,
        vnet.named.id.name(),
        vnet.location
    );
    findings.push(
        Finding::error(Code::InvalidResourceReference, location.span, message)
            .help(format!(
                "write {}, or use a virtualNetwork of {}",
                vnet.location, location.value.0
            ))
            .note(vnet.named.span, format!("in {}", vnet.location)),
    );
}
