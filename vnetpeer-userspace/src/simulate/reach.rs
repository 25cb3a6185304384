//! Who reaches whom by what traffic, and what a change makes of it.
//!
//! A place reaches another if a request gets there and its answer comes back, by the packets of a
//! [`Session`](super::Session): routes, peerings, appliances, security rules and the flows that they
//! open decide as in the kernel. A subnet stands for its NICs: one of every kind that rules and routes
//! can tell apart, by its first address of each family. A subnet without a NIC is tried at its first
//! free address.
//!
//! Clients send from the ports that operating systems take; rules that name source ports are judged by
//! one of these.

mod guards;
mod marks;
mod places;
mod probe;
mod reason;
#[cfg(test)]
mod tests;
mod traffic;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    ops::Range,
    panic::resume_unwind,
    thread,
};

use ipnet::IpNet;
use serde::Serialize;

use self::{
    places::{Places, Side},
    probe::{Pair, Prober},
    reason::Reasons,
    world::{Seat, World},
};
pub use self::{
    reason::{Reason, ReasonRoute, ReasonRule, Way},
    traffic::{Ports, Traffic},
};
use super::SimulateError;
use crate::topology::{model::ResourceId, network::Network, state::StateError};

/// Why reachability cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReachError {
    /// Stand-ins for empty subnets got no numbers.
    #[error(transparent)]
    State(#[from] StateError),
    /// A network cannot be simulated.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Family {
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

impl Family {
    const ALL: [Self; 2] = [Self::IPv4, Self::IPv6];

    fn is_v4(self) -> bool {
        self == Self::IPv4
    }
}

/// One end of a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// The subnet.
    pub subnet: ResourceId,
    /// Its prefix of the family.
    pub address_prefix: Option<IpNet>,
    /// The NICs that it is about; empty: the whole subnet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_interfaces: Vec<ResourceId>,
}

/// Traffic that a pair of subnets gains or loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Who sends requests.
    pub source: End,
    /// Who answers.
    pub destination: End,
    /// The family.
    pub family: Family,
    /// What of the traffic.
    pub traffic: Traffic,
    /// Why it is lost; nothing about what is gained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a change of the network makes of reachability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Traffic that did not get there and does, by subnets.
    pub gained: Vec<Change>,
    /// Traffic that did and does not any more.
    pub lost: Vec<Change>,
}

/// What changes from `old` to `new`.
pub fn changes(old: &Network<'_>, new: &Network<'_>) -> Result<Changes, ReachError> {
    let (before, after) = (Side::new(old), Side::new(new));
    let places = Places::new(&before, &after);
    let (before, after) = (World::new(&before, &places)?, World::new(&after, &places)?);
    let (gained, lost) = compare(&places, &before, &after);
    let network = Network::new(&after.topology, &after.state).map_err(SimulateError::from)?;
    let network = network.with_facts(&new.facts);
    let reasons = Reasons::new(&network, &after.network);
    let prober = Prober::new(&after);
    let explained = |(change, shown): (Change, Places2)| {
        let pair = pair(&after, shown, change.family);
        let failure = pair.and_then(|pair| prober.failure(&pair, &change.traffic));
        Change { reason: Some(reasons.of(failure.as_ref(), pair.as_ref())), ..change }
    };
    Ok(Changes {
        gained: collapse(gained, &places, &after).into_iter().map(|(change, _)| change).collect(),
        lost: collapse(lost, &places, &before).into_iter().map(explained).collect(),
    })
}

/// Two places: the first sends.
type Places2 = (usize, usize);

/// Two subnets in one family: the first sends.
type Subnets2 = (usize, usize, Family);

/// Differences between places, by their subnets.
type Found = BTreeMap<Subnets2, Vec<(Places2, Traffic)>>;

/// All differences: gained, lost. Every core takes a part of the places that send.
fn compare(places: &Places, before: &World, after: &World) -> (Found, Found) {
    let parts = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut gained, mut lost) = (Found::new(), Found::new());
    thread::scope(|scope| {
        let part = |part| move || compare_part(places, before, after, (part, parts));
        let workers: Vec<_> = (0..parts).map(|it| scope.spawn(part(it))).collect();
        for worker in workers {
            let found = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            for (all, found) in [(&mut gained, found.0), (&mut lost, found.1)] {
                for (key, differing) in found {
                    all.entry(key).or_default().extend(differing);
                }
            }
        }
    });
    for found in [&mut gained, &mut lost] {
        for differing in found.values_mut() {
            differing.sort_unstable();
        }
    }
    (gained, lost)
}

