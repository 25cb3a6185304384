//! Tables of prefixes, and what of them is around a prefix or inside it.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A longest-prefix-match table of both families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixTable<T> {
    /// IPv4 prefixes, host bits zero.
    pub v4: BTreeMap<Ipv4Net, T>,
    /// IPv6 prefixes, host bits zero.
    pub v6: BTreeMap<Ipv6Net, T>,
}

impl<T> Default for PrefixTable<T> {
    fn default() -> Self {
        Self { v4: BTreeMap::new(), v6: BTreeMap::new() }
    }
}

impl<T> PrefixTable<T> {
    /// Sets the value of a prefix.
    pub fn insert(&mut self, prefix: IpNet, value: T) {
        match prefix {
            IpNet::V4(net) => self.v4.insert(net.trunc(), value),
            IpNet::V6(net) => self.v6.insert(net.trunc(), value),
        };
    }

    /// The value of exactly this prefix.
    pub fn get(&self, prefix: &IpNet) -> Option<&T> {
        match prefix {
            IpNet::V4(net) => self.v4.get(&net.trunc()),
            IpNet::V6(net) => self.v6.get(&net.trunc()),
        }
    }

    /// Whether it has no prefix.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// How many prefixes it has.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// All prefixes, IPv4 first, in the order of their addresses and the shorter first.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        let v4 = self.v4.iter().map(|(net, value)| (IpNet::V4(*net), value));
        v4.chain(self.v6.iter().map(|(net, value)| (IpNet::V6(*net), value)))
    }

    /// The longest prefix that is `prefix` or contains it.
    pub fn around(&self, prefix: &IpNet) -> Option<(IpNet, &T)> {
        match prefix {
            IpNet::V4(net) => around(&self.v4, net.trunc()).map(|it| (IpNet::V4(it.0), it.1)),
            IpNet::V6(net) => around(&self.v6, net.trunc()).map(|it| (IpNet::V6(it.0), it.1)),
        }
    }

    /// The prefixes that are `prefix` or contain it, the longest first.
    pub fn all_around(&self, prefix: &IpNet) -> impl Iterator<Item = (IpNet, &T)> {
        std::iter::successors(self.around(prefix), |(found, _)| self.around(&found.supernet()?))
    }

    /// The prefixes that are `prefix` or inside it.
    pub fn inside(&self, prefix: &IpNet) -> impl Iterator<Item = (IpNet, &T)> {
        let (v4, v6) = match prefix {
            IpNet::V4(net) => (Some(net.trunc()), None),
            IpNet::V6(net) => (None, Some(net.trunc())),
        };
        let v4 = v4.into_iter().flat_map(|net| inside(&self.v4, net));
        let v6 = v6.into_iter().flat_map(|net| inside(&self.v6, net));
        v4.map(|it| (IpNet::V4(*it.0), it.1)).chain(v6.map(|it| (IpNet::V6(*it.0), it.1)))
    }
}

/// A prefix without host bits. The order is that of the address, then the shorter prefix first.
trait Net: Copy + Ord {
    fn bits(self) -> u8;
    /// Its first `bits` bits, of which it has as many or more.
    fn shortened(self, bits: u8) -> Self;
    /// In how many bits both agree.
    fn agreed(self, other: Self) -> u8;
}

impl Net for Ipv4Net {
    fn bits(self) -> u8 {
        self.prefix_len()
    }

    fn shortened(self, bits: u8) -> Self {
        Self::new(self.addr(), bits).map_or(self, |net| net.trunc())
    }

    fn agreed(self, other: Self) -> u8 {
        let agreed = (self.addr().to_bits() ^ other.addr().to_bits()).leading_zeros();
        at_most(agreed, self.bits().min(other.bits()))
    }
}

impl Net for Ipv6Net {
    fn bits(self) -> u8 {
        self.prefix_len()
    }

    fn shortened(self, bits: u8) -> Self {
        Self::new(self.addr(), bits).map_or(self, |net| net.trunc())
    }

    fn agreed(self, other: Self) -> u8 {
        let agreed = (self.addr().to_bits() ^ other.addr().to_bits()).leading_zeros();
        at_most(agreed, self.bits().min(other.bits()))
    }
}

fn at_most(bits: u32, most: u8) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX).min(most)
}

/// Whatever is between a prefix and one around it is inside the latter. So where the prefix before `net`
/// does not contain it, what contains it contains both, and is no longer than what they agree in.
fn around<N: Net, T>(table: &BTreeMap<N, T>, net: N) -> Option<(N, &T)> {
    let mut net = net;
    loop {
        let (found, value) = table.range(..=net).next_back()?;
        let agreed = found.agreed(net);
        if agreed == found.bits() {
            return Some((*found, value));
        }
        net = net.shortened(agreed);
    }
}

fn inside<N: Net, T>(table: &BTreeMap<N, T>, net: N) -> impl Iterator<Item = (&N, &T)> {
    table.range(net..).take_while(move |(found, _)| found.agreed(net) == net.bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topology::testing::Random;

    fn random_net(random: &mut Random) -> IpNet {
        let address = random.next();
        if random.percent(50) {
            let address = u32::try_from(address & 0xc303_0003).unwrap();
            let bits = u8::try_from(random.below(33)).unwrap();
            IpNet::V4(Ipv4Net::new(address.into(), bits).unwrap().trunc())
        } else {
            let address = u128::from(address & 0xc303_0003) << 90;
            let bits = u8::try_from(random.below(129)).unwrap();
            IpNet::V6(Ipv6Net::new(address.into(), bits).unwrap().trunc())
        }
    }

    proptest! {
        #[test]
        fn around_and_inside_are_what_a_scan_finds(seed: u64) {
            let mut random = Random(seed);
            let mut table = PrefixTable::default();
            for number in 0..random.below(40) {
                table.insert(random_net(&mut random), number);
            }
            for _ in 0..100 {
                let net = random_net(&mut random);
                let all = table.iter().filter(|it| it.0.contains(&net));
                let mut expected: Vec<_> = all.collect();
                expected.sort_by_key(|it| std::cmp::Reverse(it.0.prefix_len()));
                prop_assert_eq!(table.around(&net), expected.first().copied());
                prop_assert_eq!(table.all_around(&net).collect::<Vec<_>>(), expected);
                let expected: Vec<_> = table.iter().filter(|it| net.contains(&it.0)).collect();
                prop_assert_eq!(table.inside(&net).collect::<Vec<_>>(), expected);
            }
        }
    }
}
