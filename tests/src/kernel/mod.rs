//! The loaded programs with their maps: filled from a [`World`](crate::world::World), run on frames,
//! and their counters read.

mod run;

use std::{env, fmt};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, PerCpuArray, ProgramArray},
    programs::{SchedClassifier, Xdp},
};
use bytemuck::Pod;
use vnetpeer_common::{
    abi::{
        self, AddressKey, Balancer, Cached4, Cached6, Classifier, Config, DROP_REASONS_MAX,
        DropCounter, Event, Filter, Flow, FlowKey4, FlowKey6, FlowsOpened, Fragmented, FrontendKey,
        Link, Meter, NextHop, Nic, Node4, Node6, RelationKey, Roots, Row, Vnet, Vtep, Watch, maps,
        next_program,
    },
    reason::DropReason,
    types::{Addr, BalancerId, LinkId, NicId, VtepId},
};

use vnetpeer_userspace::dataplane::events::Events;

pub use self::run::{Action, Outcome, Program, super_frame};
use crate::{capacity, counters::Counters, object, world::Image};

/// The interface that test runs come in on: the loopback device of the namespace.
const LOOPBACK: u32 = 1;

/// Whether this process may load programs. Where it may not, the caller returns, unless
/// `VNETPEER_REQUIRE_KERNEL` says that this counts as a failure.
pub fn available() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let required = env::var_os("VNETPEER_REQUIRE_KERNEL").is_some_and(|value| value != "0");
    assert!(root || !required, "not root, and VNETPEER_REQUIRE_KERNEL forbids to skip");
    if !root {
        eprintln!("skipped: loading programs needs root");
    }
    root
}

/// All programs of the object, loaded.
pub struct Kernel {
    ebpf: Ebpf,
    events: Events,
    _next: Vec<ProgramArray<MapData>>,
    image: Image,
}

impl Kernel {
    /// Loads everything with the capacities of the tests.
    pub fn load() -> Self {
        let mut loader = EbpfLoader::new();
        for (map, entries) in capacity::ALL {
            loader.map_max_entries(map, entries);
        }
        let cpus = aya::util::nr_cpus().expect("the number of CPUs");
        let cpus = u32::try_from(cpus).expect("a number of CPUs");
        loader
            .map_max_entries(maps::STREAM, cpus * abi::capacity::STREAM)
            .map_max_entries(maps::STREAM_ENDS, cpus);
        let mut ebpf = loader.load(&object::programs()).expect("create the maps");
        for (name, program) in ebpf.programs_mut() {
            let result = match program {
                aya::programs::Program::Xdp(program) => Xdp::load(program),
                aya::programs::Program::SchedClassifier(program) => SchedClassifier::load(program),
                _ => panic!("{name} is of an unexpected type"),
            };
            result.unwrap_or_else(|error| panic!("load {name}: {error}"));
        }
        let next = connect(&mut ebpf);
        let events = Events::take(&mut ebpf).expect("the maps of events");
        Self { ebpf, events, _next: next, image: Image::default() }
    }

    /// A loaded program.
    pub fn program(&self, name: &str) -> &aya::programs::Program {
        self.ebpf.program(name).unwrap_or_else(|| panic!("no program {name}"))
    }

    /// Makes the maps hold `image` and nothing else.
    pub fn fill(&mut self, image: &Image) {
        self.change(image);
        self.forget_flows();
    }

