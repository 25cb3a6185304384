//! Replies need no rule, changes are for new flows, and what ends running ones.

use std::{net::SocketAddr, thread, time::Duration};

use vnetpeer_tests::{
    kernel,
    netns::{Connection, Deployment, EchoServer, GroupOf, Guest, RuleOf, Spec},
};

use super::{HTTPS, SERVERS, addresses, all_refused, each, received, serve};

/// Longer than the flow cache remembers anything.
const BEYOND_CACHE: Duration = Duration::from_millis(1_700);
const DNS: u16 = 53;
const FAMILIES: [bool; 2] = [true, false];

fn https_only(nic: &'static str) -> GroupOf {
    let rules = vec![
        RuleOf::allow_in("https", "Tcp", "443"),
        RuleOf::allow_in("dns", "Udp", "53"),
        RuleOf::allow_in("echo", "Icmp", "*"),
        RuleOf::deny_all_in(),
        RuleOf::deny_all_out(),
    ];
    GroupOf::new(nic, rules)
}

fn nothing_in(nic: &'static str) -> GroupOf {
    GroupOf::new(nic, vec![RuleOf::deny_all_in()])
}

/// The servers send nothing of their own, and the client takes nothing: still they talk.
#[tokio::test]
async fn a_reply_needs_no_rule() {
    if !kernel::available() {
        return;
    }
    let [blue1, blue2] = SERVERS.map(https_only);
    let document = Spec::pair("tc", false).yaml_with(&[nothing_in("red1"), blue1, blue2]);
    let deployment = Deployment::up("s-reply", &document).await;
    let red1 = deployment.guest("red1");
    check_echo(&deployment, &red1);
    for (name, host) in [("blue1", "host-a"), ("blue2", "host-b")] {
        let server = deployment.guest(name);
        for is_v4 in FAMILIES {
            let before = deployment.dropped(host, name, "OutboundRuleDenied").await;
            check_udp(&red1, &server, is_v4);
            let after = deployment.dropped(host, name, "OutboundRuleDenied").await;
            assert!(after > before, "{name} sends nothing of its own");
        }
    }
    check_tcp(&deployment, &red1).await;
}

/// Connections of the client work, and those to it are refused.
async fn check_tcp(deployment: &Deployment, red1: &Guest) {
    let servers = serve(deployment, &SERVERS, HTTPS);
    let others = serve(deployment, &SERVERS, HTTPS + 1);
    let own = serve(deployment, &["red1"], HTTPS);
    for server in &servers {
        Connection::open(red1, server.address()).hold(Duration::from_millis(100));
    }
    let outbound = "OutboundRuleDenied";
    let before = [
        deployment.dropped("host-a", "blue1", outbound).await,
        deployment.dropped("host-b", "blue2", outbound).await,
    ];
    let refused = thread::scope(|scope| {
        // `red2` has no group of its own: for it, the client's group refuses.
        let back = ["blue1", "blue2", "red2"].map(|name| {
            let (from, own) = (deployment.guest(name), addresses(&own));
            scope.spawn(move || all_refused(&from, &own))
        });
        let there = all_refused(red1, &addresses(&others));
        let back = back.map(|it| it.join().expect("an answer"));
        [vec![there], back.to_vec()].concat().concat()
    });
    assert_eq!(refused, [true; 4 + 3 * 2], "a port without a rule, and the other direction");
    let after = [
        deployment.dropped("host-a", "blue1", outbound).await,
        deployment.dropped("host-b", "blue2", outbound).await,
    ];
    assert!(after[0] >= before[0] + 2 && after[1] >= before[1] + 2, "{before:?} to {after:?}");
    for (host, nic) in [("host-a", "blue1"), ("host-b", "blue2"), ("host-a", "red1")] {
        assert!(deployment.dropped(host, nic, "InboundRuleDenied").await >= 2, "{nic}");
    }
}

/// A datagram to a port and its answer.
fn check_udp(client: &Guest, server: &Guest, is_v4: bool) {
    let at = SocketAddr::new(server.address(is_v4), DNS);
    let (ours, theirs) = (client.udp(client.address(is_v4)), server.udp_at(at));
    let mut buffer = [0; 64];
    for _ in 0..3 {
        ours.send_to(b"ask", at).expect("the interface takes it");
        let (_, from) = theirs.recv_from(&mut buffer).expect("the request");
        theirs.send_to(b"answer", from).expect("the interface takes it");
        let (length, _) = ours.recv_from(&mut buffer).expect("the answer");
        assert_eq!(&buffer[..length], b"answer");
    }
    // What is no answer is refused: another port of the client's.
    let stranger = client.udp(client.address(is_v4));
    let to = stranger.local_addr().expect("an address");
    theirs.send_to(b"answer", to).expect("the interface takes it");
    assert!(stranger.recv(&mut buffer).is_err(), "{} to {to}", server.name);
}

