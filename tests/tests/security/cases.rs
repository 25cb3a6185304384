//! The oracle on cases written by hand, each from a sentence of Azure's pages.

use vnetpeer_tests::security::{
    Level, Oracle, Probe, Stage, Tracker, Upper, Verdict,
    network::{self, JUDGED, address, net},
    probe::{ACK, SYN},
    random::attach,
};
use vnetpeer_userspace::topology::model::{
    Access, AdminRules, ApplicationSecurityGroupIndex, Direction, Endpoints, PeeringIndex,
    PortRange, RouteTableIndex, RuleProtocol, RuleSide, SecurityRule, ServiceTag, Topology,
    VnetIndex,
};

const ANY_PORT: PortRange = 0..=u16::MAX;
/// The judged NIC, and machines of the virtual networks around it.
const OWN: &str = "10.0.1.4";
const OWN_V6: &str = "fd00:a:0:1::4";
const SIBLING: &str = "10.0.1.128";
const FRIEND: &str = "10.1.1.4";
const STRANGER: &str = "10.2.1.4";
const SILENT: &str = "10.3.1.4";
const INTERNET: &str = "8.8.8.8";
const INTERNET_V6: &str = "2001:db8::1";

/// A rule for inbound TCP to port 80, or a change of it.
fn rule(priority: u16, access: Access, change: impl FnOnce(&mut SecurityRule)) -> SecurityRule {
    let side = || RuleSide { endpoints: Endpoints::Any, ports: vec![ANY_PORT] };
    let mut rule = SecurityRule {
        name: format!("r{priority}"),
        priority,
        direction: Direction::Inbound,
        access,
        protocol: RuleProtocol::Tcp,
        source: side(),
        destination: RuleSide { ports: vec![80..=80], ..side() },
    };
    change(&mut rule);
    rule
}

/// A rule for everything in a direction.
fn all(priority: u16, direction: Direction, access: Access) -> SecurityRule {
    rule(priority, access, |rule| {
        rule.direction = direction;
        rule.protocol = RuleProtocol::Any;
        rule.destination.ports = vec![ANY_PORT];
    })
}

fn on_nic(rules: Vec<SecurityRule>) -> Topology {
    with_nic(network::bare(), rules)
}

fn with_nic(mut topology: Topology, rules: Vec<SecurityRule>) -> Topology {
    let group = attach(&mut topology, "nic", rules);
    topology.nics[JUDGED.0].security_group = Some(group);
    topology
}

fn with_subnet(mut topology: Topology, rules: Vec<SecurityRule>) -> Topology {
    let group = attach(&mut topology, "subnet", rules);
    topology.vnets[0].subnets[0].security_group = Some(group);
    topology
}

fn with_admin(mut topology: Topology, rules: Vec<SecurityRule>) -> Topology {
    let id = network::resource("networkManagers", "admin");
    topology.admin_rules.push(AdminRules { id, vnets: vec![VnetIndex(0)], rules });
    topology
}

fn tcp(source: u16, destination: u16) -> Upper {
    Upper::Tcp { source, destination, flags: SYN }
}

fn own_for(remote: &str) -> &'static str {
    if remote.contains(':') { OWN_V6 } else { OWN }
}

fn inbound(from: &str, upper: Upper) -> Probe {
    Probe::new(Direction::Inbound, address(from), address(own_for(from)), upper)
}

fn outbound(to: &str, upper: Upper) -> Probe {
    Probe::new(Direction::Outbound, address(own_for(to)), address(to), upper)
}

fn allows(topology: &Topology, probe: &Probe) -> bool {
    Oracle::new(topology).judge(JUDGED, probe).verdict == Verdict::Allow
}

fn stage(level: Level, rule: &str, access: Access) -> Stage {
    Stage { level, rule: Some(rule.to_owned()), access }
}

#[test]
fn no_policy_lets_everything_pass() {
    let topology = network::bare();
    assert!(allows(&topology, &inbound(INTERNET, tcp(1, 80))));
    assert!(!Oracle::new(&topology).has_policy(JUDGED));
    let ack = inbound(INTERNET, tcp(1, 80)).with_flags(ACK);
    assert_eq!(Tracker::new(Oracle::new(&topology)).next(JUDGED, &ack), Verdict::Allow);
}