    /// Makes the maps hold `image`; flows stay.
    pub fn change(&mut self, image: &Image) {
        let old = std::mem::replace(&mut self.image, image.clone());
        let ebpf = &mut self.ebpf;
        array::<Config, { size_of::<Config>() }>(ebpf, maps::CONFIG, &old.config, &image.config);
        array::<Nic, { size_of::<Nic>() }>(ebpf, maps::NICS, &old.nics, &image.nics);
        array::<Vnet, { size_of::<Vnet>() }>(ebpf, maps::VNETS, &old.vnets, &image.vnets);
        array::<Roots, { size_of::<Roots>() }>(ebpf, maps::ROUTES, &old.routes, &image.routes);
        array::<Node4, { size_of::<Node4>() }>(ebpf, maps::TRIE_V4, &old.trie_v4, &image.trie_v4);
        array::<Node6, { size_of::<Node6>() }>(ebpf, maps::TRIE_V6, &old.trie_v6, &image.trie_v6);
        array::<NextHop, { size_of::<NextHop>() }>(
            ebpf,
            maps::NEXT_HOPS,
            &old.next_hops,
            &image.next_hops,
        );
        array::<Link, { size_of::<Link>() }>(ebpf, maps::LINKS, &old.links, &image.links);
        array::<Balancer, { size_of::<Balancer>() }>(
            ebpf,
            maps::BALANCERS,
            &old.balancers,
            &image.balancers,
        );
        hash::<FrontendKey, BalancerId, { size_of::<FrontendKey>() }>(
            ebpf,
            maps::FRONTENDS,
            &old.frontends,
            &image.frontends,
        );
        array::<Vtep, { size_of::<Vtep>() }>(ebpf, maps::VTEPS, &old.vteps, &image.vteps);
        array::<Row, { size_of::<Row>() }>(ebpf, maps::ROWS, &old.rows, &image.rows);
        array::<Classifier, { size_of::<Classifier>() }>(
            ebpf,
            maps::CLASSIFIERS,
            &old.classifiers,
            &image.classifiers,
        );
        array::<u32, 4>(ebpf, maps::POLICIES, &old.policies, &image.policies);
        array::<Filter, { size_of::<Filter>() }>(ebpf, maps::FILTERS, &old.filters, &image.filters);
        hash::<RelationKey, LinkId, { size_of::<RelationKey>() }>(
            ebpf,
            maps::RELATIONS,
            &old.relations,
            &image.relations,
        );
        hash::<Addr, VtepId, { size_of::<Addr>() }>(
            ebpf,
            maps::VTEP_ADDRS,
            &old.vtep_addresses,
            &image.vtep_addresses,
        );
        hash::<AddressKey, u32, { size_of::<AddressKey>() }>(
            ebpf,
            maps::NIC_ADDRS,
            &old.addresses,
            &image.addresses,
        );
    }

    /// Empties the flow table, the flow cache and the table of fragments.
    pub fn forget_flows(&mut self) {
        let ebpf = &mut self.ebpf;
        clear::<{ size_of::<FlowKey4>() }, { size_of::<Flow>() }>(ebpf, maps::FLOWS_V4);
        clear::<{ size_of::<FlowKey6>() }, { size_of::<Flow>() }>(ebpf, maps::FLOWS_V6);
        clear::<4, { size_of::<Fragmented>() }>(ebpf, maps::FRAGMENTS);
        zero::<{ size_of::<FlowsOpened>() }>(ebpf, maps::FLOWS_OPENED, capacity::DROP_SLOTS);
        self.forget_actions();
    }

    /// Flows that NICs opened, by slot.
    pub fn flows_by_slot(&self) -> std::collections::BTreeMap<u32, FlowsOpened> {
        const LEN: usize = size_of::<FlowsOpened>();
        let map = self.ebpf.map(maps::FLOWS_OPENED).expect("the map of flows");
        let map = Array::<_, [u8; LEN]>::try_from(map).expect("an array map");
        (0..capacity::DROP_SLOTS)
            .map(|slot| (slot, bytemuck::cast(map.get(&slot, 0).expect("a slot"))))
            .filter(|(_, flows)| *flows != FlowsOpened::default())
            .collect()
    }

    /// How many IPv4 flows there are.
    pub fn flows(&self) -> usize {
        const KEY: usize = size_of::<FlowKey4>();
        let map = self.ebpf.map(maps::FLOWS_V4).expect("the map of flows");
        let map = HashMap::<_, [u8; KEY], [u8; size_of::<Flow>()]>::try_from(map);
        map.expect("a hash map").keys().count()
    }

