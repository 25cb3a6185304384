//! What was read of the counters, where, and when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::{Direction, Link};

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Traffic {
    /// IP packets as on the wire after segmentation.
    #[serde(rename = "p")]
    pub packets: u64,
    /// Bytes of these packets, without Ethernet.
    #[serde(rename = "b")]
    pub bytes: u64,
}

/// The counters of one link: everything since they were zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Counts {
    /// What left the VNet.
    #[serde(rename = "e")]
    pub egress: Traffic,
    /// What entered it.
    #[serde(rename = "i")]
    pub ingress: Traffic,
}

impl Traffic {
    fn since(self, before: Self) -> Option<Self> {
        let packets = self.packets.checked_sub(before.packets)?;
        Some(Self { packets, bytes: self.bytes.checked_sub(before.bytes)? })
    }

    fn plus(self, other: Self) -> Self {
        let packets = self.packets.saturating_add(other.packets);
        Self { packets, bytes: self.bytes.saturating_add(other.bytes) }
    }
}

impl Counts {
    /// One direction of it.
    pub const fn of(&self, direction: Direction) -> Traffic {
        match direction {
            Direction::Egress => self.egress,
            Direction::Ingress => self.ingress,
        }
    }

    /// What was counted after `before`; `None` if a counter was higher then.
    pub fn since(&self, before: &Self) -> Option<Self> {
        let egress = self.egress.since(before.egress)?;
        Some(Self { egress, ingress: self.ingress.since(before.ingress)? })
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { egress: self.egress.plus(other.egress), ingress: self.ingress.plus(other.ingress) }
    }
}

/// A point in time by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970 (UTC), by the clock that can be set.
    #[serde(rename = "w")]
    pub wall_ms: i64,
    /// Milliseconds since the host was booted, by the clock that cannot.
    #[serde(rename = "b")]
    pub boot_ms: u64,
}

impl Moment {
    /// Whole seconds of the wall clock.
    pub const fn seconds(&self) -> i64 {
        self.wall_ms.div_euclid(1_000)
    }
}

/// Which counters: they live as long as the map does, and a map no longer than the boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The kernel's `boot_id`.
    pub boot: Uuid,
    /// The kernel's number of the map, which it gives to no other map of the same boot.
    pub map: u32,
}

/// One reading of the counters.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// When.
    pub moment: Moment,
    /// Which counters.
    pub source: Source,
    /// Counters by the number of the link, of all numbers that the ledger asked for.
    pub counts: &'a BTreeMap<u32, Counts>,
    /// Numbers whose links are in force in the kernel.
    pub installed: &'a BTreeSet<u32>,
}

/// A link and its number, which is the place of its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The number.
    pub number: u32,
    /// The link.
    pub link: Link,
}
