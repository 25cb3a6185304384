//! What an agent does in the network namespace of a gateway, without a network around.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use tokio::sync::mpsc;
use vnetpeer_tests::{
    kernel,
    netns::{on, until},
};
use vnetpeer_userspace::{
    agent::gateway::{Gateways, speaker::Wanted},
    topology::model::ResourceId,
};

/// The namespace of a gateway with its NIC `eth0` and `wan`, the way to the other side.
struct Space {
    name: String,
    gateways: Gateways,
    id: ResourceId,
    _changed: mpsc::Receiver<()>,
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

impl Space {
    fn new(test: &str) -> Self {
        let (sender, changed) = mpsc::channel(1);
        let space = Self {
            name: format!("t-{test}-{}", std::process::id()),
            gateways: Gateways::new(BTreeMap::new(), sender),
            id: ResourceId::new("/subscriptions/a/gateway"),
            _changed: changed,
        };
        space.create();
        space
    }

    fn create(&self) {
        let status = Command::new("ip").args(["netns", "add", &self.name]).status();
        assert!(status.expect("run ip").success());
        for line in [
            "link add eth0 type veth peer name eth0-vnet",
            "link set eth0-vnet up",
            "address add 10.0.255.4/27 dev eth0",
            "address add fd00:10:0:ff::4/64 dev eth0 nodad",
            "link set eth0 up",
            "link add wan type veth peer name wan-site",
            "link set wan-site up",
            "address add 198.18.0.1/30 dev wan",
            "link set wan up",
            "route add default via 10.0.255.1 dev eth0",
        ] {
            self.ip(line);
        }
    }

    fn ip(&self, line: &str) -> String {
        on(&self.name, &format!("ip {line}"))
    }

    fn wants(&mut self, advertised: &[&str]) {
        let wanted = self.wanted(advertised);
        self.gateways.follow(BTreeMap::from([(self.id.clone(), wanted)]));
    }

    fn wanted(&self, advertised: &[&str]) -> Wanted {
        Wanted {
            namespace: PathBuf::from("/run/netns").join(&self.name),
            addresses: ["10.0.255.4", "fd00:10:0:ff::4"]
                .map(|it| it.parse().expect("an address"))
                .to_vec(),
            router: Some("10.0.255.1".parse().expect("an address")),
            advertised: advertised.iter().map(|it| it.parse().expect("a prefix")).collect(),
            learned_max: 3,
        }
    }

    /// Our routes, as `ip` shows them.
    fn ours(&self) -> BTreeSet<String> {
        self.routes("proto 86")
    }

    /// All routes.
    fn all(&self) -> BTreeSet<String> {
        self.routes("")
    }