#[test]
fn default_rules() {
    let topology = on_nic(Vec::new());
    let oracle = Oracle::new(&topology);
    let name = |probe: &Probe| {
        let judgement = oracle.judge(JUDGED, probe);
        let rule = judgement.stages[0].rule.clone().unwrap_or_default();
        (rule.strip_prefix("defaultSecurityRules/").unwrap_or(&rule).to_owned(), judgement.verdict)
    };
    let cases = [
        (inbound(SIBLING, tcp(1, 80)), "AllowVnetInBound", Verdict::Allow),
        (inbound(FRIEND, Upper::Other(253)), "AllowVnetInBound", Verdict::Allow),
        (inbound(STRANGER, tcp(1, 80)), "DefaultInboundDenyAll", Verdict::Deny),
        (inbound(SILENT, tcp(1, 80)), "DefaultInboundDenyAll", Verdict::Deny),
        (inbound(INTERNET, tcp(1, 80)), "DefaultInboundDenyAll", Verdict::Deny),
        (outbound(FRIEND, tcp(1, 80)), "AllowVnetOutBound", Verdict::Allow),
        (outbound(STRANGER, tcp(1, 80)), "DefaultOutboundDenyAll", Verdict::Deny),
        (outbound(INTERNET, tcp(1, 80)), "AllowInternetOutBound", Verdict::Allow),
        (outbound(INTERNET_V6, tcp(1, 80)), "AllowInternetOutBound", Verdict::Allow),
        (outbound("192.168.0.1", tcp(1, 80)), "DefaultOutboundDenyAll", Verdict::Deny),
        (outbound("100.64.0.1", tcp(1, 80)), "DefaultOutboundDenyAll", Verdict::Deny),
        (outbound("224.0.0.1", tcp(1, 80)), "DefaultOutboundDenyAll", Verdict::Deny),
        (outbound("fe80::1", tcp(1, 80)), "DefaultOutboundDenyAll", Verdict::Deny),
        (outbound("fd00:b:0:1::4", tcp(1, 80)), "AllowVnetOutBound", Verdict::Allow),
    ];
    for (probe, rule, verdict) in cases {
        assert_eq!(name(&probe), (rule.to_owned(), verdict), "{probe:?}");
    }
}

#[test]
fn the_lowest_number_decides() {
    let rules = vec![rule(200, Access::Deny, |_| ()), rule(100, Access::Allow, |_| ())];
    let judgement = Oracle::new(&on_nic(rules)).judge(JUDGED, &inbound(INTERNET, tcp(1, 80)));
    assert_eq!(judgement.stages, [stage(Level::Nic, "securityRules/r100", Access::Allow)]);
}

#[test]
fn both_groups_must_allow_in_their_order() {
    let allow = || vec![rule(100, Access::Allow, |_| ())];
    let probe = inbound(INTERNET, tcp(1, 80));
    let nic_denies = with_subnet(on_nic(Vec::new()), allow());
    let deny = stage(Level::Nic, "defaultSecurityRules/DefaultInboundDenyAll", Access::Deny);
    let allowed = stage(Level::Subnet, "securityRules/r100", Access::Allow);
    assert_eq!(Oracle::new(&nic_denies).judge(JUDGED, &probe).stages, [allowed, deny]);
    let subnet_denies = with_subnet(on_nic(allow()), Vec::new());
    let deny = stage(Level::Subnet, "defaultSecurityRules/DefaultInboundDenyAll", Access::Deny);
    assert_eq!(Oracle::new(&subnet_denies).judge(JUDGED, &probe).stages, [deny]);
    assert!(allows(&with_subnet(on_nic(allow()), allow()), &probe));

    let deny_out = || vec![all(100, Direction::Outbound, Access::Deny)];
    let probe = outbound(INTERNET, tcp(1, 80));
    let both = with_subnet(on_nic(deny_out()), deny_out());
    let stages = Oracle::new(&both).judge(JUDGED, &probe).stages;
    assert_eq!(stages, [stage(Level::Nic, "securityRules/r100", Access::Deny)]);
}

#[test]
fn admin_rules_come_first() {
    let probe = inbound(INTERNET, tcp(1, 80));
    let with = |access: Access, group: Access| {
        let topology = on_nic(vec![all(100, Direction::Inbound, group)]);
        with_admin(topology, vec![all(1, Direction::Inbound, access)])
    };
    assert!(!allows(&with(Access::Deny, Access::Allow), &probe));
    assert!(!allows(&with(Access::Allow, Access::Deny), &probe));
    assert!(allows(&with(Access::Allow, Access::Allow), &probe));
    let always = with(Access::AlwaysAllow, Access::Deny);
    let judgement = Oracle::new(&always).judge(JUDGED, &probe);
    assert_eq!(
        judgement.stages,
        [stage(Level::Admin, "securityAdminRules/r1", Access::AlwaysAllow)]
    );
    assert_eq!(judgement.verdict, Verdict::Allow);
    let without_group = with_admin(network::bare(), Vec::new());
    assert!(allows(&without_group, &probe), "no rule matches");
    let elsewhere = {
        let mut topology = with(Access::Deny, Access::Allow);
        topology.admin_rules[0].vnets = vec![VnetIndex(1)];
        topology
    };
    assert!(allows(&elsewhere, &probe), "rules of another VNet");
}

