//! Peering objects, alone and in pairs.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{
    ErrorCase,
    Problem::{Error, Warning},
};

const ONE: &str = "one/to-hub";
const SHARED: &str = "10.77.0.0/16";

fn pair() -> Document {
    Document::new().peered("hub", "one")
}

fn computed(property: &str) -> Document {
    pair().peering(ONE, property, json!({}))
}

/// Both VNets have the same further range.
fn sharing() -> Document {
    pair()
        .space("hub", &["10.0.0.0/16", SHARED, "fd00::/48"])
        .space("one", &["10.1.0.0/16", SHARED, "fd00:1::/48"])
}

fn sharing_ipv6() -> Document {
    pair()
        .space("hub", &["10.0.0.0/16", "fd00::/48", "fd00:77::/48"])
        .space("one", &["10.1.0.0/16", "fd00:1::/48", "fd00:77::/56"])
}

fn defaults() -> Document {
    pair().by_subnets(("hub", &["default"]), ("one", &["default"]))
}

fn many_subnets(count: u8) -> Document {
    let wide = pair().space("hub", &["10.0.0.0/16", "10.78.0.0/16", "fd00::/48"]);
    let names: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
    let with = (0..count).fold(wide, |it, number| {
        it.subnet("hub", &format!("s{number}"), &[&format!("10.78.{number}.0/24")])
    });
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    with.by_subnets(("hub", &names), ("one", &["default"]))
}

fn many_peerings(count: usize) -> Document {
    (0..count).fold(Document::new(), |it, number| {
        let name = format!("v{number}");
        let space = format!("172.{}.{}.0/24", 16 + number / 256, number % 256);
        it.vnet(&name, &[&space]).side("hub", &name)
    })
}

const READ_ONLY: &str = "ReadOnlyProperty";

pub(super) const PROPERTIES: &[ErrorCase] = &[
    ErrorCase::new(
        "1.2",
        "a_vnet_cannot_bring_peerings",
        || {
            let peering = json!([{ "name": "x", "properties": {} }]);
            Document::new().set("virtualNetworks", "hub", "virtualNetworkPeerings", peering)
        },
        &[Error("ReadOnlyProperty", "peerings cannot be declared inside")],
    ),
    ErrorCase::new(
        "1.2",
        "a_vnet_without_the_list_keeps_its_peerings",
        || pair().set("virtualNetworks", "hub", "virtualNetworkPeerings", json!([])),
        &[],
    ),
    ErrorCase::new(
        "1.3 remoteVirtualNetwork",
        "it_is_required",
        || {
            let peering = json!({ "name": "hub/x", "properties": {} });
            Document::new().add("virtualNetworkPeerings", peering)
        },
        &[Error("MissingProperty", "remoteVirtualNetwork")],
    ),
    ErrorCase::new(
        "1.3 remoteVirtualNetwork",
        "another_subscription_is_a_full_id",
        || {
            let far = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/far/\
                       providers/Microsoft.Network/virtualNetworks/far";
            let vnet = json!({ "id": far, "properties": {
                "addressSpace": { "addressPrefixes": ["10.40.0.0/16"] },
            }});
            let back = json!({ "id": format!("{far}/virtualNetworkPeerings/back"),
                "properties": { "remoteVirtualNetwork": { "id": "hub" } } });
            Document::new()
                .add("virtualNetworks", vnet)
                .named_side("hub/to-far", far)
                .add("virtualNetworkPeerings", back)
        },
        &[],
    ),
    ErrorCase::new(
        "1.3 allowVirtualNetworkAccess",
        "it_is_a_boolean",
        || pair().peering(ONE, "allowVirtualNetworkAccess", "often"),
        &[Error("InvalidPropertyType", "")],
    ),
    ErrorCase::new(
        "1.3 localVirtualNetworkAddressSpace",
        "it_is_computed",
        || computed("localVirtualNetworkAddressSpace"),
        &[Error(READ_ONLY, "localVirtualNetworkAddressSpace")],
    ),
    ErrorCase::new(
        "1.3 remoteVirtualNetworkAddressSpace",
        "it_is_computed",
        || computed("remoteVirtualNetworkAddressSpace"),
        &[Error(READ_ONLY, "remoteVirtualNetworkAddressSpace")],
    ),
    ErrorCase::new(
        "1.3 remoteBgpCommunities",
        "it_is_computed",
        || computed("remoteBgpCommunities"),
        &[Error(READ_ONLY, "remoteBgpCommunities")],
    ),
    ErrorCase::new(
        "1.3 remoteVirtualNetworkEncryption",
        "it_is_computed",
        || computed("remoteVirtualNetworkEncryption"),
        &[Error(READ_ONLY, "remoteVirtualNetworkEncryption")],
    ),
    ErrorCase::new(
        "1.3 peeringState",
        "it_is_computed",
        || computed("peeringState"),
        &[Error(READ_ONLY, "peeringState")],
    ),
    ErrorCase::new(
        "1.3 peeringSyncLevel",
        "it_is_computed",
        || computed("peeringSyncLevel"),
        &[Error(READ_ONLY, "peeringSyncLevel")],
    ),
    ErrorCase::new(
        "1.3 provisioningState",
        "it_is_computed",
        || computed("provisioningState"),
        &[Error(READ_ONLY, "provisioningState")],
    ),
    ErrorCase::new(
        "1.3 resourceGuid",
        "it_is_computed",
        || computed("resourceGuid"),
        &[Error(READ_ONLY, "resourceGuid")],
    ),
    ErrorCase::new(
        "1.3 peerCompleteVnets",
        "true_excludes_subnet_names",
        || pair().peering(ONE, "localSubnetNames", json!(["default"])),
        &[Error("ConflictingProperties", "localSubnetNames")],
    ),
    ErrorCase::new(
        "1.3 localSubnetNames",
        "without_them_nothing_would_be_peered",
        || pair().both("hub", "one", "peerCompleteVnets", false),
        &[
            Error("MissingProperty", "localSubnetNames"),
            Error("MissingProperty", "remoteSubnetNames"),
            Error("MissingProperty", "localSubnetNames"),
            Error("MissingProperty", "remoteSubnetNames"),
        ],
    ),
    ErrorCase::new(
        "1.3 remoteSubnetNames",
        "each_is_a_subnet",
        || pair().by_subnets(("hub", &["default"]), ("one", &["nothing"])),
        &[
            Error("InvalidResourceReference", "has no subnet `nothing`"),
            Error("InvalidResourceReference", "has no subnet `nothing`"),
        ],
    ),
];

