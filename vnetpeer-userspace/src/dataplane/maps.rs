//! Executes operations on the maps, reads everything back, reads counters.

mod room;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, IterableMap as _, Map, MapData, MapError, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use bytemuck::{Pod, Zeroable};
use vnetpeer_common::{
    abi::{self, DROP_REASONS_MAX, DropCounter, Meter, maps},
    reason::DropReason,
    types::{Addr, BalancerId, LinkId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use super::{
    LoadError,
    events::Events,
    sys::{self, Abi},
};
use crate::topology::plan::{Op, RawMaps};
pub use room::MapTooSmall;

/// Entries that are read at once.
const BATCH: usize = 1_024;

type ArrayMap<V> = Array<MapData, Abi<V>>;
type HashedMap<K, V> = HashMap<MapData, Abi<K>, Abi<V>>;
type PerCpuMap<V> = PerCpuArray<MapData, Abi<V>>;

/// A map operation failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} in map {map}")]
pub struct MapOpError {
    /// What was tried.
    pub what: &'static str,
    /// The map.
    pub map: &'static str,
    /// Why.
    #[source]
    pub source: Box<MapError>,
}

/// All maps of one host, open.
pub struct KernelMaps {
    ifaces: ArrayMap<NicId>,
    nics: ArrayMap<abi::Nic>,
    vnets: ArrayMap<abi::Vnet>,
    routes: ArrayMap<abi::Roots>,
    trie_v4: ArrayMap<abi::Node4>,
    trie_v6: ArrayMap<abi::Node6>,
    next_hops: ArrayMap<abi::NextHop>,
    links: ArrayMap<abi::Link>,
    balancers: ArrayMap<abi::Balancer>,
    frontends: HashedMap<abi::FrontendKey, BalancerId>,
    vteps: ArrayMap<abi::Vtep>,
    config: ArrayMap<abi::Config>,
    relations: HashedMap<abi::RelationKey, LinkId>,
    vtep_addrs: HashedMap<Addr, VtepId>,
    nic_addrs: HashedMap<abi::AddressKey, u32>,
    filters: ArrayMap<abi::Filter>,
    policies: ArrayMap<u32>,
    classifiers: ArrayMap<abi::Classifier>,
    rows: ArrayMap<abi::Row>,
    meters: PerCpuMap<Meter>,
    drops: PerCpuMap<DropCounter>,
    events_lost: PerCpuMap<u64>,
    events: Option<Events>,
}

/// Takes a map out of the object under its expected type.
pub(super) fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, LoadError> {
    let map = ebpf.take_map(name).ok_or(LoadError::Missing { name })?;
    M::try_from(map).map_err(|source| LoadError::Map { name, source: Box::new(source) })
}

impl KernelMaps {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            ifaces: take(ebpf, maps::IFACES)?,
            nics: take(ebpf, maps::NICS)?,
            vnets: take(ebpf, maps::VNETS)?,
            routes: take(ebpf, maps::ROUTES)?,
            trie_v4: take(ebpf, maps::TRIE_V4)?,
            trie_v6: take(ebpf, maps::TRIE_V6)?,
            next_hops: take(ebpf, maps::NEXT_HOPS)?,
            links: take(ebpf, maps::LINKS)?,
            balancers: take(ebpf, maps::BALANCERS)?,
            frontends: take(ebpf, maps::FRONTENDS)?,
            vteps: take(ebpf, maps::VTEPS)?,
            config: take(ebpf, maps::CONFIG)?,
            relations: take(ebpf, maps::RELATIONS)?,
            vtep_addrs: take(ebpf, maps::VTEP_ADDRS)?,
            nic_addrs: take(ebpf, maps::NIC_ADDRS)?,
            filters: take(ebpf, maps::FILTERS)?,
            policies: take(ebpf, maps::POLICIES)?,
            classifiers: take(ebpf, maps::CLASSIFIERS)?,
            rows: take(ebpf, maps::ROWS)?,
            meters: take(ebpf, maps::METERS)?,
            drops: take(ebpf, maps::DROPS)?,
            events_lost: take(ebpf, maps::EVENTS_LOST)?,
            events: Some(Events::take(ebpf)?),
        })
    }

    /// Executes one operation.
    pub fn execute(&mut self, op: &Op) -> Result<(), MapOpError> {
        match *op {
            Op::SetNode4 { index, ref node } => {
                set(&mut self.trie_v4, index, **node, maps::TRIE_V4)
            }
            Op::SetNode6 { index, ref node } => {
                set(&mut self.trie_v6, index, **node, maps::TRIE_V6)
            }
            Op::SetNextHop { id, next_hop } => {
                set(&mut self.next_hops, id.0, next_hop, maps::NEXT_HOPS)
            }
            Op::SetRow { index, ref row } => set(&mut self.rows, index, **row, maps::ROWS),
            Op::SetClassifier { index, ref classifier } => {
                set(&mut self.classifiers, index, **classifier, maps::CLASSIFIERS)
            }
            Op::SetPolicy { id, classifier } => {
                set(&mut self.policies, id.0, classifier, maps::POLICIES)
            }
            Op::SetFilter { slot, filter } => set(&mut self.filters, slot, filter, maps::FILTERS),
            Op::SetIface { ifindex, nic } => set(&mut self.ifaces, ifindex, nic, maps::IFACES),
            Op::SetNic { id, nic } => set(&mut self.nics, id.0, nic, maps::NICS),
            Op::SetVnet { id, vnet } => set(&mut self.vnets, id.0, vnet, maps::VNETS),
            Op::SetRoutes { id, roots } => set(&mut self.routes, id.0, roots, maps::ROUTES),
            Op::SetLink { id, link } => set(&mut self.links, id.0, link, maps::LINKS),
            Op::SetBalancer { id, balancer } => {
                set(&mut self.balancers, id.0, balancer, maps::BALANCERS)
            }
            Op::SetFrontend { key, id } => insert(&mut self.frontends, key, id, maps::FRONTENDS),
            Op::DeleteFrontend { key } => remove(&mut self.frontends, key, maps::FRONTENDS),
            Op::SetVtep { id, vtep } => set(&mut self.vteps, id.0, vtep, maps::VTEPS),
            Op::SetConfig { config } => set(&mut self.config, 0, config, maps::CONFIG),
            Op::SetRelation { key, link } => {
                insert(&mut self.relations, key, link, maps::RELATIONS)
            }
            Op::DeleteRelation { key } => remove(&mut self.relations, key, maps::RELATIONS),
            Op::SetVtepAddr { addr, id } => {
                insert(&mut self.vtep_addrs, addr, id, maps::VTEP_ADDRS)
            }
            Op::DeleteVtepAddr { addr } => remove(&mut self.vtep_addrs, addr, maps::VTEP_ADDRS),
            Op::SetNicAddr { key } => insert(&mut self.nic_addrs, key, 1, maps::NIC_ADDRS),
            Op::DeleteNicAddr { key } => remove(&mut self.nic_addrs, key, maps::NIC_ADDRS),
            Op::ZeroMeter { id } => zero(&mut self.meters, id.0, maps::METERS),
            Op::ZeroDrops { slot } => self.zero_drops(slot),
        }
    }

    fn zero_drops(&mut self, slot: u32) -> Result<(), MapOpError> {
        for reason in 0..DROP_REASONS_MAX {
            zero(&mut self.drops, slot * DROP_REASONS_MAX + reason, maps::DROPS)?;
        }
        Ok(())
    }

    /// Reads all maps that operations write; of compiled rules and their rows only those in force.
    pub fn read_back(&self) -> Result<RawMaps, MapOpError> {
        let policies = entries(&self.policies, maps::POLICIES)?;
        let in_force: BTreeSet<u32> = policies.iter().map(|(_, index)| *index).collect();
        let mut raw = RawMaps {
            ifaces: entries(&self.ifaces, maps::IFACES)?,
            nics: entries(&self.nics, maps::NICS)?.into_iter().map(by(NicId)).collect(),
            vnets: entries(&self.vnets, maps::VNETS)?.into_iter().map(by(VnetId)).collect(),
            routes: entries(&self.routes, maps::ROUTES)?.into_iter().map(by(TableId)).collect(),
            trie_v4: entries(&self.trie_v4, maps::TRIE_V4)?,
            trie_v6: entries(&self.trie_v6, maps::TRIE_V6)?,
            next_hops: entries(&self.next_hops, maps::NEXT_HOPS)?,
            links: entries(&self.links, maps::LINKS)?.into_iter().map(by(LinkId)).collect(),
            balancers: entries(&self.balancers, maps::BALANCERS)?
                .into_iter()
                .map(by(BalancerId))
                .collect(),
            frontends: pairs(&self.frontends, maps::FRONTENDS)?,
            vteps: entries(&self.vteps, maps::VTEPS)?.into_iter().map(by(VtepId)).collect(),
            relations: pairs(&self.relations, maps::RELATIONS)?,
            vtep_addrs: pairs(&self.vtep_addrs, maps::VTEP_ADDRS)?,
            nic_addrs: pairs(&self.nic_addrs, maps::NIC_ADDRS)?
                .into_iter()
                .map(|it| it.0)
                .collect(),
            filters: entries(&self.filters, maps::FILTERS)?,
            policies: policies.into_iter().map(by(PolicyId)).collect(),
            classifiers: chosen(&self.classifiers, &in_force, maps::CLASSIFIERS)?,
            rows: Vec::new(),
            config: self.config()?,
        };
        raw.rows = chosen(&self.rows, &raw.rows_in_use(), maps::ROWS)?;
        Ok(raw)
    }

    /// The host's settings.
    pub fn config(&self) -> Result<abi::Config, MapOpError> {
        get(&self.config, 0, maps::CONFIG)
    }

    /// The meter of a link, summed over CPUs.
    pub fn meter(&self, link: LinkId) -> Result<Meter, MapOpError> {
        let values = per_cpu(&self.meters, link.0, maps::METERS)?;
        let mut total = Meter::default();
        for Abi(meter) in values.iter() {
            total.egress_packets += meter.egress_packets;
            total.egress_bytes += meter.egress_bytes;
            total.ingress_packets += meter.ingress_packets;
            total.ingress_bytes += meter.ingress_bytes;
        }
        Ok(total)
    }

    /// Drops of one row by reason, summed over CPUs; reasons that never happened are left out.
    pub fn drops(&self, slot: u32) -> Result<BTreeMap<DropReason, DropCounter>, MapOpError> {
        let mut by_reason = BTreeMap::new();
        for reason in DropReason::ALL {
            let index = slot * DROP_REASONS_MAX + reason.number();
            let mut total = DropCounter::default();
            for Abi(counter) in per_cpu(&self.drops, index, maps::DROPS)?.iter() {
                total.packets += counter.packets;
                total.bytes += counter.bytes;
            }
            if total.packets != 0 {
                by_reason.insert(*reason, total);
            }
        }
        Ok(by_reason)
    }

    /// Sampled drops whose events found no room.
    pub fn events_lost(&self) -> Result<u64, MapOpError> {
        Ok(per_cpu(&self.events_lost, 0, maps::EVENTS_LOST)?.iter().map(|Abi(count)| *count).sum())
    }

    /// What programs tell of packets; it has one reader, so it can be taken once.
    pub fn take_events(&mut self) -> Option<Events> {
        self.events.take()
    }
}

