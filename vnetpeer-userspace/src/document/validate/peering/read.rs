//! One peering as written: whose it is, what it points at, and what it says.

use super::{
    super::super::{
        code::Code,
        decode::Spanned,
        names::{Defaults, Header, IdParts, Named, arm_id, check_name, explicit_id, segment},
        problem::{Finding, Findings},
        types::{Peering, PeeringProperties},
    },
    KIND, OrphanDraft, PeeringDraft, PeeringDrafts,
    subnets::{self, Ends},
};
use crate::{document::validate::vnet::Vnets, topology::model};

/// The VNet that owns the peering, and the peering's id.
pub(super) fn named(
    peering: &Peering,
    vnets: &Vnets,
    defaults: &Defaults,
    findings: &mut Findings,
) -> Option<(usize, Named)> {
    let (parent, name, span) = match (&peering.id, &peering.name) {
        (Some(id), name) => {
            let header = Header {
                id: Some(id),
                name: name.as_ref(),
                subscription: None,
                resource_group: peering.resource_group.as_ref(),
                known: None,
            };
            explicit_id(KIND, id, header, findings)?;
            let parts = IdParts::parse(&id.value)?;
            let [vnet, name] = parts.names.as_slice() else { return None };
            let parent = arm_id(parts.subscription, parts.resource_group, "virtualNetworks", vnet);
            (parent.to_string(), (*name).to_owned(), id.span)
        }
        (None, Some(name)) => {
            let Some((vnet, own)) = name.value.split_once('/') else {
                findings.push(
                    Finding::error(
                        Code::InvalidResourceName,
                        name.span,
                        format!("the peering name `{}` does not say whose it is", name.value),
                    )
                    .help(format!("write `<virtualNetwork>/{}`", name.value)),
                );
                return None;
            };
            check_name(own, name.span, findings);
            (parent_reference(vnet, peering, defaults), own.to_owned(), name.span)
        }
        (None, None) => return None,
    };
    let parent = Spanned { value: parent, span };
    let vnet = vnets.registry.find(&parent, Code::ParentResourceNotFound, findings)?;
    let owner = &vnets.list.get(vnet)?.named;
    let id = format!("{}/virtualNetworkPeerings/{}", owner.id, segment(&name));
    Some((vnet, Named { id: model::ResourceId::new(id), span }))
}

/// The VNet's name, or its id if the peering says more than a name.
fn parent_reference(vnet: &str, peering: &Peering, defaults: &Defaults) -> String {
    if peering.subscription.is_none() && peering.resource_group.is_none() {
        return vnet.to_owned();
    }
    let subscription = peering.subscription.as_ref();
    let group = peering.resource_group.as_ref();
    let subscription = subscription.map_or(&defaults.subscription, |it| &it.value.0);
    let group = group.map_or(&defaults.resource_group, |it| &it.value);
    arm_id(subscription, group, "virtualNetworks", vnet).to_string()
}

/// Adds the draft of a peering, or of one whose remote VNet is not in the document.
pub(super) fn add(
    drafts: &mut PeeringDrafts,
    (vnet, named): (usize, Named),
    properties: &PeeringProperties,
    vnets: &Vnets,
    findings: &mut Findings,
) -> Option<()> {
    let reference = properties.remote_virtual_network.as_ref()?.id.as_ref()?;
    if vnets.registry.lacks(&reference.value) {
        let ends = Ends { vnets, local: vnet, remote: None };
        let remote = model::ResourceId::new(&*reference.value);
        let properties = written(remote, properties, &ends, findings);
        findings.push(without_remote(&named, reference));
        drafts.orphans.push(OrphanDraft { named, vnet, properties });
        return Some(());
    }
    let remote = vnets.registry.find(reference, Code::InvalidResourceReference, findings)?;
    if remote == vnet {
        let message =
            format!("peering `{}` connects its virtualNetwork with itself", named.id.name());
        findings.push(
            Finding::error(Code::VnetCannotPeerWithItself, reference.span, message)
                .help("name another virtualNetwork"),
        );
        return None;
    }
    let ends = Ends { vnets, local: vnet, remote: Some(remote) };
    let id = vnets.list.get(remote)?.named.id.clone();
    let written = written(id, properties, &ends, findings);
    let complete = properties.peer_complete_vnets.as_ref();
    let remote_gateways = properties.use_remote_gateways.as_ref();
    drafts.list.push(PeeringDraft {
        scope_span: complete.map_or(named.span, |it| it.span),
        use_remote_span: remote_gateways.map_or(named.span, |it| it.span),
        named,
        vnet,
        remote,
        remote_span: reference.span,
        allow_virtual_network_access: written.allow_virtual_network_access,
        allow_forwarded_traffic: written.allow_forwarded_traffic,
        allow_gateway_transit: written.allow_gateway_transit,
        use_remote_gateways: written.use_remote_gateways,
        do_not_verify_remote_gateways: written.do_not_verify_remote_gateways,
        scope: written.scope,
        enable_only_ipv6: written.enable_only_ipv6,
        managed_by: None,
    });
    Some(())
}

/// Such a peering can only be what is left of one that existed.
fn without_remote(named: &Named, reference: &Spanned<String>) -> Finding {
    let message = format!(
        "virtualNetwork `{}` is not in the document: peering `{}` can only be Disconnected",
        reference.value,
        named.id.name()
    );
    Finding::warning(Code::InvalidResourceReference, reference.span, message)
        .help("remove the peering, or add the virtualNetwork; a new peering needs both")
}

fn written(
    remote_virtual_network: model::ResourceId,
    properties: &PeeringProperties,
    ends: &Ends<'_>,
    findings: &mut Findings,
) -> model::PeeringProperties {
    let set = |flag: &Option<Spanned<bool>>, default| flag.as_ref().map_or(default, |it| it.value);
    let scope = subnets::scope(properties, ends, findings);
    if let Some(flag) = properties.allow_forwarded_traffic.as_ref()
        && flag.value
        && !scope.is_complete()
    {
        let message = "a subnet peering takes no forwarded traffic, whatever this says";
        findings.push(
            Finding::warning(Code::ForwardedTrafficNotTaken, flag.span, message)
                .help("write false, or peer the complete virtualNetworks"),
        );
    }
    model::PeeringProperties {
        remote_virtual_network,
        allow_virtual_network_access: set(&properties.allow_virtual_network_access, true),
        allow_forwarded_traffic: set(&properties.allow_forwarded_traffic, false),
        allow_gateway_transit: set(&properties.allow_gateway_transit, false),
        use_remote_gateways: set(&properties.use_remote_gateways, false),
        do_not_verify_remote_gateways: set(&properties.do_not_verify_remote_gateways, false),
        scope,
        enable_only_ipv6: set(&properties.enable_only_ipv6_peering, false),
    }
}
