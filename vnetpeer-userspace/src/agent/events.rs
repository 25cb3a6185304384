//! What the kernel's ring tells: sampled drops, the newest of them kept for whoever asks, and packets that
//! somebody watches.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::yield_now, time::sleep};
use vnetpeer_common::abi::{Event, event_flags};

use super::watch::Hub;
use crate::dataplane::events::Events as Source;

/// Between two looks at what is told.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while somebody watches.
const WATCHED_INTERVAL: Duration = Duration::from_millis(5);
/// Events that are kept.
const KEPT: usize = 256;
/// Events of one look, of each CPU.
const BATCH: usize = 8_192;

/// The newest sampled drops.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<VecDeque<Event>>>);

impl Events {
    /// The kept events, oldest first.
    pub fn recent(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn push(&self, event: Event) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event);
    }

    /// Reads them for as long as the agent runs. Looking at a mapped page again and again costs less than
    /// being woken for every event.
    pub async fn read(self, mut source: Source, hub: Arc<Hub>) {
        loop {
            let watched = hub.is_watched();
            let mut seen = Vec::new();
            let most = source.read(BATCH, |event, frame| {
                if event.flags & event_flags::SAMPLED != 0 {
                    self.push(event);
                }
                if watched && event.flags & event_flags::WATCHED != 0 {
                    seen.push((event, frame.to_vec()));
                }
            });
            // Those of one CPU keep their order.
            seen.sort_by_key(|(event, _)| event.time);
            if watched {
                hub.tell(&seen);
            }
            if most == BATCH {
                yield_now().await;
            } else {
                sleep(if watched { WATCHED_INTERVAL } else { INTERVAL }).await;
            }
        }
    }
}
