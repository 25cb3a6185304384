use super::{Code, changed, loaded, mistakes};
use crate::topology::model::{
    BalancedProtocol, LoadBalancerSku, LoadDistribution, NicIndex, ProbeProtocol, Topology,
};

/// A load balancer in `hub`, of which the base document's `web1` is a member.
const BALANCER: &str = r"loadBalancers:
  - name: lb
    sku: {name: Standard, tier: Regional}
    properties:
      frontendIPConfigurations:
        - {name: front, properties: {subnet: {id: hub/web}, privateIPAddress: 10.0.1.10}}
        - {name: front6, properties: {subnet: {id: hub/web}, privateIPAddressVersion: IPv6}}
      backendAddressPools: [{name: pool}, {name: idle}]
      probes:
        - {name: tcp, properties: {protocol: Tcp, port: 8080, intervalInSeconds: 5}}
        - {name: http, properties: {protocol: Http, port: 80, requestPath: /ok, probeThreshold: 3}}
      loadBalancingRules:
        - name: web
          properties:
            frontendIPConfiguration: {id: front}
            backendAddressPool: {id: pool}
            probe: {id: tcp}
            protocol: Tcp
            frontendPort: 80
            backendPort: 8080
        - name: dns
          properties:
            frontendIPConfiguration: {id: lb/front6}
            backendAddressPool: {id: pool}
            probe: {id: http}
            protocol: Udp
            frontendPort: 53
            loadDistribution: SourceIP
            enableFloatingIP: true
            idleTimeoutInMinutes: 4
            disableOutboundSnat: true
";

/// A third rule of the load balancer, for its pool.
fn rule(name: &str, properties: &str) -> String {
    let front = if properties.contains("frontendIPConfiguration") {
        ""
    } else {
        "frontendIPConfiguration: {id: front}, "
    };
    let pool = if properties.contains("backendAddressPool") {
        ""
    } else {
        "backendAddressPool: {id: pool}, "
    };
    format!("        - {{name: {name}, properties: {{{front}{pool}{properties}}}}}\nhosts:")
}

/// Makes `web1` a member of the pool by both ipConfigurations.
const MEMBER: [(&str, &str); 2] = [
    (
        "privateIPAddress: 10.0.1.4}",
        "privateIPAddress: 10.0.1.4, loadBalancerBackendAddressPools: [{id: pool}]}",
    ),
    (
        "privateIPAddress: \"fd00:10:0:1::4\"}",
        "privateIPAddress: \"fd00:10:0:1::4\", loadBalancerBackendAddressPools: [{id: lb/pool}]}",
    ),
];

/// The changes that add the load balancer to the base document, and others.
fn with<'c>(added: &'c str, changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
    [&[("hosts:", added)], &MEMBER[..], changes].concat()
}

/// Asserts that changes to the document with the load balancer cause exactly these problems.
#[track_caller]
fn expect(changes: &[(&str, &str)], expected: &[(Code, &str)]) {
    let added = format!("{BALANCER}hosts:");
    let seen = mistakes(&changed(&with(&added, changes)));
    let seen: Vec<(Code, &str)> = seen.iter().map(|(code, text)| (*code, text.as_str())).collect();
    assert_eq!(seen, expected, "after {changes:?}");
}

fn topology(changes: &[(&str, &str)]) -> Topology {
    let added = format!("{BALANCER}hosts:");
    loaded(&with(&added, changes)).topology
}

#[test]
fn every_property_acts() {
    let topology = topology(&[]);
    let [balancer] = &topology.load_balancers[..] else { panic!("one") };
    assert_eq!((balancer.id.name(), balancer.sku), ("lb", LoadBalancerSku::Standard));
    let addresses: Vec<String> =
        balancer.frontends.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["10.0.1.10", "fd00:10:0:1::5"], "given, and the next free one");
    let [pool, idle] = &balancer.pools[..] else { panic!("two pools") };
    assert!(idle.members.is_empty());
    let members: Vec<_> = pool.members.iter().map(|it| (it.nic, it.address.to_string())).collect();
    let web = NicIndex(0);
    assert_eq!(members, [(web, "10.0.1.4".into()), (web, "fd00:10:0:1::4".into())]);
    let [tcp, http] = &balancer.probes[..] else { panic!("two probes") };
    assert_eq!(
        (&tcp.protocol, tcp.port, tcp.interval_seconds, tcp.threshold),
        (&ProbeProtocol::Tcp, 8080, 5, 2)
    );
    assert_eq!(
        (&http.protocol, http.port, http.interval_seconds, http.threshold),
        (&ProbeProtocol::Http("/ok".to_owned()), 80, 15, 3)
    );
    let [web, dns] = &balancer.rules[..] else { panic!("two rules") };
    assert_eq!((web.frontend, web.pool, web.probe), (0, 0, Some(0)));
    assert_eq!(
        (web.protocol, web.frontend_port, web.backend_port),
        (BalancedProtocol::Tcp, 80, 8080)
    );
    assert_eq!((web.distribution, web.floating_ip), (LoadDistribution::Default, false));
    assert_eq!((dns.frontend, dns.pool, dns.probe), (1, 0, Some(1)));
    assert_eq!(
        (dns.protocol, dns.frontend_port, dns.backend_port),
        (BalancedProtocol::Udp, 53, 53)
    );
    assert_eq!((dns.distribution, dns.floating_ip), (LoadDistribution::SourceIP, true));
}