    /// Empties the flow cache.
    pub fn forget_actions(&mut self) {
        let cpus = aya::util::nr_cpus().expect("the number of CPUs");
        let entries = u32::try_from(cpus).expect("a number of CPUs") * capacity::CACHE_SETS * 2;
        zero::<{ size_of::<Cached4>() }>(&mut self.ebpf, maps::CACHE_V4, entries);
        zero::<{ size_of::<Cached6>() }>(&mut self.ebpf, maps::CACHE_V6, entries);
    }

    /// Lets the frames of the next runs come in on the interface `ifindex` of the world. A test run
    /// itself always comes in on the loopback device, so that entry of the map is exchanged.
    pub fn stand_on(&mut self, ifindex: Option<u32>) {
        let nic = ifindex.and_then(|it| self.image.interfaces.get(&it)).copied();
        let entry = std::collections::BTreeMap::from([(LOOPBACK, nic.unwrap_or(NicId::NONE))]);
        let none = std::collections::BTreeMap::new();
        array::<NicId, { size_of::<NicId>() }>(&mut self.ebpf, maps::IFACES, &none, &entry);
    }

    /// What all CPUs counted so far.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for (index, meter) in per_cpu::<Meter, { size_of::<Meter>() }>(&self.ebpf, maps::METERS) {
            let sum: &mut Meter = counters.meters.entry(LinkId(index)).or_default();
            sum.egress_packets += meter.egress_packets;
            sum.egress_bytes += meter.egress_bytes;
            sum.ingress_packets += meter.ingress_packets;
            sum.ingress_bytes += meter.ingress_bytes;
        }
        for (index, drops) in
            per_cpu::<DropCounter, { size_of::<DropCounter>() }>(&self.ebpf, maps::DROPS)
        {
            let (slot, reason) = (index / DROP_REASONS_MAX, index % DROP_REASONS_MAX);
            let reason = DropReason::from_number(reason).expect("only reasons are counted");
            let sum: &mut DropCounter = counters.drops.entry((slot, reason)).or_default();
            sum.packets += drops.packets;
            sum.bytes += drops.bytes;
        }
        counters
    }

    /// Takes the events since the last call, with the time set to zero.
    pub fn take_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.events.read(usize::MAX, |event, _| {
            assert!(event.time != 0, "an event has a time");
            events.push(Event { time: 0, ..event });
        });
        events
    }

    /// A loaded program, and what the programs tell: to run the one while the other is read.
    pub fn program_and_events(&mut self, name: &str) -> (&aya::programs::Program, &mut Events) {
        let program = self.ebpf.program(name).unwrap_or_else(|| panic!("no program {name}"));
        (program, &mut self.events)
    }

    /// Says which packets somebody watches.
    pub fn set_watch(&mut self, watch: Watch) {
        let map = self.ebpf.map_mut(maps::WATCH).expect("the map of what is watched");
        let mut map = Array::<_, [u8; size_of::<Watch>()]>::try_from(map).expect("an array");
        map.set(0, bytemuck::cast::<_, [u8; size_of::<Watch>()]>(watch), 0).expect("set it");
    }

    /// Events that found no room, of those that somebody watches.
    pub fn events_lost(&self) -> u64 {
        const WATCHED: u32 = 1;
        let lost = per_cpu::<u64, { size_of::<u64>() }>(&self.ebpf, maps::EVENTS_LOST);
        lost.iter().filter(|(index, _)| *index == WATCHED).map(|(_, lost)| lost).sum()
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}

/// aya takes values as byte arrays; `N` is the size of `V`.
fn array<V: Pod + PartialEq, const N: usize>(
    ebpf: &mut Ebpf,
    name: &str,
    old: &std::collections::BTreeMap<u32, V>,
    new: &std::collections::BTreeMap<u32, V>,
) {
    let map = ebpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
    let mut map = Array::<_, [u8; N]>::try_from(map).expect("an array map");
    for index in old.keys().filter(|index| !new.contains_key(index)) {
        map.set(*index, [0; N], 0).expect("clear an entry");
    }
    for (index, value) in new.iter().filter(|(index, value)| old.get(index) != Some(value)) {
        let bytes: [u8; N] = bytemuck::cast(*value);
        map.set(*index, bytes, 0).unwrap_or_else(|error| panic!("{name}[{index}]: {error}"));
    }
}

