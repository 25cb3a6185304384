//! What stands for a subnet: one NIC of every kind that it has before and after, or, where it has none
//! in both, a stand-in at its first free address.

use std::collections::{BTreeMap, HashMap, HashSet};

use ipnet::IpNet;

use super::{
    guards::{GuardId, Guards},
    marks::{Marks, RouteMarks, RuleMarks},
};
use crate::topology::{
    model::{NicIndex, ResourceId, Subnet, SubnetIndex, Topology, VnetIndex},
    network::Network,
};

/// Kinds of NICs that are told apart in one subnet; the NICs of further kinds are left out.
const KINDS_MAX: usize = 16;

/// A subnet that the network before or after has.
#[derive(Debug)]
pub(super) struct SubnetOf {
    pub(super) id: ResourceId,
    pub(super) prefixes: Vec<IpNet>,
}

/// A part of a subnet whose NICs fare alike.
#[derive(Debug)]
pub(super) struct Place {
    /// Index of its subnet.
    pub(super) subnet: usize,
    /// Its NICs; none: a stand-in.
    pub(super) members: Vec<ResourceId>,
}

/// All places of two networks.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) subnets: Vec<SubnetOf>,
    /// By subnet.
    pub(super) places: Vec<Place>,
}

/// One of the two networks, and what tells its NICs apart.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) network: &'a Network<'a>,
    pub(super) guards: Guards,
    pub(super) marks: Marks,
    subnets: BTreeMap<&'a ResourceId, Found<'a>>,
}

/// A subnet of one network with its NICs.
#[derive(Debug)]
struct Found<'a> {
    subnet: &'a Subnet,
    nics: Vec<NicIndex>,
}

/// All that may make a difference between two NICs of one subnet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Traits {
    guard: GuardId,
    forwards: bool,
    is_down: bool,
    families: [bool; 2],
    marks: Vec<(RuleMarks, RouteMarks)>,
}

impl<'a> Side<'a> {
    pub(super) fn new(network: &'a Network<'a>) -> Self {
        let topology: &'a Topology = network.topology;
        let mut nics: HashMap<(VnetIndex, SubnetIndex), Vec<NicIndex>> = HashMap::new();
        for (index, nic) in topology.nics.iter().enumerate() {
            nics.entry((nic.vnet, nic.subnet)).or_default().push(NicIndex(index));
        }
        let mut subnets = BTreeMap::new();
        for (vnet_index, vnet) in topology.vnets.iter().enumerate() {
            for (index, subnet) in vnet.subnets.iter().enumerate() {
                let key = (VnetIndex(vnet_index), SubnetIndex(index));
                let nics = nics.remove(&key).unwrap_or_default();
                subnets.insert(&subnet.id, Found { subnet, nics });
            }
        }
        let (guards, marks) = (Guards::new(topology), Marks::new(network));
        Self { network, guards, marks, subnets }
    }

    fn ids(&self, subnet: &ResourceId) -> Option<Vec<(&'a ResourceId, NicIndex)>> {
        let topology: &'a Topology = self.network.topology;
        let nics = &self.subnets.get(subnet)?.nics;
        Some(nics.iter().filter_map(|it| Some((&topology.nic(*it)?.id, *it))).collect())
    }

    fn traits(&self, index: NicIndex) -> Option<Traits> {
        let nic = self.network.topology.nic(index)?;
        let first = |v4: bool| nic.addresses.iter().copied().find(|it| it.is_ipv4() == v4);
        let firsts = [first(true), first(false)];
        let marks = firsts.into_iter().flatten();
        let marks = marks.map(|it| (self.marks.of_rules(it, Some(nic)), self.marks.of_routes(it)));
        Some(Traits {
            guard: self.guards.of(index),
            forwards: nic.enable_ip_forwarding,
            is_down: self.network.facts.down.contains(&nic.id),
            families: firsts.map(|it| it.is_some()),
            marks: marks.collect(),
        })
    }
}

impl Places {
    /// The places of both networks.
    pub(super) fn new(old: &Side<'_>, new: &Side<'_>) -> Self {
        let mut found = Self::default();
        let all = old.subnets.iter().chain(new.subnets.iter());
        let all: BTreeMap<&ResourceId, &Subnet> = all.map(|(id, it)| (*id, it.subnet)).collect();
        for (index, (id, subnet)) in all.into_iter().enumerate() {
            found.subnets.push(SubnetOf { id: id.clone(), prefixes: subnet.prefixes.clone() });
            let kinds = kinds(old, new, id);
            let places = kinds.into_iter().map(|members| Place { subnet: index, members });
            found.places.extend(places);
        }
        found
    }
}

/// The NICs of a subnet by their kinds. Of a subnet that is in both networks, those that are in both.
fn kinds(old: &Side<'_>, new: &Side<'_>, subnet: &ResourceId) -> Vec<Vec<ResourceId>> {
    let mut kinds: Vec<Vec<ResourceId>> = Vec::new();
    let mut known: HashMap<[Option<Traits>; 2], usize> = HashMap::new();
    let (before, after) = (old.ids(subnet), new.ids(subnet));
    let in_both = before.is_some() && after.is_some();
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let later: HashMap<&ResourceId, NicIndex> = after.iter().copied().collect();
    let stays = before.iter().map(|(id, nic)| (*id, Some(*nic), later.get(id).copied()));
    let earlier: HashSet<&ResourceId> = before.iter().map(|(id, _)| *id).collect();
    let comes = after.iter().filter(|(id, _)| !earlier.contains(id));
    let comes = comes.map(|(id, nic)| (*id, None, Some(*nic)));
    for (id, before, after) in stays.chain(comes) {
        if in_both && (before.is_none() || after.is_none()) {
            continue;
        }
        let traits = [before.and_then(|it| old.traits(it)), after.and_then(|it| new.traits(it))];
        let next = kinds.len();
        let kind = *known.entry(traits).or_insert(next);
        if kind == next && next < KINDS_MAX {
            kinds.push(Vec::new());
        }
        if let Some(members) = kinds.get_mut(kind) {
            members.push(id.clone());
        }
    }
    if kinds.is_empty() { vec![Vec::new()] } else { kinds }
}
