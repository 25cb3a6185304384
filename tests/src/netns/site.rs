//! A site behind a gateway: a namespace that is joined to the gateway's by a cable, and BIRD in both.

use std::{fmt::Write as _, net::IpAddr, process::Command};

use super::{Bird, Deployment, Guest, on};

/// The gateway's autonomous system.
const GATEWAY_AS: u32 = 65_515;
/// The site's.
const SITE_AS: u32 = 65_010;
/// The cable's addresses on the gateway's side and on the site's.
const ENDS: [[&str; 2]; 2] = [["198.18.0.1", "198.18.0.2"], ["fd00:ffff::1", "fd00:ffff::2"]];
/// `rtm_protocol` of the routes that the agent keeps for the daemon to advertise.
const PROTOCOL: u8 = 86;

/// A site with one machine, which is its router too.
#[derive(Debug)]
pub struct Site {
    /// The machine.
    pub guest: Guest,
    /// The gateway's daemon.
    pub gateway: Bird,
    /// The site's daemon.
    pub router: Bird,
    _namespace: Namespace,
}

/// A namespace that is removed with this.
#[derive(Debug)]
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

impl Site {
    /// Joins a site that advertises prefixes, and has the first address of each, to a gateway.
    pub fn join(deployment: &Deployment, gateway: &str, prefixes: &[&str]) -> Self {
        let gateway = deployment.guest(gateway);
        let name = format!("{}-site", deployment.lab.record().name);
        let namespace = Namespace(name.clone());
        let status = Command::new("ip").args(["netns", "add", &name]).status();
        assert!(status.expect("run ip").success(), "a namespace for the site");
        gateway.run(&format!("ip link add site type veth peer name gateway netns {name}"));
        for interface in ["lo", "gateway"] {
            on(&name, &format!("ip link set {interface} up"));
        }
        gateway.run("ip link set site up");
        for [ours, theirs] in ENDS {
            let (length, nodad) = if ours.contains(':') { (64, " nodad") } else { (30, "") };
            gateway.run(&format!("ip address add {ours}/{length} dev site{nodad}"));
            on(&name, &format!("ip address add {theirs}/{length} dev gateway{nodad}"));
        }
        let mut addresses = Vec::new();
        for prefix in prefixes {
            let net: ipnet::IpNet = prefix.parse().expect("a prefix");
            let address = net.hosts().nth(1).expect("an address");
            let (length, nodad) = if address.is_ipv6() { (128, " nodad") } else { (32, "") };
            on(&name, &format!("ip address add {address}/{length} dev lo{nodad}"));
            addresses.push(address);
        }
        let daemon = Bird::start(&gateway.namespace, &gateway_daemon());
        let router = Bird::start(&name, &site_daemon(prefixes, &addresses));
        let guest = Guest { name: "site".to_owned(), namespace: name, addresses };
        Self { guest, gateway: daemon, router, _namespace: namespace }
    }

    /// Advertises other prefixes.
    pub fn advertise(&self, prefixes: &[&str]) {
        self.router.configure(&site_daemon(prefixes, &self.guest.addresses));
    }

    /// The prefixes that the site's daemon has learned, as its kernel has them.
    pub fn learned(&self) -> Vec<String> {
        let mut learned = Vec::new();
        for family in ["-4", "-6"] {
            let text = on(&self.guest.namespace, &format!("ip {family} route show proto bird"));
            let prefixes = text.lines().filter_map(|line| line.split_whitespace().next());
            learned.extend(prefixes.map(str::to_owned));
        }
        learned.sort();
        learned
    }
}

/// The gateway's daemon, as `docs/operations.md` describes it.
fn gateway_daemon() -> String {
    let kernel = |family: &str| {
        format!(
            "protocol kernel kernel_{family} {{ learn; {family} {{ import where krt_source = \
             {PROTOCOL}; export where source = RTS_BGP; }}; }}\n"
        )
    };
    let import = "import all; export where source = RTS_INHERIT;";
    daemon(ENDS[0][0], &[kernel("ipv4"), kernel("ipv6")].concat(), |[ours, theirs]| {
        [ours, theirs, &GATEWAY_AS.to_string(), &SITE_AS.to_string(), import].map(str::to_owned)
    })
}

/// What the site's machine sends has the address that its prefix has, not that of the cable.
fn site_daemon(prefixes: &[&str], addresses: &[IpAddr]) -> String {
    let kernel = |family: &str| {
        let routes = prefixes.iter().filter(|it| it.contains(':') == (family == "ipv6"));
        let routes: Vec<String> = routes.map(|it| format!("route {it} unreachable;")).collect();
        let routes = routes.join(" ");
        let mut own = addresses.iter().filter(|it| it.is_ipv6() == (family == "ipv6"));
        let source = own.next().map_or_else(String::new, |it| format!("krt_prefsrc = {it};"));
        format!(
            "protocol kernel kernel_{family} {{ {family} {{ import none; export filter {{ if source \
             = RTS_BGP then {{ {source} accept; }} reject; }}; }}; }}\nprotocol static \
             static_{family} {{ {family}; {routes}}}\n"
        )
    };
    let import = "import all; export where source = RTS_STATIC;";
    daemon(ENDS[0][1], &[kernel("ipv4"), kernel("ipv6")].concat(), |[ours, theirs]| {
        [theirs, ours, &SITE_AS.to_string(), &GATEWAY_AS.to_string(), import].map(str::to_owned)
    })
}

/// A configuration with a session for each family.
fn daemon(router: &str, rest: &str, session: impl Fn([&str; 2]) -> [String; 5]) -> String {
    let mut text =
        format!("log stderr {{ error, bug }};\nrouter id {router};\nprotocol device {{ }}\n{rest}");
    for (ends, family) in ENDS.into_iter().zip(["ipv4", "ipv6"]) {
        let [local, remote, ours, theirs, policy] = session(ends);
        let _ = writeln!(
            text,
            "protocol bgp bgp_{family} {{ local {local} as {ours}; neighbor {remote} as {theirs}; \
             connect delay time 1; connect retry time 1; error wait time 1, 2; {family} {{ {policy} \
             next hop self; }}; }}"
        );
    }
    text
}
