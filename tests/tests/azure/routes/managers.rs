//! Routes of connected groups.

use serde_json::json;
use vnetpeer_tests::azure::Document;

use super::{RouteCase, Rows, case};

fn mesh() -> Document {
    Document::new().managed().mesh("everything", json!({}))
}

pub(super) const CASES: &[RouteCase] = &[
    case(
        "6.2.2",
        "hub_and_spoke_has_routes_of_peerings",
        || Document::new().managed().star(json!({}), json!({})),
        "one1",
        Rows::Some(
            &["Default Active 10.0.0.0/16 VNetPeering", "Default Active fd00::/48 VNetPeering"],
            &["10.2.0.0/16", "fd00:2::/48"],
        ),
    ),
    case(
        "6.2.4",
        "one_row_has_the_prefixes_of_all_members",
        mesh,
        "one1",
        Rows::Some(
            &["Default Active 10.0.0.0/16,10.2.0.0/16,fd00::/48,fd00:2::/48 ConnectedGroup"],
            &[],
        ),
    ),
    case(
        "6.2.5",
        "members_of_other_regions_are_not_in_it",
        || mesh().located("two", "northeurope"),
        "one1",
        Rows::Some(
            &["Default Active 10.0.0.0/16,fd00::/48 ConnectedGroup"],
            &["10.2.0.0/16", "fd00:2::/48"],
        ),
    ),
    case(
        "6.2.6",
        "what_overlaps_is_withdrawn",
        || {
            mesh()
                .space("one", &["10.1.0.0/16", "10.77.0.0/16", "fd00:1::/48"])
                .space("two", &["10.2.0.0/16", "10.77.0.0/16", "fd00:2::/48"])
        },
        "hub1",
        Rows::Some(
            &[
                "Default Active 10.1.0.0/16,10.2.0.0/16,fd00:1::/48,fd00:2::/48 ConnectedGroup",
                "Default Active 10.77.0.0/16 None",
            ],
            &[],
        ),
    ),
    case(
        "6.2.7",
        "a_peering_beats_a_connected_group",
        || mesh().peered("hub", "one"),
        "one1",
        Rows::Some(
            &[
                "Default Active 10.0.0.0/16 VNetPeering",
                "Default Active 10.2.0.0/16,fd00:2::/48 ConnectedGroup",
            ],
            &[],
        ),
    ),
];