fn by<I, V>(id: fn(u32) -> I) -> impl Fn((u32, V)) -> (I, V) {
    move |(index, value)| (id(index), value)
}

pub(super) fn failed(what: &'static str, map: &'static str) -> impl Fn(MapError) -> MapOpError {
    move |source| MapOpError { what, map, source: Box::new(source) }
}

fn set<V: Pod>(
    map: &mut ArrayMap<V>,
    index: u32,
    value: V,
    name: &'static str,
) -> Result<(), MapOpError> {
    map.set(index, Abi(value), 0).map_err(failed("set an entry", name))
}

fn get<V: Pod>(map: &ArrayMap<V>, index: u32, name: &'static str) -> Result<V, MapOpError> {
    map.get(&index, 0).map(|Abi(value)| value).map_err(failed("read an entry", name))
}

fn insert<K: Pod + Hash, V: Pod>(
    map: &mut HashedMap<K, V>,
    key: K,
    value: V,
    name: &'static str,
) -> Result<(), MapOpError> {
    map.insert(Abi(key), Abi(value), 0).map_err(failed("insert a key", name))
}

/// A key that is gone already is as good as removed.
fn remove<K: Pod, V: Pod>(
    map: &mut HashedMap<K, V>,
    key: K,
    name: &'static str,
) -> Result<(), MapOpError> {
    match map.remove(&Abi(key)) {
        Err(MapError::KeyNotFound) | Ok(()) => Ok(()),
        Err(error) => Err(failed("remove a key", name)(error)),
    }
}

