//! The stream: events without bytes of their frames, in a ring for each CPU that user space has mapped. To write one takes
//! no helper, and nothing that two CPUs share.

use vnetpeer_common::abi::{Event, StreamEnds, capacity};

use crate::{helpers, maps};

/// Where the next event of this CPU goes.
pub(crate) struct Place {
    ends: *mut StreamEnds,
    event: *mut Event,
}

/// The next place; `None` while all are unread.
#[inline(always)]
pub(crate) fn reserve() -> Option<Place> {
    let cpu = helpers::cpu();
    let ends = maps::STREAM_ENDS.get_ptr_mut(cpu)?;
    // SAFETY: the pointer is into the map. Only this CPU writes the first number, and programs do not interrupt each
    // other on a CPU; user space writes the second one at any time.
    let (number, read) = unsafe { ((*ends).written, (&raw const (*ends).read).read_volatile()) };
    if number.wrapping_sub(read) >= u64::from(capacity::STREAM) {
        return None;
    }
    let index = cpu * capacity::STREAM + (number as u32 & (capacity::STREAM - 1));
    let event = maps::STREAM.get_ptr_mut(index)?;
    Some(Place { ends, event })
}

impl Place {
    /// Writes the event and hands it over.
    #[inline(always)]
    pub(crate) fn write(self, fill: impl FnOnce(&mut Event)) {
        // SAFETY: the place is this CPU's until it is handed over.
        fill(unsafe { &mut *self.event });
        // SAFETY: the number is this CPU's to write. The addition comes after all that was written before it.
        unsafe { helpers::atomic_fetch_increment(&raw mut (*self.ends).written) };
    }
}
