//! The usage record: what one link carried in one direction in one window, as one host saw it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Seen from the VNet that the link belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// What enters the VNet.
    Ingress,
    /// What leaves it.
    Egress,
}

/// What kind of link it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkKind {
    /// One directed peering object.
    Peering,
    /// A VNet's part in its connected groups.
    ConnectedGroup,
}

/// The link of a record, as it was in the window. Prices are found by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Identifies this link and no earlier one of the same name.
    pub guid: Uuid,
    /// The ARM id.
    pub id: String,
    /// What kind of link it is.
    pub kind: LinkKind,
    /// The ARM id of the VNet that it belongs to and that pays.
    pub vnet: String,
    /// That VNet's region, e.g. `westeurope`.
    pub region: String,
    /// The ARM id of the VNet at the other end; none for a connected group.
    pub remote_vnet: Option<String>,
    /// Its region; none for a connected group.
    pub remote_region: Option<String>,
    /// Whether it joins VNets of different regions.
    pub global: bool,
}

/// What a link carried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Follows from host, epoch, link, direction and window, so that two copies are one record.
    pub id: Uuid,
    /// The host that counted.
    pub host: String,
    /// Identifies an uninterrupted life of the counters on that host: a boot, or a map that was made anew.
    pub epoch: Uuid,
    /// The link.
    pub link: Link,
    /// Which way.
    pub direction: Direction,
    /// Begin of the window, seconds since 1970 (UTC).
    pub start: i64,
    /// Its end, exclusive; never over the end of an hour.
    pub end: i64,
    /// IP packets as on the wire after segmentation.
    pub packets: u64,
    /// Bytes of these packets, without Ethernet.
    pub bytes: u64,
}
