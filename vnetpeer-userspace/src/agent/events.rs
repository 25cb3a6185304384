//! Sampled drops from the kernel's ring, the newest of them kept for whoever asks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use tokio::time::interval;
use vnetpeer_common::abi::DropEvent;

/// Between two looks at the ring.
const INTERVAL: Duration = Duration::from_millis(100);
/// Events that are kept.
const KEPT: usize = 256;

/// The newest events.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<VecDeque<DropEvent>>>);

impl Events {
    /// The kept events, oldest first.
    pub fn recent(&self) -> Vec<DropEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn push(&self, event: DropEvent) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event);
    }

    /// Reads the ring for as long as the agent runs. Looking at a mapped page ten times a second costs
    /// less than being woken for every event.
    pub async fn read(self, mut ring: RingBuf<MapData>) {
        let mut due = interval(INTERVAL);
        loop {
            due.tick().await;
            while let Some(item) = ring.next() {
                // A ring of another version may hold other sizes.
                if let Ok(event) = bytemuck::try_pod_read_unaligned::<DropEvent>(&item) {
                    self.push(event);
                }
            }
        }
    }
}
