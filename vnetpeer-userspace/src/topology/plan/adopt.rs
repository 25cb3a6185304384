//! What the maps hold, from what was read back of them.

use std::collections::{BTreeMap, BTreeSet};

use vnetpeer_common::{
    abi::{self, Entry, NextHop, Node4, Node6, Roots},
    types::{Addr, LinkId, NicId, TableId, VnetId, VtepId},
};

use super::{Observed, PoolCapacities};
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
    /// Map `VTEPS`.
    pub vteps: Vec<(VtepId, abi::Vtep)>,
    /// Map `VTEP_ADDRS`.
    pub vtep_addrs: Vec<(Addr, VtepId)>,
    /// Keys of map `NIC_ADDRS`.
    pub nic_addrs: Vec<abi::AddressKey>,
    /// The entry of map `CONFIG`.
    pub config: abi::Config,
}

impl Observed {
    /// Takes over maps that an agent before this one filled, finished or not: what the roots lead to
    /// is in use, everything else is free.
    pub fn adopt(raw: RawMaps, capacities: PoolCapacities) -> Self {
        let routes = entries(raw.routes);
        let vnets = entries(raw.vnets);
        let tries = routes.values().chain(vnets.values().flat_map(|it| [&it.endpoints, &it.peers]));
        let tries: Vec<Roots> = tries.copied().collect();
        let v4: BTreeMap<u32, Node4> = raw.trie_v4.into_iter().filter(used).collect();
        let v6: BTreeMap<u32, Node6> = raw.trie_v6.into_iter().filter(used).collect();

        let (live_v4, _) = reach(&v4, tries.iter().map(|roots| roots.v4));
        let (live_v6, _) = reach(&v6, tries.iter().map(|roots| roots.v6));
        let (_, mut hops) = reach(&v4, routes.values().map(|roots| roots.v4));
        hops.append(&mut reach(&v6, routes.values().map(|roots| roots.v6)).1);
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
            vteps: entries(raw.vteps),
            vtep_addrs: entries(raw.vtep_addrs),
            nic_addrs: raw.nic_addrs.into_iter().collect(),
            config: raw.config,
            trie_v4: Pool::adopt(capacities.trie_v4, v4.into_iter().collect(), &live_v4),
            trie_v6: Pool::adopt(capacities.trie_v6, v6.into_iter().collect(), &live_v6),
            next_hops: Pool::adopt(capacities.next_hops, next_hops.into_iter().collect(), &hops),
        }
    }
}

fn entries<K: Ord, V: bytemuck::Zeroable + PartialEq>(raw: Vec<(K, V)>) -> BTreeMap<K, V> {
    raw.into_iter().filter(used).collect()
}

fn used<K, V: bytemuck::Zeroable + PartialEq>(entry: &(K, V)) -> bool {
    entry.1 != V::zeroed()
}

/// Nodes and leaf values that roots lead to.
fn reach<T: NodeFormat>(
    nodes: &BTreeMap<u32, T>,
    roots: impl Iterator<Item = Entry>,
) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut found, mut leaves) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<Entry> = roots.collect();
    while let Some(entry) = open.pop() {
        leaves.extend(entry.as_leaf());
        let Some(index) = entry.as_node() else { continue };
        let Some(node) = nodes.get(&index) else { continue };
        if found.insert(index) {
            open.push(node.skipped(0).2);
            open.extend(node.children());
        }
    }
    (found, leaves)
}