pub(super) const PAIRS: &[ErrorCase] = &[
    ErrorCase::new(
        "1.7 VnetAddressSpacesOverlap",
        "ipv4",
        sharing,
        &[Error(
            "VnetAddressSpacesOverlap",
            "cannot be peered because their address spaces overlap",
        )],
    ),
    ErrorCase::new(
        "1.7 VnetAddressSpacesOverlap",
        "ipv6",
        sharing_ipv6,
        &[Error("VnetAddressSpacesOverlap", "fd00:77::/48")],
    ),
    ErrorCase::new(
        "1.5.8",
        "a_peered_vnet_cannot_take_its_peers_addresses",
        || pair().space("one", &["10.1.0.0/16", "10.0.128.0/17", "fd00:1::/48"]),
        &[Error("VnetAddressSpacesOverlap", "10.0.128.0/17")],
    ),
    ErrorCase::new(
        "1.7 VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
        "two_peers_of_one_vnet",
        || {
            Document::hub_and_spokes()
                .space("one", &["10.1.0.0/16", SHARED, "fd00:1::/48"])
                .space("two", &["10.2.0.0/16", SHARED, "fd00:2::/48"])
        },
        &[Error(
            "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
            "which is already peered with `hub`",
        )],
    ),
    ErrorCase::new(
        "1.7 VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
        "vnets_without_a_common_peer_may_be_equal",
        || {
            Document::new()
                .peered("hub", "one")
                .space("two", &["10.2.0.0/16", "10.1.0.0/16", "fd00:2::/48", "fd00:1::/48"])
        },
        &[],
    ),
    ErrorCase::new(
        "1.7 AnotherPeeringAlreadyReferencesRemoteVnet",
        "a_second_object_of_the_pair",
        || pair().named_side("hub/again", "one"),
        &[Error("AnotherPeeringAlreadyReferencesRemoteVnet", "already references")],
    ),
    ErrorCase::new(
        "1.7 InvalidResourceName",
        "a_name_with_a_space",
        || Document::new().named_side("hub/to one", "one"),
        &[Error("InvalidResourceName", "")],
    ),
    ErrorCase::new(
        "1.7 InvalidResourceName",
        "a_name_of_81_characters",
        || Document::new().named_side(&format!("hub/{}", "x".repeat(81)), "one"),
        &[Error("InvalidResourceName", "")],
    ),
    ErrorCase::new(
        "1.7 ResourceNotFound",
        "the_owner_is_missing",
        || Document::new().named_side("gone/to-one", "one"),
        &[Error("ParentResourceNotFound", "gone")],
    ),
    ErrorCase::new(
        "1.7 [M]",
        "a_vnet_peered_with_itself",
        || Document::new().side("hub", "hub"),
        &[Error("VnetCannotPeerWithItself", "with itself")],
    ),
    ErrorCase::new("1.7 [M]", "five_hundred_peerings", || many_peerings(500), &[]),
    ErrorCase::new(
        "1.7 [M]",
        "more_than_five_hundred_peerings",
        || many_peerings(501),
        &[Error("LimitExceeded", "more than 500")],
    ),
    ErrorCase::new(
        "10.6",
        "a_classic_vnet_owns_no_peering",
        || pair().set("virtualNetworks", "one", "deploymentModel", "Classic"),
        &[Error("ClassicVnetCannotOwnPeering", "`one` is classic")],
    ),
    ErrorCase::new(
        "10.6",
        "two_classic_vnets",
        || {
            Document::new()
                .side("hub", "one")
                .set("virtualNetworks", "hub", "deploymentModel", "Classic")
                .set("virtualNetworks", "one", "deploymentModel", "Classic")
        },
        &[Error("ClassicVnetCannotOwnPeering", "two classic")],
    ),
    ErrorCase::new(
        "10.4",
        "there_is_no_encryption",
        || Document::new().set("virtualNetworks", "hub", "encryption", json!({ "enabled": true })),
        &[Error("NotSupportedYet", "encryption")],
    ),
    ErrorCase::new(
        "10.5",
        "there_is_no_name_resolution",
        || {
            Document::new().set(
                "virtualNetworks",
                "hub",
                "dhcpOptions",
                json!({ "dnsServers": ["10.0.0.4"] }),
            )
        },
        &[Error("NotSupportedYet", "dhcpOptions")],
    ),
];

