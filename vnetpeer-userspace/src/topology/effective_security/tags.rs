//! The service tags that follow routing, as prefixes.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::topology::{
    model::{RouteTableIndex, VnetIndex},
    network::Network,
    service_tags::{self, NOT_PUBLIC_V4, PUBLIC_V6},
};

/// What the tags that follow routing stand for in some subnet, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutedTags {
    /// `VirtualNetwork`: own space, the spaces of `Connected` peers with access, what is connected with
    /// the gateway, prefixes of user-defined routes, and the platform's virtual address.
    pub virtual_network: Vec<IpNet>,
    /// `Internet`: public space outside of it.
    pub internet: Vec<IpNet>,
}

impl RoutedTags {
    /// The tags for subnets of `vnet` with the route table at `table`.
    pub fn of(network: &Network<'_>, vnet: VnetIndex, table: Option<RouteTableIndex>) -> Self {
        let vnet = network.vnet(vnet);
        let within = vnet.map(|it| service_tags::virtual_network(network, it, table));
        let within: Vec<IpNet> = within.into_iter().flatten().collect();
        let internet = aggregate(&without(public(), &within));
        Self { virtual_network: within, internet }
    }
}

/// The fewest prefixes for the same addresses, sorted.
fn aggregate(prefixes: &Vec<IpNet>) -> Vec<IpNet> {
    let mut found = IpNet::aggregate(prefixes);
    found.sort_unstable();
    found
}

fn public() -> Vec<IpNet> {
    let holes = NOT_PUBLIC_V4.map(IpNet::V4);
    let everything = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
    let mut found = without(vec![everything], &holes);
    found.push(IpNet::V6(PUBLIC_V6));
    found
}

/// The addresses of `prefixes` that are in none of `holes`.
fn without(prefixes: Vec<IpNet>, holes: &[IpNet]) -> Vec<IpNet> {
    let mut left = prefixes;
    for hole in holes {
        left = left.into_iter().flat_map(|prefix| without_one(prefix, hole)).collect();
    }
    left
}

/// The addresses of a prefix outside of another: halves are split off until the hole alone is left.
fn without_one(prefix: IpNet, hole: &IpNet) -> Vec<IpNet> {
    let mut left = Vec::new();
    let mut rest = prefix;
    loop {
        if hole.contains(&rest) {
            return left;
        }
        if !rest.contains(hole) {
            left.push(rest);
            return left;
        }
        let Ok(mut halves) = rest.subnets(rest.prefix_len() + 1) else { return left };
        let (Some(low), Some(high)) = (halves.next(), halves.next()) else { return left };
        let (inside, outside) = if low.contains(hole) { (low, high) } else { (high, low) };
        left.push(outside);
        rest = inside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|it| net(it)).collect()
    }

    #[test]
    fn a_hole_splits_a_prefix_into_halves() {
        let mut left = without_one(net("10.0.0.0/8"), &net("10.64.0.0/10"));
        left.sort_unstable();
        assert_eq!(left, nets(&["10.0.0.0/10", "10.128.0.0/9"]));
        assert_eq!(without_one(net("10.0.0.0/8"), &net("10.0.0.0/8")), []);
        assert_eq!(without_one(net("10.0.0.0/8"), &net("0.0.0.0/0")), []);
        assert_eq!(without_one(net("10.0.0.0/8"), &net("fd00::/8")), nets(&["10.0.0.0/8"]));
        assert_eq!(without_one(net("10.0.0.4/31"), &net("10.0.0.5/32")), nets(&["10.0.0.4/32"]));
    }

    #[test]
    fn public_space_is_what_is_not_reserved() {
        let public = aggregate(&public());
        let expected = nets(&[
            "1.0.0.0/8",
            "2.0.0.0/7",
            "4.0.0.0/6",
            "8.0.0.0/7",
            "11.0.0.0/8",
            "12.0.0.0/6",
            "16.0.0.0/4",
            "32.0.0.0/3",
            "64.0.0.0/3",
            "96.0.0.0/6",
            "100.0.0.0/10",
            "100.128.0.0/9",
            "101.0.0.0/8",
            "102.0.0.0/7",
            "104.0.0.0/5",
            "112.0.0.0/5",
            "120.0.0.0/6",
            "124.0.0.0/7",
            "126.0.0.0/8",
            "128.0.0.0/3",
            "160.0.0.0/5",
            "168.0.0.0/8",
            "169.0.0.0/9",
            "169.128.0.0/10",
            "169.192.0.0/11",
            "169.224.0.0/12",
            "169.240.0.0/13",
            "169.248.0.0/14",
            "169.252.0.0/15",
            "169.255.0.0/16",
            "170.0.0.0/7",
            "172.0.0.0/12",
            "172.32.0.0/11",
            "172.64.0.0/10",
            "172.128.0.0/9",
            "173.0.0.0/8",
            "174.0.0.0/7",
            "176.0.0.0/4",
            "192.0.0.0/9",
            "192.128.0.0/11",
            "192.160.0.0/13",
            "192.169.0.0/16",
            "192.170.0.0/15",
            "192.172.0.0/14",
            "192.176.0.0/12",
            "192.192.0.0/10",
            "193.0.0.0/8",
            "194.0.0.0/7",
            "196.0.0.0/6",
            "200.0.0.0/5",
            "208.0.0.0/4",
            "2000::/3",
        ]);
        assert_eq!(public, expected);
    }
}
