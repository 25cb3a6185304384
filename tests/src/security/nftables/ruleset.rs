//! Groups as a ruleset of `nft`.
//!
//! A chain per policy and direction; one that lets a packet pass returns, and the next one follows.
//! Tags are sets of prefixes. A rule becomes a line for each family and, where it names ports without
//! a protocol, matches TCP and UDP.

use std::fmt::Write as _;

use ipnet::IpNet;
use vnetpeer_userspace::topology::model::{
    Access, Direction, Endpoints, Nic, PortRange, RuleProtocol, SecurityRule, ServiceTag, Topology,
};

use crate::security::network::{JUDGED, net};

const FAMILIES: [&str; 2] = ["ip", "ip6"];

/// How every ruleset begins: what was there before goes.
const HEAD: &str = "flush ruleset
table inet judge {
  counter refused { }
  chain refuse {
    counter name refused drop
  }
";

/// What is private of IPv4, and what is not global unicast of IPv6.
const NOT_PUBLIC: [&str; 2] = [
    "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, \
     192.168.0.0/16, 224.0.0.0/3",
    "::/3, 4000::/2, 8000::/1",
];

/// The ruleset that judges what [`JUDGED`] sends and receives. The NIC is behind interface `vm`,
/// everybody else behind `peer`.
pub fn ruleset(topology: &Topology) -> String {
    let mut text = HEAD.to_owned();
    sets(&mut text, topology);
    let policies = policies(topology);
    for (name, rules, is_group) in &policies {
        for direction in [Direction::Inbound, Direction::Outbound] {
            chain(&mut text, topology, name, rules, direction, *is_group);
        }
    }
    let names: Vec<&str> = policies.iter().map(|(name, ..)| *name).collect();
    judge(&mut text, &names);
    text.push_str("}\n");
    text
}

/// The policies of the NIC: name, rules, and whether it is a group; security admin rules first.
fn policies(topology: &Topology) -> Vec<(&'static str, &[SecurityRule], bool)> {
    let nic = judged(topology);
    let subnet = &topology.vnets[nic.vnet.0].subnets[nic.subnet.0];
    let mut policies = Vec::new();
    for collection in &topology.admin_rules {
        if collection.vnets.contains(&nic.vnet) && !collection.rules.is_empty() {
            policies.push(("admin", collection.rules.as_slice(), false));
        }
    }
    for (name, group) in [("subnet", subnet.security_group), ("nic", nic.security_group)] {
        if let Some(index) = group {
            policies.push((name, topology.security_groups[index.0].rules.as_slice(), true));
        }
    }
    policies
}

fn judged(topology: &Topology) -> &Nic {
    &topology.nics[JUDGED.0]
}

/// The hook, and the policies in their order for each direction.
fn judge(text: &mut String, policies: &[&str]) {
    text.push_str("  chain forward { type filter hook forward priority 0; policy drop;\n");
    if policies.is_empty() {
        text.push_str("    accept\n  }\n");
        return;
    }
    text.push_str("    ct state invalid goto refuse\n");
    text.push_str("    tcp flags & (fin | syn | rst | ack) == syn goto judge\n");
    text.push_str("    ct state established,related accept\n    goto judge\n  }\n");
    text.push_str("  chain judge {\n    iifname \"peer\" goto inbound\n    goto outbound\n  }\n");
    let order = [("inbound", ["admin", "subnet", "nic"]), ("outbound", ["admin", "nic", "subnet"])];
    for (direction, names) in order {
        let _ = writeln!(text, "  chain {direction} {{");
        for name in names.iter().filter(|name| policies.contains(name)) {
            let _ = writeln!(text, "    jump {name}_{direction}");
        }
        text.push_str("    accept\n  }\n");
    }
}

/// One policy in one direction. The platform's addresses meet only rules with its tags.
fn chain(
    text: &mut String,
    topology: &Topology,
    name: &str,
    rules: &[SecurityRule],
    direction: Direction,
    is_group: bool,
) {
    let mut rules: Vec<&SecurityRule> =
        rules.iter().filter(|rule| rule.direction == direction).collect();
    rules.sort_by_key(|rule| rule.priority);
    let (suffix, field) = match direction {
        Direction::Inbound => ("inbound", "saddr"),
        Direction::Outbound => ("outbound", "daddr"),
    };
    let platform = "{ 168.63.129.16, 169.254.169.254 }";
    if is_group {
        let _ = writeln!(text, "  chain {name}_{suffix}_platform {{");
        for rule in rules.iter().filter(|rule| is_platforms(rule)) {
            lines(text, topology, rule);
        }
        text.push_str("  }\n");
    }
    let _ = writeln!(text, "  chain {name}_{suffix} {{");
    if is_group {
        let _ = writeln!(text, "    ip {field} {platform} goto {name}_{suffix}_platform");
    }
    for rule in rules {
        lines(text, topology, rule);
    }
    if is_group {
        for family in FAMILIES {
            let within = format!("{family} saddr @vnet_{family} {family} daddr @vnet_{family}");
            let _ = writeln!(text, "    {within} return");
            if direction == Direction::Outbound {
                let _ = writeln!(text, "    {} return", internet(family, "daddr"));
            }
        }
        text.push_str("    goto refuse\n");
    }
    text.push_str("  }\n");
}

fn is_platforms(rule: &SecurityRule) -> bool {
    [&rule.source, &rule.destination].iter().any(|side| {
        matches!(&side.endpoints, Endpoints::Tag(ServiceTag::Prefixes { platform: true, .. }))
    })
}

/// The lines of one rule, one per family that it can match.
fn lines(text: &mut String, topology: &Topology, rule: &SecurityRule) {
    let access = match rule.access {
        Access::Allow => "return",
        Access::Deny => "goto refuse",
        Access::AlwaysAllow => "accept",
    };
    for family in FAMILIES {
        let ends = [("saddr", &rule.source), ("daddr", &rule.destination)];
        let ends = ends.map(|(field, side)| addresses(topology, family, field, &side.endpoints));
        if let [Some(source), Some(destination)] = ends {
            let nfproto = if family == "ip" { "ipv4" } else { "ipv6" };
            let upper = upper(family, rule);
            let _ = writeln!(
                text,
                "    meta nfproto {nfproto} {source} {destination} {upper} {access}"
            );
        }
    }
}

/// What one end's addresses must be; `None` if there are none of the family.
fn addresses(
    topology: &Topology,
    family: &str,
    field: &str,
    endpoints: &Endpoints,
) -> Option<String> {
    let prefixes: Vec<String> = match endpoints {
        Endpoints::Any => return Some(String::new()),
        Endpoints::Tag(ServiceTag::VirtualNetwork) => {
            return Some(format!("{family} {field} @vnet_{family}"));
        }
        Endpoints::Tag(ServiceTag::Internet) => return Some(internet(family, field)),
        Endpoints::Prefixes(prefixes) | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
            of_family(family, prefixes)
        }
        Endpoints::Groups(groups) => {
            let nics = topology.nics.iter();
            let members = nics
                .filter(|nic| groups.iter().any(|it| nic.application_security_groups.contains(it)));
            let addresses: Vec<IpNet> =
                members.flat_map(|nic| nic.addresses.iter().copied()).map(IpNet::from).collect();
            of_family(family, &addresses)
        }
    };
    (!prefixes.is_empty()).then(|| format!("{family} {field} {{ {} }}", prefixes.join(", ")))
}