/// The differences of those of the places that send that are a worker's: one of `parts`, from `part` on.
fn compare_part(
    places: &Places,
    before: &World,
    after: &World,
    (part, parts): (usize, usize),
) -> (Found, Found) {
    let (mut gained, mut lost) = (Found::new(), Found::new());
    let (mut old, mut new) = (Prober::new(before), Prober::new(after));
    let all = || places.places.iter().enumerate();
    let sources = all().skip(part).step_by(parts);
    for ((from, source), (to, destination)) in sources.flat_map(|a| all().map(move |b| (a, b))) {
        for family in Family::ALL {
            let was = pair(before, (from, to), family).map(|pair| old.traffic(&pair));
            let is = pair(after, (from, to), family).map(|pair| new.traffic(&pair));
            let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
            if was == is {
                continue;
            }
            let key = (source.subnet, destination.subnet, family);
            for (found, traffic) in [(&mut lost, was.minus(&is)), (&mut gained, is.minus(&was))] {
                if !traffic.is_empty() {
                    found.entry(key).or_default().push(((from, to), traffic));
                }
            }
        }
    }
    (gained, lost)
}

/// The NICs that stand for two places; inside one place, two of its NICs.
fn pair(world: &World, (from, to): Places2, family: Family) -> Option<Pair> {
    let (source, destination): (Option<&Seat>, Option<&Seat>) = if from == to {
        (world.seats(from).first(), world.seats(from).get(1))
    } else {
        (world.seats(from).first(), world.seats(to).first())
    };
    Pair::new(source?, destination?, family.is_v4())
}

/// One change for each pair of subnets whose places all differ alike; else one for each place that sends,
/// and traffic. `has_it` is the network that has the traffic. With each comes a pair of places that shows
/// it.
fn collapse(found: Found, places: &Places, has_it: &World) -> Vec<(Change, Places2)> {
    let mut changes = Vec::new();
    for ((source, destination, family), differing) in found {
        let (from, to) = (places.of(source), places.of(destination));
        let all = from.flat_map(|from| to.clone().map(move |to| (from, to)));
        let compared = all.filter(|both| pair(has_it, *both, family).is_some()).count();
        let first = differing.first().map(|(_, traffic)| traffic);
        let is_alike = differing.iter().all(|(_, traffic)| Some(traffic) == first);
        let is_whole = is_alike && differing.len() == compared;
        let mut groups: BTreeMap<(usize, Traffic), Vec<Places2>> = BTreeMap::new();
        for (both, traffic) in differing {
            let from = if is_whole { 0 } else { both.0 };
            groups.entry((from, traffic)).or_default().push(both);
        }
        for ((_, traffic), pairs) in groups {
            let named: &[Places2] = if is_whole { &[] } else { &pairs };
            let source = places.end(source, family, named.iter().map(|it| it.0));
            let destination = places.end(destination, family, named.iter().map(|it| it.1));
            if let (Some(source), Some(destination), Some(shown)) =
                (source, destination, pairs.first())
            {
                let change = Change { source, destination, family, traffic, reason: None };
                changes.push((change, *shown));
            }
        }
    }
    changes
}

impl Places {
    /// The places of a subnet.
    fn of(&self, subnet: usize) -> Range<usize> {
        let start = self.places.partition_point(|place| place.subnet < subnet);
        let end = self.places.partition_point(|place| place.subnet <= subnet);
        start..end
    }

    /// A subnet, or these of its places.
    fn end(
        &self,
        subnet: usize,
        family: Family,
        places: impl Iterator<Item = usize>,
    ) -> Option<End> {
        let members = places.filter_map(|place| self.places.get(place)).map(|it| &it.members);
        let network_interfaces: BTreeSet<&ResourceId> = members.flatten().collect();
        let subnet = self.subnets.get(subnet)?;
        let of_family = |it: &&IpNet| it.addr().is_ipv4() == family.is_v4();
        Some(End {
            subnet: subnet.id.clone(),
            address_prefix: subnet.prefixes.iter().find(of_family).copied(),
            network_interfaces: network_interfaces.into_iter().cloned().collect(),
        })
    }
}
