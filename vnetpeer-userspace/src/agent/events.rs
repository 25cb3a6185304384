//! Sampled drops from the kernel's ring, the newest of them kept for whoever asks.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use tokio::time::interval;
use vnetpeer_common::{abi::DropEvent, reason::DropReason};

use super::api::DropRecord;

/// Between two looks at the ring.
const INTERVAL: Duration = Duration::from_millis(100);
/// Events that are kept.
const KEPT: usize = 256;

/// The newest events.
#[derive(Clone, Default)]
pub struct Events(Arc<Mutex<VecDeque<DropRecord>>>);

impl Events {
    /// The kept events, oldest first.
    pub fn recent(&self) -> Vec<DropRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, record: DropRecord) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(record);
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
                    self.push(record(&event));
                }
            }
        }
    }
}

fn record(event: &DropEvent) -> DropRecord {
    let reason = DropReason::from_number(event.reason);
    DropRecord {
        reason: reason.map_or_else(|| format!("#{}", event.reason), |it| it.name().to_owned()),
        nic: event.nic.0,
        source_nic: event.source_nic.0,
        link: event.link.0,
        source_address: event.src.to_string(),
        destination_address: event.dst.to_string(),
        protocol: event.protocol,
        source_port: event.src_port,
        destination_port: event.dst_port,
        bytes: event.len,
    }
}