#[test]
fn frontends_have_addresses_of_their_own_in_a_subnet() {
    for (from, to, expected) in [
        (
            ", privateIPAddress: 10.0.1.10",
            ", privateIPAddress: 10.0.1.4",
            (Code::PrivateIPAddressIsAllocated, "10.0.1.4"),
        ),
        (
            ", privateIPAddress: 10.0.1.10",
            ", privateIPAddress: 10.0.1.1",
            (Code::PrivateIPAddressInReservedRange, "10.0.1.1"),
        ),
        (
            ", privateIPAddress: 10.0.1.10",
            ", privateIPAddress: 10.0.2.4",
            (Code::PrivateIPAddressNotInSubnet, "10.0.2.4"),
        ),
        (
            ", privateIPAddress: 10.0.1.10",
            ", privateIPAllocationMethod: Static",
            (Code::MissingProperty, "Static"),
        ),
        (
            "{subnet: {id: hub/web}, privateIPAddress: 10.0.1.10}",
            "{publicIPAddress: {id: ip}}",
            (Code::NotSupportedYet, "front"),
        ),
        (
            "{subnet: {id: hub/web}, privateIPAddress: 10.0.1.10}",
            "{privateIPAddress: 10.0.1.10}",
            (Code::MissingProperty, "front"),
        ),
        (
            "{subnet: {id: hub/web}, privateIPAddressVersion: IPv6}",
            "{subnet: {id: app}}",
            (Code::InvalidResourceReference, "app"),
        ),
    ] {
        expect(&[(from, to)], &[expected]);
    }
}

#[test]
fn what_azure_has_and_this_has_not_is_refused() {
    for (from, to, expected) in [
        ("tier: Regional", "tier: Global", (Code::NotSupportedYet, "Global")),
        ("{name: Standard", "{name: Gateway", (Code::NotSupportedYet, "Gateway")),
        (
            "protocol: Tcp, port: 8080",
            "protocol: Https, port: 443",
            (Code::NotSupportedYet, "Https"),
        ),
        ("intervalInSeconds: 5", "intervalInSeconds: 4", (Code::InvalidPropertyValue, "4")),
        (
            "intervalInSeconds: 5",
            "noHealthyBackendsBehavior: AllProbedUp",
            (Code::NotSupportedYet, "noHealthyBackendsBehavior"),
        ),
        ("idleTimeoutInMinutes: 4", "idleTimeoutInMinutes: 15", (Code::NotSupportedYet, "15")),
        (
            "idleTimeoutInMinutes: 4",
            "enableTcpReset: true",
            (Code::NotSupportedYet, "enableTcpReset"),
        ),
        (
            "      probes:",
            "      inboundNatRules: [{name: ssh}]\n      probes:",
            (Code::NotSupportedYet, "inboundNatRules"),
        ),
        (
            "      probes:",
            "      outboundRules: [{name: out}]\n      probes:",
            (Code::NotSupportedYet, "outboundRules"),
        ),
        (
            "{name: idle}",
            "{name: idle, properties: {loadBalancerBackendAddresses: [{name: a}]}}",
            (Code::NotSupportedYet, "loadBalancerBackendAddresses"),
        ),
        ("port: 8080", "port: 8080, requestPath: /", (Code::ConflictingProperties, "/")),
        ("requestPath: /ok, ", "", (Code::MissingProperty, "http")),
        ("requestPath: /ok", "requestPath: ok", (Code::InvalidPropertyValue, "ok")),
        ("{id: tcp}", "{id: tpc}", (Code::InvalidResourceReference, "tpc")),
        (
            "{id: pool}\n            probe: {id: tcp}",
            "{id: poll}",
            (Code::InvalidResourceReference, "poll"),
        ),
    ] {
        expect(&[(from, to)], &[expected]);
    }
}

