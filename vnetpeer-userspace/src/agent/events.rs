//! What the kernel's ring tells: sampled drops, the newest of them kept for whoever asks, and packets that
//! somebody watches.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use tokio::{task::yield_now, time::sleep};
use vnetpeer_common::abi::{Event, event_flags};

use super::watch::Hub;

/// Between two looks at the ring.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while somebody watches.
const WATCHED_INTERVAL: Duration = Duration::from_millis(5);
/// Events that are kept.
const KEPT: usize = 256;
/// Events of one look.
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

    /// Reads the ring for as long as the agent runs. Looking at a mapped page again and again costs less than
    /// being woken for every event.
    pub async fn read(self, mut ring: RingBuf<MapData>, hub: Arc<Hub>) {
        loop {
            let watched = hub.is_watched();
            let mut seen = Vec::new();
            let mut taken = 0;
            while taken < BATCH
                && let Some(item) = ring.next()
            {
                taken += 1;
                let Some((event, frame)) = parse(&item) else { continue };
                if event.flags & event_flags::SAMPLED != 0 {
                    self.push(event);
                }
                if watched && event.flags & event_flags::WATCHED != 0 {
                    seen.push((event, frame.to_vec()));
                }
            }
            if watched {
                hub.tell(&seen);
            }
            if taken == BATCH {
                yield_now().await;
            } else {
                sleep(if watched { WATCHED_INTERVAL } else { INTERVAL }).await;
            }
        }
    }
}

/// An event and the bytes of its frame. A ring of another version may hold other sizes.
fn parse(item: &[u8]) -> Option<(Event, &[u8])> {
    let (event, frame) = item.split_at_checked(size_of::<Event>())?;
    let event: Event = bytemuck::try_pod_read_unaligned(event).ok()?;
    let captured = usize::try_from(event.captured).ok()?;
    Some((event, frame.get(..captured)?))
}
