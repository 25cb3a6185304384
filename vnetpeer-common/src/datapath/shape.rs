//! Where a NIC's frames go first if what it sends is limited: into a queue of the kernel's own, which
//! lets them out at the limit's pace on another interface. They come in there as if from the workload.
//!
//! Every frame takes that way, whatever is in it, so that a NIC's frames stay in their order.

use super::{Tables, Verdict};
use crate::abi::Nic;

/// The way to the queue for a frame that came in on the workload's own interface.
#[inline(always)]
pub(super) fn queue(nic: &Nic, ifindex: u32) -> Option<Verdict> {
    if nic.shaper != 0 && ifindex == nic.ifindex {
        Some(Verdict::Shape { ifindex: nic.shaper })
    } else {
        None
    }
}

/// The workload's own interface, where the answer goes to a frame that came in on `ifindex`: that very
/// interface, or the one behind the queue.
#[inline(always)]
pub fn reply_interface<T: Tables>(tables: &T, ifindex: u32) -> u32 {
    match tables.nic_of_interface(ifindex).and_then(|id| tables.nic(id)) {
        Some(nic) => nic.ifindex,
        None => ifindex,
    }
}
