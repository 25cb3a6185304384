//! The contents of the maps, for the host's tables and for the kernel's.

use std::collections::BTreeMap;

use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, Classifier, Config, Entry, Filter, FrontendKey, Link, NextHop, Nic,
        Node4, Node6, RelationKey, Roots, Row, Vnet, Vtep, nic_flags, vnet_flags,
    },
    types::{Addr, BalancerId, LinkId, NextHopId, NicId, VtepId},
};

use super::{Nodes, SPREAD_NODE, World, policy::Compiled};
use crate::capacity;

/// One map each; arrays by index.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// `CONFIG`.
    pub config: BTreeMap<u32, Config>,
    /// `IFACES`.
    pub interfaces: BTreeMap<u32, NicId>,
    /// `NICS`.
    pub nics: BTreeMap<u32, Nic>,
    /// `VNETS`.
    pub vnets: BTreeMap<u32, Vnet>,
    /// `ROUTES`.
    pub routes: BTreeMap<u32, Roots>,
    /// `TRIE_V4`.
    pub trie_v4: BTreeMap<u32, Node4>,
    /// `TRIE_V6`.
    pub trie_v6: BTreeMap<u32, Node6>,
    /// `NEXT_HOPS`.
    pub next_hops: BTreeMap<u32, NextHop>,
    /// `LINKS`.
    pub links: BTreeMap<u32, Link>,
    /// `BALANCERS`.
    pub balancers: BTreeMap<u32, Balancer>,
    /// `FRONTENDS`.
    pub frontends: BTreeMap<FrontendKey, BalancerId>,
    /// `VTEPS`.
    pub vteps: BTreeMap<u32, Vtep>,
    /// `RELATIONS`.
    pub relations: BTreeMap<RelationKey, LinkId>,
    /// `VTEP_ADDRS`.
    pub vtep_addresses: BTreeMap<Addr, VtepId>,
    /// `FILTERS`.
    pub filters: BTreeMap<u32, Filter>,
    /// `POLICIES`.
    pub policies: BTreeMap<u32, u32>,
    /// `CLASSIFIERS`.
    pub classifiers: BTreeMap<u32, Classifier>,
    /// `ROWS`.
    pub rows: BTreeMap<u32, Row>,
    /// `NIC_ADDRS`.
    pub addresses: BTreeMap<AddressKey, u32>,
}

impl Image {
    pub(super) fn new(world: &World) -> Self {
        let mut nodes = Nodes::default();
        let next_hops = world.next_hops();
        let vnets = world.vnets.iter().map(|(id, spaces)| {
            let flags = if spaces.hosted { vnet_flags::HOSTED } else { 0 };
            let (endpoints, peers) = (nodes.add(&spaces.endpoints), nodes.add(&spaces.peers));
            let (region, group_links) = (spaces.region, spaces.group_links);
            (id.0, Vnet { flags, region, group_links, endpoints, peers })
        });
        let vnets = vnets.collect();
        let routes = world.routes.iter().map(|(id, routes)| {
            let numbered = routes.iter().map(|(prefix, next)| (*prefix, next_hops[next].0));
            (id.0, nodes.add(&numbered.collect()))
        });
        let routes = routes.collect();
        let compiled = Compiled::new(&world.policies, &mut nodes);
        let trie_v4 = (0..).zip(nodes.v4).skip(1).chain(spread_node(world, &next_hops));
        let trie_v4 = trie_v4.chain(world.slot_nodes());
        let trie_v4 = trie_v4.collect();
        let mask = capacity::CACHE_SETS - 1;
        let config = Config { tick_rate: TICK_RATE, cache_mask: [mask, mask], ..world.config };
        Self {
            config: BTreeMap::from([(0, config)]),
            filters: filters(world),
            policies: compiled.policies,
            classifiers: compiled.classifiers,
            rows: compiled.rows,
            interfaces: world.interfaces.clone(),
            nics: world.nics.iter().map(|(id, nic)| (id.0, *nic)).collect(),
            vnets,
            routes,
            trie_v4,
            trie_v6: (0..).zip(nodes.v6).skip(1).collect(),
            next_hops: next_hops.iter().map(|(next, id)| (id.0, *next)).collect(),
            links: world.links.iter().map(|(id, link)| (id.0, *link)).collect(),
            balancers: world.balancers.iter().map(|(id, it)| (id.0, *it)).collect(),
            frontends: world.frontends.clone(),
            vteps: world.vteps.iter().map(|(id, vtep)| (id.0, *vtep)).collect(),
            relations: world.relations.clone(),
            vtep_addresses: world.vtep_addresses.clone(),
            addresses: world.addresses.iter().map(|key| (*key, 1)).collect(),
        }
    }
}

/// The node of the spread next hop, if there is one.
fn spread_node(world: &World, ids: &BTreeMap<NextHop, NextHopId>) -> Option<(u32, Node4)> {
    let leaves: Vec<Entry> = world.spread.iter().map(|hop| Entry::leaf(ids[hop].0)).collect();
    (!leaves.is_empty()).then(|| {
        let children = std::array::from_fn(|slot| leaves[slot % leaves.len()]);
        (SPREAD_NODE, Node4 { children })
    })
}

/// Jiffies per second that the programs are told. They are the kernel's own where it has them.
const TICK_RATE: u32 = 250;

/// Filters as given; a local NIC without one has no policies and room for flows.
fn filters(world: &World) -> BTreeMap<u32, Filter> {
    let local = world
        .nics
        .values()
        .filter(|nic| nic.flags & nic_flags::PRESENT != 0 && !nic.vtep.is_some());
    let open = local.map(|nic| (nic.slot, open_filter()));
    let mut filters: BTreeMap<u32, Filter> = open.collect();
    filters.extend(world.filters.iter().map(|(slot, filter)| (*slot, *filter)));
    filters
}

/// No policies, and room for as many flows as the tests' tables hold.
pub fn open_filter() -> Filter {
    Filter {
        idle_timeout: 240,
        flows_max: capacity::FLOWS,
        half_open_max: capacity::FLOWS,
        ..Filter::default()
    }
}