fn zero<V: Pod>(map: &mut PerCpuMap<V>, index: u32, name: &'static str) -> Result<(), MapOpError> {
    let io = |source| failed("count the CPUs", name)(MapError::IoError(source));
    let cpus = nr_cpus().map_err(|(_, error)| io(error))?;
    let values = PerCpuValues::try_from(vec![Abi(V::zeroed()); cpus]).map_err(io)?;
    map.set(index, values, 0).map_err(failed("clear a counter", name))
}

fn per_cpu<V: Pod>(
    map: &PerCpuMap<V>,
    index: u32,
    name: &'static str,
) -> Result<PerCpuValues<Abi<V>>, MapOpError> {
    map.get(&index, 0).map_err(failed("read a counter", name))
}

/// Entries of an array that are not all zero.
fn entries<V: Pod + Zeroable + PartialEq>(
    map: &ArrayMap<V>,
    name: &'static str,
) -> Result<Vec<(u32, V)>, MapOpError> {
    let mut found = Vec::new();
    let mut values = vec![V::zeroed(); BATCH];
    let mut first = 0;
    while first < map.len() {
        let read = sys::read_array(map.map(), first, &mut values);
        let read = read.map_err(failed("read entries", name))?;
        let entries = (first..).zip(values.iter().take(read));
        found.extend(entries.filter(|(_, it)| **it != V::zeroed()).map(|(at, it)| (at, *it)));
        let Ok(read @ 1..) = u32::try_from(read) else { break };
        first = first.saturating_add(read);
    }
    Ok(found)
}

/// Certain entries of an array; those beyond its end are left out.
fn chosen<V: Pod>(
    map: &ArrayMap<V>,
    indices: &BTreeSet<u32>,
    name: &'static str,
) -> Result<Vec<(u32, V)>, MapOpError> {
    let indices = indices.range(..map.len()).copied();
    indices.map(|index| Ok((index, get(map, index, name)?))).collect()
}

fn pairs<K: Pod, V: Pod>(
    map: &HashedMap<K, V>,
    name: &'static str,
) -> Result<Vec<(K, V)>, MapOpError> {
    map.iter()
        .map(|pair| pair.map(|(Abi(key), Abi(value))| (key, value)))
        .collect::<Result<_, _>>()
        .map_err(failed("list the keys", name))
}
