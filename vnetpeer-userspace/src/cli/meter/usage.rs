//! What commands about usage have in common: records, prices, months and the time.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use vnetpeer_metering::{merge, price::PriceBook, rating::Month, record::Record};

use super::Global;

/// Where usage comes from.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Usage {
    /// Records from this file, or from all exports in this folder, instead of from the agents (repeat it)
    #[arg(long, value_name = "PATH")]
    records: Vec<PathBuf>,
    /// Make forecasts and close months as if it were this time, e.g. 2026-11-30T12:00:00Z
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
}

impl Usage {
    /// One record for each window from `since` to before `until`, of all hosts.
    pub(super) async fn read(
        &self,
        global: &Global,
        since: i64,
        until: i64,
    ) -> anyhow::Result<Vec<Record>> {
        if !self.records.is_empty() {
            return Ok(merge::read(&self.records)?);
        }
        let mut records = Vec::new();
        for client in global.target.clients()? {
            records.extend(client.usage(since, until).await?);
        }
        Ok(vnetpeer_metering::record::merge(records))
    }

    /// Seconds since 1970 (UTC).
    pub(super) fn now(&self) -> i64 {
        let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = || i64::try_from(by_clock().as_secs()).unwrap_or(i64::MAX);
        self.as_of.map_or_else(now, Timestamp::as_second)
    }

    /// The month that was asked for, or the current one.
    pub(super) fn month(&self, asked: Option<Month>) -> anyhow::Result<Month> {
        let month = asked.or_else(|| Month::of(self.now()));
        month.context("the clock is in no month that a calendar has; give --month")
    }
}

/// What prices are read from.
pub(in crate::cli) fn prices(path: &Path) -> anyhow::Result<PriceBook> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read prices from {name}; examples/prices.yaml is one"))?;
    Ok(PriceBook::read(&name, &text)?)
}
