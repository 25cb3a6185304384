//! What may be in `GatewaySubnet`, and what may be attached to it.

use ipnet::IpNet;

use super::{
    super::{
        super::{
            code::Code,
            names::Named,
            problem::{Finding, Findings},
        },
        nic::Nics,
        route::{TableDraft, Tables},
        subnet::SubnetDraft,
        vnet::Vnets,
    },
    GATEWAY_SUBNET, Gateways,
};

/// Whether a subnet is for gateways.
pub(in crate::document::validate) fn is_gateway_subnet(subnet: &SubnetDraft) -> bool {
    subnet.named.id.name().eq_ignore_ascii_case(GATEWAY_SUBNET)
}

/// Judges every `GatewaySubnet`.
pub(in crate::document::validate) fn check(
    vnets: &Vnets,
    nics: &Nics,
    tables: &Tables,
    gateways: &Gateways,
    findings: &mut Findings,
) {
    if !vnets.list.iter().flat_map(|vnet| &vnet.subnets).any(is_gateway_subnet) {
        return;
    }
    for nic in nics.list.iter().filter(|nic| !nic.is_gateway) {
        let subnet = nic.place.and_then(|place| vnets.subnet(place));
        if let Some(subnet) = subnet.filter(|it| is_gateway_subnet(it)) {
            findings.push(misplaced(&nic.named, subnet));
        }
    }
    for (index, vnet) in vnets.list.iter().enumerate() {
        for subnet in vnet.subnets.iter().filter(|it| is_gateway_subnet(it)) {
            if subnet.security_group.is_some() {
                findings.push(guarded(subnet));
            }
            let table = subnet.route_table.and_then(|table| tables.list.get(table));
            if let Some(table) = table.filter(|_| gateways.of(index).is_some()) {
                check_table(subnet, table, findings);
            }
        }
    }
}

fn misplaced(nic: &Named, subnet: &SubnetDraft) -> Finding {
    let message = format!("networkInterface `{}` cannot be in {GATEWAY_SUBNET}", nic.id.name());
    Finding::error(Code::NetworkInterfaceInGatewaySubnet, nic.span, message)
        .help("put it into another subnet: only gateways can be there")
        .note(subnet.named.span, "the subnet")
}

fn guarded(subnet: &SubnetDraft) -> Finding {
    let message = format!("a networkSecurityGroup cannot be attached to {GATEWAY_SUBNET}");
    Finding::error(
        Code::NetworkSecurityGroupCannotBeAttachedToGatewaySubnet,
        subnet.named.span,
        message,
    )
    .help("remove networkSecurityGroup from the subnet")
}

/// A default route would lead away what the gateway sends, and without gateway routes it would not work.
fn check_table(subnet: &SubnetDraft, table: &TableDraft, findings: &mut Findings) {
    let refused = |message: String| {
        Finding::error(Code::RouteTableNotAllowedOnGatewaySubnet, subnet.named.span, message)
    };
    let name = table.named.id.name();
    if table.disable_bgp_route_propagation {
        let message = format!(
            "routeTable `{name}` with disableBgpRoutePropagation cannot be attached to {GATEWAY_SUBNET}"
        );
        findings.push(
            refused(message)
                .help("remove the routeTable from the subnet, or write false")
                .note(table.named.span, "the routeTable"),
        );
    }
    let is_default = |prefix: &IpNet| prefix.prefix_len() == 0;
    if let Some(draft) = table.routes.iter().find(|draft| is_default(&draft.route.prefix)) {
        let message = format!(
            "routeTable `{name}` with a route for {} cannot be attached to {GATEWAY_SUBNET}",
            draft.route.prefix
        );
        findings.push(
            refused(message)
                .help("remove the route, or the routeTable from the subnet")
                .note(draft.next_hop_span, "the route"),
        );
    }
}
