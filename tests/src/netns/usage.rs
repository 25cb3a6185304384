//! What the ledgers of all hosts say.

use std::collections::BTreeMap;

use vnetpeer_metering::record::{Direction, Record, merge};

use super::Deployment;

/// Packets and bytes by the names of both VNets and the direction.
pub type Usage = BTreeMap<(String, String, Direction), (u64, u64)>;

impl Deployment {
    /// All records of all hosts, up to now.
    pub async fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for agent in self.agents() {
            records.extend(agent.usage(0, i64::MAX).await.expect("the agent answers"));
        }
        let count = records.len();
        let records = merge(records);
        assert_eq!(records.len(), count, "no id is there twice");
        records
    }

    /// Their sums.
    pub async fn usage(&self) -> Usage {
        let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
        let mut usage = Usage::new();
        for it in self.records().await {
            let remote = it.link.remote_vnet.as_deref().map_or_else(String::new, last);
            let sum = usage.entry((last(&it.link.vnet), remote, it.direction)).or_default();
            sum.0 += it.packets;
            sum.1 += it.bytes;
        }
        usage
    }
}

/// What was used between two looks.
pub fn used(before: &Usage, after: &Usage, from: &str, to: &str, way: Direction) -> (u64, u64) {
    let key = (from.to_owned(), to.to_owned(), way);
    let (a, b) = (before.get(&key).copied(), after.get(&key).copied());
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    (b.0 - a.0, b.1 - a.1)
}