pub(super) const SUBNETS: &[ErrorCase] = &[
    ErrorCase::new("1.8.1", "both_sides_name_the_subnets", defaults, &[]),
    ErrorCase::new(
        "1.8.1",
        "the_sides_are_mirror_images",
        || defaults().peering(ONE, "remoteSubnetNames", json!(["nva"])),
        &[Error("PeeringSidesDiffer", "do not peer the same")],
    ),
    ErrorCase::new(
        "1.8.1",
        "both_sides_are_of_one_kind",
        || {
            pair()
                .peering(ONE, "peerCompleteVnets", false)
                .peering(ONE, "localSubnetNames", json!(["default"]))
                .peering(ONE, "remoteSubnetNames", json!(["default"]))
        },
        &[Error("PeeringSidesDiffer", "do not peer the same")],
    ),
    ErrorCase::new(
        "1.8.2",
        "a_subnet_is_named_once",
        || defaults().peering("hub/to-one", "localSubnetNames", json!(["default", "default"])),
        &[Error("DuplicateResource", "named twice")],
    ),
    ErrorCase::new(
        "1.8.2",
        "ranges_without_named_subnets_may_be_shared",
        || sharing().by_subnets(("hub", &["default"]), ("one", &["default"])),
        &[],
    ),
    ErrorCase::new(
        "1.8.2",
        "a_range_with_a_named_subnet_may_not",
        || {
            sharing()
                .subnet("hub", "shared", &["10.77.1.0/24"])
                .by_subnets(("hub", &["shared"]), ("one", &["default"]))
        },
        &[Error("VnetAddressSpacesOverlap", SHARED)],
    ),
    ErrorCase::new("1.8.4", "two_hundred_subnets", || many_subnets(200), &[]),
    ErrorCase::new(
        "1.8.4",
        "more_than_two_hundred_subnets",
        || many_subnets(201),
        &[Error("LimitExceeded", "more than 200"), Error("LimitExceeded", "more than 200")],
    ),
    ErrorCase::new(
        "1.8.7",
        "ipv4_may_overlap_if_only_ipv6_is_peered",
        || sharing().both("hub", "one", "enableOnlyIPv6Peering", true),
        &[],
    ),
    ErrorCase::new(
        "1.8.7",
        "ipv6_may_not",
        || sharing_ipv6().both("hub", "one", "enableOnlyIPv6Peering", true),
        &[Error("VnetAddressSpacesOverlap", "fd00:77::/48")],
    ),
    ErrorCase::new(
        "1.8.5",
        "forwarded_traffic_is_not_taken",
        || defaults().peering(ONE, "allowForwardedTraffic", true),
        &[Warning("ForwardedTrafficNotTaken", "takes no forwarded traffic")],
    ),
];
