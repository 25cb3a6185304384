//! Ages the flow tables: every few seconds all flows are read, and those that have ended are removed.
//!
//! A sweep runs beside the agent's task, which waits for it before it changes the maps: a NIC that an
//! apply adds must not have its first flows taken for those of a stranger.

use std::{sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use vnetpeer_common::abi::{Flow, FlowsOpened};

use super::{
    aging::{self, Owners, Seen, Time},
    reconcile::Reconciler,
    task::chain,
};
use crate::dataplane::flows::{FlowError, FlowKey, FlowMaps, FlowTable};

/// Between the beginnings of two sweeps.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What a sweep left and what it removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// IPv4 flows in the table.
    pub v4: u64,
    /// IPv6 flows in the table.
    pub v6: u64,
    /// Flows removed.
    pub removed: u64,
}

/// Why a sweep failed.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("cannot age the flows")]
    Flows(#[from] FlowError),
    #[error("the sweep was ended")]
    Ended(#[from] JoinError),
}

/// The sweeps of one host, one at a time.
pub struct Sweeper {
    maps: Arc<FlowMaps>,
    running: Option<JoinHandle<Result<Swept, FlowError>>>,
    last: Option<Swept>,
    last_error: Option<String>,
}

impl Sweeper {
    /// Prepares the sweeps of these maps.
    pub fn new(maps: Arc<FlowMaps>) -> Self {
        Self { maps, running: None, last: None, last_error: None }
    }

    /// What the last sweep found, if there was one.
    pub fn last(&self) -> Option<Swept> {
        self.last
    }

    /// Begins a sweep unless one runs.
    pub fn start(&mut self, reconciler: &Reconciler) {
        if self.running.is_some() {
            return;
        }
        let owners = aging::owners(reconciler.desired());
        match time(reconciler) {
            Ok(time) => {
                let maps = Arc::clone(&self.maps);
                self.running = Some(spawn_blocking(move || sweep(&maps, &owners, time)));
            }
            Err(error) => self.fail(&error.into()),
        }
    }

    /// Waits for the end of the sweep that runs; for ever if none does. Nothing is lost if the wait
    /// is given up.
    pub async fn ended(&mut self) {
        match &mut self.running {
            Some(running) => {
                let result = running.await;
                self.running = None;
                self.note(result.map_err(SweepError::from).and_then(|it| Ok(it?)));
            }
            None => std::future::pending().await,
        }
    }

    /// Waits until no sweep runs.
    pub async fn pause(&mut self) {
        if self.running.is_some() {
            self.ended().await;
        }
    }

    fn note(&mut self, result: Result<Swept, SweepError>) {
        match result {
            Ok(swept) => {
                self.last = Some(swept);
                self.last_error = None;
                tracing::debug!(?swept, "aged the flows");
            }
            Err(error) => self.fail(&error),
        }
    }

    /// A failure that lasts is told once.
    fn fail(&mut self, error: &SweepError) {
        let error = chain(error);
        if self.last_error.as_ref() != Some(&error) {
            tracing::error!(%error, "flows do not end as they should");
            self.last_error = Some(error);
        }
    }
}

/// The time of the flow tables.
pub fn time(reconciler: &Reconciler) -> Result<Time, FlowError> {
    let tick_rate = reconciler.desired().config.tick_rate;
    Ok(Time { now: reconciler.dataplane().jiffies()?, tick_rate })
}

/// Reads all flows once, removes what has ended, and settles the counters.
fn sweep(maps: &FlowMaps, owners: &Owners, time: Time) -> Result<Swept, FlowError> {
    let before = opened(maps)?;
    let mut pass = Pass { owners, time, seen: vec![Seen::default(); before.len()], removed: 0 };
    let (v4, v6) = (pass.table(&maps.v4)?, pass.table(&maps.v6)?);
    let after = opened(maps)?;
    for (slot, ((before, after), seen)) in (0..).zip(before.iter().zip(&after).zip(&pass.seen)) {
        let ended = maps.ended(slot)?;
        let settled = aging::settle(ended, *before, *after, seen);
        if settled != ended {
            maps.set_ended(slot, settled)?;
        }
    }
    Ok(Swept { v4, v6, removed: pass.removed })
}

fn opened(maps: &FlowMaps) -> Result<Vec<FlowsOpened>, FlowError> {
    (0..maps.slots()).map(|slot| maps.opened(slot)).collect()
}

/// One pass over the tables.
struct Pass<'a> {
    owners: &'a Owners,
    time: Time,
    /// By slot.
    seen: Vec<Seen>,
    removed: u64,
}

impl Pass<'_> {
    /// Goes through one table and returns how many flows it leaves there.
    fn table<K: FlowKey>(&mut self, table: &FlowTable<K>) -> Result<u64, FlowError> {
        let mut left = 0;
        table.each(|key, flow| {
            let owner = self.owners.get(&key.nic()).copied();
            let mut nobody = Seen::default();
            let slot = owner.and_then(|it| usize::try_from(it.slot).ok());
            let seen = slot.and_then(|slot| self.seen.get_mut(slot)).unwrap_or(&mut nobody);
            seen.saw(flow);
            if !self.time.has_ended(flow, owner.as_ref()) {
                left += 1;
                return Ok(());
            }
            let still_ended = |flow: &Flow| self.time.has_ended(flow, owner.as_ref());
            match remove(table, key, still_ended)? {
                Some(removed) => {
                    seen.removed(&removed);
                    self.removed += 1;
                }
                None => left += 1,
            }
            Ok(())
        })?;
        Ok(left)
    }
}

/// Removes a flow unless it has gone on meanwhile. Returns what was removed.
fn remove<K: FlowKey>(
    table: &FlowTable<K>,
    key: &K,
    has_ended: impl Fn(&Flow) -> bool,
) -> Result<Option<Flow>, FlowError> {
    let Some(flow) = table.take(key)? else { return Ok(None) };
    let back = !has_ended(&flow) && table.put_back(key, &flow)?;
    Ok((!back).then_some(flow))
}
