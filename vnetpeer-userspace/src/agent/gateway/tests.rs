use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::{
    routes::{Change, KernelRoute, METRIC, PROTOCOL, Router, Table},
    speaker::limit,
};

/// The gateway's NIC.
const NIC: u32 = 2;
/// The interface to the other side.
const WAN: u32 = 3;
const ROUTER: Router = Router { nic: NIC, v4: Some(Ipv4Addr::new(10, 0, 255, 1)) };

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nets<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<IpNet> {
    texts.into_iter().map(net).collect()
}

fn route(prefix: &str, protocol: u8, interfaces: &[u32]) -> KernelRoute {
    KernelRoute {
        prefix: net(prefix),
        protocol,
        metric: 32,
        gateway: None,
        interfaces: interfaces.to_vec(),
    }
}

/// As the program itself writes it.
fn ours(prefix: &str, gateway: &str) -> KernelRoute {
    let gateway: Option<IpAddr> = Some(gateway.parse().unwrap());
    KernelRoute { metric: METRIC, gateway, ..route(prefix, PROTOCOL, &[NIC]) }
}

#[test]
fn learned_is_what_a_routing_daemon_has_from_elsewhere_than_the_nic() {
    let learned = |prefix, protocol, interfaces: &[u32]| {
        let table = Table::of(vec![route(prefix, protocol, interfaces)]);
        !table.learned(NIC).is_empty()
    };
    for protocol in [4, 8, 11, 12, 42, 99, 186, 187, 188, 189, 191, 192, 196, 197] {
        assert!(learned("192.168.0.0/16", protocol, &[WAN]), "protocol {protocol}");
        assert!(learned("2001:db8::/32", protocol, &[WAN]), "protocol {protocol}");
        assert!(!learned("192.168.0.0/16", protocol, &[NIC]), "protocol {protocol} by the NIC");
    }
    for protocol in [0, 1, 2, 3, 9, 16, PROTOCOL] {
        assert!(!learned("192.168.0.0/16", protocol, &[WAN]), "protocol {protocol}");
    }
    assert!(learned("0.0.0.0/0", 12, &[WAN]) && learned("::/0", 12, &[WAN]));
    assert!(learned("10.0.0.0/8", 12, &[NIC, WAN]), "one of two ways");
    for prefix in ["127.1.0.0/16", "169.254.21.0/30", "239.0.0.0/8", "fe80::/64", "ff05::/16"] {
        assert!(!learned(prefix, 12, &[WAN]), "{prefix}");
    }
}

#[test]
fn our_routes_become_those_that_are_wanted() {
    let held = |routes: Vec<KernelRoute>, wanted: &[&str]| {
        Table::of(routes).changes(&nets(wanted.iter().copied()), ROUTER)
    };
    let v4 = ours("10.1.0.0/16", "10.0.255.1");
    let v6 = ours("fd00:1::/48", "fe80::1234:5678:9abc");
    let both = ["10.1.0.0/16", "fd00:1::/48"];
    let added = vec![Change::Add(v4.clone()), Change::Add(v6.clone())];
    assert_eq!(held(Vec::new(), &both), added);
    assert_eq!(held(vec![v4.clone(), v6.clone()], &both), Vec::new());
    assert_eq!(held(vec![v4.clone(), v6.clone()], &both[..1]), [Change::Remove(v6)]);
    let elsewhere = ours("10.1.0.0/16", "10.0.254.1");
    assert_eq!(held(vec![elsewhere], &both[..1]), [Change::Replace(v4.clone())]);
    let older = KernelRoute { metric: 99, ..v4.clone() };
    assert_eq!(
        held(vec![older.clone()], &both[..1]),
        [Change::Add(v4), Change::Remove(older)],
        "a route of another metric is another route"
    );
}

#[test]
fn routes_of_others_are_not_touched() {
    let others = || {
        vec![
            route("10.1.0.0/16", 12, &[WAN]),
            route("10.2.0.0/16", 3, &[NIC]),
            route("10.3.0.0/16", PROTOCOL, &[WAN]),
        ]
    };
    assert_eq!(Table::of(others()).changes(&BTreeSet::new(), ROUTER), Vec::new());
    let wanted = nets(["10.1.0.0/16"]);
    let added = Table::of(others()).changes(&wanted, ROUTER);
    assert_eq!(added, [Change::Add(ours("10.1.0.0/16", "10.0.255.1"))]);
}

#[test]
fn without_an_address_of_the_virtual_router_nothing_is_advertised() {
    let wanted = nets(["10.1.0.0/16"]);
    assert_eq!(Table::default().changes(&wanted, Router { v4: None, ..ROUTER }), Vec::new());
}

#[test]
fn what_comes_beyond_the_limit_pushes_nothing_out() {
    let before = nets(["10.5.0.0/16", "10.6.0.0/16"]);
    let all = nets(["10.1.0.0/16", "10.2.0.0/16", "10.5.0.0/16", "10.6.0.0/16"]);
    assert_eq!(limit(&before, &all, 3), nets(["10.1.0.0/16", "10.5.0.0/16", "10.6.0.0/16"]));
    assert_eq!(limit(&before, &nets(["10.1.0.0/16"]), 3), nets(["10.1.0.0/16"]));
    assert_eq!(limit(&BTreeSet::new(), &all, 4), all);
}
