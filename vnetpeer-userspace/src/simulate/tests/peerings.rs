//! What passes over peerings of subnets, of classic VNets, and of what is gone.

use super::*;
use crate::topology::{
    model::{PeeringScope, Subnet, SubnetIndex, VnetIndex, implicit_side},
    testing::resource,
};

/// Hub and first spoke are peered by their first subnets, and each has a NIC in another one:
/// `hub-other` and `web1-other`.
fn by_subnets() -> Topology {
    let mut topology = hub_and_spokes();
    let others = [
        ("hub-other", ["10.0.9.0/24", "fd00:0:0:9::/64"], ["10.0.9.4", "fd00:0:0:9::4"]),
        ("web1-other", ["10.1.9.0/24", "fd00:1:0:9::/64"], ["10.1.9.4", "fd00:1:0:9::4"]),
    ];
    for (vnet, (name, prefixes, addresses)) in others.into_iter().enumerate() {
        topology.vnets[vnet].subnets.push(Subnet {
            id: resource("virtualNetworks/default/subnets", name),
            prefixes: prefixes.map(net).to_vec(),
            route_table: None,
            security_group: None,
        });
        let mut it = nic(name, vnet, vnet, &addresses);
        it.subnet = SubnetIndex(1);
        topology.nics.push(it);
    }
    for peering in topology.peerings.iter_mut().take(2) {
        let name = |vnet: VnetIndex| vec![topology.vnets[vnet.0].id.name().to_owned()];
        let (local, remote) = (name(peering.vnet), name(peering.remote));
        peering.scope = PeeringScope::Subnets { local, remote };
        peering.allow_forwarded_traffic = true;
    }
    topology
}

#[track_caller]
fn dropped(it: &Simulated, from: &str, to: &str, is_v4: bool) -> (DropReason, NicId) {
    let End::Dropped(drop) = it.connect(from, to, 443, is_v4).end() else {
        panic!("{from} reaches {to}")
    };
    (drop.reason, drop.nic)
}

#[test]
fn named_subnets_reach_each_other_and_others_are_dropped_where_they_arrive() {
    let it = simulated(&by_subnets());
    for is_v4 in [true, false] {
        assert!(it.connect("web1", "nva", 443, is_v4).is_complete());
        assert!(it.connect("nva", "web1", 443, is_v4).is_complete());
        assert!(it.connect("web1", "web1-other", 443, is_v4).is_complete(), "the same VNet");
        let denied = DropReason::ForwardedTrafficDenied;
        assert_eq!(dropped(&it, "web1-other", "nva", is_v4), (denied, it.nic("nva")));
        assert_eq!(dropped(&it, "hub-other", "web1", is_v4), (denied, it.nic("web1")));
    }
    let none = (DropReason::RouteNone, it.nic("web1"));
    assert_eq!(dropped(&it, "web1", "hub-other", true), none, "no route");
}

#[test]
fn a_peering_of_ipv6_alone_carries_no_ipv4() {
    let mut topology = by_subnets();
    for peering in topology.peerings.iter_mut().take(2) {
        peering.enable_only_ipv6 = true;
    }
    let it = simulated(&topology);
    assert!(it.connect("web1", "nva", 443, false).is_complete());
    assert_eq!(dropped(&it, "web1", "nva", true), (DropReason::RouteNone, it.nic("web1")));
}

#[test]
fn one_object_connects_a_classic_vnet_both_ways() {
    let mut topology = hub_and_spokes();
    topology.vnets[1].classic = true;
    topology.peerings[1].id = implicit_side(&topology.peerings[0].id);
    let it = simulated(&topology);
    for is_v4 in [true, false] {
        assert!(it.connect("web1", "nva", 443, is_v4).is_complete());
        assert!(it.connect("nva", "web1", 443, is_v4).is_complete());
    }
}

#[test]
fn a_disconnected_side_carries_nothing() {
    let both = hub_and_spokes();
    let mut one = both.clone();
    one.peerings.remove(1);
    one.peerings[0].reverse = None;
    one.peerings[1].reverse = Some(crate::topology::model::PeeringIndex(2));
    one.peerings[2].reverse = Some(crate::topology::model::PeeringIndex(1));
    let state = advance(&advance(&State::default(), &both).unwrap(), &one).unwrap();
    let network = Network::new(&one, &state, &NetworkFacts::default()).unwrap();
    let it = Simulated { topology: one, state, network };
    assert_eq!(dropped(&it, "nva", "web1", true), (DropReason::RouteNone, it.nic("nva")));
    assert_eq!(dropped(&it, "web1", "nva", true), (DropReason::RouteNone, it.nic("web1")));
    assert!(it.connect("nva", "web2", 443, true).is_complete());
}
