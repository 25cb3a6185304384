//! Peerings that network managers make and remove.

use serde_json::json;
use vnetpeer_tests::azure::Document;
use vnetpeer_userspace::topology::state::{
    PeeringState::{Connected, Initiated},
    PeeringSyncLevel::{FullyInSync, RemoteNotInSync},
};

use super::{
    HUB, ONE, StateCase,
    Step::{Do, Gone, Is, SameGuid},
    Write::Apply,
    case,
};

/// The peering of the hub with `one` that a configuration makes: its name follows from the two VNets.
const MADE: &str = "hub/ANM_D36F92E39E9A5191BB96DBB9CB516BF6";
const MADE_ONE: &str = "one/ANM_D36F92E39E9A5191BB96DBB9CB516BF6";
const MADE_TWO: &str = "two/ANM_47E7D7DEF04959CC84292301BB02542A";

fn star() -> Document {
    Document::new().managed().star(json!({}), json!({}))
}

/// The spokes without `one`.
fn without_one() -> Document {
    let member = json!({ "name": "two", "properties": { "resourceId": "two" } });
    let spokes = json!({ "name": "spokes", "properties": { "staticMembers": [member] } });
    Document::new().peered("hub", "one").managed().star(json!({}), json!({})).set(
        "networkManagers",
        "nm",
        "networkGroups",
        json!([spokes]),
    )
}

pub(super) const CASES: &[StateCase] = &[
    case(
        "6.2.1",
        "a_commit_makes_peerings_and_a_commit_of_none_removes_them",
        &[
            Do(Apply(|| star().committed(&["westeurope"], &[]))),
            Gone(MADE),
            Do(Apply(star)),
            Is(MADE, Connected, FullyInSync),
            Is(MADE_ONE, Connected, FullyInSync),
            SameGuid([MADE, MADE_ONE], ["hub", "one"]),
            Do(Apply(|| star().committed(&["northeurope"], &["star"]))),
            Gone(MADE),
            Gone(MADE_ONE),
        ],
    ),
    case(
        "6.2.2",
        "existing_peerings_are_kept",
        &[
            Do(Apply(|| Document::new().peered("hub", "one"))),
            Do(Apply(|| star().peered("hub", "one"))),
            Is(HUB, Connected, FullyInSync),
            Is(ONE, Connected, FullyInSync),
            Gone(MADE),
            Is(MADE_TWO, Connected, FullyInSync),
        ],
    ),
    case(
        "6.2.2",
        "the_missing_side_is_made",
        &[
            Do(Apply(|| Document::new().side("hub", "one"))),
            Is(HUB, Initiated, RemoteNotInSync),
            Do(Apply(|| star().side("hub", "one"))),
            Is(HUB, Connected, FullyInSync),
            Is(MADE_ONE, Connected, FullyInSync),
            Gone(MADE),
        ],
    ),
    case(
        "6.2.2",
        "a_vnet_that_leaves_its_group_loses_what_was_made_and_nothing_else",
        &[
            Do(Apply(star)),
            Is(MADE_ONE, Connected, FullyInSync),
            Do(Apply(without_one)),
            Gone(MADE),
            Is(HUB, Connected, FullyInSync),
            Is(MADE_TWO, Connected, FullyInSync),
        ],
    ),
    case(
        "6.2.2",
        "what_does_not_match_is_deleted_also_if_it_was_made_later",
        &[
            Do(Apply(|| {
                let delete = json!({ "deleteExistingPeering": "True" });
                Document::new().managed().star(json!({}), delete).peered("one", "two")
            })),
            Gone("one/to-two"),
            Gone("two/to-one"),
            Is(MADE, Connected, FullyInSync),
        ],
    ),
    case(
        "6.2.3",
        "a_hub_without_a_gateway_has_its_side_unconnected",
        &[
            Do(Apply(|| {
                Document::new().managed().star(json!({ "useHubGateway": "True" }), json!({}))
            })),
            Is(MADE, Initiated, RemoteNotInSync),
            Gone(MADE_ONE),
        ],
    ),
    case(
        "6.2.3",
        "the_gateway_of_the_hub_is_used",
        &[
            Do(Apply(|| {
                let group = json!({ "useHubGateway": "True" });
                let document = Document::new().gateway("hub", "Vpn", "VpnGw1").managed();
                document.star(group, json!({}))
            })),
            Is(MADE, Connected, FullyInSync),
            Is(MADE_ONE, Connected, FullyInSync),
        ],
    ),
    case(
        "1.8.8",
        "a_subnet_peering_is_a_peering_to_hub_and_spoke",
        &[
            Do(Apply(|| {
                let subnets: (&[&str], &[&str]) = (&["default"], &["default"]);
                star().peered("hub", "one").by_subnets(("hub", subnets.0), ("one", subnets.1))
            })),
            Is(HUB, Connected, FullyInSync),
            Gone(MADE),
            Gone(MADE_ONE),
            Is(MADE_TWO, Connected, FullyInSync),
        ],
    ),
];
