use serde_json::{Value, json};

use super::*;
use crate::topology::{
    model::{
        AdminRules, ApplicationSecurityGroup, RouteNextHop, RouteTableIndex, SecurityGroupIndex,
    },
    policy::{Matched, Resolver},
    state::{State, advance},
    testing::{hub_and_spokes, net, resource, route_table},
};

fn rule(name: &str, priority: u16, direction: Direction, source: Endpoints) -> SecurityRule {
    SecurityRule {
        name: name.to_owned(),
        priority,
        direction,
        access: Access::Allow,
        protocol: RuleProtocol::Tcp,
        source: any_port(source),
        destination: RuleSide { endpoints: Endpoints::Any, ports: vec![443..=443] },
    }
}

fn group(name: &str, rules: Vec<SecurityRule>) -> SecurityGroup {
    SecurityGroup { id: resource("networkSecurityGroups", name), rules, flush_connection: false }
}

/// The hub with a group on its subnet, where `nva` is.
fn with_group(rules: Vec<SecurityRule>) -> Topology {
    let mut topology = hub_and_spokes();
    topology.security_groups.push(group("web", rules));
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(0));
    topology
}

fn effective(topology: &Topology) -> Vec<EffectiveGroup> {
    let state = advance(&State::default(), topology).unwrap();
    let network = Network::new(topology, &state).unwrap();
    effective_security(&network, &topology.nics[0])
}

#[test]
fn a_group_is_listed_as_azure_does() {
    let source = Endpoints::Prefixes(vec![net("10.1.0.0/24"), net("203.0.113.0/24")]);
    let mut topology = with_group(vec![rule("https", 100, Direction::Inbound, source)]);
    for peering in &mut topology.peerings {
        // The hub does not let spoke2 in.
        peering.allow_virtual_network_access = peering.remote != VnetIndex(2);
    }
    let mut listed = serde_json::to_value(effective(&topology)).unwrap();
    let internet = listed.pointer_mut("/0/tagMap/Internet").unwrap().take();
    let allowed = "/0/effectiveSecurityRules/5/expandedDestinationAddressPrefix";
    let expanded = listed.pointer_mut(allowed).unwrap().take();
    assert_eq!(internet, expanded);
    assert!(internet.as_array().unwrap().contains(&json!("1.0.0.0/8")));
    let virtual_network =
        json!(["10.0.0.0/16", "10.1.0.0/16", "168.63.129.16/32", "fd00::/48", "fd00:1::/48"]);
    let id = |kind: &str, name: &str| json!({ "id": resource(kind, name) });
    let expected = json!([{
        "networkSecurityGroup": id("networkSecurityGroups", "web"),
        "association": { "subnet": id("virtualNetworks/default/subnets", "hub") },
        "effectiveSecurityRules": [
            {
                "name": "securityRules/https",
                "protocol": "Tcp",
                "sourcePortRange": "0-65535",
                "destinationPortRange": "443-443",
                "sourcePortRanges": ["0-65535"],
                "destinationPortRanges": ["443-443"],
                "sourceAddressPrefix": null,
                "destinationAddressPrefix": "*",
                "sourceAddressPrefixes": ["10.1.0.0/24", "203.0.113.0/24"],
                "destinationAddressPrefixes": ["*"],
                "expandedSourceAddressPrefix": [],
                "expandedDestinationAddressPrefix": [],
                "access": "Allow",
                "priority": 100,
                "direction": "Inbound",
            },
            default(
                "AllowVnetInBound", 65_000, "Inbound", "Allow",
                ("VirtualNetwork", &virtual_network), ("VirtualNetwork", &virtual_network),
            ),
            default(
                "AllowAzureLoadBalancerInBound", 65_001, "Inbound", "Allow",
                ("AzureLoadBalancer", &json!(["168.63.129.16/32"])), ("*", &json!([])),
            ),
            default(
                "DefaultInboundDenyAll", 65_500, "Inbound", "Deny",
                ("*", &json!([])), ("*", &json!([])),
            ),
            default(
                "AllowVnetOutBound", 65_000, "Outbound", "Allow",
                ("VirtualNetwork", &virtual_network), ("VirtualNetwork", &virtual_network),
            ),
            default(
                "AllowInternetOutBound", 65_001, "Outbound", "Allow",
                ("*", &json!([])), ("Internet", &Value::Null),
            ),
            default(
                "DefaultOutboundDenyAll", 65_500, "Outbound", "Deny",
                ("*", &json!([])), ("*", &json!([])),
            ),
        ],
        "tagMap": {
            "AzureLoadBalancer": ["168.63.129.16/32"],
            "Internet": null,
            "VirtualNetwork": virtual_network,
        },
    }]);
    assert_eq!(listed, expected);
}