#[test]
fn protocols_and_ports() {
    let icmp = Upper::Icmp { kind: 8, identifier: 1 };
    let udp = Upper::Udp { source: 1, destination: 80 };
    let others = [Upper::Other(50), Upper::Other(51), Upper::Other(47)];
    let passes = |protocol: RuleProtocol, ports: Vec<PortRange>, upper: Upper| {
        let rule = rule(100, Access::Allow, |rule| {
            rule.protocol = protocol;
            rule.destination.ports = ports;
        });
        allows(&on_nic(vec![rule]), &inbound(INTERNET, upper))
    };
    for upper in [tcp(1, 80), udp, icmp, others[0], others[1], others[2]] {
        assert!(passes(RuleProtocol::Any, vec![ANY_PORT], upper), "{upper:?}");
        let has_ports = matches!(upper, Upper::Tcp { .. } | Upper::Udp { .. });
        assert_eq!(passes(RuleProtocol::Any, vec![80..=80], upper), has_ports, "{upper:?}");
        // All ports in two ranges are not `*`.
        let halves = vec![0..=100, 101..=u16::MAX];
        assert_eq!(passes(RuleProtocol::Any, halves, upper), has_ports, "{upper:?}");
    }
    for (port, expected) in [(79, false), (80, true), (90, true), (91, false), (95, true)] {
        let ranges = vec![80..=90, 95..=95];
        assert_eq!(passes(RuleProtocol::Tcp, ranges, tcp(1, port)), expected, "{port}");
    }
    assert!(passes(RuleProtocol::Icmp, vec![80..=80], icmp), "ICMP does not look at ports");
    assert!(passes(RuleProtocol::Esp, vec![80..=80], others[0]));
    assert!(passes(RuleProtocol::Ah, vec![80..=80], others[1]));
    assert!(!passes(RuleProtocol::Ah, vec![ANY_PORT], others[0]));
    assert!(!passes(RuleProtocol::Udp, vec![80..=80], tcp(1, 80)));
    let v6 = inbound(INTERNET_V6, Upper::Icmp { kind: 128, identifier: 1 });
    let icmp = rule(100, Access::Allow, |rule| rule.protocol = RuleProtocol::Icmp);
    assert!(allows(&on_nic(vec![icmp]), &v6), "ICMPv6 is ICMP");
}

#[test]
fn source_ports_are_looked_at() {
    let rules = vec![rule(100, Access::Allow, |rule| rule.source.ports = vec![1_000..=2_000])];
    let topology = on_nic(rules);
    for (port, expected) in [(999, false), (1_000, true), (2_000, true), (2_001, false)] {
        assert_eq!(allows(&topology, &inbound(INTERNET, tcp(port, 80))), expected, "{port}");
    }
}

#[test]
fn endpoints() {
    let from = |endpoints: Endpoints, source: &str| {
        let rule = rule(100, Access::Allow, |rule| rule.source.endpoints = endpoints);
        allows(&on_nic(vec![rule]), &inbound(source, tcp(1, 80)))
    };
    let groups = |list: &[usize]| {
        Endpoints::Groups(list.iter().map(|it| ApplicationSecurityGroupIndex(*it)).collect())
    };
    let prefixes = |list: &[&str]| Endpoints::Prefixes(list.iter().map(|it| net(it)).collect());
    assert!(from(Endpoints::Any, INTERNET) && from(Endpoints::Any, INTERNET_V6));
    assert!(from(prefixes(&["0.0.0.0/0"]), INTERNET));
    assert!(!from(prefixes(&["0.0.0.0/0"]), INTERNET_V6), "a prefix has one family");
    assert!(!from(prefixes(&[]), INTERNET), "no prefix, no address");
    assert!(from(prefixes(&["8.8.8.0/29", "8.8.8.8/31"]), INTERNET));
    assert!(from(groups(&[2]), FRIEND) && !from(groups(&[2]), STRANGER));
    assert!(!from(groups(&[3]), INTERNET), "no member, no address");
    assert!(from(Endpoints::Tag(ServiceTag::Internet), INTERNET));
    assert!(!from(Endpoints::Tag(ServiceTag::Internet), STRANGER));
    let tag = ServiceTag::Prefixes {
        name: "Storage".to_owned(),
        prefixes: vec![net("8.8.0.0/16")],
        platform: false,
    };
    assert!(from(Endpoints::Tag(tag), INTERNET));
}

