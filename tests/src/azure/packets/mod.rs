//! Cases with packets.

mod flags;
mod gateways;
mod managers;
mod peering;
mod routes;
mod subnets;

use super::PacketCase;

/// All of them.
pub fn all() -> impl Iterator<Item = &'static PacketCase> {
    [peering::CASES, flags::CASES, subnets::CASES, routes::CASES, gateways::CASES, managers::CASES]
        .into_iter()
        .flatten()
}