#[test]
fn rules_do_not_get_into_each_others_way() {
    let same = Code::RulesUseSameFrontendPortProtocolAndFrontendIP;
    let backend = Code::RulesUseSameBackendPortProtocolAndPool;
    let invalid = Code::InvalidLoadBalancingRule;
    for (properties, expected) in [
        ("protocol: Tcp, frontendPort: 81", &[][..]),
        ("protocol: Tcp, frontendPort: 80, backendPort: 9", &[(same, "x")]),
        ("protocol: Udp, frontendPort: 80, backendPort: 8080", &[]),
        ("protocol: Tcp, frontendPort: 82, backendPort: 8080", &[(backend, "x")]),
        ("protocol: Tcp, frontendPort: 82, backendPort: 8080, backendAddressPool: {id: idle}", &[]),
        ("protocol: All, frontendPort: 0, backendPort: 0", &[(backend, "x")]),
        ("protocol: All, frontendPort: 0, backendAddressPool: {id: idle}", &[]),
        ("protocol: All, frontendPort: 80, backendAddressPool: {id: idle}", &[(invalid, "x")]),
        ("protocol: Tcp, frontendPort: 0, backendPort: 9", &[(invalid, "x")]),
    ] {
        expect(&[("hosts:", &rule("x", properties))], expected);
    }
}

#[test]
fn only_a_standard_load_balancer_has_ha_ports() {
    let added = rule("ha", "protocol: All, frontendPort: 0, backendAddressPool: {id: idle}");
    let basic = ("{name: Standard", "{name: Basic");
    expect(&[("hosts:", &added), basic], &[(Code::InvalidLoadBalancingRule, "ha")]);
}

#[test]
fn members_are_in_the_network_of_the_load_balancer() {
    let nva = (
        "privateIPAddress: 10.1.1.4}",
        "privateIPAddress: 10.1.1.4, loadBalancerBackendAddressPools: [{id: pool}]}",
    );
    expect(&[nva], &[(Code::InvalidResourceReference, "pool")]);
    let twice = ("[{id: lb/pool}]", "[{id: lb/pool}, {id: pool}]");
    expect(&[twice], &[(Code::DuplicateResource, "pool")]);
    let unknown = ("[{id: lb/pool}]", "[{id: lb/poll}]");
    expect(&[unknown], &[(Code::InvalidResourceReference, "lb/poll")]);
    let second = (
        "        - name: ipv6\n",
        "        - name: second\n          properties: {subnet: {id: hub/web}, \
         loadBalancerBackendAddressPools: [{id: pool}]}\n        - name: ipv6\n",
    );
    expect(&[second], &[(Code::NotSupportedYet, "pool")]);
}

#[test]
fn a_member_without_an_address_of_the_frontends_family_is_warned_of() {
    let only_v4 = (", loadBalancerBackendAddressPools: [{id: lb/pool}]", "");
    expect(&[only_v4], &[(Code::BackendHasNoAddressOfFamily, "pool")]);
}

#[test]
fn a_nic_is_behind_load_balancers_of_one_sku_whose_rules_do_not_meet() {
    let other = |sku: &str, port: u16| {
        format!(
            "  - name: other\n    sku: {{name: {sku}}}\n    properties:\n      \
             frontendIPConfigurations: [{{name: f, properties: {{subnet: {{id: hub/web}}}}}}]\n      \
             backendAddressPools: [{{name: p}}]\n      loadBalancingRules:\n        - name: r\n          \
             properties: {{frontendIPConfiguration: {{id: f}}, backendAddressPool: {{id: p}}, \
             protocol: Tcp, frontendPort: {port}}}\nhosts:"
        )
    };
    let both = ("[{id: pool}]}", "[{id: pool}, {id: other/p}]}");
    expect(&[("hosts:", &other("Standard", 9)), both], &[]);
    let meets = Code::RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig;
    expect(&[("hosts:", &other("Standard", 8080)), both], &[(meets, "r")]);
    let differ = Code::DifferentSkuLoadBalancersNotAllowed;
    expect(&[("hosts:", &other("Basic", 9)), both], &[(differ, "other/p")]);
}

#[test]
fn a_route_to_a_frontend_needs_ha_ports_and_members_that_forward() {
    let route = ("nextHopIpAddress: 10.1.1.4", "nextHopIpAddress: 10.0.1.10");
    expect(&[route], &[(Code::NextHopNotReachable, "10.0.1.10")]);
    let rules = "      loadBalancingRules:\n";
    let ha = "      loadBalancingRules:\n        - {name: ha, properties: {frontendIPConfiguration: \
              {id: front}, backendAddressPool: {id: pool}, protocol: All, frontendPort: 0, \
              enableFloatingIP: true}}\n";
    let floating =
        ("backendPort: 8080\n", "backendPort: 8080\n            enableFloatingIP: true\n");
    expect(&[route, (rules, ha), floating], &[(Code::NextHopDoesNotForward, "10.0.1.10")]);
    let forwards = (
        "    properties:\n      ipConfigurations:",
        "    properties:\n      enableIPForwarding: true\n      ipConfigurations:",
    );
    expect(&[route, (rules, ha), floating, forwards], &[]);
}