#[test]
fn the_tag_of_the_virtual_network() {
    let mut topology = on_nic(Vec::new());
    let table = network::route_table(&["192.168.0.0/16"]);
    topology.route_tables.push(table);
    assert!(!allows(&topology, &inbound("192.168.7.7", tcp(1, 80))), "not attached");
    topology.vnets[0].subnets[0].route_table = Some(RouteTableIndex(0));
    assert!(allows(&topology, &inbound("192.168.7.7", tcp(1, 80))), "in a route's prefix");
    assert!(!allows(&topology, &inbound(INTERNET, tcp(1, 80))));

    // A default route makes everything the virtual network, and nothing the Internet.
    topology.route_tables[0] = network::route_table(&["0.0.0.0/0"]);
    assert!(allows(&topology, &inbound(INTERNET, tcp(1, 80))));
    let stages = Oracle::new(&topology).judge(JUDGED, &outbound(INTERNET, tcp(1, 80))).stages;
    let vnet = stage(Level::Nic, "defaultSecurityRules/AllowVnetOutBound", Access::Allow);
    assert_eq!(stages, [vnet]);
    assert!(!allows(&topology, &inbound(INTERNET_V6, tcp(1, 80))), "of one family");

    // A peering's copy of the space counts, not the space.
    let topology = on_nic(Vec::new());
    let stale = Oracle::new(&topology).with_synced(PeeringIndex(0), vec![net("10.9.0.0/16")]);
    let verdict = |from: &str| stale.judge(JUDGED, &inbound(from, tcp(1, 80))).verdict;
    assert_eq!(verdict(FRIEND), Verdict::Deny);
    assert_eq!(verdict("10.9.0.1"), Verdict::Allow);
}

#[test]
fn a_rule_lets_in_a_peer_without_access() {
    let rules = vec![rule(100, Access::Allow, |rule| {
        rule.source.endpoints = Endpoints::Prefixes(vec![net("10.2.0.0/16")]);
    })];
    assert!(allows(&on_nic(rules), &inbound(STRANGER, tcp(1, 80))));
}

#[test]
fn the_platform_passes_unless_its_tag_denies() {
    const DNS: &str = "168.63.129.16";
    const METADATA: &str = "169.254.169.254";
    let deny_all = || vec![all(100, Direction::Outbound, Access::Deny)];
    let udp = Upper::Udp { source: 1, destination: 53 };
    for platform in [DNS, METADATA] {
        let judgement = Oracle::new(&on_nic(deny_all())).judge(JUDGED, &outbound(platform, udp));
        let pass = Stage { level: Level::Nic, rule: None, access: Access::Allow };
        assert_eq!((judgement.verdict, judgement.stages), (Verdict::Allow, vec![pass]));
        let topology = on_nic(vec![all(100, Direction::Inbound, Access::Deny)]);
        assert!(allows(&topology, &inbound(platform, tcp(1, 80))), "from it");
    }
    let mut tagged = all(200, Direction::Outbound, Access::Deny);
    tagged.destination.endpoints = Endpoints::Tag(ServiceTag::Prefixes {
        name: "AzurePlatformDNS".to_owned(),
        prefixes: vec![net("168.63.129.16/32")],
        platform: true,
    });
    let topology = on_nic(vec![all(100, Direction::Outbound, Access::Allow), tagged.clone()]);
    assert!(!allows(&topology, &outbound(DNS, udp)), "no other rule applies");
    assert!(allows(&topology, &outbound(METADATA, udp)), "a tag of its own");
    assert!(!allows(&with_subnet(network::bare(), vec![tagged.clone()]), &outbound(DNS, udp)));
    // Addresses of such a tag that are not those two meet all rules, in the order of priority.
    tagged.destination.endpoints = Endpoints::Tag(ServiceTag::Prefixes {
        name: "AzurePlatformLKM".to_owned(),
        prefixes: vec![net("20.118.99.224/32")],
        platform: true,
    });
    let topology = on_nic(vec![all(100, Direction::Outbound, Access::Allow), tagged]);
    assert!(allows(&topology, &outbound("20.118.99.224", udp)), "100 comes before 200");
    let admin = with_admin(network::bare(), vec![all(1, Direction::Outbound, Access::Deny)]);
    assert!(!allows(&admin, &outbound(DNS, udp)), "admin rules are no group");
}
