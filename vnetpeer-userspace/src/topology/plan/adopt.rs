//! What the maps hold, from what was read back of them.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
};

use vnetpeer_common::{
    abi::{self, Entry, NextHop, Node4, Node6, Roots, next_hop_kind},
    types::{Addr, BalancerId, LinkId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use super::{Observed, PoolCapacities, tables::KnownTables};
use crate::topology::trie::{NodeFormat, Pool, QUARANTINE_GENERATIONS};

/// Entries of all maps as read from the kernel. Entries of arrays that are all zero may be left out.
#[derive(Clone, Debug, Default)]
pub struct RawMaps {
    /// Map `IFACES`.
    pub ifaces: Vec<(u32, NicId)>,
    /// Map `NICS`.
    pub nics: Vec<(NicId, abi::Nic)>,
    /// Map `VNETS`.
    pub vnets: Vec<(VnetId, abi::Vnet)>,
    /// Map `ROUTES`.
    pub routes: Vec<(TableId, Roots)>,
    /// Map `TRIE_V4`.
    pub trie_v4: Vec<(u32, Node4)>,
    /// Map `TRIE_V6`.
    pub trie_v6: Vec<(u32, Node6)>,
    /// Map `NEXT_HOPS`.
    pub next_hops: Vec<(u32, NextHop)>,
    /// Map `LINKS`.
    pub links: Vec<(LinkId, abi::Link)>,
    /// Map `RELATIONS`.
    pub relations: Vec<(abi::RelationKey, LinkId)>,
    /// Map `BALANCERS`.
    pub balancers: Vec<(BalancerId, abi::Balancer)>,
    /// Map `FRONTENDS`.
    pub frontends: Vec<(abi::FrontendKey, BalancerId)>,
    /// Map `VTEPS`.
    pub vteps: Vec<(VtepId, abi::Vtep)>,
    /// Map `VTEP_ADDRS`.
    pub vtep_addrs: Vec<(Addr, VtepId)>,
    /// Keys of map `NIC_ADDRS`.
    pub nic_addrs: Vec<abi::AddressKey>,
    /// Map `FILTERS`.
    pub filters: Vec<(u32, abi::Filter)>,
    /// Map `POLICIES`.
    pub policies: Vec<(PolicyId, u32)>,
    /// The entries of map `CLASSIFIERS` that `policies` names; others may be left out.
    pub classifiers: Vec<(u32, abi::Classifier)>,
    /// The entries of map `ROWS` that [`Self::rows_in_use`] tells; others may be left out.
    pub rows: Vec<(u32, abi::Row)>,
    /// The entry of map `CONFIG`.
    pub config: abi::Config,
}

impl RawMaps {
    /// The rows that the compiled rules in force lead to.
    pub fn rows_in_use(&self) -> BTreeSet<u32> {
        let nodes4: BTreeMap<u32, &Node4> = self.trie_v4.iter().map(|(at, it)| (*at, it)).collect();
        let nodes6: BTreeMap<u32, &Node6> = self.trie_v6.iter().map(|(at, it)| (*at, it)).collect();
        let classifiers = || self.classifiers.iter().map(|(_, it)| it);
        let (_, mut rows) = reach::<Node4, _>(&nodes4, classifiers().flat_map(roots4));
        rows.append(&mut reach::<Node6, _>(&nodes6, classifiers().flat_map(roots6)).1);
        rows.extend(classifiers().flat_map(|it| it.kinds));
        rows.remove(&0);
        rows
    }
}

/// Where a classifier's IPv4 tries and its port tries begin.
fn roots4(it: &abi::Classifier) -> [Entry; 4] {
    [it.source.v4, it.destination.v4, it.source_port, it.destination_port]
}

/// Where a classifier's IPv6 tries begin.
fn roots6(it: &abi::Classifier) -> [Entry; 2] {
    [it.source.v6, it.destination.v6]
}

impl Observed {
    /// Takes over maps that an agent before this one filled, finished or not: what the roots lead to
    /// is in use, everything else is free.
    pub fn adopt(mut raw: RawMaps, capacities: PoolCapacities) -> Self {
        let policies = entries(raw.policies.clone());
        let in_force: BTreeSet<u32> = policies.values().copied().collect();
        raw.classifiers.retain(|(index, _)| in_force.contains(index));
        let rows = raw.rows_in_use();
        let routes = entries(raw.routes);
        let vnets = entries(raw.vnets);
        let tries = routes.values().chain(vnets.values().flat_map(|it| [&it.endpoints, &it.peers]));
        let tries: Vec<Roots> = tries.copied().collect();
        let balancers: BTreeMap<BalancerId, abi::Balancer> = entries(raw.balancers);
        let slots = balancers.values().map(|it| Entry::node(it.slots));
        let v4: BTreeMap<u32, Node4> = raw.trie_v4.into_iter().filter(used).collect();
        let v6: BTreeMap<u32, Node6> = raw.trie_v6.into_iter().filter(used).collect();

        let (_, mut hops) = reach::<Node4, _>(&v4, routes.values().map(|roots| roots.v4));
        hops.append(&mut reach::<Node6, _>(&v6, routes.values().map(|roots| roots.v6)).1);
        let spread = spread_nodes(&raw.next_hops, &hops);
        hops.append(&mut reach::<Node4, _>(&v4, spread.iter().copied()).1);
        let of_rules = raw.classifiers.iter().flat_map(|(_, it)| roots4(it));
        let roots = tries.iter().map(|roots| roots.v4).chain(of_rules).chain(spread).chain(slots);
        let (live_v4, _) = reach::<Node4, _>(&v4, roots);
        let of_rules = raw.classifiers.iter().flat_map(|(_, it)| roots6(it));
        let (live_v6, _) =
            reach::<Node6, _>(&v6, tries.iter().map(|roots| roots.v6).chain(of_rules));
        // A next hop of zeros is a route of type None, or nothing if no route leads to it.
        let nowhere = hops.iter().map(|index| (*index, NextHop::default()));
        let mut next_hops: BTreeMap<u32, NextHop> = nowhere.collect();
        next_hops.extend(raw.next_hops.into_iter().filter(used));

        Self {
            generation: QUARANTINE_GENERATIONS,
            ifaces: entries(raw.ifaces),
            nics: entries(raw.nics),
            vnets,
            routes,
            links: entries(raw.links),
            relations: entries(raw.relations),
            balancers,
            frontends: entries(raw.frontends),
            vteps: entries(raw.vteps),
            vtep_addrs: entries(raw.vtep_addrs),
            nic_addrs: raw.nic_addrs.into_iter().collect(),
            filters: entries(raw.filters),
            policies,
            config: raw.config,
            trie_v4: Pool::adopt(capacities.trie_v4, v4.into_iter().collect(), &live_v4).into(),
            trie_v6: Pool::adopt(capacities.trie_v6, v6.into_iter().collect(), &live_v6).into(),
            next_hops: Pool::adopt(capacities.next_hops, next_hops.into_iter().collect(), &hops)
                .into(),
            classifiers: Pool::adopt(capacities.classifiers, raw.classifiers, &in_force).into(),
            rows: Pool::adopt(capacities.rows, raw.rows, &rows).into(),
            flushing: None,
            built: BTreeMap::new(),
            known: KnownTables::default(),
        }
    }
}

/// The nodes that next hops in use spread flows by.
fn spread_nodes(next_hops: &[(u32, NextHop)], in_use: &BTreeSet<u32>) -> Vec<Entry> {
    let spread = next_hops
        .iter()
        .filter(|(index, hop)| hop.kind == next_hop_kind::SPREAD && in_use.contains(index));
    spread.map(|(_, hop)| Entry::node(hop.target)).collect()
}

fn entries<K: Ord, V: bytemuck::Zeroable + PartialEq>(raw: Vec<(K, V)>) -> BTreeMap<K, V> {
    raw.into_iter().filter(used).collect()
}

fn used<K, V: bytemuck::Zeroable + PartialEq>(entry: &(K, V)) -> bool {
    entry.1 != V::zeroed()
}

/// Nodes and leaf values that roots lead to.
fn reach<T: NodeFormat, N: Borrow<T>>(
    nodes: &BTreeMap<u32, N>,
    roots: impl Iterator<Item = Entry>,
) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut found, mut leaves) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<Entry> = roots.collect();
    while let Some(entry) = open.pop() {
        leaves.extend(entry.as_leaf());
        let Some(index) = entry.as_node() else { continue };
        let Some(node) = nodes.get(&index).map(Borrow::borrow) else { continue };
        if found.insert(index) {
            open.push(node.skipped(0).2);
            open.extend(node.children());
        }
    }
    (found, leaves)
}
