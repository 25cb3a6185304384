//! What the ledger knows of one link that is counted: the last reading and the open window.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    reading::{Counts, Moment, Source},
    record::Cut,
};

/// Namespace of the epochs.
const NAMESPACE: Uuid = Uuid::from_u128(0x64b9_1f0c_7d35_52a8_b6e1_0c9d_a45f_3e72);

/// Whether a link's counters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// It is about to be in force; its counters are set to zero just before. They hold what another
    /// link left until then.
    Pending,
    /// They are.
    Live,
    /// It is no longer in force since this time (boot clock, milliseconds); the last packets may
    /// still be counted.
    Leaving(u64),
}

/// A window that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) sequence: u64,
    pub(super) begin: Moment,
    pub(super) begun_by: Cut,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) late_since: Option<i64>,
    /// The counters when it began.
    pub(super) base: Counts,
}

/// See the module. It is stored under the GUID of its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) number: u32,
    /// Names what is said of the link.
    pub(super) label: Uuid,
    pub(super) source: Source,
    /// How often the counters were found lower than before.
    pub(super) generation: u32,
    pub(super) epoch: Uuid,
    /// Since when this epoch counts, milliseconds since 1970.
    pub(super) created_ms: i64,
    pub(super) phase: Phase,
    pub(super) last: Counts,
    pub(super) window: Window,
}

/// What was counted in a window, which ended unless `ended_by` is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    #[serde(rename = "l")]
    pub(super) label: Uuid,
    #[serde(rename = "e")]
    pub(super) epoch: Uuid,
    #[serde(rename = "n")]
    pub(super) sequence: u64,
    #[serde(rename = "s")]
    pub(super) start: i64,
    #[serde(rename = "t")]
    pub(super) end: i64,
    #[serde(rename = "d")]
    pub(super) duration_ms: u64,
    #[serde(rename = "b")]
    pub(super) begun_by: Cut,
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_by: Option<Cut>,
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) late_since: Option<i64>,
    #[serde(rename = "c")]
    pub(super) counts: Counts,
}

/// The epoch of counters on a host.
pub(super) fn epoch(host: &str, source: Source, generation: u32) -> Uuid {
    let name = format!("{host}/{}/{}/{generation}", source.boot, source.map);
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

impl Cell {
    /// What the open window has counted until `end`; `None` if that is nothing.
    pub(super) fn counted(&self, end: Moment, ended_by: Option<Cut>) -> Option<Counted> {
        let counts = self.last.since(&self.window.base).unwrap_or_default();
        if counts == Counts::default() {
            return None;
        }
        let Window { sequence, begin, begun_by, late_since, .. } = self.window;
        let start = begin.seconds();
        Some(Counted {
            label: self.label,
            epoch: self.epoch,
            sequence,
            start,
            end: end.seconds().max(start),
            duration_ms: end.boot_ms.saturating_sub(begin.boot_ms),
            begun_by,
            ended_by,
            late_since,
            counts,
        })
    }
}
