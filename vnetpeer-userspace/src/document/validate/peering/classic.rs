//! Peerings with VNets of the classic deployment model: only the Resource Manager side is an object.

use super::{
    super::{
        super::{
            code::Code,
            names::Named,
            problem::{Finding, Findings},
            types::PeeringProperties,
        },
        vnet::Vnets,
    },
    PeeringDraft,
};
use crate::topology::model::{PeeringScope, implicit_side};

/// Reports a peering object in a classic VNet. Says whether it is one.
pub(super) fn refuse_owner(
    vnet: usize,
    properties: &PeeringProperties,
    named: &Named,
    vnets: &Vnets,
    findings: &mut Findings,
) -> bool {
    let Some(owner) = vnets.list.get(vnet).filter(|vnet| vnet.classic) else { return false };
    let reference = properties.remote_virtual_network.as_ref().and_then(|it| it.id.as_ref());
    let remote = reference
        .and_then(|it| vnets.registry.find(it, Code::InvalidResourceReference, findings))
        .and_then(|remote| vnets.list.get(remote));
    let (message, help) = if remote.is_some_and(|remote| remote.classic) {
        let message = "two classic virtualNetworks cannot be peered".to_owned();
        (message, "move one of them to the Resource Manager deployment model")
    } else {
        let name = owner.named.id.name();
        let message = format!("virtualNetwork `{name}` is classic and cannot own a peering");
        (message, "remove the peering: the object of the other side connects both")
    };
    findings.push(
        Finding::error(Code::ClassicVnetCannotOwnPeering, named.span, message)
            .help(help)
            .note(owner.named.span, "classic"),
    );
    true
}

/// Adds the side of every classic VNet. It says what the object of the other side says, since nothing
/// else can say it.
pub(super) fn add_implicit_sides(
    drafts: &mut Vec<PeeringDraft>,
    vnets: &Vnets,
    findings: &mut Findings,
) {
    let mut sides = Vec::new();
    for draft in drafts.iter() {
        let Some(remote) = vnets.list.get(draft.remote).filter(|vnet| vnet.classic) else {
            continue;
        };
        if !draft.scope.is_complete() {
            let message = "a classic virtualNetwork cannot be peered by subnets";
            findings.push(
                Finding::error(Code::ConflictingProperties, draft.scope_span, message)
                    .help("write peerCompleteVnets: true")
                    .note(remote.named.span, "classic"),
            );
        }
        sides.push(PeeringDraft {
            named: Named { id: implicit_side(&draft.named.id), span: draft.named.span },
            vnet: draft.remote,
            remote: draft.vnet,
            remote_span: draft.remote_span,
            scope_span: draft.scope_span,
            allow_virtual_network_access: draft.allow_virtual_network_access,
            allow_forwarded_traffic: draft.allow_forwarded_traffic,
            allow_gateway_transit: false,
            use_remote_gateways: draft.allow_gateway_transit,
            use_remote_span: draft.named.span,
            do_not_verify_remote_gateways: false,
            scope: PeeringScope::Complete,
            enable_only_ipv6: draft.enable_only_ipv6,
            managed_by: None,
        });
    }
    drafts.append(&mut sides);
}
