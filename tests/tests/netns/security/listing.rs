//! What `vnetpeer` tells about flows and rules of a running lab.

use serde_json::Value;
use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, GroupOf, RuleOf, Spec},
};

use super::{HTTPS, SERVERS, serve};

/// As many as would not come by chance.
const CONNECTIONS: u64 = 7;

fn document() -> String {
    let group = |nic| {
        let rules = vec![
            RuleOf::allow_in("https", "Tcp", "443").from("sourceAddressPrefix: VirtualNetwork"),
            RuleOf::allow_in("unused", "Tcp", "8443"),
            RuleOf::deny_all_in(),
        ];
        GroupOf::new(nic, rules)
    };
    Spec::pair("tc", false).yaml_with(&SERVERS.map(group))
}

fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).expect("a list")
}

fn names(rules: &[Value]) -> Vec<&str> {
    rules.iter().filter_map(|rule| rule["name"].as_str()).collect()
}

fn hits(deployment: &Deployment, group: &str, rule: &str) -> u64 {
    let shown = deployment.ask(&format!("nsg show {group} --hits"));
    let rules = array(&shown, "/properties/securityRules").iter();
    let mut rules = rules.chain(array(&shown, "/properties/defaultSecurityRules"));
    let found = rules.find(|it| it["name"] == rule).expect("the rule is shown");
    found["hits"].as_u64().expect("a number")
}

#[tokio::test]
async fn flows_and_hits_are_told() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("s-list", &document()).await;
    check_effective_rules(&deployment);
    let red1 = deployment.guest("red1");
    let servers = serve(&deployment, &SERVERS, HTTPS);
    for (server, (group, nic)) in servers.iter().zip([
        ("nsg-blue1", "blue1"),
        ("nsg-blue1", "blue1"),
        ("nsg-blue2", "blue2"),
        ("nsg-blue2", "blue2"),
    ]) {
        let before = hits(&deployment, group, "https");
        let open = |_| Connection::open(&red1, server.address());
        let mut open: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
        for connection in &mut open {
            connection.exchange().expect("an answer");
        }
        let after = hits(&deployment, group, "https");
        assert_eq!(after - before, CONNECTIONS, "{}", server.address());

        let remote = red1.address(server.address().is_ipv4());
        let listed = deployment.ask(&format!("flows {nic} --protocol tcp --remote {remote}"));
        for connection in &open {
            let mut flows = array(&listed, "").iter();
            let port = connection.local().port();
            let flow = flows.find(|flow| flow["remotePort"] == port).expect("it is listed");
            assert_eq!(flow["localPort"], HTTPS);
            assert_eq!(flow["direction"], "Inbound");
            assert_eq!(flow["state"], "Established");
            assert_eq!(flow["localAddress"], server.address().ip().to_string());
            let rules = array(flow, "/rules");
            assert_eq!(names(rules), ["securityRules/https"]);
            let of = rules[0]["group"].as_str().expect("a group");
            assert!(of.ends_with(&format!("/networkSecurityGroups/{group}")), "{of}");
        }
    }
    let denied = hits(&deployment, "nsg-blue2", "deny-all-in");
    let other = std::net::SocketAddr::new(deployment.guest("blue2").address(true), HTTPS + 1);
    assert!(Connection::is_refused(&red1, other));
    // The kernel repeats the SYN once.
    let attempts = hits(&deployment, "nsg-blue2", "deny-all-in") - denied;
    assert!((1..=2).contains(&attempts), "{attempts}");

    let never = deployment.ask("nsg show nsg-blue2 --never-hit");
    assert_eq!(names(array(&never, "/properties/securityRules")), ["unused"]);
}

fn check_effective_rules(deployment: &Deployment) {
    let told = deployment.ask("nic effective-nsg blue2");
    let groups = array(&told, "/value");
    assert_eq!(groups.len(), 1, "{told:#}");
    let rules = array(&groups[0], "/effectiveSecurityRules");
    let inbound: Vec<&Value> = rules.iter().filter(|it| it["direction"] == "Inbound").collect();
    let names: Vec<&str> = inbound.iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "securityRules/https",
            "securityRules/unused",
            "securityRules/deny-all-in",
            "defaultSecurityRules/AllowVnetInBound",
            "defaultSecurityRules/AllowAzureLoadBalancerInBound",
            "defaultSecurityRules/DefaultInboundDenyAll",
        ]
    );
    let expanded = array(inbound[0], "/expandedSourceAddressPrefix");
    for prefix in ["10.1.0.0/16", "10.3.0.0/16", "fd00:1::/48", "fd00:3::/48"] {
        assert!(expanded.iter().any(|it| it == prefix), "{prefix} in {expanded:?}");
    }
    assert!(!expanded.iter().any(|it| it == "10.2.0.0/16"), "green is no peer");
    let nothing = deployment.ask("nic effective-nsg red1");
    assert!(array(&nothing, "/value").is_empty(), "{nothing:#}");
}