/// Echoes of the client are answered, and those of the servers are not.
fn check_echo(deployment: &Deployment, client: &Guest) {
    let servers = SERVERS.map(|name| deployment.guest(name));
    let pairs = || servers.iter().flat_map(|server| FAMILIES.map(|is_v4| (server, is_v4)));
    for (server, is_v4) in pairs() {
        assert!(client.pings(server.address(is_v4)), "{} to {}", client.name, server.name);
    }
    thread::scope(|scope| {
        for (server, is_v4) in pairs() {
            let to = client.address(is_v4);
            scope.spawn(move || assert!(server.pings_in_vain(to), "{} to {to}", server.name));
        }
    });
}

/// Connections of `red1` to all servers, in use.
fn connect(red1: &Guest, deployment: &Deployment) -> (Vec<Connection>, Vec<EchoServer>) {
    let servers = serve(deployment, &SERVERS, HTTPS);
    let open = |server: &EchoServer| Connection::open(red1, server.address());
    let mut connections: Vec<Connection> = servers.iter().map(open).collect();
    each(&mut connections, |it| it.hold(Duration::from_millis(100)));
    (connections, servers)
}

#[tokio::test]
async fn a_rule_that_goes_leaves_what_runs_unless_it_is_to_be_flushed() {
    if !kernel::available() {
        return;
    }
    let spec = Spec::pair("tc", false);
    let document = |change: fn(GroupOf) -> GroupOf| {
        spec.yaml_with(&SERVERS.map(|nic| change(https_only(nic))))
    };
    let deployment = Deployment::up("s-change", &document(|it| it)).await;
    let red1 = deployment.guest("red1");
    let (mut connections, servers) = connect(&red1, &deployment);

    deployment.apply(&document(|it| it.without("https")));
    let held = each(&mut connections, |it| it.hold(BEYOND_CACHE));
    assert!(held.iter().all(|blocks| *blocks > 20), "{held:?}");
    assert_eq!(all_refused(&red1, &addresses(&servers)), [true; 4], "new connections");

    // Back, and with the property that judges running flows again: they are allowed.
    deployment.apply(&document(|it| it));
    deployment.apply(&document(GroupOf::flushing));
    each(&mut connections, |it| it.hold(BEYOND_CACHE));

    deployment.apply(&document(|it| it.without("https").flushing()));
    let before = received(&servers);
    assert_eq!(each(&mut connections, Connection::is_dead), [true; 4]);
    assert_eq!(received(&servers), before, "nothing arrives once the document is in force");
    for (host, nic) in [("host-a", "blue1"), ("host-b", "blue2")] {
        assert!(deployment.dropped(host, nic, "InboundRuleDenied").await >= 2, "{nic}");
    }
}

/// With and without groups.
#[tokio::test]
async fn a_deleted_peering_stops_what_runs() {
    if !kernel::available() {
        return;
    }
    let spec = Spec::pair("tc", false);
    let deployment = Deployment::up("s-peering", &spec.yaml()).await;
    check_peering(&deployment, &spec, &[]).await;
    let groups = SERVERS.map(https_only);
    deployment.apply(&spec.yaml_with(&groups));
    check_peering(&deployment, &spec, &groups).await;
}

async fn check_peering(deployment: &Deployment, spec: &Spec, groups: &[GroupOf]) {
    let alone = Spec { peered: Vec::new(), ..spec.clone() };
    let red1 = deployment.guest("red1");
    let (mut connections, servers) = connect(&red1, deployment);
    // 10.0.0.0/8 is nobody's, and unknown unique-local addresses follow the default route.
    let reasons = ["RouteNone", "InternetUnavailable"];
    let drops = deployment.drops("host-a").await;
    deployment.apply(&alone.yaml_with(groups));
    let before = received(&servers);
    assert_eq!(each(&mut connections, Connection::is_dead), [true; 4]);
    assert_eq!(received(&servers), before, "nothing arrives once the document is in force");
    for reason in reasons {
        let before = drops.get(&("red1".to_owned(), reason.to_owned())).copied().unwrap_or(0);
        let after = deployment.dropped("host-a", "red1", reason).await;
        assert!(after >= before + 2, "{reason}");
    }
    deployment.apply(&spec.yaml_with(groups));
    for server in &servers {
        Connection::open(&red1, server.address()).exchange().expect("a new one works");
    }
}
