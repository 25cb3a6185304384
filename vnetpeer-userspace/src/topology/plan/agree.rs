//! What the old and the new contents of one entry have in common.

use std::{cmp::Ordering, collections::BTreeMap};

use vnetpeer_common::{
    abi::{self, nic_flags},
    types::Addr,
};

/// Whether two entries of one number are the same link; else its meter counted for another.
pub(super) fn same_link(old: &abi::Link, new: &abi::Link) -> bool {
    (old.vnet, old.remote) == (new.vnet, new.remote)
}

/// Whether a NIC has every address in effect.
pub(super) fn forwards(nic: &abi::Nic) -> bool {
    nic.flags & nic_flags::FORWARDING != 0
}

/// Whether an address is the first of its family.
pub(super) fn has_first(nic: &abi::Nic, addr: Addr) -> bool {
    [Addr::v4(nic.ipv4), Addr::v6(nic.ipv6)].contains(&addr)
}

/// A NIC that may do and has only what the old and the new one both may and have; where it is, is
/// where the new one is.
pub(super) fn agreed_nic(old: &abi::Nic, new: &abi::Nic) -> abi::Nic {
    let both = old.flags & new.flags & nic_flags::FORWARDING;
    let more = (old.flags | new.flags) & nic_flags::MORE_ADDRESSES;
    let others = new.flags & !(nic_flags::FORWARDING | nic_flags::MORE_ADDRESSES);
    let (ipv4, ipv6) = match (forwards(old), forwards(new)) {
        (true, _) => (new.ipv4, new.ipv6),
        (false, true) => (old.ipv4, old.ipv6),
        (false, false) => (
            if old.ipv4 == new.ipv4 { new.ipv4 } else { [0; 4] },
            if old.ipv6 == new.ipv6 { new.ipv6 } else { [0; 16] },
        ),
    };
    abi::Nic { flags: others | both | more, ipv4, ipv6, ..*new }
}

/// The keys that only one of two maps has, and those that have other values in them.
pub(super) fn differing<K: Copy + Ord, V: PartialEq>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> Vec<K> {
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return found,
        };
        let a = left.next_if(|_| order != Ordering::Greater);
        let b = right.next_if(|_| order != Ordering::Less);
        if a.map(|it| it.1) != b.map(|it| it.1) {
            found.extend(a.or(b).map(|(key, _)| *key));
        }
    }
}
