//! What is measured of whom, what it is compared with, and what is wanted.

use super::{Measured, Values, beside::Hosts, ours};
use crate::{
    harness::At,
    report::{Against, Row, median},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Metric {
    /// Packets of 64 bytes in a second.
    Packets,
    /// The same in both directions at once, a CPU for each.
    BothWays,
    /// So many streams of TCP.
    Stream(u32),
    /// A request and its response, the middle one of all.
    RoundTrip,
    /// The same, 99th percentile.
    RoundTrip99,
}

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The product.
    Ours(At, To),
    /// Programs of a few instructions.
    Least(At, Hosts),
    /// The kernel by itself.
    Kernel(Hosts),
    /// Nobody: one veth pair from workload to workload.
    Veth,
}

/// Where the product delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// To a NIC of the same VNet and host.
    Local,
    /// To a NIC of a peered VNet on the same host.
    Peered,
    /// To a NIC of a peered VNet on another host.
    Remote,
    /// The same over a wire-like underlay.
    Wire,
}

impl To {
    pub(super) const fn hosts(self) -> Hosts {
        match self {
            Self::Local | Self::Peered => Hosts::One,
            Self::Remote => Hosts::Two,
            Self::Wire => Hosts::Wire,
        }
    }

    pub(super) const fn nic(self) -> &'static str {
        match self {
            Self::Local => ours::LOCAL,
            Self::Peered => ours::PEERED,
            Self::Remote | Self::Wire => ours::REMOTE,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peered => "peered",
            Self::Remote => "two-hosts",
            Self::Wire => "two-hosts-wire",
        }
    }
}

impl Metric {
    const fn name(self) -> &'static str {
        match self {
            Self::Packets => "pps",
            Self::BothWays => "pps-both-ways",
            Self::Stream(1) => "tcp1",
            Self::Stream(_) => "tcp4",
            Self::RoundTrip => "rr-p50",
            Self::RoundTrip99 => "rr-p99",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Packets | Self::BothWays => "Mpps",
            Self::Stream(_) => "Gbit/s",
            Self::RoundTrip | Self::RoundTrip99 => "us",
        }
    }

    /// Whether it says something new about that.
    fn is_measured(self, at: At, hosts: Hosts) -> bool {
        match (self, at, hosts) {
            // A wire is another case for the underlay only, which TC at the NICs meets as well.
            (_, At::Xdp, Hosts::Wire) | (Self::BothWays, _, Hosts::Wire) => false,
            // Streams are what TC is for; four of them say nothing new about XDP.
            (Self::Stream(count), At::Xdp, _) => count == 1,
            _ => true,
        }
    }

    /// With what it is measured: both percentiles come from one run.
    const fn run(self) -> Self {
        match self {
            Self::RoundTrip99 => Self::RoundTrip,
            other => other,
        }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    name: String,
    metric: Metric,
    subject: Subject,
    floor: Option<Subject>,
    baseline: Option<Subject>,
    /// A row that says how many times as long this takes, packet for packet.
    against: Option<Subject>,
}

/// The rows whose names contain `filter`.
pub(crate) fn selected(filter: &str) -> Vec<Wanted> {
    let mut rows = Vec::new();
    let metrics = [
        Metric::Packets,
        Metric::BothWays,
        Metric::Stream(1),
        Metric::Stream(4),
        Metric::RoundTrip,
        Metric::RoundTrip99,
    ];
    for metric in metrics {
        for (at, to) in [
            (At::Xdp, To::Local),
            (At::Xdp, To::Peered),
            (At::Xdp, To::Remote),
            (At::Tc, To::Local),
            (At::Tc, To::Peered),
            (At::Tc, To::Remote),
            (At::Tc, To::Wire),
        ] {
            if !metric.is_measured(at, to.hosts()) || (metric, to) == (Metric::BothWays, To::Peered)
            {
                continue;
            }
            let hosts = to.hosts();
            rows.push(Wanted {
                name: format!("system/{}/{}/{}", metric.name(), hook(at), to.name()),
                metric,
                subject: Subject::Ours(at, to),
                floor: Some(Subject::Least(at, hosts)),
                baseline: Some(Subject::Kernel(hosts)),
                against: None,
            });
        }
        rows.extend(alone(metric));
    }
    for at in [At::Xdp, At::Tc] {
        rows.push(Wanted {
            name: format!("system/peered-to-local/{}", hook(at)),
            metric: Metric::Packets,
            subject: Subject::Ours(at, To::Peered),
            floor: None,
            baseline: None,
            against: Some(Subject::Ours(at, To::Local)),
        });
    }
    rows.retain(|row| row.name.contains(filter));
    rows
}

