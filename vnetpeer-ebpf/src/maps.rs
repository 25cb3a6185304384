//! All maps. The loader may raise capacities before they are created, never the layouts.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use vnetpeer_common::{
    abi::{
        AddressKey, Config, DROP_REASONS_MAX, DropCounter, Link, Meter, NextHop, Nic, Node4, Node6,
        RelationKey, Roots, Vnet, Vtep, capacity,
    },
    types::{Addr, LinkId, NicId, VtepId},
};

#[map]
pub(crate) static IFACES: Array<NicId> = Array::with_max_entries(capacity::IFACES, 0);
#[map]
pub(crate) static NICS: Array<Nic> = Array::with_max_entries(capacity::NICS, 0);
#[map]
pub(crate) static VNETS: Array<Vnet> = Array::with_max_entries(capacity::VNETS, 0);
#[map]
pub(crate) static ROUTES: Array<Roots> = Array::with_max_entries(capacity::ROUTES, 0);
#[map]
pub(crate) static TRIE_V4: Array<Node4> = Array::with_max_entries(capacity::TRIE_V4, 0);
#[map]
pub(crate) static TRIE_V6: Array<Node6> = Array::with_max_entries(capacity::TRIE_V6, 0);
#[map]
pub(crate) static NEXT_HOPS: Array<NextHop> = Array::with_max_entries(capacity::NEXT_HOPS, 0);
#[map]
pub(crate) static LINKS: Array<Link> = Array::with_max_entries(capacity::LINKS, 0);
#[map]
pub(crate) static RELATIONS: HashMap<RelationKey, LinkId> =
    HashMap::with_max_entries(capacity::RELATIONS, 0);
#[map]
pub(crate) static VTEPS: Array<Vtep> = Array::with_max_entries(capacity::VTEPS, 0);
#[map]
pub(crate) static VTEP_ADDRS: HashMap<Addr, VtepId> = HashMap::with_max_entries(capacity::VTEPS, 0);
#[map]
pub(crate) static NIC_ADDRS: HashMap<AddressKey, u32> =
    HashMap::with_max_entries(capacity::NIC_ADDRS, 0);
#[map]
pub(crate) static CONFIG: Array<Config> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static METERS: PerCpuArray<Meter> = PerCpuArray::with_max_entries(capacity::LINKS, 0);
#[map]
pub(crate) static DROPS: PerCpuArray<DropCounter> =
    PerCpuArray::with_max_entries(capacity::DROP_SLOTS * DROP_REASONS_MAX, 0);
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(capacity::EVENTS, 0);
#[map]
pub(crate) static EVENTS_LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
