//! When the queues that limit NICs are named, and when no longer.

use vnetpeer_common::abi;

use super::{Op, Sequence};

/// The queue that a NIC has and keeps. Another one is named at the end.
pub(super) fn kept(old: Option<&abi::Nic>, new: &abi::Nic) -> u32 {
    old.filter(|old| old.shaper == new.shaper).map_or(0, |old| old.shaper)
}

impl Sequence<'_> {
    /// Frames come back from a queue only while the interface behind it leads to the NIC: none may be sent
    /// into it before that or afterwards.
    pub(super) fn leave_shapers(&mut self) {
        for id in self.leaving() {
            let Some((old, new)) = self.stays(id) else { continue };
            self.push(Op::SetNic { id, nic: abi::Nic { shaper: new.shaper, ..*old } });
        }
    }

    /// Names the queues that NICs have now.
    pub(super) fn enter_shapers(&mut self) {
        for (id, nic) in self.desired.nics.iter().filter(|(_, nic)| nic.shaper != 0) {
            if let Some(known) = self.next.nics.get(id).copied() {
                let nic = abi::Nic { shaper: nic.shaper, ..known };
                self.push(Op::SetNic { id: *id, nic });
            }
        }
    }
}
