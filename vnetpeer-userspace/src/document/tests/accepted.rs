//! What the model holds after a document without mistakes was read.

use ipnet::IpNet;

use super::{BASE, loaded};
use crate::{
    document::load,
    topology::model::{HookMode, PeeringIndex, RouteNextHop, RouteTableIndex},
};

#[test]
fn defaults() {
    let topology = load("x", "{}").unwrap().topology;
    assert_eq!(
        (topology.name.as_str(), topology.auto_sync, topology.wire),
        ("default", true, false)
    );
    let topology = loaded(&[]).topology;
    assert_eq!(
        topology.vnets[0].id.as_str(),
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer/providers/\
         Microsoft.Network/virtualNetworks/hub"
    );
    assert_eq!(topology.vnets[0].location, "westeurope");
    assert_eq!(topology.hosts[0].underlay_mode, HookMode::Auto);
}

#[test]
fn networks_and_subnets() {
    let topology = loaded(&[]).topology;
    let hub = &topology.vnets[0];
    let prefixes = |list: &[IpNet]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(prefixes(&hub.address_space), ["10.0.0.0/16", "fd00:10::/48"]);
    assert_eq!(prefixes(&hub.subnets[0].prefixes), ["10.0.1.0/24", "fd00:10:0:1::/64"]);
    assert_eq!(hub.subnets[0].route_table, Some(RouteTableIndex(0)));
    assert!(hub.subnets[1].id.as_str().ends_with("/virtualNetworks/hub/subnets/db"));
}

#[test]
fn peerings_know_their_reverse() {
    let peerings = loaded(&[]).topology.peerings;
    assert_eq!(peerings[0].reverse, Some(PeeringIndex(1)));
    assert_eq!(peerings[1].reverse, Some(PeeringIndex(0)));
    assert_eq!(peerings[2].reverse, None);
    assert!(peerings[0].allow_virtual_network_access && !peerings[0].allow_forwarded_traffic);
    assert!(peerings[1].id.as_str().ends_with("/spoke/virtualNetworkPeerings/spoke-to-hub"));
}

#[test]
fn nics_and_their_places() {
    let topology = loaded(&[]).topology;
    let [web, nva] = topology.nics.as_slice() else { panic!("two network interfaces") };
    assert_eq!((web.vnet.0, web.subnet.0, web.host.0, web.interface.as_str()), (0, 0, 0, "web1"));
    assert_eq!((nva.vnet.0, nva.subnet.0, nva.host.0, nva.interface.as_str()), (1, 0, 1, "tap0"));
    assert!(nva.enable_ip_forwarding && !web.enable_ip_forwarding);
}

#[test]
fn route_tables() {
    let change = (
        "- name: to-nva\n    properties:",
        "- name: to-nva\n    properties:\n      disablePeeringRoute: All\n      disableBgpRoutePropagation: true",
    );
    let tables = loaded(&[change]).topology.route_tables;
    assert!(tables[0].disable_peering_routes && tables[0].disable_bgp_route_propagation);
    let next_hop = RouteNextHop::VirtualAppliance("10.1.1.4".parse().unwrap());
    assert_eq!(tables[0].routes[0].next_hop, next_hop);
}

#[test]
fn nic_belongs_to_the_subscription_of_its_vnet() {
    let second = "00000000-0000-0000-0000-000000000002";
    let vnet = format!("- name: spoke\n    subscription: {second}");
    let topology = loaded(&[("- name: spoke", &vnet)]).topology;
    assert!(topology.nics[1].id.as_str().starts_with(&format!("/subscriptions/{second}/")));
    assert!(topology.peerings[1].id.as_str().starts_with(&format!("/subscriptions/{second}/")));
}

#[test]
fn vnet_of_another_group_is_meant_by_its_group() {
    let vnet = "- name: hub\n    resourceGroup: second\n    tags: {owner: me}";
    let peering = "- name: hub/hub-to-other\n    resourceGroup: vnetpeer";
    let by_id = "{id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/vnetpeer/providers/Microsoft.Network/virtualNetworks/hub}";
    let topology = loaded(&[
        ("- name: other", vnet),
        ("- name: hub/hub-to-spoke", "- name: hub/hub-to-spoke\n    resourceGroup: vnetpeer"),
        ("{id: hub}", by_id),
        ("- name: hub/hub-to-other", peering),
        ("{id: other}", "{id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/second/providers/Microsoft.Network/virtualNetworks/hub}"),
        ("{id: hub/web}", "{id: web}"),
        ("{id: hub/web}", "{id: web}"),
    ])
    .topology;
    assert_eq!((topology.peerings[2].vnet.0, topology.peerings[2].remote.0), (0, 2));
}

#[test]
fn json_is_read_as_well() {
    let value: serde_json::Value = serde_saphyr::from_str(BASE).unwrap();
    let yaml = load("x", BASE).unwrap().topology;
    for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
        let json = load("x", &json.replace("  ", "\t")).unwrap().topology;
        assert_eq!(format!("{json:?}"), format!("{yaml:?}"));
    }
}
