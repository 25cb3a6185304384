//! Overlaps between address prefixes.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whether two prefixes share an address.
pub(super) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Pairs of indices of prefixes that share addresses: each prefix with the smallest one before it
/// that contains it. Takes time for sorting only, because prefixes either nest or are disjoint.
pub(super) fn overlaps(prefixes: &[IpNet]) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..prefixes.len()).collect();
    let key = |index: &usize| {
        let prefix = prefixes.get(*index);
        (prefix.map(IpNet::network), prefix.map(IpNet::prefix_len), *index)
    };
    order.sort_by_key(key);
    let mut pairs = Vec::new();
    let mut containing: Vec<(usize, IpNet)> = Vec::new();
    for index in order {
        let Some(prefix) = prefixes.get(index) else { continue };
        while containing.last().is_some_and(|(_, outer)| !outer.contains(prefix)) {
            containing.pop();
        }
        if let Some((outer, _)) = containing.last() {
            pairs.push((index.min(*outer), index.max(*outer)));
        }
        containing.push((index, *prefix));
    }
    pairs.sort_unstable();
    pairs
}

/// The address `count` places after `address`, if there is one.
pub(super) fn offset(address: IpAddr, count: u64) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let count = u32::try_from(count).ok()?;
            u32::from(address).checked_add(count).map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(address) => {
            u128::from(address).checked_add(count.into()).map(|bits| IpAddr::V6(bits.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net() -> impl Strategy<Value = IpNet> {
        (any::<u32>(), 0u8..=32).prop_map(|(bits, len)| {
            // Few distinct bits, so that overlaps are common.
            let address = IpAddr::from((bits & 0xc0c0_0000).to_be_bytes());
            IpNet::new(address, len).unwrap().trunc()
        })
    }

    proptest! {
        #[test]
        fn overlaps_finds_a_pair_exactly_if_there_is_one(
            prefixes in proptest::collection::vec(net(), 0..8)
        ) {
            let found = overlaps(&prefixes);
            for (a, b) in &found {
                prop_assert!(overlap(&prefixes[*a], &prefixes[*b]));
            }
            for (b, prefix) in prefixes.iter().enumerate() {
                let naive = prefixes.iter().enumerate().any(|(a, other)| a != b && overlap(other, prefix));
                let seen = found.iter().any(|(x, y)| *x == b || *y == b);
                prop_assert_eq!(naive, seen);
            }
        }
    }

    #[test]
    fn families_do_not_overlap() {
        let prefixes = ["0.0.0.0/0", "::/0"].map(|text| text.parse().unwrap());
        assert_eq!(overlaps(&prefixes), []);
    }

    #[test]
    fn offset_stops_at_the_end_of_the_family() {
        assert_eq!(offset("255.255.255.254".parse().unwrap(), 1), "255.255.255.255".parse().ok());
        assert_eq!(offset("255.255.255.255".parse().unwrap(), 1), None);
        assert_eq!(offset("fd00::".parse().unwrap(), 4), "fd00::4".parse().ok());
    }
}
