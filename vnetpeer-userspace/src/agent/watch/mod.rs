//! Who watches packets live, and what each of them is told.
//!
//! The kernel has one filter: that of the only one who watches, or one that lets pass what any of several asks
//! for. What passes is compared with each one's own. Nobody waits for one who does not read: what finds their
//! queue full is counted and told.

mod condition;
mod names;

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use vnetpeer_common::abi::{Event, Watch, stage};

pub use self::condition::UnknownName;
use self::{
    condition::{takes, union, watch_of},
    names::{Clock, Names},
};
use super::{
    api::{LostPackets, WatchLine, WatchRequest},
    deployment::Deployment,
};
use crate::dataplane::{maps::MapOpError, watch::WatchMaps};

/// Chunks of lines that wait for one who watches.
const QUEUE: usize = 64;
/// How long the flow cache knows what it was told before every packet was watched.
const FORGET: Duration = Duration::from_millis(1_100);

/// Why nobody can watch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The request.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The kernel.
    #[error(transparent)]
    Map(#[from] MapOpError),
}

/// See the module.
pub struct Hub {
    host: String,
    maps: WatchMaps,
    in_force: watch::Receiver<Arc<Deployment>>,
    inner: Mutex<Inner>,
}

struct Inner {
    next: u64,
    observers: BTreeMap<u64, Observer>,
    names: Option<Names>,
}

/// One who watches.
struct Observer {
    wants: Watch,
    lines: mpsc::Sender<Bytes>,
    lost_before: u64,
    lost: LostPackets,
    told: LostPackets,
}

impl Hub {
    /// Nobody watches yet.
    pub fn new(host: String, maps: WatchMaps, in_force: watch::Receiver<Arc<Deployment>>) -> Self {
        let inner = Inner { next: 0, observers: BTreeMap::new(), names: None };
        Self { host, maps, in_force, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines for one more who watches; the first comes when every packet is told.
    pub async fn watch(&self, request: &WatchRequest) -> Result<mpsc::Receiver<Bytes>, WatchError> {
        let deployment = Arc::clone(&self.in_force.borrow());
        let wants = watch_of(request, &deployment)?;
        let (lines, receiver) = mpsc::channel(QUEUE);
        let ready = line(&WatchLine::Ready(self.host.clone()));
        // The queue is empty.
        let _ = lines.try_send(ready.into());
        {
            let mut inner = self.inner();
            let zero = LostPackets::default();
            let lost_before = self.maps.lost()?;
            let observer = Observer { wants, lines, lost_before, lost: zero, told: zero };
            let number = inner.next;
            inner.next += 1;
            inner.observers.insert(number, observer);
            if let Err(error) = self.filter(&inner) {
                inner.observers.remove(&number);
                return Err(error.into());
            }
        }
        if wants.stages & stage::OF_EVERY_PACKET != 0 {
            tokio::time::sleep(FORGET).await;
        }
        Ok(receiver)
    }

    fn filter(&self, inner: &Inner) -> Result<(), MapOpError> {
        self.maps.set(union(inner.observers.values().map(|it| it.wants)))
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        !self.inner().observers.is_empty()
    }

    /// Tells everybody what they asked for.
    pub fn tell(&self, seen: &[(Event, Vec<u8>)]) {
        let mut inner = self.inner();
        if inner.observers.is_empty() {
            return;
        }
        let deployment = Arc::clone(&self.in_force.borrow());
        let Inner { observers, names, .. } = &mut *inner;
        let known = names.take().filter(|it| it.are_of(&deployment));
        let names = names.insert(known.unwrap_or_else(|| Names::new(&self.host, deployment)));
        let clock = Clock::read();
        let lost = self.maps.lost().ok();
        for observer in observers.values_mut() {
            observer.tell(seen, names, clock, lost);
        }
        let before = observers.len();
        observers.retain(|_, it| !it.lines.is_closed());
        if observers.len() != before
            && let Err(error) = self.filter(&inner)
        {
            tracing::error!(%error, "packets are still watched for somebody who has gone");
        }
    }
}

impl Observer {
    fn tell(
        &mut self,
        seen: &[(Event, Vec<u8>)],
        names: &mut Names,
        clock: Clock,
        lost: Option<u64>,
    ) {
        let mut text = Vec::new();
        let mut packets = 0;
        for (event, frame) in seen {
            if takes(&self.wants, event, |nic| names.vnet(nic)) {
                packets += 1;
                let packet = names.tell(event, frame, clock);
                text.extend(line(&WatchLine::Packet(Box::new(packet))));
            }
        }
        if let Some(lost) = lost {
            self.lost.kernel = lost - self.lost_before;
        }
        let before = self.told;
        if self.lost != before {
            text.extend(line(&WatchLine::Lost(self.lost)));
            self.told = self.lost;
        }
        if !text.is_empty() && self.lines.try_send(text.into()).is_err() {
            self.lost.agent += packets;
            self.told = before;
        }
    }
}

/// A value as one line of JSON.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    // Writing to memory cannot fail.
    let _ = text.write_all(b"\n");
    text
}
