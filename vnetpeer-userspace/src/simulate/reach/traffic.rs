//! Sets of traffic: ICMP echo, and TCP and UDP by port.

use std::{fmt, ops::RangeInclusive};

use serde::{Serialize, Serializer};

const ALL_PORTS: RangeInclusive<u16> = 0..=u16::MAX;

/// Destination ports: ranges in ascending order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// Every port.
    pub fn all() -> Self {
        Self(vec![(*ALL_PORTS.start(), *ALL_PORTS.end())])
    }

    /// The ranges.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> + '_ {
        self.0.iter().map(|(start, end)| *start..=*end)
    }

    /// Whether a port is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.ranges().any(|range| range.contains(&port))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a range behind all others.
    pub(super) fn push(&mut self, range: &RangeInclusive<u16>) {
        match self.0.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*range.start()) => *end = *range.end(),
            _ => self.0.push((*range.start(), *range.end())),
        }
    }

    /// Those that are not in the other set.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (start, end) in &self.0 {
            let (mut next, end) = (u32::from(*start), u32::from(*end));
            for (from, to) in other.0.iter().map(|(from, to)| (u32::from(*from), u32::from(*to))) {
                if to < next || from > end {
                    continue;
                }
                if from > next {
                    left.push(&narrow(next, from - 1));
                }
                next = to + 1;
            }
            if next <= end {
                left.push(&narrow(next, end));
            }
        }
        left
    }

    fn is_all(&self) -> bool {
        *self == Self::all()
    }
}

fn narrow(start: u32, end: u32) -> RangeInclusive<u16> {
    let narrow = |port| u16::try_from(port).unwrap_or(u16::MAX);
    narrow(start)..=narrow(end)
}

/// As rules write them: `443`, `8000-8080`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (start, end)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{start}")?;
            if start != end {
                write!(f, "-{end}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|range| Self(vec![*range]).to_string()))
    }
}

/// What can be sent from one place to another, with its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Traffic {
    /// Echo requests.
    pub icmp: bool,
    /// TCP connections to these ports.
    pub tcp: Ports,
    /// UDP datagrams to these ports.
    pub udp: Ports,
}

impl Traffic {
    /// All of it.
    pub fn all() -> Self {
        Self { icmp: true, tcp: Ports::all(), udp: Ports::all() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is not in the other set.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            icmp: self.icmp && !other.icmp,
            tcp: self.tcp.minus(&other.tcp),
            udp: self.udp.minus(&other.udp),
        }
    }

    /// What is in both sets.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.minus(&self.minus(other))
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all traffic");
        }
        let mut parts = Vec::new();
        if self.icmp {
            parts.push("ICMP".to_owned());
        }
        if self.tcp == self.udp && !self.tcp.is_empty() {
            parts.push(of_ports("TCP and UDP", &self.tcp));
        } else {
            let both = [("TCP", &self.tcp), ("UDP", &self.udp)].into_iter();
            let named = both.filter(|(_, ports)| !ports.is_empty());
            parts.extend(named.map(|(name, ports)| of_ports(name, ports)));
        }
        f.write_str(&parts.join("; "))
    }
}

/// The ports, or the others if these are fewer.
fn of_ports(protocol: &str, ports: &Ports) -> String {
    let others = Ports::all().minus(ports);
    if ports.is_all() {
        protocol.to_owned()
    } else if others.0.len() < ports.0.len() {
        format!("{protocol} but {others}")
    } else {
        format!("{protocol} {ports}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(ranges: &[RangeInclusive<u16>]) -> Ports {
        let mut found = Ports::default();
        for range in ranges {
            found.push(range);
        }
        found
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(ports(&[0..=21, 22..=22, 23..=u16::MAX]), Ports::all());
    }

    #[test]
    fn what_is_taken_away_splits_ranges() {
        let all = Ports::all();
        assert_eq!(all.minus(&ports(&[22..=22])), ports(&[0..=21, 23..=u16::MAX]));
        assert_eq!(all.minus(&ports(&[0..=0, u16::MAX..=u16::MAX])), ports(&[1..=65_534]));
        assert_eq!(all.minus(&all), Ports::default());
        assert_eq!(ports(&[5..=9]).minus(&ports(&[1..=4, 10..=20])), ports(&[5..=9]));
        assert_eq!(ports(&[5..=9, 20..=30]).minus(&ports(&[7..=25])), ports(&[5..=6, 26..=30]));
    }

    #[test]
    fn traffic_reads_as_people_say_it() {
        let tcp = |tcp| Traffic { icmp: false, tcp, udp: Ports::default() };
        assert_eq!(Traffic::all().to_string(), "all traffic");
        assert_eq!(tcp(ports(&[443..=443])).to_string(), "TCP 443");
        assert_eq!(tcp(Ports::all().minus(&ports(&[22..=22]))).to_string(), "TCP but 22");
        let both = Traffic { icmp: true, tcp: ports(&[1..=9]), udp: ports(&[1..=9]) };
        assert_eq!(both.to_string(), "ICMP; TCP and UDP 1-9");
        assert_eq!(both.common(&tcp(ports(&[5..=20]))), tcp(ports(&[5..=9])));
    }
}
