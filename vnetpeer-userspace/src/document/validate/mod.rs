//! Azure's rules, and those of the hosts. Each submodule judges one group of resources and hands on
//! a draft of it; if nothing is wrong at the end, the drafts are a [`Topology`].
//!
//! A rule is applied only to values that could be read. What refers to a resource that could not be
//! read is passed over in silence, so that one mistake is one error.

mod address;
mod assemble;
mod host;
mod next_hop;
mod nic;
mod peering;
mod placement;
mod route;
mod subnet;
mod vnet;

use self::assemble::Drafts;
use super::{
    code::Code,
    decode::{List, Spanned},
    names::{Defaults, Named, check_name},
    problem::{Finding, Findings},
    scalar::Location,
    source::Span,
    types::Document,
};
use crate::topology::model::Topology;

/// Judges a document that was read.
pub(super) fn validate(document: &Document, findings: &mut Findings) -> Option<Topology> {
    let deployment = document.deployment.as_ref();
    if let Some(name) = deployment.and_then(|it| it.name.as_ref()) {
        check_name(&name.value, name.span, findings);
    }
    let defaults = Defaults::new(deployment, findings);
    let tables = route::collect(document.route_tables.as_ref(), &defaults, findings);
    let vnets = vnet::collect(document.virtual_networks.as_ref(), &tables, &defaults, findings);
    let peerings =
        peering::collect(document.virtual_network_peerings.as_ref(), &vnets, &defaults, findings);
    let nics = nic::collect(document.network_interfaces.as_ref(), &vnets, &defaults, findings);
    let mut hosts = host::collect(document.hosts.as_ref(), &vnets, findings);
    let placements = placement::collect(document.hosts.as_ref(), &mut hosts, &nics, findings);
    next_hop::warn(&tables, &vnets, &peerings, &nics, findings);
    if findings.has_errors() {
        return None;
    }
    let drafts = Drafts { tables, vnets, peerings, nics, hosts, placements };
    assemble::assemble(deployment, drafts)
}

/// Whether a list of the document lacks elements that could not be read.
fn incomplete<T>(list: Option<&List<T>>) -> bool {
    list.is_some_and(|list| list.incomplete)
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
