//! Load balancers as text.

use super::{Properties, name};
use crate::topology::model::{LoadBalancer, ResourceId, Topology};

/// What of a load balancer is compared; names stand for what its parts refer to.
pub(super) fn describe(topology: &Topology, balancer: &LoadBalancer) -> Properties {
    let part = |id: Option<&ResourceId>| id.map_or("", ResourceId::name).to_owned();
    let frontends = balancer.frontends.iter().map(|it| {
        let subnet = topology.subnet(balancer.vnet, it.subnet).map(|it| &it.id);
        format!("{} {} {}", it.id.name(), name(subnet), it.address)
    });
    let pools = balancer.pools.iter().map(|pool| {
        let members = pool.members.iter().map(|it| {
            let nic = topology.nic(it.nic).map(|nic| &nic.id);
            format!("{} {}", name(nic), it.address)
        });
        format!("{} {}", pool.id.name(), sorted(members))
    });
    let rules = balancer.rules.iter().map(|rule| {
        format!(
            "{} {} {} {} {:?} {} {} {:?} {}",
            rule.id.name(),
            part(balancer.frontends.get(rule.frontend).map(|it| &it.id)),
            part(balancer.pools.get(rule.pool).map(|it| &it.id)),
            part(rule.probe.and_then(|it| balancer.probes.get(it)).map(|it| &it.id)),
            rule.protocol,
            rule.frontend_port,
            rule.backend_port,
            rule.distribution,
            rule.floating_ip
        )
    });
    let probes = balancer.probes.iter().map(|it| format!("{it:?}"));
    Properties::from([
        ("sku", format!("{:?}", balancer.sku)),
        ("frontendIPConfigurations", sorted(frontends)),
        ("backendAddressPools", sorted(pools)),
        ("probes", sorted(probes)),
        ("loadBalancingRules", sorted(rules)),
    ])
}

fn sorted(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.sort_unstable();
    parts.join("\n")
}
