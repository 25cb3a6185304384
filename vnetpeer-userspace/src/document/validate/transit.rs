//! Gateway transit: which VNet may use the gateway of another (AZ §1.7, §5).

use std::collections::HashMap;

use super::{
    super::{
        code::Code,
        problem::{Finding, Findings},
    },
    gateway::{Gateways, sku},
    peering::PeeringDraft,
    vnet::Vnets,
};

/// Judges `allowGatewayTransit` and `useRemoteGateways` of every peering. `doNotVerifyRemoteGateways`
/// waives none of this: gateways of a document are ready as soon as they are there.
pub(super) fn check(
    peerings: &[PeeringDraft],
    vnets: &Vnets,
    gateways: &Gateways,
    findings: &mut Findings,
) {
    let sides: HashMap<(usize, usize), &PeeringDraft> =
        peerings.iter().map(|it| ((it.vnet, it.remote), it)).collect();
    let mut first: HashMap<usize, &PeeringDraft> = HashMap::new();
    let transit = Transit { vnets, gateways };
    for peering in peerings.iter().filter(|it| it.use_remote_gateways) {
        // Nobody wrote the side of a classic virtual network.
        if vnets.list.get(peering.vnet).is_some_and(|vnet| vnet.classic) {
            continue;
        }
        if let Some(other) = first.get(&peering.vnet) {
            findings.push(second(peering, other));
            continue;
        }
        first.insert(peering.vnet, peering);
        let reverse = sides.get(&(peering.remote, peering.vnet)).copied();
        findings.extend(transit.judge(peering, reverse));
    }
}

fn second(peering: &PeeringDraft, other: &PeeringDraft) -> Finding {
    let message = format!(
        "peering `{}` cannot have UseRemoteGateways flag set to true, because another peering `{}` \
         already has UseRemoteGateways flag set to true",
        peering.named.id.name(),
        other.named.id.name()
    );
    Finding::error(Code::AnotherPeeringAlreadyUsesRemoteGateways, peering.use_remote_span, message)
        .help("write useRemoteGateways: false in one of them")
        .note(other.use_remote_span, "the other one")
}

struct Transit<'d> {
    vnets: &'d Vnets,
    gateways: &'d Gateways,
}

impl Transit<'_> {
    /// The first rule that a peering with `useRemoteGateways` breaks.
    fn judge(&self, peering: &PeeringDraft, reverse: Option<&PeeringDraft>) -> Option<Finding> {
        let name = peering.named.id.name();
        let refused = |code, reason: String| {
            let message = format!(
                "peering `{name}` cannot have UseRemoteGateways flag set to true because {reason}"
            );
            Finding::error(code, peering.use_remote_span, message)
        };
        if peering.allow_gateway_transit {
            let reason = "it has AllowGatewayTransit flag set to true".to_owned();
            let finding = refused(Code::GatewayTransitFlagsConflict, reason);
            return Some(finding.help("write false for one of the two"));
        }
        let (own, remote) =
            (self.vnets.list.get(peering.vnet)?, self.vnets.list.get(peering.remote)?);
        if let Some(gateway) = self.gateways.of(peering.vnet) {
            let reason = format!("virtualNetwork `{}` has a gateway", own.named.id.name());
            return Some(
                refused(Code::VnetWithGatewayCannotUseRemoteGateways, reason)
                    .help("remove the gateway, or write useRemoteGateways: false")
                    .note(gateway.named.span, "the gateway"),
            );
        }
        let Some(gateway) = self.gateways.of(peering.remote) else {
            let reason = format!(
                "remote virtualNetwork `{}` referenced by the peering does not have any gateways",
                remote.named.id.name()
            );
            let finding = refused(Code::RemoteVnetHasNoGateways, reason)
                .help("add a virtualNetworkGateway there, or write useRemoteGateways: false")
                .note(remote.named.span, "the remote virtualNetwork");
            return (!self.gateways.is_incomplete()).then_some(finding);
        };
        // That a classic virtual network has a gateway is a mistake of its own, and told as such.
        if remote.classic {
            return None;
        }
        if let Some(reverse) = reverse.filter(|it| !it.allow_gateway_transit) {
            let reason = "corresponding remote peering has AllowGatewayTransit flag set to false";
            return Some(
                refused(Code::RemotePeeringDoesNotAllowGatewayTransit, reason.to_owned())
                    .help(format!(
                        "write allowGatewayTransit: true in `{}`",
                        reverse.named.id.name()
                    ))
                    .note(reverse.named.span, "the remote peering"),
            );
        }
        (gateway.sku == sku::BASIC).then(|| {
            let reason = format!("gateway `{}` is of SKU {}", gateway.named.id.name(), gateway.sku);
            refused(Code::GatewaySkuNotSupported, reason)
                .help("give the gateway another SKU such as VpnGw1")
                .note(gateway.named.span, "the gateway")
        })
    }
}
