//! Properties of what filters, and of gateways.

use std::collections::BTreeMap;

use super::{Properties, name};
use crate::topology::model::{
    AdminRules, ConnectionRemote, Endpoints, Gateway, ResourceId, RuleSide, SecurityGroup,
    SecurityRule, Topology,
};

pub(super) fn describe_group(topology: &Topology, group: &SecurityGroup) -> Properties {
    BTreeMap::from([
        ("securityRules", rules(topology, &group.rules)),
        ("flushConnection", group.flush_connection.to_string()),
    ])
}

pub(super) fn describe_admin_rules(topology: &Topology, admin: &AdminRules) -> Properties {
    let vnets = admin.vnets.iter().map(|vnet| name(topology.vnet(*vnet).map(|vnet| &vnet.id)));
    BTreeMap::from([
        ("rules", rules(topology, &admin.rules)),
        ("appliesTo", sorted(vnets.collect())),
    ])
}

pub(super) fn describe_gateway(topology: &Topology, gateway: &Gateway) -> Properties {
    let connections = gateway.connections.iter().map(|connection| {
        let remote = match &connection.remote {
            ConnectionRemote::Gateway(other) => {
                name(topology.gateway(*other).map(|gateway| &gateway.id))
            }
            other => format!("{other:?}"),
        };
        format!("{} {remote}", connection.id)
    });
    BTreeMap::from([
        ("gatewayType", format!("{:?}", gateway.gateway_type)),
        ("sku", gateway.sku.clone()),
        ("connections", sorted(connections.collect())),
        ("asn", gateway.asn.to_string()),
        ("enableBgp", gateway.bgp.to_string()),
        ("allowRemoteVnetTraffic", gateway.allow_remote_vnet_traffic.to_string()),
    ])
}

fn rules(topology: &Topology, rules: &[SecurityRule]) -> String {
    let rules = rules.iter().map(|rule| {
        let (direction, access, protocol) = (rule.direction, rule.access, rule.protocol);
        let kind = format!("{} {} {direction:?} {access:?} {protocol:?}", rule.name, rule.priority);
        let sides = [&rule.source, &rule.destination].map(|side| describe_side(topology, side));
        format!("{kind} {}", sides.join(" "))
    });
    sorted(rules.collect())
}

/// One end of a rule; groups by their ids, since indices change with other resources.
fn describe_side(topology: &Topology, side: &RuleSide) -> String {
    let endpoints = match &side.endpoints {
        Endpoints::Groups(groups) => {
            let known = &topology.application_security_groups;
            let ids = groups.iter().map(|it| name(known.get(it.0).map(|group| &group.id)));
            sorted(ids.collect())
        }
        other => format!("{other:?}"),
    };
    format!("{endpoints} {:?}", side.ports)
}

/// The ids of the application security groups of a NIC.
pub(super) fn application_groups<'a>(
    topology: &'a Topology,
    groups: impl IntoIterator<Item = usize> + 'a,
) -> String {
    let known = &topology.application_security_groups;
    let ids = groups.into_iter().filter_map(|index| known.get(index)).map(|group| &group.id);
    sorted(ids.map(ResourceId::to_string).collect())
}

fn sorted(mut texts: Vec<String>) -> String {
    texts.sort_unstable();
    texts.join("\n")
}
