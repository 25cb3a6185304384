//! Random documents: a hub with an appliance, spokes, peerings of one or both sides with any flags, routes over
//! the appliance and to nowhere, groups at NICs.

use serde_json::{Value, json};
use vnetpeer_tests::random::Random;

/// Virtual networks; the first is the hub.
pub(crate) const VNETS: usize = 4;
/// Destination ports that rules tell apart.
pub(crate) const PORTS: [u16; 3] = [22, 80, 443];
/// A rule behind all others.
const LAST: usize = 4_096;

fn prefix(vnet: usize, is_v4: bool) -> String {
    if is_v4 { format!("10.{vnet}.0.0/16") } else { format!("fd00:1{vnet}::/48") }
}

fn address(vnet: usize, subnet: usize, host: usize, is_v4: bool) -> String {
    if is_v4 {
        format!("10.{vnet}.{subnet}.{host}")
    } else {
        format!("fd00:1{vnet}:0:{subnet}::{host:x}")
    }
}

/// A document from a seed's numbers. With groups every peering gives access: how a group and a missing access
/// go together is not the oracle's business.
pub(crate) fn random(random: &mut Random) -> Value {
    let has_groups = random.one_in(2);
    let mut nics = Vec::new();
    let mut groups = Vec::new();
    let mut hosts = [Vec::new(), Vec::new()];
    for vnet in 0..VNETS {
        for host in 4..5 + usize::from(random.one_in(2)) {
            let group = (has_groups && random.one_in(2)).then(|| format!("group{}", groups.len()));
            if let Some(name) = &group {
                groups.push(self::group(random, name));
            }
            hosts[random.below(2)].push(json!({"name": format!("vm{vnet}-{host}")}));
            nics.push(nic(
                &format!("vm{vnet}-{host}"),
                (vnet, "a", 1, host),
                false,
                group.as_deref(),
            ));
        }
    }
    hosts[random.below(2)].push(json!({"name": "nva"}));
    nics.push(nic("nva", (0, "nva", 2, 4), !random.one_in(8), None));
    let peerings = peerings(random, has_groups);
    let names = ["host-a", "host-b"].into_iter().zip(&hosts).enumerate();
    let hosts = names.map(|(number, (name, nics))| {
        let addresses = [format!("192.0.2.{}", number + 1), format!("2001:db8::{}", number + 1)];
        json!({
            "name": name,
            "underlay": {"interface": "eth0", "addresses": addresses},
            "networkInterfaces": nics,
        })
    });
    json!({
        "deployment": {"name": "random"},
        "virtualNetworks": (0..VNETS).map(vnet).collect::<Vec<_>>(),
        "virtualNetworkPeerings": peerings,
        "routeTables": (0..VNETS).map(|vnet| route_table(random, vnet)).collect::<Vec<_>>(),
        "networkSecurityGroups": groups,
        "networkInterfaces": nics,
        "hosts": hosts.collect::<Vec<_>>(),
    })
}

fn vnet(number: usize) -> Value {
    let subnet = |name: &str, subnet: usize| {
        let prefixes =
            [format!("10.{number}.{subnet}.0/24"), format!("fd00:1{number}:0:{subnet}::/64")];
        let mut properties = json!({"addressPrefixes": prefixes});
        if name == "a" {
            properties["routeTable"] = json!({"id": format!("routes{number}")});
        }
        json!({"name": name, "properties": properties})
    };
    json!({
        "name": format!("vnet{number}"),
        "properties": {
            "addressSpace": {"addressPrefixes": [prefix(number, true), prefix(number, false)]},
            "subnets": [subnet("a", 1), subnet("nva", 2)],
        },
    })
}

fn nic(
    name: &str,
    (vnet, subnet, number, host): (usize, &str, usize, usize),
    forwards: bool,
    group: Option<&str>,
) -> Value {
    let configurations = [("ipv4", true), ("ipv6", false)].map(|(name, is_v4)| {
        json!({"name": name, "properties": {
            "subnet": {"id": format!("vnet{vnet}/{subnet}")},
            "privateIPAddress": address(vnet, number, host, is_v4),
        }})
    });
    let mut properties =
        json!({"enableIPForwarding": forwards, "ipConfigurations": configurations});
    if let Some(group) = group {
        properties["networkSecurityGroup"] = json!({"id": group});
    }
    json!({"name": name, "properties": properties})
}

fn peerings(random: &mut Random, all_access: bool) -> Vec<Value> {
    let mut found = Vec::new();
    for one in 0..VNETS {
        for other in one + 1..VNETS {
            let common = if one == 0 { !random.one_in(8) } else { random.one_in(3) };
            for (from, to) in [(one, other), (other, one)] {
                if !common || random.one_in(10) {
                    continue;
                }
                found.push(json!({
                    "name": format!("vnet{from}/to-vnet{to}"),
                    "properties": {
                        "remoteVirtualNetwork": {"id": format!("vnet{to}")},
                        "allowVirtualNetworkAccess": all_access || !random.one_in(8),
                        "allowForwardedTraffic": !random.one_in(4),
                    },
                }));
            }
        }
    }
    found
}

fn route_table(random: &mut Random, vnet: usize) -> Value {
    let mut routes = Vec::new();
    for other in (0..VNETS).filter(|other| *other != vnet) {
        for is_v4 in [true, false] {
            let mut properties = json!({"addressPrefix": prefix(other, is_v4)});
            match random.below(8) {
                0..=3 => {
                    properties["nextHopType"] = json!("VirtualAppliance");
                    properties["nextHopIpAddress"] = json!(address(0, 2, 4, is_v4));
                }
                4 => properties["nextHopType"] = json!("None"),
                5 => properties["nextHopType"] = json!("VnetLocal"),
                _ => continue,
            }
            let name = format!("to{other}-{}", if is_v4 { 4 } else { 6 });
            routes.push(json!({"name": name, "properties": properties}));
        }
    }
    json!({"name": format!("routes{vnet}"), "properties": {"routes": routes}})
}

fn group(random: &mut Random, name: &str) -> Value {
    let mut rules = Vec::new();
    let rule = |name: String,
                priority: usize,
                direction: &str,
                access: &str,
                remote: &str,
                port: Value| {
        let (source, destination) =
            if direction == "Inbound" { (remote, "*") } else { ("*", remote) };
        json!({"name": name, "properties": {
            "priority": priority, "direction": direction, "access": access, "protocol": "*",
            "sourceAddressPrefix": source, "sourcePortRange": "*",
            "destinationAddressPrefix": destination, "destinationPortRange": port,
        }})
    };
    for number in 0..random.below(4) {
        let direction = if random.one_in(2) { "Inbound" } else { "Outbound" };
        let access = if random.one_in(3) { "Allow" } else { "Deny" };
        let remote = prefix(random.below(VNETS), random.one_in(2));
        let port = json!(random.pick(&PORTS));
        rules.push(rule(format!("rule{number}"), 100 + number, direction, access, &remote, port));
    }
    for direction in ["Inbound", "Outbound"] {
        let name = format!("all-{}", direction.to_lowercase());
        rules.push(rule(name, LAST, direction, "Allow", "*", json!("*")));
    }
    json!({"name": name, "properties": {"securityRules": rules}})
}
