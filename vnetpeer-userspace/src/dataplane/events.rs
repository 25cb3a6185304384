//! What programs tell of packets: the stream, and the ring of those of which bytes were wanted.

use std::sync::atomic::Ordering;

use aya::{
    Ebpf,
    maps::{Array, IterableMap as _, MapData, RingBuf},
};
use vnetpeer_common::abi::{Event, StreamEnds, capacity, maps};

use super::{
    LoadError,
    maps::take,
    sys::{Abi, Mapped},
};

/// Number of [`StreamEnds::written`] among its words.
const WRITTEN: usize = 0;
/// Number of [`StreamEnds::read`].
const READ: usize = 8;

/// Both, open for the one who reads them.
pub struct Events {
    ring: RingBuf<MapData>,
    streamed: Mapped<Event>,
    ends: Mapped<StreamEnds>,
}

impl Events {
    /// Takes the maps out of a loaded object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            ring: take(ebpf, maps::EVENTS)?,
            streamed: mapped(ebpf, maps::STREAM)?,
            ends: mapped(ebpf, maps::STREAM_ENDS)?,
        })
    }

    /// Reads what was told since the last call: events with the bytes of their frames, in the order of each CPU. No more
    /// than `limit` of the ring, and of each CPU. Returns how many there were of the one that had most.
    pub fn read(&mut self, limit: usize, mut see: impl FnMut(Event, &[u8])) -> usize {
        let streamed = (0..self.ends.len()).map(|cpu| self.read_stream(cpu, limit, &mut see));
        let streamed = streamed.max().unwrap_or(0);
        let mut captured = 0;
        while captured < limit
            && let Some(item) = self.ring.next()
        {
            captured += 1;
            if let Some((event, frame)) = parse(&item) {
                see(event, frame);
            }
        }
        streamed.max(captured)
    }

    fn read_stream(&self, cpu: usize, limit: usize, see: &mut impl FnMut(Event, &[u8])) -> usize {
        const ROOM: u64 = capacity::STREAM as u64;
        let (Some(written), Some(read)) = (self.ends.word(cpu, WRITTEN), self.ends.word(cpu, READ))
        else {
            return 0;
        };
        // What was written before the number is there with it.
        let (end, start) = (written.load(Ordering::Acquire), read.load(Ordering::Relaxed));
        let unread = end.wrapping_sub(start).min(ROOM).min(limit as u64);
        for number in 0..unread {
            let slot = start.wrapping_add(number) % ROOM;
            let event = usize::try_from(slot).ok().and_then(|slot| {
                self.streamed.get(cpu.checked_mul(capacity::STREAM as usize)?.checked_add(slot)?)
            });
            if let Some(event) = event {
                see(event, &[]);
            }
        }
        // The program may write there only now.
        read.store(start.wrapping_add(unread), Ordering::Release);
        usize::try_from(unread).unwrap_or(limit)
    }
}

fn mapped<V: bytemuck::Pod>(ebpf: &mut Ebpf, name: &'static str) -> Result<Mapped<V>, LoadError> {
    let map: Array<MapData, Abi<V>> = take(ebpf, name)?;
    Mapped::new(map.map()).map_err(|source| LoadError::Map { name, source: Box::new(source) })
}

/// An event and the bytes of its frame. A ring of another version may hold other sizes.
fn parse(item: &[u8]) -> Option<(Event, &[u8])> {
    let (event, frame) = item.split_at_checked(size_of::<Event>())?;
    let event: Event = bytemuck::try_pod_read_unaligned(event).ok()?;
    let captured = usize::try_from(event.captured).ok()?;
    Some((event, frame.get(..captured)?))
}