fn default(
    name: &str,
    priority: u16,
    direction: &str,
    access: &str,
    (source, expanded_source): (&str, &Value),
    (destination, expanded_destination): (&str, &Value),
) -> Value {
    json!({
        "name": format!("defaultSecurityRules/{name}"),
        "protocol": "All",
        "sourcePortRange": "0-65535",
        "destinationPortRange": "0-65535",
        "sourcePortRanges": ["0-65535"],
        "destinationPortRanges": ["0-65535"],
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": destination,
        "sourceAddressPrefixes": [source],
        "destinationAddressPrefixes": [destination],
        "expandedSourceAddressPrefix": expanded_source,
        "expandedDestinationAddressPrefix": expanded_destination,
        "access": access,
        "priority": priority,
        "direction": direction,
    })
}

#[test]
fn a_default_route_of_the_user_makes_everything_the_virtual_network() {
    let mut topology = with_group(Vec::new());
    let routes = [("0.0.0.0/0", RouteNextHop::None), ("::/0", RouteNextHop::None)];
    topology.route_tables.push(route_table("rt", &routes));
    topology.vnets[0].subnets[0].route_table = Some(RouteTableIndex(0));
    let listed = effective(&topology);
    let virtual_network = &listed[0].tag_map["VirtualNetwork"];
    assert!(virtual_network.contains(&net("0.0.0.0/0")), "{virtual_network:?}");
    assert_eq!(listed[0].tag_map["Internet"], []);
}

#[test]
fn every_level_is_listed() {
    let mut topology = with_group(Vec::new());
    topology.security_groups.push(group("nic", Vec::new()));
    topology.nics[0].security_group = Some(SecurityGroupIndex(1));
    let manager = resource("networkManagers", "manager");
    let collection = format!("{manager}/securityAdminConfigurations/c/ruleCollections/rc");
    let late = rule("late", 20, Direction::Inbound, Endpoints::Any);
    let first = rule("first", 10, Direction::Inbound, Endpoints::Any);
    topology.admin_rules.push(AdminRules {
        id: ResourceId::new(collection),
        vnets: vec![VnetIndex(0)],
        rules: vec![late, first],
    });
    let listed = effective(&topology);
    let [admin, subnet, nic] = listed.as_slice() else { panic!("three levels: {listed:?}") };
    assert_eq!(admin.network_security_group, None);
    assert_eq!(admin.association.network_manager, Some(Reference { id: manager }));
    let names: Vec<_> = admin.effective_security_rules.iter().map(|it| &it.name).collect();
    assert_eq!(names, ["securityAdminRules/first", "securityAdminRules/late"]);
    assert!(subnet.association.subnet.is_some() && subnet.association.network_interface.is_none());
    let interface = Reference { id: topology.nics[0].id.clone() };
    assert_eq!(nic.association.network_interface, Some(interface));
}

#[test]
fn a_nic_without_groups_has_none() {
    assert_eq!(effective(&hub_and_spokes()), []);
}

#[test]
fn an_application_security_group_is_listed_as_its_members() {
    let source = Endpoints::Groups(vec![ApplicationSecurityGroupIndex(0)]);
    let mut topology = with_group(vec![rule("app", 100, Direction::Inbound, source)]);
    let id = resource("applicationSecurityGroups", "app");
    topology.application_security_groups.push(ApplicationSecurityGroup { id });
    topology.nics[0].application_security_groups = vec![ApplicationSecurityGroupIndex(0)];
    let listed = effective(&topology);
    let rule = &listed[0].effective_security_rules[0];
    assert_eq!(rule.source_address_prefixes, ["10.0.0.4/32", "fd00::4/128"]);
    assert_eq!(
        (&rule.source_address_prefix, rule.expanded_source_address_prefix.len()),
        (&None, 0)
    );
}

/// What is listed is what is compiled: the same rules under the same names in the same order.
#[test]
fn listed_rules_are_those_in_force() {
    let own = vec![
        rule("out", 200, Direction::Outbound, Endpoints::Any),
        rule("in", 300, Direction::Inbound, Endpoints::Any),
    ];
    let topology = with_group(own);
    let state = advance(&State::default(), &topology).unwrap();
    let resolver = Resolver::new(&topology, &state);
    let listed = listed_rules(&topology.security_groups[0]);
    for direction in [Direction::Inbound, Direction::Outbound] {
        let policy = resolver.group(SecurityGroupIndex(0), direction).unwrap();
        let visible = policy.rules.iter().filter(|it| !it.name.starts_with("platformRules/"));
        let in_force: Vec<_> = visible
            .map(|it| {
                let any = [it.source == Matched::Any, it.destination == Matched::Any];
                (it.name.as_str(), it.priority, it.access, it.protocol, any)
            })
            .collect();
        let shown: Vec<_> = listed
            .iter()
            .filter(|it| it.rule.direction == direction)
            .map(|ListedRule { name, rule: it, .. }| {
                let any = [&it.source, &it.destination].map(|it| it.endpoints == Endpoints::Any);
                (name.as_str(), it.priority, it.access, it.protocol, any)
            })
            .collect();
        assert_eq!(shown, in_force);
    }
}
