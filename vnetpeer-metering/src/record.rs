//! The usage record: what one link carried in one direction in one window, as one host saw it.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of the ids of records.
const NAMESPACE: Uuid = Uuid::from_u128(0x3d0c_5e7a_91b4_5f0e_8a26_c1f7_4be2_9d13);

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
    /// Tags of the VNet that pays, as they were in the window. Costs are shown by them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where a window of a link was cut, besides the end of every hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cut {
    /// An hour (UTC) ended.
    Hour,
    /// The wall clock was set.
    ClockStep,
    /// The link came or went.
    Link,
    /// Something that [`Link`] says of it changed.
    Changed,
    /// Its counters began a new epoch.
    Epoch,
}

/// What a link carried in one window. Windows of one link and direction never share a byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Follows from host, epoch, link, direction, begin and number of the window ([`Record::id_of`]), so
    /// that two copies are one record.
    pub id: Uuid,
    /// The host that counted.
    pub host: String,
    /// Identifies an uninterrupted life of the counters on that host: a boot, or a map that was made anew.
    pub epoch: Uuid,
    /// The link.
    pub link: Link,
    /// Which way.
    pub direction: Direction,
    /// Counts the windows of the link in the epoch: two that begin in the same second differ in it.
    pub sequence: u64,
    /// Begin of the window, seconds since 1970 (UTC).
    pub start: i64,
    /// Its end, exclusive; never over the end of an hour. Of an open window: until when it was read.
    pub end: i64,
    /// Its length in milliseconds by a clock that nobody sets.
    pub duration_ms: u64,
    /// Why it began.
    pub begun_by: Cut,
    /// Why it ended; null while it is open. An open record may be replaced by a later version of itself, a
    /// closed one is final.
    pub ended_by: Option<Cut>,
    /// If counters were not read when the window began: when they were read before that. What was counted
    /// since is in this record. Null otherwise.
    pub late_since: Option<i64>,
    /// IP packets as on the wire after segmentation.
    pub packets: u64,
    /// Bytes of these packets, without Ethernet.
    pub bytes: u64,
}

impl Record {
    /// Whether the window goes on.
    pub const fn is_open(&self) -> bool {
        self.ended_by.is_none()
    }

    /// The id of a window of a link.
    pub fn id_of(
        host: &str,
        epoch: Uuid,
        link: Uuid,
        direction: Direction,
        start: i64,
        sequence: u64,
    ) -> Uuid {
        let name = format!("{host}/{epoch}/{link}/{direction:?}/{start}/{sequence}");
        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    }

    /// Whether this version of a record takes the place of another: the closed one of two, else the one
    /// that counted more. The rest only makes the choice the same whoever comes first.
    fn supersedes(&self, other: &Self) -> bool {
        let rank =
            |it: &Self| (it.ended_by.is_some(), it.bytes, it.packets, it.end, it.duration_ms);
        (rank(self), self) > (rank(other), other)
    }
}

/// One record for each id, by id: the same result in whatever order and however often copies and versions
/// of records come.
pub fn merge(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut by_id: BTreeMap<Uuid, Record> = BTreeMap::new();
    for record in records {
        match by_id.entry(record.id) {
            Entry::Vacant(entry) => _ = entry.insert(record),
            Entry::Occupied(mut entry) => {
                if record.supersedes(entry.get()) {
                    entry.insert(record);
                }
            }
        }
    }
    by_id.into_values().collect()
}
