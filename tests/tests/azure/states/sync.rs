//! Copies of address spaces, and properties that peerings keep.

use vnetpeer_tests::azure::Document;
use vnetpeer_userspace::topology::state::{
    PeeringState::{Connected, Disconnected, Initiated},
    PeeringSyncLevel::{FullyInSync, LocalAndRemoteNotInSync, LocalNotInSync, RemoteNotInSync},
};

use super::{
    HUB, ONE, StateCase,
    Step::{Do, Gone, Has, Is, Lacks, Local, Refused, Remote, SameGuid},
    Write::{Apply, Delete, Put, Sync},
    case, classic, hub, one, pair,
};

/// The pair, and nothing follows without a sync.
fn manual() -> Document {
    pair().deployment("autoSync", false)
}

/// The hub has grown by a range of each family.
fn grown() -> Document {
    manual().space("hub", &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48", "fd00:50::/48"])
}

fn both_grown() -> Document {
    grown().space("one", &["10.1.0.0/16", "10.51.0.0/16", "fd00:1::/48"])
}

pub(super) const SYNC: &[StateCase] = &[
    case(
        "1.5.1",
        "prefixes_are_added_removed_and_resized_while_peered",
        &[
            Do(Apply(pair)),
            Do(Apply(|| pair().space("hub", &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48"]))),
            Is(HUB, Connected, FullyInSync),
            Has("one1", "Default Active 10.50.0.0/16 VNetPeering"),
            Do(Apply(|| pair().space("hub", &["10.0.0.0/20", "fd00::/56"]))),
            Has("one1", "Default Active 10.0.0.0/20 VNetPeering"),
            Has("one1", "Default Active fd00::/56 VNetPeering"),
            Lacks("one1", "10.50.0.0/16"),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.5.1",
        "not_with_a_classic_vnet",
        &[
            Do(Apply(classic)),
            Refused(
                Apply(|| classic().space("hub", &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48"])),
                "VnetAddressSpaceCannotChangeDueToPeerings",
            ),
        ],
    ),
    case(
        "1.5.2",
        "a_resize_leaves_both_out_of_sync",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Is(HUB, Connected, RemoteNotInSync),
            Is(ONE, Connected, LocalNotInSync),
        ],
    ),
    case(
        "1.5.2",
        "two_resizes_are_local_and_remote",
        &[
            Do(Apply(manual)),
            Do(Apply(both_grown)),
            Is(HUB, Connected, LocalAndRemoteNotInSync),
            Is(ONE, Connected, LocalAndRemoteNotInSync),
        ],
    ),
    case(
        "1.5.3",
        "a_sync_copies_the_remote_space",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Do(Sync(ONE)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
            Remote(ONE, &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48", "fd00:50::/48"]),
            Local(HUB, &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48", "fd00:50::/48"]),
            Has("one1", "Default Active 10.50.0.0/16 VNetPeering"),
        ],
    ),
    case(
        "1.5.3",
        "after_two_resizes_each_side_is_synced",
        &[
            Do(Apply(manual)),
            Do(Apply(both_grown)),
            Do(Sync(ONE)),
            Is(HUB, Connected, LocalNotInSync),
            Is(ONE, Connected, RemoteNotInSync),
            Do(Sync(HUB)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.5.4",
        "a_sync_of_the_other_side_changes_nothing",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Do(Sync(HUB)),
            Is(HUB, Connected, RemoteNotInSync),
            Is(ONE, Connected, LocalNotInSync),
            Remote(ONE, &["10.0.0.0/16", "fd00::/48"]),
        ],
    ),
    case(
        "1.5.5",
        "an_ordinary_write_does_not_sync",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Do(Put(ONE, || grown().peering(ONE, "allowForwardedTraffic", true))),
            Is(ONE, Connected, LocalNotInSync),
            Remote(ONE, &["10.0.0.0/16", "fd00::/48"]),
        ],
    ),
    case(
        "1.5.6",
        "routes_follow_the_copy_until_the_sync",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Has("one1", "Default Active 10.0.0.0/16 VNetPeering"),
            Lacks("one1", "10.50.0.0/16"),
            Lacks("one1", "fd00:50::/48"),
            Do(Sync(ONE)),
            Has("one1", "Default Active 10.50.0.0/16 VNetPeering"),
            Has("one1", "Default Active fd00:50::/48 VNetPeering"),
        ],
    ),
    case(
        "1.5.6",
        "with_auto_sync_peers_follow_at_once",
        &[
            Do(Apply(pair)),
            Do(Apply(|| grown().deployment("autoSync", true))),
            Is(ONE, Connected, FullyInSync),
            Has("one1", "Default Active 10.50.0.0/16 VNetPeering"),
        ],
    ),
];

pub(super) const PROPERTIES: &[StateCase] = &[
    case(
        "1.3 resourceGuid",
        "both_sides_have_the_xor_of_the_vnets",
        &[Do(Apply(pair)), SameGuid([HUB, ONE], ["hub", "one"])],
    ),
    case(
        "1.3 remoteVirtualNetwork",
        "it_cannot_change",
        &[
            Do(Apply(pair)),
            Refused(
                Put(HUB, || one().named_side(HUB, "two")),
                "ChangingRemoteVirtualNetworkNotAllowed",
            ),
        ],
    ),
    case(
        "1.3 remoteAddressSpace",
        "it_is_the_remote_space_as_last_synced",
        &[
            Do(Apply(manual)),
            Remote(HUB, &["10.1.0.0/16", "fd00:1::/48"]),
            Remote(ONE, &["10.0.0.0/16", "fd00::/48"]),
            Do(Apply(grown)),
            Remote(ONE, &["10.0.0.0/16", "fd00::/48"]),
        ],
    ),
    case(
        "1.3 localAddressSpace",
        "it_is_what_the_other_side_has_copied",
        &[
            Do(Apply(manual)),
            Do(Apply(grown)),
            Local(HUB, &["10.0.0.0/16", "fd00::/48"]),
            Do(Sync(ONE)),
            Local(HUB, &["10.0.0.0/16", "10.50.0.0/16", "fd00::/48", "fd00:50::/48"]),
        ],
    ),
    case(
        "1.3 peeringState",
        "it_is_initiated_connected_or_disconnected",
        &[
            Do(Put(HUB, hub)),
            Is(HUB, Initiated, RemoteNotInSync),
            Do(Put(ONE, pair)),
            Is(HUB, Connected, FullyInSync),
            Do(Delete(ONE, hub)),
            Is(HUB, Disconnected, RemoteNotInSync),
        ],
    ),
    case(
        "1.8.3",
        "the_kind_of_a_peering_cannot_change",
        &[
            Do(Apply(pair)),
            Refused(
                Apply(|| pair().by_subnets(("hub", &["default"]), ("one", &["default"]))),
                "ChangingPeerCompleteVnetsNotAllowed",
            ),
        ],
    ),
    case(
        "1.8.3",
        "membership_changes_on_the_same_objects",
        &[
            Do(Apply(|| manual().by_subnets(("hub", &["default"]), ("one", &["default"])))),
            Do(Apply(|| manual().by_subnets(("hub", &["default", "nva"]), ("one", &["default"])))),
            Is(HUB, Connected, RemoteNotInSync),
            Is(ONE, Connected, LocalNotInSync),
            Lacks("one1", "10.0.2.0/24"),
            Do(Sync(ONE)),
            Is(HUB, Connected, FullyInSync),
            Has("one1", "Default Active 10.0.2.0/24 VNetPeering"),
        ],
    ),
    case(
        "1.8.6",
        "the_spaces_are_those_of_the_subnets",
        &[
            Do(Apply(|| pair().by_subnets(("hub", &["default"]), ("one", &["other"])))),
            Remote(HUB, &["10.1.2.0/24", "fd00:1:0:2::/64"]),
            Remote(ONE, &["10.0.1.0/24", "fd00:0:0:1::/64"]),
            Local(HUB, &["10.0.1.0/24", "fd00:0:0:1::/64"]),
        ],
    ),
    case(
        "1.7 ResourceNotFound",
        "a_sync_of_a_missing_peering",
        &[Refused(Sync(HUB), "ResourceNotFound")],
    ),
    case(
        "1.7 DELETE",
        "deleting_an_absent_peering_succeeds",
        &[Do(Delete(HUB, Document::new)), Gone(HUB)],
    ),
];
