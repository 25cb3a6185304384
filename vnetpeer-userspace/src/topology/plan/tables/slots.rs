//! Who has which of the slots that flows are spread over.

use vnetpeer_common::{abi::Entry, types::NicId};

/// Slots of a spread next hop and of a load balancing rule: the children of a node.
pub(super) const SLOTS: usize = 256;

/// What a member may still get.
struct Room {
    member: NicId,
    slots: usize,
    /// It has one of the slots that are left over when all have the same number.
    has_more: bool,
}

/// The slots of a load balancing rule. Each goes to the member that it prefers of those that have room: no two
/// members differ by more than one slot, so that flows are spread evenly over few members too.
pub(super) fn deal(members: &[NicId]) -> [Entry; SLOTS] {
    let count = members.len().max(1);
    let (part, mut more) = (SLOTS / count, SLOTS % count);
    let room = |member: &NicId| Room { member: *member, slots: part, has_more: false };
    let mut room: Vec<Room> = members.iter().map(room).collect();
    let mut slots = [Entry::EMPTY; SLOTS];
    for (slot, entry) in (0..).zip(&mut slots) {
        let free = room.iter_mut().filter(|it| it.slots > 0 || (more > 0 && !it.has_more));
        let Some(chosen) = free.max_by_key(|it| weight(it.member.0, slot)) else { continue };
        *entry = Entry::leaf(chosen.member.0);
        if chosen.slots > 0 {
            chosen.slots -= 1;
        } else {
            chosen.has_more = true;
            more -= 1;
        }
    }
    slots
}

/// How much slot `slot` likes a NIC: rendezvous hashing, so that a member that goes
/// leaves its own slots to the others and moves no other, whatever order or VNet it is named in.
/// (The mixer is that of `splitmix64`.)
pub(super) fn weight(nic: u32, slot: u32) -> u64 {
    let mut x = (u64::from(nic) << 32 | u64::from(slot)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vnetpeer_common::datapath::slot_of_turn;

    use super::*;

    const CONNECTIONS: u64 = 1_000;

    /// Wherever a host begins, and however many connections there were before.
    #[test]
    fn a_thousand_connections_are_within_a_tenth_of_even() {
        for count in [2, 3, 4, 5, 7, 10] {
            let mut worst = 0;
            for first in (1..2_000_u32).step_by(97) {
                let members: Vec<NicId> = (0..count).map(|it| NicId(first + it * 3)).collect();
                let slots = deal(&members);
                for begin in (0..256).step_by(7) {
                    let mut taken: BTreeMap<Option<u32>, u64> = BTreeMap::new();
                    for turn in 0..CONNECTIONS {
                        let slot = slot_of_turn(turn + u64::from(begin) * 11, begin);
                        *taken.entry(slots[slot as usize].as_leaf()).or_default() += 1;
                    }
                    assert_eq!(taken.len(), members.len());
                    // In thousandths of even.
                    let off =
                        taken.values().map(|it| (it * u64::from(count)).abs_diff(CONNECTIONS));
                    worst = worst.max(off.max().unwrap_or_default());
                }
            }
            println!("{count} members: at most {worst} of 1,000 off");
            assert!(worst <= 100, "{count} members: {worst}");
        }
    }

    #[test]
    fn a_member_that_goes_moves_few_slots_of_the_others() {
        let members: Vec<NicId> = (1..=4).map(NicId).collect();
        let (all, fewer) = (deal(&members), deal(&members[..3]));
        let stayed = all.iter().zip(&fewer).filter(|(a, b)| a == b).count();
        assert!(stayed > SLOTS / 2, "{stayed}");
    }
}