fn of_family(family: &str, prefixes: &[IpNet]) -> Vec<String> {
    let is_v4 = family == "ip";
    prefixes.iter().filter(|it| it.addr().is_ipv4() == is_v4).map(IpNet::to_string).collect()
}

fn internet(family: &str, field: &str) -> String {
    format!("{family} {field} != @vnet_{family} {family} {field} != @not_public_{family}")
}

/// Protocol and ports.
fn upper(family: &str, rule: &SecurityRule) -> String {
    let ports = [("sport", &rule.source.ports), ("dport", &rule.destination.ports)];
    let named: Vec<String> = ports
        .into_iter()
        .filter(|(_, ranges)| !ranges.contains(&(0..=u16::MAX)))
        .map(|(field, ranges)| format!("th {field} {{ {} }}", port_set(ranges)))
        .collect();
    let protocol = match rule.protocol {
        RuleProtocol::Any if named.is_empty() => return String::new(),
        RuleProtocol::Any => "{ tcp, udp }",
        RuleProtocol::Tcp => "tcp",
        RuleProtocol::Udp => "udp",
        RuleProtocol::Icmp if family == "ip" => return "meta l4proto icmp".to_owned(),
        RuleProtocol::Icmp => return "meta l4proto ipv6-icmp".to_owned(),
        RuleProtocol::Esp => return "meta l4proto esp".to_owned(),
        RuleProtocol::Ah => return "meta l4proto ah".to_owned(),
    };
    format!("meta l4proto {protocol} {}", named.join(" "))
}

fn port_set(ranges: &[PortRange]) -> String {
    let ranges = ranges.iter().map(|range| format!("{}-{}", range.start(), range.end()));
    ranges.collect::<Vec<_>>().join(", ")
}

/// The sets that tags stand for.
fn sets(text: &mut String, topology: &Topology) {
    let vnet = virtual_network(topology);
    for (family, not_public) in FAMILIES.into_iter().zip(NOT_PUBLIC) {
        let kind = if family == "ip" { "ipv4_addr" } else { "ipv6_addr" };
        let prefixes = of_family(family, &vnet).join(", ");
        for (name, elements) in [("vnet", prefixes.as_str()), ("not_public", not_public)] {
            let _ = writeln!(
                text,
                "  set {name}_{family} {{ type {kind}; flags interval; auto-merge; elements = {{ \
                 {elements} }}\n  }}"
            );
        }
    }
}

/// The prefixes of tag `VirtualNetwork` as the NIC sees it.
fn virtual_network(topology: &Topology) -> Vec<IpNet> {
    let nic = judged(topology);
    let mut prefixes = topology.vnets[nic.vnet.0].address_space.clone();
    let peerings = topology.peerings.iter().filter(|it| it.vnet == nic.vnet);
    for peering in peerings.filter(|it| it.reverse.is_some() && it.allow_virtual_network_access) {
        prefixes.extend(&topology.vnets[peering.remote.0].address_space);
    }
    let table = topology.vnets[nic.vnet.0].subnets[nic.subnet.0].route_table;
    if let Some(table) = table {
        prefixes.extend(topology.route_tables[table.0].routes.iter().map(|route| route.prefix));
    }
    prefixes.push(net("168.63.129.16/32"));
    prefixes
}
