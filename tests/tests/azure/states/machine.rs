//! Which writes lead to which states.

use vnetpeer_tests::azure::Document;
use vnetpeer_userspace::topology::state::{
    PeeringState::{Connected, Disconnected, Initiated},
    PeeringSyncLevel::{FullyInSync, RemoteNotInSync},
};

use super::{
    HUB, ONE, StateCase,
    Step::{Do, Gone, Has, Is, Lacks, Refused},
    Write::{Apply, Delete, Put},
    case, classic, hub, one, pair,
};

const DISCONNECTED: &str = "RemotePeeringIsDisconnected";
const THIRD: &str = "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet";

fn survivor_without_vnet() -> Document {
    pair().without_vnet("one")
}

/// One more VNet has the addresses of the one that is gone.
fn with_a_third() -> Document {
    survivor_without_vnet().vnet("three", &["10.1.0.0/16", "fd00:1::/48"]).side("hub", "three")
}

pub(super) const CASES: &[StateCase] = &[
    case("1.1", "nothing_creates_the_second_object", &[Do(Put(HUB, hub)), Gone(ONE)]),
    case(
        "1.4.1",
        "the_first_object_is_initiated",
        &[Do(Put(HUB, hub)), Is(HUB, Initiated, RemoteNotInSync)],
    ),
    case(
        "1.4.2",
        "the_second_object_connects_both",
        &[
            Do(Put(HUB, hub)),
            Do(Put(ONE, pair)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.4.3",
        "only_connected_has_routes",
        &[
            Do(Put(HUB, hub)),
            Lacks("hub1", "10.1.0.0/16"),
            Do(Put(ONE, pair)),
            Has("hub1", "Default Active 10.1.0.0/16 VNetPeering"),
            Has("one2", "Default Active fd00::/48 VNetPeering"),
        ],
    ),
    case(
        "1.4.4",
        "deleting_one_side_disconnects_the_other",
        &[
            Do(Apply(pair)),
            Do(Delete(HUB, one)),
            Gone(HUB),
            Is(ONE, Disconnected, RemoteNotInSync),
            Lacks("one1", "10.0.0.0/16"),
            Lacks("hub1", "10.1.0.0/16"),
        ],
    ),
    case(
        "1.4.4",
        "deleting_the_vnet_disconnects_the_other",
        &[
            Do(Apply(pair)),
            Do(Apply(survivor_without_vnet)),
            Gone(ONE),
            Is(HUB, Disconnected, RemoteNotInSync),
            Lacks("hub1", "10.1.0.0/16"),
        ],
    ),
    case(
        "1.4.5",
        "the_missing_side_cannot_come_back_to_a_disconnected_one",
        &[
            Do(Apply(pair)),
            Do(Delete(HUB, one)),
            Refused(Put(HUB, pair), DISCONNECTED),
            Is(ONE, Disconnected, RemoteNotInSync),
        ],
    ),
    case(
        "1.4.5",
        "deleting_the_survivor_and_making_both_recovers",
        &[
            Do(Apply(pair)),
            Do(Delete(HUB, one)),
            Do(Delete(ONE, Document::new)),
            Do(Put(HUB, hub)),
            Is(HUB, Initiated, RemoteNotInSync),
            Do(Put(ONE, pair)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.4.6",
        "writing_the_survivor_takes_it_back_to_initiated",
        &[
            Do(Apply(pair)),
            Do(Delete(HUB, one)),
            Do(Put(ONE, one)),
            Is(ONE, Initiated, RemoteNotInSync),
            Do(Put(HUB, pair)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.4.6",
        "a_document_with_both_connects_them",
        &[
            Do(Apply(pair)),
            Do(Apply(one)),
            Is(ONE, Disconnected, RemoteNotInSync),
            Do(Apply(pair)),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.4.7",
        "a_disconnected_survivor_keeps_its_addresses_taken",
        &[
            Do(Apply(pair)),
            Do(Apply(survivor_without_vnet)),
            Refused(Put("hub/to-three", with_a_third), THIRD),
        ],
    ),
    case(
        "1.4.8",
        "a_vnet_that_comes_back_does_not_revive_the_peering",
        &[
            Do(Apply(pair)),
            Do(Apply(survivor_without_vnet)),
            Do(Apply(hub)),
            Is(HUB, Disconnected, RemoteNotInSync),
            Refused(Put(ONE, pair), DISCONNECTED),
        ],
    ),
    case(
        "1.4.9",
        "one_object_connects_a_classic_vnet",
        &[Do(Put(HUB, classic)), Is(HUB, Connected, FullyInSync)],
    ),
];
