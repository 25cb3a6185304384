//! Address spaces, subnets, network interfaces and routes.

use serde_json::{Value, json};
use vnetpeer_tests::azure::Document;

use super::{
    ErrorCase,
    Problem::{Error, Warning},
};

fn route(prefix: &str, kind: &str, more: &Value) -> Document {
    let mut properties = json!({ "addressPrefix": prefix, "nextHopType": kind });
    for (name, value) in more.as_object().expect("properties") {
        properties[name] = value.clone();
    }
    let routes = json!([{ "name": "r", "properties": properties }]);
    Document::hub_and_spokes().table("udr", routes).attach("udr", "one", "default")
}

fn appliance(address: &str) -> Document {
    route("10.9.0.0/16", "VirtualAppliance", &json!({ "nextHopIpAddress": address }))
}

fn spread(count: u8) -> Document {
    let hops: Vec<String> = (0..count).map(|it| format!("10.0.2.{}", 4 + it)).collect();
    route(
        "10.9.0.0/16",
        "VirtualApplianceEcmp",
        &json!({ "nextHop": { "nextHopIpAddresses": hops } }),
    )
}

fn one1_at(v4: &str) -> Document {
    let subnet = json!({ "id": "one/default" });
    let configurations = json!([
        { "name": "v4", "properties": { "subnet": subnet, "privateIPAddress": v4 } },
    ]);
    Document::new().nic("one1", "ipConfigurations", configurations)
}

pub(super) const VNETS: &[ErrorCase] = &[
    ErrorCase::new(
        "1.5.7",
        "a_range_with_a_subnet_cannot_be_removed",
        || Document::new().space("one", &["10.1.0.0/23", "fd00:1::/48"]),
        &[Error("NetcfgInvalidSubnet", "10.1.2.0/24")],
    ),
    ErrorCase::new(
        "1.5.7",
        "a_range_without_a_subnet_can",
        || Document::new().space("one", &["10.1.0.0/22", "fd00:1::/48"]),
        &[],
    ),
    ErrorCase::new(
        "1.7 NetcfgSubnetRangesOverlap",
        "two_subnets_of_one_vnet",
        || Document::new().subnet("one", "third", &["10.1.1.128/25"]),
        &[Error("NetcfgSubnetRangesOverlap", "10.1.1.128/25")],
    ),
    ErrorCase::new(
        "1.7 NetcfgInvalidSubnet",
        "a_subnet_outside",
        || Document::new().subnet("one", "third", &["10.5.0.0/24"]),
        &[Error("NetcfgInvalidSubnet", "10.5.0.0/24")],
    ),
    ErrorCase::new(
        "1.7 PrivateIPAddressInReservedRange",
        "the_first_four_and_the_last",
        || one1_at("10.1.1.3"),
        &[Error("PrivateIPAddressInReservedRange", "10.1.1.3")],
    ),
    ErrorCase::new(
        "1.7 PrivateIPAddressIsAllocated",
        "an_address_of_another",
        || {
            let subnet = json!({ "id": "hub/default" });
            let configurations = json!([
                { "name": "v4", "properties": { "subnet": subnet, "privateIPAddress": "10.0.1.5" } },
            ]);
            Document::new().nic("hub1", "ipConfigurations", configurations)
        },
        &[Error("PrivateIPAddressIsAllocated", "10.0.1.5")],
    ),
    ErrorCase::new(
        "1.7 PrivateIPAddressNotInSubnet",
        "an_address_outside",
        || one1_at("10.1.2.9"),
        &[Error("PrivateIPAddressNotInSubnet", "10.1.2.9")],
    ),
];

