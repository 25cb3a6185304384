//! Which flows a forwarding guest has passed on, as its own firewall saw them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use serde_json::Value;

use super::Guest;

/// One direction of a flow: from where, to where.
pub type Passed = BTreeSet<(SocketAddr, SocketAddr)>;

/// Remembers what a guest forwards.
#[derive(Debug)]
pub struct Forwarded(Guest);

impl Forwarded {
    /// Starts to watch.
    pub fn watch(guest: &Guest) -> Self {
        guest.run("nft add table inet passed");
        guest.run("nft add chain inet passed forward { type filter hook forward priority 0 ; }");
        for (name, family, address) in [("v4", "ip", "ipv4_addr"), ("v6", "ip6", "ipv6_addr")] {
            let kind = format!("type {address} . inet_service . {address} . inet_service");
            guest.run(&format!(
                "nft add set inet passed {name} {{ {kind} ; flags dynamic ; size 65535 ; }}"
            ));
            guest.run(&format!(
                "nft add rule inet passed forward meta l4proto {{ tcp, udp }} update @{name} {{ \
                 {family} saddr . th sport . {family} daddr . th dport }}"
            ));
        }
        Self(guest.clone())
    }

    /// What it has forwarded since the last time, which is forgotten.
    pub fn take(&self) -> Passed {
        let mut passed = Passed::new();
        for name in ["v4", "v6"] {
            let text = self.0.run(&format!("nft -j list set inet passed {name}"));
            let listed: Value = serde_json::from_str(&text).expect("nft writes JSON");
            let sets = listed["nftables"].as_array().expect("a list").iter();
            let elements = sets.filter_map(|it| it["set"]["elem"].as_array()).flatten();
            passed.extend(elements.map(flow));
            self.0.run(&format!("nft flush set inet passed {name}"));
        }
        passed
    }
}

fn flow(element: &Value) -> (SocketAddr, SocketAddr) {
    let parts = &element["concat"];
    let end = |at: usize| {
        let address: IpAddr = parts[at].as_str().expect("an address").parse().expect("an address");
        let port = parts[at + 1].as_u64().expect("a port");
        SocketAddr::new(address, u16::try_from(port).expect("a port"))
    };
    (end(0), end(2))
}
