//! The flow tables and their counters, for listing and aging.
//!
//! They are opened by their pins, apart from the other maps: programs fill them, and only user space
//! removes what has ended. All operations take a shared reference, so that a long read does not keep
//! the agent from other work.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use aya::{
    maps::{Array, IterableMap as _, Map, MapData, MapError, PerCpuArray},
    programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions},
};
use bytemuck::{Pod, Zeroable};
use vnetpeer_common::{
    abi::{Flow, FlowKey4, FlowKey6, FlowsEnded, FlowsOpened, maps},
    types::{NicId, RuleId},
};

use super::{
    Dataplane, LoadError,
    maps::MapOpError,
    sys::{self, Abi, HashedMap},
};

/// Entries that are read at once unless a bucket needs more.
const BATCH: usize = 4_096;
/// The program that tells the time of the flow tables.
const CLOCK_PROGRAM: &str = "vnp_clock";
/// A frame to run it on; its content does not matter.
const FRAME: [u8; 64] = [0; 64];

/// Why flows cannot be read or aged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// A map operation failed.
    #[error(transparent)]
    Map(#[from] MapOpError),
    /// The object has no clock.
    #[error("the BPF object lacks {name}")]
    Missing {
        /// Name of the program or map.
        name: &'static str,
    },
    /// The clock cannot be run.
    #[error("cannot run program {CLOCK_PROGRAM}")]
    Clock {
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
}

/// The key of a flow of either family.
pub trait FlowKey: Pod + Ord {
    /// Address on the NIC's side.
    fn local(&self) -> IpAddr;
    /// The other address.
    fn remote(&self) -> IpAddr;
    /// Port on the NIC's side in the upper half, the other in the lower.
    fn ports(&self) -> u32;
    /// NIC in the upper 24 bits, IP protocol in the lower 8.
    fn nic_protocol(&self) -> u32;

    /// The NIC.
    fn nic(&self) -> NicId {
        NicId(self.nic_protocol() >> 8)
    }

    /// The IP protocol.
    fn protocol(&self) -> u8 {
        let [.., protocol] = self.nic_protocol().to_be_bytes();
        protocol
    }

    /// Port on the NIC's side, then the other; 0 for protocols without, the identifier for ICMP.
    fn both_ports(&self) -> (u16, u16) {
        let [a, b, c, d] = self.ports().to_be_bytes();
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }
}

impl FlowKey for FlowKey4 {
    fn local(&self) -> IpAddr {
        Ipv4Addr::from(self.local.to_ne_bytes()).into()
    }

    fn remote(&self) -> IpAddr {
        Ipv4Addr::from(self.remote.to_ne_bytes()).into()
    }

    fn ports(&self) -> u32 {
        self.ports
    }

    fn nic_protocol(&self) -> u32 {
        self.nic_protocol
    }
}

impl FlowKey for FlowKey6 {
    fn local(&self) -> IpAddr {
        Ipv6Addr::from(self.local.octets()).into()
    }

    fn remote(&self) -> IpAddr {
        Ipv6Addr::from(self.remote.octets()).into()
    }

    fn ports(&self) -> u32 {
        self.ports
    }

    fn nic_protocol(&self) -> u32 {
        self.nic_protocol
    }
}

/// The flows of one family.
pub struct FlowTable<K: FlowKey> {
    name: &'static str,
    map: HashedMap<K, Flow>,
    capacity: u32,
}

impl<K: FlowKey> FlowTable<K> {
    fn open(dataplane: &Dataplane, name: &'static str) -> Result<Self, LoadError> {
        let map: HashedMap<K, Flow> = open(dataplane, name)?;
        let info = map.map().info();
        let info = info.map_err(|source| LoadError::Map { name, source: Box::new(source) })?;
        Ok(Self { name, map, capacity: info.max_entries() })
    }

    /// How many flows it can hold.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Shows every flow that is in the table all the time, and some of those that come or go
    /// meanwhile. `see` may remove the flow that it is shown.
    pub fn each(
        &self,
        mut see: impl FnMut(&K, &Flow) -> Result<(), FlowError>,
    ) -> Result<(), FlowError> {
        let mut cursor = None;
        let mut keys = vec![K::zeroed(); BATCH];
        let mut flows = vec![Flow::zeroed(); BATCH];
        loop {
            match sys::lookup_batch(&self.map, &mut cursor, &mut keys, &mut flows) {
                Ok((count, more)) => {
                    for (key, flow) in keys.iter().zip(&flows).take(count) {
                        see(key, flow)?;
                    }
                    if !more {
                        return Ok(());
                    }
                }
                // The next bucket is larger than the room for it.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    let room = keys.len() * 2;
                    keys.resize(room, K::zeroed());
                    flows.resize(room, Flow::zeroed());
                }
                Err(error) if cursor.is_none() => {
                    tracing::debug!(%error, map = self.name, "no batches; one entry at a time");
                    return self.each_alone(see);
                }
                Err(error) => return Err(self.failed("read the flows")(error)),
            }
        }
    }

    /// The same for kernels that cannot read hash maps in batches. A walk begins anew when the key
    /// that it stands on is removed, so all keys are collected first.
    fn each_alone(
        &self,
        mut see: impl FnMut(&K, &Flow) -> Result<(), FlowError>,
    ) -> Result<(), FlowError> {
        let failed = |source| map_failed("read the flows", self.name)(source);
        let keys: BTreeSet<K> = self
            .map
            .keys()
            .map(|key| key.map(|Abi(key)| key))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        for key in keys {
            match self.map.get(&Abi(key), 0) {
                Ok(Abi(flow)) => see(&key, &flow)?,
                Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Removes a flow and returns it as it was; `None` if it is gone already.
    pub fn take(&self, key: &K) -> Result<Option<Flow>, FlowError> {
        sys::take(&self.map, key).map_err(self.failed("remove a flow"))
    }

    /// Puts a flow back that was taken too early. Returns whether that was possible: not if it has
    /// been opened again, or if the table is full.
    pub fn put_back(&self, key: &K, flow: &Flow) -> Result<bool, FlowError> {
        sys::insert_new(&self.map, key, flow).map_err(self.failed("put a flow back"))
    }

    fn failed(&self, what: &'static str) -> impl Fn(io::Error) -> FlowError {
        let name = self.name;
        move |error| map_failed(what, name)(MapError::IoError(error))
    }
}

/// The flow tables with their counters, and the counters of the rules.
pub struct FlowMaps {
    /// IPv4.
    pub v4: FlowTable<FlowKey4>,
    /// IPv6.
    pub v6: FlowTable<FlowKey6>,
    opened: Array<MapData, Abi<FlowsOpened>>,
    ended: Mutex<Array<MapData, Abi<FlowsEnded>>>,
    hits: PerCpuArray<MapData, Abi<u64>>,
}

impl FlowMaps {
    /// Opens the maps of a loaded dataplane.
    pub fn open(dataplane: &Dataplane) -> Result<Self, LoadError> {
        Ok(Self {
            v4: FlowTable::open(dataplane, maps::FLOWS_V4)?,
            v6: FlowTable::open(dataplane, maps::FLOWS_V6)?,
            opened: open(dataplane, maps::FLOWS_OPENED)?,
            ended: Mutex::new(open(dataplane, maps::FLOWS_ENDED)?),
            hits: open(dataplane, maps::RULE_HITS)?,
        })
    }

    /// How many NICs have counters; slots are below.
    pub fn slots(&self) -> u32 {
        self.opened.len()
    }

    /// What the programs have counted for a NIC.
    pub fn opened(&self, slot: u32) -> Result<FlowsOpened, FlowError> {
        let value = self.opened.get(&slot, 0).map(|Abi(value)| value);
        value.map_err(map_failed("read a counter", maps::FLOWS_OPENED))
    }

    /// What was removed of a NIC's flows.
    pub fn ended(&self, slot: u32) -> Result<FlowsEnded, FlowError> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let value = ended.get(&slot, 0).map(|Abi(value)| value);
        value.map_err(map_failed("read a counter", maps::FLOWS_ENDED))
    }

    /// Sets what was removed of a NIC's flows.
    pub fn set_ended(&self, slot: u32, value: FlowsEnded) -> Result<(), FlowError> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let result = ended.set(slot, Abi(value), 0);
        result.map_err(map_failed("set a counter", maps::FLOWS_ENDED))
    }

    /// How many rules have counters; numbers are below.
    pub fn rules(&self) -> u32 {
        self.hits.len()
    }

    /// Flows that a rule decided, summed over CPUs; 0 for a rule that the array has no room for.
    pub fn hits(&self, rule: RuleId) -> Result<u64, FlowError> {
        if rule.0 >= self.hits.len() {
            return Ok(0);
        }
        let values = self.hits.get(&rule.0, 0);
        let values = values.map_err(map_failed("read a counter", maps::RULE_HITS))?;
        Ok(values.iter().map(|Abi(count)| *count).sum())
    }
}

impl Dataplane {
    /// Jiffies as the programs read them: the time of the flow tables.
    pub fn jiffies(&self) -> Result<u64, FlowError> {
        let missing = |name| move || FlowError::Missing { name };
        let failed = |source| FlowError::Clock { source: Box::new(source) };
        let program = self.ebpf.program(CLOCK_PROGRAM).ok_or_else(missing(CLOCK_PROGRAM))?;
        let program: &SchedClassifier = program.try_into().map_err(failed)?;
        let options = TestRunOptions { data_in: Some(&FRAME), ..TestRunOptions::default() };
        program.test_run(options).map_err(failed)?;
        let map = self.ebpf.map(maps::CLOCK).ok_or_else(missing(maps::CLOCK))?;
        let clock: Array<&MapData, u64> =
            map.try_into().map_err(map_failed("open the array", maps::CLOCK))?;
        clock.get(&0, 0).map_err(map_failed("read an entry", maps::CLOCK))
    }
}

/// Opens a pinned map under its expected type.
pub(super) fn open<M: TryFrom<Map, Error = MapError>>(
    dataplane: &Dataplane,
    name: &'static str,
) -> Result<M, LoadError> {
    let path = dataplane.links.with_file_name("maps").join(name);
    MapData::from_pin(&path)
        .and_then(Map::from_map_data)
        .and_then(M::try_from)
        .map_err(|source| LoadError::Pin { path, source: Box::new(source) })
}

fn map_failed(what: &'static str, map: &'static str) -> impl Fn(MapError) -> FlowError {
    move |source| FlowError::Map(MapOpError { what, map, source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use vnetpeer_common::{abi::nic_protocol, types::Addr};

    use super::*;

    #[test]
    fn a_key_tells_whose_flow_it_is() {
        let key = FlowKey4 {
            local: u32::from_ne_bytes([10, 0, 0, 4]),
            remote: u32::from_ne_bytes([10, 1, 0, 5]),
            ports: 0x01bb_c350,
            nic_protocol: nic_protocol(NicId(70_000), 6),
        };
        assert_eq!(key.local(), "10.0.0.4".parse::<IpAddr>().unwrap());
        assert_eq!(key.remote(), "10.1.0.5".parse::<IpAddr>().unwrap());
        assert_eq!((key.nic(), key.protocol()), (NicId(70_000), 6));
        assert_eq!(key.both_ports(), (443, 50_000));
    }

    #[test]
    fn an_ipv6_key_has_its_addresses() {
        let local: Ipv6Addr = "fd00::4".parse().unwrap();
        let remote: Ipv6Addr = "fd00:1::5".parse().unwrap();
        let key = FlowKey6 {
            local: Addr::v6(local.octets()),
            remote: Addr::v6(remote.octets()),
            ports: 0,
            nic_protocol: nic_protocol(NicId(1), 58),
        };
        assert_eq!((key.local(), key.remote()), (IpAddr::from(local), IpAddr::from(remote)));
    }
}