    fn routes(&self, which: &str) -> BTreeSet<String> {
        let both = ["-4", "-6"].map(|it| self.ip(&format!("{it} route show {which}"))).concat();
        both.lines().map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    fn learned(&self) -> Vec<String> {
        let learned = self.gateways.learned();
        learned.get(&self.id).into_iter().flatten().map(ToString::to_string).collect()
    }

    fn error(&self) -> Option<String> {
        self.gateways.status()[0].last_error.clone()
    }

    async fn has(&self, ours: &[&str]) {
        let ours: BTreeSet<String> = ours.iter().map(ToString::to_string).collect();
        until(&format!("{ours:?}"), || async { self.ours() == ours }).await;
    }

    async fn has_learned(&self, learned: &[&str]) {
        until(&format!("{learned:?}"), || async { self.learned() == learned }).await;
    }
}

/// Longer than a task takes to change a route.
const SETTLE: Duration = Duration::from_millis(300);

const V4: &str = "10.1.0.0/16 via 10.0.255.1 dev eth0 metric 6 onlink";
const V6: &str = "fd00:11::/48 via fe80::1234:5678:9abc dev eth0 metric 6 pref medium";
const BOTH: [&str; 2] = ["10.1.0.0/16", "fd00:11::/48"];

#[tokio::test]
async fn our_routes_follow_what_is_advertised_and_come_back_when_they_are_lost() {
    if !kernel::available() {
        return;
    }
    let mut space = Space::new("advertise");
    let untouched = space.all();
    space.wants(&BOTH);
    space.has(&[V4, V6]).await;
    space.ip("route delete 10.1.0.0/16 proto 86");
    space.has(&[V4, V6]).await;
    space.ip("link set eth0 down");
    space.ip("address add fd00:10:0:ff::4/64 dev eth0 nodad");
    space.ip("link set eth0 up");
    space.has(&[V4, V6]).await;
    space.wants(&BOTH[..1]);
    space.has(&[V4]).await;
    space.gateways.follow(BTreeMap::new());
    space.has(&[]).await;
    space.ip("route add default via 10.0.255.1 dev eth0");
    assert_eq!(space.all(), untouched);
}

#[tokio::test]
async fn a_route_of_somebody_else_is_reported_and_not_replaced() {
    if !kernel::available() {
        return;
    }
    let mut space = Space::new("foreign");
    let foreign = "10.1.0.0/16 dev wan proto static scope link metric 6";
    space.ip(&format!("route add {foreign}"));
    space.wants(&BOTH);
    until("an error", || async { space.error().is_some_and(|it| it.contains("10.1.0.0/16")) })
        .await;
    space.has(&[V6]).await;
    assert!(space.ip("route show").contains("10.1.0.0/16 dev wan proto static"));
    space.ip(&format!("route delete {foreign}"));
    space.has(&[V4, V6]).await;
    until("no error", || async { space.error().is_none() }).await;
}

#[tokio::test]
async fn what_daemons_learn_is_followed_up_to_the_limit() {
    if !kernel::available() {
        return;
    }
    let mut space = Space::new("learn");
    space.ip("route add 192.168.1.0/24 dev wan proto bgp");
    space.wants(&[]);
    space.has_learned(&["192.168.1.0/24"]).await;
    space.ip("-6 route add 2001:db8:7::/48 dev wan proto bird");
    space.ip("route add 192.168.2.0/24 dev wan proto zebra");
    space.has_learned(&["192.168.1.0/24", "192.168.2.0/24", "2001:db8:7::/48"]).await;
    space.ip("route add 192.168.0.0/24 dev wan proto bgp");
    until("an error", || async { space.gateways.status()[0].refused == 1 }).await;
    assert_eq!(space.learned(), ["192.168.1.0/24", "192.168.2.0/24", "2001:db8:7::/48"]);
    space.ip("route delete 192.168.2.0/24");
    space.has_learned(&["192.168.0.0/24", "192.168.1.0/24", "2001:db8:7::/48"]).await;
    // By the gateway's NIC, of the kernel, of people, and of no route at all.
    space.ip("route flush proto bgp");
    space.ip("route add 192.168.3.0/24 via 10.0.255.2 dev eth0 proto bgp");
    space.ip("route add 192.168.4.0/24 dev wan");
    space.ip("route add unreachable 192.168.5.0/24 proto bgp");
    space.ip("route add 192.168.6.0/24 dev wan proto bgp table 77");
    space.has_learned(&["2001:db8:7::/48"]).await;
}

#[tokio::test]
async fn a_namespace_that_is_made_again_is_entered_again() {
    if !kernel::available() {
        return;
    }
    let mut space = Space::new("again");
    space.ip("route add 192.168.1.0/24 dev wan proto bgp");
    space.wants(&BOTH);
    space.has(&[V4, V6]).await;
    space.has_learned(&["192.168.1.0/24"]).await;
    let status = Command::new("ip").args(["netns", "delete", &space.name]).status();
    assert!(status.expect("run ip").success());
    space.has_learned(&[]).await;
    until("an error", || async { space.error().is_some() }).await;
    space.create();
    space.has(&[V4, V6]).await;
    until("no error", || async { space.error().is_none() }).await;
}

/// Packets flow on while an agent is not running, so what it advertised stays until the next one knows
/// better.
#[tokio::test]
async fn an_agent_that_stops_leaves_its_routes_to_the_next() {
    if !kernel::available() {
        return;
    }
    let mut space = Space::new("stop");
    space.wants(&BOTH);
    space.has(&[V4, V6]).await;
    let before = BTreeMap::from([(space.id.clone(), space.wanted(&BOTH))]);
    let (sender, _changed) = mpsc::channel(1);
    let stopped = Gateways::new(BTreeMap::new(), sender.clone());
    drop(std::mem::replace(&mut space.gateways, stopped));
    tokio::time::sleep(SETTLE).await;
    assert_eq!(space.ours().len(), 2);
    // The next one finds in its document that the gateway is gone.
    space.gateways = Gateways::new(before, sender);
    space.gateways.follow(BTreeMap::new());
    space.has(&[]).await;
}
