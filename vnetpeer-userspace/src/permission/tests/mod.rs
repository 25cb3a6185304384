mod changes;
mod cross_tenant;
mod naive;
mod random;

use uuid::Uuid;

use crate::{
    document,
    topology::model::{Permissions, Topology},
};

/// A document that must be accepted.
fn load(text: &str) -> Topology {
    document::load("test.yaml", text).unwrap_or_else(|problems| panic!("{problems}")).topology
}

fn permissions(text: &str) -> Permissions {
    load(text).permissions
}

/// A GUID that ends with a number.
fn guid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}