/// As [`array()`], for keys of `K` bytes and values that are one number.
fn hash<Key: Pod + Ord, V: Pod + PartialEq, const K: usize>(
    ebpf: &mut Ebpf,
    name: &str,
    old: &std::collections::BTreeMap<Key, V>,
    new: &std::collections::BTreeMap<Key, V>,
) {
    let map = ebpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
    let mut map = HashMap::<_, [u8; K], [u8; 4]>::try_from(map).expect("a hash map");
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        map.remove(&bytemuck::cast(*key)).expect("remove an entry");
    }
    for (key, value) in new.iter().filter(|(key, value)| old.get(key) != Some(value)) {
        let (key, value): ([u8; K], [u8; 4]) = (bytemuck::cast(*key), bytemuck::cast(*value));
        map.insert(key, value, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Says which programs come behind those on a workload's interface.
/// The kernel empties an array when its last file descriptor is closed.
fn connect(ebpf: &mut Ebpf) -> Vec<ProgramArray<MapData>> {
    let mut arrays = Vec::new();
    let hooks = [
        (maps::NEXT_TC, ["vnp_tc_out_other", "vnp_tc_out_v6"]),
        (maps::NEXT_XDP, ["vnp_xdp_out_other", "vnp_xdp_out_v6"]),
    ];
    for (name, programs) in hooks {
        let map = ebpf.take_map(name).unwrap_or_else(|| panic!("no map {name}"));
        let mut next = ProgramArray::try_from(map).expect("a program array");
        for (index, program) in [next_program::OTHER, next_program::IPV6].into_iter().zip(programs)
        {
            let fd = match ebpf.program(program).unwrap_or_else(|| panic!("no program {program}")) {
                aya::programs::Program::Xdp(it) => it.fd(),
                aya::programs::Program::SchedClassifier(it) => it.fd(),
                _ => panic!("{program} is of an unexpected type"),
            };
            next.set(index, fd.expect("a loaded program"), 0).expect("set the next program");
        }
        arrays.push(next);
    }
    arrays
}

/// Empties the first entries of an array.
fn zero<const N: usize>(ebpf: &mut Ebpf, name: &str, entries: u32) {
    let map = ebpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
    let mut map = Array::<_, [u8; N]>::try_from(map).expect("an array map");
    for index in 0..entries.min(map.len()) {
        map.set(index, [0; N], 0).expect("clear an entry");
    }
}

/// Empties a hash.
fn clear<const K: usize, const V: usize>(ebpf: &mut Ebpf, name: &str) {
    let map = ebpf.map_mut(name).unwrap_or_else(|| panic!("no map {name}"));
    let mut map = HashMap::<_, [u8; K], [u8; V]>::try_from(map).expect("a hash map");
    let keys: Vec<[u8; K]> = map.keys().collect::<Result<_, _>>().expect("the keys");
    for key in keys {
        map.remove(&key).expect("remove an entry");
    }
}

/// The values that are not zero, of every CPU, with their index.
fn per_cpu<V: Pod + PartialEq, const N: usize>(ebpf: &Ebpf, name: &str) -> Vec<(u32, V)> {
    let map = ebpf.map(name).unwrap_or_else(|| panic!("no map {name}"));
    let map = PerCpuArray::<_, [u8; N]>::try_from(map).expect("a per-CPU array");
    let mut found = Vec::new();
    for index in 0..map.len() {
        let values = map.get(&index, 0).unwrap_or_else(|error| panic!("{name}[{index}]: {error}"));
        let values = values.iter().map(|bytes| bytemuck::pod_read_unaligned::<V>(bytes));
        found.extend(values.filter(|value| *value != V::zeroed()).map(|value| (index, value)));
    }
    found
}