pub(super) const ROUTES: &[ErrorCase] = &[
    ErrorCase::new(
        "3.3",
        "an_appliance_needs_an_address",
        || route("10.9.0.0/16", "VirtualAppliance", &json!({})),
        &[Error("InvalidNextHopIpAddress", "has no nextHopIpAddress")],
    ),
    ErrorCase::new(
        "3.3",
        "only_an_appliance_has_an_address",
        || route("10.9.0.0/16", "None", &json!({ "nextHopIpAddress": "10.0.2.4" })),
        &[Error("InvalidNextHopIpAddress", "without")],
    ),
    ErrorCase::new(
        "3.3",
        "only_ecmp_has_several_addresses",
        || {
            let hops = json!({ "nextHopIpAddresses": ["10.0.2.4", "10.0.2.5"] });
            route(
                "10.9.0.0/16",
                "VirtualAppliance",
                &json!({ "nextHopIpAddress": "10.0.2.4", "nextHop": hops }),
            )
        },
        &[Error("InvalidNextHopIpAddress", "without")],
    ),
    ErrorCase::new(
        "3.3",
        "a_peering_cannot_be_set",
        || route("10.9.0.0/16", "VNetPeering", &json!({})),
        &[Error("InvalidPropertyValue", "VNetPeering")],
    ),
    ErrorCase::new(
        "3.3",
        "the_families_are_the_same",
        || appliance("fd00:0:0:2::4"),
        &[Error("InvalidNextHopIpAddress", "family")],
    ),
    ErrorCase::new("3.3", "two_next_hops", || spread(2), &[]),
    ErrorCase::new(
        "3.3",
        "one_next_hop_is_not_several",
        || spread(1),
        &[Error("LimitExceeded", "2 to 64")],
    ),
    ErrorCase::new(
        "3.3",
        "sixty_five_next_hops",
        || spread(65),
        &[Error("LimitExceeded", "2 to 64"), Warning("NextHopNotReachable", "10.0.2.6")],
    ),
    ErrorCase::new(
        "3.2.6",
        "has_bgp_override_is_computed",
        || route("10.9.0.0/16", "None", &json!({ "hasBgpOverride": true })),
        &[Error("ReadOnlyProperty", "hasBgpOverride")],
    ),
    ErrorCase::new(
        "3.2.7",
        "service_tags_are_no_destinations",
        || route("AzureCloud", "Internet", &json!({})),
        &[Error("InvalidAddressPrefixFormat", "AzureCloud")],
    ),
    ErrorCase::new(
        "3.3.2",
        "an_appliance_that_is_not_in_reach_is_accepted_with_a_warning",
        || appliance("10.2.1.4"),
        &[Warning("NextHopNotReachable", "10.2.1.4")],
    ),
    ErrorCase::new(
        "3.3.4",
        "a_loop_is_accepted_with_a_warning",
        || {
            Document::hub_and_spokes().route(
                ("hub", "nva"),
                ["10.2.0.0/16", "fd00:2::/48"],
                "VirtualAppliance",
                ["10.0.2.4", "fd00:0:0:2::4"],
            )
        },
        &[Warning("RouteLoop", ""), Warning("RouteLoop", "")],
    ),
    ErrorCase::new(
        "3.3.9",
        "an_appliance_in_a_peer_without_peering_routes_is_accepted_with_a_warning",
        || {
            let chain = Document::service_chain();
            chain.set("routeTables", "from-one", "disablePeeringRoute", "All")
        },
        &[
            Warning("NextHopNotReachable", "10.0.2.4"),
            Warning("NextHopNotReachable", "fd00:0:0:2::4"),
        ],
    ),
    ErrorCase::new(
        "3.3.3",
        "an_appliance_that_does_not_forward_is_accepted_with_a_warning",
        || appliance("10.0.1.4"),
        &[Warning("NextHopDoesNotForward", "")],
    ),
];

/// `one1` and `hub1` are each in a group of their own, and a rule goes from the one to the other.
fn across_the_peering() -> Document {
    let members = |nic: &str, subnet: &str, address: &str, group: &str| {
        let configuration = json!({
            "subnet": { "id": subnet }, "privateIPAddress": address,
            "applicationSecurityGroups": [{ "id": group }],
        });
        (nic.to_owned(), json!([{ "name": "v4", "properties": configuration }]))
    };
    let rule = json!({ "name": "r", "properties": {
        "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourceApplicationSecurityGroups": [{ "id": "web" }],
        "destinationApplicationSecurityGroups": [{ "id": "db" }],
        "sourcePortRange": "*", "destinationPortRange": "443",
    }});
    let nics = [
        members("one1", "one/default", "10.1.1.4", "web"),
        members("hub1", "hub/default", "10.0.1.4", "db"),
    ];
    let groups = ["web", "db"].iter().fold(Document::hub_and_spokes(), |it, group| {
        it.add("applicationSecurityGroups", json!({ "name": group, "properties": {} }))
    });
    let grouped = nics
        .into_iter()
        .fold(groups, |it, (nic, configurations)| it.nic(&nic, "ipConfigurations", configurations));
    grouped.group("hub1", json!([rule]))
}

pub(super) const GROUPS: &[ErrorCase] = &[ErrorCase::new(
    "4.8",
    "groups_of_one_rule_are_in_one_vnet",
    across_the_peering,
    &[Error("AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet", "")],
)];
