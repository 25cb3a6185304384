//! Warnings about user-defined routes that Azure accepts and whose packets are lost.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{
    super::{
        code::Code,
        problem::{Finding, Findings},
    },
    nic::{NicDraft, Nics},
    peering::PeeringDraft,
    route::{RouteDraft, Tables},
    vnet::Vnets,
};
use crate::topology::model::RouteNextHop;

/// Warns once per route: the next hop of a `VirtualAppliance` must be a NIC of the VNet itself or of
/// one that is directly peered with it, and that NIC must forward.
pub(super) fn warn(
    tables: &Tables,
    vnets: &Vnets,
    peerings: &[PeeringDraft],
    nics: &Nics,
    findings: &mut Findings,
) {
    let links: HashSet<(usize, usize)> =
        peerings.iter().map(|peering| (peering.vnet, peering.remote)).collect();
    let mut neighbours: HashMap<usize, Vec<usize>> = HashMap::new();
    for (vnet, remote) in links.iter().filter(|(a, b)| links.contains(&(*b, *a))) {
        neighbours.entry(*vnet).or_default().push(*remote);
    }
    let mut owners: HashMap<(usize, IpAddr), &NicDraft> = HashMap::new();
    for nic in &nics.list {
        let Some((vnet, _)) = nic.place else { continue };
        owners.extend(nic.addresses.iter().map(|address| ((vnet, *address), nic)));
    }
    let mut judged = HashSet::new();
    for (index, vnet) in vnets.list.iter().enumerate() {
        let reach = || {
            let peers = neighbours.get(&index).into_iter().flatten().copied();
            std::iter::once(index).chain(peers)
        };
        for table in vnet.subnets.iter().filter_map(|subnet| subnet.route_table) {
            let Some(draft) = tables.list.get(table) else { continue };
            for (place, route) in draft.routes.iter().enumerate() {
                let RouteNextHop::VirtualAppliance(address) = route.route.next_hop else {
                    continue;
                };
                let owner = reach().find_map(|vnet| owners.get(&(vnet, address)).copied());
                let Some(finding) = judge(route, address, owner, vnet.named.id.name()) else {
                    continue;
                };
                if judged.insert((table, place)) {
                    findings.push(finding);
                }
            }
        }
    }
}

fn judge(
    route: &RouteDraft,
    address: IpAddr,
    owner: Option<&NicDraft>,
    vnet: &str,
) -> Option<Finding> {
    let name = &route.route.name;
    let Some(owner) = owner else {
        let message = format!(
            "packets of route `{name}` are lost: {address} is not a networkInterface of \
             virtualNetwork `{vnet}` or of one that is connected with it"
        );
        return Some(
            Finding::warning(Code::NextHopNotReachable, route.next_hop_span, message)
                .help("name the address of an appliance's networkInterface, or peer its virtualNetwork in both directions"),
        );
    };
    (!owner.enable_ip_forwarding).then(|| {
        let nic = owner.named.id.name();
        let message = format!(
            "packets of route `{name}` are lost: networkInterface `{nic}` does not forward"
        );
        Finding::warning(Code::NextHopDoesNotForward, route.next_hop_span, message)
            .help(format!("write enableIPForwarding: true at `{nic}`"))
            .note(owner.named.span, "the next hop")
    })
}
