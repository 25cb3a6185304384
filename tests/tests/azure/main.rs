//! Azure's rules by their numbers: what a document or an operation comes to, what a NIC's routes are, and
//! what becomes of packets, on the datapath core in host memory. `docs/azure-coverage.md` names every
//! rule with its cases, and a test compares.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics, with the place where")]

mod coverage;
mod errors;
mod packets;
mod permissions;
mod routes;
mod states;

use std::collections::BTreeSet;

use vnetpeer_tests::azure::{Document, arm_id};
use vnetpeer_userspace::{
    document,
    topology::{model::ResourceId, state::State},
};

/// A table of cases: its name, and of each case the rule and the name.
pub(crate) type Table = (&'static str, Vec<(&'static str, &'static str)>);

/// All tables.
pub(crate) fn tables() -> [Table; 5] {
    [
        ("errors", errors::all().map(|it| (it.rule, it.name)).collect()),
        ("permissions", permissions::all().map(|it| (it.rule, it.name)).collect()),
        ("states", states::all().map(|it| (it.rule, it.name)).collect()),
        ("routes", routes::all().map(|it| (it.rule, it.name)).collect()),
        ("packets", vnetpeer_tests::azure::packets::all().map(|it| (it.rule, it.name)).collect()),
    ]
}

/// Runs every case and reports all that fail.
pub(crate) fn run<'a, C: 'a>(
    cases: impl Iterator<Item = &'a C>,
    name: impl Fn(&C) -> (&str, &str),
    check: impl Fn(&C) -> Result<(), String>,
) {
    let mut failed = Vec::new();
    for case in cases {
        let (rule, name) = name(case);
        if let Err(reason) = check(case) {
            failed.push(format!("AZ §{rule} {name}: {reason}"));
        }
    }
    assert!(failed.is_empty(), "{} cases:\n{}", failed.len(), failed.join("\n"));
}

/// A document that must be accepted.
pub(crate) fn load(document: &Document) -> Result<document::Loaded, String> {
    document::load("azure.json", &document.text()).map_err(|problems| problems.to_string())
}

/// The ARM id of a resource.
pub(crate) fn id(kind: &str, name: &str) -> ResourceId {
    ResourceId::new(arm_id(kind, name))
}

/// The ARM id of the peering `VNET/NAME`.
pub(crate) fn peering(name: &str) -> ResourceId {
    let (vnet, own) = name.split_once('/').expect("VNET/NAME");
    ResourceId::new(format!("{}/virtualNetworkPeerings/{own}", id("virtualNetworks", vnet)))
}

/// The state after a first document.
pub(crate) fn state(loaded: &document::Loaded) -> Result<State, String> {
    let advanced =
        vnetpeer_userspace::topology::state::advance(&State::default(), &loaded.topology);
    advanced.map_err(|error| error.to_string())
}

#[test]
fn no_case_exists_twice() {
    for (table, cases) in tables() {
        let names: BTreeSet<_> = cases.iter().collect();
        assert_eq!(names.len(), cases.len(), "{table}");
    }
}