/// Rows of what the product is compared with.
fn alone(metric: Metric) -> Vec<Wanted> {
    let mut rows = Vec::new();
    let mut add = |who: String, subject| {
        let name = format!("system/{}/{who}", metric.name());
        rows.push(Wanted { name, metric, subject, floor: None, baseline: None, against: None });
    };
    for hosts in [Hosts::One, Hosts::Two, Hosts::Wire] {
        let to = match hosts {
            Hosts::One => To::Local,
            Hosts::Two => To::Remote,
            Hosts::Wire => To::Wire,
        };
        for at in [At::Xdp, At::Tc] {
            if metric.is_measured(at, hosts) {
                add(format!("minimal-{}/{}", hook(at), to.name()), Subject::Least(at, hosts));
            }
        }
        if metric.is_measured(At::Tc, hosts) {
            add(format!("kernel/{}", to.name()), Subject::Kernel(hosts));
        }
    }
    add("veth".to_owned(), Subject::Veth);
    rows
}

const fn hook(at: At) -> &'static str {
    match at {
        At::Xdp => "xdp",
        At::Tc => "tc",
    }
}

impl Wanted {
    /// What must be measured for the row.
    pub(super) fn needs(&self) -> Vec<Measured> {
        let beside = [self.floor, self.baseline, self.against].into_iter().flatten();
        beside.chain([self.subject]).map(|subject| (self.metric.run(), subject)).collect()
    }

    /// The row, unless nothing could be measured.
    pub(super) fn with(&self, values: &Values) -> Option<Row> {
        let of = |subject| values.get(&(self.metric, subject));
        let rounds = of(self.subject)?;
        if let Some(against) = self.against {
            let ratios = of(against)?.iter().zip(rounds).map(|(other, own)| other / own).collect();
            return Some(Row::new(&self.name, "x", ratios).at_most(Some(1.03)));
        }
        let median = |subject: Option<Subject>| Some(median(of(subject?)?));
        let (floor, baseline) = (median(self.floor), median(self.baseline));
        let row = Row::new(&self.name, self.metric.unit(), rounds.clone());
        Some(self.goals(row.beside(floor, baseline)))
    }

    fn goals(&self, row: Row) -> Row {
        let Subject::Ours(at, to) = self.subject else { return row };
        match (self.metric, at, to) {
            (Metric::Packets, At::Xdp, To::Local | To::Peered) => {
                row.wanted(Against::Floor, true, 0.88)
            }
            (Metric::BothWays, ..) => {
                row.wanted(Against::Floor, true, if at == At::Xdp { 0.85 } else { 0.9 })
            }
            (Metric::Packets, At::Xdp, _) => {
                row.wanted(Against::Floor, true, 0.85).wanted(Against::Baseline, true, 9.0)
            }
            (Metric::Packets, At::Tc, _) => row.wanted(Against::Floor, true, 0.90),
            (Metric::Stream(_), At::Tc, To::Wire) => row.wanted(Against::Baseline, true, 1.0),
            (Metric::Stream(_), At::Tc, _) => {
                row.wanted(Against::Floor, true, 0.95).wanted(Against::Baseline, true, 1.15)
            }
            (Metric::RoundTrip, At::Tc, _) => row.wanted(Against::Floor, false, 1.05),
            _ => row,
        }
    }
}
