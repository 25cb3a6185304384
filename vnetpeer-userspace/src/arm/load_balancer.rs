//! Load balancers in ARM's shape.

use serde_json::{Value, json};

use crate::topology::model::{
    BalancedProtocol, LoadBalancer, LoadBalancingRule, Probe, ProbeProtocol, Topology,
};

pub(super) fn all(topology: &Topology) -> Vec<Value> {
    topology.load_balancers.iter().map(|it| shape(topology, it)).collect()
}

fn shape(topology: &Topology, it: &LoadBalancer) -> Value {
    let frontends = it.frontends.iter().map(|frontend| {
        let subnet = topology.subnet(it.vnet, frontend.subnet).map(|subnet| &subnet.id);
        json!({
            "name": frontend.id.name(),
            "id": frontend.id,
            "properties": {
                "privateIPAddress": frontend.address,
                "privateIPAddressVersion": if frontend.address.is_ipv4() { "IPv4" } else { "IPv6" },
                "subnet": { "id": subnet },
            },
        })
    });
    let pools = it.pools.iter().map(|pool| {
        let members = pool.members.iter().map(|member| {
            let nic = topology.nic(member.nic).map(|nic| &nic.id);
            json!({ "networkInterface": { "id": nic }, "privateIPAddress": member.address })
        });
        let members: Vec<Value> = members.collect();
        json!({
            "name": pool.id.name(),
            "id": pool.id,
            "properties": { "backendIPConfigurations": members },
        })
    });
    json!({
        "name": it.id.name(),
        "id": it.id,
        "location": topology.vnet(it.vnet).map(|vnet| &vnet.location),
        "sku": { "name": it.sku, "tier": "Regional" },
        "virtualNetwork": { "id": topology.vnet(it.vnet).map(|vnet| &vnet.id) },
        "properties": {
            "frontendIPConfigurations": frontends.collect::<Vec<_>>(),
            "backendAddressPools": pools.collect::<Vec<_>>(),
            "probes": it.probes.iter().map(probe).collect::<Vec<_>>(),
            "loadBalancingRules": it.rules.iter().map(|rule| self::rule(it, rule)).collect::<Vec<_>>(),
        },
    })
}

fn probe(it: &Probe) -> Value {
    let (protocol, path) = match &it.protocol {
        ProbeProtocol::Tcp => ("Tcp", None),
        ProbeProtocol::Http(path) => ("Http", Some(path)),
    };
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "protocol": protocol,
            "port": it.port,
            "requestPath": path,
            "intervalInSeconds": it.interval_seconds,
            "probeThreshold": it.threshold,
        },
    })
}

fn rule(balancer: &LoadBalancer, it: &LoadBalancingRule) -> Value {
    let probe = it.probe.and_then(|index| balancer.probes.get(index));
    json!({
        "name": it.id.name(),
        "id": it.id,
        "properties": {
            "frontendIPConfiguration": { "id": balancer.frontends.get(it.frontend).map(|it| &it.id) },
            "backendAddressPool": { "id": balancer.pools.get(it.pool).map(|it| &it.id) },
            "probe": probe.map(|probe| json!({ "id": probe.id })),
            "protocol": match it.protocol {
                BalancedProtocol::Tcp => "Tcp",
                BalancedProtocol::Udp => "Udp",
                BalancedProtocol::All => "All",
            },
            "frontendPort": it.frontend_port,
            "backendPort": it.backend_port,
            "loadDistribution": it.distribution,
            "enableFloatingIP": it.floating_ip,
        },
    })
}
